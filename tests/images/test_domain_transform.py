import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kukkiri.images.domain_transform import domain_transform

Array = NDArray[np.float64]


def by_definition(values: Array, guide: Array, space: float, grey: float, iterations: int) -> Array:
    """Equations 11, 14 and 21, pixel by pixel: rows, then columns, each forth and back."""
    result = values.copy()
    for i in range(1, iterations + 1):
        sigma = space * np.sqrt(3) * 2 ** (iterations - i) / np.sqrt(4**iterations - 1)
        feedback = np.exp(-np.sqrt(2) / sigma)
        for lines, guides in ((result, guide), (result.T, guide.T)):
            for line, along in zip(lines, guides, strict=True):
                gains = feedback ** (1 + space / grey * np.abs(np.diff(along)))
                for n in range(1, len(line)):
                    line[n] = (1 - gains[n - 1]) * line[n] + gains[n - 1] * line[n - 1]
                for n in range(len(line) - 2, -1, -1):
                    line[n] = (1 - gains[n]) * line[n] + gains[n] * line[n + 1]
    return result


@pytest.mark.parametrize(("shape", "iterations"), [((9, 13), 3), ((6, 1), 1), ((1, 7), 2)])
def test_equals_the_equations(shape: tuple[int, int], iterations: int) -> None:
    random = np.random.default_rng(0)
    values, guide = random.normal(size=shape), random.random(shape)
    found = domain_transform(torch.from_numpy(values), torch.from_numpy(guide), 5.0, 0.3, iterations)
    np.testing.assert_allclose(found.numpy(), by_definition(values, guide, 5.0, 0.3, iterations), atol=1e-12)


def test_a_constant_stays() -> None:
    guide = torch.rand(8, 11, generator=torch.Generator().manual_seed(0))
    constant = torch.full((8, 11), 0.7)
    torch.testing.assert_close(domain_transform(constant, guide, 15.0, 0.15, 3), constant)


@pytest.mark.parametrize("shape", [(8, 11), (1, 11), (8, 1)])
@pytest.mark.parametrize("turned", [False, True])
def test_what_is_given_is_not_changed(shape: tuple[int, int], turned: bool) -> None:
    """Also not where a transposed copy would be the values themselves: one row, or values that are a transpose."""
    given = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    before = given.clone()
    values = given.T if turned else given
    domain_transform(values, values, 15.0, 0.15, 3)
    assert torch.equal(given, before)


def test_smoothing_stays_within_edges() -> None:
    """An impulse of 1: on a flat guide spread with weights that sum to 1, and not beyond a step of the guide."""
    impulse = torch.zeros(101, 101, dtype=torch.float64)
    impulse[50, 45] = 1
    flat = domain_transform(impulse, torch.zeros_like(impulse), 4.0, 0.25, 3)
    assert float(flat.sum()) == pytest.approx(1, rel=1e-4)
    columns = torch.arange(101, dtype=torch.float64)
    assert float(((columns - 45).square() * flat.sum(0)).sum()) == pytest.approx(16, rel=0.1)
    step = (columns >= 50).double().expand(101, 101) * 10
    assert float(domain_transform(impulse, step, 4.0, 0.25, 3)[:, 50:].sum()) < 1e-6
