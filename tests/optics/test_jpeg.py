import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from kukkiri.errors import InputError, ShapeError
from kukkiri.optics.jpeg import jpeg

COFFEE = torch.from_numpy(data.coffee()[:161, :203].copy()).movedim(2, 0)[None].float() / 255


def test_it_is_pillows_file() -> None:
    """Odd sides, so that the blocks at the border count."""
    file = io.BytesIO()
    Image.fromarray(data.coffee()[:161, :203]).save(file, "JPEG", quality=37)
    expected = np.asarray(Image.open(file))
    assert np.array_equal((jpeg(COFFEE, 37)[0] * 255).round().to(torch.uint8).movedim(0, 2).numpy(), expected)


def test_values_are_levels_of_eight_bits() -> None:
    out = jpeg(COFFEE.double(), 80)
    assert out.dtype == torch.float64 and out.shape == COFFEE.shape
    assert torch.equal(out, (out * 255).round() / 255)


def test_error_grows_as_quality_falls() -> None:
    errors = [float((jpeg(COFFEE, quality) - COFFEE).square().mean()) for quality in (95, 75, 50, 20, 5)]
    assert errors == sorted(errors) and errors[0] < 1e-3 < errors[-1]


def test_one_quality_a_sample() -> None:
    batch = jpeg(COFFEE.repeat(2, 1, 1, 1), [90, 10])
    assert torch.equal(batch[:1], jpeg(COFFEE, 90)) and torch.equal(batch[1:], jpeg(COFFEE, 10))
    assert torch.equal(jpeg(COFFEE.repeat(2, 1, 1, 1), torch.tensor([90, 10])), batch)


def test_grey_stays_grey_and_subsampling_does_not_touch_it() -> None:
    grey = COFFEE[:, :1]
    assert jpeg(grey, 60).shape == grey.shape
    assert torch.equal(jpeg(grey, 60, "4:4:4"), jpeg(grey, 60))


def test_subsampling_costs_chroma() -> None:
    full, half = (float((jpeg(COFFEE, 95, mode) - COFFEE).square().mean()) for mode in ("4:4:4", "4:2:0"))
    assert half > 1.5 * full


def test_impossible_values_are_refused() -> None:
    for quality in (0, 101, [50, 50]):
        with pytest.raises(InputError):
            jpeg(COFFEE, quality)
    with pytest.raises(InputError):
        jpeg(COFFEE, 50, "4:1:0")
    with pytest.raises(ShapeError):
        jpeg(COFFEE[0], 50)
    with pytest.raises(ShapeError):
        jpeg(COFFEE[:, :2], 50)
