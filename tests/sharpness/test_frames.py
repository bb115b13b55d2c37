"""Several pictures in one argument: what counts as one picture, and what as many."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from kukkiri.errors import InputError, ReadError
from kukkiri.images.image import Image, as_image
from kukkiri.images.writing import save
from kukkiri.sharpness.frames import count_pictures, each_picture


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    planes = np.stack([np.full((40, 48), v, np.uint8) for v in (10, 20, 30)])
    tifffile.imwrite(tmp_path / "stack.tif", planes, photometric="minisblack")
    return tmp_path / "stack.tif"


def test_a_stack_stands_for_its_planes_wherever_it_is_named(stack: Path, tmp_path: Path) -> None:
    save(np.full((40, 48), 90, np.uint8), tmp_path / "one.png")
    for images in (stack, str(stack)):
        assert [name for name, _ in each_picture(images)] == [f"stack.tif [{i}]" for i in range(3)]
    mixed: list[Any] = [tmp_path / "one.png", str(stack), np.full((40, 48), 50, np.uint8), Image(torch.zeros(1, 8, 8))]
    found = list(each_picture(mixed))
    assert [name for name, _ in found] == ["one.png", "stack.tif [0]", "stack.tif [1]", "stack.tif [2]", "", ""]
    means = [round(float(as_image(picture).pixels.mean()) * 255) for _, picture in found]
    assert means == [90, 10, 20, 30, 50, 0]
    assert found[0][1] == tmp_path / "one.png"  # a single picture is left to be read part by part
    assert count_pictures(mixed) == 6 and count_pictures(stack) == 3 and count_pictures(iter(mixed)) is None


@pytest.mark.parametrize(
    ("images", "count"),
    [
        (np.zeros((5, 40, 48)), 5),
        (np.zeros((2, 40, 48, 3)), 2),
        (torch.zeros(4, 1, 8, 8), 4),
        (torch.zeros(7, 8, 8), 7),
    ],
)
def test_arrays_of_pictures(images: Any, count: int) -> None:
    assert len(list(each_picture(images))) == count == count_pictures(images)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((40, 48)),
        np.zeros((40, 48, 3), np.uint8),
        np.zeros((40, 48, 4), np.uint8),
        np.zeros(9),
        torch.zeros(40, 48),
        torch.zeros(3, 40, 48),
        Image(torch.zeros(1, 8, 8)),
        7,
    ],
)
def test_one_picture_is_not_several(images: Any) -> None:
    with pytest.raises(InputError, match=r"expected several pictures, got .*; give a list"):
        next(each_picture(images))


def test_names_may_be_an_array_and_what_cannot_be_read_is_said(stack: Path) -> None:
    assert len(list(each_picture(np.array([str(stack)])))) == 3
    with pytest.raises(ReadError, match="missing"):
        count_pictures([stack, stack.with_name("missing.png")])
