from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch

import kukkiri as kk
from contract import MetricContract, photograph
from kukkiri.errors import KukkiriError
from kukkiri.quality.full_reference.vif import gaussian_scale_mixture, neighbourhood_covariance

Domain = Literal["wavelet", "pixel"]


class TestVIF(MetricContract):
    name = "vif"
    worsened_by = ("blur", "noise")


class TestVIFOfPixels(MetricContract):
    name = "vif"
    worsened_by = ("blur", "noise")
    options: ClassVar[dict[str, Any]] = {"domain": "pixel"}


@pytest.mark.parametrize("domain", ["wavelet", "pixel"])
def test_identical_is_one(domain: Domain) -> None:
    x = photograph("coffee")
    assert kk.metric("vif", domain=domain)(x, x).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("domain", ["wavelet", "pixel"])
def test_raised_contrast_is_above_one(domain: Domain) -> None:
    """The authors' own point: a picture of enhanced contrast carries more than its reference."""
    r = photograph("moon").double() * 0.5 + 0.25
    x = 0.5 + 1.3 * (r - 0.5)
    value = kk.metric("vif", domain=domain)(x, r).item()
    assert 1.02 < value < 1.3**2


@pytest.mark.parametrize("domain", ["wavelet", "pixel"])
@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_gain_below_the_neural_noise_in_closed_form(domain: Domain, gain: float) -> None:
    """Where variances are far under the noise, log(1 + s) is s: the ratio of information is the gain squared."""
    faint = 2e-5 * (photograph("camera").double() - 0.5)
    value = kk.metric("vif", domain=domain)(0.5 + gain * faint, 0.5 + faint).item()
    assert value == pytest.approx(gain**2, rel=2e-3)


@pytest.mark.parametrize("domain", ["wavelet", "pixel"])
def test_inverted_picture_carries_nothing(domain: Domain) -> None:
    """Opposite structure has gain 0 in the model."""
    r = photograph("camera")
    assert kk.metric("vif", domain=domain)(1 - r, r).item() == pytest.approx(0, abs=1e-6)


def test_flat_reference_holds_nothing_to_measure() -> None:
    r = torch.cat([torch.full((1, 1, 96, 96), 0.3), photograph("camera", 96, 96)])
    values = kk.metric("vif")(r, r)
    assert bool(values[0].isnan()) and values[1].item() == pytest.approx(1, abs=1e-6)


def test_stripes_are_measurable() -> None:
    """Their neighbourhoods have covariances of low rank, which have no inverse."""
    stripes = (0.5 + 0.4 * torch.sin(torch.arange(128.0) / 3)).expand(1, 1, 128, 128)
    values = [kk.metric("vif")((0.5 + g * (stripes - 0.5)), stripes).item() for g in (0.5, 1.0)]
    assert 0 < values[0] < 0.99 and values[1] == pytest.approx(1, abs=1e-5)


def test_covariance_in_strips_is_that_of_all_neighbourhoods(monkeypatch: pytest.MonkeyPatch) -> None:
    x = photograph("coffee", 45, 60).double()
    every = torch.nn.functional.unfold(x[:, :1], 3)[0]
    monkeypatch.setattr("kukkiri.quality.full_reference.vif.STRIP", 200)
    covariance = neighbourhood_covariance(x)
    torch.testing.assert_close(covariance[0, 0], torch.cov(every, correction=0))
    assert covariance.shape == (1, 3, 9, 9)


def test_mean_strength_of_white_noise_is_one() -> None:
    """Whitened vectors of nine have a squared length of nine on average (up to the mean that is not taken off)."""
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (1, 1, 300, 300)))
    strength, eigenvalues = gaussian_scale_mixture(noise)
    assert strength.mean().item() == pytest.approx(1, abs=0.02)
    assert eigenvalues.mean().item() == pytest.approx(4, rel=0.02)


def test_unknown_domain_is_explained() -> None:
    with pytest.raises(KukkiriError, match="'wavelet' or 'pixel'"):
        kk.metric("vif", domain="fourier")
