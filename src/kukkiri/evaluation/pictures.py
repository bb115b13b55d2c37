"""Sharp pictures to spoil: files, scikit-image's own, or arrays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from kukkiri.errors import InputError, ReadError, one_line, unknown_name
from kukkiri.images.image import ImageLike, as_image

# In place of a folder: pictures that come with scikit-image, so that a table can be made anywhere.
BUNDLED = "scikit-image"
# Fine grain all over, and edges.
TEXTURES = ("brick", "grass", "gravel", "coins", "text")
# Blurred by the microscope, the eye and the telescope that they were taken through.
BLURRED = ("cell", "immunohistochemistry", "retina", "moon")


@dataclass(frozen=True)
class Picture:
    """A picture under a name.

    Parameters
    ----------
    name : str
        Decides what is drawn for it, so that a picture is spoilt alike in every run.
    source : image-like
    """

    name: str
    source: ImageLike = field(repr=False)

    def load(self) -> Tensor:
        """Pixels (1, C, H, W), grey or RGB.

        Raises
        ------
        KukkiriError
            If it cannot be read.
        """
        return as_image(self.source).pixels[None]

    def sha256(self) -> str:
        """Of the file, or of the float32 pixels where there is no file.

        Raises
        ------
        ReadError
            If the file cannot be read.
        """
        if not isinstance(self.source, (str, Path)):
            return hashlib.sha256(self.load().numpy().tobytes()).hexdigest()
        try:
            with Path(self.source).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ReadError(
                expected="a picture that can be read",
                got=f"{one_line(self.source)}: {error.strerror}",
                fix="check the path and the permissions",
            ) from error


def from_files(files: Sequence[Path]) -> list[Picture]:
    """Files under their names, without the folder that they share."""
    folder = os.path.commonpath([os.path.abspath(f.parent) for f in files]) if files else ""  # noqa: PTH100
    return [Picture(Path(os.path.relpath(f, folder)).as_posix(), f) for f in files]


def bundled(names: Sequence[str] = TEXTURES) -> list[Picture]:
    """Pictures that come with scikit-image.

    Raises
    ------
    UnknownNameError
        If there is none of such a name.
    """
    from skimage import data

    known = (*TEXTURES, *BLURRED)
    for name in names:
        if name not in known:
            raise unknown_name("the name of a picture of scikit-image", name, known, f"one of {', '.join(known)}")
    return [Picture(name, getattr(data, name)()) for name in names]


def spread(pictures: Sequence[Picture], count: int | None) -> list[Picture]:
    """`count` pictures spread evenly over all, in order: a folder's first ones are often of one scene."""
    if count is None or count >= len(pictures):
        return list(pictures)
    if count < 1:
        raise InputError(expected="at least one picture", got=str(count), fix="leave it out to take all")
    return [pictures[i * len(pictures) // count] for i in range(count)]


def reduced(image: Tensor, factor: int) -> Tensor:
    """Means over squares of `factor` pixels: what a sensor of coarser pixels would give, its own blur that much less.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
    factor : int
        1 changes nothing. Rows and columns beyond the last whole square are dropped.
    """
    if min(image.shape[-2:]) < factor:
        raise InputError(
            expected=f"a picture of at least {factor}×{factor} px",
            got=f"{image.shape[-1]}×{image.shape[-2]}",
            fix="leave it out, or reduce less",
        )
    return image if factor == 1 else F.avg_pool2d(image, factor)


def centre(image: Tensor, size: int | None) -> Tensor:
    """The middle of a picture, at most `size` pixels high and wide."""
    if size is None:
        return image
    height, width = (min(size, side) for side in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
