"""Data sets as people have them: other headings, other delimiters, gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kukkiri.errors import InputError, ReadError
from kukkiri.evaluation.opinions import read_opinions


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "set.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def values(path) -> list[tuple]:
    return [(row.name, row.value, row.reference_name, row.error is None) for row in read_opinions(path).rows]


@pytest.mark.parametrize(
    "text",
    [
        "image,mos,reference\na.png,3.5,r.png\nb.png,-1,r.png\n",
        "image;mos;reference\r\na.png;3,5;r.png\r\nb.png;-1;r.png\r\n",
        "reference\timage\tother\tmos\nr.png\ta.png\tx\t3.5\nr.png\tb.png\t\t-1\n",
        "dist_img,ref_img,dmos,var\na.png,r.png,3.5,0.2\nb.png,r.png,-1,0.3\n",
        "\n\nImage Name, MOS, Ref Name\na.png, 3.5, r.png\n\nb.png, -1, r.png\n",
        '"name","Score","ref"\n"a.png","3.5","r.png"\n"b.png","-1","r.png"\n',
    ],
    ids=["plain", "semicolon", "tabulator", "kadid", "spaces", "quotes"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_forms(write, text, encoding):
    assert values(write(text, encoding)) == [("a.png", 3.5, "r.png", True), ("b.png", -1.0, "r.png", True)]


def test_koniq_heading(write):
    """KonIQ-10k has MOS beside its standard deviation and a z-score."""
    path = write("image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore\n1.jpg,0,0,25,73,7,105,3.83,0.5,68.1\n")
    assert values(path) == [("1.jpg", 3.83, None, True)]


def test_names_keep_commas_and_other_letters(write):
    assert values(write('image;mos\n"くっきり, 1;2.png";2,5\n')) == [("くっきり, 1;2.png", 2.5, None, True)]


def test_paths_are_relative_to_the_file(write, tmp_path):
    path = write("image,mos,reference\nsub/a.png,1,/data/r.png\n")
    (row,) = read_opinions(path).rows
    assert (row.image, row.reference) == (tmp_path / "sub/a.png", Path("/data/r.png"))


def test_a_table_of_windows(write, tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("sub/a0.png", "r.png", "odd\\name.png"):
        (tmp_path / name).touch()
    path = write("image,mos,reference\nsub\\a0.png,1,.\\r.png\nodd\\name.png,2,\nsub\\lost.png,3,\n")
    first, odd, lost = read_opinions(path).rows
    assert (first.image, first.reference) == (tmp_path / "sub/a0.png", tmp_path / "r.png")
    assert odd.image == tmp_path / "odd\\name.png"  # a name that is there as it is
    assert lost.image == tmp_path / "sub\\lost.png"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a.png,good", "a number in column 'mos', got 'good'"),
        ("a.png,", "a number in column 'mos', got an empty cell"),
        ("a.png", "a number in column 'mos'"),
        ("a.png,nan", "a number"),
        ("a.png,inf", "a number"),
        (",3", "the name of a picture"),
        ("a,b.png,3,4", "expected 2 cells, got 4"),
    ],
)
def test_a_row_that_cannot_be_used_is_one_error(write, line, why):
    good, bad = read_opinions(write(f"image,mos\nx.png,1\n{line}\n")).rows
    assert good.error is None
    assert why in bad.error


def test_scores_of_another_tool(write):
    path = write("image,mos,other tool\na.png,1,0.5\nb.png,2,inf\nc.png,3,\n")
    rows = read_opinions(path, scores="other_tool").rows
    assert [row.score for row in rows] == [0.5, np.inf, None]
    assert "column 'other tool'" in rows[2].error
    with pytest.raises(InputError, match=r"a column 'niqe'.*'other tool'"):
        read_opinions(path, scores="niqe")


def test_tables_and_lists(tmp_path):
    columns = {"image": ["a.png", "b.png"], "mos": [1, 2.5]}
    picture = np.zeros((8, 8))
    assert values(columns) == [("a.png", 1.0, None, True), ("b.png", 2.5, None, True)]
    pairs = read_opinions([("a.png", 1, "r.png"), (picture, 2), (picture, None)]).rows
    assert [row.name for row in pairs] == ["a.png", "picture 2", "picture 3"]
    assert pairs[1].image is picture
    assert "number" in pairs[2].error

    class Frame:  # what a DataFrame answers to
        columns = ("image", "mos")

        def to_dict(self, kind: str) -> dict:
            assert kind == "list"
            return columns

    assert values(Frame()) == values(columns)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no heading"),
        ("picture,opinion\na.png,1\n", "a column 'image'"),
        ("image,rating\na.png,1\n", "a column 'mos'"),
        ("image,mos,MOS\na.png,1,2\n", "twice"),
        ("image,mos\n", "a heading only"),
    ],
)
def test_what_is_no_data_set(write, text, why):
    with pytest.raises(InputError, match=why):
        read_opinions(write(text))


def test_what_cannot_be_read(write, tmp_path):
    with pytest.raises(ReadError, match="No such file"):
        read_opinions(tmp_path / "none.csv")
    with pytest.raises(ReadError, match="CSV UTF-8"):
        read_opinions(write("image,mos\n写真.png,1\n", "cp932"))


@pytest.mark.parametrize("dataset", [3, [], [("a.png",)], {"image": ["a"], "mos": []}])
def test_what_is_no_table(dataset):
    with pytest.raises(InputError):
        read_opinions(dataset)
