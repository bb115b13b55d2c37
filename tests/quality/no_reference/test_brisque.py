from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import kukkiri as kk
from contract import MetricContract, photograph
from kukkiri.errors import InputError, WeightError
from kukkiri.images.image import as_batch
from kukkiri.quality.no_reference.brisque import brisque_features
from kukkiri.quality.no_reference.natural_scene_statistics import shape_grid
from kukkiri.weights import locate
from quality.no_reference.pictures import NAMES, golden, grey, picture


class TestBRISQUE(MetricContract):
    name = "brisque"
    worsened_by = ("blur", "noise")


@pytest.mark.parametrize("name", NAMES)
def test_features_equal_the_authors_code(name: str) -> None:
    """Both releases of LIVE, see provenance in tests/golden/no_reference.json: 1e-10 absolute."""
    expected = golden()[name]
    in_cpp = brisque_features(as_batch(picture(name)), release="c++")[0].numpy()
    np.testing.assert_allclose(in_cpp, expected["brisque_features"], atol=1e-10, rtol=1e-10)
    in_matlab = brisque_features(as_batch(grey(name)), release="matlab")[0].numpy()
    np.testing.assert_allclose(in_matlab, expected["brisque_features_matlab"], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_score_equals_the_authors_code(name: str) -> None:
    """LIVE's C++ release with its libsvm, 1e-4 points; unaltered (signs of rounding errors counted) 1e-2 points."""
    score = kk.metric("brisque")(picture(name)).item()
    assert score == pytest.approx(golden()[name]["brisque"], abs=1e-4)
    assert score == pytest.approx(golden()[name]["brisque_unaltered"], abs=1e-2)


def test_shipped_regression_belongs_to_the_c_release() -> None:
    """The largest shape in its training data lies on the grid that C++ sums up in float, not on multiples of 0.001."""
    largest = load_file(locate("brisque-svr"))["feature_max"][[0, 2, 18, 20]]
    drifting, decimal = shape_grid("single"), shape_grid("decimal")
    assert all(float((drifting - shape).abs().min()) < 1e-6 for shape in largest)
    assert any(float((decimal - shape).abs().min()) > 1e-4 for shape in largest)


def test_release_comes_with_its_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="MATLAB release"):
        kk.metric("brisque", release="matlab")
    with pytest.raises(InputError, match="fortran"):
        kk.metric("brisque", release="fortran")
    save_file(load_file(locate("brisque-svr")), tmp_path / "own.safetensors")
    metric = kk.metric("brisque", weights=tmp_path / "own.safetensors", release="matlab")
    features = brisque_features(photograph(), release="matlab")
    assert metric(photograph()).item() == pytest.approx(metric.regression(features).item(), rel=1e-6)


def test_regression_by_hand(tmp_path: Path) -> None:
    """One support vector at the picture's own features gives coefficient − ρ."""
    features = brisque_features(photograph())[0]
    model = {
        "support_vectors": torch.zeros(1, 36, dtype=torch.float64),
        "dual_coef": torch.tensor([7.0], dtype=torch.float64),
        "feature_min": features - 2,
        "feature_max": features + 2,
        "gamma": torch.tensor([0.05], dtype=torch.float64),
        "rho": torch.tensor([-3.0], dtype=torch.float64),
    }
    save_file(model, tmp_path / "one.safetensors")
    assert kk.metric("brisque", weights=tmp_path / "one.safetensors")(photograph()).item() == pytest.approx(10.0)
    save_file({"dual_coef": model["dual_coef"], "bias": model["rho"]}, tmp_path / "wrong.safetensors")
    with pytest.raises(WeightError, match=r"(?s)support_vectors.*bias"):
        kk.metric("brisque", weights=tmp_path / "wrong.safetensors")


def test_flat_picture_is_nan_and_spoils_no_neighbour() -> None:
    metric, image = kk.metric("brisque"), photograph()
    values = metric(torch.cat([torch.full_like(image, 0.5), image]))
    assert values.isnan().tolist() == [True, False]
    assert values[1].item() == pytest.approx(metric(image).item(), rel=1e-6)


@pytest.mark.parametrize("release", ["c++", "matlab"])
def test_what_lies_within_reach_of_a_mask_is_left_out(release: str) -> None:
    """Painting under the mask, 10 px inside the pixels left out, changes no feature; painting beside it does."""
    image = photograph()
    free = torch.ones_like(image[:, :1])
    free[..., 80:141, 90:151] = 0
    hidden, seen = image.clone(), image.clone()
    hidden[..., 90:131, 100:141] = 1 - hidden[..., 90:131, 100:141]
    seen[..., 80:90, 100:141] = 1 - seen[..., 80:90, 100:141]
    expected = brisque_features(image, free, release)
    assert torch.allclose(brisque_features(hidden, free, release), expected, rtol=1e-12, atol=0)
    assert not torch.allclose(brisque_features(seen, free, release), expected, rtol=1e-6, atol=0)
