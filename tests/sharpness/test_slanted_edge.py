"""Slanted edges: against rendered ones of known response, a plain ISO 12233 procedure, and in real pictures."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift
from skimage import data

import kukkiri as kk
from kukkiri.errors import InputError, ReadError, ShapeError
from kukkiri.images.image import Image, as_image
from kukkiri.images.masks import Box
from kukkiri.sharpness.figures import write_figure
from kukkiri.sharpness.slanted_edge_curve import FREQUENCIES, crossing
from kukkiri.sharpness.slanted_edge_figure import sfr_figure
from kukkiri.sharpness.slanted_edge_finding import find_edges
from kukkiri.sharpness.slanted_edge_oecf import read_oecf
from kukkiri.sharpness.slanted_edge_rendering import gaussian_pixel_mtf50, gaussian_pixel_sfr, render_slanted_edge

Array = NDArray[np.float64]
WHOLE = (0, 0, 100, 100)


def edge(**options: Any) -> Array:
    return render_slanted_edge(**options).clip(0, 1)


def test_rendered_edge_is_the_integral_over_each_pixel() -> None:
    """Against the mean of 40×40 points in each pixel."""
    found = render_slanted_edge((12, 14), angle=7, sigma=0.4, low=0.2, high=0.9, offset=0.3)
    n = 40
    y, x = ((np.arange(size * n) + 0.5) / n - size / 2 for size in (12, 14))
    theta = math.radians(7)
    distance = (x[None, :] - 0.3) * math.cos(theta) - y[:, None] * math.sin(theta)
    from scipy.special import ndtr

    fine = 0.2 + 0.7 * ndtr(distance / 0.4)
    np.testing.assert_allclose(found, fine.reshape(12, n, 14, n).mean((1, 3)), atol=2e-4)


def test_mtf50_of_a_gaussian_by_hand() -> None:
    """√(ln 2 / 2) / (π σ) = 0.1874 / σ where the pixel no longer matters."""
    assert gaussian_pixel_mtf50(20) == pytest.approx(0.18739 / 20, rel=2e-3)
    assert gaussian_pixel_mtf50(1e-6) == pytest.approx(0.60335, abs=1e-4)  # sinc alone


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("angle", [2.0, 5.0, 10.0])
def test_response_of_a_clean_edge(sigma: float, angle: float) -> None:
    found = kk.sfr(edge(angle=angle, sigma=sigma, offset=0.27), WHOLE)
    assert found.mtf50 == pytest.approx(gaussian_pixel_mtf50(sigma), rel=2e-3)
    assert found.luma.mtf10 == pytest.approx(gaussian_pixel_mtf50(sigma, 0.1), rel=4e-3)
    truth = gaussian_pixel_sfr(FREQUENCIES, sigma)
    assert np.abs(found.luma.sfr - truth)[truth > 0.05].max() < 4e-3
    assert found.angle == pytest.approx(angle, abs=0.01) and found.rows == 100 and not found.warnings


@pytest.mark.parametrize(("sigma", "angle"), [(0.5, 2.0), (3.0, 8.0)])
def test_bias_and_spread_in_noise(sigma: float, angle: float) -> None:
    """Over 20 seeds, contrast 0.5, noise 2 %: bias within 2 %, and the intervals hold as often as they say."""
    truth = gaussian_pixel_mtf50(sigma)
    found = [
        kk.sfr(edge(angle=angle, sigma=sigma, noise=0.02, seed=k, offset=k / 20 - 0.5), WHOLE).luma for k in range(20)
    ]
    off = np.array([f.mtf50 for f in found]) / truth - 1
    assert abs(off.mean()) < 0.02
    reported = np.mean([f.mtf50_error for f in found]) / truth
    assert 0.6 < reported / off.std(ddof=1) < 1.6 and off.std(ddof=1) < 0.035
    assert sum(f.mtf50_interval[0] < truth < f.mtf50_interval[1] for f in found) >= 14
    assert np.mean([f.noise for f in found]) == pytest.approx(0.02, rel=0.05)
    assert np.mean([f.contrast for f in found]) == pytest.approx(0.5, rel=0.01)


def plain_iso(picture: Array) -> tuple[Array, Array]:
    """ISO 12233 as it is usually programmed: centroids of rows, bins of ¼ pixel along rows, Hamming window, DFT."""
    rows, columns = picture.shape
    x = np.arange(columns - 1) + 0.5
    slope = np.diff(picture, axis=1)
    centre = (slope * np.hamming(columns - 1)).sum(1)
    centre = (slope * np.hamming(columns - 1) * x).sum(1) / centre
    line = np.polyfit(np.arange(rows), centre, 1)
    distance = np.arange(columns)[None, :] - np.polyval(line, np.arange(rows))[:, None]
    bins = np.floor(distance * 4).astype(int)
    low, high = -4 * 40, 4 * 40
    esf = np.array([picture[bins == b].mean() for b in range(low, high)])
    lsf = (esf[2:] - esf[:-2]) / 2 * np.hamming(len(esf) - 2)
    spectrum = np.abs(np.fft.rfft(lsf, 8 * len(lsf)))
    frequency = np.fft.rfftfreq(8 * len(lsf), 0.25)
    # Central difference over two bins, mean over one bin, and columns that are longer than the normal.
    response = spectrum / spectrum[0] / np.sinc(frequency / 2) / np.sinc(frequency / 4)
    return frequency / math.cos(math.atan(line[0])), response


@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_same_as_the_plain_procedure(sigma: float) -> None:
    picture = edge(angle=4.3, sigma=sigma)
    frequency, response = plain_iso(picture)
    found = kk.sfr(picture, WHOLE).luma
    np.testing.assert_allclose(
        np.interp(FREQUENCIES[:200], frequency, response), found.sfr[:200], atol=0.015
    )  # the window of the plain procedure reaches over the whole region and narrows the LSF a little


def test_turned_mirrored_and_inverted_edges_read_the_same() -> None:
    picture = edge(angle=4, sigma=1.2, noise=0.01, seed=3, offset=0.3)
    first = kk.sfr(picture, WHOLE)
    assert first.orientation == "vertical" and first.angle == pytest.approx(4, abs=0.1)
    for other, orientation, angle in [
        (picture.T, "horizontal", 4),
        (picture[:, ::-1], "vertical", -4),
        (picture[::-1], "vertical", -4),
        (1 - picture, "vertical", 4),
        (0.3 * picture + 0.1, "vertical", 4),
    ]:
        found = kk.sfr(np.ascontiguousarray(other), WHOLE)
        assert found.orientation == orientation and found.angle == pytest.approx(angle, abs=0.1)
        assert found.mtf50 == pytest.approx(first.mtf50, rel=1e-3)


def test_steep_edges_are_measured_with_a_warning() -> None:
    found = kk.sfr(edge(angle=27, sigma=1.0), WHOLE)
    assert found.mtf50 == pytest.approx(gaussian_pixel_mtf50(1.0), rel=0.005)
    assert "angle 27.0°" in found.warnings[0]


def test_large_blur_in_a_wide_region() -> None:
    found = kk.sfr(edge(size=(120, 160), angle=6, sigma=8, noise=0.01), (0, 0, 160, 120))
    assert found.mtf50 == pytest.approx(gaussian_pixel_mtf50(8), rel=0.03)


def test_bent_edge_is_followed() -> None:
    """Bent by 1.3 px: as a straight line it is uneven and reads low, by itself it is right."""
    straight = edge(angle=5, sigma=0.8)
    offsets = 2.0 * ((np.arange(100) - 49.5) / 50) ** 2
    bent = np.stack([np.interp(np.arange(100) - o, np.arange(100), row) for row, o in zip(straight, offsets)])
    truth = kk.sfr(
        np.stack([np.interp(np.arange(100) - k / 100, np.arange(100), row) for k, row in enumerate(straight)]), WHOLE
    ).mtf50  # the same interpolation blurs a straight edge as well
    found, stiff = kk.sfr(bent, WHOLE), kk.sfr(bent, WHOLE, order=1)
    assert found.mtf50 == pytest.approx(truth, rel=0.02)
    assert found.bend == pytest.approx(1.33, abs=0.1) and "not straight" in found.warnings[0]
    assert stiff.mtf50 < 0.93 * truth and any("uneven" in w for w in stiff.warnings)


def test_dust_on_a_few_rows_is_passed_over() -> None:
    picture = edge(angle=5, sigma=1.0, noise=0.005)
    dusty = picture.copy()
    dusty[40:46, 40:60] = 0.3
    assert kk.sfr(dusty, WHOLE).angle == pytest.approx(5, abs=0.05)


def test_clipping_and_sharpening_are_warned_of() -> None:
    clean = kk.sfr(edge(sigma=1.0), WHOLE)
    assert not clean.luma.warnings
    clipped = kk.sfr(edge(sigma=1.0, low=-0.1, high=0.7), WHOLE)
    assert re.match(r"clipped: 4\d\.\d%", clipped.luma.warnings[0])
    picture = edge(sigma=1.0)
    sharpened = kk.sfr((picture + 1.5 * (picture - gaussian_filter(picture, 2))).clip(0, 1), WHOLE)
    assert sharpened.luma.peak > 1.2 and "overshoot" in sharpened.luma.warnings[0]
    assert sharpened.mtf50 > 1.3 * clean.mtf50


def test_bar_gives_an_upper_bound() -> None:
    """A dark bar of 4 px: its borders have no flat side within."""
    one, other = edge(sigma=0.8, low=0.2, high=0.8, offset=-2), edge(sigma=0.8, low=0.2, high=0.8, offset=2)
    bar = 0.8 - (one - other)
    found = kk.sfr(bar, (20, 0, 60, 100))
    assert found.upper_bound and any("narrow" in w for w in found.warnings)
    assert found.mtf50 > gaussian_pixel_mtf50(0.8)
    assert "MTF50 < " in repr(found)
    assert not kk.sfr(one, WHOLE).upper_bound


def test_oecf_undoes_the_curve(tmp_path: Path) -> None:
    light = edge(angle=5, sigma=1.0, low=0.05, high=0.8)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    coded8 = np.rint(coded * 255).astype(np.uint8)
    truth = gaussian_pixel_mtf50(1.0)
    wrong = kk.sfr(coded8, WHOLE)
    assert abs(wrong.mtf50 / truth - 1) > 0.02 and wrong.oecf == ""
    right = kk.sfr(coded8, WHOLE, oecf="srgb")
    assert right.mtf50 == pytest.approx(truth, rel=0.005) and right.oecf == "srgb"
    assert right.luma.low == pytest.approx(0.05, abs=0.003) and right.luma.high == pytest.approx(0.8, abs=0.003)
    digital = np.arange(256)
    table = tmp_path / "camera.csv"
    lines = [f"{d};{100 * v:.6f}" for d, v in zip(digital, as_light(digital / 255))]
    table.write_text("digital value;cd/m²\n# of the camera\n" + "\n".join(lines), encoding="utf-8")
    for oecf in (table, as_light):
        assert kk.sfr(coded8, WHOLE, oecf=oecf).mtf50 == pytest.approx(right.mtf50, rel=1e-4)


def as_light(values: Array) -> Array:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def test_oecf_that_makes_no_sense(tmp_path: Path) -> None:
    picture = edge()
    (tmp_path / "one.csv").write_text("128,0.2\n", encoding="utf-8")
    (tmp_path / "falling.csv").write_text("0,0\n128,0.2\n255,0.1\n", encoding="utf-8")
    (tmp_path / "deep.csv").write_text("0,0\n65535,1\n", encoding="utf-8")
    for name in ("one.csv", "falling.csv", "none.csv"):
        with pytest.raises(ReadError):
            read_oecf(tmp_path / name)
    with pytest.raises(ReadError, match="always rises or always falls"):
        read_oecf(tmp_path / "falling.csv")
    with pytest.raises(InputError, match="up to 255"):
        kk.sfr((picture * 255).astype(np.uint8), WHOLE, oecf=tmp_path / "deep.csv")
    with pytest.raises(InputError, match="finite light"):
        kk.sfr(picture, WHOLE, oecf=lambda v: v[0])
    with pytest.raises(InputError, match="'srgb', a table or a function"):
        kk.sfr(picture, WHOLE, oecf=2.2)  # type: ignore[arg-type]


def test_table_that_does_not_reach_the_pixels(tmp_path: Path) -> None:
    """A table for 8 bits and a picture of 16: light would be cut off at 255, and MTF50 twice too high."""
    light = render_slanted_edge(low=100, high=400)
    picture = np.rint(light).astype(np.uint16)
    table, whole = tmp_path / "eight.csv", tmp_path / "sixteen.csv"
    table.write_text("0,0\n255,1\n", encoding="utf-8")
    whole.write_text("0,0\n65535,1\n", encoding="utf-8")
    assert kk.sfr(picture, WHOLE, oecf=whole).mtf50 == pytest.approx(gaussian_pixel_mtf50(1.0), rel=0.01)
    with pytest.raises(InputError, match=r"from 0 to 255, as in .*eight.csv, got 5\d% of them outside"):
        kk.sfr(picture, WHOLE, oecf=table)
    with pytest.raises(InputError, match="1[0-9]* to 200"):
        table.write_text("10,0\n200,1\n", encoding="utf-8")
        kk.sfr(np.rint(255 * render_slanted_edge(high=0.9)).astype(np.uint8), oecf=table)  # none is named
    speckled = np.rint(255 * edge(angle=5)).astype(np.uint8)
    speckled.flat[::33] = 210
    found = kk.sfr(speckled, WHOLE, oecf=table)
    assert any(w.startswith("beyond the OECF: 3.0% of the pixels") for w in found.warnings)


def test_light_may_fall_as_on_a_negative(tmp_path: Path) -> None:
    table = tmp_path / "negative.csv"
    table.write_text("0,100\n255,0\n", encoding="utf-8")
    picture = np.rint(255 * edge(angle=5, low=0.2, high=0.7)).astype(np.uint8)
    found = kk.sfr(picture, WHOLE, oecf=table).luma
    assert found.mtf50 == pytest.approx(kk.sfr(picture, WHOLE).mtf50, rel=1e-4)
    assert (found.low, found.high) == pytest.approx((0.3, 0.8), abs=0.002)


def test_colour_channels_and_their_shift() -> None:
    planes = [
        edge(angle=5, sigma=s, offset=o, high=h) for s, o, h in ((1.4, 0.5, 0.6), (0.8, 0.0, 0.75), (1.0, 0, 0.9))
    ]
    found = kk.sfr(np.stack(planes, 2), WHOLE)
    assert [c.channel for c in found.curves] == ["red", "green", "blue", "luma"]
    for curve, sigma in zip(found.curves, (1.4, 0.8, 1.0)):
        assert curve.mtf50 == pytest.approx(gaussian_pixel_mtf50(sigma), rel=0.005)
    red, green = found.curves[0].shift, found.curves[1].shift
    assert red - green == pytest.approx(0.5 * math.cos(math.radians(5)), abs=0.01)
    grey = kk.sfr(np.repeat(planes[0][:, :, None], 3, 2), WHOLE)
    assert [c.channel for c in grey.curves] == ["luma"]
    planes[2] = np.full((100, 100), 0.4)
    without = kk.sfr(np.stack(planes, 2), WHOLE)
    assert "blue: no edge stands out" in without.warnings[0] and len(without.curves) == 3


def test_cycles_a_millimetre() -> None:
    image = as_image(edge(sigma=1.0).astype(np.float32))
    found = kk.sfr(Image(image.pixels, pixel_size=5e-6), WHOLE)
    assert found.per_mm(0.5) == pytest.approx(100) and kk.sfr(image, WHOLE).per_mm(0.5) is None
    assert found.to_row()["mtf50_per_mm"] == pytest.approx(found.mtf50 / 5e-3)


def test_ratio_against_a_reference_is_the_blur_between() -> None:
    """σ² = 0.8² + 1.1²: the ratio is that of a Gaussian of 1.1, and the pixel cancels."""
    sharp = edge(angle=5, sigma=0.8, noise=0.004, seed=1)
    dull = edge(angle=5, sigma=math.hypot(0.8, 1.1), noise=0.004, seed=2)
    ratio = kk.sfr(dull, WHOLE, reference=sharp).ratios[0]
    known = np.isfinite(ratio.ratio)
    truth = np.exp(-2 * (np.pi * 1.1 * FREQUENCIES) ** 2)
    assert (np.abs(ratio.ratio - truth) < 0.005 + 4 * ratio.error)[known].all() and np.nanmax(ratio.error) < 0.05
    assert ratio.mtf50 == pytest.approx(0.18739 / 1.1, rel=0.01)
    # The reference has fallen to 0.1 at 0.41 cycles a pixel.
    assert ratio.limit == pytest.approx(gaussian_pixel_mtf50(0.8, 0.1), abs=0.02)
    assert not known[ratio.limit < FREQUENCIES].any() and known[ratio.limit >= FREQUENCIES].all()
    assert ratio.reference_mtf50 == pytest.approx(gaussian_pixel_mtf50(0.8), rel=0.01) and not ratio.warnings
    moved = kk.sfr(dull, WHOLE, reference=edge(angle=8, sigma=0.8, offset=4)).ratios[0]
    assert "not the same edge?" in moved.warnings[0]
    with pytest.raises(ShapeError, match="a reference of 100×100"):
        kk.sfr(dull, WHOLE, reference=sharp[:90])


def chart() -> Array:
    """Four patches: upright and lying edges of other angles, polarities and blurs."""
    patches = [
        edge(size=(110, 110), angle=5, sigma=0.7, noise=0.005, seed=1),
        edge(size=(110, 110), angle=-8, sigma=1.5, low=0.7, high=0.2, noise=0.005, seed=2),
        edge(size=(110, 110), angle=3, sigma=1.0, noise=0.005, seed=3).T,
        edge(size=(110, 110), angle=-6, sigma=2.2, low=0.1, high=0.8, noise=0.005, seed=4).T,
    ]
    return np.block([[patches[0], patches[1]], [patches[2], patches[3]]])


def test_edges_of_a_chart_are_found_and_right() -> None:
    calls: list[tuple[int, int]] = []
    found = kk.sfr(chart(), on_edge=lambda done, total: calls.append((done, total)))
    truth = {(0, 0): 0.7, (0, 1): 1.5, (1, 0): 1.0, (1, 1): 2.2}
    seen = {}
    for one in found:
        place = (one.box.top + one.box.height // 2) // 110, (one.box.left + one.box.width // 2) // 110
        seen[place] = one.mtf50 / gaussian_pixel_mtf50(truth[place]) - 1
        assert not one.upper_bound and (one.orientation == "vertical") == (place[0] == 0)
    assert set(seen) == set(truth) and max(map(abs, seen.values())) < 0.03
    assert calls[-1] == (len(calls), len(calls)) and len(calls) >= 4
    assert len(kk.sfr(chart(), most=2)) == 2
    mask = np.zeros((220, 220), bool)
    mask[:110] = True
    assert all(one.box.top >= 110 for one in kk.sfr(chart(), mask=mask))


def test_pen_strokes_have_no_flat_sides_and_give_bounds() -> None:
    """In `text` every line is 2 to 3 px wide; in `page` letters are all there is, and none of it is an edge."""
    found = kk.sfr(data.text())
    assert all(one.upper_bound and any("narrow" in w for w in one.warnings) for one in found)
    long = max(found, key=lambda one: one.rows)
    assert long.rows > 60 and 0.2 < long.mtf50 < 0.4
    for one in found:  # narrow as they are, no stroke is taken for a ramp where its region is named
        assert kk.sfr(data.text(), one.box).mtf50 == pytest.approx(one.mtf50, rel=1e-6)
    with pytest.raises(InputError, match="none in this picture"):
        kk.sfr(data.page())


def test_real_edge_is_found() -> None:
    """The shoulder of the photographer's coat against the sky: nearly straight, of high contrast, with flat sides."""
    found = kk.sfr(data.camera())
    assert not found[0].upper_bound and found[0].luma.contrast > 0.5
    assert found[0].luma.mtf50_error < 0.1 * found[0].mtf50


def test_nothing_is_found_in_noise_and_in_flat_pictures() -> None:
    noise = np.random.default_rng(0).random((200, 200))
    for picture in (noise, gaussian_filter(noise, 2), np.full((200, 200), 0.5)):
        assert find_edges(picture) == ()
        with pytest.raises(InputError, match="roi"):
            kk.sfr(picture)


def test_regions_that_cannot_be_measured() -> None:
    picture = edge()
    with pytest.raises(ShapeError, match="inside 100×100"):
        kk.sfr(picture, (50, 0, 60, 60))
    with pytest.raises(ShapeError, match="at least 10×10"):
        kk.sfr(picture, (45, 45, 8, 8))
    with pytest.raises(InputError, match="edge"):
        kk.sfr(np.full((100, 100), 0.5), WHOLE)
    with pytest.raises(InputError, match="whole pixels"):
        kk.sfr(picture, (0, 0, -5, 20))
    roi: Any
    for roi in (5, ("a", 0, 50, 50), "0123", (0, 0, 50), (0, 0, 50.5, 50), (0, 0, None, 50), Box(-5, 0, 40, 40)):
        with pytest.raises(InputError, match="whole pixels"):
            kk.sfr(picture, roi)
    option: Any
    for option in ({"order": 7}, {"order": 2.5}, {"order": True}):
        with pytest.raises(InputError, match="order of 1 to 5"):
            kk.sfr(picture, WHOLE, **option)
    for option in ({"most": 2.5}, {"most": 0}, {"most": "8"}):
        with pytest.raises(InputError, match="whole number of edges"):
            kk.sfr(picture, **option)
    with pytest.raises(InputError, match="a region or a mask"):
        kk.sfr(picture, WHOLE, mask=np.ones((100, 100), bool))
    assert kk.sfr(picture, Box(0, 0, 100, 100)).box == Box(0, 0, 100, 100)


def test_short_and_hardly_slanted_edges_are_warned_of() -> None:
    picture = edge(angle=5, sigma=1.0, noise=0.01)
    short = kk.sfr(picture, (30, 30, 40, 24))
    assert "short edge: 24 rows" in short.warnings[0] and short.mtf50 == pytest.approx(gaussian_pixel_mtf50(1), rel=0.1)
    upright = kk.sfr(edge(angle=0.3, sigma=1.0), WHOLE)
    assert "angle 0.3°" in upright.warnings[0] and "one whole column" in upright.warnings[1]


@pytest.mark.parametrize("smoothing", [0, 1, 2])
def test_noise_is_no_edge(smoothing: float) -> None:
    """Fine or of some pixels' size: no seed gives a number."""
    for seed in range(20):
        noise = np.random.default_rng(seed).standard_normal((100, 100))
        noise = gaussian_filter(noise, smoothing) if smoothing else noise
        with pytest.raises(InputError, match="edge"):
            kk.sfr((0.5 + 0.1 * noise / noise.std()).clip(0, 1), WHOLE)


def test_ramp_is_no_edge() -> None:
    """A line spread function that is one level all over the window: MTF50 would be that of the window."""
    ramp = np.linspace(0.2, 0.7, 100)
    for tilt in (0.0, 0.1):
        levels = ramp[None, :] + tilt * np.linspace(0, 1, 100)[:, None]
        for seed in range(10):
            picture = levels + 0.01 * np.random.default_rng(seed).standard_normal((100, 100))
            with pytest.raises(InputError, match="one edge divides"):
                kk.sfr(picture, WHOLE)
        with pytest.raises(InputError, match="a ramp: levels change"):
            kk.sfr(levels + np.zeros((100, 1)), WHOLE)


def test_edges_in_much_noise_and_with_short_sides_are_still_measured() -> None:
    """Noise of a fifth of the step; sides that end after 2.5 widths; an MTF50 of 0.02."""
    for seed in range(8):
        for noise in (0.02, 0.1):
            found = kk.sfr(edge(angle=5, sigma=1.0, noise=noise, seed=seed), WHOLE)
            assert found.mtf50 == pytest.approx(gaussian_pixel_mtf50(1.0), rel=0.25)
    cut = edge(angle=5, sigma=3.0, noise=0.01)[40:60, 38:62]
    assert kk.sfr(np.ascontiguousarray(cut), (0, 0, 24, 20)).upper_bound
    assert kk.sfr(edge(angle=5, sigma=10, noise=0.02), WHOLE).mtf50 == pytest.approx(gaussian_pixel_mtf50(10), rel=0.05)


def disc(radius: float, left: float) -> Array:
    """A bright one, smooth, whose middle is so many columns left of the picture's first."""
    y, x = np.mgrid[:100, :100]
    return gaussian_filter(0.3 + 0.4 * np.clip(radius + 0.5 - np.hypot(x + left, y - 49.5), 0, 1), 1.0)


def test_outlines_that_turn() -> None:
    """What the direction changes by is warned of, and refused where it puts distances off by a tenth."""
    gentle, bent = kk.sfr(disc(300, 250), WHOLE), kk.sfr(disc(120, 70), WHOLE)
    assert not any("turns" in w for w in gentle.warnings) and gentle.bend > 2
    assert any("turns: " in w and "about 3%" in w for w in bent.warnings)
    assert 0.96 < bent.mtf50 / gentle.mtf50 < 0.99
    for picture in (disc(60, 0), disc(30, -50)):
        with pytest.raises(InputError, match="one edge divides"):
            kk.sfr(picture, WHOLE)
    with pytest.raises(InputError, match="turns: distances"):
        kk.sfr(disc(60, 0), WHOLE)


def test_rows_that_stray_from_one_line_are_no_edge() -> None:
    """A zigzag of 12 px to and fro every 10 rows; whoever asks for a straight line gets it with a warning."""
    straight = edge(size=(100, 140), angle=3, sigma=1.2)
    zigzag = np.stack([np.roll(row, 3 if k // 10 % 2 else -3) for k, row in enumerate(straight)])[:, 20:120]
    with pytest.raises(InputError, match="rows that stray by"):
        kk.sfr(zigzag, WHOLE)
    assert any("uneven" in w for w in kk.sfr(zigzag, WHOLE, order=1).warnings)


def test_faint_steps_are_warned_of(tmp_path: Path) -> None:
    """A step of 0.03, by the values of the file whatever the unit of light; and the sky of `camera`, which is none."""
    picture = edge(angle=5, sigma=1.0, low=0.40, high=0.43, noise=0.001)
    for oecf in (None, "srgb", lambda v: 1000 * v):
        found = kk.sfr(picture, WHOLE, oecf=oecf)
        assert found.mtf50 == pytest.approx(gaussian_pixel_mtf50(1.0), rel=0.05)
        assert any(w.startswith("faint: a step of 0.03 ") and "below 0.06" in w for w in found.warnings)
    dark = kk.sfr(edge(angle=5, sigma=1.0, low=0.02, high=0.2), WHOLE, oecf="srgb")
    assert dark.luma.high - dark.luma.low < 0.06 and not any("faint" in w for w in dark.warnings)
    assert any("faint" in w for w in kk.sfr(data.camera(), (1, 0, 50, 50)).warnings)


def test_edge_along_the_pixels_has_no_finite_interval() -> None:
    """All its rows say the same, and all may be aliased; a bent edge crosses columns even if its ends do not."""
    upright = kk.sfr(np.repeat(np.where(np.arange(100) < 50, 0.2, 0.8)[None], 100, 0), WHOLE)
    assert upright.luma.mtf50_interval == (0.0, math.inf) and math.isinf(upright.luma.mtf50_error)
    assert math.isinf(upright.luma.mtf10_error) or math.isnan(upright.luma.mtf10)
    assert any("one whole column" in w for w in upright.warnings)
    bent = kk.sfr(disc(200, 150), WHOLE)
    assert abs(bent.angle) < 0.5 and math.isfinite(bent.luma.mtf50_interval[1])
    assert not any("one whole column" in w for w in bent.warnings)


def test_picture_that_is_being_optimised() -> None:
    picture = edge(angle=5, sigma=1.0)
    tensor = torch.from_numpy(picture[None]).float().requires_grad_()
    found = kk.sfr(tensor, WHOLE, reference=tensor)
    assert found.mtf50 == pytest.approx(kk.sfr(picture, WHOLE).mtf50, rel=1e-4) and tensor.requires_grad
    assert len(kk.sfr(tensor)) == 1


def test_crossing_is_between_frequencies() -> None:
    line = 1 - FREQUENCIES
    assert crossing(line, 0.5) == pytest.approx(0.5) and crossing(line, 0.1234) == pytest.approx(0.8766)
    assert crossing(np.ones(401), 0.5) == math.inf


def test_row_is_json_and_figures_are_drawn(tmp_path: Path) -> None:
    picture = as_image(chart().astype(np.float32))
    found = kk.sfr(picture, reference=shift(chart(), 0.0).astype(np.float32))
    row = json.loads(json.dumps(found[0].to_row(), allow_nan=False))
    assert row["mtf50"] == pytest.approx(found[0].mtf50) and row["unit"] == "cycles/pixel"
    (luma,) = row["channels"]
    assert len(luma["frequency"]) == len(luma["sfr"]) == 401 and len(luma["esf"]) == len(luma["lsf"])
    assert row["ratios"][0]["ratio"][10] == pytest.approx(1, abs=1e-6) and row["ratios"][0]["ratio"][400] is None
    write_figure(sfr_figure(found, picture), tmp_path / "chart.png")
    colour = kk.sfr(data.coffee(), (312, 196, 30, 17))
    write_figure(colour.figure(), tmp_path / "one.svg")
    assert (tmp_path / "chart.png").stat().st_size > 20_000
    drawn = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert "edge spread function" in drawn and "green: MTF50" in drawn
