"""Camera RAW files through LibRaw (package rawpy): linear light, 16 bits, the camera's own white balance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kukkiri.errors import missing_extra
from kukkiri.images.decoder import Decoded, Header, SinglePlaneDecoder, check_sides
from kukkiri.images.guard import explained
from kukkiri.images.samples import Encoding, to_pixels


class RawDecoder(SinglePlaneDecoder):
    """A camera RAW file, demosaicked."""

    format = "RAW"

    def __init__(self, path: Path) -> None:
        try:
            import rawpy
        except ImportError as error:
            raise missing_extra("raw", "rawpy", "to read camera RAW files") from error
        super().__init__(path)
        with explained(path, "camera RAW"):
            self._raw: Any = rawpy.imread(str(path))
            try:
                sizes = self._raw.sizes
                width, height = int(sizes.width), int(sizes.height)
                # LibRaw's flip: 0, 3 = half a turn, 5 and 6 = a quarter turn either way.
                if sizes.flip in (5, 6):
                    width, height = height, width
                check_sides(width, height, path)
                channels = 1 if self._raw.num_colors == 1 else 3
            except BaseException:
                self._raw.close()
                raise
        metadata: dict[str, Any] = {}
        notes = ["RAW developed linearly: 16 bits, camera white balance, no brightening"]
        if sizes.flip:
            metadata["orientation"] = {3: 3, 5: 8, 6: 6}.get(int(sizes.flip), 1)
            notes.append("turned upright as the camera says")
        self._header = Header(channels, height, width, 16, None, metadata, tuple(notes))

    def _decode(self) -> Decoded:
        # adjust_maximum_thr=0: white is the camera's white level, not the brightest pixel of this picture.
        array = self._raw.postprocess(
            gamma=(1, 1), no_auto_bright=True, output_bps=16, use_camera_wb=True, adjust_maximum_thr=0
        )
        array = np.asarray(array)[:, :, : self._header.channels]
        if array.shape[:2] != (self._header.height, self._header.width):
            raise ValueError(f"developed to {array.shape[1]}×{array.shape[0]}, not as the header says")
        colour = "rgb" if array.shape[2] == 3 else "grey"
        pixels, notes, metadata = to_pixels(array, Encoding(colour, "", 0, 65535))
        metadata["white_balance"] = tuple(float(v) for v in self._raw.camera_whitebalance)
        return pixels, notes, metadata

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        self._raw.close()
