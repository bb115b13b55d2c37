"""What the specs call differentiable is useful as a loss: a few steps along the gradient improve the score."""

import pytest
import torch
from torch import Tensor

import kukkiri as kk
from contract import blurred, noisy, photograph
from kukkiri.metrics.spec import MetricSpec
from kukkiri.weights import catalogue

STEPS, RATE = 5, 1 / 255


def runs_here(spec: MetricSpec) -> bool:
    """Networks whose checkpoint is not in the package are tested with arbitrary weights: see parity.py."""
    return not spec.needs_weights and all(catalogue()[key].kind == "shipped" for key in spec.weights)


NAMES = [s.name for s in kk.metrics() if s.differentiable and runs_here(s)]


def improved(metric: kk.metrics.Metric, image: Tensor, *reference: Tensor) -> tuple[float, float]:
    """The score before and after, signed so that more is better."""
    sign = 1 if metric.spec.higher_is_better else -1
    x = image.clone()
    first = sign * float(metric(x, *reference))
    for _ in range(STEPS):
        x.requires_grad_(True)
        (gradient,) = torch.autograd.grad(sign * metric(x, *reference).sum(), x)
        step = RATE * gradient / gradient.abs().amax()
        x = (x.detach() + step).clamp(0, 1)
    return first, sign * float(metric(x, *reference))


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_improve_the_score(name: str) -> None:
    metric = kk.metric(name)
    sharp = photograph("coffee", 192, 200)
    spoilt = noisy(blurred(sharp, 1.0), 0.02)
    before, after = improved(metric, spoilt, *((sharp,) if metric.spec.needs_reference else ()))
    assert after > before


@pytest.mark.parametrize("name", ["fsim", "vif", "s3", "lpc-si", "ms-ssim"])
def test_measured_before_in_inference_mode(name: str) -> None:
    """What is kept from call to call must not come from a mode whose tensors know no gradient."""
    metric = kk.metric(name)
    image = photograph("coffee", 192, 200).double()
    reference = (image,) if metric.spec.needs_reference else ()
    spoilt = noisy(image, 0.02)
    with torch.inference_mode():
        metric(spoilt, *reference)
    metric(spoilt.requires_grad_(True), *reference).sum().backward()
    assert spoilt.grad is not None and bool(torch.isfinite(spoilt.grad).all())
