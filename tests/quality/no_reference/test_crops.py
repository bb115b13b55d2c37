"""Where crops lie, and the mean over them."""

from __future__ import annotations

import pytest
import torch

from kukkiri.errors import KukkiriError
from kukkiri.quality.no_reference.crops import (
    check_crops,
    even_places,
    mean_over_crops,
    numpy_places,
    spread,
    torch_places,
)


def test_spread_by_hand() -> None:
    assert [spread(10, n) for n in (1, 2, 3, 5)] == [[5], [0, 10], [0, 5, 10], [0, 2, 5, 8, 10]]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 20, 25, 50])
@pytest.mark.parametrize(("height", "width"), [(512, 512), (300, 900), (1000, 240), (224, 640), (640, 224)])
def test_regular_crops_are_inside_and_as_many_as_asked(height: int, width: int, count: int) -> None:
    places = even_places(height, width, 224, count)
    assert len(places) == len(set(places)) == min(count, (height - 223) * (width - 223))
    assert all(0 <= top <= height - 224 and 0 <= left <= width - 224 for top, left in places)


def test_regular_crops_fit_the_shape_of_the_picture() -> None:
    """A square: a grid near to a square that touches all borders; a strip: one row; exactly one crop: once."""
    square = even_places(512, 512, 224, 20)
    assert len({top for top, _ in square}) == 4 and {(0, 0), (0, 288), (288, 0), (288, 288)} <= set(square)
    assert even_places(224, 624, 224, 5) == ((0, 0), (0, 100), (0, 200), (0, 300), (0, 400))
    assert even_places(224, 224, 224, 20) == ((0, 0),)
    assert even_places(300, 400, 224, 1) == ((38, 88),)


def test_few_crops_leave_borders_out() -> None:
    """As the docstring says: a single row in the middle of the height, single crops in the middle of the width."""
    assert even_places(512, 512, 224, 2) == ((144, 0), (144, 288))
    strip = even_places(225, 4000, 224, 8)
    assert {top for top, _ in strip} == {0} and (strip[0][1], strip[-1][1]) == (0, 3776)
    column = even_places(2000, 400, 224, 8)
    assert {left for _, left in column} == {88} and (column[0][0], column[-1][0]) == (0, 1776)


def test_drawn_crops_are_inside_also_where_there_is_no_freedom() -> None:
    for drawn in (numpy_places, torch_places):
        assert drawn(224, 224, 224, 3, 0) == ((0, 0),) * 3
        places = drawn(224, 300, 224, 200, 1)
        assert {top for top, _ in places} == {0} and len({left for _, left in places}) > 50
        assert max(left for _, left in places) <= 76
        assert drawn(300, 300, 224, 5, 1) != drawn(300, 300, 224, 5, 2)


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_the_mean_of_any_chunks_and_its_gradient(chunk: int) -> None:
    """A picture's mean over crops by a loop; chunks that cross pictures; computed again for gradients."""
    image = torch.rand(2, 1, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    places = even_places(9, 8, 4, 5)
    sizes = []

    def rate(crops: torch.Tensor) -> torch.Tensor:
        sizes.append(len(crops))
        return crops.square().sum((1, 2, 3)).sin()

    expected = torch.stack(
        [torch.stack([rate(x[None, :, t : t + 4, left : left + 4])[0] for t, left in places]).mean() for x in image]
    )
    sizes.clear()
    x = image.clone().requires_grad_(True)
    value = mean_over_crops(x, places, 4, rate, chunk)
    torch.testing.assert_close(value, expected)
    assert max(sizes) == min(chunk, 10) and sum(sizes) == 10
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert sum(sizes) == (10 if chunk == 100 else 20)
    y = image.clone().requires_grad_(True)
    (whole,) = torch.autograd.grad(mean_over_crops(y, places, 4, rate, 100).sum(), y)
    torch.testing.assert_close(slope, whole)


def test_impossible_numbers_are_explained() -> None:
    check_crops(1, None)
    check_crops(20, 0)
    for crops, seed in ((0, None), (True, None), (2.5, None), (1, -1), (1, 1 << 32), (1, 0.5)):
        with pytest.raises(KukkiriError, match="expected .*, got .*; "):
            check_crops(crops, seed)  # type: ignore[arg-type]
