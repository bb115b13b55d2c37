"""Patches: where they lie, what they hold, and that parts are the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.patches import check_random, over_patches, random_places, regular_places


def test_a_grid_is_row_by_row() -> None:
    assert regular_places([0, 5], [1, 2, 3]).tolist() == [[0, 1], [0, 2], [0, 3], [5, 1], [5, 2], [5, 3]]
    assert regular_places([], [1, 2]).shape == (0, 2)


def test_random_patches_are_numpys() -> None:
    """Column first, then row, of NumPy's global generator after its seed; also the last of each is possible."""
    np.random.seed(5)  # noqa: NPY002 the very generator that is meant
    expected = []
    for _ in range(40):
        column = np.random.randint(0, 12 - 9 + 1)  # noqa: NPY002
        expected.append([np.random.randint(0, 10 - 9 + 1), column])  # noqa: NPY002
    found = random_places(10, 12, 9, 40, seed=5).tolist()
    assert found == expected
    assert max(found) == [1, 3]


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_patches_hold_their_pixels(at_once: int) -> None:
    """Every patch of every sample, of two pictures, whatever the number at once; the gradient is that of slicing."""
    generator = torch.Generator().manual_seed(1)
    one = torch.rand(2, 3, 7, 11, generator=generator, requires_grad=True)
    two = torch.rand(2, 3, 7, 11, generator=generator)
    places = torch.tensor([[0, 0], [3, 7], [2, 5]])
    found = over_patches(lambda a, b: (a * b).flatten(1), (one, two), places, 4, at_once=at_once)
    (gradient,) = torch.autograd.grad((found**2).sum(), one)
    product = one * two
    cut = torch.stack([product[:, :, y : y + 4, x : x + 4].flatten(1) for y, x in places.tolist()], 1)
    (expected,) = torch.autograd.grad((cut**2).sum(), one)
    torch.testing.assert_close(found, cut)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(
    ("count", "seed"), [(0, 0), (True, 0), (1.0, 0), (3, -1), (3, 1 << 32), (None, "a"), (3, None)]
)
def test_impossible_random_patches(count: object, seed: object) -> None:
    with pytest.raises(InputError, match="expected .*, got .*; "):
        check_random(count, seed)  # type: ignore[arg-type]


def test_possible_random_patches() -> None:
    for count, seed in ((None, None), (None, 0), (1, 0), (40, (1 << 32) - 1)):
        check_random(count, seed)


def test_no_patch_at_all() -> None:
    with pytest.raises(ShapeError, match="patches of 4×4 px, got 3×9"):
        over_patches(lambda a: a.flatten(1), (torch.zeros(1, 1, 9, 3),), regular_places([0], []), 4, at_once=1)
