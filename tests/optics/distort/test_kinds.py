"""What single kinds of distortion do, where it can be told on paper."""

import math

import pytest
import skimage.data
import torch
from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.optics import jpeg as real_jpeg
from kukkiri.optics.distort import KINDS, distort
from kukkiri.optics.distort.colour import from_ycbcr, to_ycbcr
from kukkiri.optics.distort.exposure import from_light, to_light

FLAT = torch.full((1, 3, 128, 128), 0.5)


@pytest.fixture(scope="module")
def face() -> Tensor:
    return torch.from_numpy(skimage.data.astronaut()[16:144, 160:288].copy()).movedim(-1, 0)[None].float() / 255


def applied(name: str, image: Tensor, seed: int = 0, **values: float) -> Tensor:
    given = {key: torch.full((len(image),), value) for key, value in values.items()}
    return KINDS[name].apply(image, given, torch.Generator().manual_seed(seed))


def impulse() -> Tensor:
    image = torch.zeros(1, 1, 65, 65)
    image[..., 32, 32] = 1
    return image


def variances(spread: Tensor) -> tuple[float, float]:
    weights, at = spread[0, 0] / spread.sum(), torch.arange(65) - 32.0
    across, down = (weights.sum(0) * at.square()).sum(), (weights.sum(1) * at.square()).sum()
    return float(across), float(down)


def test_blurs_have_the_size_they_say() -> None:
    assert variances(applied("gaussian-blur", impulse(), sigma=2.0)) == pytest.approx((4.0, 4.0), rel=0.01)
    # A uniform disc of radius R has a variance of R²/4 on each axis, and pixels add 1/12.
    assert variances(applied("lens-blur", impulse(), radius=6.0)) == pytest.approx((9.08, 9.08), rel=0.03)
    across, down = variances(applied("motion-blur", impulse(), length=12.0))
    assert across + down == pytest.approx(12.0, rel=0.05)  # length²/12 along the path, and the pixels'


def test_jitter_moves_by_what_it_says_and_keeps_flat_parts() -> None:
    ramp = (torch.arange(256) / 255).expand(1, 1, 256, 256)
    moved = (applied("jitter", ramp, distance=2.0) - ramp)[..., 20:-20] * 255
    assert float(moved.std()) == pytest.approx(2.0, rel=0.03)
    torch.testing.assert_close(applied("jitter", FLAT, distance=3.0), FLAT)


@pytest.mark.parametrize("name", ["downscale-bicubic", "downscale-bilinear", "downscale-nearest"])
def test_what_a_smaller_picture_cannot_hold_is_gone(name: str, face: Tensor) -> None:
    assert torch.allclose(applied(name, FLAT, factor=3.7), FLAT, atol=1e-5)
    torch.testing.assert_close(applied(name, face, factor=1.0), face, atol=1e-5, rtol=0)
    if name == "downscale-nearest":
        once = applied(name, face, factor=2.0)
        assert torch.equal(once[..., ::2, ::2], once[..., 1::2, 1::2])
        assert torch.equal(once[..., ::2, ::2], face[..., 1::2, 1::2])


def test_noise_has_the_strength_it_says() -> None:
    def spread(name: str, **values: float) -> float:
        return float((applied(name, FLAT, **values) - FLAT).std())

    assert spread("white-noise", sigma=0.05) == pytest.approx(0.05, rel=0.02)
    assert spread("correlated-noise", sigma=0.05) == pytest.approx(0.05, rel=0.05)
    assert spread("multiplicative-noise", sigma=0.1) == pytest.approx(0.05, rel=0.02)
    assert spread("shot-noise", photons=400.0) == pytest.approx(math.sqrt(0.5 / 400), rel=0.02)
    hit = applied("impulse-noise", FLAT, share=0.1)
    assert float((hit == 0).float().mean()) == pytest.approx(0.05, abs=0.005)
    assert float((hit == 1).float().mean()) == pytest.approx(0.05, abs=0.005)


def test_noise_is_where_it_should_be() -> None:
    chroma = applied("chroma-noise", FLAT, sigma=0.05)
    assert float((luma(chroma) - 0.5).abs().max()) < 1e-5
    assert float(to_ycbcr(chroma)[1].std()) == pytest.approx(0.05, rel=0.03)
    lines = applied("line-noise", FLAT, sigma=0.05)
    assert torch.equal(lines, lines[:, :1, :, :1].expand_as(lines))
    assert float(lines[0, 0, :, 0].std()) == pytest.approx(0.05, rel=0.3)
    grain = applied("correlated-noise", FLAT, sigma=0.05) - FLAT
    assert float((grain[..., 1:] * grain[..., :-1]).mean() / grain.square().mean()) > 0.7


def test_denoised_is_smooth_where_it_was_flat_and_keeps_edges() -> None:
    step = FLAT.clone()
    step[..., 64:] = 0.9
    done = applied("denoised", step, sigma=0.05)
    assert float(done[..., :50].std()) < 0.025
    assert float(done[..., 68:].mean() - done[..., :60].mean()) == pytest.approx(0.4, abs=0.02)


def test_codecs_are_the_real_ones(face: Tensor) -> None:
    assert torch.equal(applied("jpeg", face, quality=20.0), real_jpeg.jpeg(face, 20))
    for name in (name for name, kind in KINDS.items() if kind.eight_bit):
        levels = distort(face, name, 3) * 255
        torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)


def test_few_levels_and_few_colours(face: Tensor) -> None:
    assert len(applied("banding", face, levels=5.0).unique()) == 5
    few = applied("colour-quantisation", face, colours=6.0)
    assert 3 <= len(few[0].flatten(1).T.unique(dim=0)) <= 6


def test_blocks_that_are_lost_show_their_neighbours() -> None:
    noise = torch.rand(1, 3, 160, 160, generator=torch.Generator().manual_seed(1))
    changed = applied("block-loss", noise, share=0.2) != noise
    blocks = changed.any(1).reshape(10, 16, 10, 16).any(3).any(1)
    assert int(blocks.sum()) == 20
    row, column = next((r, c) for r, c in blocks.nonzero().tolist() if c > 0)
    shown = applied("block-loss", noise, share=0.2)[..., row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]
    assert torch.equal(shown, noise[..., row * 16 : row * 16 + 16, column * 16 - 16 : column * 16])


def test_light(face: Tensor) -> None:
    torch.testing.assert_close(from_light(to_light(face)), face, atol=1e-5, rtol=0)
    assert float(to_light(torch.tensor(0.5))) == pytest.approx(0.21404, abs=1e-5)  # IEC 61966-2-1
    twice = to_light(applied("brighter", face, stops=1.0))
    torch.testing.assert_close(twice, (2 * to_light(face)).clamp(0, 1), atol=1e-5, rtol=0)
    torch.testing.assert_close(applied("darker", applied("brighter", FLAT, stops=1.0), stops=1.0), FLAT)
    there = applied("gamma-brighter", applied("gamma-darker", face, gamma=1.8), gamma=1.8)
    torch.testing.assert_close(there, face, atol=1e-4, rtol=0)
    shifts = {round(float(applied("mean-shift", FLAT, seed, shift=0.1).mean()), 4) for seed in range(12)}
    assert shifts == {0.4, 0.6}


def test_contrast(face: Tensor) -> None:
    lower = applied("lower-contrast", face, factor=0.4)
    assert float(luma(lower).mean()) == pytest.approx(float(luma(face).mean()), abs=1e-5)
    assert float(luma(lower).std()) == pytest.approx(0.4 * float(luma(face).std()), rel=1e-4)
    faded = applied("faded", torch.tensor([0.0, 1.0]).expand(1, 1, 2, 2), lift=0.3)
    assert faded.unique().tolist() == pytest.approx([0.3, 1.0])


def test_colours(face: Tensor) -> None:
    y, chroma = to_ycbcr(face)
    torch.testing.assert_close(from_ycbcr(y, chroma), face, atol=1e-5, rtol=0)
    grey = applied("saturation-down", face, factor=0.0)
    assert float((grey.amax(1) - grey.amin(1)).max()) < 1e-5
    turned = to_ycbcr(applied("hue-shift", 0.4 + 0.2 * face, angle=40.0))
    before = to_ycbcr(0.4 + 0.2 * face)
    torch.testing.assert_close(turned[0], before[0], atol=1e-5, rtol=0)
    cosine = (turned[1] * before[1]).sum() / before[1].square().sum()
    assert float(cosine) == pytest.approx(math.cos(math.radians(40)), abs=1e-4)
    cast = applied("colour-cast", FLAT, strength=0.3)
    assert float(luma(to_light(cast)).mean()) == pytest.approx(0.21404, rel=1e-3)
    assert float(cast.amax() - cast.amin()) > 0.05
    assert torch.equal(applied("chromatic-aberration", face, distance=3.0)[:, 1], face[:, 1])
    soft = to_ycbcr(applied("colour-diffusion", 0.3 + 0.4 * face, sigma=4.0))
    torch.testing.assert_close(soft[0], 0.3 + 0.4 * y, atol=1e-5, rtol=0)


def test_ringing_passes_low_frequencies_alone() -> None:
    at = torch.arange(128) + 0.5
    low, high = (0.5 + 0.3 * torch.cos(math.pi * k * at / 128).expand(1, 1, 128, 128) for k in (20, 60))
    torch.testing.assert_close(applied("ringing", low, cutoff=0.25), low, atol=1e-5, rtol=0)
    torch.testing.assert_close(applied("ringing", high, cutoff=0.25), torch.full_like(high, 0.5), atol=1e-5, rtol=0)


def test_things_out_of_place() -> None:
    ghost = applied("ghosting", impulse(), opacity=0.25, distance=10.0)
    assert float(ghost[..., 32, 32]) == pytest.approx(0.75)
    ghost[..., 32, 32] = 0
    y, x = (ghost[0, 0] == ghost.max()).nonzero()[0].tolist()
    assert math.hypot(y - 32, x - 32) == pytest.approx(10, abs=0.8)
    noise = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    for name, share in (("eccentric-patches", 0.05), ("colour-blocks", 0.05)):
        changed = (applied(name, noise, share=share) != noise).any(1).float().mean()
        assert float(changed) == pytest.approx(share, rel=0.2), name
    blocks = applied("pixelate", noise, side=8.0)
    torch.testing.assert_close(blocks[..., ::8, ::8], torch.nn.functional.avg_pool2d(noise, 8))
    assert torch.equal(blocks[..., ::8, ::8], blocks[..., 7::8, 7::8])


def test_sharpening_keeps_flat_parts_and_overshoots_at_edges() -> None:
    step = FLAT.clone()
    step[..., 64:] = 0.7
    done = applied("over-sharpening", step, amount=2.0)
    torch.testing.assert_close(done[..., :40], step[..., :40])
    assert float(done.max()) > 0.75 and float(done.min()) < 0.45


def test_small_jpeg2000_pictures_still_show_something(face: Tensor) -> None:
    small = face[..., 30:78, 30:78]
    few, more = (applied("jpeg2000", small, bits=bits) for bits in (0.1, 1.0))
    assert float(few.std()) > 0.3 * float(small.std())
    assert float((more - small).square().mean()) < 0.3 * float((few - small).square().mean())
