"""Haze, and its removal by the dark channel prior."""

import math

import pytest
import skimage.data
import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.optics.dark_channel import airlight_of, dark_channel, dehaze
from kukkiri.optics.haze import hazy, procedural_depth, smooth_field, transmission, turbulence


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def colour() -> Tensor:
    coffee = torch.from_numpy(skimage.data.coffee().copy()).float().movedim(2, 0)[None] / 255
    return torch.nn.functional.avg_pool2d(coffee, 2)[..., :192, :256]


def test_law_by_hand() -> None:
    """Twice the distance squares the transmission; I = 0.2·0.5 + 0.8·0.5 = 0.5."""
    t = transmission(torch.tensor([[[[1.0, 2.0]]]]), math.log(2))
    assert torch.allclose(t, torch.tensor([[[[0.5, 0.25]]]]))
    seen = hazy(torch.full((1, 1, 1, 2), 0.2), t, 0.8)
    assert torch.allclose(seen, torch.tensor([[[[0.5, 0.65]]]]))


def test_known_transmission_and_light_are_undone(colour: Tensor) -> None:
    depth = procedural_depth(1, 192, 256, seeded(1))
    light = torch.tensor([[0.8, 0.85, 0.9]])
    t = transmission(depth, 1.5)
    back = (hazy(colour, t, light) - light[:, :, None, None] * (1 - t)) / t
    assert torch.allclose(back, colour, atol=1e-5)


def test_gradients_reach_everything() -> None:
    image = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=seeded(), requires_grad=True)
    depth = torch.rand(2, 1, 4, 5, dtype=torch.float64, generator=seeded(1), requires_grad=True)
    beta = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
    light = torch.full((2, 3), 0.9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, d, b, a: hazy(i, transmission(d, b), a), (image, depth, beta, light))


def test_each_sample_its_own_air(colour: Tensor) -> None:
    two = colour.repeat(2, 1, 1, 1)
    t = transmission(torch.ones(2, 1, 192, 256), torch.tensor([0.1, 2.0]))
    light = torch.tensor([0.5, 1.0])
    both = hazy(two, t, light)
    for i in range(2):
        assert torch.equal(both[i : i + 1], hazy(colour, t[i : i + 1], float(light[i])))


@pytest.mark.parametrize("make", [procedural_depth, turbulence])
def test_scenes_are_seeded_and_the_same_at_every_size(make) -> None:  # type: ignore[no-untyped-def]
    small, again, other = make(2, 60, 80, seeded(3)), make(2, 60, 80, seeded(3)), make(2, 60, 80, seeded(4))
    assert torch.equal(small, again) and not torch.allclose(small, other, atol=0.05)
    assert float(small.min()) >= 0 and float(small.max()) <= 1
    large = torch.nn.functional.avg_pool2d(make(2, 240, 320, seeded(3)), 4)
    assert float((large - small).abs().mean()) < 0.02
    assert not torch.allclose(small[0], small[1], atol=0.05)


def test_far_is_above_near() -> None:
    depth = procedural_depth(64, 60, 80, seeded(0)).mean((0, 1, 3))
    assert float(depth[-10:].mean()) < 0.5 * float(depth[:10].mean())
    assert float(smooth_field(1, 5, 7, 1, seeded()).std()) < 1e-6


def test_wrong_air() -> None:
    depth = torch.ones(2, 1, 4, 4)
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(InputError):
            transmission(depth, wrong)
    with pytest.raises(InputError):
        transmission(-depth, 1.0)
    with pytest.raises(ShapeError):
        transmission(depth, torch.ones(3))
    with pytest.raises(ShapeError):
        transmission(depth[0], 1.0)
    with pytest.raises(ShapeError):
        hazy(torch.ones(2, 3, 4, 4), depth[..., :3], 0.9)
    with pytest.raises(ShapeError):
        hazy(torch.ones(2, 3, 4, 4), depth, torch.ones(2, 2))


def test_dark_channel_by_hand() -> None:
    image = torch.full((1, 3, 5, 5), 0.9)
    image[0, 1, 0, 0] = 0.1
    dark = dark_channel(image, 3)[0, 0]
    assert torch.equal(dark == dark.min(), torch.nn.functional.pad(torch.ones(2, 2), (0, 3, 0, 3)).bool())
    naive = torch.rand(1, 3, 20, 31, generator=seeded())
    least = -torch.nn.functional.max_pool2d(-naive.amin(1, keepdim=True), 7, 1, 3)
    assert torch.equal(dark_channel(naive, 7), least)
    with pytest.raises(InputError):
        dark_channel(image, 4)


def test_light_of_the_air_is_found_where_it_is_thickest() -> None:
    image = torch.rand(1, 3, 50, 60, generator=seeded()) * 0.5
    image[..., :10, :] = torch.tensor([0.7, 0.8, 0.9]).view(1, 3, 1, 1)
    image[0, :, 30, 30] = 1.0  # a lamp is small: its patch has something dark
    light = airlight_of(image, dark_channel(image, 15))
    assert torch.allclose(light, torch.tensor([[0.7, 0.8, 0.9]]))
    hidden = torch.zeros(1, 1, 50, 60, dtype=torch.bool)
    hidden[..., :20, :] = True
    assert float(airlight_of(image, dark_channel(image, 15), missing=hidden).max()) < 0.7


def test_omega_is_a_strength(colour: Tensor) -> None:
    seen = hazy(colour, transmission(procedural_depth(1, 192, 256, seeded(1)), 1.5), 0.9)
    assert torch.equal(dehaze(seen, 0.0).image, seen)
    errors = [float((dehaze(seen, omega).image - colour).square().mean()) for omega in (0.0, 0.3, 0.6, 0.9)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.3 * errors[0]
    both = dehaze(seen.repeat(2, 1, 1, 1), torch.tensor([0.3, 0.9])).image
    assert torch.allclose(both[1:], dehaze(seen, 0.9).image, atol=1e-6)
    assert torch.allclose(both[:1], dehaze(seen, 0.3).image, atol=1e-6)


def test_missing_pixels_tell_nothing(colour: Tensor) -> None:
    """A black bar would be the darkest of all patches about it, and a white one the light of the air."""
    seen = hazy(colour, transmission(torch.ones(1, 1, 192, 256), 1.0), 0.8)
    barred, bar = seen.clone(), torch.zeros(1, 1, 192, 256, dtype=torch.bool)
    bar[..., 150:, :] = True
    barred[..., 150:, :] = 1.0
    above = dehaze(seen[..., :150, :])
    told, untold = dehaze(barred, missing=bar), dehaze(barred)
    assert torch.allclose(told.airlight, above.airlight, atol=0.01)
    assert float((told.image[..., :140, :] - above.image[..., :140, :]).abs().mean()) < 0.02
    assert float(untold.airlight.min()) == 1.0


def test_wrong_dehazing(colour: Tensor) -> None:
    with pytest.raises(InputError):
        dehaze(colour, 1.2)
    with pytest.raises(InputError):
        dehaze(colour, least=0.0)
    with pytest.raises(ShapeError):
        dehaze(colour[0])


@pytest.mark.parametrize("turned", [lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.transpose(-1, -2)])
def test_light_does_not_depend_on_which_way_up_the_picture_is(turned, colour: Tensor) -> None:  # type: ignore[no-untyped-def]
    """Dark channels are flat over a patch: many places are equally bright, and which come first must not matter."""
    seen = hazy(colour, transmission(procedural_depth(1, 192, 256, seeded(1)), 1.5), torch.tensor([[0.86, 0.89, 0.92]]))
    seen = (seen * 255).round() / 255
    assert torch.allclose(dehaze(turned(seen)).airlight, dehaze(seen).airlight, atol=1e-5)
    assert torch.allclose(turned(dehaze(turned(seen)).image), dehaze(seen).image, atol=1e-3)


def test_what_one_picture_misses_changes_no_other() -> None:
    two = torch.rand(2, 3, 60, 60, generator=seeded())
    missing = torch.zeros(2, 1, 60, 60, dtype=torch.bool)
    missing[1, :, :50] = True
    both, one = dehaze(two, missing=missing), dehaze(two[:1], missing=missing[:1])
    assert torch.allclose(both.airlight[:1], one.airlight, atol=1e-6)
    assert torch.allclose(both.image[:1], one.image, atol=1e-5)
    nothing = torch.ones(2, 1, 60, 60, dtype=torch.bool)
    assert bool(airlight_of(two, dark_channel(two), missing=nothing).isfinite().all())


def test_gradients_pass_through_dehazing(colour: Tensor) -> None:
    seen = hazy(colour[..., :64, :64], torch.full((1, 1, 1, 1), 0.5), 0.9).requires_grad_()
    for radius in (8, 40):
        (gradient,) = torch.autograd.grad(dehaze(seen, radius=radius).image.sum(), seen)
        assert bool(gradient.isfinite().all()) and float(gradient.abs().max()) > 0.5
