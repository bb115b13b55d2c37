"""Pairs by name: a missing or doubled partner is an error of its own row, and moves nothing."""

from pathlib import Path

import pytest

from kukkiri.quality.pairing import Pair, pair_by_name

A, B = Path("out"), Path("truth")


def paired(pictures: str, references: str, both_ways: bool = True) -> list[Pair]:
    ours, theirs = [A / p for p in pictures.split()], [B / p for p in references.split()]
    return pair_by_name(ours, A, theirs, B, both_ways=both_ways)


def test_same_names_whatever_their_suffixes_and_order() -> None:
    found = paired("b.jpg sub/c.png a.webp", "a.png b.tif sub/c.png")
    assert [(p.name, p.picture, p.reference) for p in found] == [
        ("b", A / "b.jpg", B / "b.tif"),
        ("sub/c", A / "sub/c.png", B / "sub/c.png"),
        ("a", A / "a.webp", B / "a.png"),
    ]
    assert not any(p.error for p in found)


def test_a_missing_partner_shifts_nothing() -> None:
    found = {p.name: p for p in paired("1.png 3.png 4.png", "1.png 2.png 3.png")}
    assert found["3"].reference == B / "3.png" and found["1"].error is None
    assert found["4"].reference is None and "expected a reference '4' (any picture suffix) in truth, got none; " in str(
        found["4"].error
    )
    assert found["2"].picture is None and "expected a picture '2' (any picture suffix) in out, got none" in str(
        found["2"].error
    )


def test_a_name_in_another_folder_is_another_name() -> None:
    found = paired("x/a.png", "y/a.png")
    assert len(found) == 2 and all(p.error for p in found)


def test_near_names_are_told() -> None:
    (missing,) = paired("IMG_0001-out.png", "IMG_0001_out.png", both_ways=False)
    assert "there is 'IMG_0001_out'" in str(missing.error)


@pytest.mark.parametrize(
    ("picture", "reference"),
    [
        ("IMG_1.png", "img_1.tif"),
        ("0001_restored.png", "0001.png"),
        ("a.png", "a_gt.png"),
        ("scan-final.png", "scan_fin.png"),
    ],
)
def test_nearness_minds_neither_case_nor_what_was_appended(picture: str, reference: str) -> None:
    (missing,) = paired(picture, f"{reference} zebra.png", both_ways=False)
    assert f"there is '{Path(reference).stem}'" in str(missing.error)
    (other,) = paired("12.png", "1.png", both_ways=False)
    assert "there is" not in str(other.error)


def test_ome_tiff_has_one_suffix() -> None:
    (pair,) = paired("x.png", "x.ome.tif")
    assert pair.error is None and pair.name == "x" and pair.reference == B / "x.ome.tif"


def test_doubled_names_are_said_unless_the_suffixes_decide() -> None:
    jpeg, png = paired("a.jpg a.png", "a.tif")
    for pair in (jpeg, png):
        assert "expected one picture named 'a', got 2: a.jpg, a.png" in str(pair.error) and pair.reference is None
    (one,) = paired("a.png", "a.png a.tif")
    assert "expected one reference named 'a', got 2" in str(one.error)
    exact = paired("a.jpg a.png", "a.png a.jpg")
    assert [(p.picture, p.reference, p.error) for p in exact] == [
        (A / "a.jpg", B / "a.jpg", None),
        (A / "a.png", B / "a.png", None),
    ]


def test_letters_written_in_two_ways_are_one_name() -> None:
    """'é' as one code point, and as 'e' with an accent: as macOS keeps names."""
    (pair,) = paired("caf\u00e9.png", "cafe\u0301.png")
    assert pair.error is None and pair.reference is not None
