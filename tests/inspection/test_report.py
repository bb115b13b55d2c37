"""The measurement report as a file; how it looks and moves is checked by eye and hand in a browser."""

import base64
import hashlib
import io
import itertools
import json
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data

import kukkiri as kk
from judging import GROUPS, judge, made_judgement
from kukkiri.errors import InputError, WriteError
from kukkiri.inspection.blur_view import BlurView
from kukkiri.inspection.quality_view import judged_columns, quality_view_of
from kukkiri.inspection.report import ReportRow, write_report
from kukkiri.metrics.table import spec_of
from kukkiri.pages.language import texts
from pages.page_reader import PageReader

__all__ = ["judge"]  # a fixture

METRICS = ("laplacian-variance", "niqe")
SPECS = tuple(spec_of(name) for name in METRICS)
HOSTILE = "/pictures/</script><img src=x onerror=alert(1)>\n\u202egpj.tif"
ERROR = "expected a picture, got <b>0</b> bytes & </script><script>alert(2)</script>; copy it again"
WHEN = datetime(2026, 11, 22, 14, 8, tzinfo=UTC)


def thumbnail(scene: str = "astronaut", kind: str = "WEBP") -> bytes:
    picture = Pillow.fromarray(getattr(data, scene)())
    picture.thumbnail((160, 160))
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def row(path: str, value: float | None = 0.01, **changes: Any) -> dict[str, Any]:
    record = {"path": path, "plane": 0, "error": None, "width": 512, "height": 384, "channels": 3, "bit_depth": 8}
    record |= {"pixel_size": 3.2e-9, "mean": 0.4, "contrast": 0.2, "clipped_low": 0.0, "clipped_high": 0.01}
    record |= {"noise": 0.01, "sigma": None, "sigma_lo": None, "sigma_hi": None, "masked": "", "notice": ""}
    return record | {"version": "0.1.0", "laplacian-variance": value, "niqe": 3.5} | changes


def failure(path: str, error: str = ERROR) -> dict[str, Any]:
    return dict.fromkeys(row(path)) | {"path": path, "plane": 0, "error": error, "version": "0.1.0"}


ROWS = (
    ReportRow(row("/pictures/a.jpg"), thumbnail()),
    ReportRow(row(HOSTILE, float("nan"), sha256="ab12"), thumbnail("coffee", "JPEG"), gate_failed=True),
    ReportRow(failure("/pictures/bad\udcff.tif"), None, gate_failed=True),
)


class Reader(PageReader):
    """A report and the data in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.read_text("utf-8"))

    def of_class(self, name: str) -> list[str]:
        return [text for _, attributes, text in self.raw if attributes.get("class") == name]

    @property
    def rows(self) -> list[list[Any]]:
        return [row for block in self.of_class("rows") for row in json.loads(block)]

    @property
    def thumbnails(self) -> list[str]:
        return [line for block in self.of_class("thumbnails") for line in block.split("\n")]

    @property
    def config(self) -> dict[str, Any]:
        (text,) = [text for _, attributes, text in self.raw if attributes.get("id") == "config"]
        return json.loads(text)


def written(tmp_path: Path, rows: Any = ROWS, **options: Any) -> Reader:
    options = {"metrics": SPECS, "language": "en", "version": kk.__version__, "when": WHEN} | options
    path = write_report(tmp_path / "report.html", rows, **options)
    assert list(tmp_path.iterdir()) == [path]
    return Reader(path)


def test_every_row_comes_back_whole(tmp_path: Path) -> None:
    report = written(tmp_path)
    keys = report.config["keys"]
    assert len(report.rows) == len(report.thumbnails) == 3
    for given, found in zip(ROWS, report.rows, strict=True):
        *values, gate, others, blur, quality = found
        assert blur == quality == 0
        expected = {k: None if v != v else v for k, v in given.record.items()}
        assert dict(zip(keys, values, strict=True)) | (others or {}) == expected
        assert bool(gate) == given.gate_failed
    assert [base64.b64decode(t) or None for t in report.thumbnails] == [r.thumbnail for r in ROWS]


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 130])
def test_any_number_of_rows(tmp_path: Path, count: int) -> None:
    rows = [ReportRow(row(f"{i}.jpg", i / 7), b"\xff\xd8\xff" + bytes([i])) for i in range(count)]
    report = written(tmp_path, iter(rows))
    assert [r[0] for r in report.rows] == [f"{i}.jpg" for i in range(count)]
    assert [base64.b64decode(t)[3] for t in report.thumbnails] == list(range(count))
    assert ("There is no picture in this report." in report.visible) == (count == 0)


def test_hostile_names_and_errors_make_no_element(tmp_path: Path) -> None:
    """The same elements as harmless rows, and neither text outside the data blocks."""
    hostile = written(tmp_path, title="<img src=x>", settings={"</dl>": "<script>x</script>"}, gate="a < 1 & </p>")
    texts = "".join(hostile.visible)
    assert "<img src=x>" in texts and "<script>x</script>" in texts and "a < 1 & </p>" in texts
    calm = [ReportRow(row("x")), ReportRow(row("x"), None, True), ReportRow(failure("y", "z"), None, True)]
    harmless = written(tmp_path, calm, title="t", settings={"k": "v"}, gate="g")
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in harmless.elements]
    assert not any(name.startswith("on") for _, attributes in hostile.elements for name in attributes)


def test_nothing_is_fetched_and_only_our_script_runs(tmp_path: Path) -> None:
    report = written(tmp_path)
    (policy,) = [a["content"] for _, a in report.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"

    def allowed(tag: str) -> list[str]:
        code = [text for t, attributes, text in report.raw if t == tag and "type" not in attributes]
        return ["'sha256-" + base64.b64encode(hashlib.sha256(c.encode()).digest()).decode() + "'" for c in code]

    assert [rules["script-src"]] == allowed("script") and [rules["style-src"]] == allowed("style")
    for tag, attributes in report.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert re.match(r"#|data:", attributes.get(name) or "#"), (tag, attributes)
        assert "style" not in attributes, "the policy would ignore it"
    assert {"base", "iframe", "object", "embed", "form"}.isdisjoint(tag for tag, _ in report.elements)


def test_head_says_what_when_and_how(tmp_path: Path) -> None:
    report = written(tmp_path, settings={"metrics": "niqe", "auto_mask": "off"}, gate="niqe > 5", title="Lot 7")
    seen = " ".join(report.visible)
    for text in ("Lot 7", "2026-11-22 14:08 (UTC+00:00)", f"Kukkiri {kk.__version__}", "niqe > 5", "Metrics"):
        assert text in seen
    assert "Pictures 3 Measured 2 Failed 1" in seen and "not met by 2 of 3" in seen
    assert "Partly" not in seen
    partly = [
        *ROWS,
        ReportRow(row("p.png", error="niqe: expected sides of at least 96 px, got 64×64; crop less", niqe=None)),
    ]
    assert "Pictures 4 Measured 2 Partly measured 1 read why Failed 1" in " ".join(written(tmp_path, partly).visible)
    met = written(tmp_path, ROWS[:1], gate="niqe > 5")
    assert "Gate met fails if niqe > 5" in " ".join(met.visible)
    assert "Gate" not in " ".join(written(tmp_path).visible).split()


def test_columns_say_what_the_spec_says(tmp_path: Path) -> None:
    columns = {column["key"]: column for column in written(tmp_path).config["columns"]}
    assert list(columns)[:3] == ["sigma", *METRICS]
    for spec in SPECS:
        column = columns[spec.name]
        assert column["title"] == spec.title and column["paper"] == spec.paper and column["answers"] == spec.answers
        assert column["higher_is_better"] == spec.higher_is_better
        assert column["value_range"] == spec.to_row()["value_range"]
    assert columns["mean"]["higher_is_better"] is None


BLUR = {
    "sharpest": 1.1,
    "major": 2.4,
    "minor": 1.5,
    "angle": 0.52,
    "family": {"disc": 0.8},
    "bound": None,
    "unlike": 0.1,
}
VIEW = BlurView(BLUR | {"abstained": None, "place": [0, 0, 1, 1], "colours": [1, 4]}, thumbnail("moon"))
REASON = BlurView(dict.fromkeys(BLUR) | {"abstained": "</script><script>alert(3)</script>"})


def test_what_is_known_of_a_blur_comes_back_beside_its_picture(tmp_path: Path) -> None:
    rows = [
        ReportRow(row("a.png", sigma=1.8, **{"kukkiri-blur": 1.8}), thumbnail(), blur=VIEW),
        ReportRow(row("b.png", **{"kukkiri-blur": None}), thumbnail("coffee"), blur=REASON),
        ReportRow(row("c.png"), None, blur=VIEW),
        ReportRow(failure("d.png"), None),
    ]
    report = written(tmp_path, rows, metrics=(spec_of("kukkiri-blur"), *SPECS))
    assert [r[-2] or None for r in report.rows] == [VIEW.figures, REASON.figures, VIEW.figures, None]
    pairs = [tuple(base64.b64decode(part) for part in line.split(",")) for line in report.thumbnails]
    assert pairs == [(thumbnail(), VIEW.map), (thumbnail("coffee"),), (b"", VIEW.map), (b"",)]
    assert "alert(3)" not in "".join(report.visible) and [tag for tag, _ in report.elements].count("script") == 4


def test_what_is_wrong_comes_back(tmp_path: Path, judge: str) -> None:
    view = quality_view_of(made_judgement(noise=0.93))
    said = judged_columns(made_judgement(noise=0.93))
    rows = [
        ReportRow(row("a.png", **{judge: 40.0}, **said), thumbnail(), quality=view),
        ReportRow(failure("b.png"), None),
    ]
    report = written(tmp_path, rows, metrics=(*SPECS, spec_of(judge)))
    assert [r[-1] or None for r in report.rows] == [dict(view.figures), None]
    found = dict(zip(report.config["keys"], report.rows[0], strict=False))
    assert {name: found[name] for name in said} == said
    columns = {column["key"]: column for column in report.config["columns"]}
    assert columns[judge]["kind"] == "score" and columns["niqe"]["kind"] == "number"
    assert columns[judge]["judges"] and columns[judge]["interval"] == ["quality_lo", "quality_hi"]
    assert columns["sigma"]["interval"] == ["sigma_lo", "sigma_hi"] and not columns["niqe"]["judges"]
    assert "interval" not in columns["niqe"]


def test_every_group_of_damage_has_a_word() -> None:
    for language in ("en", "ja"):
        assert {f"wrong.group_{group}" for group in GROUPS} <= set(texts(language))


def test_one_chart_for_sigma_and_the_metric_that_fills_it(tmp_path: Path) -> None:
    spec = spec_of("kukkiri-blur")
    config = written(tmp_path, metrics=(SPECS[0], spec, SPECS[1])).config
    assert [column["key"] for column in config["columns"]][:3] == ["sigma", *METRICS]
    sigma = config["columns"][0]
    assert (sigma["metric"], sigma["paper"], sigma["kind"]) == (spec.name, spec.paper, "pixels")
    assert sigma["value_range"] == [0, 12] and sigma["shown"]
    # Not among what a person reads of a row, though it is in the data.
    assert {"kukkiri-blur", "sigma_note"} <= set(config["keys"])


def test_every_reason_to_abstain_is_said_in_the_language_of_the_page() -> None:
    """The script makes the key of the text from what stands before the colon."""
    flat, bright = torch.full((1, 1, 64, 64), 0.5), torch.ones(1, 1, 64, 64)
    noise = flat + 0.02 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    nearly = bright.clone()
    nearly[..., :2, :4] = 0.2
    checked = torch.ones(64, 64, dtype=torch.bool)
    checked[::8, ::8] = False
    blurs = [kk.blur(picture) for picture in (flat, bright, noise, nearly)] + [kk.blur(noise, mask=checked)]
    reasons = {(blur.abstained or "").split(":")[0] for blur in blurs}
    assert reasons == {"flat", "saturated", "no evidence", "nothing is left by the mask"}
    for reason in reasons:
        assert f"blur.reason_{re.sub('[^a-z]+', '_', reason)}" in texts("ja")


def test_japanese_page_has_no_english_left(tmp_path: Path) -> None:
    report = written(tmp_path, ROWS, language="ja", gate="niqe > 5", settings={"metrics": "niqe", "auto_mask": "off"})
    assert ("html", {"lang": "ja", "data-theme": "auto"}) in report.elements
    labels = [a.get(name) or "" for _, a in report.elements for name in ("aria-label", "placeholder", "alt", "title")]
    words = set(re.findall(r"[A-Za-z]{2,}", " ".join([*report.visible, *labels])))
    assert words <= {"Kukkiri", "UTC", "JavaScript", "niqe"}
    assert report.config["texts"]["table.path"] == "ファイル"


def test_language_comes_from_the_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert "測定レポート" in written(tmp_path, language=None).visible
    with pytest.raises(InputError, match="got 'de'"):
        written(tmp_path, language="de")


def test_what_a_person_uses_has_a_name(tmp_path: Path) -> None:
    """Controls without text need a label; headings go down one level at a time."""
    report = written(tmp_path, gate="niqe > 5")
    for tag, attributes in report.elements:
        if tag == "input" and attributes["type"] != "checkbox":
            assert attributes.get("aria-label"), attributes
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true"
    levels = [int(tag[1]) for tag, _ in report.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))
    ids = [a["id"] for _, a in report.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for _, a in report.elements if (a.get("href") or "").startswith("#")} <= {f"#{i}" for i in ids}


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)

    def rows(count: int) -> Iterator[ReportRow]:
        for i in range(count):
            yield ReportRow(row(f"/pictures/{i:05}.jpg", i / count), b"\xff\xd8\xff" + noise.bytes(9000))

    def peak(count: int) -> float:
        tracemalloc.start()
        path = write_report(tmp_path / "r.html", rows(count), metrics=SPECS, language="en", version="0", when=WHEN)
        size, (_, top) = path.stat().st_size, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size > 12000 * count
        return top / 1e6

    peak(50)  # imports and templates
    small, large = peak(500), peak(2000)
    assert large < 20 and large < small + 2, f"{small:.1f} MB for 500 rows, {large:.1f} MB for 2000"


def test_an_interrupted_report_leaves_the_old_one(tmp_path: Path) -> None:
    before = written(tmp_path)

    def broken() -> Iterator[ReportRow]:
        yield ROWS[0]
        raise OSError("the disk with the pictures went away")

    with pytest.raises(OSError, match="went away"):
        write_report(tmp_path / "report.html", broken(), metrics=SPECS, language="en", version="0")
    assert Reader(tmp_path / "report.html").rows == before.rows and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(WriteError, match="; check that "):
        write_report(tmp_path / "report.html" / "r.html", ROWS, metrics=SPECS, version="0")


def test_importing_pages_is_light() -> None:
    code = "import sys, kukkiri.inspection.report; print({'jinja2', 'torch', 'numpy', 'markupsafe'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
