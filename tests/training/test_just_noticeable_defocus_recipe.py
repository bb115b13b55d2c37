"""The recipe of the dictionary of defocus: its parts, and a run on a few pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from skimage import data

import kukkiri as kk
from kukkiri.errors import InputError
from kukkiri.optics import psf
from kukkiri.sharpness.just_noticeable_defocus import TOLERANCE, DefocusDictionary, load_dictionary
from kukkiri.training.dictionary_figure import mosaic
from kukkiri.training.just_noticeable_defocus import (
    JustNoticeableDefocus,
    codes_of,
    fitted_curve,
    kernel_of,
    main,
    slightly_blurred,
)
from kukkiri.training.loop import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty photographs of 160 px."""
    place = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        array = getattr(data, name)()
        for i in range(5):
            PillowImage.fromarray(array[20 * i : 20 * i + 160, 40 * i : 40 * i + 160]).save(place / f"{name}-{i}.png")
    return place


def test_a_run_learns_and_its_weights_are_the_metrics(folder: Path, tmp_path: Path) -> None:
    recipe = JustNoticeableDefocus((folder,), atoms=32, patches=1500, batch=256, fitted=3)
    first = recipe.model()
    with torch.no_grad():
        before = float(recipe.loss(first, recipe.pool())[0])
    result = train(recipe, tmp_path / "run", steps=40, precision="no", device="cpu", progress=False)
    assert result.best is not None and result.score is not None and result.score < 0.9
    learned = load_dictionary(result.best)
    with torch.no_grad():
        assert float(recipe.loss(learned, recipe.pool())[0]) < 0.85 * before
    a, b = learned.curve[:2].tolist()
    assert a > 1 and b > 0 and learned.atoms_of(torch.tensor([0.5, 1.0, 2.0])).diff().max() < 0
    assert kk.metric("just-noticeable-defocus", weights=result.best)(data.camera()[:128, :128]).isfinite()
    main([str(result.best), str(tmp_path / "figure.png"), "--data", str(folder), "--photographs", "2"])
    assert np.asarray(PillowImage.open(tmp_path / "figure.png")).std() > 10


def test_the_same_is_drawn_again(folder: Path) -> None:
    first, second = (JustNoticeableDefocus((folder,), atoms=8, patches=300, batch=16) for _ in range(2))
    batches = first.batches(3, 5)
    next(batches)
    assert torch.equal(next(batches), next(second.batches(3, 6)))


def test_patches_are_those_that_are_not_flat(folder: Path) -> None:
    patches = slightly_blurred(folder / "astronaut-0.png", 0, 200)
    assert 0 < len(patches) <= 200 and patches.mean(1).abs().max() < 1e-4
    assert torch.linalg.vector_norm(patches, dim=1).min() > TOLERANCE


def test_codes_are_least_squares_on_their_atoms() -> None:
    """The residual is orthogonal to every atom that a code uses."""
    random = torch.Generator().manual_seed(0)
    atoms = torch.nn.functional.normalize(torch.randn(40, 64, generator=random), dim=1)
    patches = 20 * torch.randn(30, 64, generator=random)
    codes, used = codes_of(patches, atoms)
    assert torch.equal((codes != 0).sum(1), used) and used.max() == 16
    products = (patches - codes @ atoms) @ atoms.T
    assert products[codes != 0].abs().max() < 0.02


def test_the_curve_is_found_again() -> None:
    sigmas = np.linspace(0, 3, 13)
    counts = 18 / (1 + np.exp(3.1 * (sigmas - 0.7))) + 4.2
    assert fitted_curve(sigmas, counts) == pytest.approx((18, 3.1, 0.7, 4.2), rel=1e-3)


def test_the_curve_is_fitted_in_pixels() -> None:
    """Mean atoms of photographs, which are no logistic: read back, the tail that changes by one atom is as right."""
    sigmas = np.arange(1, 11) / 4
    counts = np.array([34.64, 24.12, 11.60, 7.96, 6.24, 5.26, 4.76, 4.48, 4.31, 4.19])
    model = DefocusDictionary(1)
    model.curve.copy_(torch.tensor(fitted_curve(sigmas, counts)))
    found = model.sigma_of(torch.from_numpy(counts)).numpy()
    assert np.abs(found - sigmas)[:-1].max() < 0.1 and 2.25 < found[-1] < 3, found


@pytest.mark.parametrize("sigma", [0.25, 0.5, 1.0, 3.0])
def test_kernels_have_the_size_that_they_are_asked_for(sigma: float) -> None:
    assert psf.sigma_of(kernel_of(sigma)).item() == pytest.approx(sigma, abs=1e-3)


def test_the_mosaic_shows_the_smoothest_first() -> None:
    smooth, rough = np.linspace(-1, 1, 64), np.tile([2.0, -2.0], 32)
    sheet = mosaic(np.stack([rough, smooth]))
    assert sheet.shape == (8, 17) and np.isnan(sheet[:, 8]).all() and np.nanmax(np.abs(sheet)) == 1
    assert sheet[0, :8] == pytest.approx(smooth[:8])


def test_recipe_says_what_it_needs(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 20 sharp photographs"):
        JustNoticeableDefocus((tmp_path,))
    with pytest.raises(InputError, match="batch of at least 1"):
        JustNoticeableDefocus((folder,), batch=0)
    with pytest.raises(InputError, match="at least 500 patches that are not flat"):
        JustNoticeableDefocus((folder,), atoms=500, patches=40).model()


def test_the_figure_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "no.safetensors"), str(tmp_path / "figure.png"), "--data", str(tmp_path)]) == 1
    assert "expected" in capsys.readouterr().err and not (tmp_path / "figure.png").exists()
