from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import kukkiri as kk
from contract import MetricContract, fine_grained, photograph
from kukkiri.errors import ShapeError, WeightError
from kukkiri.images.colour import luma_255
from kukkiri.quality.no_reference.niqe import BLOCK, distance_to_model, niqe_features
from kukkiri.weights import locate
from quality.no_reference.pictures import NAMES, golden, grey, picture


class TestNIQE(MetricContract):
    name = "niqe"
    size = (288, 384)
    loose = 1e-3  # a step of the shape grid at one scale of one block
    worsened_by = ("blur", "noise")


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_authors_code(name: str) -> None:
    """LIVE's MATLAB release run in GNU Octave, see provenance in tests/golden/no_reference.json: 1e-6 relative.

    In flat areas their code counts the signs of rounding errors of 1e-14; with those counted as 0 it agrees to 1e-6,
    unaltered to 1e-3 (the astronaut's black corners; the value there depends on the order of summation).
    """
    metric = kk.metric("niqe")
    assert metric(grey(name)).item() == pytest.approx(golden()[name]["niqe"], rel=1e-6)
    assert metric(picture(name)).item() == pytest.approx(golden()[name]["niqe"], rel=5e-5)  # luma in float32
    assert metric(picture(name)).item() == pytest.approx(golden()[name]["niqe_unaltered"], rel=1e-3)


def test_what_is_left_over_beyond_whole_blocks_is_not_looked_at() -> None:
    metric, image = kk.metric("niqe"), photograph(height=300, width=400)
    assert metric(image).item() == metric(image[..., :288, :384]).item()
    assert metric(image).item() != metric(image[..., 1:289, :384]).item()


def test_two_blocks_are_enough_and_one_is_not() -> None:
    """A covariance needs two blocks."""
    metric, image = kk.metric("niqe"), photograph(height=224, width=256)
    assert torch.isfinite(metric(image[..., :BLOCK, : 2 * BLOCK])).all()
    with pytest.raises(ShapeError, match="two blocks"):
        metric(image[..., : 2 * BLOCK - 1, : 2 * BLOCK - 1])


def test_flat_picture_is_nan_and_spoils_no_neighbour() -> None:
    metric, image = kk.metric("niqe"), photograph(height=224, width=256)
    values = metric(torch.cat([torch.full_like(image, 0.5), image, torch.ones_like(image)]))
    assert values.isnan().tolist() == [True, False, True]
    assert values[1].item() == pytest.approx(metric(image).item(), rel=1e-6)


def test_masked_blocks_are_dropped_and_no_others() -> None:
    """A mask of one pixel reaches 10 px: within that of a block's edge it drops the neighbour too."""
    metric, image = kk.metric("niqe"), photograph(height=288, width=384)
    features = niqe_features(luma_255(image))
    for (row, column), dropped in (((48, 48), [0]), ((50, BLOCK + 9), [0, 1]), ((50, BLOCK + 10), [1])):
        mask = torch.zeros(288, 384, dtype=torch.bool)
        mask[row, column] = True
        kept = torch.tensor([[i not in dropped for i in range(12)]])
        expected = distance_to_model(features, kept, metric.mean, metric.covariance)
        assert metric(image, mask=mask).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(("row", "column"), [(BLOCK + 10, 40), (2 * BLOCK + 10, 300), (40, BLOCK + 10)])
def test_mask_reaches_as_far_as_it_says(row: int, column: int) -> None:
    """A pixel 11 px outside a block does not change its features: 10 px of reach are enough."""
    image = photograph(height=288, width=384).double()
    painted = image.clone()
    painted[..., row, column] = 1 - painted[..., row, column].round()
    same = (niqe_features(luma_255(image)) == niqe_features(luma_255(painted))).all(-1)[0].view(3, 4)
    changed = (~same).nonzero().tolist()
    assert changed == [[row // BLOCK, column // BLOCK]]


def test_masking_nearly_everything_leaves_nan() -> None:
    mask = torch.zeros(288, 384, dtype=torch.bool)
    mask[48::96, :] = True
    assert kk.metric("niqe")(photograph(height=288, width=384), mask=mask).isnan().all()


def test_sixteen_bits_are_not_rounded_to_eight() -> None:
    fine = (photograph(height=288, width=384) * 0.2 + 0.4003).clamp(0, 1)
    metric = kk.metric("niqe")
    rounded = (fine * 255).round() / 255
    assert abs(metric(fine).item() - metric(rounded).item()) > 0.01


def test_own_model_from_a_path_and_wrong_layouts(tmp_path: Path) -> None:
    model = load_file(locate("niqe-pristine"))
    save_file(model, tmp_path / "own.safetensors")
    image = photograph(height=224, width=256)
    assert kk.metric("niqe", weights=tmp_path / "own.safetensors")(image).equal(kk.metric("niqe")(image))
    wrong = {"mu_pris_param": model["mu_pris_param"][:, :18].contiguous(), "sigma": model["cov_pris_param"]}
    save_file(wrong, tmp_path / "wrong.safetensors")
    with pytest.raises(WeightError, match=r"(?s)cov_pris_param.*sigma.*mu_pris_param.*\(1, 18\)"):
        kk.metric("niqe", weights=tmp_path / "wrong.safetensors")


def test_uint8_array_equals_the_tensor() -> None:
    array = picture("chelsea")
    tensor = torch.from_numpy(np.moveaxis(array, 2, 0).copy())[None].float() / 255
    assert kk.metric("niqe")(array).item() == pytest.approx(kk.metric("niqe")(tensor).item(), rel=1e-6)


def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = fine_grained(photograph("astronaut", 400, 500))
    whole = kk.metric("niqe")(scene)
    monkeypatch.setattr("kukkiri.quality.no_reference.niqe.STRIP", 1)
    assert torch.equal(kk.metric("niqe")(scene), whole)
