"""From a picture of any size to its `Blur`: the network, tile by tile.

A picture above `WHOLE` pixels is walked over in tiles on a fixed grid, whether it lies in memory or in a file: both
give the same numbers, because both are the same walk.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.colour import luma
from kukkiri.images.image import Image, ImageLike, as_image
from kukkiri.images.masks import Box, as_mask
from kukkiri.images.tiles import is_file, picture_size, tiles
from kukkiri.networks.blur_net import BlurMaps, BlurNet
from kukkiri.sharpness.blur import Blur
from kukkiri.sharpness.blur_cells import Walked, inner
from kukkiri.sharpness.blur_channels import different_channels, filled
from kukkiri.sharpness.blur_interval import IntervalHead
from kukkiri.sharpness.blur_summary import summarise
from kukkiri.sharpness.estimating import free_part
from kukkiri.weights import check_layout, load_tensors

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile

MIN_SIZE = 32
# Pictures of more pixels are walked over in tiles of this core and margin.
WHOLE, CORE, MARGIN = 1 << 22, 1536, 192
# Side of the places at which a large picture's channels are compared.
SAMPLE = 128


class BlurEstimator(nn.Module):
    """The network with what turns its maps into a `Blur`.

    Parameters
    ----------
    weights : str or Path
        Key in the catalogue, or path of a file in our own layout.
    """

    def __init__(self, weights: str | Path = "kukkiri-blur") -> None:
        super().__init__()
        self.net = BlurNet()
        self.head = IntervalHead(self.net.feature_count)
        state = load_tensors(weights)
        check_layout(state, {name: tuple(v.shape) for name, v in self.state_dict().items()}, "kukkiri-blur")
        self.load_state_dict({name: value.float() for name, value in state.items()})
        self.requires_grad_(False).eval()
        for parameter in self.net.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.net.centres.device

    def estimate(
        self,
        image: ImageLike | ImageFile,
        *,
        mask: Any = None,
        plane: int = 0,
        box: Box | None = None,
        pixel_size: float | None = None,
    ) -> Blur:
        """The blur of one picture.

        Parameters
        ----------
        image : image-like, or an open ImageFile
        mask : None | 'auto' | Boolean (H, W)
            True where pixels must not count; of the size of the box, if there is one.
        plane : int
            Of an ImageFile.
        box : Box, optional
            Only this part of the picture.
        pixel_size : float, optional
            Metres; default: what the picture says.

        Returns
        -------
        Blur

        Raises
        ------
        ShapeError
            If a side is under 32 px, or less is left by the mask.
        InputError
            If the mask is neither 'auto' nor an array.
        """
        if isinstance(image, (str, Path)):
            from kukkiri.images.reading import open_image

            with open_image(image) as file:  # what is too large to work on as a whole is not read as a whole either
                large = math.prod(file.shape(plane)[1:]) > WHOLE and not isinstance(mask, str)
                source = file if large else file.read(plane)
                return self.estimate(source, mask=mask, plane=plane, box=box, pixel_size=pixel_size)
        if is_file(image):
            source, pixel_size = image, pixel_size or image.header(plane).pixel_size
        else:
            source = as_image(image)
            pixel_size = pixel_size or source.pixel_size
        left_out = self._mask(source, plane, mask, box)
        height, width = picture_size(source, plane)
        box = box or Box(0, 0, height, width)
        # What is masked along the border is cut away: a picture with an info bar then equals one without.
        inner, left_out = free_part(box, left_out)
        if min(inner.height, inner.width) < MIN_SIZE:
            raise ShapeError(
                expected=f"at least {MIN_SIZE}×{MIN_SIZE} pixels to measure a blur in",
                got=f"{inner.width}×{inner.height}",
                fix="crop or mask less of the picture",
            )
        parts = self._walk(source, plane, inner, left_out)
        found = summarise(parts, self.head, (inner.height, inner.width), pixel_size)
        origin = (inner.top - box.top, inner.left - box.left)
        return replace(found, origin=origin, whole=(box.height, box.width))

    def _mask(self, source: Image | ImageFile, plane: int, mask: Any, box: Box | None) -> Tensor | None:
        if mask is None:
            return None
        if isinstance(mask, str) and mask == "auto":
            from kukkiri.images.overlays import find_overlays

            if is_file(source):
                raise InputError(
                    expected="a mask array with an open file", got="'auto'", fix="find the overlays first, or give none"
                )
            found = find_overlays(source).mask
            if found is None or box is None:
                return found if found is not None and bool(found.any()) else None
            return found[box.slices]
        if isinstance(mask, str):
            raise InputError(expected="'auto', None or a Boolean mask", got=repr(mask), fix="load the file first")
        size = (box.height, box.width) if box else picture_size(source, plane)
        given = as_mask(mask, size)
        return given if bool(given.any()) else None

    def _walk(self, source: Image | ImageFile, plane: int, box: Box, left_out: Tensor | None) -> Walked:
        whole = box.height * box.width <= WHOLE
        size, overlap = (max(box.height, box.width), 0) if whole else (CORE, MARGIN)
        walked = Walked(box.height, box.width, self.net.stride, self.net.picture)
        separate: bool | None = None
        for tile in tiles(source, size=size, overlap=overlap, box=box, plane=plane):
            pixels = tile.pixels
            outside = None
            if left_out is not None:
                place = slice(tile.top, tile.top + pixels.shape[1]), slice(tile.left, tile.left + pixels.shape[2])
                outside = left_out[place]
                pixels = filled(pixels, outside)
            if separate is None:
                separate = different_channels(pixels if whole else _sample(source, plane, box))
            channels = pixels[:, None] if separate else luma(pixels[None])
            core = inner(tile.core, tile.top, tile.left)
            spectrum = self.spectrum(channels, core, outside)
            walked.add(tile.top, tile.left, tile.core, self.maps(channels), spectrum, pixels, outside)
        return walked

    @torch.inference_mode()
    def spectrum(self, channels: Tensor, core: tuple[slice, slice], outside: Tensor | None) -> Tensor:
        """Power spectra of the cores of pictures (N, 1, H, W); see `blur_spectrum.Spectrum`."""
        outside = None if outside is None else outside.to(self.device)
        # In one piece each, or the last digit would depend on where the picture comes from.
        alone = [channel[None].to(self.device, torch.float32).contiguous() for channel in channels]
        return torch.cat([self.net.spectrum(channel, core, outside) for channel in alone])

    @torch.inference_mode()
    def maps(self, channels: Tensor) -> BlurMaps:
        """What the network says of pictures (N, 1, H, W), one after the other: large ones need the memory."""
        found: list[BlurMaps] = []
        for channel in channels:
            x = channel[None].to(self.device, torch.float32)
            found.append(self.net(x.contiguous(memory_format=torch.channels_last)))
        return found[0] if len(found) == 1 else BlurMaps(*(torch.cat(parts) for parts in zip(*found)))


def _sample(source: Image | ImageFile, plane: int, box: Box) -> Tensor:
    """(C, 128, 128·n): places all over a large picture, side by side; its corners are often empty."""
    places = [
        Box(box.top + int(y * (box.height - SAMPLE)), box.left + int(x * (box.width - SAMPLE)), SAMPLE, SAMPLE)
        for y in (0.1, 0.37, 0.63, 0.9)
        for x in (0.1, 0.37, 0.63, 0.9)
    ]
    if is_file(source):
        return torch.cat([source.read_region(plane, place) for place in places], 2)
    pixels = as_image(source).pixels
    return torch.cat([pixels[:, *place.slices] for place in places], 2)


@cache
def shared_estimator() -> BlurEstimator:
    """The estimator with the shipped weights, loaded once."""
    return BlurEstimator()
