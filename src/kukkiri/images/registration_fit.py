"""The motion between two pictures to a small part of a pixel: Gauss–Newton on their local structure.

Forward compositional alignment (Baker, Matthews, IJCV 56(3), 2004) of the correlation coefficient (in the spirit of
Evangelidis, Psarakis, IEEE TPAMI 30(10), 2008), with pixels that agree badly counting less. What is compared is each
picture's structure, local mean taken off and local contrast divided out: gain, offset, vignetting and, all but, gamma
make no difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from kukkiri.images.registration_level import NARROW, Level, make_level
from kukkiri.images.warping import Matrix, scale_at

Motion = Literal["translation", "affine", "homography"]
MOTIONS: tuple[Motion, ...] = ("translation", "affine", "homography")
# Blurs, sigma in pixels of a level, that the reference is tried with.
SOFT = (0.0, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)
# The finest level has at most this many pixels, the coarsest no shorter side than this.
LARGEST, COARSEST = 1 << 21, 40
# Pixels at the border of a level that do not count: half a window sees less there.
MARGIN = 6
STEPS_COARSE, STEPS_FINE, DONE = 40, 12, 0.002
FEWEST = 200


@dataclass(frozen=True)
class Fit:
    """Where an alignment ended.

    Parameters
    ----------
    matrix : ndarray, (3, 3)
        From pixel positions of the image to those of the reference.
    correlation : float
        Of the structure of both, −1 to 1, where both lie.
    overlap : float
        Share of the image that lies in the reference.
    count : int
        Pixels of the level that were compared.
    """

    matrix: Matrix
    correlation: float
    overlap: float
    count: int = 0

    @property
    def strength(self) -> float:
        """What to choose by: a high correlation of few pixels is easily come by."""
        return self.correlation * math.sqrt(self.count)


def factors(size: tuple[int, int], scale: float) -> list[float]:
    """By how much to reduce the image, coarsest first, each half the one before."""
    height, width = size
    finest = max(1.0, 1 / scale, math.sqrt(height * width / LARGEST))
    count = max(0, math.floor(math.log2(max(1.0, min(height, width) / finest / COARSEST))))
    return [finest * 2**k for k in range(count, -1, -1)]


def refine(image: Tensor, reference: Tensor, start: Matrix, motion: Motion) -> Fit:
    """From a motion that is roughly right to the best one, coarse to fine.

    Parameters
    ----------
    image, reference : Tensor, (1, 1 or 2, H, W), float32
        As `registration_level.with_mask` makes them.
    start : ndarray, (3, 3)
    motion : 'translation' | 'affine' | 'homography'
    """
    height, width = int(image.shape[-2]), int(image.shape[-1])
    fit = Fit(start, -1.0, 0.0)
    steps = factors((height, width), scale_at(start, width / 2, height / 2))
    for number, factor in enumerate(steps):
        scale = scale_at(fit.matrix, width / 2, height / 2)
        if not 0 < scale < math.inf:
            break
        level = make_level(image, reference, scale, factor)
        # Two parameters of perspective from a few hundred pixels would be noise.
        coarse = motion == "homography" and number == 0 and len(steps) > 1
        fit = climb(level, fit.matrix, "affine" if coarse else motion, STEPS_FINE if number else STEPS_COARSE)
    return fit


def softness(image: Tensor, reference: Tensor, matrix: Matrix, factor: float) -> tuple[float, float]:
    """How much softer the image is (sigma, its pixels) by the likeness of structure; and that correlation.

    Both are judged at one resolution, the image reduced by `factor`.
    """
    height, width = image.shape[-2:]
    scale = scale_at(matrix, width / 2, height / 2)
    found = [(-1.0, 0.0)]
    for sigma in SOFT:
        level = make_level(image, reference, scale, factor, soften=sigma * factor)
        seen = sampled(level, level.of_whole(matrix))
        if seen is None or seen[3] < found[-1][0]:
            break
        found.append((seen[3], sigma * factor))
    return found[-1][1], found[-1][0]


def finest_level(image: Tensor, reference: Tensor, scale: float, soften: float) -> Level:
    """The level for the last hundredths of a pixel; tones should agree by now."""
    finest = factors((image.shape[-2], image.shape[-1]), scale)[-1]
    return make_level(image, reference, scale, finest, NARROW, soften)


def climb(level: Level, start: Matrix, motion: Motion, steps: int) -> Fit:
    """Gauss–Newton at one level; of all that was visited, the motion of the highest correlation."""
    inner = level.of_whole(start)
    best = Fit(inner, -2.0, 0.0)
    normal = _normalising(level.image)
    for _ in range(steps):
        seen = sampled(level, inner)
        if seen is None:
            break
        error, slopes, weights, correlation, overlap = seen
        if correlation > best.correlation:
            best = Fit(inner, correlation, overlap, int((weights > 0).sum()))
        update = _solve(error, slopes, weights, level.image.shape[-2:], motion, normal)
        if update is None:
            break
        inner = inner @ update
        inner = inner / inner[2, 2]
        if _moved(update, level.image.shape[-2:]) < DONE:
            seen = sampled(level, inner)
            # Where weighted errors are least, the plain correlation may be a trifle below its peak.
            if seen is not None and seen[3] >= best.correlation - 0.01:
                best = Fit(inner, seen[3], seen[4], int((seen[2] > 0).sum()))
            break
    return replace(best, matrix=level.to_whole(best.matrix))


def sampled(level: Level, inner: Matrix) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor, float, float] | None:
    """Error (H, W), slopes of the reference across and down, weights, correlation and overlap; None without overlap.

    Everything in units of the image's spread, so that error and slopes speak of one thing.
    """
    from scipy import ndimage

    image = level.image[0, 0]
    height, width = image.shape
    far_height, far_width = level.reference.shape[-2:]
    x = torch.arange(width, dtype=torch.float64)[None]
    y = torch.arange(height, dtype=torch.float64)[:, None]
    m = inner
    depth = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    across, down = ((m[i, 0] * x + m[i, 1] * y + m[i, 2]) / depth for i in (0, 1))
    edge = [min(MARGIN, n / 16) for n in (height, width, far_height, far_width)]
    covered = (
        (depth > 1e-9) & (across >= -0.5) & (across <= far_width - 0.5) & (down >= -0.5) & (down <= far_height - 0.5)
    )
    overlap = float(covered.double().mean())
    valid = covered & (across >= edge[3]) & (across <= far_width - 1 - edge[3])
    valid &= (down >= edge[2]) & (down <= far_height - 1 - edge[2])
    valid &= (x >= edge[1]) & (x <= width - 1 - edge[1]) & (y >= edge[0]) & (y <= height - 1 - edge[0])
    if level.free is not None:
        valid &= level.free
    if level.reference_free is not None:
        rows, columns = (torch.where(valid, c, 0.0).round().long().clamp_min(0) for c in (down, across))
        valid &= level.reference_free[rows.clamp_max(far_height - 1), columns.clamp_max(far_width - 1)]
    count = int(valid.sum())
    if count < FEWEST:
        return None
    # Splines, not convolution with a cubic: its phase errors would draw shifts by hundredths of a pixel.
    place = np.stack([torch.where(valid, c, 0.0).numpy() for c in (down, across)])
    spline = level.spline()
    warped = torch.from_numpy(ndimage.map_coordinates(spline, place, output=np.float32, mode="mirror", prefilter=False))
    a, b = image[valid].double(), warped[valid].double()
    spread_a, spread_b = float(a.std()), float(b.std())
    if min(spread_a, spread_b) < 1e-6:
        return None
    correlation = float(((a - a.mean()) * (b - b.mean())).mean()) / (spread_a * spread_b)
    # Of noise there may be plenty in the image: the reference is brought to what of it is seen there.
    gain = max(correlation, 0.1) / spread_b
    error = ((image - float(a.mean())) / spread_a - (warped - float(b.mean())) * gain) * valid
    slope_x, slope_y = torch.zeros_like(warped), torch.zeros_like(warped)
    slope_x[:, 1:-1] = (warped[:, 2:] - warped[:, :-2]) * (gain / 2)
    slope_y[1:-1] = (warped[2:] - warped[:-2]) * (gain / 2)
    typical = 1.4826 * float(error[valid].abs().median()) + 1e-6
    weights = valid / (1 + (error / (3 * typical)).square())
    return error, (slope_x, slope_y), weights, correlation, overlap


def _normalising(image: Tensor) -> Matrix:
    """Pixel positions to coordinates around the middle, half the longer side being 1."""
    height, width = image.shape[-2:]
    half = max(height, width) / 2
    return np.array([[1 / half, 0, -(width - 1) / 2 / half], [0, 1 / half, -(height - 1) / 2 / half], [0, 0, 1.0]])


def _solve(
    error: Tensor,
    slopes: tuple[Tensor, Tensor],
    weights: Tensor,
    size: torch.Size,
    motion: Motion,
    normal: Matrix,
) -> Matrix | None:
    """The small motion (3, 3), in pixels of the level, that explains the error best."""
    height, width = size
    half = 1 / normal[0, 0]
    u = ((torch.arange(width) - (width - 1) / 2) / half)[None].expand(height, width)
    v = ((torch.arange(height) - (height - 1) / 2) / half)[:, None].expand(height, width)
    chosen = weights > 0
    gx, gy, u, v = (t[chosen] for t in (slopes[0] * half, slopes[1] * half, u, v))
    columns = [gx, gy]
    if motion != "translation":
        columns += [gx * u, gx * v, gy * u, gy * v]
    if motion == "homography":
        towards = gx * u + gy * v
        columns += [-u * towards, -v * towards]
    jacobian = torch.stack(columns)
    weighted = jacobian * weights[chosen]
    square = (weighted @ jacobian.T).double().numpy()
    right = (weighted @ error[chosen]).double().numpy()
    square += np.eye(len(square)) * 1e-6 * np.trace(square) / len(square)
    try:
        p = np.linalg.solve(square, right)
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(p).all() or np.abs(p).max() > 1:
        return None
    p = np.concatenate([p, np.zeros(8 - len(p))])
    small = np.array([[1 + p[2], p[3], p[0]], [p[4], 1 + p[5], p[1]], [p[6], p[7], 1.0]])
    return np.asarray(np.linalg.inv(normal) @ small @ normal, np.float64)


def _moved(update: Matrix, size: torch.Size) -> float:
    """How far the corners move, pixels of the level."""
    height, width = size
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], np.float64).T
    moved = update @ corners
    return float(np.hypot(*(moved[:2] / moved[2] - corners[:2])).max())
