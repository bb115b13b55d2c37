"""The networks of `kukkiri-nr` as an ONNX file: the trunk, the pooling of its features, and the head.

What is counted in a picture (`picture_statistics`, `channel_statistics`, BRISQUE's features) is no network and stays
with the caller, as do the choice of parts and the reduction of the whole: `network_inputs` gives all three, with torch.
"""

from __future__ import annotations

import copy
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kukkiri.errors import missing_extra
from kukkiri.networks.efficientnet_lite import EfficientNetLite0, SameConv2d
from kukkiri.networks.quality_head import QualityHead
from kukkiri.quality.no_reference.kukkiri_nr import KukkiriNR
from kukkiri.quality.no_reference.quality_features import (
    LOCAL_TAPS,
    PART,
    STATISTICS,
    WHOLE,
    WHOLE_TAPS,
    chosen_parts,
    counted,
    reduced,
)
from kukkiri.replacing import replacing

OPSET = 17
INPUTS = ("parts", "whole", "statistics")
OUTPUTS = ("score", "lower", "upper", "wrong", "unlike_training")


class Inputs(NamedTuple):
    """What the networks look at, of one picture.

    Parameters
    ----------
    parts : Tensor, (P, 3, h, w), values in [0, 1]
        At the picture's own pixels.
    whole : Tensor, (1, 3, H, W)
        The picture made small.
    statistics : Tensor, (1, STATISTICS)
        What was counted: means over the parts, then of the whole.
    """

    parts: Tensor
    whole: Tensor
    statistics: Tensor


def network_inputs(image: Tensor) -> Inputs:
    """The inputs of the ONNX file for one picture; no network is run for them.

    Parameters
    ----------
    image : Tensor, (1, C, H, W), C = 1 or 3, values in [0, 1], sides of at least 32 px

    Returns
    -------
    Inputs
    """
    colours = image.float().expand(-1, 3, -1, -1)
    parts = [colours[..., rows, columns].contiguous() for rows, columns in chosen_parts(*colours.shape[-2:])]
    small = reduced(colours)
    return Inputs(torch.cat(parts), small, counted(parts, small))


class QualityGraph(nn.Module):
    """Parts, whole and statistics of one picture in; everything that is said of it out.

    Parameters
    ----------
    trunk : EfficientNetLite0
    head : QualityHead
    """

    def __init__(self, trunk: EfficientNetLite0, head: QualityHead) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(
        self, parts: Tensor, whole: Tensor, statistics: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What is said of the picture.

        Parameters
        ----------
        parts, whole, statistics : Tensor
            See `Inputs`.

        Returns
        -------
        score, lower, upper : Tensor, (1,)
            0 to 100.
        wrong : Tensor, (1, 7)
            Probability of each group.
        unlike_training : Tensor, (1,)
            0 to 1.
        """
        features = torch.cat([*self._pooled(parts, LOCAL_TAPS), *self._pooled(whole, WHOLE_TAPS), statistics], 1)
        said = self.head(features)
        # As `searchsorted` does, which ONNX has not: how many quantiles lie below.
        quantiles = self.head.distances
        place = (quantiles[None] < self.head.distance(features)[:, None]).float().sum(1) - 1
        unlike = (place / (len(quantiles) - 1)).clamp(0, 1)
        return said.score, said.lower, said.upper, torch.sigmoid(said.logits), unlike

    def _pooled(self, pictures: Tensor, taps: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of every channel over all pictures."""
        maps = self.trunk.features(pictures, taps)
        means = torch.cat([m.mean((0, 2, 3)) for m in maps])[None]
        squares = torch.cat([m.square().mean((0, 2, 3)) for m in maps])[None]
        return means, ((squares - means.square()).clamp_min(0) + 1e-10).sqrt()


class _Padded(nn.Conv2d):
    """A convolution whose padding is a constant: of the right size, and set right in the file."""

    def __init__(self, convolution: SameConv2d) -> None:
        super().__init__(
            convolution.in_channels,
            convolution.out_channels,
            convolution.kernel_size,  # type: ignore[arg-type]  # a pair, which it takes
            convolution.stride,  # type: ignore[arg-type]
            (convolution.kernel_size[0] // 2, convolution.kernel_size[1] // 2),
            groups=convolution.groups,
            bias=convolution.bias is not None,
        )
        self.weight, self.bias = convolution.weight, convolution.bias


def write_onnx(path: Path, trunk: EfficientNetLite0, head: QualityHead) -> None:
    """Write networks as an ONNX file; the number of parts and all sides are free.

    Parameters
    ----------
    path : Path
        Of the file; replaced whole or not at all.
    trunk : EfficientNetLite0
    head : QualityHead

    Raises
    ------
    MissingExtraError
        Without the package onnx.
    WriteError
        If the file cannot be written.
    """
    if find_spec("onnx") is None:
        raise missing_extra("onnx", "onnx", "writing ONNX files")
    import onnx

    graph = QualityGraph(_with_padding(trunk), head).eval()
    free = {"parts": {0: "p", 2: "h", 3: "w"}, "whole": {2: "rows", 3: "columns"}}
    examples = (torch.rand(2, 3, PART, PART), torch.rand(1, 3, WHOLE, WHOLE), torch.rand(1, STATISTICS))
    with replacing(path) as unfinished, warnings.catch_warnings():
        # The exporter warns of the check of sizes, which is not traced.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            examples,
            str(unfinished),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes=free,
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load(str(unfinished))
        for node in model.graph.node:
            if node.op_type == "Conv":
                # What TensorFlow calls 'same' depends on the size; ONNX has a name for it.
                kept = [a for a in node.attribute if a.name != "pads"]
                del node.attribute[:]
                node.attribute.extend([*kept, onnx.helper.make_attribute("auto_pad", "SAME_UPPER")])
        onnx.checker.check_model(model)
        onnx.save(model, str(unfinished))


def export_onnx(path: Path, weights: str | Path | None = None, *, trunk: str | None = None) -> None:
    """Write `kukkiri-nr` as an ONNX file.

    Parameters
    ----------
    path : Path
    weights, trunk : str or Path, optional
        As for `KukkiriNR`.

    Raises
    ------
    MissingExtraError
        Without the package onnx.
    WeightError
        If the weights cannot be had.
    WriteError
        If the file cannot be written.
    """
    ours = KukkiriNR(weights, trunk=trunk)
    write_onnx(path, ours.trunk, ours.head)


def _with_padding(trunk: EfficientNetLite0) -> EfficientNetLite0:
    """A copy whose convolutions have constant padding."""
    found = copy.deepcopy(trunk)
    for module in list(found.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, SameConv2d):
                setattr(module, name, _Padded(child))
    return found
