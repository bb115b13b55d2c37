"""SelfDeblur: what comes out of the fit of two networks to one picture."""

import math
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
from kukkiri.restoration.measured_kernel import covering_side, round_kernel
from kukkiri.restoration.self_deblur_fit import Fit, chosen_precision
from kukkiri.restoration.self_deblur_settings import DEFAULTS, OPTIONS, SelfDeblurSettings, settings_for
from kukkiri.restoration.stretching import stretched

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


@pytest.mark.slow
def test_kernel_is_found_from_the_picture_alone(sharp: Tensor) -> None:
    """The kernel of a line of 7 px along the rows must come out longer along them than across."""
    kernel = psf.motion(7.0, 0.0)[0]
    restored = kk.restore(blurred(sharp, kernel), kernel_size=9, steps=150, channels=8, precision="float32")
    found = restored.kernel
    assert found is not None and float(found.min()) >= 0 and abs(float(found.sum()) - 1) < 1e-5
    over_rows, over_columns = (sigma_of(profile)[0] for profile in (found.sum(1, keepdim=True), found.sum(0)[None]))
    assert float(over_columns) > 1.5 * float(over_rows)


def test_kernel_is_convolved_with_not_correlated(sharp: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The true picture and a kernel with a tail to one side explain what is seen; the kernel turned round does not."""
    kernel = torch.zeros(7, 7)
    kernel[3, 1:6] = torch.tensor([0.5, 0.25, 0.15, 0.07, 0.03])
    seen = psf.blur(sharp, kernel, "valid")[0]
    left = []
    for given in (kernel, kernel.rot90(2)):
        fit = Fit(
            seen, SelfDeblurSettings(channels=4), noise=0.01, side=7, start=None, kernel=given, missing=None, seed=0
        )
        truth = (sharp.clone().requires_grad_(), given)
        monkeypatch.setattr(fit, "_forward", lambda truth=truth: truth)
        fit.step()
        left.append(fit.residual)
    assert left[0] < 1e-6 and left[1] > 0.01


def test_out_of_focus_kernel_is_round_and_of_the_measured_size() -> None:
    camera = torch.from_numpy(skimage.data.camera()).float()[None, None] / 255
    seen = blurred(F.avg_pool2d(camera, 2)[..., :128, 50:178], psf.disc(3.0)[0])
    restored = kk.restore(seen, method="self-deblur-defocus", steps=40, **SMALL)
    assert restored.kernel is not None
    assert restored.report["sigma"] == pytest.approx(float(sigma_of(psf.disc(3.0)[0])[0]), rel=0.1)
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


def test_dark_picture_of_16_bits_looks_to_the_fit_like_a_bright_one(sharp: Tensor) -> None:
    grey = sharp[0] * 0.3 + 0.1
    bright, dark = (stretched(Image(x, 16), None) for x in (grey, grey * 0.02 + 0.3))
    assert dark.gain == pytest.approx(50 * bright.gain, rel=1e-3)
    assert torch.allclose(dark.pixels, bright.pixels, atol=1e-3)
    assert torch.allclose(dark.undone(dark.pixels), grey * 0.02 + 0.3, atol=1e-6)
    restored = kk.restore(Image(grey * 0.02 + 0.3, 16), kernel_size=5, steps=60, noise=0.0002, **SMALL)
    assert restored.report["residual"] < 0.02 * 0.15  # in the units of the picture


def test_missing_pixels_do_not_count(sharp: Tensor) -> None:
    """Neither in a hole nor where they are scattered so that no window of SSIM is whole; through all phases."""
    hole = torch.zeros(72, 72, dtype=torch.bool)
    hole[30:40, 30:40] = True
    scattered = torch.rand(72, 72, generator=torch.Generator().manual_seed(0)) < 0.3
    for mask in (hole, scattered):
        spoilt = sharp[0].clone()
        spoilt[0, mask] = 1.0
        options = {"kernel": psf.gaussian(0.8)[0], "steps": 3, "squared": 0.4, "noise": 0.01, **SMALL}
        found = [kk.restore(Image(x), mask=mask.numpy(), **options) for x in (sharp[0], spoilt)]
        assert torch.allclose(found[0].image.pixels, found[1].image.pixels, atol=1e-4)
        assert found[0].report["residual"] == pytest.approx(found[1].report["residual"], rel=1e-4)


def test_ssim_still_teaches_under_a_scattered_mask(sharp: Tensor) -> None:
    scattered = torch.rand(72, 72, generator=torch.Generator().manual_seed(0)) < 0.3
    options = {"kernel": psf.gaussian(0.8)[0], "squared": 0.0, "noise": 0.01, **SMALL}
    begun, later = (
        kk.restore(Image(sharp[0]), mask=scattered.numpy(), steps=n, **options).report["residual"] for n in (1, 60)
    )
    assert later < 0.7 * begun


def test_hidden_gradients_and_callers_modes(sharp: Tensor) -> None:
    picture = sharp[0].clone().requires_grad_()
    for mode in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with mode():
            restored = kk.restore(picture, kernel_size=5, steps=1, **SMALL)
        assert not restored.image.pixels.requires_grad
    assert picture.grad is None


def test_early_end_waits_for_whole_blocks(sharp: Tensor) -> None:
    """A loss that falls is never taken for one at rest, wherever the phases end."""
    settings = SelfDeblurSettings(steps=4995, channels=4, patience=10)
    fit = Fit(sharp[0], settings, noise=0.01, side=5, start=None, kernel=None, missing=None, seed=0)
    ended = []
    for step in range(1, 3000):
        fit.done = step
        ended.append(fit._schedule(math.exp(-step / 1000)))
    assert not any(ended)


def test_dark_picture_keeps_its_bright_detail() -> None:
    """Points of light under a wide disc: what they were is many times as bright as what is seen."""
    scene = torch.zeros(1, 1, 96, 96)
    scene[0, 0, 12::24, 12::24] = 0.4
    seen = psf.blur(psf.blur(scene, psf.gaussian(1.0)[0]), psf.disc(3.0)[0])
    shown = stretched(Image(seen[0], 16), None)
    assert shown.gain > 10 and float(shown.undone(torch.tensor(shown.reach))) > 3 * float(seen.max())
    hot = seen.clone()
    hot[0, 0, 0, 0] = 1.0
    assert stretched(Image(hot[0], 16), None).gain == pytest.approx(shown.gain, rel=0.1)


def test_progress_and_early_end(sharp: Tensor) -> None:
    seen: list[tuple[int, int]] = []
    restored = kk.restore(
        Image(sharp[0]), kernel_size=5, steps=5000, rate=1e-9, kernel_rate=1e-9, patience=50, jitter=0.0,
        progress=lambda done, of: seen.append((done, of)), **SMALL,
    )  # fmt: skip
    assert restored.report["ended"] == "nothing improved" and restored.report["steps"] < 1000
    assert seen[0] == (1, 5000) and seen[-1][0] == restored.report["steps"]


def test_a_fit_that_failed_says_so(sharp: Tensor) -> None:
    """After one step nothing is explained yet, whatever the noise; and no other advice is given."""
    (warning,) = kk.restore(Image(sharp[0]), kernel_size=7, steps=1, noise=0.2, **SMALL).report["warnings"]
    assert "do not use the result: 1 steps" in warning


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
        ({"mask": np.ones((72, 72), bool), "kernel_size": 5}, "not masked"),
        ({"steps": 2.5}, "steps as int"),
        ({"seed": 1.5}, "seed"),
        ({"device": "gpu"}, "device"),
        ({"kernel": "abc"}, "array"),
        ({"kernel": np.ones((3, 3)), "kernel_size": 5}, "both"),
        ({"noise": "x"}, "noise from 0"),
        ({"total_variation": 5.0}, "cleaned below 1"),
        ({"rate": math.inf}, "finite"),
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
    with pytest.raises(InputError, match="kernel_size"):
        kk.restore(torch.full((1, 64, 64), 0.5))


def test_defocus_without_a_measured_blur_says_so(sharp: Tensor) -> None:
    noise = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.1 + 0.4
    restored = kk.restore(noise, method="self-deblur-defocus", kernel_size=7, steps=1, **SMALL)
    assert restored.report["sigma"] is None and any("not held" in text for text in restored.report["warnings"])


def test_start_is_the_measured_blur() -> None:
    camera = torch.from_numpy(skimage.data.camera()).float()[None, None] / 255
    measured = kk.blur(blurred(F.avg_pool2d(camera, 2), psf.disc(3.0)[0]))
    assert float(sigma_of(round_kernel(measured, 15))[0]) == pytest.approx(measured.sigma, rel=0.05)
    with pytest.raises(InputError, match="kernel_size of at least"):
        round_kernel(measured, 5)


def test_settings() -> None:
    assert set(OPTIONS) == {f.name for f in fields(SelfDeblurSettings)}
    assert all(set(own) <= set(OPTIONS) for own in DEFAULTS.values())
    assert settings_for("self-deblur", steps=7).steps == 7
    assert covering_side(2.0) % 2 == 1 and covering_side(2.0) >= 13 and covering_side(1e3) == 151
    assert chosen_precision("float32", torch.device("cpu")) == "float32"
