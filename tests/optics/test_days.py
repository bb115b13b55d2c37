import pytest
import torch
from skimage import data

from kukkiri.errors import UnknownNameError
from kukkiri.optics.days import DAYS, day

# What a pixel of 153/255 = 0.6 becomes, 0 to 255, worked out by hand; and the standard deviation about it.
SIX_TENTHS = {
    "clean": (153, 0),
    "gain-0.3": (46, 0),  # 0.3·153 = 45.9
    "dark": (15.3, 0.51),
    "gamma-0.5": (198, 0),  # 255·√0.6 = 197.5, which 8 bits round up
    "gamma-2": (92, 0),  # 255·0.36 = 91.8
    "noise-1": (153, 2.55),
    "noise-4": (153, 10.2),
    "low-contrast-noise": (132.6, 2.55),  # 255·(0.4 + 0.2·0.6)
    "jpeg-60": (152, 0),  # a step of 13 at quality 60: 13·round(8·(153 − 128)/13)/8 + 128 = 152.4
    "inverted": (102, 0),
}


@pytest.mark.parametrize("name", DAYS)
def test_a_known_pixel(name: str) -> None:
    mean, deviation = SIX_TENTHS[name]
    seen = 255 * day(torch.full((1, 1, 128, 128), 153 / 255), name, seed=1)
    # With noise: the mean of 16384 pixels.
    assert float(seen.mean()) == pytest.approx(mean, abs=max(4 * deviation / 128, 1e-3))
    # Rounding to 8 bits adds 1/12 to the variance.
    assert float(seen.std()) == pytest.approx((deviation**2 + (deviation > 0) / 12) ** 0.5, rel=0.03, abs=1e-3)


@pytest.mark.parametrize("name", DAYS)
def test_every_day_is_repeatable_and_in_8_bits(name: str) -> None:
    picture = torch.from_numpy(data.astronaut()[:64, :80].astype("float32")).movedim(2, 0)[None] / 255
    seen = day(picture, name, seed=3)
    assert seen.shape == picture.shape
    assert torch.equal(seen, day(picture, name, seed=3))
    assert torch.allclose(seen * 255, (seen * 255).round(), atol=1e-4)
    assert (name == "clean") == bool(torch.allclose(seen, picture, atol=1e-6))


def test_noise_is_another_with_another_seed() -> None:
    grey = torch.full((1, 1, 20, 20), 0.5)
    assert not torch.equal(day(grey, "noise-4", 1), day(grey, "noise-4", 2))


def test_unknown_day() -> None:
    with pytest.raises(UnknownNameError, match="gamma-2"):
        day(torch.rand(1, 1, 8, 8), "gamma2")
