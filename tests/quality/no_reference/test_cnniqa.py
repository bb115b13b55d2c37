"""CNNIQA: D. Li's PyTorch form, its published checkpoint, and IQA-PyTorch's form for colour."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from skimage import data
from torch import Tensor

import kukkiri as kk
from filling import picture, summary
from kukkiri.images.patches import over_patches, regular_places
from kukkiri.quality.no_reference.cnniqa import CNNIQA, grey_of_pillow, locally_normalised
from kukkiri.weights import present
from parity import ParityContract, filled_state, golden


def tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array)).movedim(-1, 0)[None].float() / 255


class TestCNNIQA(ParityContract):
    name = "cnniqa"
    file = "cnniqa.json"
    options: ClassVar[dict[str, Any]] = {"drop_last": True}
    taps: ClassVar[dict[str, str]] = {layer: f"network.{layer}" for layer in ("conv1", "fc1", "fc2", "fc3")}
    differentiable_size = (65, 70)

    def test_normalisation(self, golden: dict[str, Any]) -> None:
        """SciPy's convolution with mirrored borders, patch by patch."""
        for case in golden["cases"]:
            image = grey_of_pillow(torch.from_numpy(picture(*case["picture"]))[None])
            places = regular_places(*(range(0, side - 32, 32) for side in image.shape[-2:]))
            patches = over_patches(lambda part: part.flatten(1), (image,), places, 32, at_once=64)
            patches = patches.view(-1, 1, 32, 32)
            expected = case["normalised"]
            found: Any = summary(locally_normalised(patches).numpy())
            assert found["shape"] == expected["shape"]
            np.testing.assert_allclose(found["values"], expected["values"], rtol=0, atol=1e-5 * expected["rms"])

    def test_colour(self, golden: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """Weights of three channels: the whole picture, not normalised, a few rows at a time; higher is better."""
        found = golden["colour"]
        weights = filled_state({name: tuple(shape) for name, shape in found["names"].items()})
        metric: Any = kk.metric("cnniqa", weights=weights)
        grey = kk.metrics.spec_of("cnniqa")
        assert metric.spec.higher_is_better and not grey.higher_is_better
        assert metric.spec.continuous and metric.spec.sees == "whole" and grey.sees == "patches"
        for case in found["cases"]:
            image = torch.from_numpy(picture(*case["picture"]))[None].requires_grad_(True)
            gradients: list[Tensor] = []
            for rows in (1000, 17):
                monkeypatch.setattr("kukkiri.quality.no_reference.cnniqa.ROWS", rows)
                value = metric(image)
                assert float(value.detach()) == pytest.approx(case["score"], rel=1e-4)
                gradients += torch.autograd.grad(value.sum(), image)
            torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-7)


def test_grey_is_pillows() -> None:
    """Level by level what Pillow's conversion to 'L' gives, and finer than that for pictures between the levels."""
    array = data.astronaut()[::3, ::3]
    expected = tensor(np.asarray(Image.fromarray(array).convert("L"))[..., None])
    torch.testing.assert_close(grey_of_pillow(tensor(array)), expected, rtol=0, atol=1e-7)
    between = tensor(array) * 0.9 + 0.01
    difference = (grey_of_pillow(between) - (expected * 0.9 + 0.01)).abs()
    assert 0.1 / 255 < float(difference.max()) < 0.6 / 255


def test_the_spec_says_that_the_score_jumps() -> None:
    """One pixel a hair off the 8-bit levels, and no other pixel's luma is rounded any more."""
    image = tensor(data.astronaut()[::4, ::4])
    moved = image.clone()
    moved[0, 0, 0, 0] = (moved[0, 0, 0, 0] - 1e-4).abs()
    assert float((grey_of_pillow(image) - grey_of_pillow(moved)).abs()[..., 1:, :].max()) > 0.4 / 255
    assert not kk.metrics.spec_of("cnniqa").continuous


def test_a_flat_patch_by_hand() -> None:
    """A patch of one grey is 0 after normalisation, and has a gradient that is a number."""
    patch = torch.full((1, 1, 32, 32), 0.3, requires_grad=True)
    flat = locally_normalised(patch)
    flat.sum().backward()
    assert float(flat.detach().abs().max()) < 1e-6
    assert patch.grad is not None and bool(torch.isfinite(patch.grad).all())
    step = torch.zeros(1, 1, 32, 32)
    step[..., 16:] = 1
    # Beside the step: mean 1/3 of 9 pixels, variance 2/9, so −(1/3) / (√(2/9) + 1).
    assert float(locally_normalised(step)[0, 0, 10, 15]) == pytest.approx(-(1 / 3) / ((2 / 9) ** 0.5 + 1), rel=1e-5)


@pytest.mark.skipif(not present("cnniqa-live"), reason="the checkpoint cnniqa-live has not been fetched")
def test_published_checkpoint() -> None:
    """D. Li's own scores with his checkpoint, of photographs as they are and blurred by Pillow."""
    metric = CNNIQA(drop_last=True)
    for case in golden("cnniqa.json")["published"]["scores"]:
        image = Image.fromarray(getattr(data, case["picture"])())
        if case["damage"] != "as it is":
            image = image.filter(ImageFilter.GaussianBlur(int(case["damage"].split()[1])))
        with torch.inference_mode():
            score = float(metric(np.asarray(image)))
        assert score == pytest.approx(case["score"], rel=1e-4), case
