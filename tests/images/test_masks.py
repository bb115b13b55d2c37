from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.masks import as_mask, bounding_box, largest_free_box

SIZE = (20, 30)
WANTED = np.zeros(SIZE, bool)
WANTED[:5], WANTED[12, 7] = True, True


@pytest.mark.parametrize(
    "mask",
    [
        WANTED,
        torch.from_numpy(WANTED),
        *(WANTED.astype(kind) for kind in (np.uint8, np.uint16, np.int32, np.int64, np.float32)),
        *(torch.from_numpy(WANTED).to(kind) for kind in (torch.uint8, torch.int64, torch.float32)),
        WANTED.astype(np.uint8) * 255,
        WANTED.astype(np.uint16) * 65535,
        WANTED[None],
        WANTED[None].astype(np.uint8),
        WANTED[:, :, None].astype(np.int64),
        np.repeat(WANTED[:, :, None], 3, 2).astype(np.uint8),
        torch.from_numpy(WANTED)[None],
        torch.from_numpy(WANTED)[None].float(),
        Pillow.fromarray(WANTED),
        Pillow.fromarray(WANTED.astype(np.uint8)),
    ],
    ids=lambda mask: f"{getattr(mask, 'dtype', 'pillow')}-{tuple(getattr(mask, 'shape', ()))}",
)
def test_every_way_to_write_a_mask(mask: Any) -> None:
    assert torch.equal(as_mask(mask, SIZE), torch.from_numpy(WANTED))


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_file_of_labels_is_a_mask_as_one_in_black_and_white(tmp_path: Path, kind: Any, white: int) -> None:
    top = white if white == 1 else np.iinfo(kind).max
    (tmp_path / "mask.png").write_bytes(bytes(imagecodecs.png_encode(WANTED.astype(kind) * kind(top))))
    assert torch.equal(as_mask(tmp_path / "mask.png", SIZE), torch.from_numpy(WANTED))


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float64])
def test_an_empty_mask_masks_nothing_and_a_full_one_all(kind: Any) -> None:
    assert not as_mask(np.zeros(SIZE, kind), SIZE).any()
    assert as_mask(np.ones(SIZE, kind), SIZE).all()


def test_half_is_the_limit_of_greys() -> None:
    seen = as_mask(np.where(WANTED, 200, 90).astype(np.uint8), SIZE)
    assert torch.equal(seen, torch.from_numpy(WANTED))


@pytest.mark.parametrize("mask", [WANTED.astype(np.uint8) * 2, WANTED.astype(np.float32) * 0.4])
def test_a_mask_that_would_mask_nothing_is_refused(mask: Any) -> None:
    with pytest.raises(InputError, match="white, 1 or True"):
        as_mask(mask, SIZE)


def test_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match="30×20"):
        as_mask(WANTED.T, SIZE)
    with pytest.raises(ShapeError, match="30×20"):
        as_mask(WANTED[:, :, None], SIZE)


def test_several_masks_leave_no_single_rectangle() -> None:
    several = as_mask(np.stack([WANTED, ~WANTED]), SIZE)
    assert several.shape == (2, *SIZE)
    for box_of in (bounding_box, largest_free_box):
        with pytest.raises(ShapeError, match="one mask"):
            box_of(several)
