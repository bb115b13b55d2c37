"""Parts of a measurement that several processes share."""

import pytest

from kukkiri.errors import InputError
from kukkiri.training.parts import part_of


def test_the_parts_are_the_whole() -> None:
    items = list(range(11))
    parts = [part_of(f"{n}/3") for n in (1, 2, 3)]
    assert sorted(item for which, of in parts for item in items[which - 1 :: of]) == items
    assert part_of("1/1") == (1, 1)


@pytest.mark.parametrize("text", ["0/2", "3/2", "x", "", "1", "-1/2", "1/0", "0/0", "1/2/3", "1.5/2", "²/3", "1/x"])
def test_what_is_no_part_is_explained(text: str) -> None:
    with pytest.raises(InputError, match="a part such as 1/2"):
        part_of(text)
