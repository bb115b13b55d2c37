"""Blur by explanation: its parts against simulation and numerical integration, and sigma on blurred photographs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from skimage import data
from torch import Tensor

import kukkiri as kk
from contract import MetricContract
from kukkiri.errors import InputError, ShapeError
from kukkiri.optics import psf
from kukkiri.optics.days import day
from kukkiri.sharpness.evidence_posterior import PLACES, curve_of, tempered
from kukkiri.sharpness.evidence_prior import Candidate, Evidence
from kukkiri.sharpness.prior_evidence import PriorEvidence, candidates_of, verdict


class TestPriorEvidence(MetricContract):
    name = "prior-evidence"


def reduced(name: str) -> Tensor:
    """A picture whose own blur is small: means over 2×2 pixels, at most 256 px a side."""
    array = np.atleast_3d(getattr(data, name)())[:512, :512]
    return F.avg_pool2d(torch.from_numpy(np.moveaxis(array, 2, 0).copy())[None].float() / 255, 2)


def seen(name: str, kernel: Tensor, on: str = "clean") -> Tensor:
    return day(psf.blur(reduced(name), kernel).clamp(0, 1), on)


def disc_of(sigma: float) -> Tensor:
    """A disc of this sigma, about."""
    return psf.disc(2 * sigma)


PHOTOGRAPHS = ("astronaut", "coffee", "camera", "rocket")


@pytest.mark.parametrize("on", ["clean", "noise-1"])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_sigma_of_blurred_photographs(name: str, on: str) -> None:
    """Gaussians and discs of 1 to 4 px: each within a fifth, half of them within a twelfth; a family's in order."""
    metric = kk.metric("prior-evidence")
    kernels = [shape(sigma) for shape in (psf.gaussian, disc_of) for sigma in (1.0, 1.6, 2.5, 4.0)]
    truth = np.array([psf.sigma_of(kernel).item() for kernel in kernels])
    found = metric(torch.cat([seen(name, kernel, on) for kernel in kernels])).numpy()
    error = np.abs(found / truth - 1)
    assert error.max() < 0.2 and np.median(error) < 1 / 12, list(zip(truth, found, strict=True))
    assert (np.diff(found.reshape(2, 4)) > 0).all()


def test_order_over_pictures_families_and_days() -> None:
    metric = kk.metric("prior-evidence")
    truth, found = [], []
    for at, name in enumerate(PHOTOGRAPHS):
        for i, on in enumerate(("clean", "gain-0.3", "gamma-2", "noise-4", "jpeg-60", "inverted")):
            kernel = (psf.gaussian, disc_of)[(at + i) % 2](0.7 * 1.08 ** (4 * i + at))
            truth.append(psf.sigma_of(kernel).item())
            found.append(metric(seen(name, kernel, on)).item())
    assert spearmanr(truth, found).statistic > 0.95


@pytest.mark.parametrize(("family", "shape"), [("gaussian", psf.gaussian), ("disc", disc_of)])
def test_family_is_told_and_the_interval_holds_the_truth(family: str, shape: Callable[[float], Tensor]) -> None:
    for name in PHOTOGRAPHS:
        kernel = shape(2.0)
        (blur,) = kk.metric("prior-evidence").estimate(seen(name, kernel))
        assert blur.family[family] > 0.5 and sum(blur.family.values()) == pytest.approx(1)
        low, high = blur.interval
        assert low < psf.sigma_of(kernel).item() < high < 2 * low and low < blur.sigma < high
        assert blur.bound is None and blur.abstained is None and math.isnan(blur.major)


def test_gain_offset_and_inversion_change_nothing() -> None:
    metric = kk.metric("prior-evidence")
    picture = seen("camera", psf.gaussian(1.5), "noise-1").double()
    changed = torch.cat([picture, 0.2 * picture, 0.3 + 0.5 * picture, 1 - picture, picture.flip(-1)])
    sigma = metric(changed)
    torch.testing.assert_close(sigma, sigma[:1].expand(5), rtol=1e-3, atol=0)


def test_sigma_grows_in_proportion_to_pixels() -> None:
    """The same picture with half the pixels a side has half the blur, near enough."""
    metric = kk.metric("prior-evidence")
    picture = psf.blur(torch.from_numpy(data.camera())[None, None].float() / 255, psf.gaussian(4.0))
    assert metric(picture).item() / metric(F.avg_pool2d(picture, 2)).item() == pytest.approx(2, rel=0.15)


def test_nothing_but_noise_gives_no_answer() -> None:
    noise = 0.5 + 0.1 * torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    metric = kk.metric("prior-evidence")
    assert math.isnan(metric(noise.clamp(0, 1)).item())
    (blur,) = metric.estimate(noise.clamp(0, 1))
    assert blur.abstained is not None and blur.abstained.startswith("no evidence") and math.isnan(blur.interval[0])
    (flat,) = metric.estimate(torch.full((1, 1, 64, 64), 0.5))
    assert flat.abstained is not None and flat.abstained.startswith("flat") and bool(flat.map.isnan().all())
    assert metric.curve(torch.full((1, 1, 64, 64), 0.5)) == [None]


def test_a_blur_beyond_the_range_is_a_bound() -> None:
    (blur,) = kk.metric("prior-evidence").estimate(seen("astronaut", psf.gaussian(14.0)))
    assert blur.bound == "above" and blur.sigma == 8 and blur.interval[1] == math.inf


def test_the_map_tells_two_halves_apart() -> None:
    sharp, soft = seen("astronaut", psf.gaussian(0.9)), seen("astronaut", psf.gaussian(3.0))
    both = torch.cat([sharp[..., :128], soft[..., 128:]], -1)
    (blur,) = kk.metric("prior-evidence").estimate(both)
    assert blur.map.shape == (16, 16) and blur.upsampled().shape == (256, 256)
    assert blur.map[:, :6].median().item() == pytest.approx(0.9, rel=0.15)
    assert blur.map[:, 10:].median().item() == pytest.approx(3.0, rel=0.15)
    assert blur.sharpest < 1.0 and 0 <= blur.evidence.min() < blur.evidence.max() <= 1


def test_a_mask_leaves_the_largest_rectangle() -> None:
    picture = seen("coffee", psf.gaussian(1.5))
    mask = torch.zeros(picture.shape[-2:], dtype=torch.bool)
    mask[-40:] = True
    metric = kk.metric("prior-evidence")
    (blur,) = metric.estimate(picture, mask=mask)
    assert blur.size == (picture.shape[-2] - 40, picture.shape[-1]) and blur.whole == tuple(picture.shape[-2:])
    assert blur.sigma == pytest.approx(metric(picture, mask=mask).item(), rel=1e-6)
    mask[:180] = True
    with pytest.raises(ShapeError, match="at least 64 px"):
        metric.estimate(picture, mask=mask)


class Certain:
    """A prior that believes in one blur, whatever it sees."""

    def log_evidence(self, picture: Tensor, candidates: Sequence[Candidate], noise: float) -> Evidence:
        assert abs(float(picture.mean())) < 1e-4 and float(picture.std()) == pytest.approx(1, rel=1e-3)
        logs = torch.tensor([math.log(c.sigma) for c in candidates])
        penalty = torch.tensor([0.0 if c.family == "disc" else 3.0 for c in candidates])
        nats = -0.5 * ((logs - math.log(2.0)) / 0.05).square() - penalty
        return Evidence(nats[None], torch.tensor([64.0]), torch.tensor([64.0]))


def test_another_prior_can_be_plugged_in() -> None:
    """One place, Gaussian in log sigma with 5 %: its mode, the odds e³, and the interval.

    That is 2·exp(±1.645·0.05), or 1.842 … 2.171, widened by what counts as sharp:
    √(4 ∓ √((4 − q²)² + (1.645·0.11)²)) = 1.835 and 2.177.
    """
    metric = PriorEvidence(prior=Certain())
    (blur,) = metric.estimate(reduced("camera"))
    assert blur.sigma == pytest.approx(2, rel=1e-3)
    assert blur.interval == pytest.approx((1.835, 2.177), rel=2e-3)
    assert blur.family["disc"] == pytest.approx(1 / (1 + math.exp(-3)), abs=2e-3)
    assert blur.map.numpy() == pytest.approx(2, rel=0.01)


def test_families_that_are_not_there() -> None:
    with pytest.raises(InputError, match="'gaussian' and 'disc'"):
        kk.metric("prior-evidence", families=("motion",))
    (blur,) = kk.metric("prior-evidence", families=("disc",)).estimate(seen("camera", psf.disc(4.0)))
    assert blur.family == {"disc": pytest.approx(1)}


def test_many_places_count_as_few() -> None:
    nats = np.array([[0.0, 1.0, 2.0]])
    assert tempered(nats, 1) == pytest.approx(np.exp(nats) / np.exp(nats).sum())
    assert tempered(100 * nats, 100 * PLACES) == pytest.approx(tempered(nats, PLACES))


def test_curve_and_verdict() -> None:
    """Places of no opinion leave no answer; a bound is one."""
    asked = candidates_of(("gaussian", "disc"))
    assert {c.family for c in asked} == {"gaussian", "disc"} and min(c.sigma for c in asked) < 0.35
    flat = curve_of(torch.zeros(len(asked)), asked, 10)
    assert math.isnan(verdict(flat)[0]) and flat.shares == pytest.approx({"gaussian": 0.5, "disc": 0.5}, abs=1e-3)
    logs = torch.tensor([math.log(c.sigma) for c in asked])
    sigma, (low, high), bound = verdict(curve_of(-40 * logs, asked, 1))
    assert (sigma, low, bound) == (0.35, 0.0, "below") and 0.35 < high < 0.6
