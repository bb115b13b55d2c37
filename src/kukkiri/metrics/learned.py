"""Metrics that are networks: colours, precision, and pictures too large for the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from kukkiri.errors import InputError, WeightError
from kukkiri.images.resampling import imresize
from kukkiri.metrics.base import Metric
from kukkiri.metrics.table import check_own_key
from kukkiri.weights import Weights

Precision = Literal["float32", "bfloat16", "float16"]
_TYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# A layer with at most so many outputs ends a network, or a branch of it.
HEAD = 64


class SingleLinear(nn.Linear):
    """A linear layer that autocast leaves alone.

    In a short type the last layer would round the score: two pictures nearer than 1 part in 256 would tie.
    """

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class LearnedMetric(Metric):
    """A metric whose score is what a network says of RGB pictures in single precision.

    A subclass implements `rate`, and loads its checkpoint with `weights.load_into` in its constructor. Grey pictures
    are repeated three times. Two options belong to every such metric; `kk.metric` takes them by name:

    precision : 'float32' | 'bfloat16' | 'float16'
        Of convolutions and products of matrices. The two short ones are for GPUs, and change the score: between
        pictures that hardly differ by more than the score itself (measured in docs/quality-networks.md). Parameters
        stay float32 whatever the module is cast to. float16 is for scores; train with bfloat16, in which gradients
        neither overflow nor vanish.
    max_side : int, optional
        Pictures with a longer side are reduced to it first (antialiased, in proportion), which changes what is
        measured.
    """

    precision: Precision = "float32"
    max_side: int | None = None

    def configure(self, *, precision: Precision = "float32", max_side: int | None = None) -> None:
        """Set the options that all networks share.

        Raises
        ------
        InputError
            If the precision is not known, or `max_side` is no whole number or below what the metric takes.
        """
        if precision not in _TYPES:
            raise InputError(expected=f"a precision: {', '.join(_TYPES)}", got=repr(precision), fix="choose one")
        if max_side is not None and (type(max_side) is not int or max_side < self.spec.min_size):
            raise InputError(
                expected=f"max_side, a whole number of at least {self.spec.min_size} px for {self.spec.name}",
                got=repr(max_side),
                fix="take a larger one, or leave it out",
            )
        self.precision, self.max_side = precision, max_side
        if precision != "float32":
            for module in self.modules():
                if type(module) is nn.Linear and module.out_features <= HEAD:
                    module.__class__ = SingleLinear

    def own_weights(self, weights: Weights | None) -> Weights:
        """What to load: the weights that are given, or else the metric's own checkpoint.

        Raises
        ------
        WeightError
            If none is given, and none is published.
        """
        if weights is not None:
            check_own_key(self.spec, weights)
            return weights
        if self.spec.needs_weights or not self.spec.weights:
            raise WeightError(
                expected=f"weights for {self.spec.name}, of which no checkpoint is published that can be fetched",
                got="none",
                fix=f"pass weights= (or --weights {self.spec.name}=FILE on the command line), a file in the layout "
                "that the metric's documentation tells",
            )
        return self.spec.weights[0]

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        """One value a sample.

        Parameters
        ----------
        image, reference : Tensor, (N, 3, H, W), float32, values in [0, 1]

        Returns
        -------
        Tensor, (N,)
        """
        raise NotImplementedError  # abstract: every subclass has its own

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        x = self.prepared(image)
        r = None if reference is None else self.prepared(reference)
        if self.precision == "float32":
            return self.rate(x, r).to(image.dtype)
        with torch.autocast(x.device.type, _TYPES[self.precision]):
            return self.rate(x, r).to(image.dtype)

    def prepared(self, picture: Tensor) -> Tensor:
        """A batch as the networks take it: RGB, single precision, at most `max_side`."""
        colours = picture.float().expand(-1, 3, -1, -1)
        size = LearnedMetric.measured_size(self, colours.shape[-2], colours.shape[-1])
        if colours.shape[-2:] == size:
            return colours
        return imresize(colours, size=size).clamp(0, 1)

    def measured_size(self, height: int, width: int) -> tuple[int, int]:
        """The size at which a picture of this size is measured.

        Raises
        ------
        InputError
            If `max_side` leaves its shorter side less than the metric takes.
        """
        if self.max_side is None or max(height, width) <= self.max_side:
            return height, width
        scale = self.max_side / max(height, width)
        size = (round(height * scale), round(width * scale))
        if min(size) < self.spec.min_size:
            raise InputError(
                expected=f"a max_side that leaves {width}×{height} sides of at least {self.spec.min_size} px",
                got=f"{self.max_side}, thus {size[1]}×{size[0]}",
                fix="take a larger max_side, or measure parts of the picture",
            )
        return size

    def train(self, mode: bool = True) -> Self:
        """A metric is not trained: it measures the same inside a model that is."""
        return super().train(False)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        # .half() or .to(dtype) of a module that this one is part of: only the device changes.
        def moved(tensor: Tensor) -> Tensor:
            found: Tensor = fn(tensor)
            return found if found.dtype == tensor.dtype else tensor.to(found.device)

        same: Self = super()._apply(moved, recurse)  # type: ignore[no-untyped-call]  # torch has no types here
        return same
