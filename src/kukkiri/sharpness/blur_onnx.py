"""The blur network as an ONNX file, for programs that have no torch: cameras, microscopes, C++.

Tiles, masks, the median and the interval are the caller's: see `blur_estimator.py`.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from kukkiri.errors import missing_extra
from kukkiri.networks.blur_net import expectation
from kukkiri.networks.blur_picture import evidence_of, power_of_two
from kukkiri.replacing import replacing
from kukkiri.sharpness.blur_estimator import BlurEstimator

OPSET = 17
OUTPUTS = ("sigma", "evidence", "anisotropy", "family")


class BlurGraph(nn.Module):
    """Picture in; out its maps at 1/8, and axes and family of the whole.

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
            Grey, any range; H and W multiples of 32, at least 128.

        Returns
        -------
        sigma : Tensor, (N, 1, H/8, W/8)
            Pixels.
        evidence : Tensor, (N, 1, H/8, W/8)
            0 to 1.
        anisotropy : Tensor, (N, 2)
            (xx − yy, 2·xy) / (xx + yy) of the PSF's covariance, of the whole picture.
        family : Tensor, (N, 3)
            Probabilities of Gaussian, disc, motion, likewise.
        """
        maps, _, judged = self.net(image, judged=True)
        mean, spread = expectation(maps.logits, self.net.centres)
        sigma = power_of_two(mean + judged.shift[:, None, None, None])
        return sigma, evidence_of(spread), judged.anisotropy, judged.family.softmax(1)


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
    free = {"image": {0: "n", 2: "h", 3: "w"}} | {name: {0: "n"} for name in OUTPUTS}
    free |= {name: {0: "n", 2: "rows", 3: "columns"} for name in ("sigma", "evidence")}
    with replacing(path) as unfinished, warnings.catch_warnings():
        # The exporter warns of Python numbers in the trace: they belong to sides that are no multiples of 32.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (torch.rand(1, 1, 128, 160),),
            str(unfinished),
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_axes=free,
            opset_version=OPSET,
            dynamo=False,
        )
