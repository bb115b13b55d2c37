"""The dark channel prior: what haze adds to a picture shows in its darkest places (He, Sun, Tang 2009, 2011).

In most places of a clear outdoor picture some pixel of a small patch is nearly 0 in some channel. What is there instead
is the light of the air, and tells how much of it the patch holds. Differentiable in the picture, but for the choice of
the pixels that give the light of the air.

Source: He, Sun, Tang, IEEE TPAMI 33(12), 2011, doi:10.1109/TPAMI.2010.168; the refinement by the guided filter is of
He, Sun, Tang, IEEE TPAMI 35(6), 2013, section 4, there with the picture in colours as guide. Here luma guides, which
takes a fraction of the time, and large windows are filtered on a coarser grid.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.colour import luma
from kukkiri.images.fast_guided_filter import fast_guided_filter
from kukkiri.optics.haze import as_airlight

# Side of a patch, share of the pixels that the light of the air is sought in, ω and t₀: the authors'.
PATCH, SHARE, OMEGA, LEAST = 15, 0.001, 0.95, 0.1
# The guided filter's ε, the authors', and its radius, pixels, ours: theirs is 20 for 600×400. With known haze windows
# of four patches were nearer to the truth on four of five photographs, by up to 2 dB, and farther on one, by 1.4.
RADIUS, REGULARISATION = 60, 1e-3
# The longer side of the pictures that the authors' patch is meant for, pixels.
USUAL_SIDE = 600


def patch_for(height: int, width: int, usual: int = PATCH) -> int:
    """Side of the patch, odd: larger in proportion for pictures of more than 600 pixels (ours).

    Parameters
    ----------
    height, width : int
        Of the picture.
    usual : int, odd
        For pictures up to 600 pixels.
    """
    side = round(usual * max(1.0, max(height, width) / USUAL_SIDE))
    return side + 1 - side % 2


class Dehazed(NamedTuple):
    """A batch without its haze.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    transmission : Tensor, (N, 1, H, W), values in [0, 1]
        As estimated, after refinement, before it is kept from falling below `least`.
    airlight : Tensor, (N, C)
    """

    image: Tensor
    transmission: Tensor
    airlight: Tensor


def dark_channel(image: Tensor, patch: int = PATCH) -> Tensor:
    """The least value over the channels and a square patch about each pixel (eq. 5).

    Parameters
    ----------
    image : Tensor, (N, C, H, W)
    patch : int, odd
        Side of the patch, pixels; cut at the border.

    Returns
    -------
    Tensor, (N, 1, H, W)

    Raises
    ------
    ShapeError, InputError
        If the picture is no batch or the side of the patch is not odd.
    """
    if image.ndim != 4 or 0 in image.shape:
        raise ShapeError(expected="pictures (N, C, H, W)", got=str(tuple(image.shape)), fix="index with None")
    if isinstance(patch, bool) or not isinstance(patch, int) or patch < 1 or patch % 2 == 0:
        raise InputError(expected="a patch with an odd side", got=repr(patch), fix=f"such as patch={PATCH}")
    margin = patch // 2
    least = F.pad(image.amin(1, keepdim=True), (margin, margin, margin, margin), value=math.inf)
    # Rows, then columns, each by windows that double: a large patch costs hardly more than a small one.
    for axis in (-2, -1):
        width, size = 1, least.shape[axis] - patch + 1
        while 2 * width <= patch:
            length = least.shape[axis] - width
            least = torch.minimum(least.narrow(axis, 0, length), least.narrow(axis, width, length))
            width *= 2
        least = torch.minimum(least.narrow(axis, 0, size), least.narrow(axis, patch - width, size))
    return least


def airlight_of(image: Tensor, dark: Tensor, share: float = SHARE, missing: Tensor | None = None) -> Tensor:
    """The light of the air: the mean of the pixels whose dark channel is among the brightest (section 4.3).

    The authors take the brightest of these pixels. That is a lamp or a white shirt where there is one, and changes
    with the noise; the mean does not. Neither is nearer to the truth everywhere: with known haze the mean was on three
    of five photographs.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    dark : Tensor, (N, 1, H, W)
        Its dark channel.
    share : float in (0, 1]
        Of the pixels that count; those as bright as the last of them count as well.
    missing : Tensor of bool, (N or 1, 1, H, W), optional
        Pixels that do not count.

    Returns
    -------
    Tensor, (N, C)
        The mean of the whole picture where all is missing.
    """
    ranks = dark.detach()
    if missing is not None:
        ranks = ranks.masked_fill(missing, -math.inf)
    lights = []
    for pixels, rank in zip(image.flatten(2), ranks.flatten(1), strict=True):
        counted = rank.numel() if missing is None else max(1, int((rank > -math.inf).sum()))
        least = rank.topk(max(1, math.ceil(share * counted))).values[-1]
        # With one of several equals left out the light would depend on which way up the picture is.
        lights.append(pixels[:, rank >= least].mean(1))
    return torch.stack(lights)


def dehaze(
    image: Tensor,
    omega: float | Tensor = OMEGA,
    *,
    airlight: float | Tensor | None = None,
    patch: int = PATCH,
    radius: int = RADIUS,
    regularisation: float = REGULARISATION,
    least: float = LEAST,
    missing: Tensor | None = None,
) -> Dehazed:
    """Take the haze out of pictures: t = 1 − ω dark(I / A), refined along the picture, J = (I − A) / max(t, t₀) + A.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), C = 1 or 3, values in [0, 1]
        Of grey pictures the dark channel is that of the patch alone: a weaker prior.
    omega : float or (N,), values in [0, 1]
        Strength: the share of the haze that is taken out; 0 changes nothing.
    airlight : float, (N,) or (N, C), in (0, 1], optional
        The light of the air, if it is known. None: estimated.
    patch : int, odd
        Side of the patch of the dark channel, pixels.
    radius : int ≥ 1
        Of the guided filter's windows, pixels.
    regularisation : float > 0
        ε of the guided filter.
    least : float in (0, 1]
        t₀: a smaller transmission counts as this much, or noise would be all that is seen.
    missing : Tensor of bool, (N or 1, 1, H, W), optional
        Pixels that tell nothing of the haze. They are treated as those beside them.

    Returns
    -------
    Dehazed

    Raises
    ------
    ShapeError, InputError
        If a shape does not fit, an option is out of its range, or a value is NaN or infinite.
    """
    if image.ndim != 4 or image.shape[1] not in (1, 3):
        raise ShapeError(
            expected="a batch (N, 1 or 3, H, W)", got=str(tuple(image.shape)), fix="give grey or RGB, channels first"
        )
    if image.numel() and not all(bool(end.isfinite()) for end in image.detach().aminmax()):
        raise InputError(
            expected="finite values", got="NaN or infinity", fix="mend these pixels, or give 0 there and a mask"
        )
    strength = torch.as_tensor(omega, dtype=image.dtype, device=image.device).reshape(-1)
    if len(strength) not in (1, len(image)) or not bool(((strength >= 0) & (strength <= 1)).all()):
        raise InputError(
            expected=f"an omega from 0 to 1, one or {len(image)}", got=str(omega), fix="0.95 takes nearly all haze out"
        )
    if not 0 < least <= 1:
        raise InputError(expected="a least transmission in (0, 1]", got=f"{least:g}", fix=f"such as {LEAST:g}")

    def darkest(scale: Tensor | None = None) -> Tensor:
        # Channel by channel: another copy of the whole picture would be the most that a large one needs.
        least = image[:, :1] if scale is None else image[:, :1] / scale[:, :1]
        for c in range(1, image.shape[1]):
            channel = image[:, c : c + 1]
            least = torch.minimum(least, channel if scale is None else channel / scale[:, c : c + 1])
        # What is missing must not be the least of its patch; a patch with nothing else counts as clear.
        if missing is None:
            return dark_channel(least, patch)
        dark = dark_channel(least.masked_fill(missing, math.inf), patch)
        return dark.masked_fill(torch.isinf(dark), 0)

    if airlight is None:
        light = airlight_of(image, darkest(), missing=missing)[:, :, None, None]
    else:
        light = as_airlight(airlight, image).expand(len(image), image.shape[1], 1, 1)
    # Air without light in a channel: a black picture, which has no haze.
    rough = 1 - strength.view(-1, 1, 1, 1) * darkest(light.clamp_min(1e-3)).clamp_max(1)
    known = None if missing is None else (~missing).expand_as(rough).to(rough)
    refined = fast_guided_filter(luma(image), rough, radius=radius, regularisation=regularisation, weights=known)
    refined = torch.where(refined.isnan(), 1.0, refined).to(image.dtype).clamp(0, 1)
    # ω = 0 must leave no trace of the filter's rounding.
    refined = torch.where(strength.view(-1, 1, 1, 1) > 0, refined, torch.ones_like(refined))
    clear = torch.empty_like(image)
    for c in range(image.shape[1]):
        channel, air = image[:, c : c + 1], light[:, c : c + 1]
        found = (channel - air) / refined.clamp_min(least) + air
        clear[:, c : c + 1] = torch.where(refined < 1, found, channel).clamp(0, 1)
    return Dehazed(clear, refined, light[:, :, 0, 0])
