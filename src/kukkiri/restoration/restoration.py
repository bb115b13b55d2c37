"""What a restoration returns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import Tensor

from kukkiri.images.image import Image


@dataclass(frozen=True)
class Restoration:
    """A picture made clear.

    Parameters
    ----------
    image : Image
        Of the input's size, depth and pixel size, in register with it.
    kernel : Tensor, (k, k), not negative, sum 1; or None
        The point-spread function that was found or given, its centroid in the middle. The input is about the image
        convolved with it.
    std : Tensor, (H, W), or None
        Standard deviation of each pixel, on [0, 1]; None if the method does not tell.
    report : mapping
        What was assumed, what was estimated, and how it went: numbers and words. 'warnings' is a list of what casts
        doubt on it.
    """

    image: Image
    kernel: Tensor | None = None
    std: Tensor | None = None
    report: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def to_row(self) -> dict[str, Any]:
        """The report as JSON can hold it: None for NaN; 'kernel_sigma' in pixels."""
        row = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in self.report.items()}
        return row | {"path": None if self.image.path is None else str(self.image.path)}
