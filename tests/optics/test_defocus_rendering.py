import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data
from torch import Tensor

from kukkiri.errors import InputError, ShapeError, UnknownNameError
from kukkiri.optics import defocus_rendering
from kukkiri.optics.defocus_rendering import LARGEST, render_defocus, render_stack
from kukkiri.optics.lens import Lens
from kukkiri.optics.psf import blur, disc, gaussian, sigma_of
from kukkiri.optics.varying import blur_by_map

LENS = Lens(focal_length=0.05, f_number=4.0, pixel_pitch=1e-5)
FOCUS = 2.0
GRAVEL = torch.from_numpy(data.gravel()[:96, :128].copy())[None, None].float() / 255


def depth_of(circle: float) -> float:
    """The depth at which the circle has this signed diameter; beyond focus if above 0."""
    return 1 / (1 / FOCUS - circle / (LENS.aperture * LENS.focal_length / LENS.pixel_pitch / (1 - 0.05 / FOCUS)))


def disc_of(circle: float) -> Tensor:
    """The disc on the pixel grid whose sigma is a quarter of the circle: sampling by area adds 1/12 to its variance."""
    return disc(math.sqrt(circle**2 / 4 - 1 / 3))


def plane(circle: float, like: Tensor = GRAVEL) -> Tensor:
    return torch.full_like(like[:, :1], depth_of(circle))


def scene(front: Tensor, back: Tensor, front_circle: float, back_circle: float) -> tuple[Tensor, Tensor, Tensor]:
    """A square in front of a wall: all-in-focus picture, depth, mask of the square."""
    mask = torch.zeros_like(front[:, :1])
    mask[..., 28:68, 40:88] = 1
    depth = mask * depth_of(front_circle) + (1 - mask) * depth_of(back_circle)
    return mask * front + (1 - mask) * back, depth, mask


@pytest.mark.parametrize("circle", [-14.0, -7.3, 8.8, 13.0])
def test_a_plane_is_blurred_evenly_by_its_disc(circle: float) -> None:
    out = render_defocus(GRAVEL, plane(circle), LENS, FOCUS)
    expected = blur(GRAVEL, disc_of(circle))
    assert float((out - expected).square().mean().sqrt()) < 0.04 * float((GRAVEL - expected).std())


def test_a_plane_in_focus_is_unchanged() -> None:
    assert torch.allclose(render_defocus(GRAVEL, plane(0.0), LENS, FOCUS), GRAVEL, atol=1e-6)


@pytest.mark.parametrize("family", ["disc", "gaussian"])
@pytest.mark.parametrize("circle", [-9.7, -2.0, 0.7, 1.5, 3.3, 21.0])
def test_sigma_is_the_lens_s_and_energy_is_kept(circle: float, family: str) -> None:
    """The image of a point: its second moment, at depths between two layers as well as at one; and its sum."""
    point = torch.zeros(1, 1, 97, 97)
    point[0, 0, 48, 48] = 1
    out = render_defocus(point, plane(circle, point), LENS, FOCUS, family=family, border="zero")  # type: ignore[arg-type]
    assert float(sigma_of(out[0].clamp_min(0))) == pytest.approx(
        float(LENS.blur_from_depth(depth_of(circle), FOCUS)), rel=5e-3
    )
    assert float(out.sum()) == pytest.approx(1, abs=1e-4)


def test_gaussian_family() -> None:
    out = render_defocus(GRAVEL, plane(8.0), LENS, FOCUS, family="gaussian")
    assert float((out - blur(GRAVEL, gaussian(2.0))).abs().max()) < 0.01


def test_white_stays_white_whatever_the_depth() -> None:
    depth = 1 + 4 * torch.rand(1, 1, 96, 128, generator=torch.Generator().manual_seed(0))
    assert float((render_defocus(torch.ones(1, 3, 96, 128), depth, LENS, FOCUS) - 1).abs().max()) < 1e-4


def test_a_slanted_plane_is_blurred_by_its_map() -> None:
    """No seams where one layer meets the next: the same as a blur that varies from pixel to pixel."""
    image = torch.from_numpy(data.gravel()[:160, :320].copy())[None, None].float() / 255
    circle = torch.linspace(-9, 9, 320).expand(1, 1, 160, 320)
    depth = 1 / (1 / FOCUS + circle / circle.abs().max() * (1 / depth_of(9.0) - 1 / FOCUS))
    sigma = LENS.blur_from_depth(depth, FOCUS)
    out, expected = render_defocus(image, depth, LENS, FOCUS), blur_by_map(image, sigma, "disc")
    assert float(sigma.max()) == pytest.approx(9 / 4, rel=1e-3)
    assert float((out - expected).square().mean().sqrt()) < 0.03 * float(expected.std())
    columns = (out - expected).square().mean((0, 1, 2)).sqrt()
    assert float(columns.max()) < 0.08 * float(expected.std())


def test_a_front_out_of_focus_spreads_over_a_sharp_back() -> None:
    """Over a wall of one colour, what the front hides is known: B(m·front) + (1 − B(m))·wall, everywhere."""
    wall = torch.full_like(GRAVEL, 0.2)
    image, depth, mask = scene(GRAVEL, wall, -12.0, 0.0)
    out = render_defocus(image, depth, LENS, FOCUS)
    kernel = disc_of(12.0)
    expected = blur(mask * GRAVEL, kernel) + (1 - blur(mask, kernel)) * 0.2
    assert float((out - expected).abs().max()) < 0.01
    assert float((out - image).abs()[mask == 0].max()) > 0.05


def test_a_sharp_back_stays_sharp_around_a_front_out_of_focus() -> None:
    """Outside the mask the wall is seen itself, and the formula holds for any wall."""
    image, depth, mask = scene(torch.full_like(GRAVEL, 0.9), GRAVEL, -12.0, 0.0)
    out = render_defocus(image, depth, LENS, FOCUS)
    share = blur(mask, disc_of(12.0))
    expected = share * 0.9 + (1 - share) * GRAVEL
    assert float((out - expected).abs()[mask == 0].max()) < 0.012


def test_a_front_in_focus_keeps_its_edge() -> None:
    """The blurred wall does not leak over the sharp front, nor the front's colour into the wall."""
    image, depth, mask = scene(0.8 + 0.2 * GRAVEL, 0.2 * GRAVEL, 0.0, 12.0)
    out = render_defocus(image, depth, LENS, FOCUS)
    assert torch.allclose(out[mask == 1], image[mask == 1], atol=1e-5)
    assert float(out[mask == 0].max()) < 0.2
    # Away from the front the wall is blurred as if nothing stood there.
    far = -torch.nn.functional.max_pool2d(-(1 - mask), 15, 1, 7) == 1
    expected = blur(0.2 * GRAVEL, disc_of(12.0))
    assert float((out - expected).abs()[far].max()) < 2e-3


def test_both_out_of_focus_against_rays_through_the_aperture() -> None:
    """The thin lens itself: each point of the aperture sees the two planes shifted by its place times their circles."""
    front, back = GRAVEL, GRAVEL.flip(2) * 0.3 + 0.6
    back = blur(back, gaussian(4.0))
    image, depth, mask = scene(front, back, -9.0, 6.0)
    rays = torch.zeros_like(image)
    count = 400
    for i in range(count):
        radius, turn = math.sqrt((i + 0.5) / count) / 2, i * math.pi * (3 - math.sqrt(5))
        over, under = (_shifted(x, c * radius * math.cos(turn), c * radius * math.sin(turn)) for x, c in
                       ((torch.cat([front * mask, mask], 1), -9.0), (back, 6.0)))  # fmt: skip
        rays += (over[:, :1] + (1 - over[:, 1:]) * under) / count
    out = render_defocus(image, depth, LENS, FOCUS)
    inner = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    error = (out - rays)[inner]
    assert float(error.square().mean().sqrt()) < 0.05 * float(rays.std())
    naive = blur_by_map(image, LENS.blur_from_depth(depth, FOCUS), "disc") - rays
    assert float(error.square().mean()) < 0.1 * float(naive[inner].square().mean())


def _shifted(image: Tensor, dx: float, dy: float) -> Tensor:
    x, y = math.floor(dx), math.floor(dy)
    fx, fy = dx - x, dy - y
    rolled = [torch.roll(image, (-y - j, -x - i), (2, 3)) for j in (0, 1) for i in (0, 1)]
    weights = [(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy]
    return torch.stack([w * r for w, r in zip(weights, rolled)]).sum(0)


def test_a_smaller_aperture_is_sharper() -> None:
    image, depth, _ = scene(GRAVEL, GRAVEL.flip(3), -6.0, 5.0)
    energies = []
    for f_number in (2.0, 4.0, 8.0, 16.0, 64.0):
        out = render_defocus(image, depth, Lens(0.05, f_number, 1e-5), FOCUS)
        energies.append(float(out.diff(dim=3).square().mean()))
    assert energies == sorted(energies)
    assert energies[-1] == pytest.approx(float(image.diff(dim=3).square().mean()), rel=0.05)


def test_a_circle_of_confusion_beyond_reason_is_refused_at_once() -> None:
    """Millimetres for metres: a kernel of a million pixels a side."""
    with pytest.raises(InputError, match=rf"at most {LARGEST:g} px, got 1025 px; check the units"):
        render_defocus(GRAVEL, plane(-1025.0), LENS, FOCUS)
    with pytest.raises(InputError, match="check the units"):
        render_defocus(GRAVEL, 1000 * plane(0.0), Lens(0.05, 4.0, 1e-8), FOCUS)


def test_a_large_circle_is_rendered_and_its_kernels_are_not_kept() -> None:
    image, depth, _ = scene(GRAVEL, GRAVEL.flip(3), -90.0, 0.0)
    render_defocus(image, depth, LENS, FOCUS, fineness=0.5)
    kept = defocus_rendering._kept.cache_info().currsize
    image, depth, _ = scene(GRAVEL, GRAVEL.flip(3), -180.0, 0.0)
    out = render_defocus(image, depth, LENS, FOCUS, fineness=0.5)
    assert bool(torch.isfinite(out).all()) and float(out.min()) > -1e-3 and float(out.max()) < 1.001
    assert defocus_rendering._kept.cache_info().currsize == kept
    # However coarse the layers, none is much larger than what may be asked for.
    white = torch.ones(1, 1, 24, 24)
    coarse = render_defocus(white, plane(-9.0, white), LENS, FOCUS, family="gaussian", fineness=1e-9)
    assert torch.allclose(coarse, white)


@cache
def motorcycle() -> tuple[Tensor, Tensor]:
    """Middlebury 2014, halved, in linear light; metres from f = 994.978 px, baseline 193.001 mm, offset 31.086 px."""
    left, _, disparity = data.stereo_motorcycle()
    missing = ~np.isfinite(disparity)
    nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    depth = 994.978 * 0.193001 / (disparity[tuple(nearest)] + 31.086)
    image = (torch.from_numpy(left[:500, :740].copy()).movedim(2, 0)[None].float() / 255) ** 2.2
    return torch.nn.functional.avg_pool2d(image, 2), torch.from_numpy(depth[:500:2, :740:2].copy()).float()[None, None]


def test_a_real_scene_comes_into_focus_where_the_lens_is_focused() -> None:
    """In every frame the gradient that is left, over that of the sharp picture, falls with the true sigma."""
    image, depth = motorcycle()
    lens = Lens(0.05, 0.8, 0.05 / 497.489)
    distances = (2.3, 4.5)
    frames = render_stack(image, depth, lens, distances, rim=1)
    assert frames.shape == (1, 2, 3, 250, 370) and bool(torch.isfinite(frames).all())
    assert float(frames.min()) > -1e-4 and float(frames.max()) < float(image.max()) + 1e-4
    for i, distance in enumerate(distances):
        sigma = lens.blur_from_depth(depth, distance)
        kept = [
            float(frames[:, i].diff(dim=3)[chosen].square().mean() / image.diff(dim=3)[chosen].square().mean())
            for low, high in ((0, 0.3), (0.5, 0.9), (1.2, 9.0))
            if (chosen := ((sigma >= low) & (sigma < high))[..., 1:].expand(-1, 3, -1, -1)).sum() > 3000
        ]
        assert len(kept) >= 2 and kept == sorted(kept, reverse=True) and kept[0] > 0.8 and kept[-1] < 0.3


def test_rim_gives_the_mixed_pixels_to_the_front() -> None:
    """Pixels at the edge that hold the front's colour at the wall's depth do not stay behind as a sharp line."""
    image, depth, mask = scene(torch.full_like(GRAVEL, 0.9), torch.full_like(GRAVEL, 0.1), -12.0, 0.0)
    narrow = -torch.nn.functional.max_pool2d(-mask, 3, 1, 1)
    depth = torch.where(narrow > 0, depth, torch.full_like(depth, depth_of(0.0)))
    fringed, clean = (render_defocus(image, depth, LENS, FOCUS, rim=rim) for rim in (0, 1))
    assert torch.allclose(
        clean, render_defocus(*scene(image, torch.full_like(image, 0.1), -12.0, 0.0)[:2], LENS, FOCUS)
    )
    assert float(fringed.diff(dim=3).abs().max()) > 3 * float(clean.diff(dim=3).abs().max())


def test_rim_removes_depths_halfway_between_two_surfaces() -> None:
    """A ring at a depth in between, which happens to be in focus, would stand out as a sharp line in the blur."""
    image, depth, mask = scene(torch.full_like(GRAVEL, 0.9), torch.full_like(GRAVEL, 0.1), -12.0, 12.0)
    narrow = -torch.nn.functional.max_pool2d(-mask, 3, 1, 1)
    between = torch.where((mask > 0) & (narrow == 0), torch.full_like(depth, FOCUS), depth)
    dotted, clean = (render_defocus(image, between, LENS, FOCUS, rim=rim) for rim in (0, 1))
    assert torch.equal(clean, render_defocus(image, depth, LENS, FOCUS, rim=1))
    assert float(dotted.diff(dim=3).abs().max()) > 3 * float(clean.diff(dim=3).abs().max())


@pytest.mark.parametrize("circle", [2.0, 5.0, 7.5, 8.5, 12.0])
def test_the_gradient_in_depth_leads_to_the_depth_that_was_seen(circle: float) -> None:
    image = GRAVEL[..., :48, :64]
    target = render_defocus(image, plane(8.0, image), LENS, FOCUS)
    inverse = (1 / plane(circle, image)).requires_grad_()
    (render_defocus(image, 1 / inverse, LENS, FOCUS) - target).square().mean().backward()  # type: ignore[no-untyped-call]
    assert inverse.grad is not None and bool(torch.isfinite(inverse.grad).all())
    # Nearly every pixel by itself says whether it lies too near or too far; beyond focus, blur grows as 1/depth falls.
    right = torch.sign(inverse.grad) == (-1 if circle > 8 else 1)
    assert float(right.float().mean()) > 0.6
    assert float(inverse.grad.sum()) * (circle - 8) < 0


def test_gradients_in_picture_depth_and_focus_over_an_edge() -> None:
    image, depth, _ = scene(GRAVEL, GRAVEL.flip(3), -6.1, 4.3)
    focus = torch.tensor(FOCUS, requires_grad=True)
    leaves = (image.requires_grad_(), depth.requires_grad_(), focus)
    weights = torch.rand(GRAVEL.shape, generator=torch.Generator().manual_seed(1))

    def loss(picture: Tensor, distance: Tensor, focused: Tensor) -> Tensor:
        return (render_defocus(picture, distance, LENS, focused) * weights).square().mean()

    loss(*leaves).backward()  # type: ignore[no-untyped-call]
    for leaf, step in zip(leaves, (1e-2, 1e-3, 1e-3)):
        assert leaf.grad is not None and bool(torch.isfinite(leaf.grad).all())
        with torch.no_grad():
            more, less = (loss(*(other + d if other is leaf else other for other in leaves)) for d in (step, -step))
        assert float(leaf.grad.sum()) == pytest.approx(float(more - less) / (2 * step), rel=0.1)


def test_batch_is_one_by_one_with_a_focus_each() -> None:
    image, depth, _ = scene(GRAVEL, GRAVEL.flip(3), -6.0, 5.0)
    images, depths = torch.cat([image, image.flip(2)]), torch.cat([depth, depth.flip(2)])
    focus = torch.tensor([1.8, 2.4])
    both = render_defocus(images, depths, LENS, focus)
    for i in range(2):
        alone = render_defocus(images[i : i + 1], depths[i : i + 1], LENS, float(focus[i]))
        assert torch.allclose(both[i : i + 1], alone, atol=2e-4)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: render_defocus(GRAVEL, GRAVEL[..., 1:] + 1, LENS, FOCUS), ShapeError),
        (lambda: render_defocus(GRAVEL, GRAVEL * 0, LENS, FOCUS), InputError),
        (lambda: render_defocus(GRAVEL, GRAVEL + 1, LENS, 0.01), InputError),
        (lambda: render_defocus(GRAVEL, GRAVEL + 1, LENS, torch.tensor([1.0, 2.0])), ShapeError),
        (lambda: render_defocus(GRAVEL, GRAVEL + 1, LENS, FOCUS, family="box"), UnknownNameError),  # type: ignore[arg-type]
        (lambda: render_defocus(GRAVEL, GRAVEL + 1, LENS, FOCUS, fineness=0.0), InputError),
        (lambda: render_defocus(GRAVEL, GRAVEL + 1, LENS, FOCUS, fineness=1e9), InputError),
        (lambda: render_defocus(GRAVEL, plane(0.0), LENS, FOCUS, border="mirror"), UnknownNameError),
        (lambda: render_defocus(GRAVEL, GRAVEL + 1, LENS, FOCUS, rim=-1), InputError),
        (lambda: render_defocus(GRAVEL, GRAVEL + 1, LENS, FOCUS, border="valid"), InputError),
        (lambda: render_stack(GRAVEL, GRAVEL + 1, LENS, []), InputError),
    ],
)
def test_impossible_values_are_refused(wrong: Callable[[], Tensor], error: type[Exception]) -> None:
    with pytest.raises(error):
        wrong()
