import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image as Pillow
from scipy import special
from torch import Tensor

import kukkiri as kk
from contract import MetricContract, blurred, noisy, photograph
from kukkiri.errors import ShapeError
from kukkiri.images.masks import Box
from kukkiri.images.reading import open_image
from kukkiri.metrics.estimating import EstimatesBlur
from kukkiri.sharpness import spectral_sigma
from kukkiri.sharpness.spectral_model import expected, explain, sizes, slopes


class TestSpectralSigma(MetricContract):
    name = "spectral-sigma"


def field(
    sigma: float,
    *,
    exponent: float = 2.0,
    family: str = "gaussian",
    noise: float = 0.003,
    seed: int = 0,
    size: int = 256,
) -> Tensor:
    """A Gaussian random field of power f^−exponent under a known blur, averaged over pixels, cut from a larger one."""
    rng = np.random.default_rng(seed)
    axis = np.fft.fftfreq(2 * size)
    f = np.hypot(axis[:, None], axis)
    f[0, 0] = np.inf
    amplitude = f ** (-exponent / 2) * np.sinc(axis)[:, None] * np.sinc(axis)
    f[0, 0] = 0
    z = np.maximum(4 * np.pi * sigma * f, 1e-9)
    amplitude *= np.exp(-2 * np.pi**2 * sigma**2 * f**2) if family == "gaussian" else 2 * special.j1(z) / z
    spectrum = np.fft.fft2(rng.standard_normal(f.shape)) * amplitude
    values = np.fft.ifft2(spectrum).real[:size, :size]
    values = 0.5 + 0.15 * (values - values.mean()) / values.std() + noise * rng.standard_normal(values.shape)
    return torch.from_numpy(values).clamp(0, 1)[None, None]


def sigma_of(image: Tensor) -> float:
    return float(kk.metric("spectral-sigma")(image))


@pytest.mark.parametrize("family", ["gaussian", "disc"])
@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5, 2.2, 3.0, 4.0])
def test_known_blur_of_a_power_law(sigma: float, family: str) -> None:
    """The assumption holds here: what is left is chance in a finite field."""
    assert sigma_of(field(sigma, family=family)) == pytest.approx(sigma, rel=0.07)


def test_interval_holds_the_truth() -> None:
    """90 % promised, of fields whose slope is drawn as the model believes; at least 15 of 18 here."""
    rng, hits = np.random.default_rng(0), 0
    for seed in range(18):
        sigma = float(np.exp(rng.uniform(math.log(0.7), math.log(4))))
        image = field(sigma, exponent=float(rng.normal(2, 0.4)), seed=seed, size=128)
        found = kk.metric("spectral-sigma").estimate(image)[0]
        assert found.interval[0] <= found.sigma <= found.interval[1]
        hits += found.interval[0] <= sigma <= found.interval[1]
    assert hits >= 15, hits


def test_what_the_slope_costs() -> None:
    """A field that falls faster than f^−2 is taken for more blurred than it is, and the other way round."""
    steep, flat = (sigma_of(field(1.0, exponent=exponent)) for exponent in (2.5, 1.5))
    assert 0.8 < flat < 1 < steep < 1.2


def test_light_and_rounding_do_not_matter() -> None:
    image = field(1.5, noise=0)
    value = sigma_of(image)
    for other in (0.2 * image + 0.7, 1 - image, (image * 255).round() / 255, image.flip(3), image.transpose(2, 3)):
        assert sigma_of(other) == pytest.approx(value, rel=0.03)


def test_noise_hardly_matters() -> None:
    for noise in (0.003, 0.01, 0.03):
        assert sigma_of(field(1.5, noise=noise)) == pytest.approx(1.5, rel=0.1), noise


@pytest.mark.parametrize("name", ["astronaut", "coffee", "camera"])
def test_added_blur_adds_in_quadrature(name: str) -> None:
    """On real pictures with a blur of their own."""
    own = sigma_of(photograph(name))
    for added in (1.5, 3.0):
        expected_sigma = math.hypot(own, added)
        assert sigma_of(blurred(photograph(name), added)) == pytest.approx(expected_sigma, rel=0.15)


def test_noise_is_estimated() -> None:
    for noise in (0.004, 0.02):
        found = kk.metric("spectral-sigma").estimate(field(2.0, noise=noise))[0]
        assert found.noise == pytest.approx(noise, rel=0.05)


def test_disc_is_told_from_gaussian() -> None:
    for family in ("gaussian", "disc"):
        found = kk.metric("spectral-sigma").estimate(field(2.5, family=family))[0]
        assert found.family[family] > 0.9 and sum(found.family.values()) == pytest.approx(1)


def test_the_model_explains_itself() -> None:
    """Spectra straight from the model, with noise, come back with their size, family and slope."""
    for family, size, slope in ((0, 30, 4), (0, 50, 2), (1, 45, 5)):
        power = (3 * expected(128)[family, size, slope] + 1e-3)[None]
        found = explain(power, 128)
        assert float(found.sigma[0, 1]) == pytest.approx(float(sizes()[size]), rel=0.04)
        assert float(found.disc[0]) == pytest.approx(family, abs=0.1)
        # What is known beforehand of slopes draws it towards 2.
        assert float(found.slope[0]) == pytest.approx(float(slopes()[slope]), abs=0.21)
        assert float(found.noise[0]) == pytest.approx(1e-3, rel=0.05) and float(found.misfit[0]) < 0.1


def test_expected_spectrum_is_that_of_fields() -> None:
    """Mean over fields, with the window's smear, of the very slope and size."""
    from kukkiri.sharpness.spectral_blocks import block_powers

    size, slope = 38, 4
    sigma, core = float(sizes()[size]), (slice(0, 256), slice(0, 256))
    total = torch.zeros(63, dtype=torch.float64)
    for seed in range(4):
        image = field(sigma, noise=0, seed=seed)[0, 0]
        total += sum((power.sum(0) for power, _ in block_powers(image, None, 0, 0, core, 128)), torch.zeros(63))
    ratio = (total / expected(128)[0, size, slope])[1:24].log()
    assert float((ratio - ratio.mean()).abs().max()) < 0.35 and float(ratio.std()) < 0.12


def test_silent_without_evidence() -> None:
    metric = kk.metric("spectral-sigma")
    flat, light = torch.full((1, 1, 128, 128), 0.3), torch.ones(1, 1, 128, 128)
    white = noisy(flat + 0.2, 0.05)
    reasons = [metric.estimate(image)[0].abstained or "" for image in (flat, light, white)]
    assert [reason.split(":")[0] for reason in reasons] == ["flat", "saturated", "no evidence"]
    assert all(math.isnan(sigma_of(image)) for image in (flat, light, white))
    mask = torch.zeros(128, 128, dtype=torch.bool)
    mask[::40, ::40] = True
    assert metric.estimate(field(1.0, size=128), mask=mask)[0].abstained == "nothing is left by the mask"


def test_bounds() -> None:
    found = kk.metric("spectral-sigma").estimate(field(0.0))[0]
    assert (found.bound, found.sigma, found.interval[0]) == ("below", 0.35, 0.0)


def test_lattices_are_unlike_natural_pictures() -> None:
    grid = torch.arange(256)
    lattice = 0.5 + 0.2 * torch.cos(2 * math.pi * grid / 9.3)[:, None] * torch.cos(2 * math.pi * grid / 9.3)
    metric = kk.metric("spectral-sigma")
    strange, natural = (metric.estimate(image)[0] for image in (noisy(lattice[None, None], 0.002), field(1.5)))
    assert strange.unlike_training > 0.5 > 0.1 > natural.unlike_training


def test_map_tells_where() -> None:
    image = field(1.0, size=256)
    image[..., :128] = field(3.0, size=256)[..., :128]
    found = kk.metric("spectral-sigma").estimate(image)[0]
    assert found.map.shape == found.evidence.shape == (8, 8) and found.stride == 32
    assert float(found.map[:, :3].median()) == pytest.approx(3, rel=0.2)
    assert float(found.map[:, 5:].median()) == pytest.approx(1, rel=0.2)
    assert found.sharpest < 1.3 and found.upsampled().shape == (256, 256)


def test_map_has_no_evidence_where_nothing_is() -> None:
    image = field(1.5, size=250)
    image[..., :130] = 0.4
    found = kk.metric("spectral-sigma").estimate(image)[0]
    assert found.map.shape == (8, 8) and bool(torch.isfinite(found.map).all())
    assert float(found.evidence[:, :3].max()) == 0 and float(found.evidence[:, 5:].min()) > 0.1


def test_map_beside_a_mask() -> None:
    mask = torch.zeros(256, 256, dtype=torch.bool)
    mask[100:120, 100:120] = True
    found = kk.metric("spectral-sigma").estimate(field(1.5), mask=mask)[0]
    assert bool(found.map[3, 3].isnan()) and int(found.map.isnan().sum()) <= 4
    assert found.sigma == pytest.approx(1.5, rel=0.1)


def test_tiles_of_a_large_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    image, metric = field(1.5, size=300), kk.metric("spectral-sigma")
    whole = metric.estimate(image)[0]
    monkeypatch.setattr(spectral_sigma, "WHOLE", 0)
    monkeypatch.setattr(spectral_sigma, "TILE", 128)
    tiled = metric.estimate(image)[0]
    assert tiled.sigma == pytest.approx(whole.sigma, rel=1e-6)
    torch.testing.assert_close(tiled.map, whole.map, rtol=1e-4, atol=1e-4)


def test_file_box_and_pixel_size(tmp_path: Path) -> None:
    image = (field(1.5, size=300)[0, 0] * 255).round().byte().numpy()
    path = tmp_path / "field.png"
    Pillow.fromarray(image).save(path)
    metric = kk.metric("spectral-sigma")
    assert isinstance(metric, EstimatesBlur)
    with open_image(path) as file:
        found = metric.estimate_file(file, box=Box(20, 30, 200, 180))
    assert found.sigma == pytest.approx(float(metric(image[20:220, 30:210])), rel=1e-6)
    known = kk.load(path)
    assert metric.estimate(known)[0].sigma == pytest.approx(metric.estimate_file(path).sigma)
    assert metric.estimate(known)[0].sigma_m is None


def test_pixel_size_of_a_file_gives_metres(tmp_path: Path) -> None:
    """Half a micrometre a pixel, written as OME-TIFF has it."""
    path = tmp_path / "field.ome.tif"
    values = (field(1.5)[0, 0] * 65535).round().numpy().astype(np.uint16)
    sizes_in_ome = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(path, values, metadata={"axes": "YX", **sizes_in_ome})
    for source in (path, str(path), kk.load(path)):
        (found,) = kk.metric("spectral-sigma").estimate(source)
        assert found.sigma_m == pytest.approx(0.5e-6 * found.sigma)


def test_as_many_masks_as_pictures() -> None:
    metric, mask = kk.metric("spectral-sigma"), torch.zeros(3, 128, 128, dtype=torch.bool)
    batch = torch.cat([field(1.5, size=128), field(2.5, size=128)])
    with pytest.raises(ShapeError, match="one mask, or 2, got 3"):
        metric.estimate(batch, mask=mask)
    assert [found.sigma for found in metric.estimate(batch, mask=mask[:2])] == pytest.approx(metric(batch).tolist())


def test_small_pictures_take_smaller_blocks() -> None:
    values = [sigma_of(field(1.2, size=100, seed=seed)) for seed in range(3)]
    assert np.mean(values) == pytest.approx(1.2, rel=0.1)
