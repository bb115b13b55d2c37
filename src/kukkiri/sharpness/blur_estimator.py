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
from kukkiri.sharpness.blur_cells import Walked
from kukkiri.sharpness.blur_channels import different_channels, filled
from kukkiri.sharpness.blur_interval import IntervalHead
from kukkiri.sharpness.blur_summary import summarise
from kukkiri.sharpness.estimating import free_part
from kukkiri.weights import check_layout, load_tensors

if TYPE_CHECKING:
    from kukkiri.images.reading import ImageFile

MIN_SIZE = 32
# Pictures of more pixels are walked over in tiles of this core and margin.
WHOLE, CORE, MARGIN = 1 << 22, 2048, 192


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
        if isinstance(image, (str, Path)) and not isinstance(mask, str):
            from kukkiri.images.reading import open_image

            with open_image(image) as file:  # too large to work on as a whole: nor need it be read as a whole
                if math.prod(file.shape(plane)[1:]) > WHOLE:
                    return self.estimate(file, mask=mask, plane=plane, box=box, pixel_size=pixel_size)
        source: Image | ImageFile
        if is_file(image):
            source, pixel_size = image, pixel_size or image.header(plane).pixel_size
        else:
            source = as_image(image)
            pixel_size = pixel_size or source.pixel_size
        left_out = self._mask(source, mask, box)
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

    def _mask(self, source: Image | ImageFile, mask: Any, box: Box | None) -> Tensor | None:
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
        size = (box.height, box.width) if box else picture_size(source)
        given = as_mask(mask, size)
        return given if bool(given.any()) else None

    def _walk(self, source: Image | ImageFile, plane: int, box: Box, left_out: Tensor | None) -> Walked:
        whole = box.height * box.width <= WHOLE
        size, overlap = (max(box.height, box.width), 0) if whole else (CORE, MARGIN)
        walked = Walked(box.height, box.width, self.net.stride)
        separate: bool | None = None
        for tile in tiles(source, size=size, overlap=overlap, box=box, plane=plane):
            pixels = tile.pixels
            outside = None
            if left_out is not None:
                place = slice(tile.top, tile.top + pixels.shape[1]), slice(tile.left, tile.left + pixels.shape[2])
                outside = left_out[place]
                pixels = filled(pixels, outside)
            if separate is None:  # decided once: the first tile stands for the picture
                separate = different_channels(pixels)
            channels = pixels[:, None] if separate else luma(pixels[None])
            walked.add(tile.top, tile.left, tile.core, self.maps(channels), pixels, outside)
        return walked

    @torch.inference_mode()
    def maps(self, channels: Tensor) -> BlurMaps:
        """What the network says of pictures (N, 1, H, W), one after the other: large ones need the memory."""
        found: list[BlurMaps] = []
        for channel in channels:
            x = channel[None].to(self.device, torch.float32)
            found.append(self.net(x.contiguous(memory_format=torch.channels_last)))
        return found[0] if len(found) == 1 else BlurMaps(*(torch.cat(parts) for parts in zip(*found)))


@cache
def shared_estimator() -> BlurEstimator:
    """The estimator with the shipped weights, loaded once."""
    return BlurEstimator()
