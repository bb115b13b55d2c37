"""Our networks against the official ones, both filled with the parameters of `filling`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import kukkiri as kk
from filling import filled, picture, spoilt, summary
from kukkiri.errors import KukkiriError
from kukkiri.metrics.learned import LearnedMetric

GOLDEN = Path(__file__).with_name("golden")
TOLERANCE = 1e-4


def filled_state(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Tensors for these official names and shapes."""
    return {name: torch.from_numpy(filled(name, shape)) for name, shape in shapes.items()}


def golden(file: str) -> dict[str, Any]:
    """What an official implementation gave, with its provenance.

    Keys: 'provenance' (dict: repository, commit, what was run), 'names' (official name -> shape of every tensor that
    was filled), and 'cases': a list of dicts with 'picture' (name, height, width), 'score', and 'taps'
    (name -> `filling.summary`).
    """
    found: dict[str, Any] = json.loads((GOLDEN / file).read_text(encoding="utf-8"))
    return found


def keeper(seen: dict[str, Any], tap: str) -> Callable[[nn.Module, Any, Any], None]:
    """A hook that keeps the first output of a module."""

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        seen.setdefault(tap, (output if isinstance(output, Tensor) else output[0]).detach().numpy())

    return hook


class ParityContract:
    """A network metric whose checkpoint is not here, proven with arbitrary parameters.

    The golden file names the official tensors, so that the key layout is proven too: they are given to `kk.metric` as
    `weights`. A subclass says which of our modules give the taps.
    """

    name: ClassVar[str]
    file: ClassVar[str]  # in tests/golden
    options: ClassVar[dict[str, Any]] = {}
    # Tap in the golden file -> path of the module in our metric whose output it is (the first tensor, if several).
    taps: ClassVar[dict[str, str]] = {}
    differentiable_size: ClassVar[tuple[int, int]] | None = None

    @pytest.fixture(scope="class")
    @classmethod
    def golden(cls) -> dict[str, Any]:
        return golden(cls.file)

    @pytest.fixture(scope="class")
    @classmethod
    def metric(cls, golden: dict[str, Any]) -> LearnedMetric:
        shapes = {name: tuple(shape) for name, shape in golden["names"].items()}
        built = kk.metric(cls.name, weights=filled_state(shapes), **cls.options)
        assert isinstance(built, LearnedMetric)
        return built

    def arguments(self, case: dict[str, Any]) -> tuple[Tensor, ...]:
        image = picture(*case["picture"])
        if kk.metrics.spec_of(self.name).needs_reference:
            return torch.from_numpy(spoilt(image))[None], torch.from_numpy(image)[None]
        return (torch.from_numpy(image)[None],)

    def tapped(self, metric: LearnedMetric, tap: str) -> nn.Module:
        return metric.get_submodule(self.taps[tap])

    def test_official_values(self, metric: LearnedMetric, golden: dict[str, Any]) -> None:
        cases = golden["cases"]
        assert len(cases) >= 2 and any(side % 2 for case in cases for side in case["picture"][1:])
        scores = [case["score"] for case in cases]
        assert abs(scores[0] - scores[1]) > 0.01 * abs(scores[0]), "the inputs do not tell anything apart"
        for case in cases:
            assert len(case["taps"]) >= 3 and set(case["taps"]) == set(self.taps)
            seen: dict[str, np.ndarray[Any, Any]] = {}

            handles = [self.tapped(metric, tap).register_forward_hook(keeper(seen, tap)) for tap in self.taps]
            with torch.inference_mode():
                score = float(metric(*self.arguments(case)))
            for handle in handles:
                handle.remove()
            for tap, expected in case["taps"].items():
                ours: Any = summary(seen[tap])
                assert ours["shape"] == expected["shape"], tap
                np.testing.assert_allclose(ours["rms"], expected["rms"], rtol=TOLERANCE, err_msg=tap)
                np.testing.assert_allclose(
                    ours["values"], expected["values"], rtol=0, atol=TOLERANCE * expected["rms"], err_msg=tap
                )
            assert score == pytest.approx(case["score"], rel=TOLERANCE), case["picture"]

    def test_without_its_checkpoint_it_raises(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("KUKKIRI_HOME", str(tmp_path))
        monkeypatch.setenv("KUKKIRI_OFFLINE", "1")
        with pytest.raises(KukkiriError, match="expected .*, got .*; "):
            kk.metric(self.name, **self.options)

    def test_a_wrong_layout_is_named(self, golden: dict[str, Any]) -> None:
        _, *others = golden["names"]
        wrong = {name: torch.zeros(tuple(golden["names"][name])) for name in others} | {"another": torch.zeros(1)}
        with pytest.raises(KukkiriError, match="missing.*unexpected|unexpected.*missing"):
            kk.metric(self.name, weights=wrong, **self.options)

    def test_wrong_input_is_explained(self, metric: LearnedMetric, golden: dict[str, Any]) -> None:
        arguments = self.arguments(golden["cases"][0])
        side = metric.spec.min_size - 1
        wrong: list[tuple[Any, ...]] = [
            tuple(a[:, :, :side, :side] for a in arguments),
            tuple(a[:, :2] for a in arguments),
            tuple(torch.full_like(a, float("nan")) for a in arguments),
            tuple((a * 255).round().int() for a in arguments),
            arguments[:1] if len(arguments) == 2 else (*arguments, *arguments),
        ]
        if len(arguments) == 2:
            wrong.append((arguments[0], arguments[1][..., :-2]))
        for case in wrong:
            with pytest.raises(KukkiriError, match="expected .*, got .*; "):
                metric(*case)

    def test_gradient_batch_and_repeat(self, metric: LearnedMetric) -> None:
        """Flags of the spec, on the smallest pictures that it takes: a batch is one by one, and repeats are equal."""
        side = self.differentiable_size or (metric.spec.min_size, metric.spec.min_size + 3)
        a, b = picture("astronaut", *side), picture("coffee", *side)
        images = torch.from_numpy(np.stack([a, b]))
        others: tuple[Tensor, ...] = ()
        if metric.spec.needs_reference:
            images, others = torch.from_numpy(np.stack([spoilt(a), spoilt(b)])), (images,)
        x = images.clone().requires_grad_(metric.spec.differentiable)
        value = metric(x, *others)
        assert value.shape == (2,) and value.dtype == torch.float32
        single = torch.cat([metric(images[i : i + 1], *(o[i : i + 1] for o in others)) for i in range(2)])
        torch.testing.assert_close(value.detach(), single, rtol=1e-4, atol=1e-6)
        metric.train()  # as a part of a model that is trained: dropout and running means stay off
        assert torch.equal(metric(images, *others), value.detach()) == metric.spec.deterministic
        if metric.spec.differentiable:
            value.sum().backward()
            assert x.grad is not None and bool(torch.isfinite(x.grad).all()) and float(x.grad.abs().sum()) > 0
            # As a loss: a step of a third of a grey level improves the score of each picture.
            upwards = (1 if metric.spec.higher_is_better else -1) * x.grad
            step = upwards / upwards.abs().amax((1, 2, 3), keepdim=True) * 0.3 / 255
            with torch.inference_mode():
                gained = metric((images + step).clamp(0, 1), *others) - value.detach()
            assert bool((gained > 0).all() if metric.spec.higher_is_better else (gained < 0).all()), gained
