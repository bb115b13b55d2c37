"""The drawn training materials: sharp by construction, varied, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.optimize import least_squares
from scipy.special import erf

from kukkiri.errors import InputError, UnknownNameError
from kukkiri.training.materials import KINDS, draw, draw_many
from kukkiri.training.materials.canvas import SUPERSAMPLING, Sheet, area_average, area_sample, expose
from kukkiri.training.materials.dead_leaves import power_law
from kukkiri.training.materials.fields import fractal
from kukkiri.training.materials.outlines import wandering

SIZE = 128


def pictures(kind: str, count: int, size: int = SIZE) -> np.ndarray:
    return np.stack([draw(kind, size, np.random.default_rng([11, index])) for index in range(count)])


def steepness(picture: np.ndarray) -> float:
    """Share of strong edges whose steepest step makes up at least half of the local contrast.

    A strong edge: five pixels in a row or column that span half of the picture's range. An ideal edge, averaged over
    the boxes of pixels, always has a step of at least half of its height, whatever its place and direction; the
    rest are two edges in one window, and 1/f noise. Not a number where no edge is strong.
    """
    steep = strong = 0
    for rows in (picture, picture.T):
        windows = np.lib.stride_tricks.sliding_window_view(rows, 5, axis=1)
        span = np.ptp(windows, axis=-1)
        edges = span >= 0.5 * np.ptp(picture)
        strong += int(edges.sum())
        steep += int((np.abs(np.diff(windows, axis=-1)).max(axis=-1)[edges] >= 0.49 * span[edges]).sum())
    return steep / strong if strong else np.nan


def step_width(picture: np.ndarray, distance: np.ndarray) -> float:
    """Deviation (px) of the line spread of an edge: a Gaussian's integral is fitted, its place left free."""

    def off(guess: np.ndarray) -> np.ndarray:
        return picture - 0.5 - 0.5 * erf((distance - guess[0]) / (guess[1] * np.sqrt(2)))

    place, width = least_squares(off, [0.0, 0.4]).x
    assert abs(place) < 0.25
    return float(width)


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_shape_type_and_range(self, kind):
        for size in (32, 75, SIZE):
            picture = draw(kind, size, np.random.default_rng(size))
            assert picture.shape == (size, size)
            assert picture.dtype == np.float32
            assert picture.min() >= 0
            assert picture.max() <= 1

    def test_same_state_same_picture(self, kind):
        first, again = (draw(kind, SIZE, np.random.default_rng(3)) for _ in range(2))
        np.testing.assert_array_equal(first, again)

    def test_a_generator_goes_on_to_another_picture(self, kind):
        rng = np.random.default_rng(3)
        first, second = draw(kind, SIZE, rng), draw(kind, SIZE, rng)
        assert np.abs(first - second).max() > 0.05

    def test_every_picture_has_contrast_and_edges(self, kind):
        for picture in pictures(kind, 12):
            assert np.ptp(picture) > 0.1
            largest = max(float(np.abs(np.diff(picture, axis=axis)).max()) for axis in (0, 1))
            assert largest > 0.1 * np.ptp(picture)

    def test_pictures_vary_in_level_contrast_and_structure(self, kind):
        drawn = pictures(kind, 12)
        assert drawn.mean(axis=(1, 2)).std() > 0.02
        assert drawn.std(axis=(1, 2)).std() > 0.01
        detail = np.abs(np.diff(drawn, axis=2)).mean(axis=(1, 2)) / drawn.std(axis=(1, 2))
        assert detail.max() > 1.5 * detail.min()


@pytest.mark.parametrize("kind", KINDS)
def test_edges_are_steep_until_blurred(kind):
    """Sharp pictures pass, the same blurred by 1.5 px do not: the measure tells one from the other."""
    drawn = pictures(kind, 12)
    sharp = [steepness(picture) for picture in drawn]
    blurred = [steepness(gaussian_filter(picture, 1.5, mode="reflect")) for picture in drawn]
    assert np.isfinite(sharp).sum() >= 8
    assert np.nanmean(sharp) > 0.75
    assert np.nanmedian(sharp) > 0.85
    assert not np.nanmean(blurred) > 0.1


@pytest.mark.parametrize("degrees", [0, 7, 33, 45, 90, 118])
def test_an_edge_is_one_pixel_box_wide(degrees):
    """A box of one pixel has the deviation 1/√12 = 0.289 px along its sides; the grid of samples adds under 0.03."""
    angle = np.deg2rad(degrees)
    normal = np.array([np.cos(angle), np.sin(angle)])
    middle = np.array([31.3, 32.6])
    along = np.array([-normal[1], normal[0]])
    corners = [middle - 200 * along, middle + 200 * along]
    corners += [corners[1] + 200 * normal, corners[0] + 200 * normal]
    sheet = Sheet(64)
    sheet.polygon(np.array(corners), 1.0)
    y, x = np.mgrid[:64, :64] + 0.5
    distance = (x - middle[0]) * normal[0] + (y - middle[1]) * normal[1]
    near = np.abs(distance) < 3
    picture = sheet.averaged()
    assert picture[distance < -1.2].max() == 0
    assert picture[distance > 1.2].min() == 1
    if degrees % 90:
        assert step_width(picture[near], distance[near]) == pytest.approx(np.sqrt(1 / 12), abs=0.04)
    else:
        assert len(np.unique(picture)) == 3


def test_area_average_is_the_mean_over_boxes():
    canvas = np.random.default_rng(0).random((8 * SUPERSAMPLING, 8 * SUPERSAMPLING)).astype(np.float32)
    by_hand = canvas.reshape(8, SUPERSAMPLING, 8, SUPERSAMPLING).mean(axis=(1, 3))
    np.testing.assert_allclose(area_average(canvas), by_hand, atol=1e-6)


def test_area_sample_weighs_levels_by_coverage():
    sheet = Sheet(4, labels=True)
    sheet.rectangle(1.0, 0.0, 2.5, 4.0, 1)
    expected = np.tile([0.2, 1.0, 0.6, 0.2], (4, 1))
    np.testing.assert_allclose(area_sample(sheet.labels(), np.array([0.2, 1.0])), expected, atol=1e-6)


def test_disc_covers_its_area():
    sheet = Sheet(64)
    sheet.disc(30.2, 33.7, 12.0, 1.0)
    picture = sheet.averaged()
    assert picture.sum() == pytest.approx(np.pi * 144, rel=0.01)
    y, x = np.mgrid[:64, :64] + 0.5
    assert (picture * x).sum() / picture.sum() == pytest.approx(30.2, abs=0.1)
    assert (picture * y).sum() / picture.sum() == pytest.approx(33.7, abs=0.1)


def test_expose_leaves_a_flat_drawing_flat_and_turns_polarity():
    rng = np.random.default_rng(0)
    assert np.ptp(expose(np.ones((32, 32), np.float32), rng)) == 0
    ramp = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (32, 1))
    assert expose(ramp, rng, inverted=1, illumination=0)[0, 0] > expose(ramp, rng, inverted=1, illumination=0)[0, -1]


def test_fractal_noise_has_its_exponent():
    """The amplitude falls as f^-a between 1/64 and 1/4 cycles a pixel."""
    field = np.mean([np.abs(np.fft.fft2(fractal(256, 1.0, np.random.default_rng(i)))) for i in range(4)], axis=0)
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :])
    band = (frequency > 1 / 64) & (frequency < 1 / 4)
    slope = np.polyfit(np.log(frequency[band]), np.log(field[band]), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.05)


def test_radii_of_leaves_follow_the_cube_law():
    """With density r^-3 a share (1 - 4^-1) / (1 - 10^-2) of the radii from 1 to 10 lies under 2."""
    radii = power_law(20_000, 1.0, 10.0, np.random.default_rng(0))
    assert radii.min() >= 1
    assert radii.max() <= 10
    assert (radii < 2).mean() == pytest.approx(0.75 / 0.99, abs=0.01)


def test_stiff_curves_stay_straight():
    rng = np.random.default_rng(0)
    starts, headings = np.zeros((50, 2)), np.zeros(50)
    ends = [wandering(starts, headings, 100, 2, stiffness, rng)[:, -1] for stiffness in (20, 2000)]
    reach = [np.hypot(*end.T).mean() for end in ends]
    assert reach[1] > 95
    assert reach[0] < 0.9 * reach[1]


def test_draw_many_spreads_the_kinds_and_can_be_drawn_in_parts():
    kinds = ("steps", "points", "filaments")
    whole = draw_many(6, 64, 5, kinds)
    assert whole.dtype == np.uint8
    assert whole.shape == (6, 64, 64)
    parts = np.concatenate([draw_many(4, 64, 5, kinds), draw_many(2, 64, 5, kinds, first=4)])
    np.testing.assert_array_equal(whole, parts)
    assert (draw_many(1, 64, 6, kinds) != whole[:1]).any()
    alone = draw("points", 64, np.random.default_rng([5, 4]))
    assert np.abs(whole[4] / 255 - alone).max() <= 0.5 / 255 + 1e-6


def test_wrong_arguments_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(UnknownNameError, match="dead_leaves"):
        draw("dead_leafs", 64, rng)
    with pytest.raises(InputError, match="at least 32"):
        draw("steps", 8, rng)
    with pytest.raises(InputError, match="at least one kind"):
        draw_many(1, 64, 0, ())
