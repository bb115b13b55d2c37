"""Where to begin: turns, scales and shifts between two pictures, tried on small copies of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images.registration_fit import Fit, Motion, climb
from kukkiri.images.registration_level import free_of, make_level, structure
from kukkiri.images.resampling import imresize
from kukkiri.images.warping import Matrix, scale_at, scaling

# Longer side of the copies on which all poses are tried, and of those on which the best are refined, pixels.
SMALL, REFINED = 72, 160
TURNS = tuple(range(0, 360, 10))  # degrees
SCALES = tuple(2 ** (k / 4) for k in range(-6, 7))
# So many of all poses are refined a little, and so many of these more; one that agrees so well, over
# so many pixels, needs no rival.
MOST, KEPT, CLEAR, MANY = 10, 3, 0.75, 1500
# Pixels of the reference to one of the picture that are believed.
SCALE = (0.02, 50.0)
# Shifts that leave less of the smaller copy in common are not looked at.
LEAST_COMMON = 0.25


def find_start(image: Tensor, reference: Tensor, motion: Motion) -> Fit:
    """The motion that a refinement may begin with.

    Parameters
    ----------
    image, reference : Tensor, (1, 1 or 2, H, W), float32
        As `registration_level.with_mask` makes them.
    motion : 'translation' | 'affine' | 'homography'
        Of a translation no turns and no scales are tried.

    Returns
    -------
    Fit
        Of small copies; its correlation says whether there is any likeness.
    """
    if motion == "translation":
        found = _shifts(image, reference, 1.0, (0,))
        # The copies' sizes are whole numbers: what that makes of the scale must not stay.
        pure = [(likely, _shift_only(matrix, image)) for likely, matrix in found]
        return _refined(image, reference, pure, "translation")
    # Both show the same as a whole, or at the same size.
    areas = [x.shape[-2] * x.shape[-1] for x in (reference, image)]
    whole = math.sqrt(areas[0] / areas[1])
    upright = [pose for scale in dict.fromkeys((whole, 1.0)) for pose in _shifts(image, reference, scale, (0,))]
    fit = _refined(image, reference, upright, "affine")
    if _clear(fit):
        return fit
    turned = [pose for scale in SCALES for pose in _shifts(image, reference, whole * scale, TURNS)]
    return max(fit, _refined(image, reference, turned, "affine"), key=lambda f: f.strength)


def _clear(fit: Fit) -> bool:
    return fit.correlation >= CLEAR and fit.overlap >= LEAST_COMMON and fit.count >= MANY


def _shift_only(matrix: Matrix, image: Tensor) -> Matrix:
    """What it does to the middle of the image, and nothing else."""
    middle = np.array([image.shape[-1] / 2, image.shape[-2] / 2, 1.0])
    moved = np.eye(3)
    moved[:2, 2] = (matrix @ middle - middle)[:2]
    return moved


def _refined(image: Tensor, reference: Tensor, poses: list[tuple[float, Matrix]], motion: Motion) -> Fit:
    """Of the likeliest poses the one that ends with the highest correlation."""
    height, width = image.shape[-2:]
    factor = max(height, width) / REFINED
    rough = []
    for _, matrix in sorted(poses, key=lambda pose: -pose[0])[:MOST]:
        scale = scale_at(matrix, width / 2, height / 2)
        rough.append(climb(make_level(image, reference, scale, 2 * factor), matrix, motion, 12))
        if _clear(rough[-1]):
            break
    best = Fit(np.eye(3), -1.0, 0.0)
    for fit in sorted(rough, key=lambda f: -f.strength)[:KEPT]:
        scale = scale_at(fit.matrix, width / 2, height / 2)
        if SCALE[0] < scale < SCALE[1]:
            found = climb(make_level(image, reference, scale, factor), fit.matrix, motion, 25)
            best = max(best, found, key=lambda f: f.strength)
        if _clear(best):
            break
    return best


def _shifts(image: Tensor, reference: Tensor, scale: float, turns: Sequence[int]) -> list[tuple[float, Matrix]]:
    """For each turn the shift at which small copies agree best: how significantly, and the motion.

    Parameters
    ----------
    image, reference : Tensor, (1, 1, H, W)
    scale : float
        Pixels of the reference to one of the image.
    turns : sequence of int, degrees
    """
    from scipy.fft import next_fast_len

    sizes = [(int(x.shape[-2]), int(x.shape[-1])) for x in (image, reference)]
    factor = max(1.0, max(sizes[0]) / SMALL)
    small = [(max(8, round(h / f)), max(8, round(w / f))) for (h, w), f in zip(sizes, (factor, factor * scale))]
    near, far = (_counting(imresize(p, size=s)) for p, s in zip((image, reference), small))
    # Room for the far copy at any turn; and for every shift of the near one against it.
    side = math.ceil(math.hypot(*small[1])) if any(t % 360 for t in turns) else max(small[1])
    room = [next_fast_len(side + n, real=True) for n in small[0]]
    canvases, moves = [], []
    for turn in turns:
        c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        middle, centre = (side - 1) / 2, [(small[1][1] - 1) / 2, (small[1][0] - 1) / 2]
        # From places on the canvas to those of the far copy.
        back = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        back[:2, 2] = np.array(centre) - back[:2, :2] @ np.array([middle, middle])
        moves.append(back)
        canvases.append(_laid(far, back, side))
    laid, there = (torch.cat(parts) for parts in zip(*canvases))
    spectrum = torch.fft.rfft2(near[0, 0], s=room).conj()
    lit = torch.fft.rfft2(torch.ones_like(near[0, 0]), s=room).conj()
    agreement = torch.fft.irfft2(spectrum * torch.fft.rfft2(laid, s=room), s=room)
    common = torch.fft.irfft2(lit * torch.fft.rfft2(there, s=room), s=room)
    least = LEAST_COMMON * min(small[0][0] * small[0][1], small[1][0] * small[1][1])
    # Over the root of their number: chance makes no more of many pixels than of few.
    significance = torch.where(common >= least, agreement / common.clamp_min(1).sqrt(), -math.inf)
    found = []
    for k, back in enumerate(moves):
        place = int(significance[k].argmax())
        down, across = divmod(place, room[1])
        down -= room[0] if down >= side else 0
        across -= room[1] if across >= side else 0
        shift = np.array([[1.0, 0.0, across], [0.0, 1.0, down], [0.0, 0.0, 1.0]])
        matrix = np.linalg.inv(scaling(sizes[1], small[1])) @ back @ shift @ scaling(sizes[0], small[0])
        found.append((float(significance[k].max()), matrix))
    return found


def _counting(picture: Tensor) -> Tensor:
    """The structure (1, 1, H, W), 0 where nothing counts."""
    free = free_of(picture)
    found = structure(picture[:, :1])
    return found if free is None else found * free


def _laid(far: Tensor, back: Matrix, side: int) -> tuple[Tensor, Tensor]:
    """A copy turned on an empty canvas (1, side, side), and where it lies."""
    height, width = far.shape[-2:]
    x = torch.arange(side, dtype=torch.float64)[None]
    y = torch.arange(side, dtype=torch.float64)[:, None]
    across, down = (back[i, 0] * x + back[i, 1] * y + back[i, 2] for i in (0, 1))
    inside = (across >= -0.01) & (across <= width - 0.99) & (down >= -0.01) & (down <= height - 0.99)
    grid = torch.stack([2 * across / (width - 1) - 1, 2 * down / (height - 1) - 1], -1).float()[None]
    turned = F.grid_sample(far, grid, mode="bilinear", padding_mode="border", align_corners=True)[0]
    return turned * inside, inside.to(turned)[None]
