"""`kukkiri degrade` into folders that hold something: what is there stays, or nothing is begun."""

import os
import re
import shutil
import time
from pathlib import Path

import pytest
import skimage.data
from PIL import Image as Pillow
from typer.testing import CliRunner, Result

from kukkiri.cli.main import app
from kukkiri.errors import InputError
from kukkiri.inspection import degrade as degrading
from kukkiri.inspection.degrade_plan import plan
from kukkiri.inspection.degrade_table import COLUMNS, alone, read_labels
from kukkiri.optics.distort import KINDS

HEADER = ",".join(COLUMNS)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    Pillow.fromarray(skimage.data.astronaut()[0:40, 150:190]).save(tmp_path / "one" / "a.png")
    return tmp_path / "one" / "a.png"


def degrade(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["degrade", *map(str, arguments)])


def make(photo: Path, kind: str = "faded", *more: object) -> Path:
    out = photo.parent.parent / "out"
    done = degrade(photo, "--kind", kind, "--level", "2,3", "--out", out, *more)
    assert done.exit_code == 0, done.output
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(photo: Path, out: Path, said: str, *more: object) -> None:
    """Refused with these words, and not a byte of the folder is another one."""
    before = contents(out)
    done = degrade(photo, "--kind", "faded", "--level", "2,3", "--out", out, *more)
    assert isinstance(done.exception, InputError) and said in str(done.exception), done.exception
    assert "another --out" in str(done.exception)
    assert contents(out) == before


def with_opinions(out: Path, start: bytes = b"") -> None:
    head, *rows = (out / "labels.csv").read_text(encoding="utf-8").splitlines()
    lines = [f"mos,{head},rater", *(f"4.{i},{row}," for i, row in enumerate(rows, 5))]
    (out / "labels.csv").write_bytes(start + "\n".join(lines).encode() + b"\n")


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_columns_of_a_user_stay(photo: Path, start: bytes) -> None:
    out = make(photo)
    with_opinions(out, start)
    (out / "a-faded-2.png").unlink()  # made again, with the same label
    make(photo)
    make(photo, "darker")
    labels = read_labels(out)
    assert labels.columns == ("mos", *COLUMNS, "rater")
    opinions = {name: row["mos"] for name, row in labels.rows.items()}
    assert opinions == {"a-faded-2.png": "4.5", "a-faded-3.png": "4.6", "a-darker-2.png": "", "a-darker-3.png": ""}
    # Even of a copy that is no more.
    (out / "a-faded-3.png").unlink()
    (out / "a-darker-3.png").unlink()
    make(photo, "banding")
    assert {"a-faded-3.png", "a-darker-3.png"} & set(read_labels(out).rows) == {"a-faded-3.png"}


def test_an_opinion_is_not_carried_to_another_copy(photo: Path) -> None:
    out = make(photo)
    with_opinions(out)
    refused(photo, out, "which has mos", "--seed", "7")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"image,opinion\nx.png,3\n", "without reference, kind"),
        (HEADER.replace(",", ";").encode() + b"\n", "without image"),
        (b"im\xe9age\n", "no CSV in UTF-8"),
        (f"{HEADER},mos,mos\n".encode(), "two columns of one name"),
        (f"{HEADER}\na,b\n1,2,3,4,5,6,7\n".encode(), "2 values in row 2"),
        (f"{HEADER}\n1,2,3,4,5,6,7,8\n".encode(), "8 values in row 2"),
        (f'{HEADER}\na,"b\n1,2,3,4,5,6,7\n'.encode(), "2 values in row 2"),
        (f"{HEADER},mos\n1,2,3,4,5,6,7,5\n1,2,3,4,5,6,7,4\n".encode(), "two rows of 1"),
    ],
)
def test_a_foreign_table_is_refused(content: bytes, said: str, photo: Path) -> None:
    out = photo.parent.parent / "out"
    out.mkdir()
    (out / "labels.csv").write_bytes(content)
    refused(photo, out, said)


def test_a_foreign_picture_is_refused(photo: Path) -> None:
    out = photo.parent.parent / "out"
    out.mkdir()
    (out / "a-faded-3.png").write_bytes(b"precious")
    refused(photo, out, "a-faded-3.png, which its labels.csv does not name")


def test_foreign_errors_are_refused_and_own_ones_go(photo: Path) -> None:
    out = photo.parent.parent / "out"
    out.mkdir()
    (out / "errors.csv").write_bytes(b"precious\n")
    refused(photo, out, "errors.csv with other columns")
    (out / "errors.csv").unlink()
    broken = photo.with_name("b.png")
    broken.write_bytes(b"nothing")
    for _ in range(2):
        assert degrade(photo.parent, "--kind", "faded", "--level", "3", "--out", out).exit_code == 1
        assert (out / "errors.csv").exists()
    broken.unlink()
    make(photo)
    assert not (out / "errors.csv").exists()


def test_a_run_that_was_killed_between_label_and_copy_goes_on(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = make(photo, "white-noise")
    before = contents(out)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for seed in ("7", "0"):  # away from the copies of before, and back
        with monkeypatch.context() as patch:
            patch.setattr("kukkiri.images.writing.save", killed)
            degrade(photo, "--kind", "white-noise", "--level", "2,3", "--out", out, "--seed", seed)
        # The label is the new one already: the old copy must not pass for the new.
        assert not (out / "a-white-noise-2.png").exists() and (out / "a-white-noise-3.png").exists()
        make(photo, "white-noise", "--seed", seed)
    assert contents(out) == before


def test_a_device_that_is_not_there_is_told_once(photo: Path) -> None:
    out = photo.parent.parent / "out"
    done = degrade(photo, "--kind", "faded", "--out", out, "--device", "nonsense")
    assert isinstance(done.exception, InputError) and "a device of this machine" in str(done.exception)
    assert not out.exists()


def test_no_jobs() -> None:
    assert degrading.degrade([]) == degrading.Outcome()


def another(photo: Path) -> Path:
    path = photo.parent.parent / "other" / photo.name
    path.parent.mkdir()
    Pillow.fromarray(skimage.data.coffee()[0:40, 0:40]).save(path)
    return path


def test_two_runs_at_once_are_refused(photo: Path) -> None:
    out = make(photo)
    with alone(out):
        refused(photo, out, "another run writes here")
    make(photo, "darker")
    assert len(read_labels(out).rows) == 4


def test_a_run_between_the_plan_and_the_work_loses_nothing(photo: Path) -> None:
    out = photo.parent.parent / "out"
    jobs = plan([another(photo)], out, [KINDS["faded"]], [2, 3])
    make(photo)
    before = contents(out)
    said = f"a-faded-2.png, which is a copy of {re.escape(str(photo))}; "  # not as seen from the folder
    with pytest.raises(InputError, match=said):
        degrading.degrade(jobs)
    assert contents(out) == before


def test_an_opinion_is_not_carried_to_a_copy_of_a_changed_picture(photo: Path) -> None:
    out = make(photo)
    with_opinions(out)
    make(photo)  # not changed
    time.sleep(0.05)  # clocks of file systems have steps
    shutil.copy(another(photo), photo)
    refused(photo, out, "which has mos")


def test_an_older_picture_of_the_same_name_is_another_one(photo: Path) -> None:
    out = make(photo)
    before = contents(out)
    time.sleep(0.05)
    old = another(photo)
    os.utime(old, (1e9, 1e9))
    shutil.copy2(old, photo)
    make(photo)
    assert contents(out)["labels.csv"] == before["labels.csv"]
    assert contents(out)["a-faded-3.png"] != before["a-faded-3.png"]


def test_names_that_are_no_text(photo: Path) -> None:
    strange = photo.with_name(os.fsdecode(b"a\xff.png"))
    try:
        photo.rename(strange)
    except OSError:
        pytest.skip("this file system has no such names")
    out = make(strange)
    shutil.copy(another(photo), strange.parent / "b.png")
    for files in ([strange.parent / "b.png"], [out, strange]):
        assert degrade(*files, "--kind", "darker", "--level", "2", "--out", out).exit_code == 0
    assert set(read_labels(out).rows) == {
        "a\\xff-faded-2.png", "a\\xff-faded-3.png", "a\\xff-darker-2.png", "b-darker-2.png"
    }  # fmt: skip


def test_copies_are_known_through_a_link(photo: Path) -> None:
    out, link = make(photo), photo.parent.parent / "link"
    try:
        link.symlink_to(out, target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    done = degrade(link, "--kind", "faded", "--level", "4", "--out", out)
    assert isinstance(done.exception, InputError) and "copies made before" in str(done.exception)
    # Nor is an input written over by another name of its folder.
    (out / "b.png").write_bytes(photo.read_bytes())
    (out / "b-faded-4.png").write_bytes(photo.read_bytes())
    done = degrade(link / "b.png", out / "b-faded-4.png", "--kind", "faded", "--level", "4", "--out", link)
    assert isinstance(done.exception, InputError) and "which is an input" in str(done.exception)
