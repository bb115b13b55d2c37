"""What the measures of blur at edges share: derivatives, noise, and which pixels are edges."""

import math

import pytest
import torch

from kukkiri.sharpness.step_edges import ScaleSpace, find_edges, gradient_noise, laplacian_noise, scale_space
from step_pictures import step


def white_noise(size: int = 256) -> torch.Tensor:
    return torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("sigma", [1.0, 2**0.5, 2.0, 5.0])
def test_derivatives_of_a_parabola(sigma: float) -> None:
    """Of 3x² + 2xy − y² + x, far from the border: exact at every scale, but for single precision."""
    y, x = torch.meshgrid(torch.arange(-50.0, 51), torch.arange(-50.0, 51), indexing="ij")
    grey = (3 * x * x + 2 * x * y - y * y + x)[None, None].double()
    space = ScaleSpace(grey, noise=1.0)
    spread = grey.std(correction=0).item()
    found = [v[50 + 7, 50 - 4].item() * spread for v in space.at(sigma)]
    assert found == pytest.approx([6 * -4 + 2 * 7 + 1, 2 * -4 - 2 * 7, 6, 2, -2], abs=0.05)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_noise_of_derivatives(sigma: float) -> None:
    d = ScaleSpace(white_noise(), noise=1.0).at(sigma)
    inside = slice(16, -16)
    assert d.x[inside, inside].std().item() == pytest.approx(gradient_noise(sigma), rel=0.06)
    assert (d.xx + d.yy)[inside, inside].std().item() == pytest.approx(laplacian_noise(sigma), rel=0.06)


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_noise_alone_has_no_edges(sigma: float) -> None:
    space = scale_space(0.5 + 0.1 * white_noise())
    assert space is not None and len(find_edges(space, sigma)) == 0


def test_a_step_is_found_where_it_is_in_its_direction() -> None:
    """Tilted by 20°, under noise of 5 % of its contrast: one pixel a row, within a pixel, within 5°."""
    space = scale_space(step(1.0, angle=20, noise=0.03))
    assert space is not None
    edges = find_edges(space, 2.0)
    turn = math.radians(20)
    distance = (edges.columns - 47.5) * math.cos(turn) + (edges.rows - 47.5) * math.sin(turn)
    assert distance.abs().max() < 1.2 and 85 < len(edges) < 150
    assert (torch.atan2(edges.down, edges.right) - turn).abs().median() < math.radians(2)


def test_steps_of_single_levels_are_no_edges() -> None:
    """A slow gradation in 8 bits is a staircase; in finer steps it is none."""
    ramp = torch.linspace(0.4, 0.5, 256, dtype=torch.float64).expand(1, 1, 200, 256)
    rounded = scale_space((ramp * 255).round() / 255)
    assert rounded is not None and len(find_edges(rounded, 1.0)) == 0
    finer = ScaleSpace((ramp * 255).round() / 255, noise=1e-5)  # the same staircase without that rule
    assert len(find_edges(finer, 1.0)) > 1000


def test_flat_pictures_have_no_scale_space() -> None:
    assert scale_space(torch.full((1, 3, 40, 40), 0.3)) is None
