"""What records and reports keep of a blur estimate. Estimates are made by hand: none of this depends on weights."""

import io
import json
import math
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor

import kukkiri as kk
from kukkiri.images.masks import Box
from kukkiri.inspection import blur_view
from kukkiri.inspection.blur_view import MAP_BYTES, colour_range, columns_of, encoded_map, note_of, view_of
from kukkiri.inspection.journal import Journal
from kukkiri.inspection.record import NOTE, Record, columns
from kukkiri.inspection.tables import write_table
from kukkiri.inspection.worker import Measured
from kukkiri.pages.embedding import static_text
from kukkiri.sharpness.blur import CLEAR_FAMILY, CLEAR_RATIO, LARGEST, SMALLEST, UNLIKE
from kukkiri.sharpness.figures import blur_colours

ABSTAINED = {"sigma": math.nan, "interval": (math.nan, math.nan), "abstained": "flat: all pixels have one value"}
BELOW = {"sigma": SMALLEST, "interval": (0.0, 0.52), "bound": "below"}
ABOVE = {"sigma": LARGEST, "interval": (9.1, math.inf), "bound": "above"}


def estimate(rows: int = 24, columns: int = 32, **changes: Any) -> kk.Blur:
    """Sigma rises from left to right from 1 to 4 px; the upper half tells nothing."""
    sigma = 2 ** torch.linspace(0, 2, columns).expand(rows, columns)
    evidence = torch.ones(rows, columns)
    evidence[: rows // 2] = 0
    given: dict[str, Any] = {"sigma": 2.0, "sharpest": 1.1, "interval": (1.8, 2.3), "bound": None, "major": 2.4}
    given |= {"minor": 1.5, "angle": math.pi / 6, "family": {"gaussian": 0.1, "disc": 0.8, "motion": 0.1}}
    given |= {"noise": 0.01, "map": sigma, "evidence": evidence, "stride": 8, "size": (rows * 8, columns * 8)}
    return kk.Blur(**(given | {"unlike_training": 0.1} | changes))


def decoded(data: bytes) -> tuple[Tensor, Tensor]:
    """Sigma and evidence, as the page reads them."""
    array = torch.from_numpy(np.asarray(Pillow.open(io.BytesIO(data))).astype(np.float32))
    return 2 ** (array[:, :, 0] / 16 - 2), array[:, :, 1] / 15


def test_a_map_comes_back() -> None:
    blur = estimate()
    sigma, evidence = decoded(encoded_map(blur.map, blur.evidence))
    torch.testing.assert_close(sigma, blur.map, rtol=0.03, atol=0)  # half of a sixteenth of an octave
    assert torch.equal(evidence, blur.evidence)


@pytest.mark.parametrize(("rows", "columns"), [(4, 8), (192, 256), (1, 300), (700, 900)])
def test_a_map_is_small_whatever_it_holds(rows: int, columns: int) -> None:
    """Noise is the worst that a map can be."""
    generator = torch.Generator().manual_seed(0)
    sigma = 2 ** (6 * torch.rand(rows, columns, generator=generator) - 2)
    data = encoded_map(sigma, torch.rand(rows, columns, generator=generator))
    assert len(data) <= MAP_BYTES
    height, width = decoded(data)[0].shape
    assert 8 <= max(height, width) <= 64
    assert abs(height - rows * width / columns) <= 1, "stretched: the page gives both sides the same share"


def test_a_coarse_map_weighs_by_evidence() -> None:
    """Where half of a cell tells nothing, the other half gives its sigma."""
    sigma = torch.tensor([8.0, 1.0]).repeat_interleave(1).repeat(200, 100)
    evidence = torch.tensor([0.0, 0.6]).repeat(200, 100)
    sigma[:, :2] = math.nan
    small, known = decoded(encoded_map(sigma, evidence))
    assert small.shape == (64, 64)
    assert bool((small[:, 2:] == 1).all()) and float(known[:, 2:].mean()) == pytest.approx(0.3, abs=0.04)
    assert bool((known[:, 0] < known[:, 2]).all())


def test_colours_span_what_is_told() -> None:
    blur = estimate()
    low, high = colour_range(blur.map, blur.evidence)
    assert (low, high) == pytest.approx((1, 4), rel=0.1)
    uniform = colour_range(torch.full((8, 8), 2.0), torch.ones(8, 8))
    assert uniform == pytest.approx((1, 4)), "two octaves at least: noise is no show"
    for sigma in (0.2, 0.4, 11.0, 15.0):
        low, high = colour_range(torch.full((8, 8), sigma), torch.ones(8, 8))
        assert SMALLEST <= low < high <= LARGEST * 1.001 and high / low == pytest.approx(4)


def test_a_map_lies_where_it_was_measured() -> None:
    """Within a region of the picture, and within what a mask along the border leaves of it."""
    region, picture = Box(100, 50, 192, 256), (400, 800)
    left, top, width, height = view_of(estimate(), region, picture).figures["place"]
    assert (left * 800, top * 400, width * 800, height * 400) == pytest.approx((50, 100, 256, 192), rel=1e-3)
    mask = torch.zeros(192, 256, dtype=torch.bool)
    mask[:40], mask[:, :16], mask[100:110, 30:60] = True, True, True
    cut = kk.blur(torch.rand(1, 192, 256), mask=mask)
    cut = estimate(19, 30, size=cut.size, origin=cut.origin)
    left, top, width, height = view_of(cut, region, picture).figures["place"]
    assert (left * 800, top * 400, width * 800, height * 400) == pytest.approx((66, 140, 240, 152), rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({}, ""),
        (ABSTAINED, "abstained: flat: all pixels have one value"),
        (BELOW, "bound: below"),
        (ABOVE | {"unlike_training": 0.7}, "bound: above; unlike training"),
        ({"unlike_training": math.nan}, ""),
    ],
)
def test_note(changes: dict[str, Any], note: str) -> None:
    blur = estimate(**changes)
    assert note_of(blur) == columns_of(blur)["sigma_note"] == note
    view = view_of(blur, Box(0, 0, 192, 256), (192, 256))
    assert (view.map is None) == ("place" not in view.figures) == ("abstained" in note)
    json.dumps(dict(view.figures), allow_nan=False)


def test_what_the_page_is_told_of_shape_and_kind() -> None:
    """Judged in one place, by the limits that the command prints by."""
    region, size = Box(0, 0, 192, 256), (192, 256)
    clear = view_of(estimate(), region, size).figures
    assert (clear["round"], clear["kind"], clear["doubtful"]) == (False, "disc", False)
    family = {"gaussian": CLEAR_FAMILY - 0.01, "disc": 0.3, "motion": 0.01}
    axes = {"major": 1.99 * CLEAR_RATIO, "minor": 2.0}
    unclear = view_of(estimate(**axes, family=family, unlike_training=UNLIKE + 0.01), region, size).figures
    assert (unclear["round"], unclear["kind"], unclear["doubtful"]) == (True, None, True)
    silent = dict.fromkeys(("major", "minor", "angle", "sharpest", "unlike_training"), math.nan)
    family = dict.fromkeys(family, math.nan)
    view_of(estimate(**ABSTAINED, **silent, family=family), region, size)


def test_an_open_interval_in_every_table(tmp_path: Path) -> None:
    """'inf' and 0 are values, an abstention leaves its columns empty."""
    names = columns(("kukkiri-blur",))
    records = [
        Record(f"{i}.png", scores={"kukkiri-blur": blur.sigma}, **columns_of(blur)).to_row()
        for i, blur in enumerate((estimate(), estimate(**BELOW), estimate(**ABOVE), estimate(**ABSTAINED)))
    ]
    for suffix in (".csv", ".jsonl", ".parquet"):
        write_table(tmp_path / f"t{suffix}", records, names)
    lines = [line.split(",") for line in (tmp_path / "t.csv").read_text().splitlines()]
    at = [lines[0].index(name) for name in ("sigma", "sigma_lo", "sigma_hi", "sigma_note")]
    assert [[line[i] for i in at] for line in lines[1:]] == [
        ["2.0", "1.8", "2.3", ""],
        ["0.35", "0.0", "0.52", "bound: below"],
        ["12.0", "9.1", "inf", "bound: above"],
        ["", "", "", "abstained: flat: all pixels have one value"],
    ]
    rows = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [row["sigma_hi"] for row in rows] == [2.3, 0.52, "Infinity", None]
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "t.parquet")
    assert table.column("sigma_hi").to_pylist() == [2.3, 0.52, math.inf, None]
    assert table.column_names == list(names) and names[-1] == NOTE
    assert NOTE not in columns(("tenengrad",))


def test_the_journal_keeps_it(tmp_path: Path) -> None:
    path, blur = tmp_path / "x.png", estimate(**ABOVE)
    path.touch()
    view = view_of(blur, Box(0, 0, 192, 256), (192, 256))
    plain = view_of(estimate(**ABSTAINED), Box(0, 0, 192, 256), (192, 256))
    journal = Journal(tmp_path / "t.journal", "settings")
    views = (view, plain, None)
    records = [Record("x.png", plane, **columns_of(blur)) for plane in range(3)]
    journal.add([Measured(record, b"w", path, "", v) for record, v in zip(records, views)])
    journal.close()
    journal = Journal(tmp_path / "t.journal", "settings")
    kept = list(journal.rows([path]))
    journal.close()
    assert tuple(k.blur for k in kept) == views
    assert kept[0].row["sigma_hi"] == math.inf and kept[0].thumbnail == b"w"


def test_the_page_decodes_what_was_encoded() -> None:
    """The script's own numbers are those of the encoder, its colours those of the style sheet and of the figures."""
    script = static_text("blur.js")
    constants = {name: float(value) for name, value in re.findall(r"^const (\w+) = (-?[\d.]+);", script, re.MULTILINE)}
    del constants["CANVAS_SIDE"]
    assert constants == {"OCTAVE": blur_view.OCTAVE, "LOWEST": blur_view.LOWEST}, "thresholds belong to Python"
    ramp = json.loads(re.search(r"^const RAMP = (.*);$", script, re.MULTILINE)[1])  # type: ignore[index]
    style = files("kukkiri.pages").joinpath("static", "components.css").read_text("utf-8")
    drawn = re.findall(r"#[0-9a-f]{6}", re.search(r"\.ramp \{[^}]*\}", style)[0])  # type: ignore[index]
    assert [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in ramp] == drawn
    # Sharp at the left of the legend, at the low end of every scale.
    shares = np.linspace(0, 1, 101)
    between = np.stack([np.interp(shares, np.linspace(0, 1, len(ramp)), band) for band in np.transpose(ramp)], 1)
    assert np.abs(between - 255 * blur_colours()(shares)[:, :3]).max() < 6
