import torch

from kukkiri.training.whitening import zca_whitening


def mixed(count=4000):
    """Three features that go together, one that does not, a constant."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 5, generator=generator)
    x[:, 1] = x[:, 0] + 0.1 * x[:, 1]
    x[:, 2] = x[:, 0] - 0.1 * x[:, 2]
    x[:, 4] = 0
    return x


def test_features_are_told_apart_and_stay_near_what_they_were():
    x = mixed()
    whitening, _ = zca_whitening(x, 1e-4)
    white = x @ whitening
    found = torch.corrcoef(white[:, :4].T)
    assert float((found - torch.eye(4)).abs().max()) < 0.05
    assert torch.allclose(white[:, :4].std(0), torch.ones(4), atol=0.01)
    for i in range(4):
        assert torch.corrcoef(torch.stack([x[:, i], white[:, i]]))[0, 1] > 0.5
    assert float(white[:, 4].abs().max()) < 1e-3


def test_a_ridge_keeps_the_weak_weak():
    x = mixed()
    whitening, inverse = zca_whitening(x, 1.0)
    white = x @ whitening
    assert torch.allclose(white[:, :4].std(0), torch.ones(4), atol=0.01)
    # With less variance than the ridge, what tells the first three apart stays weaker than what they share.
    difference, common = (white[:, 0] - white[:, 1]).std(), (white[:, 0] + white[:, 1]).std()
    assert 0.05 < float(difference / common) < 0.5
    torch.testing.assert_close(white @ inverse, x, atol=1e-4, rtol=0)
