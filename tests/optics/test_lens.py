import math
from collections.abc import Callable

import pytest
import torch

from kukkiri.errors import InputError
from kukkiri.optics.lens import Lens, Probe
from kukkiri.optics.psf import disc, sigma_of

LENS = Lens(focal_length=0.05, f_number=2.0, pixel_pitch=5e-6)


def test_circle_of_confusion_by_similar_triangles() -> None:
    """The cone from the aperture (25 mm) to the image of d, cut at the image of F: worked out through both images."""
    image_of_focus = 1 / (1 / 0.05 - 1 / 2.0)
    for depth in (0.7, 1.9, 5.0, 80.0):
        image = 1 / (1 / 0.05 - 1 / depth)
        expected = 0.025 * abs(image - image_of_focus) / image / 5e-6
        assert float(LENS.circle_of_confusion(depth, 2.0)) == pytest.approx(expected, rel=1e-9)


def test_textbook_form() -> None:
    """c = f²·|d − F| / (N·d·(F − f))."""
    expected = 0.05**2 * abs(5.0 - 2.0) / (2.0 * 5.0 * (2.0 - 0.05)) / 5e-6
    assert float(LENS.circle_of_confusion(5.0, 2.0)) == pytest.approx(expected, rel=1e-9)


def test_limits_at_infinity() -> None:
    far = float(LENS.circle_of_confusion(math.inf, 2.0))
    assert far == pytest.approx(0.025 * 0.05 / (2.0 - 0.05) / 5e-6)
    assert float(LENS.circle_of_confusion(2.0, math.inf)) == pytest.approx(0.025 * 0.05 / 2.0 / 5e-6)
    assert float(LENS.circle_of_confusion(math.inf, math.inf)) == 0


def test_sign_tells_front_from_back() -> None:
    signed = LENS.defocus(torch.tensor([1.0, 2.0, 4.0]), 2.0)
    assert signed[0] < 0 and signed[1] == 0 and signed[2] > 0
    assert torch.equal(signed.abs(), LENS.circle_of_confusion(torch.tensor([1.0, 2.0, 4.0]), 2.0))


def test_sigma_is_that_of_the_disc() -> None:
    depth = torch.tensor([1.0, 1.5, 3.0])
    drawn = sigma_of(disc(LENS.circle_of_confusion(depth, 2.0) / 2))
    assert LENS.blur_from_depth(depth, 2.0).double() == pytest.approx(drawn, rel=0.01)


def test_defocus_from_sigma_is_the_inverse() -> None:
    depth = torch.tensor([0.8, 1.6, 1.99, 2.02, 3.0, 30.0], dtype=torch.float64)
    near, far = LENS.defocus_from_sigma(LENS.blur_from_depth(depth, 2.0), 2.0)
    assert torch.allclose(torch.where(depth < 2, near, far), depth, rtol=1e-6)
    assert bool((near < 2).all()) and bool((far > 2).all())


def test_a_blur_larger_than_infinitys_has_no_far_side() -> None:
    limit = float(LENS.blur_from_depth(math.inf, 2.0))
    near, far = LENS.defocus_from_sigma(torch.tensor([0.5, 1.01]) * limit, 2.0)
    assert torch.isfinite(far).tolist() == [True, False] and float(far[1]) == math.inf
    assert float(LENS.blur_from_depth(near[1], 2.0)) == pytest.approx(1.01 * limit, rel=1e-4)


def test_a_blur_larger_than_the_aperture_has_no_near_side() -> None:
    near, _ = LENS.defocus_from_sigma(0.025 / 5e-6 / 4 * 1.01, 2.0)
    assert math.isnan(float(near))


def test_depth_of_field_ends_where_the_circle_does() -> None:
    near, far = LENS.depth_of_field(2.0, 4.0)
    assert float(near) < 2 < float(far)
    for limit in (near, far):
        assert float(LENS.circle_of_confusion(limit, 2.0)) == pytest.approx(4.0)


def test_hyperfocal_distance() -> None:
    """Focused there, infinity is just sharp and so is half the distance (to within f)."""
    distance = float(LENS.hyperfocal(6.0))
    assert distance == pytest.approx(0.05**2 / (2.0 * 6 * 5e-6) + 0.05)
    assert float(LENS.circle_of_confusion(math.inf, distance)) == pytest.approx(6.0)
    near, far = LENS.depth_of_field(distance * (1 + 1e-9), 6.0)
    assert far > 1e6 and float(near) == pytest.approx(distance / 2, rel=1e-6)


def test_field_of_view_of_a_normal_lens() -> None:
    """36 mm behind 50 mm: 39.6°; narrower when focused close."""
    assert math.degrees(float(LENS.field_of_view(7200))) == pytest.approx(39.6, abs=0.05)
    assert float(LENS.field_of_view(7200, 0.2)) < float(LENS.field_of_view(7200))


def test_cutoff_of_diffraction() -> None:
    assert LENS.cutoff(500e-9) == pytest.approx(5e-6 / (500e-9 * 2))


def test_gradients_reach_depth_and_focus() -> None:
    depth = torch.tensor([1.0, 4.0], dtype=torch.float64, requires_grad=True)
    focus = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda d, f: LENS.blur_from_depth(d, f), (depth, focus))  # type: ignore[no-untyped-call]


def test_shapes_and_types() -> None:
    depth = torch.full((2, 1, 4, 5), 3.0)
    sigma = LENS.blur_from_depth(depth, torch.tensor([1.0, 2.0]).view(2, 1, 1, 1))
    assert sigma.shape == depth.shape and sigma.dtype == torch.float32
    assert LENS.blur_from_depth(depth, 2.0).dtype == torch.float32
    assert LENS.blur_from_depth(3, 2).dtype == torch.float64


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Lens(0.0, 2.0, 5e-6), "focal_length"),
        (lambda: Lens(0.05, -1.0, 5e-6), "f_number"),
        (lambda: Lens(0.05, 2.0, math.inf), "pixel_pitch"),
        (lambda: LENS.circle_of_confusion(0.05, 2.0), "beyond the focal length"),
        (lambda: LENS.circle_of_confusion(2.0, 0.01), "focus_distance"),
        (lambda: LENS.circle_of_confusion(torch.tensor([1.0, math.nan, -1.0]), 2.0), "2 of 3"),
        (lambda: LENS.depth_of_field(2.0, -1.0), "circle"),
        (lambda: LENS.defocus_from_sigma(-1.0, 2.0), "a sigma of at least 0, got -1"),
        (lambda: LENS.defocus_from_sigma(math.nan, 2.0), "sigma"),
        (lambda: LENS.cutoff(0.0), "wavelength"),
        (lambda: LENS.cutoff(math.nan), "wavelength"),
        (lambda: LENS.hyperfocal(0.0), "circle"),
        (lambda: LENS.field_of_view(0), "pixels"),
    ],
)
def test_impossible_values_are_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrong()


def test_probe_far_from_focus_is_its_cone() -> None:
    probe = Probe(convergence=0.01, pixel_size=2e-9, source=1e-9)
    assert float(probe.sigma(5e-6)) == pytest.approx(0.01 * 5e-6 / 2 / 2e-9, rel=1e-3)
    assert float(probe.sigma(0.0)) == pytest.approx(0.5)
    assert float(probe.sigma(-5e-6)) == float(probe.sigma(5e-6))


def test_probe_adds_in_quadrature() -> None:
    probe = Probe(convergence=0.008, pixel_size=1e-9, source=2e-9)
    distances = torch.tensor([0.0, 1e-7, 3e-7, 1e-6], dtype=torch.float64)
    squares = probe.sigma(distances) ** 2 - probe.sigma(0.0) ** 2
    assert torch.allclose(squares, (0.008 * distances / 2 / 1e-9) ** 2)


def test_probe_has_two_line_foci() -> None:
    probe = Probe(convergence=0.01, pixel_size=1e-9, source=1e-9, astigmatism=2e-6)
    along, across = probe.axes(torch.tensor([-2e-6, 0.0, 2e-6], dtype=torch.float64))
    assert float(along[0]) == pytest.approx(1) and float(across[2]) == pytest.approx(1)
    assert float(along[1]) == pytest.approx(float(across[1]))
    assert float(along[2]) > 10 * float(across[2])
    assert torch.allclose(probe.sigma(2e-6), ((along[2] ** 2 + across[2] ** 2) / 2).sqrt())


def test_wavelength_of_electrons() -> None:
    """38.8 pm at 1 kV and 2.51 pm at 200 kV."""
    assert Probe(0.01, 1e-9, voltage=1e3).wavelength == pytest.approx(38.76e-12, rel=1e-3)
    assert Probe(0.01, 1e-9, voltage=200e3).wavelength == pytest.approx(2.508e-12, rel=1e-3)


def test_the_best_convergence_balances_diffraction_and_aberration() -> None:
    """The focused beam is smallest where d/dα of (0.54 λ/α)² + (0.18 Cs α³)² is 0: α⁸ = (0.54 λ)²/(3·(0.18 Cs)²)."""

    def focused(convergence: float) -> float:
        return Probe(convergence, 1e-9, voltage=5e3, spherical=2e-3).focused

    best = ((0.54 * Probe(0.01, 1e-9, voltage=5e3).wavelength) ** 2 / (3 * (0.18 * 2e-3) ** 2)) ** (1 / 8)
    assert focused(best) < min(focused(best * 0.9), focused(best * 1.1))
    chromatic = Probe(best, 1e-9, voltage=5e3, spherical=2e-3, chromatic=2e-3, energy_spread=0.7)
    assert chromatic.focused > focused(best)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Probe(0.0, 1e-9),
        lambda: Probe(0.01, 1e-9, source=-1.0),
        lambda: Probe(0.01, 1e-9, chromatic=1e-3),
        lambda: Probe(0.01, 1e-9, voltage=-5.0),
        lambda: Probe(0.01, 1e-9).sigma(math.nan),
    ],
)
def test_impossible_probes_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(InputError):
        wrong()
