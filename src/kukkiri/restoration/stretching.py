"""Bring a picture into the range that networks and SSIM know, and back."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from kukkiri.images.image import Image

# A picture of a smaller range is stretched to this; what is deblurred reaches a little further down, and up to REACH.
FILLED, ROOM_BELOW, REACH = 0.5, 0.15, 4.0
# The range is where all but this share of the pixels lie on either side: a hot pixel does not count.
STRAY = 1e-3


@dataclass(frozen=True)
class Stretched:
    """A picture in the range of a fit.

    Parameters
    ----------
    pixels : Tensor, (C, H, W)
        gain · the picture's own + offset.
    gain, offset : float
    reach : float
        The most that a pixel of the result may have, in these units; full scale of the file, or 4.
    """

    pixels: Tensor
    gain: float
    offset: float
    reach: float

    def undone(self, pixels: Tensor) -> Tensor:
        """Pixels in the units of the picture, in [0, 1]."""
        return ((pixels - self.offset) / self.gain).clamp(0, 1)


def stretched(image: Image, missing: Tensor | None) -> Stretched:
    """A picture that fills less than half of the range, brought to that: dark 16-bit pictures would be all but flat.

    Parameters
    ----------
    image : Image
    missing : Tensor of bool, (H, W), optional
    """
    pixels = image.pixels
    known = (pixels if missing is None else pixels[:, ~missing.to(pixels.device)]).flatten()
    count = max(1, round(STRAY * known.numel()))
    low = float(known.kthvalue(count).values)
    high = float(known.kthvalue(known.numel() - count + 1).values)
    if not 0 < high - low < FILLED:
        return Stretched(pixels, 1.0, 0.0, 1.0)
    gain = FILLED / (high - low)
    offset = ROOM_BELOW - gain * low
    return Stretched(gain * pixels + offset, gain, offset, min(REACH, gain + offset))
