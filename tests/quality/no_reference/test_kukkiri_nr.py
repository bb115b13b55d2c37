"""kukkiri-nr with its shipped weights: the contract, what is wrong with known damage, what it looks at."""

import pytest
import torch
from torch import Tensor

import kukkiri as kk
from contract import MetricContract, photograph
from kukkiri.errors import ShapeError
from kukkiri.images.resampling import imresize
from kukkiri.optics.distort import distort
from kukkiri.quality.no_reference.channel_statistics import HUES, hues, shifts
from kukkiri.quality.no_reference.kukkiri_nr import KukkiriNR
from kukkiri.quality.no_reference.quality_features import (
    FEATURES,
    LONGEST,
    PART,
    chosen_parts,
    quality_features,
    reduced,
)

GROUP_OF = {
    "gaussian-blur": "blur",
    "white-noise": "noise",
    "jpeg": "compression",
    "darker": "exposure",
    "higher-contrast": "contrast",
    "chromatic-aberration": "colour",
    "fog-uniform": "haze",
}


class TestKukkiriNR(MetricContract):
    name = "kukkiri-nr"
    worsened_by = ("blur", "noise")


@pytest.fixture(scope="module")
def judge() -> KukkiriNR:
    built = kk.metric("kukkiri-nr")
    assert isinstance(built, KukkiriNR)
    return built


@pytest.mark.parametrize("kind", GROUP_OF)
def test_what_is_wrong_with_a_spoilt_picture(judge: KukkiriNR, kind: str) -> None:
    for name in ("astronaut", "chelsea"):
        picture = photograph(name, 256, 320)
        clean, spoilt = judge.judge(torch.cat([picture, distort(picture, kind, 5, seed=1)]))
        assert clean.named == (), (name, clean)
        assert next(iter(spoilt.wrong)) == GROUP_OF[kind] and GROUP_OF[kind] in spoilt.named, (name, spoilt)
        assert spoilt.value < clean.value and spoilt.interval[1] < clean.interval[1]


def test_two_causes_are_both_named(judge: KukkiriNR) -> None:
    picture = photograph("astronaut", 256, 320)
    said = judge.judge(distort(distort(picture, "gaussian-blur", 4), "white-noise", 4))[0]
    assert {"blur", "noise"} <= set(list(said.wrong)[:3]), said


def test_the_score_is_the_judgement(judge: KukkiriNR) -> None:
    picture = photograph("coffee")
    said = judge.judge(picture)[0]
    assert float(judge(picture)) == pytest.approx(said.value)
    low, high = said.interval
    assert 0 <= low <= said.value <= high <= 100 and 0 <= said.unlike_training <= 1


def test_masks_of_all_and_of_each(judge: KukkiriNR) -> None:
    pictures = torch.cat([photograph("coffee", 128, 160), photograph("chelsea", 128, 160)])
    masks = torch.zeros(2, 128, 160, dtype=torch.bool)
    masks[0, :30], masks[1, :, 100:] = True, True
    found = judge.judge(pictures, mask=masks)
    assert [j.value for j in found] == pytest.approx(judge(pictures, mask=masks).tolist(), abs=1e-4)
    assert found[0] == judge.judge(pictures[:1, :, 30:])[0] and found[1] == judge.judge(pictures[1:, :, :, :100])[0]
    alone = judge.judge(pictures, mask=masks[:1])
    assert [j.value for j in alone] == pytest.approx([j.value for j in judge.judge(pictures[:, :, 30:])], abs=1e-4)
    with pytest.raises(ShapeError, match="one mask, or 1"):
        judge.judge(pictures[:1], mask=masks)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        # What the training saw: these must stay.
        ((321, 481), (192, 288)),
        ((481, 321), (288, 192)),
        ((300, 400), (192, 256)),
        ((200, 600), (192, 576)),
        ((200, 2000), (58, 576)),
        ((150, 190), (150, 190)),
        # Strips.
        ((64, 6000), (32, 576)),
        ((6000, 64), (576, 32)),
        ((32, 5000), (32, 576)),
        ((100, 4000), (32, 576)),
        ((190, 600), (182, 576)),
    ],
)
def test_no_side_of_the_whole_is_longer_than_its_bound(size: tuple[int, int], expected: tuple[int, int]) -> None:
    ramp = ((torch.arange(size[1]) + 0.5) / size[1]).expand(1, 3, *size)
    small = reduced(ramp)
    assert small.shape[-2:] == expected and max(expected) <= LONGEST
    # The whole of it, end to end.
    assert small[0, 0, 0] == pytest.approx((torch.arange(expected[1]) + 0.5) / expected[1], abs=2e-3)


@pytest.mark.parametrize(("height", "width"), [(321, 481), (375, 500), (600, 200)])
def test_an_ordinary_whole_stays_bit_for_bit(height: int, width: int) -> None:
    """By the rule that the training's material was made by."""
    picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    scale = min(192 / min(height, width), 576 / max(height, width))
    size = (round(height * scale), round(width * scale))
    assert torch.equal(reduced(picture), imresize(picture, size=size, method="bilinear").clamp(0, 1))


def test_a_zone_plate_is_no_photograph(judge: KukkiriNR) -> None:
    """Rings finer and finer were never in the training."""
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    assert judge.judge((0.5 + 0.5 * torch.cos((x * x + y * y) / 80))[None, None])[0].is_unlike_training
    assert not judge.judge(photograph("astronaut"))[0].is_unlike_training


def test_the_parts_cover_a_picture_or_are_spread_over_it() -> None:
    for height, width in ((40, 50), (321, 481), (PART, 3 * PART), (3000, 4000), (500, 20000), (20000, 300)):
        parts = chosen_parts(height, width)
        seen = torch.zeros(height, width, dtype=torch.bool)
        for rows, columns in parts:
            assert rows.stop - rows.start <= PART and columns.stop - columns.start <= PART
            seen[rows, columns] = True
        assert 1 <= len(parts) <= 9 and seen.any()
        if height * width <= 9 * 250 * 250 and max(height, width) <= 3 * PART:
            assert seen.all(), (height, width)


def test_features_have_one_size_and_are_finite(judge: KukkiriNR) -> None:
    for picture in (
        photograph("camera", 33, 47),
        photograph("coffee", 200, 400),
        torch.zeros(1, 3, 64, 64),
        torch.ones(1, 1, 400, 40),
    ):
        found = quality_features(judge.trunk, picture)
        assert found.shape == (1, FEATURES) and bool(found.isfinite().all())


def test_channels_that_are_shifted_apart() -> None:
    """Red one way, blue the other: found, in order, opposite to each other, and mirrored with the picture."""
    picture = photograph("astronaut", 200, 240)
    found = torch.stack([shifts(_apart(picture, distance))[0].view(3, 5) for distance in (0.0, 0.25, 0.5, 1.0, 2.0)])
    assert float(found[0, 0, :2].max()) < 0.2 and bool((found[0, 0, 3:] > 0.8).all())
    for channel in (0, 1):
        lengths = found[:, :, channel]
        assert bool((lengths[1:4, 0] > lengths[:3, 0] + 0.1).all()), lengths
        # Twice as far is found by half as many pixels.
        assert float(lengths[4, 1]) == pytest.approx(float(lengths[3, 0]), rel=0.35)
        # What is shifted less than a pixel is found as it is, or as somewhat more.
        assert 0.5 <= float(lengths[2, 0]) <= 1.0
    opposite = found[1:, 0, 2] / (found[1:, 0, 0] * found[1:, 0, 1])
    assert bool((opposite > 0.7).all())
    mirrored = shifts(_apart(picture, 0.5).flip(-1))[0].view(3, 5)
    assert mirrored == pytest.approx(found[2], abs=0.02)


def _apart(picture: Tensor, distance: float) -> Tensor:
    """Whole and half pixels by the Fourier shift theorem."""
    turn = torch.exp(-2j * torch.pi * torch.fft.fftfreq(picture.shape[-1]) * distance)
    spectra = torch.fft.fft(picture)
    return torch.stack(
        [
            torch.fft.ifft(spectra[:, 0] * turn).real,
            picture[:, 1],
            torch.fft.ifft(spectra[:, 2] * turn.conj()).real,
        ],
        1,
    ).clamp(0, 1)


def test_hues_are_where_they_are() -> None:
    """A red, a green and a blue picture: one hue each, a third of the circle apart; grey has none."""
    one = torch.tensor([0.8, 0.3, 0.1])
    colours = torch.stack([one, one.roll(1), one.roll(2)])[:, :, None, None].expand(-1, -1, 40, 40)
    places = [int(row[:HUES].argmax()) for row in hues(colours)]
    assert [(place - places[0]) % HUES for place in places] == [0, HUES // 3, 2 * HUES // 3]
    assert hues(colours)[:, :HUES].sum(1) == pytest.approx([1, 1, 1], abs=0.02)
    assert float(hues(torch.full((1, 3, 40, 40), 0.5))[0, :HUES].sum()) == 0
