import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.optics.noise import line_noise, quantise, read_noise, sensor_noise, shot_noise

GREYS = (0.05, 0.3, 0.9)
FLAT = torch.tensor(GREYS).view(3, 1, 1, 1).expand(3, 1, 300, 300).contiguous()
# Of a variance measured on 90 000 pixels, the relative standard error is √(2/90000) = 0.5 %.
CLOSE = 0.02


def test_shot_noise_has_the_mean_and_variance_of_counting() -> None:
    noisy = shot_noise(FLAT, 200.0)
    assert noisy.mean((1, 2, 3)) == pytest.approx(GREYS, rel=0.01)
    assert noisy.var((1, 2, 3)) == pytest.approx([g / 200 for g in GREYS], rel=CLOSE)


def test_shot_noise_comes_in_whole_counts_and_is_skewed_at_low_counts() -> None:
    counts = shot_noise(FLAT, 10.0) * 10
    assert torch.allclose(counts, counts.round(), atol=1e-4)
    deviation = counts[0] - counts[0].mean()
    skewness = deviation.pow(3).mean() / deviation.square().mean() ** 1.5
    assert float(skewness) == pytest.approx(1 / math.sqrt(0.5), rel=0.05)  # 1/√mean count


def test_many_photons_are_counted_exactly() -> None:
    noisy = shot_noise(FLAT.double(), 1e9)
    assert noisy.var((1, 2, 3)) == pytest.approx([g / 1e9 for g in GREYS], rel=CLOSE)


def test_read_noise_is_white_and_gaussian() -> None:
    noise = read_noise(FLAT, torch.tensor([0.01, 0.02, 0.04])) - FLAT
    assert noise.mean((1, 2, 3)).abs().max() < 1e-3
    assert noise.std((1, 2, 3)) == pytest.approx([0.01, 0.02, 0.04], rel=CLOSE)
    one = noise[2, 0] / 0.04
    assert float(one.pow(4).mean()) == pytest.approx(3, rel=0.05)
    assert float((one[:, 1:] * one[:, :-1]).mean()) == pytest.approx(0, abs=0.015)


@pytest.mark.parametrize(("axis", "along", "across"), [("rows", 3, 2), ("columns", 2, 3)])
def test_line_noise_is_one_offset_a_line(axis: str, along: int, across: int) -> None:
    noise = line_noise(torch.zeros(20, 1, 300, 300), 0.05, axis)  # type: ignore[arg-type]
    assert float(noise.std(along).max()) < 1e-6
    assert float(noise.std(across).mean()) == pytest.approx(0.05, rel=0.05)


def test_sensor_noise_adds_its_parts() -> None:
    noisy = sensor_noise(FLAT, 1 / 2000, 0.004, offset=0.06)
    assert noisy.mean((1, 2, 3)) == pytest.approx([g + 0.06 for g in GREYS], abs=5e-4)
    assert noisy.var((1, 2, 3)) == pytest.approx([g / 2000 + 0.004**2 for g in GREYS], rel=CLOSE)


def test_sensor_noise_with_lines_and_levels() -> None:
    noisy = sensor_noise(FLAT, 1e-4, 0.01, lines=0.02, bits=8, seed=3)
    assert torch.equal(noisy, quantise(noisy, 8))
    between = noisy[1, 0].mean(1).var()  # of 300 rows: relative standard error 8 %
    assert float(between) == pytest.approx(0.02**2, rel=0.3)


def test_rounding_adds_a_twelfth_of_a_level_squared() -> None:
    ramp = torch.linspace(0, 1, 100_001, dtype=torch.float64).view(1, 1, 1, -1)
    for bits in (1, 4, 8):
        error = quantise(ramp, bits) - ramp
        assert float(error.square().mean()) == pytest.approx(1 / 12 / (2**bits - 1) ** 2, rel=0.01)


def test_levels_by_hand() -> None:
    values = torch.tensor([-0.2, 0.0, 0.1, 0.4, 0.9, 1.7]).view(1, 1, 1, -1)
    assert (quantise(values, 2) * 3).flatten().tolist() == pytest.approx([0, 0, 0, 1, 3, 3])


KINDS: list[Callable[[Tensor, int | torch.Generator], Tensor]] = [
    lambda x, s: shot_noise(x, 100.0, s),
    lambda x, s: read_noise(x, 0.02, s),
    lambda x, s: line_noise(x, 0.02, seed=s),
    lambda x, s: sensor_noise(x, 0.01, 0.02, lines=0.01, bits=8, seed=s),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_repeats_and_a_generator_moves_on(kind: Callable[[Tensor, int | torch.Generator], Tensor]) -> None:
    x = FLAT[:, :, :20, :20]
    assert torch.equal(kind(x, 7), kind(x, 7))
    assert not torch.equal(kind(x, 7), kind(x, 8))
    generator = torch.Generator().manual_seed(7)
    first = kind(x, generator)
    assert torch.equal(first, kind(x, 7)) and not torch.equal(first, kind(x, generator))


def test_gradients() -> None:
    x = torch.full((1, 1, 2, 2), 0.4, requires_grad=True)
    sigma = torch.tensor([0.1], requires_grad=True)
    read_noise(shot_noise(x, 50.0), sigma).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None and torch.equal(x.grad, torch.ones_like(x))
    assert sigma.grad is not None and float(sigma.grad.abs()) > 0
    y = torch.tensor([-0.5, 0.4, 1.5]).view(1, 1, 1, 3).requires_grad_()
    quantise(y, 8).sum().backward()  # type: ignore[no-untyped-call]
    assert y.grad is not None and y.grad.flatten().tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: shot_noise(FLAT, 0.0),
        lambda: read_noise(FLAT, -0.1),
        lambda: read_noise(FLAT, float("nan")),
        lambda: read_noise(FLAT, torch.tensor([0.1, 0.2])),
        lambda: line_noise(FLAT, 0.1, "diagonal"),  # type: ignore[arg-type]
        lambda: sensor_noise(FLAT, 0.0),
        lambda: quantise(FLAT, 17),
    ],
)
def test_impossible_values_are_refused(wrong: Callable[[], Tensor]) -> None:
    with pytest.raises(InputError):
        wrong()
