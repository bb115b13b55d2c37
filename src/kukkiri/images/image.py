"""A picture in memory, and the one conversion that every public function accepts its input through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, Union

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.errors import InputError, ShapeError, one_line


@dataclass(frozen=True)
class Image:
    """A picture.

    Parameters
    ----------
    pixels : Tensor, float32, (C, H, W), values in [0, 1]
        Scaled from the file's own full bit depth. C is 1 (grey) or 3 (RGB).
    bit_depth : int
        Bits a channel of the source: 1, 8, 16, 32; 32 stands for floating point.
    pixel_size : float or None
        Side of a pixel on the specimen or sensor plane, metres; None if the file does not say.
    path : Path or None
        Where it came from.
    metadata : mapping
        What else the file says, and what was done in reading it.
    """

    pixels: Tensor
    bit_depth: int = 8
    pixel_size: float | None = None
    path: Path | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[0] not in (1, 3) or 0 in self.pixels.shape:
            raise ShapeError(
                expected="pixels of shape (1 or 3, H, W), no side 0",
                got=f"{tuple(self.pixels.shape)}",
                fix="give one grey or RGB picture, channels first",
            )
        if self.pixels.dtype != torch.float32:
            raise InputError(
                expected="float32 pixels in [0, 1]",
                got=str(self.pixels.dtype),
                fix="convert them, or use kukkiri.images.as_image(array)",
            )

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return int(self.pixels.shape[0])

    @property
    def height(self) -> int:
        """Rows, pixels."""
        return int(self.pixels.shape[1])

    @property
    def width(self) -> int:
        """Columns, pixels."""
        return int(self.pixels.shape[2])

    def numpy(self) -> NDArray[np.float32]:
        """The pixels as (H, W) or (H, W, 3), float32 in [0, 1]."""
        array = self.pixels.detach().cpu().numpy()
        return array[0] if self.channels == 1 else np.ascontiguousarray(np.moveaxis(array, 0, 2))

    def __repr__(self) -> str:
        name = one_line(self.path) if self.path else "array"
        return f"Image({name}, {self.width}×{self.height}, {self.channels} ch, {self.bit_depth} bit)"


# A path, an Image, a PIL image, an ndarray (H, W[, C]) or a tensor ([N,] C, H, W).
ImageLike: TypeAlias = Union[str, Path, Image, NDArray[Any], Tensor, Any]


def as_image(source: ImageLike) -> Image:
    """One picture from anything that holds one.

    Parameters
    ----------
    source : path, Image, PIL image, ndarray (H, W[, C]) or Tensor ([1,] C, H, W)
        Integer arrays are divided by their type's full range, Boolean ones become 0 and 1; floats must lie in [0, 1].

    Returns
    -------
    Image

    Raises
    ------
    ReadError, SizeError
        If a file cannot be read.
    ShapeError, InputError
        If an array is not a grey or RGB picture, or its values are not finite and in [0, 1].
    """
    if isinstance(source, Image):
        return source
    if isinstance(source, (str, Path)):
        from kukkiri.images.reading import load

        return load(source)
    if isinstance(source, Tensor):
        if source.ndim == 4 and source.shape[0] != 1:
            raise ShapeError(
                expected="one picture",
                got=f"a batch of {source.shape[0]}",
                fix="give them one by one, or call kk.metric(name)",
            )
        return _from_channels_first(source[0] if source.ndim == 4 else source)
    if isinstance(source, np.ndarray):
        return _from_channels_last(source)
    if hasattr(source, "getbands") and hasattr(source, "mode"):  # a PIL image, without importing PIL
        from kukkiri.images.pillow import from_pillow

        return from_pillow(source)
    raise InputError(
        expected="a path, an Image, a PIL image, an ndarray or a tensor",
        got=type(source).__name__,
        fix="convert it to a NumPy array of shape (H, W) or (H, W, 3)",
    )


def as_batch(source: ImageLike) -> Tensor:
    """A batch (N, C, H, W), float32 in [0, 1], from anything that holds one or more pictures of one size."""
    if isinstance(source, Tensor) and source.ndim == 4:
        if source.is_floating_point():
            check_unit_range(source)
            return source if source.dtype == torch.float64 else source.float()
        return torch.stack([_from_channels_first(x).pixels for x in source])
    if isinstance(source, Tensor) and source.dtype == torch.float64 and source.ndim in (2, 3):
        # Images are single precision; a tensor keeps its own.
        check_unit_range(source)
        return source[None] if source.ndim == 3 else source[None, None]
    return as_image(source).pixels[None]


def full_range(dtype: np.dtype[Any]) -> float:
    """The value that stands for 1: the largest of an integer type, 1 for floats and Booleans."""
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def check_unit_range(values: Tensor) -> None:
    """Raise unless all values are finite and in [0, 1], give or take rounding."""
    if values.numel() == 0:
        raise ShapeError(
            expected="a picture with pixels", got=f"shape {tuple(values.shape)}", fix="give one that is not empty"
        )
    low, high = (float(v) for v in torch.aminmax(values.detach()))
    if not (low >= -1e-4 and high <= 1 + 1e-4):  # NaN fails both
        bad = int((~torch.isfinite(values)).sum())
        raise InputError(
            expected="finite values in [0, 1]",
            got=f"{bad} of {values.numel()} NaN or infinite" if bad else f"values from {low:g} to {high:g}",
            fix="replace them" if bad else "divide by the full range, give uint8 or uint16, or use .clamp(0, 1)",
        )


def _from_channels_first(tensor: Tensor) -> Image:
    if tensor.ndim == 2:
        tensor = tensor[None]
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3):
        raise ShapeError(
            expected="a tensor (1 or 3, H, W)",
            got=str(tuple(tensor.shape)),
            fix="move the channels to the front, drop alpha",
        )
    if not tensor.is_floating_point():
        return _from_channels_last(np.moveaxis(tensor.cpu().numpy(), 0, 2))
    check_unit_range(tensor)
    return Image(tensor.float(), bit_depth=32)


def _from_channels_last(array: NDArray[Any]) -> Image:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ShapeError(
            expected="an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)",
            got=str(array.shape),
            fix="give one grey, RGB or RGBA picture, channels last",
        )
    if array.dtype.kind not in "ufb":
        # A signed integer does not say what its full range is: int64 is what NumPy makes of anything.
        raise InputError(
            expected="an array of uint8, uint16, bool, or floats in [0, 1]",
            got=str(array.dtype),
            fix="convert it, for example with array.astype(np.uint8) if its range is 0…255",
        )
    bits = 1 if array.dtype.kind == "b" else 32 if array.dtype.kind == "f" else array.dtype.itemsize * 8
    # Single precision holds 16 bits exactly; 32-bit integers must be divided before they are rounded.
    precision = np.float32 if array.dtype.itemsize <= 2 else np.float64
    scaled = np.true_divide(array, full_range(array.dtype), dtype=precision).astype(np.float32, copy=False)
    pixels = torch.from_numpy(np.ascontiguousarray(np.moveaxis(scaled, 2, 0)))
    check_unit_range(pixels)
    metadata: dict[str, Any] = {}
    if pixels.shape[0] == 4:
        from kukkiri.images.colour import composite_alpha

        pixels, background = composite_alpha(pixels[:3], pixels[3:])
        metadata["alpha"] = f"composited on the edge-mean colour {background}"
    return Image(pixels, bit_depth=bits, metadata=metadata)
