import torch

from contract import photograph
from kukkiri.images.phase_congruency import log_gabor_bank, median, phase_congruency


def test_does_not_depend_on_contrast() -> None:
    """The point of the measure: an edge is an edge at a third of the contrast."""
    picture = photograph("camera", 128, 128).double() * 255
    torch.testing.assert_close(phase_congruency(picture / 3 + 20), phase_congruency(picture), atol=2e-3, rtol=0)


def test_is_highest_at_an_edge_and_zero_on_a_flat() -> None:
    step = torch.zeros(1, 1, 128, 128, dtype=torch.float64)
    step[..., 32:96] = 100
    profile = phase_congruency(step)[0, 0, 64]
    peaks = profile.topk(4).indices.sort().values.tolist()
    assert peaks == [31, 32, 95, 96] and float(profile.max()) <= 1
    assert not bool(phase_congruency(torch.full((1, 1, 50, 61), 77.7)).any())


def test_turns_with_the_picture() -> None:
    """Four orientations at right angles: a quarter turn exchanges them (odd sides, so that the grid is symmetric)."""
    picture = photograph("coins", 127, 127).double() * 255
    turned = phase_congruency(torch.rot90(picture, 1, (2, 3)))
    torch.testing.assert_close(turned, torch.rot90(phase_congruency(picture), 1, (2, 3)), atol=1e-6, rtol=0)


def test_filters_pass_no_mean_and_one_side() -> None:
    bank, noise_gain = log_gabor_bank(64, 65)
    assert bank.shape == (4, 4, 64, 65) and not bool(bank[..., 0, 0].any())
    assert bool((noise_gain > 0).all()) and float(bank.max()) <= 1


def test_median_is_the_mean_of_the_middle_two() -> None:
    rows = torch.tensor([[4.0, 1, 3, 2], [2, 2, 2, 9], [5, 1, 1, 5]])
    assert median(rows).tolist() == [2.5, 2.0, 3.0]
    assert median(rows[:, :3]).tolist() == [3.0, 2.0, 1.0]
