"""When a file of 16 bits is said to hold fewer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from skimage import data

from kukkiri.images.reading import load, open_image

SCENE = data.camera()[::2, ::2].astype(np.float64) / 255
NOISE = np.random.default_rng(0).normal(0, 0.01, SCENE.shape)


def notice(folder: Path, values: NDArray[np.float64], **options: Any) -> str:
    path = folder / "picture.tif"
    tifffile.imwrite(path, values.round().clip(0, 65535).astype(np.uint16), **options)
    image = load(path)
    found = str(image.metadata.get("notice", ""))
    assert (found in image.metadata["notes"]) == bool(found)
    return found


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_saturated_at_the_white_of_fewer_bits(tmp_path: Path, bits: int) -> None:
    white = 2**bits - 1
    found = notice(tmp_path, (1.3 * SCENE).clip(0, 1) * white)
    assert found.startswith(f"only {bits} of 16 bits are used (largest value {white})")
    assert f"multiply the values by 65535/{white} and save" in found
    rescaled = notice(tmp_path, ((1.3 * SCENE).clip(0, 1) * white).round() * 65535 / white)
    assert rescaled == "", "what the notice advises ends it"


def test_saturated_a_little_below_white(tmp_path: Path) -> None:
    """As after the subtraction of a dark frame."""
    assert "14 of 16 bits" in notice(tmp_path, (1.3 * SCENE).clip(0, 1) * 16300)


def test_values_that_never_reach_a_sixteenth(tmp_path: Path) -> None:
    found = notice(tmp_path, 0.7 * SCENE * 4095)
    assert "only 12 of 16 bits are used (largest value 2866)" in found


@pytest.mark.parametrize(
    "values",
    [
        SCENE * 65535,
        0.1 * (SCENE + NOISE) * 65535,
        0.22 * SCENE * 65535,
        0 * SCENE,
        60 + 10 * SCENE,
        SCENE * 4096,
    ],
    ids=["full", "dark", "dark and smooth", "black", "dark frame", "one more than 12 bits"],
)
def test_an_ordinary_picture_is_left_alone(tmp_path: Path, values: NDArray[np.float64]) -> None:
    assert notice(tmp_path, values) == ""


def test_other_depths_are_left_alone(tmp_path: Path) -> None:
    """A file that says 12 bits is scaled by them, and a float has no bits."""
    assert notice(tmp_path, 0.05 * SCENE * 4095, bitspersample=12, rowsperstrip=256) == ""
    tifffile.imwrite(tmp_path / "float.tif", (SCENE / 20).astype(np.float32))
    with open_image(tmp_path / "float.tif") as file:
        assert "notice" not in file.read().metadata
