"""`kk.evaluate`: pictures measured and judged; rows fail alone; a stopped run goes on."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from skimage import data, io

import kukkiri as kk
from kukkiri.errors import InputError, UnknownNameError, WeightError
from kukkiri.evaluation.journal import Journal
from kukkiri.evaluation.opinions import read_opinions
from kukkiri.evaluation.scores import check_out, evaluate_all, write_scores

LEVELS = (2, 6, 10, 16, 24, 34)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs with six strengths of noise, and opinions that fall with it; two rows that fail."""
    folder = tmp_path_factory.mktemp("set")
    random = np.random.default_rng(0)
    lines = [("image", "mos", "reference", "other")]
    for name in ("astronaut", "coffee"):
        picture = getattr(data, name)()[100:196, 100:196]
        io.imsave(folder / f"{name}.png", picture, check_contrast=False)
        for level in LEVELS:
            noisy = (picture + level * random.normal(size=picture.shape)).clip(0, 255).astype(np.uint8)
            io.imsave(folder / f"{name}-{level}.png", noisy, check_contrast=False)
            opinion = 5 - level / 8 + 0.1 * random.normal()
            lines.append((f"{name}-{level}.png", f"{opinion:.3f}", f"{name}.png", f"{level}"))
    lines[3:3] = [("lost.png", "3", "coffee.png", "9"), ("coffee-2.png", "?", "coffee.png", "9")]
    with (folder / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder


@pytest.fixture
def table(folder) -> Path:
    return folder / "scores.csv"


def test_metric_on_a_file(table):
    seen = []
    found = kk.evaluate("psnr", table, draws=20, on_start=seen.append, on_done=lambda: seen.append("one"))
    assert isinstance(found, kk.Agreement)
    assert (found.metric, found.n, found.failed, found.contents, found.by_reference) == ("psnr", 12, 2, 2, True)
    assert found.srcc > 0.9
    assert found.plcc_logistic4 > 0.95
    assert seen == [14, *["one"] * 14]
    good = [row for row in found.rows if row.error is None]
    assert found.srcc == pytest.approx(
        stats.spearmanr([r.score for r in good], [r.opinion for r in good]).statistic, abs=1e-12
    )
    first = found.rows[0]
    assert first.score == pytest.approx(
        kk.compare(table.parent / first.image, table.parent / first.reference, "psnr", mask=None).value
    )
    assert first.expected == pytest.approx(float(found.curves["logistic-4"](first.score)))


def test_rows_that_fail_say_why(table):
    rows = {row.image: row for row in kk.evaluate("psnr", table, draws=0).rows if row.error}
    assert "no file" in rows["lost.png"].error
    assert "a number in column 'mos'" in rows["coffee-2.png"].error


def test_direction_comes_from_the_metric(table):
    """GMSD falls where PSNR rises; both agree."""
    assert kk.evaluate("gmsd", table, draws=0).srcc > 0.9
    opposed = kk.evaluate("gmsd", table, draws=0, higher_is_worse=True)
    assert opposed.srcc < -0.9
    assert "opposed" in opposed.cautions


def test_a_metric_without_a_reference_is_drawn_by_content_too(table):
    found = kk.evaluate("laplacian-variance", table, draws=0)
    assert (found.n, found.contents, found.by_reference) == (12, 2, True)


def test_metric_object_and_list_of_arrays(folder):
    reference = io.imread(folder / "coffee.png")
    rows = [(io.imread(folder / f"coffee-{level}.png"), -level, reference) for level in LEVELS]
    found = kk.evaluate(kk.metric("ssim"), rows, draws=0)
    assert found.srcc == pytest.approx(1)
    assert found.rows[0].image == "picture 1"


def test_scores_of_other_tools(table):
    column = kk.evaluate("other", table, scores="other", higher_is_better=False, draws=0)
    good = [row for row in column.rows if row.error is None]
    plain = kk.evaluate([-r.score for r in good], [r.opinion for r in good], draws=0)
    assert (column.n, column.failed) == (13, 1)
    assert column.srcc == pytest.approx(plain.srcc) and column.srcc > 0.8
    in_order = kk.evaluate(np.arange(14.0), table, draws=0)
    assert (in_order.n, len(in_order.rows)) == (13, 14)
    with pytest.raises(InputError, match="one score for each of 14 pictures"):
        kk.evaluate([1, 2, 3], table)


def test_dmos_heading_is_doubted(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("name,dmos,x\n" + "".join(f"{i}.png,{i},{i}\n" for i in range(9)))
    assert "dmos" in kk.evaluate("x", path, scores="x", draws=0).cautions
    assert "dmos" not in kk.evaluate("x", path, scores="x", higher_is_worse=True, draws=0).cautions


class TestErrors:
    def test_no_reference_column(self, folder, tmp_path):
        rows = [(folder / f"coffee-{level}.png", level) for level in LEVELS]
        with pytest.raises(InputError, match=r"at least 3 pictures.*expected a reference for psnr"):
            kk.evaluate("psnr", rows)

    def test_unknown_metric(self, table):
        with pytest.raises(UnknownNameError, match="psnr"):
            kk.evaluate("psnrr", table)

    def test_what_is_no_metric(self, table):
        with pytest.raises(InputError, match="the name of a metric"):
            kk.evaluate(None, table)


class TestSeveral:
    def test_each_picture_is_read_once_and_one_failure_stops_nothing(self, table, monkeypatch):
        from kukkiri.evaluation import scores

        def build(name, device):
            if name == "niqe":
                raise WeightError(expected="weights", got="none", fix="fetch them")
            return kk.metric(name)

        reads = []
        from kukkiri.images import reading

        load = reading.load
        monkeypatch.setattr(scores, "build", build)
        monkeypatch.setattr(reading, "load", lambda path: reads.append(Path(path).name) or load(path))
        column = {"other": read_opinions(table, scores="other")}
        found, failed = evaluate_all(
            ["psnr", "niqe", "ssim"], read_opinions(table), columns=column, draws=0, higher_is_better=False
        )
        assert [result.metric for result in found] == ["psnr", "ssim", "other"]
        assert [result.srcc > 0.8 for result in found] == [True] * 3
        assert failed == {"niqe": "expected weights, got none; fetch them"}
        # 12 pictures once, each of the 2 references once in its row of pictures; what is lost is asked for by each.
        assert len([name for name in reads if name != "lost.png"]) == 14

    def test_a_stopped_run_goes_on(self, table, tmp_path):
        path = tmp_path / "out.csv.journal"

        class Stopped(Exception):
            pass

        done = []

        def stop():
            done.append(1)
            if len(done) == 6:
                raise Stopped

        opinions = read_opinions(table)
        with pytest.raises(Stopped):
            evaluate_all(["psnr", "ssim"], opinions, journal=Journal(path), on_done=stop, draws=0)
        lines = len([line for line in path.read_text().splitlines() if line])
        assert lines == 8  # six rows, two of which fail, by two metrics
        resumed, _ = evaluate_all(["psnr", "ssim"], opinions, journal=Journal(path), draws=0)
        whole, _ = evaluate_all(["psnr", "ssim"], opinions, draws=0)
        assert [r.rows for r in resumed] == [r.rows for r in whole]
        assert len([line for line in path.read_text().splitlines() if line]) == 24

    def test_a_picture_that_changed_is_measured_again(self, tmp_path):
        rows = []
        for i, grey in enumerate((10, 20, 40)):
            io.imsave(tmp_path / f"{i}.png", np.full((16, 16), grey, np.uint8), check_contrast=False)
            rows.append((tmp_path / f"{i}.png", i, tmp_path / "0.png"))
        path = tmp_path / "j"
        before = kk.evaluate("psnr", rows, draws=0, journal=Journal(path))
        io.imsave(tmp_path / "2.png", np.full((16, 16), 11, np.uint8), check_contrast=False)
        after = kk.evaluate("psnr", rows, draws=0, journal=Journal(path))
        assert before.rows[0].score == after.rows[0].score == np.inf
        assert before.rows[1].score == after.rows[1].score
        assert after.rows[2].score == pytest.approx(20 * np.log10(255), abs=1e-4)


class TestTable:
    def test_every_score(self, table, tmp_path):
        found, _ = evaluate_all(["psnr", "ssim"], read_opinions(table), draws=0)
        write_scores(tmp_path / "out.csv", found)
        with (tmp_path / "out.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == ["image", "mos", "reference", "psnr", "ssim", "error"]
        assert float(rows[0]["ssim"]) == pytest.approx(found[1].rows[0].score, rel=1e-8)
        assert (rows[2]["image"], rows[2]["psnr"], rows[2]["ssim"]) == ("lost.png", "", "")
        assert "no file" in rows[2]["error"]
        # It is a data set itself.
        assert kk.evaluate("psnr", tmp_path / "out.csv", scores="psnr", draws=0).srcc == pytest.approx(found[0].srcc)

    def test_where_it_may_be_written(self, table, tmp_path):
        check_out(tmp_path / "out.csv", table)
        assert not (tmp_path / "out.csv").exists()
        with pytest.raises(InputError, match="the data themselves"):
            check_out(table, table)
        with pytest.raises(InputError, match="suffix"):
            check_out(tmp_path / "out.xlsx", table)
