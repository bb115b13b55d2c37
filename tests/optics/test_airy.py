import math

import pytest
import torch
from scipy.special import j0, j1

from kukkiri.errors import InputError
from kukkiri.optics.airy import airy, defocused_airy
from kukkiri.optics.psf import covariance, principal_axes, sigma_of

LIGHT = 500e-9


def test_kernels_sum_to_one_have_odd_sides_and_are_not_negative() -> None:
    kernels = defocused_airy(torch.tensor([0.2, 0.5, 1.5]), torch.tensor([0.0, 1.0, 4.0]), spherical=0.3)
    assert kernels.dtype == torch.float32 and kernels.shape[0] == 3 and kernels.shape[1] == kernels.shape[2]
    assert kernels.shape[1] % 2 == 1
    assert kernels.sum((1, 2)) == pytest.approx([1.0, 1.0, 1.0], abs=1e-5)
    assert float(kernels.min()) >= 0


def test_first_dark_ring_is_at_061_wavelengths_over_aperture() -> None:
    kernel = airy(LIGHT, 0.5, 10e-9, size=201)[0]
    profile = kernel[100, 100:]
    first_minimum = int((profile[1:] > profile[:-1]).nonzero()[0])
    assert first_minimum == pytest.approx(0.61 * LIGHT / 0.5 / 10e-9, abs=0.6)  # 61 px


def test_profile_in_focus_is_airys() -> None:
    """(2 J₁(v)/v)² at v = 2π·NA·r/λ, where pixels are too small to matter."""
    kernel = airy(LIGHT, 0.5, 10e-9, size=201)[0]
    v = 2 * math.pi * 0.5 / LIGHT * 10e-9 * torch.arange(1, 100, dtype=torch.float64).numpy()
    expected = torch.from_numpy((2 * j1(v) / v) ** 2)
    assert torch.allclose((kernel[100, 101:200] / kernel[100, 100]).double(), expected, atol=2e-3)


def test_encircled_energy_is_rayleighs() -> None:
    """1 − J₀²(v) − J₁²(v) within a radius: 83.8 % within the first dark ring. Born and Wolf, §8.5."""
    kernel = defocused_airy(0.04, size=1001)[0]
    axis = torch.arange(1001.0) - 500
    within = torch.hypot(axis[:, None], axis[None, :]) <= 0.61 * 2 / 0.04
    v = 2 * math.pi * 0.61
    # Beyond a window of about 550 px lies 1/(π²·550·NA/λ) of the light.
    expected = (1 - j0(v) ** 2 - j1(v) ** 2) / (1 - 1 / (math.pi**2 * 0.02 * 550))
    assert float(kernel[within].sum()) == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize("waves", [-0.5, 0.25, 0.5, 0.75, 1.5])
def test_strehl_ratio_falls_as_sinc_squared(waves: float) -> None:
    peaks = defocused_airy(0.04, torch.tensor([0.0, waves]), size=501)[:, 250, 250]
    assert float(peaks[1] / peaks[0]) == pytest.approx((math.sin(math.pi * waves) / (math.pi * waves)) ** 2, abs=1e-3)


def test_strehl_ratio_of_balanced_spherical_aberration() -> None:
    """Maréchal: 1 − (2π·rms)²; a quarter wave of balanced spherical aberration has rms 0.25/(6√5)."""
    peaks = defocused_airy(0.04, spherical=torch.tensor([0.0, 0.25]), size=501)[:, 250, 250]
    assert float(peaks[1] / peaks[0]) == pytest.approx(1 - (2 * math.pi * 0.25 / (6 * math.sqrt(5))) ** 2, abs=1e-3)


@pytest.mark.parametrize("waves", [6.0, -12.0])
def test_far_from_focus_it_is_the_geometric_disc(waves: float) -> None:
    kernel = defocused_airy(1.0, waves)
    assert float(sigma_of(kernel)) == pytest.approx(2 * abs(waves), rel=0.03)
    assert float(kernel[0, kernel.shape[1] // 2].sum()) == pytest.approx(
        2 / (math.pi * 4 * abs(waves)), rel=0.1
    )  # the chord of a uniform disc of radius 4·waves


@pytest.mark.parametrize("aperture", [0.1, 0.8])
def test_defocus_in_metres_has_the_geometric_size(aperture: float) -> None:
    """A ray through ρ lands at dz·tan(asin(NA·ρ)); the mean square over the pupil is −1 − ln(1 − NA²)/NA².

    At low aperture that is the uniform disc with sigma = NA·dz/2.
    """
    distance, pixel = 40 * LIGHT / aperture**2, LIGHT / (2 * aperture)
    sigma = float(sigma_of(airy(LIGHT, aperture, pixel, distance)))
    expected = math.sqrt((-1 - math.log(1 - aperture**2) / aperture**2) / 2) * distance / pixel
    assert sigma == pytest.approx(expected, rel=0.02)
    if aperture == 0.1:
        assert expected == pytest.approx(aperture * distance / 2 / pixel, rel=0.01)


def test_metres_and_pixels_agree() -> None:
    """cutoff = 2·NA·p/λ, and W₂₀ = NA²·dz/(2nλ) at low aperture."""
    metres = airy(LIGHT, 0.05, 3e-6, 3e-4, refractive_index=1.33, size=41)
    pixels = defocused_airy(2 * 0.05 * 3e-6 / LIGHT, 0.05**2 * 3e-4 / (2 * 1.33 * LIGHT), size=41)
    # The sphere differs from the parabola by NA²/(4n²) of the defocus, 2e-4 wavelengths here.
    assert torch.allclose(metres, pixels, atol=float(pixels.max()) * 2e-3)


def test_astigmatism_blurs_along_its_angle() -> None:
    major, minor, angle = principal_axes(defocused_airy(1.0, 4.0, astigmatism=1.5, angle=0.6))
    assert float(angle) == pytest.approx(0.6, abs=0.01)
    assert float(major) == pytest.approx(2 * (4 + 1.5), rel=0.05)
    assert float(minor) == pytest.approx(2 * (4 - 1.5), rel=0.08)


def test_line_focus() -> None:
    major, minor, _ = principal_axes(defocused_airy(1.0, 3.0, astigmatism=3.0))
    assert float(major / minor) > 6


def test_a_pixel_adds_a_twelfth_where_the_pattern_is_fine() -> None:
    points, squares = (covariance(defocused_airy(0.8, fill=fill, size=61))[0, 0, 0] for fill in (0.0, 1.0))
    assert float(squares - points) == pytest.approx(1 / 12, abs=0.02)


def test_a_pattern_much_finer_than_a_pixel_is_one_pixel() -> None:
    assert float(defocused_airy(50.0)[0].max()) > 0.98


def test_batch_is_one_by_one() -> None:
    """The window belongs to the sample: what the broadest of a batch needs does not change the others' moments."""
    cutoff, waves = torch.tensor([0.9, 0.3, 0.6]), torch.tensor([0.2, 3.0, 1.0])
    batch = sigma_of(defocused_airy(cutoff, waves))
    single = torch.cat([sigma_of(defocused_airy(float(c), float(w))) for c, w in zip(cutoff, waves)])
    assert torch.allclose(batch, single, rtol=2e-3)


def test_gradients_are_those_of_finite_differences() -> None:
    def sharpness(cutoff: torch.Tensor, waves: torch.Tensor) -> torch.Tensor:
        return defocused_airy(cutoff, waves, astigmatism=0.2, size=41).square().sum()

    cutoff, waves = torch.tensor([0.4], requires_grad=True), torch.tensor([0.7], requires_grad=True)
    sharpness(cutoff, waves).backward()
    step = 1e-2
    for leaf, other in ((cutoff, lambda d: (cutoff + d, waves)), (waves, lambda d: (cutoff, waves + d))):
        with torch.no_grad():
            slope = (sharpness(*other(step)) - sharpness(*other(-step))) / (2 * step)
        assert leaf.grad is not None
        assert float(leaf.grad) == pytest.approx(float(slope), rel=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: airy(-LIGHT, 0.5, 1e-7),
        lambda: airy(LIGHT, 1.2, 1e-7),
        lambda: airy(LIGHT, 0.5, 1e-7, float("nan")),
        lambda: airy(LIGHT, 0.5, 1e-7, 5.0),
        lambda: defocused_airy(0.0),
        lambda: defocused_airy(0.5, size=20),
        lambda: defocused_airy(0.5, fill=2.0),
    ],
)
def test_impossible_values_are_refused(wrong: object) -> None:
    with pytest.raises(InputError):
        wrong()  # type: ignore[operator]
