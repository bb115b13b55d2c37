"""What decides how a picture is deblurred from itself: published values, and assumptions where none are published."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from kukkiri.errors import InputError, unknown_name

LARGEST_KERNEL = 151
# Options that are fractions; the others are whole numbers.
FRACTIONAL = (
    "rate", "kernel_rate", "jitter", "squared", "cleaned", "total_variation", "symmetry", "smoothness", "size",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SelfDeblurSettings:
    """Settings of one fit.

    Parameters
    ----------
    kernel_size : int or None
        Side of the square that the kernel must fit in, pixels, odd; None: from the blur that is measured. Too small
        cuts the kernel off, too large costs time and leaves more kernels to choose from.
    steps : int
        The most; the fit ends earlier when nothing improves. 5000 as published; 600 for 'self-deblur-defocus'.
    channels : int
        Of the picture's network, on each level; 128 as published costs three times as much as 64.
    rate : float
        Learning rate of the picture's network (Adam); 0.01 as published.
    kernel_rate : float
        Of the kernel's network; 1e-4 as published with 5000 steps, more with fewer steps.
    jitter : float
        Standard deviation of what is added to the input noise in each step; 0.001 as published.
    squared : float
        Share of the steps with squared error; 1 − SSIM after it. 0.2 as published.
    cleaned : float
        Share of the steps after which the squared error returns, now with total variation; 1: never, as published.
    total_variation : float
        Weight of the picture's mean absolute gradient against the squared error, in units of the noise's variance.
    symmetry : float
        Weight of the kernel's squared distance from its average over rings, relative to its squared norm, in the same
        units.
    smoothness : float
        Weight of the kernel's squared gradient, likewise.
    size : float
        Weight of the squared logarithm of the kernel's sigma over the measured one, likewise. Above 0 the kernel also
        begins at what was measured.
    patience : int
        Steps without an improvement by 1 % after which rates are halved, the fourth time the fit ends.
    precision : 'auto' | 'float32' | 'bfloat16'
        Of the picture's network; 'auto': bfloat16 where the processor computes with it.

    Raises
    ------
    InputError
        If one is out of range.
    """

    kernel_size: int | None = None
    steps: int = 1500
    channels: int = 64
    rate: float = 0.01
    kernel_rate: float = 5e-4
    jitter: float = 0.001
    squared: float = 0.2
    cleaned: float = 1.0
    total_variation: float = 0.0
    symmetry: float = 0.0
    smoothness: float = 0.0
    size: float = 0.0
    patience: int = 300
    precision: str = "auto"

    def __post_init__(self) -> None:
        size = self.kernel_size
        if size is not None and not (3 <= size <= LARGEST_KERNEL and size % 2):
            raise InputError(
                expected=f"an odd kernel_size from 3 to {LARGEST_KERNEL}",
                got=str(size),
                fix="leave it out, or pass one odd",
            )
        for name, least in (("steps", 1), ("channels", 4), ("patience", 1)):
            if getattr(self, name) < least:
                raise InputError(expected=f"{name} of at least {least}", got=str(getattr(self, name)), fix="pass more")
        for name in ("rate", "kernel_rate"):
            if not getattr(self, name) > 0:
                raise InputError(expected=f"{name} above 0", got=str(getattr(self, name)), fix="leave it out")
        for name in ("jitter", "total_variation", "symmetry", "smoothness", "size"):
            if not getattr(self, name) >= 0:
                raise InputError(expected=f"{name} of at least 0", got=str(getattr(self, name)), fix="leave it out")
        if not 0 <= self.squared <= self.cleaned <= 1:
            raise InputError(
                expected="0 ≤ squared ≤ cleaned ≤ 1", got=f"{self.squared} and {self.cleaned}", fix="leave them out"
            )
        if self.total_variation and self.cleaned == 1:
            raise InputError(
                expected="total_variation with cleaned below 1", got="cleaned 1", fix="pass cleaned=0.5, say"
            )
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise InputError(
                expected="a precision of 'auto', 'float32' or 'bfloat16'", got=repr(self.precision), fix="leave it out"
            )


OPTIONS = tuple(f.name for f in fields(SelfDeblurSettings))
# Out of focus: what is not published is assumed.
DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "self-deblur": {},
        "self-deblur-defocus": {
            "steps": 600,
            "cleaned": 0.5,
            "total_variation": 60.0,
            "symmetry": 500.0,
            "smoothness": 25.0,
            "size": 2000.0,
        },
    }
)


def settings_for(method: str, *, steps: Any = None, **options: Any) -> SelfDeblurSettings:
    """The settings of a method, with some of one's own.

    Raises
    ------
    InputError
        If there is no such option, or it is out of range.
    """
    if steps is not None:
        options["steps"] = steps
    for name, value in options.items():
        if name not in OPTIONS:
            raise unknown_name(f"an option of {method}", name, OPTIONS, f"there are {', '.join(OPTIONS)}")
        wanted = str if name == "precision" else float if name in FRACTIONAL else int
        left_open = value is None and name == "kernel_size"
        if not left_open and (isinstance(value, bool) or not isinstance(value, (wanted, int))):
            raise InputError(expected=f"{name} as {wanted.__name__}", got=repr(value), fix="pass a number")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(expected=f"{name} as a finite number", got=repr(value), fix="leave it out")
    return SelfDeblurSettings(**(dict(DEFAULTS[method]) | options))
