"""Overlays are found with exact rows, and recorded content is left alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from scipy import ndimage
from skimage import data

import kukkiri as kk
from images import sem_like
from kukkiri.images.image import as_image
from kukkiri.images.masks import Box
from kukkiri.images.overlays import Overlay, Overlays, find_overlays

BOTTOM = [name for name, style in sem_like.STYLES.items() if style.side == "bottom"]
PICTURES = ("astronaut", "coffee", "chelsea", "rocket", "camera", "moon", "coins", "brick", "grass", "gravel", "cell")
PICTURES += ("text", "page", "clock", "immunohistochemistry")


def info_bar(picture: np.ndarray) -> Box:
    found = find_overlays(picture).found
    assert [o.kind for o in found] == ["info-bar"], found
    return found[0].box


@pytest.mark.parametrize("style", BOTTOM)
@pytest.mark.parametrize("content", ["particles", "smooth", "bright", "dark"])
@pytest.mark.parametrize("bits", [8, 16])
def test_every_style_is_found_to_the_row(style: str, content: str, bits: int) -> None:
    # 'dark' touches black bars, 'bright' white ones. At most two rows of the picture may go with the bar, and none of
    # the bar's may stay.
    made = sem_like.with_bar(sem_like.specimen(content, 480, 640, noise=0.03, seed=7), style, bits=bits)
    box = info_bar(made.picture)
    assert 0 <= made.start - box.top <= 2
    assert (box.left, box.width, box.top + box.height) == (0, 640, made.picture.shape[0])


@pytest.mark.parametrize("style", BOTTOM)
@pytest.mark.parametrize("top", [65535, 4095, 1023, 255])
def test_every_style_is_found_where_16_bits_are_used_in_part(style: str, top: int) -> None:
    # Cameras of 10 and 12 bits, and 8-bit pictures stored as they are in 16 bits.
    made = sem_like.with_bar(sem_like.specimen("particles", 480, 640, noise=0.03, seed=7), style, bits=16)
    picture = np.round(made.picture / 65535 * top).astype(np.uint16)
    assert 0 <= made.start - info_bar(picture).top <= 2


@pytest.mark.parametrize("top", [65535, 4095, 255])
def test_text_is_found_where_16_bits_are_used_in_part(top: int) -> None:
    clean = np.round(sem_like.specimen("fibres", 480, 640, noise=0.03, seed=3) * 255).astype(np.uint8)
    picture, (upper, left, lower, right) = sem_like.write_text(clean, "15.0kV X5,000 11:42", (430, 30), 18)
    mask = find_overlays(np.round(picture / 255 * top).astype(np.uint16)).mask
    assert mask is not None
    assert bool(mask[upper:lower, left:right].all())


@pytest.mark.parametrize("style", BOTTOM)
@pytest.mark.parametrize(("height", "width"), [(480, 640), (474, 651)])  # on and off the grid of 8×8 blocks
def test_every_style_is_found_after_jpeg(style: str, height: int, width: int) -> None:
    made = sem_like.with_bar(sem_like.specimen("grains", height, width, noise=0.05, seed=3), style, jpeg=95)
    assert 0 <= made.start - info_bar(made.picture).top <= 2


@pytest.mark.parametrize("quality", [90, 85, 75])
@pytest.mark.parametrize("height", [614, 707, 730])
def test_two_lines_on_dark_grey_after_stronger_jpeg(quality: int, height: int) -> None:
    # The ringing leaves no constant row above the upper line: it must go with the bar all the same.
    clean = sem_like.specimen("grains", height, 1024, noise=0.03, seed=3)
    made = sem_like.with_bar(clean, "dark-grey", jpeg=quality)
    assert 0 <= made.start - info_bar(made.picture).top <= 4


@pytest.mark.parametrize("style", ["top", "left"])
def test_other_borders(style: str) -> None:
    made = sem_like.with_bar(sem_like.specimen("grains", 480, 640, noise=0.04, seed=5), style)
    box = info_bar(made.picture)
    end = box.height if style == "top" else box.width
    assert 0 <= end - made.stop <= 2
    assert (box.top, box.left) == (0, 0)


@pytest.mark.parametrize("metric", ["laplacian-variance", "tenengrad"])
@pytest.mark.parametrize("style", ["jeol", "zeiss-white", "fei-table"])
def test_sharpness_equals_that_without_the_bar(style: str, metric: str) -> None:
    made = sem_like.with_bar(sem_like.specimen("particles", 480, 640, noise=0.02, seed=1), style)
    measure = kk.metric(metric)
    clean = float(measure(made.clean))
    masked = float(measure(made.picture, mask=find_overlays(made.picture).mask))
    assert masked == pytest.approx(clean, rel=0.02)
    assert float(measure(made.picture)) > 1.1 * clean  # what the mask is for


def test_full_size_picture() -> None:
    made = sem_like.with_bar(sem_like.specimen("fibres", 2880, 4096, noise=0.03, seed=2), "fei-table")
    box = info_bar(made.picture)
    assert 0 <= made.start - box.top <= 2
    measure = kk.metric("laplacian-variance")
    masked = float(measure(made.picture, mask=find_overlays(made.picture).mask))
    assert masked == pytest.approx(float(measure(made.clean)), rel=0.02)


def test_bar_that_floats_above_the_border() -> None:
    # Zeiss draws the bar two rows above the border and one column in; the picture shows around it.
    made = sem_like.with_bar(sem_like.specimen("particles", 700, 1024, noise=0.02, seed=4), "zeiss-black")
    around = np.round(sem_like.specimen("particles", *made.picture.shape, noise=0.02, seed=5) * 255).astype(np.uint8)
    picture = made.picture.copy()
    picture[-2:], picture[:, :1], picture[:, -1:] = around[-2:], around[:, :1], around[:, -1:]
    box = info_bar(picture)
    assert 0 <= made.start - box.top <= 2
    assert box.top + box.height == picture.shape[0]


def test_half_covered_row_goes_with_the_bar() -> None:
    made = sem_like.with_bar(sem_like.specimen("grains", 480, 640, noise=0.02, seed=6), "fei-white")
    picture = made.picture.copy()
    picture[made.start - 1] = (picture[made.start - 1].astype(float) + 255) / 2  # as a resized screen copy has it
    assert info_bar(picture).top == made.start - 1


def test_specimen_on_clipped_black_above_a_black_bar() -> None:
    # Nothing parts the two but the letters: the content must stay, the letters must go.
    clean = np.clip(sem_like.specimen("dark", 480, 640, noise=0.01, seed=9) - 0.03, 0, 1)
    made = sem_like.with_bar(clean, "jeol")
    box = info_bar(made.picture)
    letters = np.flatnonzero((made.picture[made.start :] > 128).any(1))
    assert box.top <= made.start + letters[0]
    assert box.top >= made.start - 12


def test_rows_stated_by_the_file_are_trusted_if_plausible() -> None:
    made = sem_like.with_bar(sem_like.specimen("grains", 480, 640, seed=8), "sparse")
    rows = made.stop - made.start
    blank = made.picture.copy()
    blank[made.start :] = 0  # without letters only the file knows
    stated = dataclasses.replace(as_image(blank), metadata={"info_bar_rows": rows})
    assert find_overlays(stated).found == (Overlay("info-bar", Box(made.start, 0, rows, 640)),)
    assert find_overlays(blank).found == ()
    wrong = dataclasses.replace(as_image(made.clean), metadata={"info_bar_rows": rows})
    assert find_overlays(wrong).found == ()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("smooth", [True, False])
def test_text_without_a_bar(bits: int, smooth: bool) -> None:
    clean = np.round(sem_like.specimen("fibres", 480, 640, noise=0.03, seed=3) * 255).astype(np.uint8)
    picture, (top, left, bottom, right) = sem_like.write_text(
        clean, "15.0kV X5,000 11:42", (430, 30), 18, smooth=smooth
    )
    found = find_overlays(picture.astype(np.uint16) * 257 if bits == 16 else picture)
    assert found.mask is not None
    assert bool(found.mask[top:bottom, left:right].all())
    assert float(found.mask.float().mean()) < 4 * (bottom - top) * (right - left) / clean.size
    assert {o.kind for o in found.found} == {"text"}


@pytest.mark.parametrize("ink", [(255, 255, 0), (0, 255, 0), (255, 255, 255)])
def test_coloured_text_and_scale_bar_on_a_photograph(ink: tuple[int, int, int]) -> None:
    picture, box = sem_like.write_text(data.coffee(), "500 um", (330, 420), 20, ink=ink)
    picture = sem_like.draw_scale_bar(picture, (365, 400), (6, 130), ink=ink, ticks=4)
    found = find_overlays(picture)
    assert {o.kind for o in found.found} == {"scale-bar", "text"}
    assert found.mask is not None
    assert bool(found.mask[365:371, 400:530].all())
    assert bool(found.mask[box[0] : box[2], box[1] : box[3]].all())


def test_label_box_and_time_stamp_after_jpeg() -> None:
    white = (255, 255, 255)
    stamped, box = sem_like.write_text(data.astronaut(), "2026-11-22 10:41", (460, 20), 20, ink=white, box=(0, 0, 0))
    found = find_overlays(sem_like.jpeg_copy(stamped, 90))
    assert found.mask is not None
    assert bool(found.mask[box[0] : box[2], box[1] : box[3]].all())


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize("psf", [0.7, 1.0])
@pytest.mark.parametrize("quality", [None, 92])
def test_photographed_letters_that_are_clipped_are_content(name: str, psf: float, quality: int | None) -> None:
    # A white sign, overexposed by a fifth: the letters are exactly 255, but a lens has drawn their edges.
    scene = getattr(data, name)().astype(float)
    height, width = scene.shape[:2]
    sheet = Pillow.new("L", (4 * width, 4 * height), 0)
    font = ImageFont.load_default(size=120)
    ImageDraw.Draw(sheet).text((0.8 * width, 1.6 * height), "STOP  HERE  2024", fill=255, font=font)
    letters = np.asarray(sheet).reshape(height, 4, width, 4).mean((1, 3)) / 255
    letters = ndimage.gaussian_filter(letters, psf)[:, :, None]
    noise = np.random.default_rng(1).normal(0, 3, scene.shape)
    recorded = np.clip(scene * (1 - letters) + 300 * letters + noise, 0, 255).astype(np.uint8)
    assert find_overlays(recorded if quality is None else sem_like.jpeg_copy(recorded, quality)).found == ()


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_is_found_in_real_pictures(name: str) -> None:
    # 'text' and 'page' hold printed text, which was recorded.
    assert find_overlays(getattr(data, name)()) == Overlays(None, ())


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
@pytest.mark.parametrize("change", ["overexposed", "crushed", "high-contrast", "posterised", "binary", "letterbox"])
def test_nothing_is_found_in_hard_copies(name: str, change: str) -> None:
    picture = getattr(data, name)().astype(float)
    if change == "letterbox":
        picture[-40:] = 0
    elif change == "binary":
        picture = 255 * (picture > 128)
    elif change == "posterised":
        picture = np.round(picture / 64) * 64
    else:
        gain, offset = {"overexposed": (3, 0), "crushed": (1.5, -120), "high-contrast": (3, -256)}[change]
        picture = gain * picture + offset
    assert find_overlays(np.clip(picture, 0, 255).astype(np.uint8)).found == ()


def test_nothing_is_found_in_a_screen_copy() -> None:
    # A window with a title bar, a page of text and a status line: all drawn, none of it over a picture.
    screen = Pillow.new("RGB", (800, 600), "white")
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 800, 32), fill=(40, 44, 52))
    draw.rectangle((0, 572, 800, 600), fill=(0, 122, 204))
    font = ImageFont.load_default(size=14)
    draw.text((10, 8), "overlays.py - editor", fill="white", font=font)
    draw.text((10, 578), "Ln 12, Col 40   UTF-8   Python 3.11", fill="white", font=font)
    for row in range(24):
        draw.text(
            (20 + 12 * (row % 3), 44 + 22 * row),
            "for level in levels: mask &= far(level, tolerance)",
            fill="black",
            font=font,
        )
    assert find_overlays(np.asarray(screen)).found == ()


def test_a_straight_horizon_under_a_blown_sky_is_content() -> None:
    # Constant white over the full width down to a sharp straight edge, with birds in it: no letters, no bar.
    sea = np.round(sem_like.specimen("grains", 400, 600, noise=0.05, seed=1) * 180).astype(np.uint8)
    sea[:60] = 255
    rng = np.random.default_rng(0)
    for _ in range(12):
        y, x = rng.integers(5, 50), rng.integers(10, 580)
        sea[y : y + rng.integers(2, 6), x : x + rng.integers(2, 12)] = 30
    assert find_overlays(ndimage.gaussian_filter(sea, 0.4)).found == ()


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket"])
@pytest.mark.parametrize(("width", "regular"), [(8, True), (3, True), (16, True), (8, False)])
@pytest.mark.parametrize("blur", [0.0, 0.7])
def test_posts_before_blown_snow_are_content(name: str, width: int, regular: bool, blur: float) -> None:
    # A strip of 255 along the bottom with dark posts of like height in it: letters for size, but with shades of their
    # own, or all alike.
    rng = np.random.default_rng(2)
    picture = getattr(data, name)().astype(float)
    rows = picture.shape[0] // 9
    scene, left = picture.copy(), 10
    scene[-rows:] = 300
    while left < picture.shape[1] - 30:
        w = width if regular else int(rng.integers(4, 14))
        scene[8 - rows : -8, left : left + w] = 0.4 * picture[8 - rows : -8, left : left + w]
        left += w + (14 if regular else int(rng.integers(6, 20)))
    blurred = ndimage.gaussian_filter(scene, (blur, blur, 0)) + rng.normal(0, 2, scene.shape)
    assert find_overlays(np.clip(blurred, 0, 255).astype(np.uint8)).found == ()


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3), (20, 20), (64, 64)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_tiny_and_constant_pictures(shape: tuple[int, int], value: int) -> None:
    assert find_overlays(np.full(shape, value, np.uint8)).found == ()


def test_description_names_kind_size_and_place() -> None:
    overlays = Overlays(
        torch.ones(8, 8, dtype=torch.bool),
        (Overlay("info-bar", Box(2880, 0, 192, 4096)), Overlay("text", Box(14, 20, 40, 310))),
    )
    assert overlays.describe() == "info-bar 4096×192 at 0,2880; text 310×40 at 20,14"
    assert Overlays(None, ()).describe() == ""
