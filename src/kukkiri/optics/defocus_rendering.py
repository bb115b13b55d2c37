"""A sharp picture and its depth as a lens with a wide aperture sees them, with occlusion.

The scene is cut into layers of like blur, from the nearest to the farthest. Each is blurred by its own disc and laid
over what lies behind it:

    result = Σₖ (Bₖ(aₖ·I) / Bₖ(uₖ)) · Πₗ (1 − Bₗ(aₗ) / Bₗ(uₗ)),   l over the layers nearer than k,

where aₖ is the share of a pixel that lies in layer k and uₖ the share in it or behind it: the normalisation of Ikoma
et al., "Depth from defocus with learned optics", ICCP 2021, which leaves no gaps on slanted surfaces. Two things are
added. A pixel belongs to the two layers about it with weights linear in sigma², so that a surface between two layers
has exactly the sigma of the lens, and so that the result is differentiable in depth. And beside every depth edge the
surface behind is continued beneath the one in front (mirrored about the edge), for a blurred foreground is
translucent along its rim and shows it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError, ShapeError, unknown_name
from kukkiri.optics.convolution import blur, check_border
from kukkiri.optics.lens import Lens
from kukkiri.optics.moments import sigma_of
from kukkiri.optics.psf import delta, disc, gaussian

Family = Literal["disc", "gaussian"]
# Neighbouring pixels whose circles of confusion differ by more (pixels) lie on two surfaces, one before the other.
EDGE = 1.5
# Diameters of the layers' circles: the first that is not a point, and the steps from there on. A pixel between two
# layers sees a disc with a rim as soft as half a step.
FIRST, STEP, GROWTH = 1.6, 0.6, 0.08
# Where less than this share of a layer's neighbourhood is known, what lies behind takes over.
KNOWN = 1e-3
# Largest circle of confusion, pixels, and most layers against the usual: what memory has room for.
LARGEST, FINEST = 1024.0, 16.0
# Kernels of smaller circles, pixels, are kept for later pictures: less than 20 MB of them.
_KEPT = 64.0
# What is hidden is smoothed by Gaussians of up to 2 to this power minus 1 pixels.
_SMOOTHEST = 6


def render_defocus(
    all_in_focus: Tensor,
    depth: Tensor,
    lens: Lens,
    focus_distance: float | Tensor,
    *,
    family: Family = "disc",
    rim: int = 0,
    fineness: float = 1.0,
    border: str = "symmetric",
) -> Tensor:
    """One picture through a thin lens.

    Where surfaces are visible as a whole, the blur at each pixel has the sigma `lens.blur_from_depth(depth, focus)`.
    Differentiable in the picture, the depth and the focus distance, but not in where the depth edges lie.

    Parameters
    ----------
    all_in_focus : Tensor, (N, C, H, W)
        In linear light (a display value to the power of 2.2): blurred highlights come out too dim otherwise.
    depth : Tensor, (N, 1, H, W), > lens.focal_length
        Metres; may be infinite (sky). Its edges should be as abrupt as those of the objects.
    lens : Lens
    focus_distance : float or Tensor, (N,) or scalar, > lens.focal_length
        Metres.
    family : 'disc' | 'gaussian'
        The disc of a round aperture, or a Gaussian of the same sigma.
    rim : int, ≥ 0
        How far the surface in front is widened at depth edges, pixels. In photographs the pixels along an edge hold
        something of both colours; 1 counts them to the front, and so avoids dotted fringes on a sharp background. It
        also gives to the front single pixels whose depth is halfway between two surfaces.
    fineness : float, in (0, 16]
        How many times as many layers as usual (a step of 0.6 px in the circle's diameter near focus, 8 % far from it).
    border : str
        How the scene goes on beyond the picture, as for `psf.blur`, 'valid' excepted.

    Returns
    -------
    Tensor, (N, C, H, W)

    Raises
    ------
    ShapeError, InputError, UnknownNameError
        If depth and picture do not fit, a distance is not beyond the focal length, a circle of confusion is larger than
        1024 px, or the family or the border is unknown.
    """
    _check(all_in_focus, depth, family, rim, fineness, border)
    focus = torch.as_tensor(focus_distance).to(depth).reshape(-1, 1, 1, 1)
    if len(focus) not in (1, len(all_in_focus)):
        raise ShapeError(
            expected=f"one focus distance, or {len(all_in_focus)}", got=str(len(focus)), fix="or use render_stack()"
        )
    circle = _widened(lens.defocus(depth, focus), rim)
    largest = float(circle.detach().abs().max())
    if not largest <= LARGEST:
        raise InputError(
            expected=f"circles of confusion of at most {LARGEST:g} px",
            got=f"{largest:.4g} px",
            fix="check the units (all of them metres), or render a smaller picture with a larger pixel_pitch",
        )
    nearness = -circle * circle.abs() / 16  # signed sigma², growing towards the lens
    knots, kernels = _layers(nearness.detach(), family, fineness)
    place = _place(nearness, knots)
    behind, distance = _behind(circle.detach(), len(all_in_focus))
    exists = torch.isfinite(distance).to(place.dtype)
    hidden_image = _softened(_take(all_in_focus, behind), exists, distance, border)
    hidden_place = _take(place.expand(len(behind), -1, -1, -1), behind)

    light = torch.zeros_like(all_in_focus)
    passing = torch.ones_like(all_in_focus[:, :1])
    for k in reversed(range(len(kernels))):
        share, shown = (1 - (place - k).abs()).clamp_min(0), (k + 1 - place).clamp(0, 1)
        # Beneath a surface at least one layer nearer, the hidden one counts as if it were seen.
        covered = (place - k - 1).clamp(0, 1) * exists
        hidden_share = covered * (1 - (hidden_place - k).abs()).clamp_min(0)
        total = share + hidden_share
        if not bool((total.detach() > 0).any()):
            continue
        known = shown + covered * (k + 1 - hidden_place).clamp(0, 1)
        total, known = (x.expand(len(all_in_focus), -1, -1, -1) for x in (total, known))
        planes = torch.cat([share * all_in_focus + hidden_share * hidden_image, total, known], 1)
        if kernels[k].shape[-1] > 1:
            planes = blur(planes, kernels[k], border)
        scale = 1 / planes[:, -1:].clamp_min(KNOWN)
        light = light + passing * planes[:, :-2] * scale
        passing = passing * (1 - (planes[:, -2:-1] * scale).clamp(0, 1))
    return (light + 1e-6 * all_in_focus) / (1 - passing + 1e-6)


def render_stack(
    all_in_focus: Tensor,
    depth: Tensor,
    lens: Lens,
    focus_distances: Sequence[float] | Tensor,
    *,
    family: Family = "disc",
    rim: int = 0,
    fineness: float = 1.0,
    border: str = "symmetric",
) -> Tensor:
    """The same scene at several focus distances; no magnification changes with focus.

    Parameters
    ----------
    all_in_focus, depth, lens, family, rim, fineness, border
        As for `render_defocus`.
    focus_distances : (S,)
        Metres.

    Returns
    -------
    Tensor, (N, S, C, H, W)
    """
    frames = [
        render_defocus(all_in_focus, depth, lens, distance, family=family, rim=rim, fineness=fineness, border=border)
        for distance in focus_distances
    ]
    if not frames:
        raise InputError(expected="at least one focus distance", got="none", fix="give distances in metres")
    return torch.stack(frames, 1)


def _check(image: Tensor, depth: Tensor, family: str, rim: int, fineness: float, border: str) -> None:
    if family not in ("disc", "gaussian"):
        raise unknown_name("a family of kernels", family, ("disc", "gaussian"), "disc or gaussian")
    if not 0 < fineness <= FINEST:
        raise InputError(expected=f"a fineness above 0, at most {FINEST:g}", got=f"{fineness:g}", fix="leave it at 1")
    check_border(border, keeps_size=True)
    if rim < 0:
        raise InputError(expected="a rim of 0 pixels or more", got=str(rim), fix="give 0, or 1 for photographs")
    if (
        image.ndim != 4
        or depth.ndim != 4
        or depth.shape[0] not in (1, image.shape[0])
        or depth.shape[1:] != (1, *image.shape[2:])
    ):
        raise ShapeError(
            expected="a picture (N, C, H, W) and a depth (N, 1, H, W)",
            got=f"{tuple(image.shape)} and {tuple(depth.shape)}",
            fix="give one depth a pixel",
        )


def _widened(circle: Tensor, rim: int) -> Tensor:
    if rim == 0:
        return circle
    # Depths halfway between two surfaces, left by resizing a depth map, belong to neither: they go to the front first.
    nearest, farthest = -F.max_pool2d(-circle, 3, 1, 1), F.max_pool2d(circle, 3, 1, 1)
    circle = torch.where(farthest - circle > EDGE, nearest, circle)
    nearest = -F.max_pool2d(-circle, 2 * rim + 1, 1, rim)
    return torch.where(circle - nearest > EDGE, nearest, circle)


def _layers(nearness: Tensor, family: Family, fineness: float) -> tuple[Tensor, list[Tensor]]:
    """Signed variances of the layers from far to near, and their kernels; both ends enclose the scene."""
    extremes = torch.aminmax(nearness)
    far, near = -float(extremes.min), float(extremes.max)
    variances, kernels, diameter = [0.0], [delta()], FIRST
    while variances[-1] < max(far, near):
        variance, kernel = (_kept if diameter <= _KEPT else _kernel)(family, diameter)
        variances.append(variance)
        kernels.append(kernel)
        diameter = min(diameter + max(STEP, GROWTH * diameter) / fineness, 1.1 * LARGEST)
    # A scene on one side of the focus needs the layers of that side, the nearest to focus included.
    signed = [-v for v in variances[:0:-1]] + variances
    both = kernels[:0:-1] + kernels
    knots = torch.tensor(signed, dtype=nearness.dtype, device=nearness.device)
    return knots, both


def _kernel(family: Family, diameter: float) -> tuple[float, Tensor]:
    """Variance and kernel of a layer."""
    with torch.inference_mode(False):  # a tensor made under it could not serve a later call with gradients
        kernel = disc(diameter / 2) if family == "disc" else gaussian(diameter / 4)
        return float(sigma_of(kernel)) ** 2, kernel


# The diameters are the same in every call: many pictures share them.
_kept = lru_cache(maxsize=256)(_kernel)


def _place(nearness: Tensor, knots: Tensor) -> Tensor:
    """Fractional index of the layer, 0 the farthest."""
    if len(knots) == 1:
        return nearness * 0
    index = torch.searchsorted(knots, nearness.detach().contiguous(), right=True).clamp(1, len(knots) - 1)
    low, high = knots[index - 1], knots[index]
    return index - 1 + (nearness - low) / (high - low)


def _take(values: Tensor, index: Tensor) -> Tensor:
    """values (N, C, H, W) at flat indices (N, H, W)."""
    flat = values.flatten(2)
    return flat.gather(2, index.flatten(1)[:, None].expand(-1, flat.shape[1], -1)).reshape(values.shape)


def _behind(circle: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """For each pixel, where to copy the surface from that it hides; and whether there is one.

    The nearest pixel across a depth edge that lies farther from the lens is found by jump flooding (Rong and Tan,
    I3D 2006); the pixel mirrored about it is taken where it belongs to the same surface.

    Returns
    -------
    index : Tensor of int64, (N, H, W)
    distance : Tensor, (N, 1, H, W)
        To the edge, pixels; infinite where nothing is hidden.
    """
    c = circle[:, 0].expand(count, -1, -1)
    height, width = c.shape[1:]
    y = torch.arange(height, device=c.device)[:, None].expand(c.shape)
    x = torch.arange(width, device=c.device)[None, :].expand(c.shape)
    best, by, bx = torch.full_like(c, math.inf), y, x
    flat = c.reshape(count, -1)

    def improve(cy: Tensor, cx: Tensor, valid: Tensor) -> None:
        nonlocal best, by, bx
        there = flat.gather(1, (cy * width + cx).reshape(count, -1)).reshape(c.shape)
        distance = ((cy - y).square() + (cx - x).square()).to(c.dtype)
        # As far as a blurred rim is translucent, and what shows through it is itself blurred from.
        reach = (c.abs() + there.abs()) / 2 + 2
        better = valid & (there - c > EDGE) & (distance < best) & (distance < reach.square())
        best, by, bx = torch.where(better, distance, best), torch.where(better, cy, by), torch.where(better, cx, bx)

    offsets = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    for dy, dx in offsets:
        improve((y + dy).clamp(0, height - 1), (x + dx).clamp(0, width - 1), torch.ones_like(c, dtype=torch.bool))
    if bool(torch.isfinite(best).any()):
        reach = min(float(c.abs().max()) + 2, max(height, width))
        for step in [*(2**i for i in reversed(range(math.ceil(math.log2(reach))))), 1]:
            for dy, dx in offsets:
                ny, nx = (y + dy * step).clamp(0, height - 1), (x + dx * step).clamp(0, width - 1)
                at = (ny * width + nx).reshape(count, -1)
                found, py, px = (v.reshape(count, -1).gather(1, at).reshape(c.shape) for v in (best, by, bx))
                improve(py, px, torch.isfinite(found))
    edge = by * width + bx
    my, mx = (2 * by - y).clamp(0, height - 1), (2 * bx - x).clamp(0, width - 1)
    mirrored = my * width + mx
    at_edge, at_mirror = (flat.gather(1, i.reshape(count, -1)).reshape(c.shape) for i in (edge, mirrored))
    index = torch.where((at_mirror - at_edge).abs() <= EDGE, mirrored, edge)
    return index, best[:, None].sqrt()


def _softened(image: Tensor, exists: Tensor, distance: Tensor, border: str) -> Tensor:
    """Smooth what was copied, the more so the farther from the edge it lies.

    What is hidden is not known; a mirrored texture would show as false sharp seams where two edges' copies meet.
    """
    if not bool(exists.any()):
        return image
    level = torch.where(exists > 0, torch.log2(1 + distance), 0.0).clamp_max(_SMOOTHEST)
    result = image * (1 - level).clamp_min(0)
    for i in range(1, math.ceil(float(level.max())) + 1):
        smooth = blur(torch.cat([image * exists, exists], 1), gaussian(2.0**i - 1), border)
        result = result + (1 - (level - i).abs()).clamp_min(0) * smooth[:, :-1] / smooth[:, -1:].clamp_min(KNOWN)
    return result
