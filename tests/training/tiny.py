"""A small real recipe: a network of a few hundred weights learns to take noise out of a photograph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from skimage import data as pictures
from torch import Tensor, nn

from kukkiri.training.recipe import Recipe, generator


class Pair(NamedTuple):
    noisy: Tensor
    clean: Tensor


class Tiny(Recipe):
    name = "tiny"
    title = "Noise out of a photograph"
    learning_rate = 3e-3
    ema_decay = 0.9

    def __init__(self, data: Sequence[Path] = (), *, width: int = 6, noise: float = 0.1, dropout: float = 0.1) -> None:
        self.data, self.width, self.noise, self.dropout = data, width, noise, dropout
        self._picture = torch.from_numpy(pictures.camera()).float() / 255
        # What a test wants to happen when the batch of a step is made.
        self._events: dict[int, Callable[[], object]] = {}

    def model(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, self.width, 3, padding=1),
            nn.BatchNorm2d(self.width),
            nn.ReLU(),
            nn.Dropout2d(self.dropout),
            nn.Conv2d(self.width, 1, 3, padding=1),
        )

    def batches(self, seed: int, step: int) -> Iterator[Any]:
        while True:
            self._events.get(step, int)()
            random = generator(seed, step)
            corners = torch.randint(0, 512 - 16, (8, 2), generator=random).tolist()
            clean = torch.stack([self._picture[None, y : y + 16, x : x + 16] for y, x in corners])
            yield Pair(clean + self.noise * torch.randn(clean.shape, generator=random), clean)
            step += 1

    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, float | Tensor]]:
        loss = (model(batch.noisy) - batch.clean).square().mean()
        return loss, {"psnr": -10 * loss.detach().log10()}

    def validate(self, model: nn.Module) -> dict[str, float]:
        torch.rand(3)  # a recipe may draw here: training must not notice
        noisy, clean = next(self.batches(10**6, 0))
        return {"score": float((model(noisy) - clean).square().mean()), "seen": 8.0}
