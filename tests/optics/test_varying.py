import math

import pytest
import torch
from skimage import data
from torch import Tensor

from kukkiri.errors import InputError, ShapeError, UnknownNameError
from kukkiri.images.filtering import pad
from kukkiri.optics.psf import blur, disc, enlarged, gaussian, sigma_of
from kukkiri.optics.varying import FIELDS, blur_by_map, sigma_field

CAMERA = torch.from_numpy(data.camera()[100:228, 180:308].copy()).float()[None, None] / 255


def direct(image: Tensor, sigmas: Tensor, family: str) -> Tensor:
    """Every pixel by its own kernel, whose nominal size is found so that its sampled sigma is the one wanted."""
    make = gaussian if family == "gaussian" else (lambda s: disc(2 * s))
    nominal = torch.linspace(0.35, float(sigmas.max()) * 1.1, 120)
    true = torch.cat([sigma_of(make(float(s))) for s in nominal])
    rows, columns = sigmas.shape[2:]
    reach = 4 * math.ceil(float(sigmas.max()) * 1.1) + 2
    padded = pad(image, (reach,) * 4, "symmetric")[0, 0]
    out = torch.empty_like(image)
    for y in range(rows):
        for x in range(columns):
            i = int(torch.searchsorted(true, float(sigmas[0, 0, y, x])).clamp(1, len(true) - 1))
            t = (float(sigmas[0, 0, y, x]) - true[i - 1]) / (true[i] - true[i - 1])
            kernel = enlarged(make(float(nominal[i - 1] + t * (nominal[i] - nominal[i - 1]))), 2 * reach + 1)[0]
            out[0, 0, y, x] = (kernel * padded[y : y + 2 * reach + 1, x : x + 2 * reach + 1]).sum()
    return out


@pytest.mark.parametrize("family", ["gaussian", "disc"])
def test_equals_the_sum_pixel_by_pixel(family: str) -> None:
    """On white noise, which holds every frequency at full strength, and on a photograph."""
    sigmas = sigma_field("tilt", (24, 24), 1, low=0.5, high=4.0)
    for image, bound in (
        (torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0)), 0.02),
        (CAMERA[:, :, 20:44, 50:74], 0.01),
    ):
        expected = direct(image, sigmas, family)
        error = blur_by_map(image, sigmas, family) - expected  # type: ignore[arg-type]
        contrast = float(image.std())
        assert float(error.square().mean().sqrt()) < bound * contrast


@pytest.mark.parametrize("family", ["gaussian", "disc"])
@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.62, 1.0, 2.71, 7.9])
def test_variance_is_what_the_map_says(family: str, sigma: float) -> None:
    """The response to a point under an even map has the sigma asked for, at any value and not only at a level."""
    point = torch.zeros(1, 1, 101, 101)
    point[0, 0, 50, 50] = 1
    even = torch.full((1, 1, 101, 101), sigma)
    even[0, 0, 0, 0], even[0, 0, 0, 1] = 0.0, 9.0  # spread the levels
    response = blur_by_map(point, even, family, border="zero")  # type: ignore[arg-type]
    assert float(sigma_of(response[0])) == pytest.approx(sigma, rel=2e-3)


def test_even_map_equals_even_blur() -> None:
    out = blur_by_map(CAMERA, torch.full_like(CAMERA, 2.0), "gaussian")
    assert torch.allclose(out, blur(CAMERA, gaussian(2.0)), atol=2e-4)
    assert torch.equal(blur_by_map(CAMERA, torch.zeros_like(CAMERA)), CAMERA)


def test_more_levels_err_less() -> None:
    sigmas = sigma_field("radial", (128, 128), 2, low=0.0, high=6.0)
    fine = blur_by_map(CAMERA, sigmas, levels=80)
    errors = [float((blur_by_map(CAMERA, sigmas, levels=n) - fine).abs().max()) for n in (4, 8, 16)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert float((blur_by_map(CAMERA, sigmas) - fine).abs().max()) < 0.005


def test_batch_is_one_by_one() -> None:
    images = torch.cat([CAMERA, CAMERA.flip(3)])
    sigmas = sigma_field("blobs", (128, 128), 3, count=2)
    for i in range(2):
        alone = blur_by_map(images[i : i + 1], sigmas[i : i + 1])
        assert torch.allclose(blur_by_map(images, sigmas)[i : i + 1], alone, atol=2e-5)


def test_gradient_in_the_map_is_the_slope() -> None:
    sigmas = torch.full((1, 1, 128, 128), 1.7, dtype=torch.float32)
    sigmas[0, 0, 0, :2] = torch.tensor([0.5, 4.0])
    sigmas.requires_grad_()
    blur_by_map(CAMERA, sigmas).square().sum().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        more, less = (float(blur_by_map(CAMERA, (sigmas + d)).square().sum()) for d in (0.02, -0.02))
    assert sigmas.grad is not None
    assert float(sigmas.grad.sum()) == pytest.approx((more - less) / 0.04, rel=0.1)


@pytest.mark.parametrize("kind", FIELDS)
def test_fields_reach_their_bounds_are_smooth_and_repeat(kind: str) -> None:
    fields = sigma_field(kind, (60, 90), 5, low=0.4, high=5.0, count=3)  # type: ignore[arg-type]
    assert fields.shape == (3, 1, 60, 90)
    assert fields.amin((1, 2, 3)) == pytest.approx([0.4] * 3, abs=1e-5)
    assert fields.amax((1, 2, 3)) == pytest.approx([5.0] * 3, abs=1e-5)
    assert float(fields.diff(dim=3).abs().max()) < 0.6 and float(fields.diff(dim=2).abs().max()) < 0.6
    assert torch.equal(fields, sigma_field(kind, (60, 90), 5, low=0.4, high=5.0, count=3))  # type: ignore[arg-type]
    assert not torch.equal(fields[0], fields[1])


def test_a_tilt_is_straight_on_either_side_of_its_focus() -> None:
    field = sigma_field("tilt", (50, 50), 11, low=0.0, high=5.0)[0, 0]
    bend = (field[1:-1, 2:] + field[1:-1, :-2] - 2 * field[1:-1, 1:-1]).abs()
    assert float((bend < 1e-4).float().mean()) > 0.9


def test_impossible_values_are_refused() -> None:
    with pytest.raises(ShapeError):
        blur_by_map(CAMERA, CAMERA[..., :-1])
    with pytest.raises(InputError):
        blur_by_map(CAMERA, -CAMERA)
    with pytest.raises(InputError):
        blur_by_map(CAMERA, CAMERA * float("nan"))
    with pytest.raises(InputError):
        blur_by_map(CAMERA, CAMERA, border="valid")
    with pytest.raises(InputError):
        blur_by_map(CAMERA, CAMERA, levels=1)
    with pytest.raises(UnknownNameError):
        blur_by_map(CAMERA, CAMERA, "box")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError):
        sigma_field("stripes", (9, 9))  # type: ignore[arg-type]
    with pytest.raises(InputError):
        sigma_field("tilt", (9, 9), low=3, high=2)
