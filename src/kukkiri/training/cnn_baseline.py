"""Recipe of `cnn-baseline`: a plain backbone regressed to blur size on clean photographs.

Data: photographs area-reduced by 2, a quarter of them grey, blurred by Gaussians and discs in turn, sigma log-uniform
from 0.3 to 8 px, cut at random (96 px and more), rounded to 8 bits. No other gain, light, noise or file format: that is
the point. Every tenth photograph is held out, and validates.
Model: EfficientNet-Lite0 as published; of the ends of its stages 1 to 5, mean and standard deviation of every channel
over the picture (544 numbers, computed once a run: minutes). Trained is only the head, 0.16 M parameters.
Loss: smooth L1 of log sigma.
Run: `kukkiri train cnn-baseline --data FOLDER --steps 6000 --precision no --out RUN`, seed 0, on the 400 photographs of
BSDS500's train and test sets; on one core two minutes, after seven for the features.
Reached on the 40 held-out ones, clean: median error 6.6 %, 90th percentile 17.5 %, Spearman 0.994.
Tried on them first, with 12 views (median error): ridge regression on one stage (10 % for the fourth and fifth, 13 % to
29 % for the others), on the classifier's last features (18 %), on stages 1 to 5 (9.3 %); with one hidden layer on those
(7.0 %), with two or three (6.9 %, three with the smaller 90th percentile). Stages 6 and 7 gained nothing then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.images.colour import luma
from kukkiri.images.reading import load
from kukkiri.networks.efficientnet_lite import EfficientNetLite0, efficientnet_lite0
from kukkiri.optics import psf
from kukkiri.sharpness.cnn_baseline import BlurHead, pooled_features
from kukkiri.training.photographs import picture_files, split
from kukkiri.training.recipe import Recipe, generator

SIGMAS = (0.3, 8.0)
SMALLEST_CUT = 96
SHARE_GREY = 0.25


class Features(NamedTuple):
    """Pooled features of blurred pictures, and the truth.

    Parameters
    ----------
    pooled : Tensor, (M, 544)
    log_sigma : Tensor, (M,)
        Of the kernel that was applied, natural logarithm of pixels.
    """

    pooled: Tensor
    log_sigma: Tensor


class CnnBaseline(Recipe):
    """Train the head of `cnn-baseline`.

    Parameters
    ----------
    data : sequence of Path
        Folders of sharp photographs; at least 20 pictures of 192 px a side.
    views : int
        Blurred versions of each photograph.
    batch : int
        Features a step.
    rate : float
        Peak learning rate.
    dropout : float
    """

    name = "cnn-baseline"
    title = "EfficientNet-Lite0 features regressed to blur size on clean pictures"
    weight_decay = 0.1

    def __init__(
        self,
        data: Sequence[Path] = (),
        *,
        views: int = 16,
        batch: int = 64,
        rate: float = 1e-3,
        dropout: float = 0.2,
    ) -> None:
        self.learning_rate = rate
        self.views, self.batch, self.dropout = views, batch, dropout
        self.files = picture_files(data)
        self._features: tuple[Features, Features] | None = None

    def features(self) -> tuple[Features, Features]:
        """Of the pictures trained on, and of those held out; made on first use."""
        if self._features is None:
            trunk = efficientnet_lite0()
            found = {file: features_of(trunk, file, at, self.views) for at, file in enumerate(self.files)}
            parts = split(self.files)
            training, held_out = (_joined([found[file] for file in part]) for part in (parts.training, parts.held_out))
            self._features = training, held_out
        return self._features

    def model(self) -> nn.Module:
        """The head, not trained, but for the mean and the scale of its inputs."""
        head = BlurHead(self.dropout)
        pooled, log_sigma = self.features()[0]
        head.mean.copy_(pooled.mean(0))
        head.scale.copy_(pooled.std(0).clamp_min(1e-3))
        nn.init.constant_(head.last.bias, float(log_sigma.mean()))
        return head

    def batches(self, seed: int, step: int) -> Iterator[Features]:
        """Endless batches drawn at random, each fixed by (seed, step)."""
        pooled, log_sigma = self.features()[0]
        while True:
            drawn = torch.randint(len(pooled), (self.batch,), generator=generator(seed, step))
            yield Features(pooled[drawn], log_sigma[drawn])
            step += 1

    def loss(self, model: nn.Module, batch: Features) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Smooth L1 of log sigma, quadratic below 10 %."""
        return F.smooth_l1_loss(model(batch.pooled), batch.log_sigma, beta=0.1), {}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Errors on the held-out photographs, clean: 'score' is the mean error of log sigma."""
        from scipy.stats import spearmanr

        pooled, truth = self.features()[1]
        error = model(pooled.to(next(model.parameters()).device)).cpu() - truth
        relative = torch.expm1(error).abs()
        return {
            "score": float(error.abs().mean()),
            "median_error": float(relative.median()),
            "p90_error": float(relative.quantile(0.9)),
            "spearman": float(spearmanr(error + truth, truth).statistic),
        }


@torch.no_grad()
def features_of(trunk: EfficientNetLite0, file: Path, number: int, views: int) -> Features:
    """Pooled features of several clean, blurred versions of one photograph.

    Parameters
    ----------
    trunk : EfficientNetLite0
    file : Path
    number : int
        Of the photograph: decides what is drawn for it.
    views : int

    Raises
    ------
    InputError
        If the photograph is too small.
    """
    sharp = F.avg_pool2d(load(file).pixels[None], 2)
    height, width = sharp.shape[-2:]
    if min(height, width) < SMALLEST_CUT:
        raise InputError(
            expected=f"photographs of at least {2 * SMALLEST_CUT} px a side",
            got=f"{2 * width}×{2 * height} in {file.name}",
            fix="take it out of the folder",
        )
    random = np.random.default_rng((0, number))
    if random.random() < SHARE_GREY:
        sharp = luma(sharp)
    sharp = sharp.expand(-1, 3, -1, -1)
    pooled, sigmas = [], []
    for view in range(views):
        sigma = math.exp(random.uniform(math.log(SIGMAS[0]), math.log(SIGMAS[1])))
        family = psf.disc if view % 2 else psf.gaussian
        kernel = family(length_for(family, sigma))
        seen = _cut(psf.blur(sharp, kernel).clamp(0, 1), random)
        pooled.append(pooled_features(trunk, (seen * 255).round() / 255))
        sigmas.append(psf.sigma_of(kernel))
    return Features(torch.cat(pooled), torch.cat(sigmas).log().float())


def length_for(family: Callable[[float], Tensor], sigma: float) -> float:
    """The length with which a family of kernels has this sigma by its own moments: near a pixel, its name misleads.

    Parameters
    ----------
    family : function of one length, px
    sigma : float
        Pixels.
    """
    lengths, sizes = _sizes(family)
    return float(np.interp(sigma, sizes, lengths))


@cache
def _sizes(family: Callable[[float], Tensor]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lengths = np.geomspace(0.25, 2.5 * SIGMAS[1], 300)
    sizes = [float(psf.sigma_of(family(float(length)))) for length in lengths]
    return lengths, np.maximum.accumulate(sizes)


def _cut(image: Tensor, random: np.random.Generator) -> Tensor:
    """A random part of a picture; each side is whole in three cases of ten."""
    places = []
    for length in image.shape[-2:]:
        side = length if random.random() < 0.3 else int(random.integers(SMALLEST_CUT, length + 1))
        start = int(random.integers(length - side + 1))
        places.append(slice(start, start + side))
    return image[..., places[0], places[1]]


def _joined(parts: Sequence[Features]) -> Features:
    return Features(torch.cat([p.pooled for p in parts]), torch.cat([p.log_sigma for p in parts]))
