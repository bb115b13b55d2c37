import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.guided_filter import box_sums, guided_filter, propagate

Array = NDArray[np.float64]


def random(seed: int, height: int = 11, width: int = 14) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((1, 1, height, width)))


def by_definition(guide: Array, values: Array, radius: int, eps: float, weights: Array, *, weighted: bool) -> Array:
    """Each window's line by least squares, min Σ w (a·I + b − p)² + a²·ε·Σ w, then the mean of the lines."""
    height, width = guide.shape
    lines = np.full((height, width, 3), np.nan)

    def window(y: int, x: int) -> tuple[slice, slice]:
        return slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1)

    for y in range(height):
        for x in range(width):
            i, p, w = (v[window(y, x)].ravel() for v in (guide, values, weights))
            if w.sum() == 0:
                continue
            p = np.where(w > 0, p, 0)
            design = np.stack([np.append(i * np.sqrt(w), math.sqrt(eps * w.sum())), np.append(np.sqrt(w), 0)], 1)
            a, b = np.linalg.lstsq(design, np.append(p * np.sqrt(w), 0), rcond=None)[0]
            lines[y, x] = a, b, w.sum() if weighted else 1
    result = np.full((height, width), np.nan)
    for y in range(height):
        for x in range(width):
            near = lines[window(y, x)].reshape(-1, 3)
            near = near[~np.isnan(near[:, 0])]
            if len(near):
                a, b = np.average(near[:, :2], axis=0, weights=near[:, 2])
                result[y, x] = a * guide[y, x] + b
    return result


def test_box_sums_by_hand() -> None:
    values = torch.arange(12.0).reshape(3, 4)
    assert box_sums(values, 1)[0, 0].item() == 0 + 1 + 4 + 5
    assert box_sums(values, 1)[1, 2].item() == 1 + 2 + 3 + 5 + 6 + 7 + 9 + 10 + 11
    assert bool((box_sums(values, 9) == 66).all())


@pytest.mark.parametrize(("radius", "eps"), [(1, 0.01), (3, 0.2), (20, 1e-4)])
def test_equals_the_definition(radius: int, eps: float) -> None:
    """He, Sun, Tang 2013, eqs. 4 and 8, by least squares in every window."""
    guide, values = random(0), random(1)
    expected = by_definition(guide[0, 0].numpy(), values[0, 0].numpy(), radius, eps, np.ones((11, 14)), weighted=False)
    found = guided_filter(guide, values, radius=radius, regularisation=eps)
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-9)


def test_weights_equal_the_definition_and_hide_values() -> None:
    guide, values, weights = random(0), random(1), random(2)
    weights[weights < 0.7] = 0
    weights[..., 6:] = 0  # nothing is known within 4 px of the last columns
    values[weights == 0] = math.nan
    arrays = [v[0, 0].numpy() for v in (guide, values, weights)]
    expected = by_definition(arrays[0], arrays[1], 2, 0.05, arrays[2], weighted=True)
    found = guided_filter(guide, values, radius=2, regularisation=0.05, weights=weights)[0, 0].numpy()
    assert 0 < np.isnan(expected).sum() < expected.size / 2
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_line_of_the_guide_is_kept() -> None:
    """With hardly any regularisation values that are a line of the guide come out as they are, from a tenth of them."""
    guide = random(3, 40, 50)
    weights = (random(4, 40, 50) > 0.9).double()
    found = propagate(2 * guide - 1, weights, guide, radius=6, regularisation=1e-9)
    inside = (found > found.min()) & (found < found.max())  # the rest is held to what is known
    torch.testing.assert_close(found[inside], (2 * guide - 1)[inside], atol=1e-4, rtol=0)
    assert inside.double().mean() > 0.9


def test_values_stop_at_the_edges_of_the_guide() -> None:
    """Two flat halves, each known in one corner only, 40 px from the other corners."""
    guide = torch.zeros(1, 1, 40, 60)
    guide[..., 30:] = 1
    values, weights = torch.full((1, 1, 40, 60), math.nan), torch.zeros(1, 1, 40, 60)
    for row, column, value in ((2, 3, 1.0), (2, 56, 3.0), (4, 5, 1.2), (5, 53, 2.8)):
        values[..., row, column], weights[..., row, column] = value, 1
    found = propagate(values, weights, guide, radius=4)
    assert bool(found.isfinite().all())
    assert found[..., :30].min().item() >= 1 and found[..., :30].max().item() < 1.6
    assert found[..., 30:].max().item() <= 3 and found[..., 30:].min().item() > 2.4


def test_a_constant_stays_and_gain_and_offset_of_the_guide_do_not_matter() -> None:
    guide, weights = random(5), (random(6) > 0.8).double()
    torch.testing.assert_close(propagate(torch.full_like(guide, 1.7), weights, guide), torch.full_like(guide, 1.7))
    values = random(7)
    other = propagate(values, weights, 0.01 * guide + 40, radius=3)
    torch.testing.assert_close(other, propagate(values, weights, guide, radius=3), atol=1e-7, rtol=0)
    flat = propagate(values, weights, torch.ones_like(guide), radius=3)
    assert bool(flat.isfinite().all())


def test_a_sample_that_knows_nothing_stays_unknown() -> None:
    guide = torch.cat([random(8), random(9)])
    weights = torch.zeros_like(guide)
    weights[1, :, 3, 4] = 1
    found = propagate(guide, weights, guide, radius=2)
    assert bool(found[0].isnan().all())
    torch.testing.assert_close(found[1], guide[1, :, 3, 4].expand_as(found[1]))


def test_wrong_input_is_explained() -> None:
    guide = random(0)
    with pytest.raises(ShapeError, match=r"expected .* one shape .*, got \(1, 1, 11, 13\); "):
        guided_filter(guide, guide[..., :-1], radius=2, regularisation=0.1)
    with pytest.raises(ShapeError, match="grey guide"):
        guided_filter(guide.expand(-1, 3, -1, -1), guide.expand(-1, 3, -1, -1), radius=2, regularisation=0.1)
    for radius, eps in ((0, 0.1), (3, 0.0)):
        with pytest.raises(InputError, match="positive regularisation"):
            propagate(guide, guide, guide, radius=radius, regularisation=eps)
