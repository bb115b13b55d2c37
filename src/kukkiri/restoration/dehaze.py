"""Dehazing by the dark channel prior (He, Sun, Tang 2009, 2011), for one picture and with a report.

The method itself is `kukkiri.optics.dark_channel`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from kukkiri.errors import InputError, unknown_name
from kukkiri.images.image import Image
from kukkiri.optics.dark_channel import LEAST, OMEGA, PATCH, RADIUS, REGULARISATION, dehaze, patch_for
from kukkiri.restoration.restoration import Restoration

# When to doubt: hardly any haze, air that is too dark for haze, and a share of black that was not there before.
HARDLY, DARK_AIR, BLACK = 0.9, 0.4, 0.05
# A picture may have no haze where its clearest twentieth has less than this. Of 40 clear photographs 30 are told so; of
# the same with thin haze (β = 0.4 up to the farthest place) one, with more haze none.
CLEAREST, CLEAR = 0.05, 0.07
# What the clearest part is found from, pixels: the rest of a large picture would change nothing.
ENOUGH = 1_000_000


@dataclass(frozen=True)
class DehazeSettings:
    """Options of the dark channel prior; ω, t₀, ε and the patch of 15 pixels are the authors', the rest is ours.

    Parameters
    ----------
    omega : float in [0, 1]
        Share of the haze that is taken out. Less than 1 keeps a feeling of distance; 0 changes nothing.
    airlight : float, (float, float, float) or None
        The light of the air on [0, 1], grey or RGB, where it is known. None: estimated.
    patch : int, odd, or None
        Side of the patch of the dark channel, pixels, at most twice the longer side of the picture. None: 15, larger in
        proportion above 600 px (ours).
    radius : int ≥ 1 or None
        Of the guided filter, pixels. None: four times the patch, 60 pixels up to 600; the authors have 20 at 600×400.
    regularisation : float > 0
        ε of the guided filter.
    least : float in (0, 1]
        t₀, the least transmission that is divided by.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    omega: float = OMEGA
    airlight: Any = None
    patch: int | None = None
    radius: int | None = None
    regularisation: float = REGULARISATION
    least: float = LEAST

    def __post_init__(self) -> None:
        for name, low_is_meant in (("omega", True), ("least", False), ("regularisation", False)):
            value = getattr(self, name)
            good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
            if not good or not (low_is_meant or value > 0):
                raise InputError(
                    expected=f"{name} {'from' if low_is_meant else 'above'} 0 to 1", got=repr(value), fix="leave it out"
                )
        if self.patch is not None and not (_whole(self.patch) and self.patch >= 1 and self.patch % 2):
            raise InputError(expected="an odd patch of pixels", got=repr(self.patch), fix=f"such as {PATCH}")
        if self.radius is not None and not (_whole(self.radius) and self.radius >= 1):
            raise InputError(expected="a radius of at least 1 px", got=repr(self.radius), fix=f"such as {RADIUS}")
        if self.airlight is not None:
            light = self.light()
            if light.ndim > 1 or light.numel() not in (1, 3) or not bool(((light > 0) & (light <= 1)).all()):
                raise InputError(
                    expected="the light of the air as one or three numbers above 0, to 1",
                    got=repr(self.airlight),
                    fix="leave it out to have it estimated",
                )

    def light(self) -> Tensor:
        """The known light of the air as a tensor, () or (3,).

        Raises
        ------
        InputError
            If it is no number or numbers.
        """
        try:
            return torch.as_tensor(self.airlight, dtype=torch.float32)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                expected="the light of the air as one or three numbers",
                got=repr(self.airlight),
                fix="leave it out to have it estimated",
            ) from error


def dehaze_settings(**options: Any) -> DehazeSettings:
    """Settings from options by name.

    Raises
    ------
    InputError
        If there is no such option, or one is out of range.
    """
    known = tuple(f.name for f in fields(DehazeSettings))
    for name in options:
        if name not in known:
            raise unknown_name("an option of dark-channel", name, known, f"there are {', '.join(known)}")
    return DehazeSettings(**options)


def without_haze(image: Image, settings: DehazeSettings | None = None, *, missing: Tensor | None = None) -> Restoration:
    """A picture without its haze.

    Parameters
    ----------
    image : Image
    settings : DehazeSettings, optional
    missing : Tensor of bool, (H, W), optional
        Pixels that are no part of the scene, such as an info bar: they do not count and stay as they were.

    Returns
    -------
    Restoration
        Its report: 'airlight' (one number a channel), 'mean_transmission' and 'least_transmission' (after refinement,
        before t₀), 'omega', 'patch', 'radius', 'seconds', 'warnings'.

    Raises
    ------
    InputError
        If no pixel counts, a patch is given that is larger than twice the picture, or a light of three channels for a
        grey picture.
    """
    settings = settings or DehazeSettings()
    began = time.monotonic()
    largest = 2 * max(image.height, image.width)
    if settings.patch is not None and settings.patch > largest:
        raise InputError(
            expected=f"a patch of at most {largest} px, twice the longer side",
            got=str(settings.patch),
            fix="leave it out",
        )
    patch = settings.patch or patch_for(image.height, image.width)
    radius = settings.radius or 4 * patch
    light = None if settings.airlight is None else settings.light().reshape(1, -1)
    if light is not None and light.shape[1] not in (1, image.channels):
        raise InputError(expected="a grey light for a grey picture", got="three numbers", fix="give their mean")
    left_out = None if missing is None else missing.to(image.pixels.device)[None, None]
    if left_out is not None and bool(left_out.all()):
        raise InputError(expected="pixels that count", got="a mask over the whole picture", fix="invert the mask")
    found = dehaze(
        image.pixels[None],
        settings.omega,
        airlight=light,
        patch=patch,
        radius=radius,
        regularisation=settings.regularisation,
        least=settings.least,
        missing=left_out,
    )
    clear = found.image if left_out is None else torch.where(left_out, image.pixels[None], found.image)
    counted = found.transmission if left_out is None else found.transmission[~left_out]
    report: dict[str, Any] = {
        "task": "dehaze",
        "method": "dark-channel",
        "airlight": [round(float(v), 4) for v in found.airlight[0]],
        "airlight_given": light is not None,
        "mean_transmission": float(counted.mean()),
        "least_transmission": float(counted.min()),
        "omega": float(settings.omega),
        "patch": patch,
        "radius": radius,
        "seconds": round(time.monotonic() - began, 2),
    }
    step = -(-counted.numel() // ENOUGH)
    clearest = float(counted.flatten()[::step].float().quantile(1 - CLEAREST))
    report["warnings"] = _doubts(image, clear[0], report, clearest)
    return Restoration(replace(image, pixels=clear[0].cpu()), report=MappingProxyType(report))


def _doubts(image: Image, clear: Tensor, report: dict[str, Any], clearest: float) -> list[str]:
    """What a person should know before believing the result; `clearest` is the transmission where it is greatest."""
    said = []
    if image.channels == 1:
        said.append("a grey picture: without colours bright surfaces are easily taken for haze")
    if report["omega"] > 0 and report["mean_transmission"] > 1 - (1 - HARDLY) * report["omega"]:
        said.append(f"hardly any haze: {report['mean_transmission']:.0%} of the light arrives")
    elif report["omega"] > 0 and 1 - clearest < CLEAR * report["omega"]:
        said.append(
            "there may be no haze: some places have none at all, as in a clear picture; "
            "what is pale or white there is taken for haze, and a clear picture gets worse"
        )
    light = report["airlight"]
    if sum(light) / len(light) < DARK_AIR:
        said.append("the light of the air is dark: this may be no haze")
    black = float((clear.amax(0) < 1 / 255).float().mean()) - float((image.pixels.amax(0) < 1 / 255).float().mean())
    if black > BLACK:
        said.append(
            f"{black:.0%} of the picture became black: more was taken out than haze; a smaller omega takes less"
        )
    return said


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
