"""MUSIQ: quality from the picture at its own size and two smaller ones (Ke, Wang, Wang, Milanfar, Yang 2021)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from kukkiri.images.gaussian_resize import gaussian_resize
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.musiq import MultiscaleTransformer
from kukkiri.networks.unfilled import unfilled
from kukkiri.quality.no_reference.options import check_whole
from kukkiri.weights import Weights, load_into

# The longer sides, in pixels, that the picture is brought to beside its own size.
SIDES = (224, 384)


def longer_side(image: Tensor, side: int) -> Tensor:
    """The picture (N, C, H, W) with its longer side brought to `side` px by TensorFlow's Gaussian method."""
    height, width = image.shape[-2:]
    # In single precision and with halves to the even number, as the authors' graph rounds.
    ratio = np.float32(side) / np.float32(max(height, width))
    size = (max(int(np.rint(np.float32(height) * ratio)), 1), max(int(np.rint(np.float32(width) * ratio)), 1))
    return gaussian_resize(image, size)


class MUSIQ(LearnedMetric):
    """Multi-scale image quality transformer, on mean opinions of one data set; higher is better.

    Nothing is cropped. The picture is read at three sizes, in patches of 32 × 32 px: its longer side brought to 224 px
    and to 384 px, and as it is. The scale of values is that of the data set: about 0 to 100 for KonIQ-10k, SPAQ and
    PaQ-2-PiQ (no bound is enforced), 1 to 10 for AVA, whose model gives shares of ten scores.

    The number of patches grows with the picture, and the time with its square: 512 × 512 px are 450 tokens,
    4000 × 3000 px are 12 000, which take about a hundred times as long (memory grows with the area alone, under 1 GB).
    `max_side=1024` bounds both by reducing the picture first; `max_patches` is the authors' own bound, which cuts the
    list of patches: only the top of the picture is then read at its own size.

    Source: Ke et al., ICCV 2021 (arXiv:2108.05997), and the arithmetic of the authors' JAX and TensorFlow code. Ports
    differ from it (GELU, resizing, standardised weights), so that their values are others by some percent.

    Parameters
    ----------
    weights : str, path, or mapping of Tensor, optional
        In the layout that the authors' checkpoints have as PyTorch files.
    max_patches : int, optional
        Read at most so many patches of the picture at its own size; 0 reads the two smaller ones alone.

    Raises
    ------
    InputError
        If `max_patches` is not a whole number from 0.
    WeightError
        If the checkpoint cannot be had or does not fit.
    """

    outputs: ClassVar[int] = 1

    def __init__(self, weights: Weights | None = None, *, max_patches: int | None = None) -> None:
        super().__init__()
        if max_patches is not None:
            check_whole("max_patches", max_patches, 0, "leave it out to read all")
        self.max_patches = max_patches
        self.network = unfilled(lambda: MultiscaleTransformer(self.outputs))
        load_into(self.network, self.own_weights(weights), "MUSIQ", inside=("params",))

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        x = image * 2 - 1
        judged: Tensor = self.network([*(longer_side(x, side) for side in SIDES), x], self.max_patches)
        if self.outputs == 1:
            return judged[:, 0]
        return (judged * torch.arange(1.0, self.outputs + 1, device=judged.device)).sum(1)


class MUSIQKonIQ(MUSIQ):
    """`musiq-koniq`: trained on KonIQ-10k, photographs with the faults that photographs have; about 0 to 100."""

    name = "musiq-koniq"


class MUSIQSPAQ(MUSIQ):
    """`musiq-spaq`: trained on SPAQ, photographs of smartphones; about 0 to 100."""

    name = "musiq-spaq"


class MUSIQPaQ2PiQ(MUSIQ):
    """`musiq-paq2piq`: trained on the whole pictures of PaQ-2-PiQ, photographs from the web; about 0 to 100."""

    name = "musiq-paq2piq"


class MUSIQAVA(MUSIQ):
    """`musiq-ava`: trained on AVA, which asks how beautiful a photograph is, not how sharp; 1 to 10."""

    name = "musiq-ava"
    outputs = 10
