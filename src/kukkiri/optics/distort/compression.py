"""What codecs, few levels and bad lines leave of a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kukkiri.optics import jpeg as real_jpeg
from kukkiri.optics.codecs import read_back
from kukkiri.optics.distort.drawing import column, generators, uniform

if TYPE_CHECKING:
    from PIL.Image import Image as Pillow

# Side of the blocks that get lost, pixels.
BLOCK = 16
# Side that a picture is sampled down to, about, to find its palette.
SAMPLED = 128
# Bytes of a JPEG 2000 file that hold no picture: of a small one they would be all there is.
HEADER = 170


def jpeg(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """A JPEG file of this `quality`, chroma halved both ways."""
    return real_jpeg.jpeg(image, parameters["quality"].round().clamp(1, 100).long())


def jpeg2000(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """A JPEG 2000 file of `bits` a sample, a pixel of RGB having three, with the irreversible wavelet."""

    def file(picture: Pillow, bits: float) -> Pillow:
        samples = picture.width * picture.height * len(picture.getbands())
        ratio = max(1.0, samples / (bits * samples / 8 + HEADER))
        return read_back(picture, "JPEG2000", irreversible=True, quality_mode="rates", quality_layers=[ratio])

    return _each(image, parameters["bits"], file)


def webp(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """A WebP file of this `quality`, lossy."""
    return _each(image, parameters["quality"], lambda picture, quality: read_back(picture, "WEBP", quality=quality))


def banding(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Rounded to so many `levels` a channel, black and white among them."""
    top = column(parameters["levels"], image).round().clamp_min(2) - 1
    return (image.clamp(0, 1) * top).round() / top


def colour_quantisation(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """A palette of so many `colours`, found by median cut, the error diffused (Floyd and Steinberg 1976)."""
    from PIL import Image as PilImage

    def few(picture: Pillow, colours: float) -> Pillow:
        whole = picture.convert("RGB")
        # A sample of the pixels has the same colours, and median cut, the slow part, sorts all that it is given.
        step = max(1, max(whole.size) // SAMPLED)
        sample = whole.resize((-(-whole.width // step), -(-whole.height // step)), PilImage.Resampling.NEAREST)
        palette = sample.quantize(max(2, round(colours)), method=PilImage.Quantize.MEDIANCUT)
        return whole.quantize(palette=palette, dither=PilImage.Dither.FLOYDSTEINBERG)

    return _each(image, parameters["colours"], few)


def block_loss(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """A `share` of the blocks shows the block to its left (to its right in the first column).

    Of the last block only as many rows as make the share full, so that it means something in small pictures too.
    """
    _, _, h, w = image.shape
    rows, columns = -(-h // BLOCK), -(-w // BLOCK)
    x = torch.arange(w)
    neighbour = image[..., torch.where(x >= BLOCK, x - BLOCK, (x + BLOCK).clamp_max(w - 1)).to(image.device)]
    result = image.clone()
    for i, each in enumerate(generators(len(image), generator)):
        # Which are lost at one level are lost at the next one too.
        order = uniform((rows * columns,), each).argsort()
        full, rest = divmod(max(1, round(float(parameters["share"][i]) * rows * columns * BLOCK)), BLOCK)
        lost = torch.zeros(rows * columns, BLOCK, dtype=torch.bool)
        lost[order[:full]] = True
        lost[order[full : full + 1], :rest] = True
        lines = lost.reshape(rows, columns, BLOCK).movedim(2, 1).reshape(rows * BLOCK, columns)
        grid = lines.repeat_interleave(BLOCK, 1)
        result[i] = torch.where(grid[:h, :w].to(image.device), neighbour[i], image[i])
    return result


def _each(image: Tensor, values: Tensor, change: Callable[[Pillow, float], Pillow]) -> Tensor:
    """Every picture through something of Pillow's, 8 bits, with its own value."""
    from PIL import Image as PilImage

    levels = (image.detach().clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, 3).cpu().numpy()
    changed = []
    for picture, value in zip(levels, values.tolist(), strict=True):
        grey = picture.shape[2] == 1
        after = change(PilImage.fromarray(picture[..., 0] if grey else picture), value)
        changed.append(np.asarray(after.convert("L" if grey else "RGB")).reshape(picture.shape))
    return torch.from_numpy(np.stack(changed)).movedim(3, 1).to(image).contiguous() / 255
