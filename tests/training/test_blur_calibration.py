import math

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from skimage import data

from kukkiri.errors import InputError
from kukkiri.sharpness.blur_estimator import BlurEstimator
from kukkiri.sharpness.blur_interval import SUMMARY, IntervalHead
from kukkiri.training.blur_calibration import Observed, calibrate, centre_of, check, fit, fit_unlike, main, make_exact
from kukkiri.training.photographs import picture_files, split


def observed(count, seed, scale=1.0):
    """Errors whose deviation is told by one number of the summary: a tenth or four tenths of an octave."""
    random = torch.Generator().manual_seed(seed)
    unsure = torch.randint(2, (count,), generator=random)
    summary = 0.01 * torch.randn(count, len(SUMMARY), generator=random)
    summary[:, 2] = unsure
    error = scale * torch.randn(count, generator=random) * torch.where(unsure == 1, 0.4, 0.1)
    features = torch.randn(count, 5, generator=random)
    yes = torch.ones(count, dtype=torch.bool)
    return Observed(summary, features, error, unsure, yes, yes)


@pytest.fixture(scope="module")
def head():
    torch.manual_seed(0)
    head = IntervalHead(5)
    fit_unlike(head, observed(2000, 1).features)
    fit(head, observed(2000, 1), seed=0)
    return head


def test_intervals_are_as_wide_as_the_errors(head):
    seen = observed(1000, 2)
    reach = head.offsets(seen.summary)
    for unsure, deviation in ((0, 0.1), (1, 0.4)):
        assert float(reach[seen.family == unsure].mean()) == pytest.approx(1.645 * deviation, rel=0.2)


def test_the_promise_is_made_exact_where_the_errors_turn_out_larger(head):
    make_exact(head, observed(2000, 3, scale=1.5))
    found = check(head, observed(4000, 4, scale=1.5))
    assert found["coverage"] == pytest.approx(0.9, abs=0.02)
    assert found["pictures"] == 4000


def test_more_to_see_than_in_any_picture_of_the_fit_changes_nothing(head):
    most = head.summary_high[None]
    assert torch.equal(head.offsets(most), head.offsets(most + 5))


def test_one_picture_in_200_is_further_off(head):
    assert float((head.unlike(observed(2000, 1).features) > 0.5).float().mean()) == pytest.approx(0.005, abs=0.001)
    assert float(head.unlike(torch.full((1, 5), 9.0))) > 0.9


def test_gaussian_and_disc_count_alike_for_the_centre():
    seen = observed(300, 5)
    family = torch.tensor([0] * 200 + [1] * 50 + [-1] * 50)
    error = torch.tensor([0.1] * 200 + [0.3] * 50 + [9.0] * 50)
    assert centre_of(seen._replace(family=family, error=error)) == pytest.approx(0.2)


def test_photographs_are_held_out_one_in_ten_and_taken_once(tmp_path):
    for at in range(20):
        Pillow.fromarray(data.astronaut()[at : at + 40, :40]).save(tmp_path / f"{at:02}.png")
    files = picture_files([tmp_path, tmp_path])
    assert [f.name for f in split(files).held_out] == ["00.png", "10.png"]
    assert len(files) == 20 and len(split(files).training) == 18 and len(split(files).validation) == 1
    with pytest.raises(InputError, match="at least 20"):
        picture_files([])


@pytest.mark.slow
def test_from_a_network_to_the_file_that_is_shipped(tmp_path, capsys):
    from safetensors.torch import save_file

    for at in range(50):
        Pillow.fromarray(data.astronaut()[at : at + 200, :230]).save(tmp_path / f"{at}.png")
    weights = {f"net.{k}": v for k, v in BlurEstimator().net.state_dict().items()}
    save_file({k: v.contiguous() for k, v in weights.items()}, tmp_path / "best.safetensors")
    out = tmp_path / "out.safetensors"
    found = calibrate(tmp_path / "best.safetensors", out, [tmp_path], count=48, seed=1, steps=20)
    assert 0 <= found["coverage"] <= 1 and math.isfinite(found["centre"])
    picture = np.asarray(data.camera()[::2, ::2])
    assert BlurEstimator(out).estimate(picture).sigma > 0
    assert main([str(tmp_path / "none"), str(out), "--data", str(tmp_path)]) == 1
    assert "none" in capsys.readouterr().err
