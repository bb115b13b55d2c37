"""What every metric must do. A metric's test file derives from `MetricContract` and names the metric."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

import kukkiri as kk
from kukkiri.errors import KukkiriError
from kukkiri.images.filtering import gaussian_blur


@cache
def photograph(name: str = "astronaut", height: int = 224, width: int = 256) -> Tensor:
    """A real picture of scikit-image as (1, C, H, W), float32 on the 8-bit grid."""
    array = np.atleast_3d(getattr(data, name)())[:, :, :3]
    top, left = (array.shape[0] - height) // 2, (array.shape[1] - width) // 2
    crop = array[top : top + height, left : left + width]
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(crop, 2, 0)))[None].float() / 255


def noisy(image: Tensor, sigma: float) -> Tensor:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, sigma, tuple(image.shape))).to(image)
    return (image + noise).clamp(0, 1)


def blurred(image: Tensor, sigma: float) -> Tensor:
    return gaussian_blur(image, sigma)


def fine_grained(image: Tensor) -> Tensor:
    """The same scene with values between the 8-bit levels, as a 16-bit or float camera gives."""
    return (gaussian_blur(image, 0.6) * 0.9 + 0.0137).clamp(0, 1)


class MetricContract:
    """Generic proofs of a spec's flags."""

    name: ClassVar[str]
    # Each of these must make the score worse, and more of it worse still.
    worsened_by: ClassVar[tuple[str, ...]] = ("blur",)
    options: ClassVar[dict[str, Any]] = {}
    size: ClassVar[tuple[int, int]] = (224, 256)
    tile: ClassVar[int] = 64
    # The tolerance for 16 bits against float where the spec says continuous=False.
    loose: ClassVar[float] = 1e-2

    @pytest.fixture(scope="class")
    @classmethod
    def metric(cls) -> Any:
        return kk.metric(cls.name, **cls.options)

    def pictures(self) -> Tensor:
        return torch.cat([photograph("astronaut", *self.size), photograph("coffee", *self.size)])

    def arguments(self, image: Tensor) -> tuple[Tensor, ...]:
        """The picture, and for a fidelity metric the slightly spoilt picture before it."""
        if kk.metrics.spec_of(self.name).needs_reference:
            return noisy(blurred(image, 0.8), 0.01), image
        return (image,)

    def test_shape_dtype_range(self, metric: Any) -> None:
        value = metric(*self.arguments(self.pictures()))
        assert value.shape == (2,) and value.dtype == torch.float32
        low, high = metric.spec.value_range
        assert bool(((value >= low) & (value <= high)).all()), value

    def test_batch_equals_one_by_one(self, metric: Any) -> None:
        arguments = self.arguments(self.pictures())
        single = torch.cat([metric(*(a[i : i + 1] for a in arguments)) for i in range(2)])
        torch.testing.assert_close(metric(*arguments), single, rtol=1e-5, atol=1e-6)

    def test_repeat_is_identical(self, metric: Any) -> None:
        arguments = self.arguments(self.pictures())
        assert torch.equal(metric(*arguments), metric(*arguments)) == metric.spec.deterministic

    def test_grey_equals_equal_channels(self, metric: Any) -> None:
        grey = photograph("camera", *self.size)
        if 1 not in metric.spec.channels:
            pytest.skip("takes colour only")
        # BT.601 weights sum to 1, so equal channels have the luma of the grey picture.
        a = metric(*self.arguments(grey))
        b = metric(*(v.expand(-1, 3, -1, -1) for v in self.arguments(grey)))
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)

    def test_worse_when_degraded(self, metric: Any) -> None:
        image = self.pictures()
        degrade = {"blur": lambda s: blurred(image, s), "noise": lambda s: noisy(image, s / 25)}
        sign = 1 if metric.spec.higher_is_better else -1
        for kind in self.worsened_by:
            pictures = [image, degrade[kind](1.0), degrade[kind](3.0)]
            if metric.spec.needs_reference:
                scores = [sign * metric(p, image) for p in pictures]
            else:
                scores = [sign * metric(p) for p in pictures]
            assert bool((scores[0] > scores[1]).all()) and bool((scores[1] > scores[2]).all()), (kind, scores)

    def test_gradient(self, metric: Any) -> None:
        if not metric.spec.differentiable:
            return
        first, *rest = self.arguments(fine_grained(self.pictures()))
        x = first.clone().requires_grad_(True)
        metric(x, *rest).sum().backward()
        assert x.grad is not None and bool(torch.isfinite(x.grad).all()) and float(x.grad.abs().sum()) > 0

    def test_sixteen_bits_equal_float(self, metric: Any) -> None:
        image = fine_grained(self.pictures())[:1]
        arguments = self.arguments(image)
        as_uint16 = [np.moveaxis((a[0] * 65535).round().numpy().astype(np.uint16), 0, 2) for a in arguments]
        tolerance = 1e-4 if metric.spec.continuous else self.loose
        torch.testing.assert_close(metric(*as_uint16), metric(*arguments), rtol=tolerance, atol=tolerance * 1e-2)

    def test_tiles_equal_whole(self, metric: Any) -> None:
        if not metric.spec.tileable:
            with pytest.raises(KukkiriError):
                kk.metrics.measure_tiled(metric, photograph())
            return
        arguments = self.arguments(self.pictures()[:1])
        whole = float(metric(*arguments))
        assert kk.metrics.measure_tiled(metric, *arguments, size=self.tile) == pytest.approx(whole, rel=1e-5, abs=1e-7)

    def test_mask_of_a_border_equals_the_crop(self, metric: Any) -> None:
        arguments = self.arguments(self.pictures())
        mask = torch.zeros(self.size, dtype=torch.bool)
        mask[-self.size[0] // 8 :] = True
        cropped = [a[:, :, : self.size[0] - self.size[0] // 8] for a in arguments]
        torch.testing.assert_close(metric(*arguments, mask=mask), metric(*cropped), rtol=1e-5, atol=1e-6)

    def test_what_is_masked_does_not_matter(self, metric: Any) -> None:
        arguments = self.arguments(self.pictures()[:1])
        mask = torch.zeros(self.size, dtype=torch.bool)
        mask[20:40, 30:50] = True
        value = metric(*arguments, mask=mask)
        assert bool(torch.isfinite(value).all())
        # A level between those of 8 bits: what is masked must not even tell the depth of the picture.
        for level in (1.0, 0.50123):
            painted = [torch.where(mask, torch.full_like(a, level), a) for a in arguments]
            torch.testing.assert_close(metric(*painted, mask=mask), value, rtol=1e-5, atol=1e-6)

    def test_smallest_size_is_accepted(self, metric: Any) -> None:
        """One side at the minimum, the other twice that (NIQE needs two blocks)."""
        side = metric.spec.min_size + 2 * metric.border
        arguments = [a[:1, :, :side, : max(2 * side, 2)] for a in self.arguments(photograph())]
        assert metric(*arguments).shape == (1,)

    def test_range_holds_at_the_extremes(self, metric: Any) -> None:
        height, width = self.size
        noise = torch.from_numpy(np.random.default_rng(0).random((1, 1, height, width))).float()
        flat = torch.full((1, 1, height, width), 0.5)
        impulse = flat.clone()
        impulse[..., height // 2, width // 2] = 1
        board = (torch.arange(height)[:, None] + torch.arange(width)).remainder(2).float()[None, None]
        low, high = metric.spec.value_range
        for picture in (noise, flat, impulse, board, torch.zeros_like(flat), torch.ones_like(flat)):
            for other in (1 - picture, noise) if metric.spec.needs_reference else (None,):
                value = float(metric(picture) if other is None else metric(picture, other))
                assert math.isnan(value) or low <= value <= high, value

    def test_double_precision_agrees(self, metric: Any) -> None:
        arguments = self.arguments(self.pictures())
        double = metric(*(a.double() for a in arguments))
        tolerance = 1e-3 if metric.spec.continuous else self.loose
        torch.testing.assert_close(double.float(), metric(*arguments), rtol=tolerance, atol=tolerance)

    def test_wrong_input_is_explained(self, metric: Any) -> None:
        arguments = self.arguments(self.pictures())
        side = metric.spec.min_size - 1
        wrong = [
            tuple(a[:, :, :side, :side] for a in arguments) if side else None,
            tuple(a.expand(-1, 3, -1, -1)[:, :2] for a in arguments),
            tuple(a * 300 for a in arguments),
            tuple(torch.full_like(a, float("nan")) for a in arguments),
            arguments[:1] if len(arguments) == 2 else (*arguments, *arguments),
        ]
        if len(arguments) == 2:
            wrong.append((arguments[0], arguments[1][..., :-2]))
        for case in wrong:
            if case is not None:
                with pytest.raises(KukkiriError, match="expected .*, got .*; "):
                    metric(*case)
