import io
import os
from pathlib import Path

import pytest

from kukkiri.errors import InputError
from kukkiri.inspection.sources import find_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/f10.png", "b/f2.PNG", "a.jpg", ".hidden.png", "notes.txt", ".git/x.png", "line\nbreak 🙂.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(files: list[Path], folder: Path) -> list[str]:
    return [str(f.relative_to(folder)) for f in files]


def test_folder_is_searched_in_natural_order(folder: Path) -> None:
    assert names(find_files(folder), folder) == ["a.jpg", "b/f2.PNG", "b/f10.png", "line\nbreak 🙂.tif"]


def test_each_file_once_in_the_order_of_arguments(folder: Path) -> None:
    files = find_files([folder / "b" / "f10.png", folder, str(folder / "a.jpg"), folder / "b" / "." / "f2.PNG"])
    assert names(files, folder) == ["b/f10.png", "a.jpg", "b/f2.PNG", "line\nbreak 🙂.tif"]


def test_patterns(folder: Path) -> None:
    assert names(find_files(f"{folder}/*.jpg"), folder) == ["a.jpg"]
    assert names(find_files(f"{folder}/**/*.[pP]*"), folder) == ["b/f2.PNG", "b/f10.png"]


def test_a_pattern_without_a_match_is_not_lost(folder: Path) -> None:
    assert names(find_files(f"{folder}/*.bmp"), folder) == ["*.bmp"]


def test_a_named_file_is_taken_whatever_it_is(folder: Path) -> None:
    assert names(find_files([folder / "notes.txt", folder / "missing.png"]), folder) == ["notes.txt", "missing.png"]


def test_a_file_whose_name_looks_like_a_pattern(folder: Path) -> None:
    odd = folder / "scan[1].png"
    odd.touch()
    assert find_files(str(odd)) == [odd]


def test_list_on_standard_input(folder: Path) -> None:
    lines = io.BytesIO(f"{folder}/a.jpg\r\n\n{folder}/b\n".encode())
    assert names(find_files("-", stdin=lines), folder) == ["a.jpg", "b/f2.PNG", "b/f10.png"]
    nul = io.BytesIO(os.fsencode(f"{folder}/line\nbreak 🙂.tif\0{folder}/a.jpg\0"))
    assert names(find_files("-", stdin=nul), folder) == ["line\nbreak 🙂.tif", "a.jpg"]


def test_nothing_found_is_explained(tmp_path: Path) -> None:
    for nothing in (tmp_path, []):
        with pytest.raises(InputError, match="expected pictures, got none"):
            find_files(nothing)
