"""Registration against motions that are known: each picture is made here by SciPy, not by our own warp."""

import io
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from scipy import ndimage
from skimage import data

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.colour import luma
from kukkiri.images.image import Image
from kukkiri.images.registration import LEAST_LIKENESS, register
from kukkiri.images.registration_checks import coded_coarsely, likeness_of_parts
from kukkiri.images.warping import transformed

Array = NDArray[np.float64]
SIZE = (260, 340)


def photograph(name: str = "coffee") -> Array:
    return np.moveaxis(getattr(data, name)().astype(np.float64) / 255, 2, 0)


def motion(
    scale: float = 1.0,
    turn: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    shear: float = 0.0,
    tilt: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """Around (200, 150): scale, turn in degrees, shift and shear in pixels of the reference, perspective."""
    c, s = scale * math.cos(math.radians(turn)), scale * math.sin(math.radians(turn))
    middle = np.array([[1, 0, -200], [0, 1, -150], [0, 0, 1.0]])
    affine = np.array([[c, -s + shear, 200 + shift[0]], [s, c, 150 + shift[1]], [0, 0, 1.0]])
    return affine @ np.array([[1, 0, 0], [0, 1, 0], [tilt[0], tilt[1], 1.0]]) @ middle


def seen(reference: Array, matrix: Array, size: tuple[int, int] = SIZE) -> Array:
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    across, down = transformed(matrix, x, y)
    channels = [ndimage.map_coordinates(c, [down, across], order=5, mode="mirror") for c in reference]
    return np.clip(np.stack(channels), 0, 1)


def scanned(picture: Array, noise: float = 0.02) -> Array:
    """Gain 0.8, offset 0.08, gamma 1.3, a blur of 0.7 px, and noise."""
    soft = ndimage.gaussian_filter(picture, (0, 0.7, 0.7)) ** 1.3 * 0.8 + 0.08
    return np.clip(soft + np.random.default_rng(0).normal(0, noise, picture.shape), 0, 1)


def as_picture(array: Array) -> Image:
    return Image(torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)))


def worst(found: Array, true: Array, reference: tuple[int, ...], scale: float, size: tuple[int, int] = SIZE) -> float:
    """Largest distance between two motions where both pictures are, in pixels of the picture."""
    y, x = np.mgrid[0 : size[0] - 1 : 9j, 0 : size[1] - 1 : 9j]
    a, b = np.array(transformed(found, x, y)), np.array(transformed(true, x, y))
    inside = (b[0] >= 0) & (b[0] < reference[-1]) & (b[1] >= 0) & (b[1] < reference[-2])
    return float(np.hypot(*(a - b))[inside].max()) / scale


@pytest.mark.parametrize(
    ("kind", "true", "scale"),
    [
        ("translation", motion(shift=(3.37, -2.71)), 1.0),
        pytest.param("translation", motion(shift=(43.4, -32.6)), 1.0, marks=pytest.mark.slow),
        ("affine", motion(1.01, 1.3, (4.2, -3.3), 0.01), 1.01),
        pytest.param("affine", motion(0.93, -4, (14.2, -8.3), 0.02), 0.93, marks=pytest.mark.slow),
        ("homography", motion(1.02, 2, (4, 2), 0.01, (1e-4, -7e-5)), 1.02),
    ],
)
def test_a_known_motion_is_found_to_a_twentieth_of_a_pixel(kind: str, true: Array, scale: float) -> None:
    """In spite of other tones, a blur, and noise of 2 %; the worst place counts, not the mean."""
    reference = photograph()
    found = register(as_picture(scanned(seen(reference, true))), as_picture(reference), kind)
    assert worst(found.matrix, true, reference.shape, scale) < 0.05
    assert found.correlation > 0.9 and found.misfit < 0.1 and found.residual < 0.02


@pytest.mark.parametrize(("scale", "turn"), [(1.0, 93.0), pytest.param(0.6, 0.4, marks=pytest.mark.slow)])
def test_turned_pictures_and_other_resolutions_are_found(scale: float, turn: float) -> None:
    reference, true = photograph("astronaut"), motion(scale, turn, (20.0, 13.0))
    found = register(as_picture(scanned(seen(reference, true))), as_picture(reference))
    # The coarser of the two has the pixels that count.
    assert worst(found.matrix, true, reference.shape, max(scale, 1.0)) < 0.05
    assert found.scale == pytest.approx(scale, rel=1e-3) and found.turn == pytest.approx(turn, abs=0.03)


def test_half_a_pixel_without_any_interpolation() -> None:
    """Both are means over 2 × 2 pixels of one photograph, one row and three columns apart: 0.5 and 1.5 px."""
    fine = photograph("astronaut")

    def halved(top: int, left: int) -> Array:
        cut = fine[:, top : top + 400, left : left + 400]
        return cut.reshape(3, 200, 2, 200, 2).mean((2, 4))

    found = register(as_picture(halved(41, 43)), as_picture(halved(40, 40)), "translation")
    assert found.matrix[:2, 2] == pytest.approx([1.5, 0.5], abs=0.03)
    warped, left_out = found.apply(as_picture(halved(40, 40)))
    error = (warped.pixels - as_picture(halved(41, 43)).pixels)[:, ~left_out].square().mean().sqrt()
    unaligned = np.sqrt(np.square(halved(41, 43) - halved(40, 40)).mean())
    assert float(error) < unaligned / 4


def test_tones_are_told_apart_from_the_motion() -> None:
    """Gain, offset and gamma of `scanned`; and a vignette that no tone curve can hold does not move anything."""
    reference, true = photograph(), motion(1.01, 1.3, (4.2, -3.3))
    found = register(as_picture(scanned(seen(reference, true), 0.005)), as_picture(reference))
    for curve in found.tones:
        assert (curve.gain, curve.offset, curve.gamma) == pytest.approx((0.8, 0.08, 1.3), abs=0.03)
    y, x = np.mgrid[-1 : 1 : SIZE[0] * 1j, -1 : 1 : SIZE[1] * 1j]
    found = register(as_picture(seen(reference, true) * (1 - 0.3 * (x**2 + y**2))), as_picture(reference))
    assert worst(found.matrix, true, reference.shape, 1.01) < 0.05


def test_of_itself_a_picture_is_not_moved() -> None:
    picture = as_picture(photograph())
    found = register(picture, picture)
    assert np.abs(found.matrix - np.eye(3)).max() < 1e-3 and found.overlap == 1 and found.misfit < 1e-3
    again = register(picture, picture)
    assert np.array_equal(found.matrix, again.matrix)


def test_what_lies_outside_the_reference_does_not_count() -> None:
    reference = photograph()[:, :250, :300]
    true = motion(shift=(60.0, 0.0))
    picture = seen(reference, true)
    found = register(as_picture(picture), as_picture(reference), "translation")
    warped, left_out = found.apply(as_picture(reference), tones=False)
    assert tuple(warped.pixels.shape) == picture.shape
    # Columns 0 … 239 of the picture are columns 60 … 299 of the reference, and rows 0 … 249 the same rows.
    assert not left_out[1:249, :238].any() and left_out[:, 242:].all() and left_out[252:].all()
    assert found.overlap == pytest.approx(240 * 250 / (SIZE[0] * SIZE[1]), abs=0.01)
    error = (warped.pixels - as_picture(picture).pixels)[:, 1:248, :237].abs().mean()
    assert float(error) < 2e-3


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda x: photograph("chelsea")[:, : x.shape[1], : x.shape[2]], "one scene"),
        pytest.param(lambda x: x[:, :, ::-1], "between parts", marks=pytest.mark.slow),  # a cup is much like itself
        pytest.param(lambda x: 1 - x, "one scene", marks=pytest.mark.slow),
        pytest.param(lambda x: np.full_like(x, 0.5), "one scene", marks=pytest.mark.slow),
    ],
    ids=["another picture", "mirrored", "inverted", "flat"],
)
def test_pictures_that_do_not_match_are_refused(spoil: Callable[[Array], Array], reason: str) -> None:
    reference = photograph()[:, :220, :300]
    with pytest.raises(InputError, match=reason):
        register(as_picture(spoil(reference)), as_picture(reference))


def test_a_motion_that_does_not_fit_is_refused() -> None:
    """A turn of 4° leaves 8 px at the border of a translation."""
    reference = photograph()
    picture = seen(reference, motion(turn=4.0))
    with pytest.raises(InputError, match="one scene|between parts"):
        register(as_picture(picture), as_picture(reference), "translation")


def test_little_overlap_is_refused() -> None:
    """A fifth of the picture is the reference, the rest is noise."""
    picture = np.random.default_rng(0).uniform(0, 1, (3, 400, 400)) * 0.05 + 0.5
    reference = photograph()[:, 100:276, 100:280]
    picture[:, 110:286, 120:300] = reference
    with pytest.raises(InputError, match="covers at least 25%"):
        register(as_picture(picture), as_picture(reference), "translation")


def test_wrong_use_is_explained() -> None:
    colour = as_picture(photograph()[:, :100, :100])
    with pytest.raises(InputError, match="a motion: translation, affine, homography"):
        register(colour, colour, "rigid")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="at least 48 px"):
        register(as_picture(photograph()[:, :40, :100]), colour)
    with pytest.raises(ShapeError, match="3 channels, got 1"):
        register(colour, as_picture(photograph()[:1, :100, :100]))


def test_it_describes_itself() -> None:
    reference = as_picture(photograph())
    found = register(as_picture(seen(photograph(), motion(shift=(3.0, 0.0)))), reference, "translation")
    assert "translation" in found.describe() and "overlap" in found.describe()
    row = found.to_row()
    assert row["motion"] == "translation" and len(row["matrix"]) == 3 and len(row["gain"]) == 3
    assert found.shift == pytest.approx((169.5 + 3.0, 129.5), abs=0.02)


def barred(picture: Array, height: int = 40) -> tuple[Array, torch.Tensor]:
    """With a black bar and white letters of a sort along the lower edge, and the mask of that."""
    found, mask = picture.copy(), torch.zeros(picture.shape[1:], dtype=torch.bool)
    found[:, -height:], mask[-height:] = 0, True
    found[:, -height + 10 : -10, 10:200:7] = 1
    return found, mask


def test_a_masked_bar_neither_holds_the_motion_nor_bends_the_tones() -> None:
    reference, true = photograph()[:, :280, :360], motion(shift=(-9.0, 13.0))
    picture = seen(photograph()[:, :280, :360], true, (260, 340))
    marked, mask = barred(reference)
    own, own_mask = barred(picture)
    for image, seen_mask in ((picture, None), (own, own_mask)):
        found = register(as_picture(image), as_picture(marked), "translation", mask=seen_mask, reference_mask=mask)
        assert worst(found.matrix, true, reference.shape, 1.0, (200, 340)) < 0.02
        assert found.residual < 0.002
        assert all((t.gain, t.offset, t.gamma) == pytest.approx((1, 0, 1), abs=0.01) for t in found.tones)


def page(seed: int, boxes: bool = False) -> Array:
    """A page of prose in words that are drawn by chance, or of a form filled in by chance."""
    rng = np.random.default_rng(seed)
    sheet = Pillow.new("L", (420, 540), 250)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for top in range(20, 520, 20 if not boxes else 30):
        if boxes:
            draw.line((15, top - 4, 405, top - 4), fill=20, width=2)
        left = 20.0
        while left < 350:
            word = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(2, 9)))
            draw.text((left, top), word, fill=20, font=font)
            left += 78 if boxes else draw.textlength(word + " ", font=font)
    for left in range(15, 410, 78) if boxes else ():
        draw.line((left, 16, left, 520), fill=20, width=2)
    return np.repeat(np.asarray(sheet, np.float64)[None] / 255, 3, 0)


@pytest.mark.parametrize("boxes", [False, True], ids=["prose", "form"])
def test_another_page_of_the_same_layout_is_refused(boxes: bool) -> None:
    """Its lines and boxes agree; the right page is accepted under a blur and noise that hide more."""
    right, wrong = page(1, boxes), page(2, boxes)
    picture = ndimage.gaussian_filter(ndimage.shift(right, (0, 1.3, -2.4), order=3, mode="nearest"), (0, 1.2, 1.2))
    picture = scanned(picture, 0.04)
    found = register(as_picture(picture), as_picture(right), "translation")
    assert found.shift == pytest.approx((209.5 + 2.4, 269.5 - 1.3), abs=0.1)
    with pytest.raises(InputError, match="parts that look alike|above chance|one scene|between parts"):
        register(as_picture(picture), as_picture(wrong), "translation")


def test_the_gate_is_what_refuses_it() -> None:
    """Without it, pages of one layout would pass: lines of text agree at a coarse resolution."""
    grey = [luma(as_picture(page(seed, True)).pixels[None]) for seed in (1, 2)]
    assert likeness_of_parts(grey[0], grey[0], np.eye(3)) > 0.99
    assert likeness_of_parts(grey[0], grey[1], np.eye(3)) < LEAST_LIKENESS


def test_strong_compression_is_told_by_its_blocks() -> None:
    """At JPEG quality 5 grass has lost the detail that the gate looks at; it is the right picture all the same."""
    grey = data.grass()[:240, :320]
    packed = io.BytesIO()
    Pillow.fromarray(grey).save(packed, "JPEG", quality=5)
    coded, plain = (as_picture(np.asarray(x, np.float64)[None] / 255) for x in (Pillow.open(packed), grey))
    assert coded_coarsely(coded.pixels[None]) and not coded_coarsely(plain.pixels[None])
    assert likeness_of_parts(coded.pixels[None], plain.pixels[None], np.eye(3)) < LEAST_LIKENESS
    assert register(coded, plain, "translation").misfit < 1


def test_a_part_that_differs_does_not_make_it_another_picture() -> None:
    reference = photograph()[:, :260, :340]
    picture = reference.copy()
    picture[:, 160:, 220:] = picture[:, :159:-1, 220:]
    assert register(as_picture(picture), as_picture(reference), "translation").correlation > 0.5
