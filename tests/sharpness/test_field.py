"""Blur over the frame, through an estimator that knows it; and once with the shipped weights."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

import kukkiri as kk
from blurs import OverTheFrame
from kukkiri.errors import InputError, ShapeError
from kukkiri.sharpness.field import Field, parse_grid
from kukkiri.sharpness.field_fit import NO_TILT, fit_astigmatism, fit_tilt
from kukkiri.sharpness.figures import write_figure

SIZE = (200, 300)
HALF = math.hypot(*SIZE) / 2
PICTURE = data.coffee()[:200, :300]
PLACES = np.stack(np.meshgrid(np.linspace(-120, 120, 5), np.linspace(-80, 80, 5)), -1).reshape(-1, 2)


def scattered(cells: Tensor, by: float = 0.03) -> Tensor:
    random = torch.Generator().manual_seed(cells.numel())
    return cells * torch.exp(by * torch.randn(cells.shape, generator=random))


def round_lens(x: Tensor, y: Tensor) -> Tensor:
    return scattered(1.2 * (1 + 0.6 * (x**2 + y**2) / HALF**2))


def test_corners_against_centre() -> None:
    found = kk.field(PICTURE, estimator=OverTheFrame(round_lens, size=SIZE))
    corner = 1 + 0.6 * 0.64  # the middle of a corner cell lies at four fifths of the half diagonal
    assert found.corners == pytest.approx(corner, rel=0.04)
    assert found.corners_interval[0] < corner < found.corners_interval[1]
    assert found.corners_interval[0] > 1.2
    assert found.sigma[2, 2] == pytest.approx(1.2, rel=0.03) and found.sigma.shape == (5, 5)
    assert found.tilt.kind is None and "no tilt is proven" in found.statement
    assert "corners 1.3" in found.statement


def test_cells_partition_the_picture_and_are_measured_in_one_pass_and_one_by_one() -> None:
    estimator = OverTheFrame(round_lens, size=SIZE)
    grey = np.asarray(PICTURE[..., 0])
    found = kk.field(grey, (3, 4), estimator=estimator)
    assert sum(c.box.height * c.box.width for c in found.cells) == SIZE[0] * SIZE[1]
    assert [(c.row, c.column) for c in found.cells][:5] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]
    boxes = [b for b in estimator.boxes if b is not None]
    assert len(boxes) == 13 and boxes[0].width == SIZE[1] and boxes[1:] == [c.box for c in found.cells]
    assert found.channels == ()


def test_plane_of_blur_is_a_tilt_with_direction_and_amount() -> None:
    angle = math.radians(35)

    def tilted(x: Tensor, y: Tensor) -> Tensor:
        return scattered(1.5 * torch.exp(0.5 * (x * math.cos(angle) + y * math.sin(angle)) / HALF))

    found = kk.field(PICTURE, estimator=OverTheFrame(tilted, size=SIZE))
    extent = SIZE[1] * math.cos(angle) + SIZE[0] * math.sin(angle)
    assert found.tilt.kind == "plane" and found.tilt.angle == pytest.approx(angle, abs=0.05)
    assert found.tilt.ratio == pytest.approx(math.exp(0.5 * extent / HALF), rel=0.05)
    assert found.tilt.interval[0] < found.tilt.ratio < found.tilt.interval[1]
    assert "towards the lower right (3" in found.statement
    assert "corners as blurred as the centre" in found.statement


def test_focus_that_crosses_the_frame_is_a_band() -> None:
    across = math.radians(-50)

    def band(x: Tensor, y: Tensor) -> Tensor:
        off = (x * math.cos(across) + y * math.sin(across)) / HALF
        return scattered(torch.sqrt(0.8**2 + (3 * off - 0.4) ** 2))

    found = kk.field(PICTURE, estimator=OverTheFrame(band, size=SIZE))
    assert found.tilt.kind == "through focus" and found.tilt.angle == pytest.approx(across, abs=0.06)
    extent = (SIZE[1] * math.cos(across) + SIZE[0] * abs(math.sin(across))) / HALF
    assert found.tilt.offset == pytest.approx(0.4 / 3 / extent, abs=0.02)
    assert found.tilt.ratio == pytest.approx(math.hypot(1, (3 * extent / 2 + 0.4) / 0.8), rel=0.1)
    assert "focus crosses the frame" in found.statement


def test_tilt_is_not_claimed_for_scatter() -> None:
    """One field in twenty may show one by chance."""
    random = np.random.default_rng(2)
    error = np.full(25, 0.05)
    proven = [fit_tilt(PLACES, 0.05 * random.standard_normal(25), error, SIZE).kind is not None for _ in range(40)]
    assert np.mean(proven) <= 0.15
    assert fit_tilt(PLACES[:5], np.zeros(5), error[:5], SIZE) == NO_TILT


def test_dull_corner_is_curvature_not_tilt() -> None:
    value = 0.4 * (PLACES**2).sum(1) / HALF**2
    assert fit_tilt(PLACES, value, np.full(25, 0.03), SIZE).kind is None


def test_uniform_astigmatism_is_told_with_its_angle() -> None:
    found = kk.field(PICTURE, estimator=OverTheFrame(round_lens, lambda x, y: (1.3, 0.6), size=SIZE))
    assert found.astigmatism.proven and found.astigmatism.ratio == pytest.approx(1.3, rel=0.01)
    assert found.astigmatism.angle == pytest.approx(0.6, abs=0.01)
    assert found.astigmatism.radial == pytest.approx(1, abs=0.03)
    assert "everywhere drawn out 1.3× along 34°" in found.statement


@pytest.mark.parametrize(("turn", "word"), [(0.0, "radially"), (math.pi / 2, "tangentially")])
def test_radial_and_tangential_blur_of_the_outer_cells(turn: float, word: str) -> None:
    def axes(x: float, y: float) -> tuple[float, float]:
        angle = math.atan2(y, x) + turn
        return 1 + 0.6 * math.hypot(x, y) / HALF, (angle + math.pi / 2) % math.pi - math.pi / 2

    found = kk.field(PICTURE, estimator=OverTheFrame(round_lens, axes, size=SIZE))
    assert f"drawn out {word}" in found.statement
    assert (found.astigmatism.radial_interval[0] > 1) == (word == "radially")
    assert (found.astigmatism.radial_interval[1] < 1) == (word == "tangentially")


def test_astigmatism_is_not_claimed_for_scatter() -> None:
    random = np.random.default_rng(4)
    found = [fit_astigmatism(PLACES, 0.075 * random.standard_normal((25, 2)), 0.075) for _ in range(100)]
    assert np.mean([f.proven for f in found]) <= 0.12
    assert np.mean([f.radial_interval[0] > 1 or f.radial_interval[1] < 1 for f in found]) <= 0.2


def test_colour_channels_against_green() -> None:
    means = (PICTURE / 255).mean((0, 1))
    factors = (1.15, 1.0, 1.3)

    def channel(pixels: Tensor) -> float:
        return 1.0 if len(pixels) == 3 else factors[int(np.abs(means - float(pixels.mean())).argmin())]

    found = kk.field(PICTURE, estimator=OverTheFrame(round_lens, size=SIZE, channel=channel))
    assert [c.name for c in found.channels] == ["red", "green", "blue"]
    assert [c.to_green for c in found.channels] == pytest.approx([1.15, 1.0, 1.3], rel=1e-3)
    assert "blue 1.3× as blurred as green" in found.statement
    assert np.array(found.channels[2].cells) == pytest.approx(1.3 * np.array(found.channels[1].cells), rel=1e-3)
    same = np.repeat(PICTURE[..., :1], 3, 2)
    assert kk.field(same, estimator=OverTheFrame(round_lens, size=SIZE)).channels == ()


def test_cells_without_an_answer_and_masked_cells() -> None:
    mask = np.zeros(SIZE, bool)
    mask[160:] = True  # the last row of cells, as an info bar would
    estimator = OverTheFrame(round_lens, size=SIZE, silent=lambda x, y: x > 100 and y < -50)
    found = kk.field(PICTURE, mask=mask, estimator=estimator)
    assert found.cells[4].abstained == "no evidence" and math.isnan(found.cells[4].sigma)
    assert all(c.abstained == "too little is left by the mask" for c in found.cells[20:])
    assert "19 of 25 cells" in found.statement
    assert found.cells[12].sigma == pytest.approx(1.2, rel=0.03)


def test_map_of_a_picture_that_a_mask_has_cut_lies_in_its_place() -> None:
    """With the upper rows cut away, sigma of the other cells does not move."""
    mask = np.zeros(SIZE, bool)
    mask[:40] = True
    whole = kk.field(PICTURE[..., 0], estimator=OverTheFrame(round_lens, size=SIZE)).sigma
    cut = kk.field(PICTURE[..., 0], mask=mask, estimator=OverTheFrame(round_lens, size=SIZE)).sigma
    assert np.isnan(cut[0]).all()
    np.testing.assert_allclose(cut[1:], whole[1:], rtol=0.05)


def test_row_is_json_and_figure_is_drawn(tmp_path: Path) -> None:
    found = kk.field(PICTURE, (2, 3), estimator=OverTheFrame(round_lens, lambda x, y: (1.4, 0.2), size=SIZE))
    row = json.loads(json.dumps(found.to_row(), allow_nan=False))
    assert row["rows"] == 2 and row["columns"] == 3 and len(row["cells"]) == 6
    assert {"sigma", "interval", "major", "angle", "box"} <= set(row["cells"][0])
    assert row["tilt"]["kind"] is None or row["tilt"]["kind"] == "plane"
    write_figure(found.figure(), tmp_path / "field.png")
    silent = kk.field(PICTURE, (2, 2), estimator=OverTheFrame(round_lens, size=SIZE, silent=lambda x, y: True))
    assert silent.statement == "no cell gives a blur size" and math.isnan(silent.corners)
    write_figure(silent.figure(), tmp_path / "silent.svg")
    assert (tmp_path / "field.png").stat().st_size > 10_000


def test_grid_is_columns_by_rows() -> None:
    assert parse_grid("5x3") == (3, 5) and parse_grid("4×4") == (4, 4)
    for wrong in ("5", "0x3", "5x", "axb", "99x2"):
        with pytest.raises(InputError, match="COLUMNSxROWS"):
            parse_grid(wrong)


def test_wrong_use() -> None:
    with pytest.raises(ShapeError, match="at most 9x6"):
        kk.field(PICTURE, (20, 20))
    with pytest.raises(InputError, match="at least one row"):
        kk.field(PICTURE, (0, 3))
    with pytest.raises(InputError, match="'auto'"):
        kk.field(PICTURE, mask="automatic")
    with pytest.raises(ShapeError, match="that count"):
        kk.field(PICTURE, mask=np.ones(SIZE, bool))


def test_shipped_estimator() -> None:
    picture = data.coins()[:200, :200]
    steps: list[tuple[int, int]] = []
    found: Field = kk.field(picture, (2, 2), on_cell=lambda done, total: steps.append((done, total)))
    assert steps == [(i, 5) for i in range(1, 6)]
    assert all(c.abstained or 0.35 <= c.sigma <= 12 for c in found.cells)
    flat = kk.field(np.full((128, 128), 90, np.uint8), (2, 2))
    assert all(c.abstained is not None and "flat" in c.abstained for c in flat.cells)
