"""HiFST: sharpness from the smallest high-frequency DCT coefficients of the gradient (Golestaneh and Karam 2017).

Around each pixel the gradient magnitude is transformed in patches of four sizes. Where the picture is blurred, nearly
all coefficients of high frequency vanish, and their order statistics stay low; where it is sharp, even the smallest
of them are large. Everything is relative to the sharpest place of the same picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.colour import luma, on_8bit_grid
from kukkiri.images.domain_transform import domain_transform
from kukkiri.images.filtering import gaussian_blur, pad
from kukkiri.images.image import ImageLike
from kukkiri.images.resampling import imresize
from kukkiri.metrics.base import Metric
from kukkiri.sharpness.tenengrad import sobel

SIZES = (7, 15, 31, 63)  # of the patches, pixels
MARGIN = SIZES[-1] // 2
LAYERS = sum(SIZES) + 1  # order statistics that are kept
WINDOW = 7  # of the entropy, pixels
# Pixels a side that are transformed at once, and numbers that may be kept instead of being computed once more.
TILE, KEPT = 64, 1 << 27
# Of the smoothing of the map: standard deviations in space and in grey value, iterations.
SPACE, RANGE, ITERATIONS = 15.0, 0.25, 3


def dct_matrix(size: int) -> Tensor:
    """The orthonormal DCT-II of a length: (size, size), float64, one row a frequency."""
    n = torch.arange(size, dtype=torch.float64)
    matrix = math.sqrt(2 / size) * torch.cos(math.pi / (2 * size) * n[:, None] * (2 * n + 1))
    matrix[0] /= math.sqrt(2)
    return matrix


def high_coefficients(values: Tensor, size: int, stride: int, out: Tensor) -> None:
    """Magnitudes of the high-frequency DCT coefficients of the patch around each place.

    Those of row and column frequencies u + v ≥ size − 1, the lower right triangle with its diagonal (§3.1).

    Parameters
    ----------
    values : Tensor, (H, W)
        With a margin of size // 2 around the outermost places.
    size : int
        Side of a patch, odd.
    stride : int
        From one place to the next, pixels.
    out : Tensor, (places, size·(size + 1)/2)
        Filled in, row by row of places.
    """
    matrix = dct_matrix(size).to(values)
    # Patches overlap, so the rows are transformed once for all patches that share them; only then the columns, of
    # which each row frequency needs just those that make the sum high enough.
    rows = (values.unfold(1, size, stride) @ matrix.T).permute(2, 0, 1).contiguous()
    start = 0
    for u in range(size):
        patches = rows[u].unfold(0, size, stride).reshape(-1, size)
        out[:, start : start + u + 1] = patches @ matrix[size - 1 - u :].T
        start += u + 1
    out.abs_()


def layers(gradient: Tensor, stride: int) -> Iterator[tuple[slice, slice, Tensor]]:
    """The smallest 117 high-frequency coefficients around each place, in ascending order, tile by tile.

    Parameters
    ----------
    gradient : Tensor, (H, W)
        0 beyond its border.
    stride : int

    Yields
    ------
    (slice, slice, Tensor (h, w, 117))
        Rows and columns of places, and their coefficients.
    """
    height, width = (-(-n // stride) for n in gradient.shape)
    padded = torch.nn.functional.pad(gradient, (MARGIN,) * 4)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            h, w = min(TILE, height - top), min(TILE, width - left)
            found = padded.new_empty(h * w, sum(size * (size + 1) // 2 for size in SIZES))
            start = 0
            for size in SIZES:
                y, x = (at * stride + MARGIN - size // 2 for at in (top, left))
                rows, columns = ((n - 1) * stride + size for n in (h, w))
                stop = start + size * (size + 1) // 2
                high_coefficients(padded[y : y + rows, x : x + columns], size, stride, found[:, start:stop])
                start = stop
            smallest = _smallest(found, LAYERS).view(h, w, LAYERS)
            yield slice(top, top + h), slice(left, left + w), smallest


def _smallest(values: Tensor, count: int) -> Tensor:
    """The smallest values of each row in ascending order; a CPU's rows are overwritten."""
    if values.device.type != "cpu":
        return values.topk(count, 1, largest=False).values
    import numpy as np

    # NumPy's selection is vectorised, torch's is not: half the time.
    rows = values.numpy()
    rows.partition(count - 1, axis=1)
    return torch.from_numpy(np.sort(rows[:, :count], axis=1))


def strongest_layer(gradient: Tensor, stride: int) -> Tensor:
    """T: the greatest of the 117 layers at each place, each layer stretched to [0, 1] over the picture (eq. 8).

    Parameters
    ----------
    gradient : Tensor, (H, W)
    stride : int

    Returns
    -------
    Tensor, (⌈H/stride⌉, ⌈W/stride⌉), values in [0, 1]
        0 throughout for a picture without gradient.
    """
    height, width = (-(-n // stride) for n in gradient.shape)
    result = gradient.new_zeros(height, width)
    lowest, highest = gradient.new_full((LAYERS,), math.inf), gradient.new_full((LAYERS,), -math.inf)
    # The ends of the layers are known only when the whole picture has been seen. Layers that fit the memory wait.
    fits = height * width * LAYERS <= KEPT
    waiting = []
    for rows, columns, found in layers(gradient, stride):
        lowest, highest = torch.minimum(lowest, found.amin((0, 1))), torch.maximum(highest, found.amax((0, 1)))
        if fits:
            waiting.append((rows, columns, found))
    # A layer that is the same everywhere tells nothing.
    scale = torch.where(highest > lowest, 1 / (highest - lowest).clamp_min(1e-30), 0.0)
    for rows, columns, found in waiting if fits else layers(gradient, stride):
        result[rows, columns] = ((found - lowest) * scale).amax(2)
    return result


def local_entropy(values: Tensor) -> Tensor:
    """Entropy in bits of the 256 levels in the 7×7 window around each pixel, borders mirrored.

    Parameters
    ----------
    values : Tensor, (H, W), values in [0, 1]

    Returns
    -------
    Tensor, (H, W), values in [0, log2 49]
    """
    half = WINDOW // 2
    height, width = values.shape
    levels = pad((values * 255 + 0.5).floor().to(torch.uint8)[None], (half,) * 4, "symmetric")[0]
    shifted = [levels[y : y + height, x : x + width] for y in range(WINDOW) for x in range(WINDOW)]
    # Σ c·log2 c over the levels' counts c, built up pixel by pixel: the k-th pixel of a level adds k·log2 k less what
    # the k − 1 before it had. That needs no histogram.
    counts = torch.arange(1, WINDOW**2 + 1, dtype=values.dtype, device=values.device)
    steps = torch.diff(counts * counts.log2(), prepend=counts.new_zeros(1))
    total = torch.zeros_like(values)
    for i, here in enumerate(shifted):
        before = torch.zeros_like(here)
        for other in shifted[:i]:
            before += other == here
        total += steps[before.long()]
    return (math.log2(WINDOW**2) - total / WINDOW**2).clamp_min(0)


def prepared(image: Tensor) -> Tensor:
    """Grey value after a slight Gaussian blur of 3×3 pixels, standard deviation 0.5.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]

    Returns
    -------
    Tensor, (N, 1, H, W), values in [0, 255]
        Rounded to whole levels, colour by colour and once more, where the picture came from 8 bits.
    """
    blurred = gaussian_blur(image * 255, 0.5, radius=1)
    eight = on_8bit_grid(image).view(-1, 1, 1, 1)
    return torch.where(eight, luma(blurred.round()).round(), luma(blurred))


class HiFST(Metric):
    """`hifst`: median of the map of sharpness, as a share of its maximum, 0 to 1.

    The map D is the local entropy of T times T, where T is the strongest of the sorted, stretched coefficients. It is
    relative to the sharpest place of the picture, as the authors' score is: the value says how sharp the middling part
    of a picture is beside its sharpest, not how sharp that one is. Blur all over need not lower it, and often raises
    it, so that it cannot compare pictures; the map compares the parts of one. NaN for a flat picture.

    Parameters
    ----------
    stride : int
        From one patch to the next, pixels. The authors take 1; time falls as its square, the map shrinks, and the value
        changes: 96×112 pixels of a cup of coffee have 0.185 at 1, 0.224 at 4.
    """

    name = "hifst"

    def __init__(self, *, stride: int = 1) -> None:
        super().__init__()
        if stride < 1:
            raise InputError(expected="a stride of 1 px or more", got=str(stride), fix="leave it at 1, or take 4")
        self.stride = stride

    @torch.no_grad()
    def detail_map(self, image: ImageLike) -> Tensor:
        """D: local entropy of T times T.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        Tensor, (N, ⌈H/stride⌉, ⌈W/stride⌉), values in [0, log2 49]
        """
        return torch.stack([self._detail(grey[0]) for grey in prepared(self.check(image, None)[0])])

    @torch.no_grad()
    def sharpness_map(self, image: ImageLike) -> Tensor:
        """The authors' final map: D smoothed within the edges of the picture.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        Tensor, (N, ⌈H/stride⌉, ⌈W/stride⌉), values in [0, log2 49]
            Higher is sharper, compared with the rest of the same picture.
        """
        maps = []
        for grey in prepared(self.check(image, None)[0]):
            detail = self._detail(grey[0])
            guide = imresize(stretched(grey)[None], size=(detail.shape[0], detail.shape[1]))
            guide = gaussian_blur(guide, 1.0, radius=1, border="zero")[0, 0]
            maps.append(domain_transform(detail, guide, SPACE, RANGE, ITERATIONS))
        return torch.stack(maps)

    def _detail(self, grey: Tensor) -> Tensor:
        gx, gy = sobel(pad(grey[None, None], (1, 1, 1, 1), "replicate"))
        strongest = stretched(strongest_layer(torch.hypot(gx, gy)[0, 0], self.stride))
        return local_entropy(strongest) * strongest

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        detail = stretched(self.detail_map(image)).flatten(1)
        count = detail.shape[1]
        middle = [detail.kthvalue(k, 1).values for k in ((count + 1) // 2, count // 2 + 1)]
        flat = detail.amax(1) <= 0
        return torch.where(flat, torch.nan, (middle[0] + middle[1]) / 2)


def stretched(values: Tensor) -> Tensor:
    """Values (…, H, W) moved and scaled to [0, 1] by their extremes; a constant becomes 0."""
    low, high = values.amin((-2, -1), keepdim=True), values.amax((-2, -1), keepdim=True)
    return torch.where(high > low, (values - low) / (high - low).clamp_min(1e-30), 0.0)
