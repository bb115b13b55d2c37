"""RankIQA against a public PyTorch port of the authors' Caffe network, and its crops."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import kukkiri as kk
from filling import picture
from kukkiri.errors import KukkiriError
from parity import ParityContract


class TestRankIQA(ParityContract):
    name = "rankiqa"
    file = "rankiqa.json"
    options: ClassVar[dict[str, Any]] = {"crops": 1}
    taps: ClassVar[dict[str, str]] = {
        "relu1_2": "network.features.3",
        "relu4_3": "network.features.22",
        "pool5": "network.features.30",
        "relu7": "network.classifier.4",
    }

    @pytest.mark.slow
    def test_gradient_batch_and_repeat(self, metric):
        super().test_gradient_batch_and_repeat(metric)

    @pytest.mark.slow
    def test_random_crops_are_those_of_the_port(self, metric, golden):
        """The port's main.py, seeded with 1, on three crops; the golden file has where they lie, too."""
        case = golden["random"]
        height, width = case["picture"][1:]
        metric.crops, metric.seed = case["crops"], case["seed"]
        try:
            assert [list(place) for place in metric.places(height, width)] == case["corners"]
            value = float(metric(torch.from_numpy(picture(*case["picture"]))[None]))
        finally:
            metric.crops, metric.seed = 1, None
        assert value == pytest.approx(case["score"], rel=1e-4)

    def test_usual_names_and_caffes_four_dimensions_are_taken(self, metric, golden):
        """Without its suffix, in the usual layout, or with Caffe's leading ones: the same parameters."""
        from kukkiri.quality.no_reference.rankiqa import usual_names

        shapes = {name: tuple(value.shape) for name, value in metric.network.state_dict().items()}
        caffe = {name: torch.empty(shape, device="meta") for name, shape in golden["names"].items()}
        for state in (
            caffe,
            {name.replace("_m.", "."): value for name, value in caffe.items()},
            {name: value[None, None, None] if value.ndim == 1 else value for name, value in caffe.items()},
            usual_names(caffe, shapes),
        ):
            assert {name: tuple(value.shape) for name, value in usual_names(state, shapes).items()} == shapes

    def test_the_sign_of_difference_opinions_is_turned(self, metric, monkeypatch):
        monkeypatch.setattr(metric, "judged", lambda crops: crops.mean((1, 2, 3)))
        image = torch.from_numpy(picture("coffee", 224, 224))[None]
        value = float(metric(image))
        monkeypatch.setattr(metric, "sign", -1)
        assert value > 0 and float(metric(image)) == -value

    def test_regular_crops_cover_a_picture_and_are_at_most_thirty(self, metric):
        metric.crops = None
        try:
            covered = np.zeros((400, 500), bool)
            for top, left in metric.places(400, 500):
                covered[top : top + 224, left : left + 224] = True
            assert len(metric.places(400, 500)) <= 6 and covered[:, [0, -1]].all() and covered[[0, -1]].mean() > 0.8
            assert len(metric.places(3000, 4000)) == 30
            assert metric.places(224, 224) == ((0, 0),)
        finally:
            metric.crops = 1


@pytest.mark.parametrize(
    ("last", "opinions", "sign"),
    [("fc8_m", None, 1), ("fc8", "mean", 1), ("fc8", "difference", -1), ("fc8", None, 0), ("classifier.6", None, 0)],
)
def test_the_direction_is_told_or_asked_for(last, opinions, sign, monkeypatch):
    """Files that only rank bear it in a name; of FT_live, the wrong direction would be silent."""
    module = "kukkiri.quality.no_reference.rankiqa"
    monkeypatch.setattr(f"{module}.VGG16", lambda _outputs: torch.nn.Linear(1, 1))
    monkeypatch.setattr(f"{module}.load_into", lambda _network, weights, _what, rename: rename(weights))
    weights = {"conv1_1.weight": torch.zeros(1), f"{last}.bias": torch.zeros(1)}
    if sign:
        assert kk.metric("rankiqa", weights=weights, opinions=opinions).sign == sign
    else:
        with pytest.raises(KukkiriError, match="expected opinions=.*'difference' for FT_live"):
            kk.metric("rankiqa", weights=weights)


def test_without_weights_the_message_says_where_they_are():
    with pytest.raises(KukkiriError, match="expected weights= for rankiqa.*xialeiliu/RankIQA"):
        kk.metric("rankiqa")


@pytest.mark.parametrize("options", [{"crops": 0}, {"seed": -1}, {"opinions": "best"}])
def test_wrong_options_are_explained(options):
    with pytest.raises(KukkiriError, match="expected .*, got .*; "):
        kk.metric("rankiqa", weights={}, **options)
