"""The blur network as an ONNX file, for programs that have no torch: cameras, microscopes, C++.

The file holds the network alone. Tiles, masks, the median and the interval are the caller's: see `blur_estimator.py`.
"""

from __future__ import annotations

import math
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from kukkiri.errors import missing_extra
from kukkiri.networks.blur_net import evidence_of, expectation
from kukkiri.replacing import replacing
from kukkiri.sharpness.blur_estimator import BlurEstimator

OPSET = 17
OUTPUTS = ("sigma", "evidence", "anisotropy", "family")


class BlurGraph(nn.Module):
    """Picture in, maps at 1/8 out.

    Parameters
    ----------
    estimator : BlurEstimator
    """

    def __init__(self, estimator: BlurEstimator) -> None:
        super().__init__()
        self.net = estimator.net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Maps of a batch.

        Parameters
        ----------
        image : Tensor, (N, 1, H, W)
            Grey, any range; H and W multiples of 32, at least 64.

        Returns
        -------
        sigma : Tensor, (N, 1, H/8, W/8)
            Pixels.
        evidence : Tensor, (N, 1, H/8, W/8)
            0 to 1.
        anisotropy : Tensor, (N, 2, H/8, W/8)
            (xx − yy, 2·xy) / (xx + yy) of the PSF's covariance.
        family : Tensor, (N, 3, H/8, W/8)
            Probabilities of Gaussian, disc, motion.
        """
        maps = self.net(image)
        mean, spread = expectation(maps.logits, self.net.centres)
        # ONNX has no power of two of its own.
        return (mean * math.log(2)).exp(), evidence_of(spread), maps.anisotropy, maps.family.softmax(1)


def export_onnx(path: Path, weights: str | Path = "kukkiri-blur") -> None:
    """Write the network as an ONNX file; batch, height and width are free.

    Parameters
    ----------
    path : Path
        Of the file; replaced whole or not at all.
    weights : str or Path
        As for `BlurEstimator`.

    Raises
    ------
    MissingExtraError
        Without the package onnx.
    WriteError
        If the file cannot be written.
    """
    if find_spec("onnx") is None:
        raise missing_extra("onnx", "onnx", "writing ONNX files")
    graph = BlurGraph(BlurEstimator(weights)).eval()
    free = {name: {0: "n", 2: "h", 3: "w"} for name in ("image", *OUTPUTS)}
    with replacing(path) as unfinished, warnings.catch_warnings():
        # The exporter warns of Python numbers in the trace: they belong to sides that are no multiples of 32.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (torch.rand(1, 1, 64, 96),),
            str(unfinished),
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_axes=free,
            opset_version=OPSET,
            dynamo=False,
        )
