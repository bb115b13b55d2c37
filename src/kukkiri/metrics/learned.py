"""Metrics that are networks: colours, precision, and pictures too large for the memory."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from kukkiri.errors import InputError, WeightError
from kukkiri.images.resampling import imresize
from kukkiri.metrics.base import Metric
from kukkiri.weights import Weights

Precision = Literal["float32", "bfloat16", "float16"]
_TYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class LearnedMetric(Metric):
    """A metric whose score is what a network says of RGB pictures in single precision.

    A subclass implements `rate`, and loads its checkpoint with `weights.load_into` in its constructor. Grey pictures
    are repeated three times. Two options belong to every such metric; `kk.metric` takes them by name:

    precision : 'float32' | 'bfloat16' | 'float16'
        Of convolutions and products of matrices. The two short ones are for GPUs, and change the score a little.
    max_side : int, optional
        Pictures with a longer side are reduced to it first (antialiased), which changes what is measured.
    """

    precision: Precision = "float32"
    max_side: int | None = None

    def configure(self, *, precision: Precision = "float32", max_side: int | None = None) -> None:
        """Set the options that all networks share.

        Raises
        ------
        InputError
            If the precision is not known, or `max_side` is below what the metric takes.
        """
        if precision not in _TYPES:
            raise InputError(expected=f"a precision: {', '.join(_TYPES)}", got=repr(precision), fix="choose one")
        if max_side is not None and (isinstance(max_side, bool) or max_side < self.spec.min_size):
            raise InputError(
                expected=f"max_side of at least {self.spec.min_size} px for {self.spec.name}",
                got=repr(max_side),
                fix="take a larger one, or leave it out",
            )
        self.precision, self.max_side = precision, max_side

    def own_weights(self, weights: Weights | None) -> Weights:
        """What to load: the weights that are given, or else the metric's own checkpoint.

        Raises
        ------
        WeightError
            If none is given, and none is published.
        """
        if weights is not None:
            return weights
        if not self.spec.weights:
            raise WeightError(
                expected=f"weights for {self.spec.name}, of which no checkpoint is published that can be fetched",
                got="none",
                fix="pass weights=, a file in the layout that the metric's documentation tells",
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
        height, width = colours.shape[-2:]
        if self.max_side is None or max(height, width) <= self.max_side:
            return colours
        scale = self.max_side / max(height, width)
        size = (max(round(height * scale), self.spec.min_size), max(round(width * scale), self.spec.min_size))
        return imresize(colours, size=size).clamp(0, 1)
