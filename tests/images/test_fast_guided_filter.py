"""The guided filter for large windows."""

import pytest
import skimage.data
import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.fast_guided_filter import fast_guided_filter
from kukkiri.images.guided_filter import guided_filter


@pytest.fixture(scope="module")
def guide() -> Tensor:
    return torch.from_numpy(skimage.data.camera()[::2, ::2].copy()).float()[None, None, :250, :233] / 255


@pytest.fixture(scope="module")
def values(guide: Tensor) -> Tensor:
    """Flat over patches, as a dark channel is."""
    return -torch.nn.functional.max_pool2d(-guide, 15, 1, 7)


@pytest.mark.parametrize("radius", [40, 60, 150])
def test_nearly_the_filter_at_every_pixel(guide: Tensor, values: Tensor, radius: int) -> None:
    exact = guided_filter(guide, values, radius=radius, regularisation=1e-3)
    fast = fast_guided_filter(guide, values, radius=radius, regularisation=1e-3)
    assert fast.dtype == guide.dtype
    assert float((fast - exact).abs().mean()) < 0.002 and float((fast - exact).abs().max()) < 0.02
    known = (torch.rand(guide.shape, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    known[..., 180:, :] = 0
    hidden = torch.where(known > 0, values, torch.nan)
    exact = guided_filter(guide, hidden, radius=radius, regularisation=1e-3, weights=known)
    fast = fast_guided_filter(guide, hidden, radius=radius, regularisation=1e-3, weights=known)
    assert not bool(fast[..., :180, :].isnan().any())
    assert float((fast - exact)[..., :180, :].abs().max()) < 0.03


def test_small_windows_are_filtered_at_every_pixel(guide: Tensor, values: Tensor) -> None:
    exact = guided_filter(guide, values, radius=31, regularisation=1e-3).float()
    assert torch.equal(fast_guided_filter(guide, values, radius=31, regularisation=1e-3), exact)


def test_turned_pictures_give_turned_results_and_samples_do_not_mix(guide: Tensor, values: Tensor) -> None:
    fast = fast_guided_filter(guide, values, radius=70, regularisation=1e-3)
    for turned in (lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.transpose(-1, -2)):
        again = fast_guided_filter(turned(guide), turned(values), radius=70, regularisation=1e-3)
        assert torch.allclose(turned(again), fast, atol=1e-5)
    two = [torch.cat([x, x.flip(-1) * 0.5]) for x in (guide, values)]
    assert torch.allclose(fast_guided_filter(*two, radius=70, regularisation=1e-3)[:1], fast, atol=1e-6)


def test_what_is_far_from_all_that_is_known_is_not_known(guide: Tensor, values: Tensor) -> None:
    known = torch.zeros_like(guide)
    known[..., :20, :] = 1
    fast = fast_guided_filter(guide, values, radius=40, regularisation=1e-3, weights=known)
    assert not bool(fast[..., :80, :].isnan().any()) and bool(fast[..., 120:, :].isnan().all())


def test_wrong_input(guide: Tensor, values: Tensor) -> None:
    with pytest.raises(ShapeError):
        fast_guided_filter(guide, values[..., 1:], radius=40, regularisation=1e-3)
    with pytest.raises(InputError):
        fast_guided_filter(guide, values, radius=40, regularisation=0.0)
    with pytest.raises(InputError):
        fast_guided_filter(guide, values, radius=0, regularisation=1e-3)
