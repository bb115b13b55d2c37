"""Metrics that compare what a network's layers say of two pictures, averaged over the picture: LPIPS, DISTS.

Averages are sums, and a layer's value is a function of the pixels around it, so that tiles give the value of the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from statistics import fmean
from typing import ClassVar, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.image import ImageLike
from kukkiri.images.masks import Box
from kukkiri.images.tiles import layout
from kukkiri.metrics.base import LocalMetric, core_weights
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.memory import channels_last
from kukkiri.networks.vgg import MEAN
from kukkiri.weights import Weights, load_into, state_of

# Above this many pixels pictures are measured in tiles of this side, on a CPU, if the first layer has a cell for each
# pixel; with fewer cells, which take less memory, above more and in larger ones.
LARGE = 1 << 20
TILE = 1024
# The layers' strides all divide this.
GRID = 16
# Sides of the squares that what is masked is filled from, pixels; they divide GRID, so that tiles hold whole ones.
SQUARES = (16, 8, 4, 2)

T = TypeVar("T")


# Of the authors' modules and of whole classifiers: what nothing is computed from, or what repeats something.
UNUSED = ("lins.", "scaling_layer.", "classifier.", "mean", "std", "filter.")


def classifier_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The names of the authors' whole modules as those of the classifier in them.

    `net.slice2.3.weight` (LPIPS) and `stage2.3.weight` (DISTS) are `features.3.weight`; a constant window of DISTS's
    pooling, `stage2.4.filter`, is `filter.4`.
    """
    names = {name: re.sub(r"^(net\.slice|stage)\d+\.", "features.", name) for name in state}
    names = {name: re.sub(r"^features\.(\d+)\.filter$", r"filter.\1", new) for name, new in names.items()}
    return {names[name]: value for name, value in state.items()}


class FeatureComparison(LearnedMetric, LocalMetric):
    """A metric that is a sum over layers, of each something made of averages over the layer's cells.

    A subclass says at which strides and how far its layers look, gives pairs of features, and makes the score of sums.
    What is masked is filled in each picture from what lies around it, and left out are the cells whose own pixels,
    `strides` a side, are not all free. To leave out every cell that sees a masked pixel would leave out almost all: the
    deepest layers see 200 px. So cells nearby see what was filled in, which was the best of those tried: of lpips-alex
    on 256×256 px a masked pixel changes the score by 0.2 %, a square of 20×20 px by 1 %, a bar over an eighth of the
    height, edge to edge but for 20 px, by 3 %; black in their place by 0.4, 2 and 7 %.
    """

    # Pixels from one cell to the next, one a layer.
    strides: ClassVar[tuple[int, ...]]
    # How far a layer looks from the first pixel of a cell, pixels.
    sight: ClassVar[int]
    # How many cells farther a map looks in each layer.
    window: int = 0

    def load(self, network: nn.Module, weights: Weights | None, trunk: Weights | None) -> None:
        """Load a network whose parameters are named as in two files: the metric's own, and the classifier's.

        Parameters
        ----------
        network : nn.Module
            The classifier's part is `features`.
        weights : key, path, or mapping of Tensor, optional
            The metric's own file, or the whole state of the authors' module. Default: the spec's first entry.
        trunk : key, path, or mapping of Tensor, optional
            The classifier, which then is taken instead of any in `weights`. Default: the spec's second entry, unless
            `weights` has one.

        Raises
        ------
        WeightError
            If a file cannot be had or does not fit.
        """
        own_key, trunk_key = self.spec.weights
        given = own_key if weights is None else weights
        state = classifier_names(state_of(given, self.name))
        if trunk is not None or not any(name.startswith("features.") for name in state):
            source = trunk_key if trunk is None else trunk
            state = {name: value for name, value in state.items() if not name.startswith("features.")}
            state |= state_of(source, f"{self.name}'s classifier")
        load_into(network, state, f"{self.name} and its classifier", unused=UNUSED)
        channels_last(network)

    def features(self, picture: Tensor) -> Iterator[Tensor]:
        """What is compared: (N, C, h, w) a layer, of RGB pictures (N, 3, H, W) with values in [0, 1]."""
        raise NotImplementedError  # abstract: every subclass has its own

    def sums(self, layer: int, a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
        """Sums (N, K), float64, over one layer's cells of these weights (N, 1, h, w)."""
        raise NotImplementedError  # abstract: every subclass has its own

    def shares(self, totals: Tensor) -> Tensor:
        """From the sums of all layers side by side to each layer's share (N, L) of the score, float64."""
        raise NotImplementedError  # abstract: every subclass has its own

    def local(self, layer: int, a: Tensor, b: Tensor) -> Tensor:
        """One layer's share at each cell, (N, 1, h, w)."""
        raise NotImplementedError  # abstract: every subclass has its own

    def grid(self, height: int, width: int) -> int:
        return GRID

    def reach(self, height: int, width: int) -> int:
        return self.sight

    def shadow(self, height: int, width: int) -> int:
        return 0

    def hide(self, picture: Tensor, left_out: Tensor) -> Tensor:
        return filled_in(picture.expand(-1, 3, -1, -1), left_out)

    def share_counted(self, left_out: Tensor) -> float:
        """How much of a rectangle counts, mean over the layers."""
        free = self._resized((~left_out).float()[None, None], self.measured_size(*left_out.shape))
        return fmean(float(cells(free, stride).mean()) for stride in self.strides)

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        if self.measured_size(*size) != size:
            raise InputError(
                expected=f"a picture that {self.spec.name} need not resize, for tiles",
                got=f"{size[1]}×{size[0]}",
                fix="measure the whole picture, or leave max_side and resize out",
            )
        found = []
        for layer, (a, b) in enumerate(self._pairs(image.float(), cast(Tensor, reference).float())):
            counted = cells(weights.float(), self.strides[layer])[..., : a.shape[-2], : a.shape[-1]]
            found.append(self.sums(layer, a, b, counted))
        return torch.cat(found, 1)

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        return self.shares(totals[0]).sum(1)

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        return self.value((self._totals(image, cast(Tensor, reference), weights),)).to(image.dtype)

    def stages(self, image: ImageLike, reference: ImageLike) -> Tensor:
        """What each layer adds to the score.

        Parameters
        ----------
        image, reference : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        Tensor, (N, L)
            From the first layer to the last; their sum is the score.
        """
        x, r = self.check(image, reference)
        return self.shares(self._totals(x, cast(Tensor, r), torch.ones_like(x[:, :1]))).to(x.dtype)

    def map(self, image: ImageLike, reference: ImageLike) -> Tensor:
        """Where the pictures differ: each layer's local share, bilinearly upsampled to the picture, summed.

        Parameters
        ----------
        image, reference : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        Tensor, (N, 1, H, W)
            Of the size of the picture, even if it is reduced before it is measured.
        """
        x, r = self.check(image, reference)
        dtype, size = x.dtype, (x.shape[-2], x.shape[-1])
        x, r = self.prepared(x), self.prepared(cast(Tensor, r))
        height, width = x.shape[-2:]
        found: list[Tensor] = []
        ends = [(0, 0)] * len(self.strides)

        def part(outer: Box, core: tuple[slice, slice]) -> None:
            for layer, (a, b) in enumerate(self._pairs(x[..., *outer.slices], r[..., *outer.slices])):
                stride, values = self.strides[layer], self.local(layer, a, b)
                if (core[0].stop - core[0].start, core[1].stop - core[1].start) == (height, width):
                    found.append(values)
                    ends[layer] = (values.shape[-2], values.shape[-1])
                    continue
                if layer == len(found):
                    found.append(values.new_empty(values.shape[0], 1, -(-height // stride), -(-width // stride)))
                (top, bottom), (left, right) = [(along.start // stride, -(-along.stop // stride)) for along in core]
                inside = values[..., top - outer.top // stride :, left - outer.left // stride :]
                inside = inside[..., : bottom - top, : right - left]
                bottom, right = top + inside.shape[-2], left + inside.shape[-1]
                found[layer][..., top:bottom, left:right] = inside
                if inside.numel():  # a layer may have no cell in a narrow last tile
                    ends[layer] = (max(bottom, ends[layer][0]), max(right, ends[layer][1]))

        self._walk(x, r, part, self.sight + self.window * max(self.strides))
        layers = (one[..., :bottom, :right] for one, (bottom, right) in zip(found, ends))
        grown = (F.interpolate(one, size=size, mode="bilinear", align_corners=False) for one in layers)
        return reduce(torch.add, grown).to(dtype)

    def _totals(self, image: Tensor, reference: Tensor, weights: Tensor) -> Tensor:
        x, r = self.prepared(image), self.prepared(reference)
        height, width = x.shape[-2:]
        weights = self._resized(weights, (height, width))
        # One by one: the same values in less memory.
        if x.shape[0] > 1 and x.shape[0] * height * width > LARGE * self.strides[0]:
            each = zip(*(torch.split(t, 1) for t in (x, r, weights)), strict=True)
            return torch.cat([self._sums_of(*one) for one in each])
        return self._sums_of(x, r, weights)

    def _resized(self, weights: Tensor, size: tuple[int, int]) -> Tensor:
        """Weights (N, 1, H, W) of a picture that is reduced to this size: 1 where all pixels are."""
        return weights if weights.shape[-2:] == size else 1 - F.adaptive_max_pool2d(1 - weights, size)

    def _sums_of(self, x: Tensor, r: Tensor, weights: Tensor) -> Tensor:
        size = (x.shape[-2], x.shape[-1])

        def part(outer: Box, core: tuple[slice, slice]) -> Tensor:
            inside = core_weights(weights[..., *outer.slices], outer, core)
            return self.statistics(x[..., *outer.slices], r[..., *outer.slices], inside, (), size)

        return reduce(torch.add, self._walk(x, r, part, self.sight))

    def _walk(self, x: Tensor, r: Tensor, part: Callable[[Box, tuple[slice, slice]], T], margin: int) -> list[T]:
        """Do something with every tile of a large picture, or once with the whole."""
        height, width = x.shape[-2:]
        differentiated = torch.is_grad_enabled() and (x.requires_grad or r.requires_grad)
        first = self.strides[0]
        if height * width <= LARGE * first or x.device.type != "cpu" or differentiated:
            return [part(*cut) for cut in layout(height, width, max(height, width), 0)]
        return [part(*cut) for cut in layout(height, width, TILE * max(1, first // 2), -(-margin // GRID) * GRID)]

    def _pairs(self, x: Tensor, r: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Both pictures' features, layer by layer: never more than one layer's are held."""
        pictures = [one.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last) for one in (x, r)]
        streams = [self.features(one) for one in pictures]
        for _ in self.strides:
            # Only the network runs in a short type: what is made of its features would lose too much.
            with torch.autocast(x.device.type, getattr(torch, self.precision), enabled=self.precision != "float32"):
                pair = [next(stream) for stream in streams]
            yield pair[0].float(), pair[1].float()


def cells(weights: Tensor, stride: int) -> Tensor:
    """Which cells (N, 1, h, w) of a layer count: those all of whose own pixels (N, 1, H, W) do."""
    return 1 - F.max_pool2d(1 - weights, stride, ceil_mode=True)


def filled_in(picture: Tensor, left_out: Tensor) -> Tensor:
    """A picture (N, 3, H, W) in which what is masked (H, W) has the mean of the free pixels nearby.

    Of those in the smallest of `SQUARES` that has any; if none has, the mean colour of natural pictures: 0 after
    normalisation, which is what convolutions see beyond the border too. The squares lie on a grid, so that tiles are
    filled like the whole.
    """
    height, width = left_out.shape
    free = (~left_out).to(picture.dtype)[None, None]
    known = picture.masked_fill(left_out, 0)
    found = picture.new_tensor(MEAN).view(3, 1, 1).expand_as(picture)
    for side in SQUARES:
        share = F.avg_pool2d(free, side, ceil_mode=True)
        mean = F.avg_pool2d(known, side, ceil_mode=True) / share.clamp_min(torch.finfo(share.dtype).tiny)
        share, mean = (x.repeat_interleave(side, -2).repeat_interleave(side, -1) for x in (share, mean))
        found = torch.where(share[..., :height, :width] > 0, mean[..., :height, :width], found)
    return torch.where(left_out, found, picture)


def averaged(totals: Tensor, count: Tensor) -> Tensor:
    """Sums by how many cells they are of.

    Raises
    ------
    ShapeError
        If a layer has no cell that counts.
    """
    if bool((count == 0).any()):
        raise ShapeError(
            expected="a mask that leaves a free square of some 32 px",
            got="one that leaves a layer of the network no cell",
            fix="mask less of the picture",
        )
    return totals / count
