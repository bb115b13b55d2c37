"""Haze, low light, sensors and random chains as kinds of distortion."""

from collections.abc import Mapping

import pytest
import skimage.data
import torch
from torch import Tensor

from kukkiri.optics.distort import KINDS, distort
from kukkiri.optics.distort.chain_kernels import generalised_gaussian, sinc
from kukkiri.optics.distort.lowlight import CAMERA, sensor_kind
from kukkiri.optics.moments import sigma_of
from kukkiri.optics.sensor import SensorNoise

HERE: Mapping[str, str | None] = {
    "haze": "haze",
    "fog-uniform": "haze",
    "smoke": "haze",
    "dehazed": None,
    "over-dehazed": None,
    "low-light": "exposure",
    "sensor-noise": "noise",
    "bsrgan": None,
    "real-esrgan": None,
}


@pytest.fixture(scope="module")
def picture() -> Tensor:
    astronaut = torch.from_numpy(skimage.data.astronaut().copy()).float().movedim(2, 0)[None] / 255
    return torch.nn.functional.avg_pool2d(astronaut, 4)[..., :100, :]


@pytest.mark.parametrize("name", HERE)
def test_grows_with_the_level_and_keeps_the_size(name: str, picture: Tensor) -> None:
    assert KINDS[name].group == HERE[name]
    worse = [distort(picture, name, level, seed=5) for level in (0.0, 0.25, 1.0, 2.0, 3.0, 4.0, 5.0)]
    assert torch.equal(worse[0], picture)
    errors = [float((x - picture).square().mean()) for x in worse]
    assert errors == sorted(errors) and errors[-1] > 1e-3, errors
    assert all(x.shape == picture.shape and float(x.min()) >= 0 and float(x.max()) <= 1 for x in worse)


@pytest.mark.parametrize("name", HERE)
def test_grey_double_and_seeds(name: str, picture: Tensor) -> None:
    grey = picture[:, :1, :40, :50].double()
    once, again, other = (distort(grey, name, 3.0, seed=seed) for seed in (1, 1, 2))
    assert once.dtype == torch.float64 and once.shape == grey.shape
    assert torch.equal(once, again)
    assert torch.equal(once, other) != KINDS[name].random


@pytest.mark.parametrize("name", HERE)
def test_samples_have_their_own_strength(name: str, picture: Tensor) -> None:
    two = picture[..., :64, :64].repeat(2, 1, 1, 1)
    both = distort(two, name, [1.0, 5.0], seed=[3, 3])
    errors = (both - two).square().mean((1, 2, 3))
    assert float(errors[1]) > 2 * float(errors[0])
    assert torch.equal(both[1:], distort(two[1:], name, 5.0, seed=3))


def test_low_light_is_dark_by_its_stops() -> None:
    """Two stops: a quarter of the linear light, up to noise."""
    from kukkiri.optics.sensor import to_light

    even = torch.full((1, 3, 64, 64), 0.8)
    dark = KINDS["low-light"].apply(even, {"stops": torch.tensor([2.0])}, torch.Generator().manual_seed(0))
    ratio = to_light(dark).mean() / to_light(even).mean()
    assert float(ratio) == pytest.approx(0.25, rel=0.02)
    assert float(dark.std()) > 0.002


def test_sensor_kind_has_the_noise_of_the_site() -> None:
    """On linear pictures the variance is that of the model: k · signal / full well and more."""
    own = SensorNoise(full_well=900.0, read=12.0, gain=0.0, lines=0.0)
    even = torch.full((1, 1, 200, 200), 0.5)
    parameters = {"amplification": torch.tensor([2.0])}
    noisy = sensor_kind(own, linear=True).apply(even, parameters, torch.Generator().manual_seed(0))
    assert float(noisy.var()) == pytest.approx(0.5 * 2 / 900 + (12 * 2 / 900) ** 2, rel=0.03)
    usual = distort(even, "sensor-noise", 3.0, seed=1)
    assert torch.equal(usual, distort(even, sensor_kind(CAMERA), 3.0, seed=1))
    assert not torch.equal(usual, distort(even, sensor_kind(own), 3.0, seed=1))


def test_a_chain_tells_one_story_at_every_strength(picture: Tensor) -> None:
    """Neighbouring levels of one seed are more alike than two seeds of one level."""
    for name in ("bsrgan", "real-esrgan"):
        here, near, other = (
            distort(picture, name, level, seed=seed) - picture for level, seed in ((3.0, 4), (3.05, 4), (3.0, 9))
        )
        assert float((here - near).square().mean()) < float((here - other).square().mean())


def test_chains_differ_from_sample_to_sample(picture: Tensor) -> None:
    for name in ("bsrgan", "real-esrgan"):
        both = distort(picture.repeat(2, 1, 1, 1), name, 4.0, seed=0)
        assert not torch.allclose(both[0], both[1], atol=0.01)


def test_kernels_by_their_moments() -> None:
    """A Gaussian's standard deviation; a plateau is wider; a low-pass at Nyquist has a gain of 1 at 0."""
    gaussian = generalised_gaussian(2.0, 2.0, 0.3, side=21)
    assert float(gaussian.sum()) == pytest.approx(1) and float(sigma_of(gaussian[None])[0]) == pytest.approx(
        2, rel=0.01
    )
    long = generalised_gaussian(3.0, 1.0, 0.0, side=25)
    assert float(long.sum(0).max()) < float(long.sum(1).max())  # spread along x
    assert float(generalised_gaussian(2.0, 2.0, 0.0, plateau=True, side=21).max()) < float(gaussian.max())
    nothing = generalised_gaussian(0.0, 0.0, 0.0, side=7)
    assert float(nothing[3, 3]) == pytest.approx(1)
    rings = sinc(1.2, 21)
    assert float(rings.sum()) == pytest.approx(1) and float(rings.min()) < 0
    gain = torch.fft.fft2(sinc(1.2, 41), (128, 128)).abs()
    assert float(gain[0, 60]) < 0.1 and float(gain[0, 5]) == pytest.approx(1, abs=0.15)
    assert float(sinc(1.2, 21, 0.0)[10, 10]) == pytest.approx(1)


def test_tiny_pictures_pass(picture: Tensor) -> None:
    tiny = picture[..., 20:29, 30:37]
    for name in HERE:
        assert distort(tiny, name, 5.0).shape == tiny.shape


def test_no_chain_moves_the_picture() -> None:
    """Points of a picture made small are taken where the small pixels are: nothing is shifted, whatever is drawn."""
    y, x = torch.meshgrid(torch.arange(192.0), torch.arange(192.0), indexing="ij")
    spot = torch.exp(-((x - 95.5) ** 2 + (y - 95.5) ** 2) / (2 * 24.0**2))[None, None]
    for name in ("bsrgan", "real-esrgan"):
        apart = []
        for seed in range(24):
            seen = KINDS[name].apply(spot, {"strength": torch.tensor([1.0])}, torch.Generator().manual_seed(seed))[0, 0]
            clear = (seen - 0.3).clamp_min(0)
            apart.append([float((clear * axis).sum() / clear.sum()) - 95.5 for axis in (x, y)])
        # One chain may err by what JPEG does to a small picture; all of them have no direction.
        assert torch.tensor(apart).mean(0).abs().max() < 0.1, (name, apart)
        assert torch.tensor(apart).median(0).values.abs().max() < 0.1, (name, apart)


def test_mild_chains_are_mild(picture: Tensor) -> None:
    """JPEG and resampling begin later: what is left near 0 grows from nothing."""
    for name in ("bsrgan", "real-esrgan"):
        strength = {"strength": torch.tensor([0.003])}
        far = [
            float((KINDS[name].apply(picture, strength, torch.Generator().manual_seed(i)) - picture).abs().mean())
            for i in range(16)
        ]
        assert sorted(far)[8] < 5e-4 and min(far) > 0, far


def test_dehazing_grows_with_the_picture() -> None:
    """Twice the size, twice the patch: made small, the result is that of the small picture, nearly."""
    from kukkiri.images.resampling import imresize

    large = torch.from_numpy(skimage.data.astronaut().copy()).float().movedim(2, 0)[None] / 255
    large = imresize(large, size=(1200, 1200), method="bicubic").clamp(0, 1)
    small = imresize(large, size=(600, 600), method="bilinear").clamp(0, 1)
    after = [distort(x, "over-dehazed", 4.0, seed=1) for x in (large, small)]
    apart = (imresize(after[0], size=(600, 600), method="bilinear") - after[1]).square().mean().sqrt()
    change = (after[1] - small).square().mean().sqrt()
    assert float(apart) < 0.2 * float(change), (apart, change)
