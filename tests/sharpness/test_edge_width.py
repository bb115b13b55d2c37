import math

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from torch import Tensor

from kukkiri.sharpness.edge_width import LEAST_STEP, edge_widths, thin, vertical_edge_strength


def rows(*values: float) -> Tensor:
    """Three equal rows; the middle one has edges."""
    return torch.tensor([values] * 3, dtype=torch.float64)[None, None]


def widths(grey: Tensor, limit: int = 100) -> list[int]:
    every = torch.ones_like(grey, dtype=torch.bool)
    return edge_widths(grey, every, limit)[0, 0, 1].tolist()


def test_ramp_by_hand() -> None:
    """From 10 in column 1 to 110 in column 5 the row rises, so an edge on it is 4 px wide. At either foot the level
    side counts 1, the ramp 4."""
    assert widths(rows(10, 10, 20, 60, 100, 110, 110))[1:-1] == [5, 4, 4, 4, 5]
    assert widths(rows(110, 110, 100, 60, 20, 10, 10))[1:-1] == [5, 4, 4, 4, 5]


def test_march_stops_at_extrema_and_ends() -> None:
    assert widths(rows(5, 0, 10, 50, 90, 100, 95))[3] == 4  # between 0 and 100
    assert widths(rows(0, 10, 50, 90, 100))[2] == 4  # the row ends
    assert widths(rows(0, 10, 10, 50, 90, 90, 100))[3] == 2  # a level neighbour ends it


def test_limit_to_each_side() -> None:
    grey = torch.arange(240.0)[None, None, None].expand(1, 1, 3, -1)
    assert widths(grey)[120] == 2 + 100 + 100
    assert widths(grey, 4)[120] == 2 + 4 + 4
    assert widths(grey)[3] == (1 + 2) + (1 + 100)


def test_horizontal_edges_have_no_width() -> None:
    """Gradients within 22.5° of the row count; 3 down for 7 across is steeper (23.2°), 2 for 5 is not (21.8°)."""
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    for down, across, counts in (
        (0, 5, True),
        (2, 5, True),
        (-2, -5, True),
        (3, 7, False),
        (3, -7, False),
        (5, 1, False),
    ):
        grey = (100 + across * x + down * y)[None, None]
        inner = edge_widths(grey, torch.ones_like(grey, dtype=torch.bool))[..., 1:-1, 1:-1]
        assert bool((inner > 0).all()) == counts and bool((inner > 0).any()) == counts, (down, across)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0, 5.0, 8.0])
@pytest.mark.parametrize("contrast", [40.0, 200.0])
def test_gaussian_step_of_known_sigma(sigma: float, contrast: float) -> None:
    """A step of height A blurred by sigma has slope A / (sigma √2π) · exp(−x² / 2 sigma²); the ramp reaches as far as
    that exceeds 0.6 levels a pixel, on both sides. Whole pixels: each side is off by less than one."""
    x = np.arange(-100, 101)
    grey = torch.from_numpy(np.tile(20 + contrast * ndtr(x / sigma), (3, 1)))[None, None]
    reach = sigma * math.sqrt(2 * math.log(contrast / (sigma * math.sqrt(2 * math.pi) * LEAST_STEP)))
    assert abs(widths(grey)[100] - 2 * reach) < 2
    # On 8 bits the ramp ends where rounding first gives two equal levels, about where the slope is 1/2 to 1.
    steep = sigma * math.sqrt(2 * math.log(max(contrast / (sigma * math.sqrt(2 * math.pi)), 1)))
    assert 2 * steep - 2 < widths(grey.round())[100] < 2 * reach + 3


def test_vertical_strength_by_hand() -> None:
    """A step of 8 has Sobel response 8 · 4/8 = 4 on both sides of it."""
    assert vertical_edge_strength(rows(0, 0, 0, 8, 8, 8))[0, 0, 1].tolist() == [0, 0, 16, 16, 0, 0]
    assert float(vertical_edge_strength(rows(0, 0, 0, 8, 8, 8).mT.contiguous()).abs().max()) == 0


def test_thinning_gives_octave_results() -> None:
    """A single bright pixel in 5×5: the two results of edge(…, 'sobel', …, 'vertical') that the tests of GNU Octave's
    image package 2.14.0 record, for threshold 0 and for the automatic one."""
    picture = torch.zeros(1, 1, 5, 5)
    picture[0, 0, 2, 2] = 1
    strength = vertical_edge_strength(picture)
    expected = torch.zeros(5, 5, dtype=torch.bool)
    expected[1:4, [1, 3]] = True
    assert torch.equal(thin(strength, torch.tensor(0.0))[0, 0], expected)
    expected[[1, 3]] = False
    assert torch.equal(thin(strength, 4 * strength.mean())[0, 0], expected)


def test_thinning_of_a_tie() -> None:
    """The two sides of a sharp step are equally strong: strict peaks see neither, MATLAB's rule the right one."""
    picture = torch.tensor([[0.0, 0, 0, 8, 8, 8]]).expand(6, -1)[None, None].contiguous()
    strength, zero = vertical_edge_strength(picture), torch.tensor(0.0)
    assert not bool(thin(strength, zero).any())
    edges = thin(strength, zero, lying=torch.zeros_like(strength, dtype=torch.bool))[0, 0]
    assert edges[1:-1].nonzero()[:, 1].unique().tolist() == [3]
    assert not bool(thin(strength, zero, lying=torch.ones_like(strength, dtype=torch.bool)).any())
