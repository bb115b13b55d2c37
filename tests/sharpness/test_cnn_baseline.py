"""The plain backbone: what it can on clean pictures, what it cannot on noisy ones, and its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image as PillowImage
from safetensors.torch import save_file
from skimage import data
from torch import Tensor

import kukkiri as kk
from contract import MetricContract
from kukkiri.errors import InputError, WeightError
from kukkiri.networks.efficientnet_lite import EfficientNetLite0
from kukkiri.optics import psf
from kukkiri.optics.days import day
from kukkiri.sharpness.cnn_baseline import parts, pooled_features
from kukkiri.training.cnn_baseline import CnnBaseline, length_for
from kukkiri.training.loop import train
from kukkiri.weights import load_tensors


class TestCNNBaseline(MetricContract):
    name = "cnn-baseline"


def reduced(name: str) -> Tensor:
    """A picture whose own blur is small: means over 2×2 pixels, at most 256 px a side."""
    array = np.atleast_3d(getattr(data, name)())[:512, :512]
    return F.avg_pool2d(torch.from_numpy(np.moveaxis(array, 2, 0).copy())[None].float() / 255, 2)


def seen(name: str, sigma: float, on: str = "clean") -> Tensor:
    return day(psf.blur(reduced(name), psf.gaussian(sigma)).clamp(0, 1), on)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "camera", "rocket"])
def test_clean_photographs_are_within_a_third(name: str) -> None:
    metric = kk.metric("cnn-baseline")
    for sigma in (0.8, 1.5, 3.0, 6.0):
        assert metric(seen(name, sigma)).item() == pytest.approx(sigma, rel=1 / 3)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "camera", "rocket"])
def test_noise_is_taken_for_detail(name: str) -> None:
    """The failure that the robustness table keeps: at 4 % noise, less than half of the true sigma."""
    assert kk.metric("cnn-baseline")(seen(name, 3.0, "noise-4")).item() < 1.5


@pytest.mark.parametrize("tile", [64, 17, 5])
def test_parts_are_pooled_to_the_moments_of_the_whole(tile: int) -> None:
    """With a trunk whose features are the pixels, whatever the parts."""

    class Pixels:
        def features(self, image: Tensor, taps: tuple[int, ...]) -> tuple[Tensor, ...]:
            assert max(image.shape[-2:]) <= tile
            return (image,) * len(taps)

    picture = reduced("coffee")[..., 30:67, 40:101]
    found = pooled_features(cast(EfficientNetLite0, Pixels()), picture, tile)[0].reshape(2, -1, 3)
    torch.testing.assert_close(found[0, 0], picture.mean((2, 3))[0])
    torch.testing.assert_close(found[1, 0], picture.std((2, 3), correction=0)[0])


def test_parts_cover_a_length_once() -> None:
    assert parts(512, 512) == [slice(0, 512)]
    assert parts(1300, 512) == [slice(0, 433), slice(433, 867), slice(867, 1300)]


def test_a_large_picture_has_about_the_value_of_its_parts() -> None:
    """Two by two copies of a picture, mirrored so that no edge comes in: pooled in four parts, and of one blur."""
    picture = seen("astronaut", 2.0)
    rows = torch.cat([picture, picture.flip(-2)], -2)
    four = torch.cat([rows, rows.flip(-1)], -1)
    four = torch.cat([four, four[..., :40]], -1)
    metric = kk.metric("cnn-baseline")
    assert metric(four).item() == pytest.approx(metric(picture).item(), rel=0.1)


def test_layout_of_the_head_is_checked(tmp_path: Path) -> None:
    state = load_tensors("cnn-baseline-head")
    save_file({k: v for k, v in state.items() if k != "scale"}, tmp_path / "head.safetensors")
    with pytest.raises(WeightError, match="head of cnn-baseline, got 1 missing: scale"):
        kk.metric("cnn-baseline", weights=tmp_path / "head.safetensors")


@pytest.mark.parametrize("family", [psf.gaussian, psf.disc])
@pytest.mark.parametrize("sigma", [0.35, 0.6, 2.0, 7.9])
def test_kernels_have_the_size_that_is_drawn(family: Any, sigma: float) -> None:
    assert psf.sigma_of(family(length_for(family, sigma))).item() == pytest.approx(sigma, rel=0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty photographs of 192 px."""
    (tmp_path / "photographs").mkdir()
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        array = getattr(data, name)()
        for i in range(5):
            cut = array[20 * i : 20 * i + 192, 40 * i : 40 * i + 192]
            PillowImage.fromarray(cut).save(tmp_path / "photographs" / f"{name}-{i}.png")
    return tmp_path / "photographs"


def test_recipe_learns_and_its_weights_are_the_metrics(folder: Path, tmp_path: Path) -> None:
    recipe = CnnBaseline((folder,), views=2)
    with torch.no_grad():
        before = recipe.validate(recipe.model().eval())["score"]
    result = train(recipe, tmp_path / "run", steps=60, precision="no", progress=False)
    assert result.best is not None and result.score is not None and result.score < 0.6 * before
    assert kk.metric("cnn-baseline", weights=result.best)(seen("camera", 1.0)).isfinite()


def test_recipe_draws_the_same_again(folder: Path) -> None:
    batches = [next(CnnBaseline((folder,), views=1, batch=8).batches(3, 5)) for _ in range(2)]
    assert torch.equal(batches[0].pooled, batches[1].pooled)
    assert torch.equal(batches[0].log_sigma, batches[1].log_sigma)


def test_recipe_says_what_it_needs(folder: Path) -> None:
    for file in sorted(folder.iterdir())[:3]:
        file.unlink()
    with pytest.raises(InputError, match="at least 20 sharp photographs, got 17"):
        CnnBaseline((folder,))
