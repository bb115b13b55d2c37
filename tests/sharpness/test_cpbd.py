import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data, feature
from torch import Tensor

import kukkiri as kk
from contract import MetricContract, blurred, fine_grained, noisy, photograph
from kukkiri.errors import ShapeError
from kukkiri.metrics import measure_tiled
from kukkiri.sharpness.cpbd import CLEAR, FAINT, edge_blocks

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "cpbd.json").read_text())["values"]


class TestCPBD(MetricContract):
    name = "cpbd"


def picture(name: str, height: int, width: int, sigma: float) -> np.ndarray:
    array = np.atleast_3d(getattr(data, name)())[:height, :width, :3].astype(np.float64)
    grey = array @ (0.298936021293776, 0.587043074451121, 0.114020904255103) if array.shape[2] == 3 else array[:, :, 0]
    return (ndimage.gaussian_filter(grey.round(), sigma) if sigma else grey).round().astype(np.uint8)


@pytest.mark.parametrize("name", sorted({row[0] for row in GOLDEN}))
def test_equals_the_published_port(name: str) -> None:
    """15 pictures, sharp and blurred, some of odd size, against python-cpbd itself; provenance in golden/cpbd.json."""
    rows = [row for row in GOLDEN if row[0] == name]
    assert len(rows) == 3
    for _, height, width, sigma, total, expected in rows:
        image = picture(name, height, width, sigma)
        assert int(image.sum()) == total, "not the picture that the port was given"
        assert float(kk.metric("cpbd")(image)) == pytest.approx(expected, abs=1e-6), (height, width, sigma)


def profile(*ramp: float, width: int = 64) -> np.ndarray:
    """128×128 levels: in each block of 64 columns, dark, then the ramp, then light; and back again in the next."""
    row = np.full(width, float(ramp[-1]))
    row[: width // 2] = ramp[0]
    row[width // 2 - 1 : width // 2 - 1 + len(ramp)] = ramp
    return np.tile(np.concatenate([row, row[::-1]]), (128, 1))


def cpbd(image: np.ndarray) -> float:
    return float(kk.metric("cpbd")(image.astype(np.uint8)))


@pytest.mark.parametrize(
    ("ramp", "expected"),
    [
        ((0, 100, 200), 1),  # 2 px wide
        ((0, 50, 140, 200), 1),  # 3 px: as wide as is just noticeable, and 63 % counts as sharp
        ((0, 40, 100, 160, 200), 0),  # 4 px
        ((0, 10, 25, 40, 50), 1),  # 4 px of contrast 50: 5 px are just noticeable
        ((0, 10, 26, 41, 51), 0),  # 4 px of contrast 51: 3 px are
        ((0, 3, 10, 31, 41, 50), 1),  # 5 px of contrast 50
        ((0, 3, 12, 25, 38, 47, 50), 0),  # 6 px of contrast 50
    ],
)
def test_single_ramp_by_hand(ramp: tuple[int, ...], expected: int) -> None:
    """All edges of these pictures have one width, as many pixels as the ramp has steps."""
    assert cpbd(profile(*ramp)) == expected
    assert cpbd(profile(*ramp)[:, ::-1]) == expected
    assert cpbd(255 - profile(*ramp)) == expected


def test_rising_edges_alone_count() -> None:
    """Where no gradient but rightward ones exists, the port finds no edge, by an oversight: every angle is then 0, and
    it takes that for a picture without angles. Here the edge counts."""
    row = np.concatenate([np.zeros(63), [100.0], np.full(64, 200.0)])
    assert cpbd(np.tile(row, (128, 1))) == 1


def test_share_of_narrow_edges_is_the_cumulative_histogram() -> None:
    """For every width that can occur, bin ≤ 63 of round(100·P), P = 1 − exp(−(w / w_J)^3.6), just where w ≤ w_J."""
    for noticeable in (FAINT, CLEAR):
        for width in range(2, 203):
            probability = 1 - math.exp(-((width / noticeable) ** 3.6))
            assert (round(100 * probability) <= 63) == (width <= noticeable), (width, noticeable)


def test_half_of_two_kinds_of_edges() -> None:
    """A picture of sharp blocks above and soft ones below: 126 rows in all, half of them sharp."""
    sharp, soft = profile(0, 100, 200)[:64], profile(0, 40, 100, 160, 200)[:64]
    assert cpbd(np.concatenate([sharp, soft])) == pytest.approx(0.5, abs=0.02)


def test_defined_without_edges() -> None:
    for image in (np.zeros((128, 128)), np.full((100, 70), 200), np.tile(np.arange(128)[:, None], (1, 128))):
        assert cpbd(image) == 0


def test_blocks_that_a_mask_touches_do_not_count() -> None:
    sharp, soft = profile(0, 100, 200), profile(0, 40, 100, 160, 200)
    image = np.concatenate([sharp, soft])
    mask = np.zeros(image.shape, bool)
    mask[140:150, :] = mask[200:210, :] = True
    assert float(kk.metric("cpbd")(image.astype(np.uint8), mask=mask)) == 1
    mask[30:100, 1:127] = True
    mask[[0, 0, -1, -1], [0, -1, 0, -1]] = False
    assert math.isnan(float(kk.metric("cpbd")(image.astype(np.uint8), mask=mask)))


def test_small_mask_costs_one_block() -> None:
    """Edges look 6 px far and no farther, so that a speck within one block leaves the others as they are."""
    image = photograph("coffee", 320, 320)
    mask = torch.zeros(320, 320, dtype=torch.bool)
    mask[150:170, 150:170] = True  # 64·2 + 6 ≤ 150, 170 + 6 ≤ 64·3
    whole, masked = (float(kk.metric("cpbd")(image, mask=m)) for m in (None, mask))
    assert 0 < abs(whole - masked) < 0.03


@pytest.mark.parametrize("amplitude", [0.01, 0.02, 0.03, 0.05, 0.1, 3.0])
def test_edge_blocks_are_canny_counts(amplitude: float) -> None:
    """Around the thresholds too, where neither bound settles it."""
    rng = np.random.default_rng(1)
    strength = np.kron(rng.uniform(0, 2, (4, 5)), np.ones((64, 64))) * amplitude
    image = (128 + strength * rng.normal(size=(256, 320))).astype(np.float32)
    image[:64, :64] = 128
    image[100:104, 100:104] += 3
    expected = feature.canny(image.astype(np.float64)).reshape(4, 64, 5, 64).sum((1, 3)) > 8.19
    assert np.array_equal(edge_blocks(torch.from_numpy(image)[None, None])[0, 0].numpy(), expected)


def test_sixteen_bits() -> None:
    """8-bit levels in a 16-bit file give the same number; the same scene finely resolved gives nearly the same."""
    for name in ("astronaut", "coffee", "camera"):
        eight = (photograph(name)[0] * 255).byte().permute(1, 2, 0).numpy()
        value = float(kk.metric("cpbd")(eight))
        assert float(kk.metric("cpbd")(eight.astype(np.uint16) * 257)) == value
        scene = fine_grained(photograph(name))
        rounded = (scene[0] * 255).round().byte().permute(1, 2, 0).numpy()
        assert float(kk.metric("cpbd")(scene)) == pytest.approx(float(kk.metric("cpbd")(rounded)), abs=0.03)


def test_tiles_agree_on_how_deep_the_picture_is() -> None:
    """One half on 8-bit levels, the other finer: a tile of the first half must not round."""
    image = photograph("coffee", 256, 384)
    image[..., 192:] = fine_grained(image)[..., 192:]
    whole = float(kk.metric("cpbd")(image))
    assert measure_tiled(kk.metric("cpbd"), image, size=64) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize(("name", "size"), [("rocket", 64), ("chelsea", 128), ("astronaut", 192)])
def test_tiles_of_whole_pictures(name: str, size: int) -> None:
    image = getattr(data, name)()
    whole = float(kk.metric("cpbd")(image))
    assert measure_tiled(kk.metric("cpbd"), image, size=size) == pytest.approx(whole, rel=1e-6)


def blocky(seed: int) -> Tensor:
    return noisy(torch.full((1, 1, 128, 128), 0.5), 0.02 * seed)


def test_noise_counts_as_sharp() -> None:
    """What the number cannot tell: pure noise has narrow edges. It must stay in range all the same."""
    values = [float(kk.metric("cpbd")(blocky(seed))) for seed in (1, 3)]
    assert all(0.7 < value <= 1 for value in values), values


def test_block_maps_hold_the_value() -> None:
    """The shares, weighted by the edges, are the value, of 8 bits and of finer pictures alike."""
    images = torch.cat([photograph("astronaut", 200, 256), fine_grained(photograph("coffee", 200, 256))])
    maps = kk.metric("cpbd").block_maps(images)
    assert maps.sharp.shape == maps.edges.shape == (2, 3, 4)
    pooled = (maps.sharp.nan_to_num() * maps.edges).sum((1, 2)) / maps.edges.sum((1, 2))
    torch.testing.assert_close(kk.metric("cpbd")(images), pooled.float(), rtol=1e-6, atol=0)


def test_block_maps_by_hand() -> None:
    """Sharp edges in the upper blocks, soft ones below; a flat block has none."""
    sharp, soft = profile(0, 100, 200)[:64], profile(0, 40, 100, 160, 200)[:64]
    image = np.concatenate([sharp, soft])
    image = np.concatenate([image, np.full((128, 64), 0.0)], 1)
    maps = kk.metric("cpbd").block_maps(torch.from_numpy(image)[None, None].float() / 255)
    assert maps.sharp[0, 0, :2].tolist() == [1, 1] and maps.sharp[0, 1, :2].tolist() == pytest.approx([0, 0], abs=0.05)
    assert bool(maps.sharp[0, :, 2].isnan().all()) and maps.edges[0, :, 2].tolist() == [0, 0]
    assert 60 <= float(maps.edges[0, 0, 0]) <= 64


def test_block_maps_show_where_the_blur_is() -> None:
    image = photograph("coffee", 192, 256)
    image[..., :128] = blurred(image, 2.0)[..., :128]
    sharp = kk.metric("cpbd").block_maps(image).sharp[0]
    assert float(sharp[:, :2].nanmean()) < 0.5 * float(sharp[:, 2:].nanmean())


def test_block_maps_of_anything_that_holds_a_picture() -> None:
    image = photograph("coffee", 128, 192)
    array = (image[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert torch.equal(kk.metric("cpbd").block_maps(array).edges, kk.metric("cpbd").block_maps(image).edges)
    with pytest.raises(ShapeError, match="at least 64 px"):
        kk.metric("cpbd").block_maps(image[..., :60])
