"""Rotational averages of kernels."""

import pytest
import torch

from kukkiri.optics import psf
from kukkiri.optics.rings import asymmetry, ring_average


def test_projection() -> None:
    kernel = torch.rand(9, 9)
    once = ring_average(kernel)
    assert torch.allclose(ring_average(once), once, atol=1e-5)
    assert float(once.sum()) == pytest.approx(float(kernel.sum()), rel=1e-5)
    assert torch.allclose(once, once.T, atol=1e-5) and torch.allclose(once, once.flip(0), atol=1e-5)
    # Orthogonal: what is left has nothing in common with it.
    assert float(((kernel - once) * once).sum()) == pytest.approx(0, abs=1e-4)


def test_large_kernels_cost_no_square_matrix() -> None:
    """A matrix of side² × side² would hold 520 million numbers here."""
    assert ring_average(torch.rand(151, 151)).shape == (151, 151)


@pytest.mark.parametrize("kernel", [psf.gaussian(1.7)[0], psf.disc(3.3)[0]])
def test_round_kernels_are_symmetric(kernel: torch.Tensor) -> None:
    assert float(asymmetry(kernel.float())) < 1e-2  # a disc has a sharp rim on square pixels


def test_a_line_is_not() -> None:
    assert float(asymmetry(psf.motion(7.0, 0.4)[0].float())) > 0.4


def test_gradient_reaches_the_kernel() -> None:
    kernel = psf.motion(5.0, 0.2)[0].float().requires_grad_()
    asymmetry(kernel).backward()
    assert kernel.grad is not None and bool(torch.isfinite(kernel.grad).all()) and float(kernel.grad.abs().sum()) > 0
