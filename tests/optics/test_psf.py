import math
from collections.abc import Callable

import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data
from torch import Tensor

from kukkiri.errors import InputError, ShapeError, UnknownNameError
from kukkiri.optics import psf

SMALL = torch.rand(1, 1, 5, 6, generator=torch.Generator().manual_seed(0))
ROUND = {
    "gaussian": lambda s: psf.gaussian(s),
    "disc": lambda s: psf.disc(2 * s),
    "p": lambda s: psf.p_exponential(s, 6),
}


@pytest.mark.parametrize("family", ROUND)
@pytest.mark.parametrize("sigma", [1.5, 3.0, 7.0])
def test_size_is_what_was_asked_for(family, sigma):
    kernel = ROUND[family](sigma)
    assert kernel.sum((1, 2)).item() == pytest.approx(1, abs=1e-5)
    # Averaging over the area of a pixel adds 1/12 px² to the variance of the oversampled families.
    wanted = sigma if family == "gaussian" else math.sqrt(sigma**2 + 1 / 12)
    assert psf.sigma_of(kernel).item() == pytest.approx(wanted, rel=0.01)


def test_a_batch_is_its_members():
    together = psf.elliptical_gaussian([1.0, 4.0], [0.7, 2.0], [0.3, -1.0])
    for at, arguments in enumerate([(1.0, 0.7, 0.3), (4.0, 2.0, -1.0)]):
        alone = psf.elliptical_gaussian(*arguments)
        # Alone, the narrow one is cut at four of its own deviations.
        assert torch.allclose(together[at], psf.enlarged(alone, together.shape[-1])[0], atol=2e-5)


@pytest.mark.parametrize("angle", [-1.2, 0.0, 0.5, math.pi / 2])
@pytest.mark.parametrize("draw", [psf.elliptical_gaussian, lambda a, b, t: psf.elliptical_disc(2 * a, 2 * b, t)])
def test_principal_axes_are_found_again(draw, angle):
    major, minor, found = psf.principal_axes(draw(4.0, 2.0, angle))
    assert major.item() == pytest.approx(4, rel=0.02)
    assert minor.item() == pytest.approx(2, rel=0.03)
    assert math.sin(found.item() - angle) == pytest.approx(0, abs=0.01)
    assert -math.pi / 2 < found.item() <= math.pi / 2


def test_angles_point_down():
    # From +x towards +y, and y points down: the first quadrant is the lower right.
    kernel = psf.motion(12, math.pi / 4)[0]
    radius = kernel.shape[0] // 2
    assert kernel[radius + 3, radius + 3] > 10 * kernel[radius - 3, radius + 3]


def test_motion_has_the_variance_of_a_uniform_path():
    kernel = psf.motion(20, 0.0)
    moments = psf.covariance(kernel)[0]
    assert moments[0, 0].item() == pytest.approx(400 / 12, rel=0.01)


def test_mixture_has_the_mixture_of_moments():
    a, b = psf.gaussian(1.0), psf.disc(8.0)
    mixed = psf.mixture([a, b], [3, 1])
    wanted = 0.75 * psf.covariance(a) + 0.25 * psf.covariance(b)
    assert torch.allclose(psf.covariance(mixed), wanted, atol=1e-4)


def test_blur_equals_scipy():
    picture = torch.from_numpy(data.camera()[:70, :90].astype("float32"))[None, None] / 255
    for sigma in (0.8, 3.0):  # directly, and by Fourier transform
        theirs = gaussian_filter(picture[0, 0].numpy(), sigma, mode="reflect", truncate=math.ceil(4 * sigma) / sigma)
        assert torch.allclose(psf.blur(picture, psf.gaussian(sigma))[0, 0], torch.from_numpy(theirs), atol=2e-6)


def test_blur_convolves_and_keeps_each_sample_to_its_kernel():
    spike = torch.zeros(2, 1, 31, 31)
    spike[:, :, 15, 15] = 1
    kernels = torch.stack([psf.motion(9, 0.4)[0], psf.motion(9, -1.0)[0]])
    inset = (31 - kernels.shape[-1]) // 2
    seen = psf.blur(spike, kernels)[:, 0, inset:-inset, inset:-inset]
    assert torch.allclose(seen, kernels, atol=1e-6)  # the kernel itself, not its mirror image
    assert psf.blur(spike, kernels, "valid").shape[-1] == 31 - kernels.shape[-1] + 1


def test_wrong_use():
    with pytest.raises(InputError, match="above 0"):
        psf.gaussian(0.0)
    with pytest.raises(InputError, match=r"0\.5"):
        psf.p_exponential(1.0, 0.2)
    with pytest.raises(ShapeError, match="kernels"):
        psf.blur(torch.rand(2, 1, 9, 9), torch.rand(3, 3, 3))


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: psf.elliptical_gaussian([1.0, 2.0], [1.0, 2.0, 3.0], 0.0), InputError, "lists of 2, 3, 1"),
        (lambda: psf.gaussian([]), InputError, "lists of 0"),
        (lambda: psf.disc(math.inf), InputError, "finite numbers, got inf"),
        (lambda: psf.motion(5.0, math.nan), InputError, "finite numbers, got nan"),
        (lambda: psf.p_exponential(1.0, math.nan), InputError, "finite"),
        (lambda: psf.mixture([psf.delta()], [0.0]), InputError, "one above 0, got 0"),
        (lambda: psf.mixture([psf.delta(), psf.delta()], [1.5, -0.5]), InputError, "got 1.5, -0.5"),
        (lambda: psf.mixture([psf.delta()], [math.nan]), InputError, "got nan"),
        (lambda: psf.mixture([psf.delta(), psf.delta()], [1.0]), InputError, "2 kernels and 1 weights"),
        (lambda: psf.mixture([], []), InputError, "0 kernels"),
        (lambda: psf.mixture([psf.delta(), psf.delta(2)], [1.0, 1.0]), ShapeError, "one N"),
        (lambda: psf.blur(SMALL, psf.delta(radius=1), "mirror"), UnknownNameError, "symmetric"),
        (lambda: psf.blur(SMALL, psf.delta(radius=3), "valid"), ShapeError, "at least 7×7 pixels"),
        (lambda: psf.blur(SMALL, psf.delta(radius=6), "valid"), ShapeError, "got 6×5 for a kernel of 13×13"),
        (lambda: psf.blur(SMALL, psf.delta(radius=5), "reflect"), ShapeError, "choose border='symmetric'"),
        (lambda: psf.blur(SMALL, psf.delta(radius=6), "circular"), ShapeError, "at least 6×6"),
        (lambda: psf.blur(SMALL[0], psf.delta(radius=1)), ShapeError, "pictures"),
    ],
)
def test_what_is_impossible_is_said(wrong: Callable[[], Tensor], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrong()


@pytest.mark.parametrize("border", ["symmetric", "reflect", "replicate", "zero", "circular"])
@pytest.mark.parametrize("radius", [4, 5])
def test_borders_may_be_as_wide_as_the_picture(border: str, radius: int) -> None:
    if radius == 5 and border == "reflect":
        radius = 4  # the border pixel is not repeated
    assert torch.allclose(psf.blur(SMALL, psf.delta(radius=radius), border), SMALL, atol=1e-6)
    assert psf.blur(SMALL, psf.delta(radius=2), "valid").shape == (1, 1, 1, 2)


@pytest.mark.parametrize("draw", [psf.gaussian, psf.disc, lambda s: psf.p_exponential(s, 4)])
@pytest.mark.parametrize("sigma", [0.7, 3.0, 7.3])
def test_a_round_kernel_has_the_angle_0(draw: Callable[[float], Tensor], sigma: float) -> None:
    major, minor, angle = psf.principal_axes(draw(sigma))
    assert angle.item() == 0 and major.item() == pytest.approx(minor.item(), rel=1e-6)


def test_an_upright_kernel_has_the_angle_of_90_degrees_whatever_the_sign_of_0() -> None:
    upright = [math.pi / 2, -math.pi / 2]
    for kernel in (psf.motion([7.3, 12.0], upright), psf.elliptical_gaussian([4.0, 3.0], [2.0, 1.0], upright)):
        assert (psf.principal_axes(kernel)[2] == math.pi / 2).all()
    assert psf.principal_axes(psf.elliptical_disc(7.0, 5.0, 0.0))[2].item() == 0
    # An ellipse that differs from a circle by more than rounding has its own angle.
    assert psf.principal_axes(psf.elliptical_gaussian(3.003, 3.0, 0.6))[2].item() == pytest.approx(0.6, abs=0.05)
