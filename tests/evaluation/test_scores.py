"""`kk.evaluate`: pictures measured and judged; rows fail alone; a stopped run goes on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from skimage import data, io

import kukkiri as kk
from kukkiri.errors import InputError, UnknownNameError, WeightError
from kukkiri.evaluation.journal import Journal
from kukkiri.evaluation.opinions import read_opinions
from kukkiri.evaluation.scores import evaluate_all
from kukkiri.evaluation.scores_table import check_places, write_scores

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
        check_places(table, out=tmp_path / "out.csv", report=tmp_path / "page.html")
        assert list(tmp_path.iterdir()) == []
        link = tmp_path / "link.csv"
        link.symlink_to(table)
        for out in (table, link, table.parent / "." / table.name):
            with pytest.raises(InputError, match="the data themselves"):
                check_places(table, out=out)
        with pytest.raises(InputError, match="suffix"):
            check_places(table, out=tmp_path / "out.xlsx")
        with pytest.raises(InputError, match=r"\.html"):
            check_places(table, report=table)
        page = tmp_path / "data.html"  # a data set may be called anything
        page.write_text(table.read_text())
        with pytest.raises(InputError, match="the data themselves"):
            check_places(page, report=page)

    @pytest.mark.parametrize("suffix", [".json", ".jsonl"])
    def test_json(self, table, tmp_path, suffix):
        found, _ = evaluate_all(["psnr"], read_opinions(table), draws=0)
        path = tmp_path / f"out{suffix}"
        write_scores(path, found)
        text = path.read_text()
        rows = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        assert rows[0]["psnr"] == pytest.approx(found[0].rows[0].score)
        assert (rows[2]["psnr"], rows[3]["mos"]) == (None, None)

    def test_an_error_says_whose_it_is(self, folder, tmp_path):
        """Both metrics lack the lost picture; PSNR alone lacks a reference."""
        rows = [(folder / f"coffee-{level}.png", -level, folder / "coffee.png") for level in LEVELS]
        rows += [(folder / "astronaut-2.png", 1), (folder / "lost.png", 1, folder / "coffee.png")]
        found, _ = evaluate_all(["psnr", "laplacian-variance"], read_opinions(rows), draws=0)
        write_scores(tmp_path / "out.csv", found)
        with (tmp_path / "out.csv").open() as file:
            errors = [row["error"] for row in csv.DictReader(file)]
        assert errors[6].startswith("psnr: expected a reference")
        assert errors[7].startswith("expected a picture file")


class TestColumns:
    def test_a_heading_that_is_a_metric_says_nothing_of_the_direction(self):
        """NIQE's own would be lower is better."""
        data_set = {"image": list("abcdef"), "mos": range(6), "niqe": range(6)}
        read = {"niqe": read_opinions(data_set, scores="niqe")}
        (found,), _ = evaluate_all([], read_opinions(data_set), columns=read, draws=0)
        assert (found.metric, found.srcc, found.higher_is_better) == ("niqe", 1, True)
        assert kk.evaluate("niqe", data_set, scores="niqe", draws=0).srcc == 1

    def test_a_column_beside_its_metric_has_a_name_of_its_own(self, folder):
        rows = {
            "image": [str(folder / f"coffee-{level}.png") for level in LEVELS],
            "mos": [-level for level in LEVELS],
            "reference": [str(folder / "coffee.png")] * len(LEVELS),
            "psnr": LEVELS,
        }
        read = {"psnr": read_opinions(rows, scores="psnr")}
        found, _ = evaluate_all(["psnr"], read_opinions(rows), columns=read, draws=0)
        assert [result.metric for result in found] == ["psnr", "psnr (column)"]

    def test_equal_opinions_are_a_failure(self):
        data_set = {"image": list("abcdef"), "mos": [3] * 6, "s": range(6)}
        read = {"s": read_opinions(data_set, scores="s")}
        found, failed = evaluate_all([], read_opinions(data_set), columns=read)
        assert (len(found), list(failed)) == (1, ["s"])
        assert "no statistic" in failed["s"]

    def test_a_picture_that_is_listed_twice_is_not_a_second_one(self):
        random = np.random.default_rng(0)
        scores = random.normal(size=12)
        opinions = scores + random.normal(size=12)
        once = {"image": list("abcdefghijkl"), "mos": opinions.tolist(), "s": scores.tolist()}
        one, ten = (kk.evaluate("s", {k: v * n for k, v in once.items()}, scores="s", draws=30) for n in (1, 10))
        assert (ten.n, ten.contents, ten.by_reference) == (120, 12, False)
        assert ten.intervals["srcc"] == pytest.approx(one.intervals["srcc"], abs=0.02)
        assert "repeated" in ten.cautions
        assert "repeated" not in one.cautions


class TestOptionsAreCheckedFirst:
    @pytest.mark.parametrize("option", [{"level": 95}, {"draws": -1}, {"draws": 2.5}, {"seed": -1}, {"seed": 0.5}])
    def test_before_anything_is_measured(self, table, option):
        measured = []
        for verb, what, data_set in ((kk.evaluate, "psnr", table), (evaluate_all, ["psnr"], read_opinions(table))):
            with pytest.raises(InputError, match="correct them"):
                verb(what, data_set, on_done=lambda: measured.append(1), **option)
        assert measured == []


def test_progress_is_shown_if_asked_for(table, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # or rich draws no bar, since this is no terminal
    kk.evaluate("psnr", table, draws=0)
    assert capsys.readouterr().err == ""
    kk.evaluate("psnr", table, draws=0, progress=True)
    assert "scoring" in capsys.readouterr().err
