import math

import pytest
import torch

import kukkiri as kk
from contract import MetricContract, fine_grained, photograph
from kukkiri.sharpness.log_edge_width import LogEdgeWidth, extrema, first_peaks
from kukkiri.sharpness.step_edges import find_edges, scale_space
from step_pictures import ANGLES, smooth_step, step, two_depths


class TestLogEdgeWidth(MetricContract):
    name = "log-edge-width"


def test_first_peaks_by_hand() -> None:
    """The parabola through 3, 5, 4 peaks 1/6 of a sample after its middle, at 5 + 1/24; that through −2, 3, 1 by 3/14.
    There is no peak in a rise, and a negative one does not count."""
    position, height = first_peaks(torch.tensor([[0.0, 3, 5, 4, 9, 1], [0, 1, 2, 3, 4, 5], [0, -2, -1, -2, 3, 1]]))
    assert position[[0, 2]].tolist() == pytest.approx([2 + 1 / 6, 4 + 3 / 14])
    assert height[0].item() == pytest.approx(5 + 1 / 24) and bool(height[1].isnan())


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("sigma", [0.7, 1.5, 3.0])
def test_analytic_extrema(sigma: float, scale: float) -> None:
    """2·√(s² + σ²) apart, A / (√(2πe)·(s² + σ²)) high, on both sides: within 2 % (median over the edge)."""
    picture = smooth_step(sigma)
    space = scale_space(picture)
    assert space is not None
    distances, heights = extrema(space, find_edges(space, scale), scale)
    variance = sigma**2 + scale**2
    assert distances.sum(0).median().item() == pytest.approx(2 * math.sqrt(variance), rel=0.02)
    contrast = 0.6 / picture.std(correction=0).item()
    expected = contrast / (math.sqrt(2 * math.pi * math.e) * variance)
    assert heights.median(1).values.tolist() == pytest.approx([expected] * 2, rel=0.02)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0, 4.0])
def test_blur_of_a_step(sigma: float, angle: float) -> None:
    """Within 5 %, with noise of 1 % too."""
    metric = kk.metric("log-edge-width")
    assert metric(step(sigma, angle=angle)).item() == pytest.approx(sigma, rel=0.05)
    assert metric(step(sigma, angle=angle, noise=0.01)).item() == pytest.approx(sigma, rel=0.05)


def test_contrast_does_not_matter() -> None:
    """Nor do offset and inversion: on a photograph, and between steps of very different height."""
    metric = kk.metric("log-edge-width")
    assert metric(step(2.0, contrast=0.02)).item() == pytest.approx(metric(step(2.0, contrast=0.9)).item(), rel=1e-3)
    picture = fine_grained(photograph()).double()
    value = metric(picture).item()
    for other in (0.3 * picture + 0.4, 1 - picture):
        assert metric(other).item() == pytest.approx(value, rel=1e-4)


def test_what_has_no_edges_has_no_value() -> None:
    """Flat, white noise, a slow gradation in 8 bits, whose ripples are no edges; a picture among them keeps its own."""
    noise = 0.5 + 0.1 * torch.randn(96, 96, generator=torch.Generator().manual_seed(0))
    ramp = (torch.linspace(0.2, 0.6, 96).expand(96, 96) * 255).round() / 255
    batch = torch.stack([torch.full((96, 96), 0.4), noise, ramp, step(1.0).float()[0, 0]])[:, None]
    assert kk.metric("log-edge-width")(batch).isnan().tolist() == [True, True, True, False]


def test_map_follows_two_depths() -> None:
    """The left half blurred by 1 px, the right by 3: each within 10 % (median), and within a quarter nearly everywhere
    more than 20 px from where they meet."""
    maps = LogEdgeWidth().blur_maps(two_depths(1.0, 3.0))
    for part, sigma in ((slice(None, 76), 1.0), (slice(116, None), 3.0)):
        known = maps.sparse[..., part].isfinite()
        assert maps.sparse[..., part][known].median().item() == pytest.approx(sigma, rel=0.1)
        full = maps.full[..., part]
        assert full.median().item() == pytest.approx(sigma, rel=0.1)
        assert ((full / sigma - 1).abs() < 0.25).double().mean() > 0.9
