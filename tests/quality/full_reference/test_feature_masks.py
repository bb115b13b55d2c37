"""Masks of LPIPS and DISTS: what is masked does not count, what lies around it does, and the rest says how much."""

from typing import Any

import pytest
import torch
from scipy import ndimage

import kukkiri as kk
from contract import blurred, noisy, photograph
from kukkiri.errors import ShapeError
from kukkiri.quality.full_reference import feature_comparison
from kukkiri.quality.full_reference.feature_comparison import cells, filled_in

NAMES = ("lpips-alex", "lpips-vgg", "dists")


@pytest.fixture(scope="module", params=NAMES)
def metric(request: Any) -> Any:
    return kk.metric(request.param)


def middle(side: int, width: int) -> torch.Tensor:
    mask = torch.zeros(side, side, dtype=torch.bool)
    first = (side - width) // 2
    mask[first : first + width, first : first + width] = True
    return mask


def test_cells_by_hand():
    """Five pixels a side, cells of two: a masked pixel leaves its own cell out, and no other."""
    free = torch.ones(1, 1, 5, 5)
    free[..., 1, 2] = 0
    assert cells(free, 2)[0, 0].tolist() == [[1, 0, 1], [1, 1, 1], [1, 1, 1]]
    assert torch.equal(cells(free, 1), free)


def test_filling_by_hand():
    """Alone in 2×2, the three around it; a whole square of 16 px, the mean of natural pictures."""
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    left_out = torch.zeros(64, 64, dtype=torch.bool)
    left_out[5, 6] = True
    left_out[32:64, 26:64] = True
    found = filled_in(picture, left_out)
    assert torch.equal(found[..., ~left_out], picture[..., ~left_out])
    torch.testing.assert_close(found[..., 5, 6], (picture[..., 4, 6] + picture[..., 4:6, 7].sum(-1)) / 3)
    torch.testing.assert_close(found[0, :, 40, 40], torch.tensor([0.485, 0.456, 0.406]))
    # The square of 4 px at (36, 24) has two free columns.
    torch.testing.assert_close(found[..., 37, 27], picture[..., 36:40, 24:26].mean((2, 3)))


@pytest.mark.parametrize("width", [1, 16])
def test_a_small_mask_hardly_changes_the_score(metric, width):
    """Nor does what lies under it, in either picture; `masked` is near its share."""
    side = 192 if metric.name == "lpips-alex" else 80
    reference = photograph("coffee", side, side)
    image, mask = noisy(blurred(reference, 1), 0.02), middle(side, width)
    garbage = [torch.where(mask, level, x) for level, x in ((0.9, image), (0.1, reference))]
    whole = float(metric(image, reference))
    found = float(metric(image, reference, mask=mask))
    assert found == pytest.approx(whole, rel=0.01 if width == 1 else 0.1)
    assert float(metric(*garbage, mask=mask)) == found
    share = metric.share_left_out(mask, (side, side))
    assert width**2 / side**2 <= share < 0.03 + width**2 / side**2


def test_gradients_are_finite_and_none_under_the_mask(metric):
    reference, mask = photograph("coffee", 48, 48), middle(48, 8)
    x = blurred(reference, 1).requires_grad_(True)
    metric(x, reference, mask=mask).sum().backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all())
    assert float(x.grad[..., mask].abs().max()) == 0 < float(x.grad.abs().max())


def test_tiles_have_the_value_of_the_whole(monkeypatch):
    metric = kk.metric("lpips-alex")
    reference = photograph("astronaut", 301, 315)
    image, mask = noisy(blurred(reference, 1.0), 0.03), torch.zeros(301, 315, dtype=torch.bool)
    mask[130:170, 100:260] = mask[10, 300] = True
    whole = metric(image, reference, mask=mask)
    monkeypatch.setattr(feature_comparison, "LARGE", 1)
    monkeypatch.setattr(feature_comparison, "TILE", 144)
    torch.testing.assert_close(metric(image, reference, mask=mask), whole, rtol=1e-6, atol=0)


def test_a_mask_and_a_smaller_picture():
    """A pixel of the reduced picture counts if all that went into it do."""
    metric = kk.metric("lpips-alex", max_side=128)
    reference, mask = photograph("coffee", 224, 224), middle(224, 20)
    image = blurred(reference, 2)
    found = metric(image, reference, mask=mask)
    assert float(found) == pytest.approx(float(metric(image, reference)), rel=0.05)
    assert torch.equal(metric(torch.where(mask, 1.0, image), reference, mask=mask), found)
    assert 0.008 < metric.share_left_out(mask, (224, 224)) < 0.06


def test_nothing_that_counts_is_an_error(metric):
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[4::8, 4::8] = True
    picture = photograph()[..., :64, :64]
    with pytest.raises(ShapeError, match=r"expected a mask that leaves .*, got .* no cell; mask less"):
        metric(blurred(picture, 1), picture, mask=mask)


def test_a_turned_scan_is_compared():
    """What align leaves outside the reference are thin wedges along the border."""
    reference = photograph("coffee", 192, 192)
    turned = ndimage.rotate(reference[0].numpy(), 1.5, (2, 1), reshape=False, order=3, mode="nearest").clip(0, 1)
    found = kk.compare(torch.from_numpy(turned)[None], reference, "lpips-alex", align=True)
    assert 0 < found.value < 0.1 and found.masked < 0.2


def test_the_share_of_metrics_with_windows_counts_what_sees_the_mask():
    """SSIM's window of 11 px: a masked pixel leaves out 11 × 11."""
    mask = middle(64, 2)
    assert kk.metric("ssim").share_left_out(mask, (64, 64)) == pytest.approx(12**2 / 64**2)
    assert kk.metric("psnr").share_left_out(mask, (64, 64)) == pytest.approx(2**2 / 64**2)
