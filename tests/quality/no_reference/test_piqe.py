import pytest
import torch

import kukkiri as kk
from contract import MetricContract, noisy, photograph
from kukkiri.quality.no_reference.piqe import has_flat_segment, is_noisy, piqe
from quality.no_reference.pictures import NAMES, golden, grey, picture


class TestPIQE(MetricContract):
    name = "piqe"
    worsened_by = ("blur",)


@pytest.mark.parametrize("name", NAMES)
def test_equals_matlab_code(name: str) -> None:
    """See provenance in tests/golden/no_reference.json: 1e-6 relative (1e-5 from colour: luma in float32)."""
    assert kk.metric("piqe")(grey(name)).item() == pytest.approx(golden()[name]["piqe"], rel=1e-6)
    assert kk.metric("piqe")(picture(name)).item() == pytest.approx(golden()[name]["piqe"], rel=1e-5)


def test_much_noise_makes_it_worse_and_a_little_better() -> None:
    """A little noise breaks up flat segments and makes more blocks active: so the authors' definition has it."""
    metric, image = kk.metric("piqe"), photograph()
    clean, little, much, more = (metric(noisy(image, s)).item() for s in (1e-9, 0.01, 0.08, 0.2))
    assert little < clean < much < more, (clean, little, much, more)


def test_flat_picture_is_worst_as_in_matlab() -> None:
    """MATLAB's documentation: a uniform picture scores 100."""
    flat = torch.full((1, 3, 64, 64), 0.3)
    assert kk.metric("piqe")(flat).item() == 100


def test_all_masked_is_nan() -> None:
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[8::16, 8::16] = True
    assert kk.metric("piqe")(photograph(height=64, width=64), mask=mask).isnan().all()


def test_masked_blocks_are_dropped_and_no_others() -> None:
    """The middle of one block masked, its neighbours keep counting: the sum over the others by hand."""
    image = photograph("camera", 64, 64)
    level = (image * 255).round()
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[24, 24] = True
    weights = torch.ones(1, 1, 64, 64)
    weights[..., 16:32, 16:32] = 0
    assert kk.metric("piqe")(image, mask=mask).item() == pytest.approx(piqe(level, weights).item(), rel=1e-6)
    assert piqe(level, weights).item() != pytest.approx(piqe(level).item(), rel=1e-4)


def test_flat_segment_by_hand() -> None:
    """Noise everywhere, and six equal pixels in one side of one block; five are too few."""
    blocks = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    blocks[0, 1, 4:10, 15] = 0.5
    blocks[0, 2, 0, 3:8] = 0.5
    assert has_flat_segment(blocks).tolist() == [[False, True, False]]


def test_white_noise_is_noisy_and_a_bright_middle_is_not() -> None:
    blocks = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    blocks[0, 1] *= 0.05
    blocks[0, 1, :, 7:9] *= 40
    assert is_noisy(blocks, blocks.flatten(-2).var(-1)).tolist() == [[True, False]]
