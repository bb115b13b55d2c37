"""The sparse-gradient prior: its parts against simulation and numerical integration."""

import math
from typing import Any

import pytest
import torch

from kukkiri.errors import InputError
from kukkiri.sharpness.evidence_prior import Candidate, undecided_beyond
from kukkiri.sharpness.gradient_prior import (
    SparseGradientPrior,
    emptied,
    ring_sizes,
    scale_mixture,
    templates,
    window_power,
)
from kukkiri.sharpness.prior_evidence import candidates_of


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


def test_a_picture_smaller_than_every_window_has_no_place() -> None:
    asked = candidates_of(("gaussian",))
    assert len(SparseGradientPrior().log_evidence(torch.randn(20, 90), asked, 0.1).nats) == 0
    assert SparseGradientPrior(windows=(32,)).log_evidence(torch.randn(40, 64), asked, 0.1).nats.shape == (
        3,
        len(asked),
    )


def test_what_jpeg_empties_by_hand() -> None:
    """Steps of 2 everywhere take a power of 1; one at the block's corner, beyond all rings, takes nothing; those of the
    nearest of 8 frequencies count, so that only the rings around 1/8 cycle a pixel know of that at 2/16."""
    assert emptied(torch.full((8, 8), 2.0), 32).tolist() == pytest.approx([1.0] * len(ring_sizes(32)))
    steps = torch.zeros(8, 8)
    steps[7, 7] = 2
    assert emptied(steps, 64).tolist() == [0] * len(ring_sizes(64))
    steps[0, 2] = steps[2, 0] = 2
    taken = emptied(steps, 32)
    # Rings of 32 px begin at radii 1.5, 2.5, …: 1/8 cycle a pixel is a radius of 4.
    assert float(taken[0]) == 0 and 0 < float(taken[2]) < 1 and float(taken[-1]) == 0


def test_small_windows_have_no_say_about_large_blurs() -> None:
    """By hand: of the sums 3, 7, 5 and 9 the best is the last, or 7 without it; it stands for all beyond 2 px."""
    asked = [Candidate("gaussian", length) for length in (0.5, 1.0, 3.0, 4.0)]
    nats = torch.tensor([[1.0, 4.0, 2.0, 8.0], [2.0, 3.0, 3.0, 1.0]])
    assert undecided_beyond(nats, asked, 2.0).tolist() == [[1, 4, 8, 8], [2, 3, 1, 1]]
    assert undecided_beyond(nats[:, :3], asked[:3], 2.0).tolist() == [[1, 4, 4], [2, 3, 3]]
    picture = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    both = SparseGradientPrior().log_evidence(picture, asked[:2] + asked[3:], 0.1).nats
    small, large = (SparseGradientPrior(windows=(side,)).log_evidence(picture, asked, 0.1).nats for side in (32, 64))
    assert len(both) == len(small) + len(large) == 10
    torch.testing.assert_close(both[-1], large[0, [0, 1, 3]], rtol=1e-4, atol=1e-3)
    assert int((both[:-1, 2:] == both[:-1, :2]).all(0).sum()) == 1


@pytest.mark.parametrize(
    "options",
    [{"windows": (48,)}, {"windows": (128,)}, {"windows": ()}, {"slopes": ()}, {"veil": -0.1}, {"veil": math.nan},
     {"most": 0}],
)  # fmt: skip
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="leave them out"):
        SparseGradientPrior(**options)
