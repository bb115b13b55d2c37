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
from kukkiri.sharpness.gradient_prior import SparseGradientPrior, ring_sizes, scale_mixture, templates, window_power
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


@pytest.mark.parametrize(("side", "slope"), [(32, 3.0), (64, 2.0)])
def test_templates_are_what_windows_of_a_random_field_show(side: int, slope: float) -> None:
    """Fields of that power, blurred on a plane without border, cut into windows: their mean power, ring by ring."""
    candidate, plane = Candidate("disc", 3.0), 256
    row = torch.fft.fftfreq(plane, dtype=torch.float64)
    radius = torch.hypot(row[:, None], row[None])
    amplitude = (radius.square() + (0.5 / 128) ** 2) ** (-slope / 4)
    amplitude = amplitude * (torch.sinc(row)[:, None] * torch.sinc(row)).abs()
    amplitude = amplitude * torch.fft.fft2(candidate.kernel.double(), (plane, plane)).abs()
    white = torch.randn(24, plane, plane, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fields = torch.fft.ifft2(torch.fft.fft2(white) * amplitude).real
    power = torch.cat([window_power(field, side, 10**6)[1] for field in fields])
    expected = templates((candidate,), side, (slope,))[0, 0]
    # The window's own mean is taken off, and with it part of the lowest ring.
    torch.testing.assert_close(power.mean(0)[1:], expected[1:], rtol=0.08, atol=1e-6 * float(expected.max()))


def test_windows_of_white_noise_show_its_variance_with_their_share_of_freedom() -> None:
    noise = 3 * torch.randn(256, 256, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (rows, columns), power = window_power(noise, 32, 10**6)
    assert len(power) == 15 * 15 and rows.min() == 15.5 and rows.max() == 239.5 and columns.max() == 239.5
    torch.testing.assert_close(power.mean(0), torch.full_like(power[0], 9.0), rtol=0.1, atol=0)
    # The mean of m independent exponentials has a relative variance of 1/m.
    whole = power @ ring_sizes(32) / ring_sizes(32).sum()
    assert (whole.mean() ** 2 / whole.var()).item() == pytest.approx(ring_sizes(32).sum().item(), rel=0.3)


def test_large_pictures_have_no_more_windows_than_asked_for() -> None:
    (rows, columns), power = window_power(torch.randn(500, 900), 32, 100)
    assert 60 < len(power) <= 100 and (rows.max(), columns.max()) == (483.5, 883.5)


def test_the_mixture_is_the_integral_over_the_variance() -> None:
    """Against a fine sum over the logarithm of the variance; one window in ten has more noise than is known."""
    torch.manual_seed(0)
    table = torch.rand(3, 2, 8, dtype=torch.float64) * 10 ** -torch.linspace(0, 3, 8, dtype=torch.float64)
    sizes = torch.linspace(3, 20, 8, dtype=torch.float64)
    level = 1e-3
    power = (0.5 * table[0, 0] + level) * (1 + 0.2 * torch.randn(5, 8, dtype=torch.float64))
    grid = torch.linspace(-20, 10, 6001, dtype=torch.float64)
    whole = []
    for noise, share in ((level, 0.9), (4 * level, 0.05), (16 * level, 0.05)):
        model = grid.exp()[:, None] * table[:, :, None] + noise
        nats = -((model.log() + power[:, None, None, None] / model) * sizes).sum(-1)
        whole.append(torch.logsumexp(nats, -1) + math.log(share * float(grid[1] - grid[0])))
    expected = torch.logsumexp(torch.stack(whole), (0, 3))
    found = scale_mixture(power, sizes, table, (level, level, level))
    torch.testing.assert_close(found, expected, rtol=0, atol=0.1)


def test_noise_is_found_between_its_bounds() -> None:
    """Windows of signal and noise 1: bounds that hold 1 give the evidence of 1, others that of the nearer end."""
    torch.manual_seed(0)
    table = 10 ** -torch.linspace(0, 4, 12, dtype=torch.float64).expand(2, 1, 12)
    sizes = torch.full((12,), 30.0, dtype=torch.float64)
    signal = 10 ** torch.linspace(-1, 4, 300, dtype=torch.float64)[:, None]
    mean = signal * table[0] + 1
    power = mean * torch.distributions.Gamma(sizes, sizes).sample((300,))
    free, known, wrong, end = (
        scale_mixture(power, sizes, table, floor).sum()
        for floor in ((0.3, 2.0, 3.0), (1.0, 1.0, 1.0), (1.3, 1.6, 2.0), (1.3, 1.3, 1.3))
    )
    assert abs(free - known) < 3 and wrong < known - 100
    torch.testing.assert_close(wrong, end, rtol=0, atol=0.5)


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


def test_a_picture_smaller_than_every_window_has_no_place() -> None:
    asked = candidates_of(("gaussian",))
    assert len(SparseGradientPrior().log_evidence(torch.randn(20, 90), asked, 0.1).nats) == 0
    assert SparseGradientPrior(windows=(32,)).log_evidence(torch.randn(40, 64), asked, 0.1).nats.shape == (3, 30)
