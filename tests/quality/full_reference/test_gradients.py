"""Gradients where square roots and ratios have their singular points."""

from typing import Any

import pytest
import torch
from torch import Tensor

import kukkiri as kk
from contract import noisy, photograph

CASES: list[tuple[str, dict[str, Any]]] = [
    ("psnr", {}),
    ("ssim", {}),
    ("ms-ssim", {}),
    ("fsim", {}),
    ("gmsd", {}),
    ("vif", {}),
    ("vif", {"domain": "pixel"}),
]


def half_flat() -> Tensor:
    picture = photograph("coffee", 192, 200).clone()
    picture[..., 90:] = 0.5
    return picture


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("situation", ["identical", "same flat half", "black against flat", "both flat"])
def test_finite_everywhere(name: str, options: dict[str, Any], situation: str) -> None:
    r = half_flat()
    x = r.clone()
    if situation == "same flat half":
        x[..., :90] = noisy(r, 0.05)[..., :90]
    elif situation == "black against flat":
        x = torch.zeros_like(r)
    elif situation == "both flat":
        x, r = torch.full_like(r, 0.3), torch.full_like(r, 0.7)
    x.requires_grad_(True)
    r.requires_grad_(True)
    gradients = torch.autograd.grad(kk.metric(name, **options)(x, r).sum(), (x, r))
    assert all(bool(torch.isfinite(g).all()) for g in gradients)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_agrees_with_differences(name: str, options: dict[str, Any]) -> None:
    """The slope along one smooth direction, in double precision."""
    metric = kk.metric(name, **options)
    r = photograph("camera", 192, 200).double() * 0.8 + 0.1
    x = noisy(r, 0.03).requires_grad_(True)
    direction = photograph("moon", 192, 200).double() - 0.5
    (gradient,) = torch.autograd.grad(metric(x, r).sum(), x)
    step = 1e-6
    with torch.no_grad():
        slope = (metric(x + step * direction, r) - metric(x - step * direction, r)).item() / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_trains_after_inference_mode(name: str, options: dict[str, Any]) -> None:
    """Filters cached while gradients were off must not be unusable later."""
    r = photograph("camera", 177, 209)  # a size of its own, so that nothing is cached yet
    with torch.inference_mode():
        kk.metric(name, **options)(noisy(r, 0.03), r)
    x = noisy(r, 0.03).double().requires_grad_(True)
    kk.metric(name, **options)(x, r.double()).sum().backward()
    assert x.grad is not None and bool(x.grad.any())
