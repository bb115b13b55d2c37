"""Rotational averages of kernels."""

import pytest
import torch

from kukkiri.optics import psf
from kukkiri.optics.rings import asymmetry, ring_average


def test_projection() -> None:
    projection = ring_average(9).double()
    assert torch.allclose(projection @ projection, projection, atol=1e-5)
    assert torch.allclose(projection, projection.T, atol=1e-6)
    flat = torch.full((81,), 1 / 81, dtype=torch.float64)
    assert torch.allclose(projection @ flat, flat, atol=1e-6)


@pytest.mark.parametrize("kernel", [psf.gaussian(1.7)[0], psf.disc(3.3)[0]])
def test_round_kernels_are_symmetric(kernel: torch.Tensor) -> None:
    assert float(asymmetry(kernel.float())) < 1e-2  # a disc has a sharp rim on square pixels


def test_a_line_is_not() -> None:
    assert float(asymmetry(psf.motion(7.0, 0.4)[0].float())) > 0.4


def test_gradient_reaches_the_kernel() -> None:
    kernel = psf.motion(5.0, 0.2)[0].float().requires_grad_()
    asymmetry(kernel).backward()
    assert kernel.grad is not None and bool(torch.isfinite(kernel.grad).all()) and float(kernel.grad.abs().sum()) > 0
