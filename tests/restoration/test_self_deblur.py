"""SelfDeblur: what comes out of the fit of two networks to one picture."""

from dataclasses import fields

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

import kukkiri as kk
from kukkiri.errors import InputError, KukkiriError, ShapeError
from kukkiri.evaluation.aligned import compare_aligned
from kukkiri.images.image import Image
from kukkiri.optics import psf
from kukkiri.optics.moments import sigma_of
from kukkiri.restoration.self_deblur import covering_side
from kukkiri.restoration.self_deblur_fit import chosen_precision, spread_of
from kukkiri.restoration.self_deblur_settings import DEFAULTS, OPTIONS, SelfDeblurSettings, settings_for

SMALL = {"channels": 8, "precision": "float32"}


@pytest.fixture(scope="module")
def sharp() -> Tensor:
    """72×72 px of a photograph, (1, 1, H, W)."""
    camera = torch.from_numpy(skimage.data.camera()).float() / 255
    return F.avg_pool2d(camera[None, None], 4)[..., 20:92, 20:92]


def blurred(sharp: Tensor, kernel: Tensor) -> Image:
    return Image(psf.blur(sharp, kernel, "valid")[0])


def test_known_kernel_makes_the_picture_clearer(sharp: Tensor) -> None:
    kernel = psf.motion(5.0, 0.3)[0]
    margin = kernel.shape[0] // 2
    seen = blurred(sharp, kernel)
    truth = sharp[0, 0, margin:-margin, margin:-margin].double().numpy()
    restored = kk.restore(seen, "deblur", kernel=kernel, steps=150, channels=8, precision="float32")
    before, after = (
        compare_aligned(x.pixels[0].double().numpy(), truth, most=0, border=8) for x in (seen, restored.image)
    )
    assert after.psnr > before.psnr + 1.5
    assert restored.report["kernel_given"] and restored.kernel is not None
    assert torch.allclose(restored.kernel, kernel, atol=1e-5)


def test_kernel_is_found_from_the_picture_alone(sharp: Tensor) -> None:
    """The kernel of a line of 7 px along the rows must come out longer along them than across."""
    kernel = psf.motion(7.0, 0.0)[0]
    restored = kk.restore(blurred(sharp, kernel), kernel_size=9, steps=150, channels=8, precision="float32")
    found = restored.kernel
    assert found is not None and float(found.min()) >= 0 and abs(float(found.sum()) - 1) < 1e-5
    across, along = (found.sum(d) for d in (0, 1))
    assert float(spread_of(across[None])) > 1.5 * float(spread_of(along[:, None]))


def test_out_of_focus_kernel_is_round_and_of_the_measured_size() -> None:
    camera = torch.from_numpy(skimage.data.camera()).float()[None, None] / 255
    seen = blurred(F.avg_pool2d(camera, 2)[..., :128, 50:178], psf.disc(3.0)[0])
    restored = kk.restore(seen, method="self-deblur-defocus", steps=40, **SMALL)
    assert restored.kernel is not None
    assert restored.report["sigma"] == pytest.approx(kk.blur(seen).sigma)
    assert float(sigma_of(restored.kernel)[0]) == pytest.approx(restored.report["sigma"], rel=0.1)
    assert torch.allclose(restored.kernel, restored.kernel.T, atol=5e-3)
    assert torch.allclose(restored.kernel, restored.kernel.flip(0), atol=5e-3)


@pytest.mark.parametrize("method", ["self-deblur", "self-deblur-defocus"])
def test_same_seed_same_result_and_register(sharp: Tensor, method: str) -> None:
    seen = Image(sharp[0].expand(3, -1, -1).contiguous(), 16, 1e-6)
    runs = [kk.restore(seen, method=method, kernel_size=5, steps=4, seed=s, **SMALL) for s in (1, 1, 2)]
    assert torch.equal(runs[0].image.pixels, runs[1].image.pixels)
    assert not torch.equal(runs[0].image.pixels, runs[2].image.pixels)
    image = runs[0].image
    assert image.pixels.shape == seen.pixels.shape and (image.bit_depth, image.pixel_size) == (16, 1e-6)
    assert float(image.pixels.min()) >= 0 and float(image.pixels.max()) <= 1


def test_seed_of_others_is_left_alone(sharp: Tensor) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    kk.restore(Image(sharp[0]), kernel_size=5, steps=1, **SMALL)
    assert torch.equal(torch.rand(3), expected)


def test_dark_picture_of_16_bits_is_restored_like_a_bright_one(sharp: Tensor) -> None:
    grey = sharp[0] * 0.5 + 0.1
    bright, dark = (
        kk.restore(Image(x, 16), kernel_size=5, steps=1, noise=n, **SMALL)
        for x, n in ((grey, 0.01), (grey * 0.02 + 0.3, 0.0002))
    )
    assert dark.report["stretched"] == pytest.approx(50 * bright.report["stretched"], rel=1e-3)
    assert torch.allclose((dark.image.pixels - 0.3) / 0.02, bright.image.pixels, atol=2e-2)
    assert dark.report["residual"] == pytest.approx(0.02 * bright.report["residual"], rel=0.01)


def test_missing_pixels_do_not_count(sharp: Tensor) -> None:
    mask = torch.zeros(72, 72, dtype=torch.bool)
    mask[30:40, 30:40] = True
    spoilt = sharp[0].clone()
    spoilt[0, mask] = 1.0
    options = {"kernel": psf.gaussian(0.8)[0], "steps": 6, "noise": 0.01, **SMALL}
    found = [kk.restore(Image(x), mask=mask.numpy(), **options).image.pixels for x in (sharp[0], spoilt)]
    assert torch.allclose(*found, atol=1e-5)


def test_progress_and_early_end(sharp: Tensor) -> None:
    seen: list[tuple[int, int]] = []
    restored = kk.restore(
        Image(sharp[0]), kernel_size=5, steps=5000, rate=1e-9, kernel_rate=1e-9, patience=50, jitter=0.0,
        progress=lambda done, of: seen.append((done, of)), **SMALL,
    )  # fmt: skip
    assert restored.report["ended"] == "nothing improved" and restored.report["steps"] < 1000
    assert seen[0] == (1, 5000) and seen[-1][0] == restored.report["steps"]


def test_doubts_are_said(sharp: Tensor) -> None:
    """After one step the kernel is still level, and nothing is explained yet."""
    warnings = kk.restore(Image(sharp[0]), kernel_size=5, steps=1, **SMALL).report["warnings"]
    assert any("above 5" in text for text in warnings) and any("residual" in text for text in warnings)


def test_report_is_json_ready(sharp: Tensor) -> None:
    import json

    row = kk.restore(Image(sharp[0]), kernel_size=5, steps=2, **SMALL).to_row()
    assert json.loads(json.dumps(row, allow_nan=False))["method"] == "self-deblur"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "sing"}, "a task of"),
        ({"method": "fast"}, "self-deblur-defocus"),
        ({"kernel_size": 4}, "odd kernel_size"),
        ({"kernel_size": 73}, "sides of at least"),
        ({"steps": 0}, "steps of at least"),
        ({"noise": -1.0}, "noise from 0"),
        ({"kernel": np.ones((4, 4))}, "odd sides"),
        ({"kernel": -np.ones((3, 3))}, "not negative"),
        ({"kernle_size": 5}, "kernel_size"),
        ({"channels": "many"}, "channels as int"),
        ({"precision": "int8"}, "precision"),
        ({"mask": np.zeros((3, 3), bool)}, "72"),
    ],
)
def test_bad_arguments(sharp: Tensor, options: dict, words: str) -> None:
    with pytest.raises(KukkiriError, match=words):
        kk.restore(Image(sharp[0]), **({"steps": 1} | options))


def test_pictures_that_cannot_be() -> None:
    with pytest.raises(ShapeError, match="at least 48"):
        kk.restore(torch.rand(1, 40, 60))
    with pytest.raises(ShapeError, match="megapixels"):
        kk.restore(torch.rand(1, 1200, 1200), kernel_size=9)
    with pytest.raises(InputError, match="kernel_size="):
        kk.restore(torch.full((1, 64, 64), 0.5))


def test_settings() -> None:
    assert set(OPTIONS) == {f.name for f in fields(SelfDeblurSettings)}
    assert all(set(own) <= set(OPTIONS) for own in DEFAULTS.values())
    assert settings_for("self-deblur", steps=7).steps == 7
    assert covering_side(2.0) % 2 == 1 and covering_side(2.0) >= 13 and covering_side(1e3) == 151
    assert chosen_precision("float32", torch.device("cpu")) == "float32"
