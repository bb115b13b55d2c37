"""DISTS against the authors' module, fed with the same VGG-16, and what is our own: tiles, maps, gradients."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import kukkiri as kk
from contract import MetricContract, blurred, noisy, photograph
from filling import picture
from kukkiri.errors import KukkiriError
from kukkiri.quality.full_reference import feature_comparison
from kukkiri.quality.full_reference.dists import moments
from parity import golden
from quality.full_reference.damage import STRENGTHS, damaged

GOLDEN = golden("lpips_dists.json")
SMALL = [case for case in GOLDEN["pairs"] if case["picture"][1] < 100]


def pair(case: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The damaged picture and its reference."""
    reference = picture(*case["picture"])
    image = damaged(reference, case["kind"], case["strength"])
    return torch.from_numpy(image)[None], torch.from_numpy(reference)[None]


@pytest.fixture(scope="module")
def dists() -> Any:
    return kk.metric("dists")


@pytest.mark.slow
class TestDISTS(MetricContract):
    name = "dists"
    worsened_by = ("blur", "noise")
    size = (96, 208)


def check_pairs(metric: Any, cases: list[dict[str, Any]]) -> None:
    with torch.inference_mode():
        for case in cases:
            found = float(metric(*pair(case)))
            assert found == pytest.approx(case["scores"]["dists"], abs=1e-5), (case["picture"], case["kind"])


def test_authors_values(dists):
    """DISTS_pt.py of dingkeyan93/DISTS: each kind of damage once; the others are in the slow test."""
    check_pairs(dists, SMALL[:9:3])


@pytest.mark.slow
def test_authors_values_on_all_pictures(dists):
    assert len(GOLDEN["pairs"]) == 36
    check_pairs(dists, GOLDEN["pairs"])


@pytest.mark.slow
def test_scores_grow_with_the_damage(dists):
    for kind in STRENGTHS:
        scores = [float(dists(*pair(case))) for case in SMALL[:9] if case["kind"] == kind]
        assert scores == sorted(scores) and len(set(scores)) == 3, (kind, scores)


@pytest.mark.slow
def test_resized_as_the_authors_demonstration(dists):
    """Exactly theirs on what Pillow makes of the pair; near it with our resizing, which does not round to 8 bits."""
    case = GOLDEN["resized"]
    height, width = case["size"]

    def reduced(x: torch.Tensor) -> torch.Tensor:
        small = Image.fromarray(np.moveaxis((x[0] * 255).round().byte().numpy(), 0, 2)).resize((width, height), 2)
        return torch.from_numpy(np.moveaxis(np.array(small), 2, 0).copy())[None].float() / 255

    assert float(dists(*map(reduced, pair(case)))) == pytest.approx(case["score"], abs=1e-5)
    metric = kk.metric("dists", resize=256)
    assert metric.measured_size(*case["picture"][1:]) == (height, width)
    assert float(metric(*pair(case))) == pytest.approx(case["score"], rel=0.02)
    with pytest.raises(KukkiriError, match="need not resize"):
        kk.metrics.measure_tiled(metric, *pair(case))


def test_shares_of_layers_sum_to_the_score(dists):
    image, reference = pair(SMALL[1])
    shares = dists.stages(image, reference)
    assert shares.shape == (1, 6) and bool((shares > 0).all())
    assert float(shares.sum()) == pytest.approx(float(dists(image, reference)), rel=1e-6)
    assert float(dists(reference, reference)) == 0


def test_a_map_shows_where(dists):
    """Noise in the left third: the map is far larger there than at the right end, which sees none of it."""
    reference = photograph("astronaut", 48, 240)
    image = reference.clone()
    image[..., :80] = noisy(reference, 0.1)[..., :80]
    found = dists.map(image, reference)
    assert found.shape == (1, 1, 48, 240)
    assert float(found[..., :60].mean()) > 20 * float(found[..., -30:].mean()) >= 0
    assert float(dists.map(reference, reference).abs().max()) == 0


def test_a_map_with_a_window_over_everything_is_the_score(dists):
    """Windows that hold the whole picture at every cell: the local terms are then the global ones."""
    image, reference = (x[..., :32, :32] for x in pair(SMALL[5]))
    found = kk.metric("dists", window=65).map(image, reference)
    torch.testing.assert_close(found, dists(image, reference).expand_as(found), rtol=1e-4, atol=1e-6)


def test_moments_by_hand():
    """Two channels of three cells, the last of which does not count."""
    a = torch.tensor([[[1.0, 2], [3, 2], [100, 7]]])
    b = torch.tensor([[[2.0, 0], [2, 4], [-9, 1]]])
    expected = torch.tensor([[[4, 4], [4, 4], [10, 8], [8, 16], [2, 8]]], dtype=torch.float64)
    torch.testing.assert_close(moments(a, b, torch.tensor([[[1.0], [1], [0]]])), expected)
    torch.testing.assert_close(moments(a[:, :2], b[:, :2]), expected)


@pytest.mark.slow
def test_large_pictures_in_tiles_have_the_value_and_the_map_of_the_whole(dists, monkeypatch):
    reference = photograph("astronaut", 277, 301)
    image = noisy(blurred(reference, 1.0), 0.03)
    whole, whole_map = dists(image, reference), dists.map(image, reference)
    monkeypatch.setattr(feature_comparison, "LARGE", 1)
    monkeypatch.setattr(feature_comparison, "TILE", 160)
    torch.testing.assert_close(dists(image, reference), whole, rtol=2e-6, atol=0)
    torch.testing.assert_close(dists.map(image, reference), whole_map, rtol=1e-3, atol=1e-5)


def test_descent_brings_a_picture_nearer(dists):
    """As a loss: five steps of Adam on a noisy picture."""
    reference = photograph()[..., :32, :32]
    x = noisy(reference, 0.1).requires_grad_(True)
    optimiser = torch.optim.Adam([x], lr=0.01)
    scores = []
    for _ in range(6):
        optimiser.zero_grad()
        loss = dists(x.clamp(0, 1), reference).sum()
        loss.backward()
        optimiser.step()
        scores.append(float(loss.detach()))
    assert np.isfinite(scores).all() and scores[-1] < 0.8 * scores[0], scores


def test_another_texture_of_the_same_kind_is_near(dists):
    """What the metric is for (section 1 of the paper): other grass is nearer to grass than the same grass blurred."""
    from skimage import data

    grass = torch.from_numpy(data.grass()).float().div(255)[None, None]
    one, other = grass[..., :96, :96], grass[..., 200:296, 200:296]
    assert float(dists(other, one)) < float(dists(blurred(one, 1.5), one))


def test_the_whole_state_of_the_authors_module_is_taken(dists):
    """stage1.0.weight …, the pooling's windows, mean and std: names of DISTS().state_dict()."""
    ends, state = (4, 9, 16, 23, 30), {}
    for name, value in dists.network.state_dict().items():
        layer = int(name.split(".")[1]) if name.startswith("features.") else -1
        stage = f"stage{1 + sum(layer >= end for end in ends)}"
        state[name.replace("features", stage)] = value
    state |= {f"stage{k}.{layer}.filter": torch.zeros(64, 1, 3, 3) for k, layer in ((2, 4), (3, 9), (4, 16), (5, 23))}
    state |= {"mean": torch.zeros(1, 3, 1, 1), "std": torch.ones(1, 3, 1, 1)}
    image, reference = (x[..., :32, :32] for x in pair(SMALL[2]))
    assert float(kk.metric("dists", weights=state)(image, reference)) == float(dists(image, reference))
    with pytest.raises(KukkiriError, match="missing.*alpha"):
        kk.metric("dists", weights={k: v for k, v in state.items() if k != "alpha"})


@pytest.mark.parametrize("options", [{"resize": 8}, {"resize": 256.5}, {"window": 4}, {"window": 0}, {"size": 256}])
def test_wrong_options_are_explained(options):
    with pytest.raises(KukkiriError, match="expected .*, got .*; "):
        kk.metric("dists", **options)
