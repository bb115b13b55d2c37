import math

import pytest
import torch

import kukkiri as kk
from contract import MetricContract, fine_grained, photograph
from kukkiri.errors import InputError
from kukkiri.sharpness.edge_blur import weighted_median
from kukkiri.sharpness.step_edges import find_edges, scale_space
from kukkiri.sharpness.zhuo_sim import ZhuoSim, reblur_ratio
from step_pictures import ANGLES, smooth_step, step, two_depths


class TestZhuoSim(MetricContract):
    name = "zhuo-sim"


@pytest.mark.parametrize("sigma0", [1.5, 3.0])
@pytest.mark.parametrize("sigma", [0.7, 1.5, 4.0])
def test_analytic_ratio(sigma: float, sigma0: float) -> None:
    """R = √((s² + σ₀²)/s²) of a step of Gaussian profile, as Zhuo and Sim have it; s is the blur with the derivative's
    own σ of 1 px. Within 0.5 % at nine of ten edge pixels."""
    space = scale_space(smooth_step(sigma))
    assert space is not None
    ratio, variance = reblur_ratio(space, find_edges(space, 2.0), 1.0, math.hypot(1.0, sigma0))
    expected = math.sqrt((sigma**2 + 1 + sigma0**2) / (sigma**2 + 1))
    assert len(ratio) > 80
    assert torch.quantile((ratio / expected - 1).abs(), 0.9).item() < 0.005
    assert variance.median().item() == pytest.approx(sigma**2 + 1, rel=0.02)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0, 4.0])
def test_blur_of_a_step(sigma: float, angle: float) -> None:
    """Within 2 % without noise, within 5 % with noise of 1 %, of which the paper's one re-blur may be far off."""
    metric = kk.metric("zhuo-sim")
    assert metric(step(sigma, angle=angle)).item() == pytest.approx(sigma, rel=0.02)
    assert metric(step(sigma, angle=angle, noise=0.01)).item() == pytest.approx(sigma, rel=0.05)


def test_noise_misleads_one_small_reblur_only() -> None:
    """A blur of 4 px, contrast 0.3, noise 0.03: the published σ₀ of 1.1 px errs by more than 20 %."""
    picture = step(4.0, contrast=0.3, noise=0.03, angle=20)
    assert kk.metric("zhuo-sim")(picture).item() == pytest.approx(4, rel=0.1)
    assert abs(kk.metric("zhuo-sim", sigma0=1.118)(picture).item() / 4 - 1) > 0.2


def test_one_reblur_measures_clean_steps() -> None:
    assert kk.metric("zhuo-sim", sigma0=1.118)(step(1.5)).item() == pytest.approx(1.5, rel=0.02)
    for sigma0 in (0.2, 20.0, math.nan):
        with pytest.raises(InputError, match="leave it out"):
            kk.metric("zhuo-sim", sigma0=sigma0)


def test_gain_and_offset_and_inversion_do_not_matter() -> None:
    picture = fine_grained(photograph()).double()
    value = kk.metric("zhuo-sim")(picture).item()
    for other in (0.3 * picture + 0.4, 1 - picture):
        assert kk.metric("zhuo-sim")(other).item() == pytest.approx(value, rel=1e-4)


def test_what_has_no_edges_has_no_value() -> None:
    """Flat, or white noise; a picture in the same batch keeps its own. A slow gradation in 8 bits is 12 px or more."""
    noise = 0.5 + 0.1 * torch.randn(96, 96, generator=torch.Generator().manual_seed(0))
    ramp = (torch.linspace(0.2, 0.6, 96).expand(96, 96) * 255).round() / 255
    batch = torch.stack([torch.full((96, 96), 0.4), noise, step(1.0).float()[0, 0], ramp])[:, None]
    metric = ZhuoSim()
    values = metric(batch)
    assert values.isnan().tolist() == [True, True, False, False] and values[3] == 12
    assert values[2] == metric(batch[2:3])[0]
    maps = metric.blur_maps(batch)
    assert bool(maps.full[:2].isnan().all()) and bool(maps.full[2:].isfinite().all())
    assert bool(maps.sparse[:2].isnan().all()) and bool(maps.sparse[2].isfinite().any())


def test_map_follows_two_depths() -> None:
    """The left half blurred by 1 px, the right by 3: each within 10 % (median), and within a quarter nearly everywhere
    more than 20 px from where they meet."""
    maps = ZhuoSim().blur_maps(two_depths(1.0, 3.0))
    assert maps.sparse.shape == maps.full.shape == (1, 192, 192)
    for part, sigma in ((slice(None, 76), 1.0), (slice(116, None), 3.0)):
        known = maps.sparse[..., part].isfinite()
        assert 0.01 < known.double().mean() < 0.2
        assert maps.sparse[..., part][known].median().item() == pytest.approx(sigma, rel=0.1)
        full = maps.full[..., part]
        assert full.median().item() == pytest.approx(sigma, rel=0.1)
        assert ((full / sigma - 1).abs() < 0.25).double().mean() > 0.9


def test_weighted_median_by_hand() -> None:
    values = torch.tensor([5.0, 1.0, torch.inf, 2.0])
    assert weighted_median(values, torch.tensor([1.0, 1.0, 1.0, 2.0])) == 2
    assert weighted_median(values, torch.tensor([1.0, 1.0, 9.0, 2.0])) == math.inf
