"""What every metric shares: accepting pictures, checking them, honouring masks, and summing over tiles."""

from __future__ import annotations

from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor, nn

from kukkiri.errors import ShapeError
from kukkiri.images.filtering import dilate
from kukkiri.images.image import ImageLike, as_batch
from kukkiri.images.masks import Box, as_mask, bounding_box, largest_free_box
from kukkiri.images.tiles import layout
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import spec_of


class Metric(nn.Module):
    """A measure of pictures. Call it: `metric(image[, reference])` gives one value a sample.

    A subclass names its spec and implements `score`. One whose score is built from local quantities derives from
    `LocalMetric` instead.
    """

    name: ClassVar[str]
    # True: `score` gets the mask as weights. False: a masked picture is cut to its largest free rectangle.
    takes_weights: ClassVar[bool] = False
    _home: Tensor
    # Pixels cut from every side before anything is measured: the habit of super-resolution papers.
    border: int = 0

    def __init__(self) -> None:
        super().__init__()
        self.spec: MetricSpec = spec_of(self.name)
        # Follows `.to(device)`, which a metric without parameters would not notice otherwise.
        self.register_buffer("_home", torch.empty(0), persistent=False)

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        """One value a sample.

        Parameters
        ----------
        image, reference : Tensor, (N, C, H, W), values in [0, 1]
            Of equal shape; `reference` is None exactly if the spec needs none.
        weights : Tensor, (N, 1, H, W)
            1 where a pixel counts, 0 where it does not. All 1 unless `takes_weights`.

        Returns
        -------
        Tensor, (N,)
        """
        raise NotImplementedError  # abstract: every subclass has its own

    def reach(self, height: int, width: int) -> int:
        """How far away, in pixels, a local quantity looks in a picture of this size."""
        return 0

    def shadow(self, height: int, width: int) -> int:
        """How far from a masked pixel, in pixels, nothing counts: as far as a local quantity looks."""
        return self.reach(height, width)

    def hide(self, picture: Tensor, left_out: Tensor) -> Tensor:
        """The picture (N, C, H, W) without what is masked."""
        # What is masked must not even tell whether a picture came from 8 bits: 0 is on every grid.
        return picture.masked_fill(left_out, 0)

    def forward(self, image: ImageLike, reference: ImageLike | None = None, *, mask: ImageLike | None = None) -> Tensor:
        """Measure one picture or a batch.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]
        reference : the same, of the same shape; for fidelity metrics only
        mask : Boolean (H, W) or (N, H, W), optional
            True where pixels must not count: an info bar, say.

        Returns
        -------
        Tensor, (N,)
            Never reduced over samples. NaN where the picture holds nothing to measure.

        Raises
        ------
        ShapeError
            If shapes differ, a side is too small, or the mask leaves too little.
        """
        x, r = self.check(image, reference)
        if mask is None:
            if self.border:
                inside = self.inside(Box(0, 0, x.shape[-2], x.shape[-1])).slices
                x, r = x[..., *inside], None if r is None else r[..., *inside]
            return self.score(x, r, torch.ones_like(x[:, :1]))
        left_out = as_mask(mask, x.shape[-2:], x.device)
        if left_out.ndim == 3:  # each sample has its own: each may be cut differently
            if left_out.shape[0] != x.shape[0]:
                raise ShapeError(
                    expected=f"one mask, or {x.shape[0]}", got=f"{left_out.shape[0]}", fix="give one mask a sample"
                )
            parts = [
                self._masked(x[i : i + 1], None if r is None else r[i : i + 1], left_out[i]) for i in range(x.shape[0])
            ]
            return torch.cat(parts)
        return self._masked(x, r, left_out)

    def check(self, image: ImageLike, reference: ImageLike | None) -> tuple[Tensor, Tensor | None]:
        """Both pictures as batches on this metric's device, or an error that says what is wrong with them."""
        spec = self.spec
        if (reference is not None) != spec.needs_reference:
            raise ShapeError(
                expected=f"{'a' if spec.needs_reference else 'no'} reference for {spec.name}",
                got="none" if reference is None else "one",
                fix="use kk.compare(image, reference)" if spec.needs_reference else "use kk.quality(image)",
            )
        x = as_batch(image).to(self.device)
        if x.shape[1] not in spec.channels:
            raise ShapeError(
                expected=f"{' or '.join(map(str, spec.channels))} channels",
                got=str(x.shape[1]),
                fix="convert the picture",
            )
        self._check_size(x.shape[-2], x.shape[-1], "crop less, or choose another metric")
        if reference is None:
            return x, None
        r = as_batch(reference).to(x.device, x.dtype)
        if r.shape != x.shape:
            raise unlike(x, r)
        return x, r

    def inside(self, box: Box) -> Box:
        """What is left of a rectangle when the border is cut away."""
        cut = self.border
        box = Box(box.top + cut, box.left + cut, box.height - 2 * cut, box.width - 2 * cut)
        self._check_size(box.height, box.width, "cut or mask less of the picture")
        return box

    @property
    def device(self) -> torch.device:
        """Where the metric is, and where it takes pictures to."""
        return self._home.device

    def _check_size(self, height: int, width: int, fix: str) -> None:
        if min(height, width) < self.spec.min_size:
            raise ShapeError(
                expected=f"sides of at least {self.spec.min_size} px for {self.spec.name}",
                got=f"{width}×{height}",
                fix=fix,
            )

    def share_left_out(self, mask: ImageLike, size: tuple[int, int]) -> float:
        """How much of a picture of this size does not count when this mask is given, 0 to 1.

        More than the mask itself: what lies so near to it that it sees it does not count either, or the picture is cut
        to the largest free rectangle.
        """
        left_out = as_mask(mask, size)
        if not self.takes_weights:
            box = largest_free_box(left_out)
            return 1 - box.height * box.width / (size[0] * size[1])
        box = bounding_box(~left_out)
        if box.height * box.width == 0:
            return 1.0
        return 1 - self.share_counted(left_out[box.slices]) * box.height * box.width / (size[0] * size[1])

    def share_counted(self, left_out: Tensor) -> float:
        """How much of a rectangle counts of which these pixels (H, W) are masked, 0 to 1."""
        return float((~dilate(left_out, self.shadow(*left_out.shape))).float().mean())

    def _masked(self, x: Tensor, r: Tensor | None, left_out: Tensor) -> Tensor:
        # Cutting away what is masked along the border first makes a picture with a bar equal one without it.
        box = bounding_box(~left_out) if self.takes_weights else largest_free_box(left_out)
        box = self.inside(box)
        left_out = left_out[box.slices]
        x = self.hide(x[..., *box.slices], left_out)
        r = None if r is None else self.hide(r[..., *box.slices], left_out)
        free = ~dilate(left_out, self.shadow(box.height, box.width))
        weights = free.to(x.dtype).expand(x.shape[0], 1, -1, -1)
        return self.score(x, r, weights)


def unlike(image: Tensor, reference: Tensor) -> ShapeError:
    """Why two batches (N, C, H, W) cannot be compared, and what to do."""
    expected, got, fixes = [], [], []
    if reference.shape[0] != image.shape[0]:
        expected.append(f"as many references as pictures, {len(image)}")
        got.append(str(len(reference)))
        expand = ": reference.expand(len(image), -1, -1, -1)" if len(reference) == 1 else ""
        fixes.append(f"give each picture its reference{expand}")
    if reference.shape[-2:] != image.shape[-2:]:
        expected.append(f"a reference of {image.shape[-1]}×{image.shape[-2]} px")
        got.append(f"{reference.shape[-1]}×{reference.shape[-2]} px")
        fixes.append("crop or resize one, or take --align / align='affine' if one is a scan of the other")
    if reference.shape[1] != image.shape[1]:
        expected.append(f"a reference of {image.shape[1]} channel{'s' if image.shape[1] > 1 else ''}")
        got.append(str(reference.shape[1]))
        fixes.append("convert both to grey or to RGB")
    return ShapeError(expected=", ".join(expected), got=", ".join(got), fix="; ".join(fixes))


# Above this many pixels a local metric works in tiles of this side, on a CPU.
LARGE = 1 << 20
TILE = 512


class LocalMetric(Metric):
    """A metric that is a function of sums over the picture, so that tiles give the value of the whole.

    A subclass implements `statistics` (weighted sums of local quantities) and `value` (the score from the sums).
    Masks and tiles are the same thing to it: pixels of weight 0 add nothing.
    """

    takes_weights = True
    # A later pass may use the sums of the earlier ones (a threshold that depends on the mean, say).
    passes: ClassVar[int] = 1

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        """Weighted sums over one tile, or over the whole.

        Parameters
        ----------
        image, reference, weights
            As in `score`. Borders of a tile inside the picture have weight 0 as far as `reach` goes.
        totals : tuple of Tensor (N, K), float64
            The sums over the whole picture of the passes before this one.
        size : (int, int)
            Height and width of the whole picture.

        Returns
        -------
        Tensor, (N, K), float64
        """
        raise NotImplementedError  # abstract: every subclass has its own

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        """The score (N,) from the sums of all passes."""
        raise NotImplementedError  # abstract: every subclass has its own

    def grid(self, height: int, width: int) -> int:
        """Tiles must start at multiples of this (a block size, a decimation factor)."""
        return 1

    def tiling(self, height: int, width: int, size: int) -> tuple[int, int]:
        """Side and margin of tiles that give the value of the whole: `size` or a little more, and the reach.

        Parameters
        ----------
        height, width : int
            Of the whole picture.
        size : int
            Wanted side of a tile without its margin, pixels.
        """
        grid = self.grid(height, width)
        return -(-size // grid) * grid, -(-self.reach(height, width) // grid) * grid

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        step = margin = max(height, width)
        differentiated = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (image, reference))
        if height * width > LARGE and image.device.type == "cpu" and not differentiated:
            # Tiles that fit the cache: several times as fast, in a fraction of the memory, to the same value.
            step, margin = self.tiling(height, width, TILE)
        cuts = list(layout(height, width, step, margin))

        def part(outer: Box, core: tuple[slice, slice]) -> Tensor:
            place = outer.slices
            inside = core_weights(weights[..., *place], outer, core)
            r = None if reference is None else reference[..., *place]
            return self.statistics(image[..., *place], r, inside, totals, (height, width))

        totals: tuple[Tensor, ...] = ()
        for _ in range(self.passes):
            totals += (reduce(torch.add, (part(*cut) for cut in cuts)),)
        return self.value(totals).to(image.dtype)


def core_weights(weights: Tensor, outer: Box, core: tuple[slice, slice]) -> Tensor:
    """The weights (…, h, w) of a tile, 0 outside its core."""
    rows = slice(core[0].start - outer.top, core[0].stop - outer.top)
    columns = slice(core[1].start - outer.left, core[1].stop - outer.left)
    if (rows.stop - rows.start, columns.stop - columns.start) == (outer.height, outer.width):
        return weights
    inside = torch.zeros_like(weights)
    inside[..., rows, columns] = weights[..., rows, columns]
    return inside


def weighted_sums(weights: Tensor, *quantities: Tensor) -> Tensor:
    """Sums over each sample in float64: of the weights, then of each quantity times the weights.

    Parameters
    ----------
    weights : Tensor, (N, 1, H, W)
    quantities : Tensor, (N, C, H, W)
        Averaged over their channels.

    Returns
    -------
    Tensor, (N, 1 + len(quantities)), float64
    """
    # Rows are summed in the picture's own precision and rows of sums in float64: as exact, and many times as fast.
    columns = [weights.sum(-1).double().sum((1, 2))]
    columns += [torch.linalg.vecdot(q, weights).double().sum((1, 2)) / q.shape[1] for q in quantities]
    return torch.stack(columns, 1)
