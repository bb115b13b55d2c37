"""What the shipped weights must be able to do, on pictures that no training saw. The figures: docs/blur.md."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from skimage import data

import kukkiri as kk
from kukkiri.images.colour import luma
from kukkiri.optics import psf
from kukkiri.optics.days import DAYS, day


def grey(name):
    """A picture of scikit-image, area-averaged over 2×2 pixels, (1, 1, H, W)."""
    array = getattr(data, name)()
    pixels = torch.from_numpy(np.atleast_3d(array).astype(np.float32)).movedim(2, 0)[None] / 255
    return torch.nn.functional.avg_pool2d(luma(pixels), 2)


@pytest.fixture(scope="module")
def days():
    """Sigma found and true on every day, Gaussian and disc in turn."""
    random = np.random.default_rng(0)
    rows = []
    for at, name in enumerate(("camera", "coins", "coffee", "chelsea")):
        sharp = grey(name)[..., :200, :240]
        for number, light in enumerate(DAYS):
            sigma = math.exp(random.uniform(math.log(0.7), math.log(6)))
            kernel = psf.gaussian(sigma) if (at + number) % 2 else psf.disc(2 * sigma)
            found = kk.blur(day(psf.blur(sharp, kernel).clamp(0, 1), light, seed=at)[0])
            rows.append((light, float(psf.sigma_of(kernel)), found))
    return rows


def test_follows_the_blur_through_all_days_mixed(days):
    answered = [(truth, found.sigma) for _, truth, found in days if not found.abstained]
    assert len(answered) >= 0.97 * len(days)
    truth, found = np.array(answered).T
    assert spearmanr(truth, found).statistic > 0.97
    error = np.abs(found / truth - 1)
    assert np.median(error) < 0.09
    assert np.quantile(error, 0.9) < 0.26


def test_intervals_hold_the_truth(days):
    answered = [(truth, f.interval) for _, truth, f in days if not f.abstained]
    assert np.mean([low <= truth <= high for truth, (low, high) in answered]) >= 0.8
    assert np.median([high / low for _, (low, high) in answered]) < 1.8


@pytest.mark.parametrize("family", [psf.elliptical_gaussian, psf.elliptical_disc])
def test_axes_of_an_elliptical_psf(family):
    scale = 2 if family is psf.elliptical_disc else 1
    found = []
    for name, angle in (("camera", 0.4), ("coffee", -1.1), ("chelsea", 1.3), ("coins", 0.0), ("astronaut", -0.5)):
        blur = kk.blur(psf.blur(grey(name), family(3.2 * scale, 1.6 * scale, angle))[0].clamp(0, 1))
        turned = abs(math.remainder(blur.angle - angle, math.pi))
        found.append((blur.major / blur.minor, math.degrees(turned)))
    ratio, off = np.median(found, 0)
    assert ratio == pytest.approx(2, rel=0.3) and off < 8


def test_in_proportion_when_resized():
    changes = []
    for name in ("camera", "coins", "chelsea", "coffee", "astronaut"):
        picture = psf.blur(grey(name), psf.gaussian(4.0)).clamp(0, 1)
        half = torch.nn.functional.avg_pool2d(picture, 2)
        # Averaging 2×2 pixels adds the variance of its box, a quarter of a square pixel.
        wanted = math.sqrt(kk.blur(picture[0]).sigma ** 2 + 0.25) / 2
        changes.append(abs(kk.blur(half[0]).sigma / wanted - 1))
    assert np.median(changes) < 0.08


@pytest.mark.parametrize("name", ["brick", "grass", "gravel", "coins", "text"])
def test_grows_with_the_blur(name):
    picture = grey(name)
    found = [kk.blur(psf.blur(picture, psf.gaussian(s))[0].clamp(0, 1)).sigma for s in (1.0, 2.0, 4.0, 8.0)]
    assert all(b > 1.2 * a for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("light", ["clean", "noise-1"])
def test_same_number_turned_flipped_and_inverted(light):
    picture = day(psf.blur(grey("camera"), psf.disc(4.0)).clamp(0, 1), light)[0]
    base = kk.blur(picture).sigma
    for changed in (picture.flip(-1), picture.rot90(1, (-2, -1)), 1 - picture, 0.25 * picture + 0.3):
        assert kk.blur(changed).sigma == pytest.approx(base, rel=0.06)


def noises():
    source = torch.Generator().manual_seed(0)
    random = np.random.default_rng(0)
    yield torch.full((1, 128, 128), 0.3)
    yield torch.zeros(1, 64, 200)
    yield torch.ones(1, 64, 64)
    for sigma in (0.002, 0.02, 0.2):
        yield (0.5 + sigma * torch.randn(1, 160, 160, generator=source)).clamp(0, 1)
    yield torch.from_numpy(random.poisson(4, (1, 128, 128)).astype(np.float32) / 40).clamp(0, 1)
    yield torch.rand(1, 128, 128, generator=source)
    yield ((0.5 + 0.03 * torch.randn(1, 128, 128, generator=source)) * 255).round() / 255
    slope = torch.linspace(0.2, 0.6, 160)[None, None].expand(1, 160, 160)
    yield slope + 0.01 * torch.randn(1, 160, 160, generator=source)


@pytest.mark.parametrize("picture", list(noises()), ids=range(10))
def test_abstains_where_there_is_nothing_to_tell(picture):
    found = kk.blur(picture)
    assert found.abstained
    assert math.isnan(found.sigma)


def test_more_blur_at_one_side_shows_in_the_map():
    picture = grey("coffee")
    half = picture.shape[-1] // 2
    mixed = torch.cat([psf.blur(picture, psf.disc(2.0))[..., :half], psf.blur(picture, psf.disc(10.0))[..., half:]], -1)
    found = kk.blur(mixed[0].clamp(0, 1))
    edge = found.map.shape[1] // 2
    left, right = found.map[:, : edge - 3].median(), found.map[:, edge + 3 :].median()
    assert right > 2 * left
    assert found.sharpest < 0.8 * found.sigma
