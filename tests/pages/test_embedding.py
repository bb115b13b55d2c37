import json
import math
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from skimage import data

import kukkiri as kk
from kukkiri.errors import InputError, ReadError, WriteError, missing_extra
from kukkiri.images.masks import Box
from kukkiri.images.reading import load
from kukkiri.pages.embedding import base64_picture, json_text, script, static_text
from kukkiri.pages.language import texts
from kukkiri.pages.page import environment, render, write_page
from pages.page_reader import PageReader

MODULES = sorted(f.name for f in files("kukkiri.pages").joinpath("static").iterdir() if f.name.endswith(".js"))
HOSTILE = "</script x ></script><img src=x onerror=alert(1)><!--<script> & \u2028 \" ' \\ \udcff 写真 📷"


def test_hostile_text_stays_inside_its_script_and_comes_back_whole() -> None:
    text = json_text({HOSTILE: [HOSTILE, 1, None]})
    # '</script ' with a space ends the element in a browser, and '<!--<script>' hides its end.
    assert not set("<>&\u2028") & set(text)
    page = PageReader(f"<script type='application/json'>{text}</script>")
    assert [tag for tag, _ in page.elements] == ["script"]
    assert json.loads(page.raw[0][2]) == {HOSTILE: [HOSTILE, 1, None]}


def test_numbers_become_what_json_knows() -> None:
    values = [math.nan, math.inf, -math.inf, 0.1 + 0.2, 1e-9, True, 12345678901]
    assert json.loads(json_text(values)) == [None, None, None, 0.3, 1e-9, True, 12345678901]


def test_a_thumbnail_must_be_a_picture() -> None:
    assert base64_picture(b"\xff\xd8\xff\xe0") == "/9j/4A=="
    for wrong in (b"<svg onload=alert(1)>", b"RIFF1234WAVE", b""):
        with pytest.raises(InputError, match="WebP, JPEG or PNG"):
            base64_picture(wrong)


@pytest.mark.parametrize("name", MODULES)
def test_a_script_never_makes_elements_of_text(name: str) -> None:
    source = static_text(name)
    found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|</script", source)
    # 'innerHTML' stands in the comment that says why it is not used.
    assert [f for f in found if not (name == "dom.js" and f == "innerHTML")] == []
    assert set(re.findall(r"https?://[^\"']*", source)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", source)


def test_modules_share_one_scope_without_a_clash() -> None:
    bundle = script("report.js")
    names = re.findall(r"^(?:async )?(?:function|const|let|class) (\w+)", bundle, re.MULTILINE)
    assert len(names) > 40 and len(names) == len(set(names))
    assert not re.search(r"^(?:import|export) ", bundle, re.MULTILINE)
    # What a module needs stands before it.
    assert bundle.index("function element(") < bundle.index("function histogram(") < bundle.index("function chartCard(")


def test_styles_fetch_nothing() -> None:
    for name in ("theme.css", "components.css", "report.css"):
        assert not re.search(r"url\(|@import|https?:", static_text(name)), name


@pytest.mark.parametrize("macro", ["before_after", "map_overlay"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_picture_components(macro: str, language: str) -> None:
    t = texts(language)
    ends = ", '0', '9 px'" if macro == "map_overlay" else ""
    call = f"ui.{macro}(t, 'data:image/png;base64,QQ==', 'data:image/png;base64,Qg==', 4, 3, alt{ends})"
    source = "{% import 'components.html.j2' as ui %}{{ " + call + " }}"
    page = PageReader(environment().from_string(source).render(t=t, alt='"><script>x</script>'))
    tags = [tag for tag, _ in page.elements]
    assert "script" not in tags and tags.count("img") == 2
    (slider,) = [attributes for tag, attributes in page.elements if tag == "input"]
    assert slider["type"] == "range"
    assert macro != "before_after" or slider["aria-label"] == t["slider.split"]
    assert macro != "map_overlay" or t["overlay.opacity"] in page.visible


def test_a_page_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "new" / "page.html"
    write_page(target, ["old"])

    def broken():  # type: ignore[no-untyped-def]
        yield "half"
        raise RuntimeError("the rows ended early")

    with pytest.raises(RuntimeError):
        write_page(target, broken())
    assert target.read_text() == "old" and list(target.parent.iterdir()) == [target]
    with pytest.raises(WriteError, match=r"expected a place to write x\.html"):
        write_page(target / "x.html", ["a file is no folder"])


def test_a_missing_name_in_a_template_is_an_error() -> None:
    with pytest.raises(Exception, match="is undefined"):
        list(render("report.html.j2", language="en", styles=(), entry="report.js"))


node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run_node(code: str) -> object:
    static = Path(str(files("kukkiri.pages").joinpath("static"))).as_uri()
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code.replace("STATIC", static)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@node
def test_the_bundle_is_correct_javascript(tmp_path: Path) -> None:
    for entry in ("report.js", "slider.js", "overlay.js"):
        (tmp_path / entry).write_text(script(entry), "utf-8")
        subprocess.run(["node", "--check", str(tmp_path / entry)], check=True, timeout=60)


@node
def test_statistics_of_the_charts() -> None:
    """Every value falls into exactly one bin; ranks by hand."""
    result = run_node("""
        import * as s from "STATIC/statistics.js";
        const long = Array.from({ length: 500 }, (_, i) => Math.exp(i / 50));
        const even = Array.from({ length: 300 }, (_, i) => (i * 7919) % 101 / 101);
        const sets = [[1, 2, 3, 4, 5], [7, 7, 7], [0], [-3, 0, 1e-9, 4.2], long, even];
        const kept = sets.map((set) => {
          const sorted = s.sortedValues([...set, null, NaN]);
          const { edges, log } = s.binEdges(sorted);
          return [set.length, s.binCounts(sorted, edges).reduce((a, b) => a + b), edges.length - 1, log];
        });
        const five = s.sortedValues([5, 1, 2, 2, 9]);
        console.log(JSON.stringify({ kept, median: s.quantile(five, 0.5), quarter: s.quantile(five, 0.1),
          ranks: [[9, true], [2, true], [2, false], [null, true]].map(([v, up]) => s.shareWorse(five, v, up)),
          alone: s.shareWorse([3], 3, true),
          levels: [1, 2, 9].map((v) => s.shareWorse(s.distinct(five), v, true)),
          best: s.shareWorse(s.distinct(s.sortedValues([1, 1, 1, 0.2])), 1, true),
          same: s.shareWorse(s.distinct(s.sortedValues([4, 4])), 4, true),
          equal: [2, 9, 3].map((v) => s.countEqual(five, v)),
          ticks: s.ticks(0, 10, 5), log: s.logTicks(0.002, 0.15, 4) }));
    """)
    assert isinstance(result, dict)
    for count, binned, bins, _ in result["kept"]:
        assert count == binned and 1 <= bins <= 60
    assert [log for *_, log in result["kept"]] == [False, False, False, False, True, False]
    assert result["median"] == 2 and result["quarter"] == pytest.approx(1.4)
    assert result["ranks"] == [1, 0.25, 0.5, None] and result["alone"] is None
    # Where pictures share a value, the best is still 1 and the worst 0.
    assert result["levels"] == [0, pytest.approx(1 / 3), 1] and result["best"] == 1 and result["same"] is None
    assert result["equal"] == [2, 1, 0]
    assert result["ticks"] == [0, 2, 4, 6, 8, 10]
    assert result["log"] == [0.002, 0.005, 0.01, 0.02, 0.05, 0.1]


@node
def test_words_for_a_blur() -> None:
    """Bounds in the signs of the language, reasons in its words; one that is not known stays as it is."""
    result = run_node("""
        import { bounded, reasonText } from "STATIC/blur.js";
        const texts = { "blur.below": "< {value}", "blur.above": "{value} 超", "blur.reason_no_evidence": "NOTHING" };
        const say = (key, v = {}) => (texts[key] ?? key).replace("{value}", v.value);
        console.log(JSON.stringify([
          bounded("0.35 px", { bound: "below" }, say), bounded("12", { bound: "above" }, say),
          bounded("1.5", { bound: null }, say), bounded("1.5", null, say),
          reasonText("no evidence: nothing but noise", say), reasonText("odd\u202e: new", say),
        ]));
    """)
    assert result == ["< 0.35 px", "12 超", "1.5", "1.5", "NOTHING", "odd\\u202e: new"]


@node
def test_words_for_what_is_wrong() -> None:
    """In the words of the language; a group that is not known keeps its name, and none is clean."""
    result = run_node("""
        import { wrongNames, wrongText } from "STATIC/quality.js";
        const texts = { "wrong.group_noise": "NOISE", "wrong.clean": "CLEAN", "panel.separator": " + " };
        const say = (key) => texts[key] ?? key;
        const wrong = [["noise", 0.9], ["dust", 0.6], ["blur", 0.1]];
        const said = [2, 1, 0].map((named) => ({ wrong, named }));
        console.log(JSON.stringify(said.map((quality) => [wrongText(quality, say), wrongNames(quality)])));
    """)
    assert result == [["NOISE + dust", ["noise", "dust"]], ["NOISE", ["noise"]], ["CLEAN", ["clean"]]]


@node
def test_a_second_picture_in_a_line_of_thumbnails() -> None:
    result = run_node("""
        globalThis.IntersectionObserver = class { observe() {} };
        globalThis.addEventListener = () => {};
        const block = { textContent: "/9j/A,UklGRB\\n\\niVBORw\\n,UklGRC" };
        globalThis.document = { readyState: "complete", getElementsByClassName: () => [block] };
        const { thumbnailStore } = await import("STATIC/thumbnails.js");
        const store = thumbnailStore(64);
        console.log(JSON.stringify([0, 1, 2, 3, 4].map((row) => store.map(row))));
    """)
    assert result == ["data:image/webp;base64,UklGRB", "", "", "data:image/webp;base64,UklGRC", ""]


@node
def test_what_does_not_compare_pictures_is_not_said_to() -> None:
    """hifst has no direction between pictures, and its own caution; the gradient measures ask for one scene."""
    result = run_node("""
        const config = { textContent: JSON.stringify({ keys: ["path"], columns: [], texts: {}, language: "en" }) };
        globalThis.document = { getElementById: () => config, getElementsByClassName: () => [] };
        const { cautionOf, direction, model, relative } = await import("STATIC/report-data.js");
        const columns = [
          { key: "hifst", answers: "sharpness", higher_is_better: true },
          { key: "mine", metric: "hifst", answers: "sharpness", higher_is_better: true },
          { key: "mine", metric: "tenengrad", answers: "sharpness", higher_is_better: true },
          { key: "sigma", metric: "kukkiri-blur", answers: "sharpness", higher_is_better: false },
          { key: "mean" },
        ];
        console.log(JSON.stringify({
          caution: columns.map(cautionOf), relative: columns.map(relative), direction: columns.map(direction),
          panel: model.direction === direction && model.relative === relative,
        }));
    """)
    assert result == {
        "caution": ["extremes.caution_own", "extremes.caution_own", "extremes.caution", None, None],
        "relative": [True, True, True, False, False],
        "direction": ["", "", "direction.sharpness_higher", "direction.sharpness_lower", ""],
        "panel": True,
    }


@node
def test_numbers_paths_and_errors_for_people() -> None:
    result = run_node("""
        import { formats, formatValue } from "STATIC/format.js";
        import { visible } from "STATIC/dom.js";
        import { maskedKinds, maskedText } from "STATIC/panel.js";
        import { commonFolder } from "STATIC/paths.js";
        const say = (key, v) => (v ? `${v.kind}|${v.width}|${v.y}` : key === "overlay.info-bar" ? "BAR" : key);
        const f = formats("en"), j = formats("ja");
        console.log(JSON.stringify({
          numbers: [0.123456, 12.3456, 1234.5, 123456.7, 0.00012345, -0.5, 0, null, 2e9].map((v) => f.number(v)),
          short: [0.5, 100, 0.00002].map((v) => f.short(v)),
          lengths: [3.2e-9, 1e-6, 0.00025, 2].map((v) => f.length(v)),
          percents: [f.percent(0.0712), f.percent(0.5), f.percent(0.0001), j.percent(0.5)],
          value: formatValue(f, { kind: "pixels" }, 1.5, true),
          visible: visible("a\\nb\\u202ec\\udcff\\ud83d\\udcf7"),
          score: [62.4567, 0, 100, null].map((v) => formatValue(f, { kind: "score" }, v)),
          masked: maskedText("info-bar 4096×192 at 0,2880; odd", say),
          kinds: maskedKinds("text 9×9 at 1,1; info-bar 4096×192 at 0,2880; text 8×8 at 3,3; odd", say),
          folders: [
            [["/a/b/x", "/a/c/y"], "/"],
            [["/x", "y"], "/"],
            [["C:\\\\p\\\\a", "C:\\\\p\\\\b"], "\\\\"],
            [[], "/"],
          ].map(([paths, separator]) => commonFolder(paths, separator)),
        }));
    """)
    assert result == {
        "numbers": ["0.1235", "12.35", "1,235", "123,457", "1.234 × 10⁻⁴", "−0.5000", "0", "–", "2.000 × 10⁹"],
        "short": ["0.5", "100", "2 × 10⁻⁵"],
        "lengths": ["3.2 nm", "1 µm", "250 µm", "2 m"],
        "percents": ["7.1 %", "50 %", "< 0.1 %", "50%"],
        "value": "1.500 px",
        "visible": "a\\nb\\u202ec\\udcff📷",
        "score": ["62", "0", "100", "–"],
        "masked": "BAR|4096|2880; odd",
        "kinds": "2 × text, BAR, odd",
        "folders": ["/a/", "", "C:\\p\\", ""],
    }


@node
def test_errors_in_their_parts_and_in_the_words_of_the_page() -> None:
    result = run_node("""
        import { errorParts, errorSummary, noticeText } from "STATIC/failures.js";
        const made = () => ({ append(...all) { this.said = all.join(""); }, setAttribute() {} });
        globalThis.document = { createElement: made };
        const small = (name) => `${name}: expected sides of at least 64 px for ${name}, got 20×20; crop less`;
        const both = `${small("niqe")}; ${small("cpbd")}`;
        const said = { "wrong.colon": ": ", "failure.original": "理由", "failure.kind_too_small": "小さい" };
        const say = (key) => said[key] ?? key;
        const line = (text) => errorSummary(text, say).map((part) => part.said ?? part).join("");
        console.log(JSON.stringify({
          parts: errorParts("expected a; b, got c, got d; do e"),
          none: errorParts("Traceback"),
          both: errorParts(both).map(({ metric, kind, fix }) => [metric, kind, fix]),
          lines: [line(both), line("Traceback"), line(`${small("niqe")}; x: expected a, got b; c`)],
          notice: noticeText("something else\\u202e", say),
        }));
    """)
    small = "niqe: expected sides of at least 64 px for niqe, got 20×20; crop less"
    assert result == {
        "parts": [{"metric": None, "kind": None, "expected": "a; b", "got": "c, got d", "fix": "do e"}],
        "none": [{"metric": None, "kind": None, "text": "Traceback"}],
        "both": [["niqe", "too_small", "crop less"], ["cpbd", "too_small", "crop less"]],
        "lines": ["小さい (niqe, cpbd)", "理由: Traceback", f"理由: {small}; x: expected a, got b; c"],
        "notice": "something else\\u202e",
    }


@node
def test_errors_that_people_meet_most_have_words(tmp_path: Path) -> None:
    """Real errors of the readers and the metrics: a change of their wording must not lose the translation."""
    Pillow.fromarray(data.camera()).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    Pillow.fromarray(data.camera()).save(tmp_path / "whole.jpg")
    contents = {"empty.png": b"", "text.png": b"no picture", "cut.png": whole[: len(whole) // 2]}
    contents["cut.jpg"] = (tmp_path / "whole.jpg").read_bytes()[:4000]
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    tifffile.imwrite(tmp_path / "nan.tif", np.full((40, 40), np.nan, np.float32))
    tifffile.imwrite(tmp_path / "twelve.tif", data.camera().astype(np.uint16) * 16)
    errors = []
    for name in ("nowhere.png", *contents, "nan.tif"):
        with pytest.raises(ReadError) as found:
            load(tmp_path / name)
        errors.append(str(found.value))
    for call in (lambda: kk.quality(data.camera()[:20, :20], "niqe"), lambda: kk.blur(data.camera()[:20, :20])):
        with pytest.raises(InputError) as wrong:
            call()
        errors.append(str(wrong.value))
    with pytest.raises(InputError) as wrong:
        Box(0, 0, 99, 99).checked_inside(9, 9)
    errors += [str(wrong.value), str(missing_extra("raw", "rawpy", "camera RAW"))]
    notice = load(tmp_path / "twelve.tif").metadata["notice"]
    result = run_node(f"""
        import {{ errorParts, noticeText }} from "STATIC/failures.js";
        const kinds = {json.dumps(errors)}.flatMap((text) => errorParts(text).map((part) => part.kind));
        const notice = noticeText({json.dumps(notice)}, (key, values) => [key, ...Object.values(values)]);
        console.log(JSON.stringify({{ kinds, notice }}));
    """)
    kinds = [
        "missing",
        "empty",
        "no_picture",
        "damaged",
        "damaged",
        "not_finite",
        *["too_small"] * 2,
        "region",
        "package",
    ]
    assert result == {"kinds": kinds, "notice": ["notice.bits", "12", "16", "4080", "4095"]}
    assert all(f"failure.kind_{kind}" in texts(language) for kind in kinds for language in ("en", "ja"))
