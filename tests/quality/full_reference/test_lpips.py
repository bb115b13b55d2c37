"""LPIPS against the authors' package, fed with the same classifiers, and what is our own: tiles, masks, gradients."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import kukkiri as kk
from contract import MetricContract, blurred, noisy, photograph
from filling import picture, summary
from kukkiri.errors import KukkiriError
from kukkiri.quality.full_reference import feature_comparison
from parity import ParityContract, filled_state, golden
from quality.full_reference.damage import STRENGTHS, damaged

GOLDEN = golden("lpips_dists.json")
SMALL = [case for case in GOLDEN["pairs"] if case["picture"][1] < 100]
LARGE = [case for case in GOLDEN["pairs"] if case["picture"][1] >= 100]


def pair(case: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The damaged picture and its reference."""
    reference = picture(*case["picture"])
    image = damaged(reference, case["kind"], case["strength"])
    return torch.from_numpy(image)[None], torch.from_numpy(reference)[None]


def check_pairs(metric: Any, cases: list[dict[str, Any]]) -> None:
    with torch.inference_mode():
        for case in cases:
            expected = case["scores"][metric.spec.name]
            assert float(metric(*pair(case))) == pytest.approx(expected, abs=1e-5), (case["picture"], case["kind"])


@pytest.fixture(scope="module")
def alex() -> Any:
    return kk.metric("lpips-alex")


@pytest.fixture(scope="module")
def vgg() -> Any:
    return kk.metric("lpips-vgg")


class TestLPIPSAlex(MetricContract):
    name = "lpips-alex"
    worsened_by = ("blur", "noise")


@pytest.mark.slow
class TestLPIPSVGG(MetricContract):
    name = "lpips-vgg"
    worsened_by = ("blur", "noise")
    size = (96, 208)


class TestLPIPSSqueeze(ParityContract):
    """Its heads are shipped, its classifier is not: the architecture, with arbitrary weights."""

    name = "lpips-squeeze"
    file = "lpips_squeeze.json"
    taps: ClassVar[dict[str, str]] = {
        "relu1": "network.features.1",
        "fire5": "network.features.7",
        "fire6": "network.features.9",
        "fire9": "network.features.12",
    }

    def test_heads_and_classifier_from_two_files(self, metric, golden):
        """The published heads have their place in it, and a classifier in the usual layout, its last layers too."""
        names = {name.split(".", 2)[2]: shape for name, shape in golden["names"].items() if name.startswith("net.")}
        trunk = filled_state({f"features.{name}": tuple(shape) for name, shape in names.items()})
        trunk["classifier.1.weight"] = torch.zeros(1000, 512, 1, 1)
        built = kk.metric("lpips-squeeze", trunk=trunk)
        value = built.stages(photograph()[..., :64, :64], blurred(photograph(), 1)[..., :64, :64])
        assert value.shape == (1, 7) and bool((value > 0).all())


def test_authors_values_on_small_pictures(alex):
    """lpips.LPIPS(net='alex') of richzhang/PerceptualSimilarity on 18 pairs."""
    assert len(SMALL) == 18
    check_pairs(alex, SMALL)


def test_authors_values_of_the_vgg_variant(vgg):
    """lpips.LPIPS(net='vgg'): each kind of damage once; the others are in the slow test."""
    check_pairs(vgg, SMALL[:9:3])


@pytest.mark.slow
def test_authors_values_on_all_pictures(alex, vgg):
    check_pairs(alex, LARGE)
    check_pairs(vgg, SMALL + LARGE)


def test_scores_grow_with_the_damage(alex):
    """A metric must get worse: in each of the three kinds, on each picture, strictly."""
    for name in ("astronaut", "coffee"):
        for kind in STRENGTHS:
            same = [c for c in SMALL if c["picture"][0] == name and c["kind"] == kind]
            scores = [float(alex(*pair(case))) for case in same]
            assert scores == sorted(scores) and len(set(scores)) == 3, (name, kind, scores)


def test_layers_and_map_are_the_authors(alex):
    """retPerLayer=True and spatial=True of the package, on astronaut blurred by 1.2."""
    case = SMALL[1]
    image, reference = pair(case)
    layers = alex.stages(image, reference)[0]
    torch.testing.assert_close(layers, torch.tensor(GOLDEN["layers"]), rtol=1e-5, atol=1e-7)
    assert float(layers.sum()) == pytest.approx(float(alex(image, reference)), rel=1e-6)
    found = alex.map(image, reference)
    ours: Any = summary(found.numpy(), 64)
    assert ours["shape"] == GOLDEN["map"]["shape"]
    np.testing.assert_allclose(ours["values"], GOLDEN["map"]["values"], rtol=1e-4, atol=1e-5)
    assert float(found.mean()) == pytest.approx(GOLDEN["map_mean"], rel=1e-5)
    assert float(found.mean()) == pytest.approx(float(layers.sum()), rel=0.05)


def test_a_map_shows_where(alex):
    """Noise in the left third: nearly all of the map lies there."""
    reference = photograph()
    image = reference.clone()
    image[..., :85] = noisy(reference, 0.1)[..., :85]
    found = alex.map(image, reference)
    assert float(found[..., :100].sum()) > 0.95 * float(found.sum())


@pytest.mark.parametrize("name", ["lpips-alex", "lpips-squeeze"])
def test_large_pictures_in_tiles_have_the_value_and_the_map_of_the_whole(name, alex, monkeypatch):
    """Odd sizes: layers then have fewer cells than their strides suggest. Scores to 1e-6, as float32 sums allow."""
    shapes = {k: tuple(v) for k, v in golden("lpips_squeeze.json")["names"].items()}
    state = {k: v.abs() if k.startswith("lin") else v for k, v in filled_state(shapes).items()}
    metric = alex if name == "lpips-alex" else kk.metric(name, weights=state)
    reference = torch.cat([photograph("astronaut", 301, 315), photograph("coffee", 301, 315)])
    image = noisy(blurred(reference, 1.0), 0.03)
    whole, whole_map = metric(image, reference), metric.map(image[:1], reference[:1])
    monkeypatch.setattr(feature_comparison, "LARGE", 1)
    monkeypatch.setattr(feature_comparison, "TILE", 144)
    torch.testing.assert_close(metric(image, reference), whole, rtol=1e-6, atol=0)
    torch.testing.assert_close(metric.map(image[:1], reference[:1]), whole_map, rtol=1e-4, atol=1e-6)


def test_identical_pictures_are_at_distance_zero_with_finite_gradients(alex):
    """The package's root has no gradient where all features of a cell are 0; ours is finite."""
    image = photograph()[..., :64, :64]
    assert float(alex(image, image)) == 0
    for start in (image, torch.zeros_like(image)):
        x = start.clone().requires_grad_(True)
        (alex(x, image) + alex(image, x)).sum().backward()
        assert x.grad is not None and bool(torch.isfinite(x.grad).all())


@pytest.mark.parametrize("variant", ["alex", "vgg"])
def test_descent_brings_a_picture_nearer(variant, request):
    """As a loss: five steps of Adam on a noisy picture."""
    metric = request.getfixturevalue(variant)
    reference = photograph()[..., :48, :48]
    x = noisy(reference, 0.1).requires_grad_(True)
    optimiser = torch.optim.Adam([x], lr=0.01)
    scores = []
    for _ in range(6):
        optimiser.zero_grad()
        loss = metric(x.clamp(0, 1), reference).sum()
        loss.backward()
        optimiser.step()
        scores.append(float(loss.detach()))
    assert scores[-1] < 0.7 * scores[0], scores


def test_the_whole_state_of_the_authors_module_is_taken(alex):
    """net.slice…, lins.…, scaling_layer.…: names of lpips.LPIPS(net='alex').state_dict()."""
    ends, state = (2, 5, 8, 10, 12), {}
    for name, value in alex.network.state_dict().items():
        if name.startswith("features."):
            layer = int(name.split(".")[1])
            state[f"net.slice{1 + sum(layer >= end for end in ends)}.{name.removeprefix('features.')}"] = value
        else:
            state[name] = state[name.replace("lin", "lins.", 1)] = value
    state["scaling_layer.shift"] = state["scaling_layer.scale"] = torch.zeros(1, 3, 1, 1)
    image, reference = pair(SMALL[2])
    assert float(kk.metric("lpips-alex", weights=state)(image, reference)) == float(alex(image, reference))
    with pytest.raises(KukkiriError, match="missing.*features.10.bias"):
        kk.metric("lpips-alex", weights={k: v for k, v in state.items() if k != "net.slice5.10.bias"})
    with pytest.raises(KukkiriError, match="missing"):
        kk.metric("lpips-alex", trunk={"features.0.weight": torch.zeros(64, 3, 11, 11)})


def test_half_precision_drifts_little(alex):
    """bfloat16 convolutions: less than 2 % on a strongly and on a weakly blurred picture."""
    metric = kk.metric("lpips-alex", precision="bfloat16")
    for case in SMALL[1:3]:
        value = float(metric(*pair(case)))
        assert value == pytest.approx(float(alex(*pair(case))), rel=0.02) and value != float(alex(*pair(case)))


def test_max_side_reduces_first_and_cannot_be_tiled(alex):
    reference = photograph()
    image = blurred(reference, 2)
    metric = kk.metric("lpips-alex", max_side=128)
    assert float(metric(image, reference)) < 0.7 * float(alex(image, reference))
    assert metric.map(image, reference).shape == (1, 1, 224, 256)
    with pytest.raises(KukkiriError, match="need not resize"):
        kk.metrics.measure_tiled(metric, image, reference)


def test_a_mask_leaves_out_what_sees_it(alex):
    """Damage under a mask does not count, and what lies far from it still does."""
    reference = photograph("astronaut", 300, 300)
    image, mask = blurred(reference, 1), torch.zeros(300, 300, dtype=torch.bool)
    mask[100:140, 20:60] = True
    spoilt = torch.where(mask, torch.rand(300, 300, generator=torch.Generator().manual_seed(0)), image)
    assert float(alex(spoilt, reference, mask=mask)) == float(alex(image, reference, mask=mask)) > 0
    assert float(alex(spoilt, reference)) > float(alex(image, reference))
