import numpy as np
import pytest
import torch
from skimage import data
from skimage.measure import blur_effect

import kukkiri as kk
from contract import MetricContract, photograph
from kukkiri.errors import InputError


class TestBlurEffect(MetricContract):
    name = "blur-effect"


def test_step_edges_by_hand() -> None:
    """Steps along x and along y: the Sobel response 1 on two columns becomes 2/11 there after the box of 11."""
    step = (torch.arange(61) >= 30).double() / 2
    x = (step + step[:, None])[None, None]
    assert kk.metric("blur-effect")(x).item() == pytest.approx(2 / 11, rel=1e-9)


def test_isolated_point_is_perfectly_sharp() -> None:
    x = torch.zeros(1, 1, 41, 41)
    x[0, 0, 20, 20] = 1
    assert kk.metric("blur-effect")(x).item() == 0


@pytest.mark.parametrize("size", [3, 11, 15])
@pytest.mark.parametrize("name", ["camera", "coins", "astronaut", "coffee"])
def test_equals_scikit_image(name: str, size: int) -> None:
    """On 8-bit grey and RGB, sides odd and even, to 1e−6 (single precision)."""
    picture = getattr(data, name)()[3:200, 5:331]
    axis = -1 if picture.ndim == 3 else None
    expected = blur_effect(picture, h_size=size, channel_axis=axis)
    assert kk.metric("blur-effect", size=size)(picture).item() == pytest.approx(expected, abs=1e-6)


def test_smallest_picture() -> None:
    picture = np.random.default_rng(0).random((12, 13))
    value = kk.metric("blur-effect")(torch.from_numpy(picture)[None, None])
    assert value.item() == pytest.approx(blur_effect(picture), abs=1e-9)


def test_without_gradient_counts_as_blurred() -> None:
    """As scikit-image has it: 1 for a flat picture, and for a direction in which nothing changes."""
    metric = kk.metric("blur-effect")
    stripes = torch.zeros(1, 1, 40, 40)
    stripes[..., ::4] = 1
    assert metric(torch.full((1, 1, 40, 40), 0.3)).item() == 1
    assert metric(stripes).item() == pytest.approx(blur_effect(stripes[0, 0].numpy()))


def test_gain_and_offset_do_not_matter() -> None:
    metric = kk.metric("blur-effect")
    assert metric(photograph() * 0.3 + 0.4).item() == pytest.approx(metric(photograph()).item(), abs=1e-4)


@pytest.mark.parametrize("size", [1, 10])
def test_wrong_size_is_explained(size: int) -> None:
    with pytest.raises(InputError, match="odd size"):
        kk.metric("blur-effect", size=size)
