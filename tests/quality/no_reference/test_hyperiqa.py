"""HyperIQA: the authors' network, the small network it makes, and the crops."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

import kukkiri as kk
from filling import filled, picture, summary
from kukkiri.errors import KukkiriError
from kukkiri.networks.vgg import DEVIATION, normalised
from kukkiri.quality.no_reference.cropped import iqa_pytorch_places
from kukkiri.quality.no_reference.hyperiqa import HyperIQA, authors_names, small_network
from parity import ParityContract


class TestHyperIQA(ParityContract):
    """With the authors' layout, and two crops where torchvision's RandomCrop has them after `torch.manual_seed(5)`.

    The parameters saturate the small network's sigmoids, so that `test_the_small_network` proves it on its own.
    """

    name = "hyperiqa"
    file = "hyperiqa.json"
    options: ClassVar[dict[str, Any]] = {"crops": 2, "seed": 5}
    differentiable_size = (224, 225)
    taps: ClassVar[dict[str, str]] = {
        "stage 1": "network.res.layer1",
        "stage 3": "network.res.layer3",
        "stage 4": "network.res.layer4",
        "vector 1": "network.res.lda1_fc",
        "vector 3": "network.res.lda3_fc",
        "vector 4": "network.res.lda4_fc",
        "features": "network.conv1",
        "weights 1": "network.fc1w_conv",
        "weights 4": "network.fc4w_conv",
        "bias 5": "network.fc5b_fc",
    }

    def test_the_small_network(self, metric: Any, golden: dict[str, Any]) -> None:
        """The authors' own on features and a vector so small that its sigmoids tell them apart."""
        features = np.stack([filled(f"features {i}", (2048, 7, 7)) for i in range(2)]) * 0.3
        vector = np.stack([filled(f"vector {i}", (224,)) for i in range(2)]) * 20
        layers = metric.network.layers(torch.from_numpy(features))
        scores = small_network(torch.from_numpy(vector), layers)
        expected = golden["head"]
        # Deviations of the values after each sigmoid: neither all alike nor all at the ends.
        assert all(0.1 < spread < 0.4 for spread in expected["spread"])
        np.testing.assert_allclose(scores, expected["score"], rtol=1e-4)
        np.testing.assert_allclose(
            summary(layers[1][0][..., None, None].numpy())["values"],
            expected["weights"]["values"],
            rtol=1e-3,
            atol=1e-6,
        )

    def test_each_crop(self, metric: Any, golden: dict[str, Any]) -> None:
        """Crop by crop the authors' scores: where the crops lie is proven, not only their mean."""
        case = golden["cases"][0]
        image = torch.from_numpy(picture(*case["picture"]))[None]
        places = metric.places(*image.shape[-2:])
        assert len(set(places)) == 2
        for (top, left), expected in zip(places, case["each"], strict=True):
            crop = image[..., top : top + 224, left : left + 224]
            assert float(metric(crop)) == pytest.approx(expected, rel=1e-4)

    def test_a_step_up_the_gradient_raises_the_score(self, metric: Any) -> None:
        """Differentiable in earnest: one small step along the gradient, and what it promises is what it gives."""
        image = torch.from_numpy(picture("chelsea", 224, 224))[None].requires_grad_()
        before = metric(image)
        (gradient,) = torch.autograd.grad(before.sum(), image)
        step = 1e-6 * gradient / gradient.abs().max()
        with torch.no_grad():
            after = metric((image + step).clamp(0, 1))
        promised = float((gradient * step).sum())
        assert promised > 0 and 0.3 * promised < float(after - before.detach()) < 3 * promised

    def test_iqa_pytorch(self, metric: Any, golden: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """Its names (those of the checkpoint that can be fetched) become the authors', and its crops give its score."""
        theirs = golden["iqa-pytorch"]
        shapes = authors_names({name: torch.empty(shape, device="meta") for name, shape in theirs["names"].items()})
        assert {name: list(value.shape) for name, value in shapes.items()} == golden["names"]
        for option, value in {"seed": None, "grid": "iqa-pytorch", "crops": theirs["crops"]}.items():
            monkeypatch.setattr(metric, option, value)
        image = torch.from_numpy(picture(*theirs["picture"]))[None]
        assert float(metric(image)) == pytest.approx(theirs["score"], rel=1e-4)

    def test_the_authors_resizing(self, metric: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """`resize=` is Pillow's bilinear `Image.resize`, but for its rounding to 8 bits (here at most half a level)."""
        image = torch.from_numpy(picture("coffee", 300, 451))[None]
        seen: list[torch.Tensor] = []
        monkeypatch.setattr(metric, "resize", (230, 240))
        monkeypatch.setattr(metric, "scores", lambda crops: seen.append(crops) or crops.mean((1, 2, 3)))
        metric(image)
        (top, left), _ = metric.places(230, 240)
        pixels = Image.fromarray((image[0].permute(1, 2, 0) * 255).round().byte().numpy()).resize((240, 230), 2)
        expected = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None] / 255
        difference = seen[0][0] - normalised(expected)[0, :, top : top + 224, left : left + 224]
        assert float(difference.abs().max()) * min(DEVIATION) * 255 < 1.1


@pytest.mark.parametrize(
    "options",
    [{"crops": 0}, {"seed": -1}, {"grid": "square"}, {"seed": 1, "grid": "iqa-pytorch"}, {"resize": (100, 9)}],
)
def test_options_out_of_range_are_explained(options: dict[str, Any]) -> None:
    with pytest.raises(KukkiriError, match=r"expected .*, got .*; "):
        kk.metric("hyperiqa", weights={}, **options)


def test_iqa_pytorchs_grid_misses_the_border() -> None:
    """By hand: steps of (512 − 224) // 5 = 57 px, so that the last of 5 crops a side ends at 452 of 512."""
    places = iqa_pytorch_places(512, 512, 224, 25)
    assert len(places) == 25 and places[:6] == ((0, 0), (0, 57), (0, 114), (0, 171), (0, 228), (57, 0))
    assert places[-1] == (228, 228)
    # Of 50 crops, 14 of the 64 of an 8 × 8 grid are missing, all below.
    assert iqa_pytorch_places(512, 512, 224, 50)[-1] == (6 * 41, 41)


def test_weights_of_their_own_for_each_sample() -> None:
    """By hand: one input, one hidden unit, one output: w₂·σ(w₁·x + b₁) + b₂."""
    vector = torch.tensor([[1.0], [2.0]])
    first = (torch.tensor([[[3.0]], [[-1.0]]]), torch.tensor([[[-3.0]], [[2.0]]]))  # both units see 0: σ = 1/2
    last = (torch.tensor([[[4.0]], [[6.0]]]), torch.tensor([[[0.5]], [[-1.0]]]))
    torch.testing.assert_close(small_network(vector, [first, last]), torch.tensor([2.5, 2.0]))


def test_a_picture_of_one_crop_is_rated_once() -> None:
    """224 × 224 px hold one crop only: 25 would cost 25 times as much and say the same."""
    metric = object.__new__(HyperIQA)
    torch.nn.Module.__init__(metric)
    metric.crops, metric.grid = 25, "even"
    for metric.seed in (3, None):
        assert metric.places(224, 224) == ((0, 0),)
    assert len(metric.places(512, 512)) == 25
