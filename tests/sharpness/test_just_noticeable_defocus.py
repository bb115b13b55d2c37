"""Just noticeable defocus: the pursuit against a plain one, the curve, and order on blurred photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from skimage import data
from torch import Tensor

import kukkiri as kk
from contract import MetricContract
from kukkiri.errors import InputError, WeightError
from kukkiri.optics import psf
from kukkiri.optics.days import day
from kukkiri.sharpness.just_noticeable_defocus import (
    TOLERANCE,
    DefocusDictionary,
    JustNoticeableDefocus,
    atom_map,
    chosen_atoms,
    count_atoms,
    load_dictionary,
)
from kukkiri.weights import load_tensors


class TestJustNoticeableDefocus(MetricContract):
    name = "just-noticeable-defocus"


def reduced(name: str) -> Tensor:
    """A picture whose own blur is small: means over 2×2 pixels, at most 256 px a side."""
    array = np.atleast_3d(getattr(data, name)())[:512, :512]
    return F.avg_pool2d(torch.from_numpy(np.moveaxis(array, 2, 0).copy())[None].float() / 255, 2)


def seen(name: str, sigma: float, on: str = "clean") -> Tensor:
    return day(psf.blur(reduced(name), psf.gaussian(sigma)).clamp(0, 1), on)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "camera", "rocket", "coins"])
def test_sigma_rises_with_small_blur(name: str) -> None:
    found = kk.metric("just-noticeable-defocus")(torch.cat([seen(name, s) for s in (0.5, 0.75, 1.0, 1.5, 2.0)]))
    assert (found.diff() > 0).all() and 0 <= found[0] < 1 and found[-1] > 1, found


def test_sigma_is_about_right() -> None:
    """Median error over pictures that no weights were learned from; single ones are off by up to a third of a pixel."""
    metric = kk.metric("just-noticeable-defocus")
    for sigma, most in ((0.5, 0.2), (1.0, 0.2), (1.5, 0.2), (2.0, 0.4)):
        found = [metric(seen(name, sigma)).item() for name in ("astronaut", "coffee", "camera", "rocket", "coins")]
        assert np.median(np.abs(np.array(found) - sigma)) < most, (sigma, found)


def test_noise_is_taken_for_detail() -> None:
    """The failure that the robustness table keeps: at 4 % noise, a blur of 2 px is not seen."""
    metric = kk.metric("just-noticeable-defocus")
    assert metric(seen("camera", 2.0)).item() > 1.2 and metric(seen("camera", 2.0, "noise-4")).item() < 0.6


def test_a_flat_picture_says_nothing() -> None:
    metric = kk.metric("just-noticeable-defocus")
    slope = torch.linspace(0.2, 0.8, 64).expand(1, 1, 64, 64)
    assert metric(torch.full((1, 1, 64, 64), 0.5)).isnan().item() and metric(slope).isnan().item()
    assert all(each.isnan().all() for each in JustNoticeableDefocus().blur_maps(slope))


def test_the_map_tells_two_halves_apart() -> None:
    both = torch.cat([seen("camera", 0.5)[..., :128], seen("camera", 2.5)[..., 128:]], -1)[..., 64:192, :]
    sparse, found = JustNoticeableDefocus().blur_maps(both)
    assert found.shape == sparse.shape == (1, 128, 256) and 0 <= found.min() <= found.max() <= 3
    assert found[..., :112].median() < 1.0 < found[..., 144:].median()
    # Single patches tell the same, where they tell anything.
    known = ~sparse.isnan()
    assert 0.1 < known.float().mean() < 1 and not known[..., :3, :].any() and not known[..., -4:, :].any()
    assert sparse[..., :112].nanmedian() < 1.0 < sparse[..., 144:].nanmedian()


def plain_pursuit(patch: np.ndarray, atoms: np.ndarray, tolerance: float) -> list[int]:
    """Orthogonal matching pursuit as it is defined: the best atom, then least squares on all."""
    chosen: list[int] = []
    residual = patch
    while np.linalg.norm(residual) > tolerance and len(chosen) < len(patch):
        chosen.append(int(np.abs(atoms @ residual).argmax()))
        residual = patch - atoms[chosen].T @ np.linalg.lstsq(atoms[chosen].T, patch, rcond=None)[0]
    return chosen


def test_the_pursuit_is_the_plain_one() -> None:
    random = np.random.default_rng(0)
    atoms = random.normal(size=(128, 64))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    patches = random.normal(size=(40, 64)) * np.geomspace(1, 60, 40)[:, None]
    chosen = chosen_atoms(torch.from_numpy(patches), torch.from_numpy(atoms))
    for patch, found in zip(patches, chosen.tolist(), strict=True):
        assert [j for j in found if j >= 0] == plain_pursuit(patch, atoms, TOLERANCE)
    counts = count_atoms(torch.from_numpy(patches), torch.from_numpy(atoms))
    assert counts.tolist() == (chosen >= 0).sum(1).tolist() and counts[0] == 0 and counts[-1] > 20


def test_patches_of_two_atoms_need_two() -> None:
    """Orthogonal atoms: a sum of two of them, each above the tolerance, is two; below it, nothing is coded."""
    atoms = torch.eye(64)
    patch = torch.zeros(3, 64)
    patch[0, 5], patch[0, 9], patch[1, 7], patch[2, 3] = 30, -40, 18, 19
    assert count_atoms(patch, atoms).tolist() == [2, 0, 1]
    assert chosen_atoms(patch, atoms, most=2).tolist() == [[9, 5], [-1, -1], [3, -1]]
    assert count_atoms(100 * torch.ones(1, 64), atoms, most=7).tolist() == [7]


def test_the_atom_map_has_its_patches_where_they_lie() -> None:
    """One bright pixel: patches that hold it need one atom of the unit basis, less the mean; all others none."""
    grey = torch.full((1, 1, 20, 24), 100.0)
    grey[0, 0, 10, 11] = 200
    atoms = torch.eye(64) - 1 / 64
    counts = atom_map(grey, atoms / torch.linalg.vector_norm(atoms, dim=1, keepdim=True))[0, 0]
    # Patches span 3 before and 4 after.
    assert counts.shape == (20, 24) and (counts[6:14, 7:15] == 1).all() and (counts == 1).sum() == 64
    outside = torch.ones(20, 24, dtype=torch.bool)
    outside[3:-4, 3:-4] = False
    assert torch.equal(counts == -1, outside)
    assert torch.equal(atom_map(grey, atoms, 2)[0, 0] == -1, outside[::2, ::2])


def test_the_curve_is_inverted() -> None:
    model = DefocusDictionary(4)
    model.curve.copy_(torch.tensor([20.0, 3.0, 0.8, 4.0]))
    sigma = torch.linspace(0.1, 2.0, 20)
    torch.testing.assert_close(model.sigma_of(model.atoms_of(sigma)), sigma, rtol=1e-3, atol=1e-3)
    assert model.sigma_of(torch.tensor([1.0, 99.0, float("nan")])).nan_to_num(-1).tolist() == [3, 0, -1]


def test_shipped_atoms_are_a_dictionary() -> None:
    atoms = load_dictionary("just-noticeable-defocus").unit_atoms()
    assert atoms.shape == (128, 64)
    torch.testing.assert_close(torch.linalg.vector_norm(atoms, dim=1), torch.ones(128), rtol=1e-5, atol=0)
    assert atoms.mean(1).abs().max() < 1e-6
    # No atom is another's twin.
    assert ((atoms @ atoms.T).abs() - torch.eye(128)).max() < 0.999


def test_layout_is_checked(tmp_path: Path) -> None:
    state = load_tensors("just-noticeable-defocus")
    save_file({"atoms": state["atoms"]}, tmp_path / "dictionary.safetensors")
    with pytest.raises(WeightError, match="a dictionary of defocus, got 1 missing: curve"):
        kk.metric("just-noticeable-defocus", weights=tmp_path / "dictionary.safetensors")
    with pytest.raises(InputError, match="a step of at least 1"):
        kk.metric("just-noticeable-defocus", step=0)
