"""Crops for `rankiqa`: series of one place of a photograph under growing damage, and crops of pictures as they are."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError, one_line
from kukkiri.images.reading import load
from kukkiri.optics.distort import LEVELS, Kind, distort
from kukkiri.quality.no_reference.crops import even_places

# A picture and its damaged versions.
VERSIONS = 1 + len(LEVELS)
# Damage is done to so many pixels more on each side: its own border stays outside.
BESIDE = 32
# Bytes of decoded pictures that are kept in memory.
MOST_KEPT = 2 * 2**30


class Pictures:
    """Pictures read once, and crops of them.

    Parameters
    ----------
    crop : int
        Side of the crops, pixels.
    reduce : bool
        Whether large pictures are averaged down until the shorter side is below four crops: their own blur and noise
        shrink, and their damage is seen beside something.
    """

    def __init__(self, crop: int, reduce: bool) -> None:
        self.crop, self.reduce = crop, reduce
        self._kept: dict[Path, Tensor] = {}
        self._bytes = 0

    def picture(self, file: Path) -> Tensor:
        """A picture (3, H, W), uint8.

        Raises
        ------
        InputError
            If a side is below that of the crops.
        """
        if file in self._kept:
            return self._kept[file]
        pixels = load(file).pixels.expand(3, -1, -1)
        shorter = min(pixels.shape[-2:])
        if shorter < self.crop:
            raise InputError(
                expected=f"pictures of at least {self.crop} px a side",
                got=f"{pixels.shape[-1]}×{pixels.shape[-2]} in {one_line(file.name)}",
                fix="take it out, or pass a smaller --set crop=",
            )
        if self.reduce:
            pixels = F.avg_pool2d(pixels, max(1, shorter // (2 * self.crop)))
        found = (pixels * 255).round().byte().contiguous()
        if self._bytes + found.numel() <= MOST_KEPT:
            self._kept[file] = found
            self._bytes += found.numel()
        return found

    def series(self, file: Path, kind: Kind, random: torch.Generator) -> Tensor:
        """One place of a photograph, whole and ever more damaged.

        Parameters
        ----------
        file : Path
        kind : Kind
            Of damage.
        random : torch.Generator

        Returns
        -------
        Tensor, (6, 3, S, S), uint8
            Levels 0, then one in each of (0.6, 1), (1.6, 2), …, (4.6, 5).
        """
        picture = self.picture(file)
        top, left = self._place(picture, random)
        rows, columns = (slice(max(0, at - BESIDE), at + self.crop + BESIDE) for at in (top, left))
        region = picture[None, :, rows, columns].float() / 255
        # What is milder does not always show in 8 bits.
        steps = torch.arange(len(LEVELS)) + 0.6 + 0.4 * torch.rand(len(LEVELS), generator=random)
        seed = drawn(2**31, random)
        # One seed for all: a series shows one noise, one haze, growing.
        seeds = [seed] * VERSIONS if kind.random else seed
        levels = [0.0, *steps.clamp(max=LEVELS[-1]).tolist()]
        seen = distort(region.expand(VERSIONS, -1, -1, -1), kind, levels, seeds)
        top, left = top - rows.start, left - columns.start
        return (seen[..., top : top + self.crop, left : left + self.crop] * 255).round().byte()

    def random_crop(self, file: Path, random: torch.Generator) -> Tensor:
        """A crop (3, S, S), uint8, somewhere."""
        picture = self.picture(file)
        return self._cut(picture, *self._place(picture, random))

    def even_crops(self, file: Path, count: int) -> Tensor:
        """At most so many crops (M, 3, S, S), uint8, evenly over a picture."""
        picture = self.picture(file)
        height, width = picture.shape[-2:]
        places = even_places(height, width, self.crop, count)
        return torch.stack([self._cut(picture, top, left) for top, left in places])

    def _place(self, picture: Tensor, random: torch.Generator) -> tuple[int, int]:
        height, width = picture.shape[-2:]
        return drawn(height - self.crop + 1, random), drawn(width - self.crop + 1, random)

    def _cut(self, picture: Tensor, top: int, left: int) -> Tensor:
        return picture[:, top : top + self.crop, left : left + self.crop]


def drawn(count: int, random: torch.Generator) -> int:
    """A whole number below `count`."""
    return int(torch.randint(count, (1,), generator=random))
