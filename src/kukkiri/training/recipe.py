"""What a recipe says: data, model, loss, validation, schedule. A lab notebook that can be run."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_LARGEST_HALF = 65504.0
# A longer list (of files, say) stands in the settings as a digest.
_MOST_ITEMS = 16
_PLAIN = (bool, int, float, str, PurePath, type(None))


def generator(seed: int, step: int, *more: int) -> torch.Generator:
    """A source of random numbers of a batch's own.

    Parameters
    ----------
    seed, step, *more : int, ≥ 0
        Streams of different numbers are independent, also those of neighbouring ones.

    Returns
    -------
    torch.Generator
        On the CPU.
    """
    import numpy as np
    import torch

    mixed = np.random.SeedSequence([seed, step, *more]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> 1))  # 63 bits: the sign bit is not taken


class Recipe(ABC):
    """One way to train one network; `kukkiri.training.loop.train` runs it.

    A recipe takes `data: Sequence[Path] = ()` and its options as keyword arguments, and keeps them as public
    attributes: what is plain among them (numbers, words, paths, tuples of these) is its settings.

    Attributes
    ----------
    name, title : str
        As in the table of recipes.
    learning_rate, weight_decay : float
        Of the default optimizer, AdamW. Biases, gains and other parameters of one dimension do not decay.
    gradient_norm : float or None
        The gradient is shortened to this length where it is longer.
    ema_decay : float or None
        Of the running mean of the weights, which is what is validated and exported: min(decay, (1 + t) / (10 + t))
        after t steps, so that the first weights are soon forgotten. None: the weights themselves.
    channels_last : bool
        Whether weights and pictures lie with their channels last: faster for some convolutions, slower for others.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    gradient_norm: float | None = 1.0
    ema_decay: float | None = 0.999
    channels_last: bool = False

    @abstractmethod
    def model(self) -> nn.Module:
        """A network to train, on the CPU. The loop has set the seed.

        With precision 'bf16' its `forward` computes in bfloat16 where that is safe, and returns float32; other
        methods of the network, called from outside, do not.
        """

    @abstractmethod
    def batches(self, seed: int, step: int) -> Iterator[Any]:
        """Batches without end, on the CPU.

        Parameters
        ----------
        seed, step : int
            The batch of a step must follow from these two alone (`generator` helps): the first of `batches(1, 7)`
            is the third of `batches(1, 5)`. Then a run that is resumed, or whose batches several processes make,
            sees the same data. Starting at a step must be cheap: read pictures once, and keep them in the recipe.

        Yields
        ------
        Any
            Tensors, and tuples, lists or dictionaries of them; their first dimension is the samples.
        """

    @abstractmethod
    def loss(self, model: nn.Module, batch: Any) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Loss of one batch.

        Parameters
        ----------
        model : Module
            In training mode.
        batch : Any
            On the model's device.

        Returns
        -------
        loss : Tensor, ()
            To be minimised.
        parts : dict
            Anything worth a line in the log: single numbers.
        """

    @abstractmethod
    def validate(self, model: nn.Module) -> dict[str, float]:
        """How good the network is on material that no batch holds.

        Parameters
        ----------
        model : Module
            In evaluation mode, in float32, without gradients. Its random numbers are the same every time.

        Returns
        -------
        dict of float
            'score' chooses the best: lower is better. The rest is logged.
        """

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """What moves the weights: AdamW."""
        import torch

        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW([g for g in groups if g["params"]], lr=self.learning_rate)

    def schedule(self, progress: float) -> float:
        """Factor of the learning rate: up from 1 % over the first 3 % of the run, then down to 1 % as a cosine.

        Parameters
        ----------
        progress : float, 0–1
            Part of the budget (steps or minutes) that is used up.
        """
        warm_up, floor = 0.03, 0.01
        if progress < warm_up:
            return floor + (1 - floor) * progress / warm_up
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm_up) / (1 - warm_up))))

    def export(self, model: nn.Module, path: Path) -> None:
        """Write the weights: safetensors of float16, with the recipe in the metadata.

        Tensors that float16 cannot hold (whole numbers, values above 65504) keep their type.

        Parameters
        ----------
        model : Module
            With the weights that are validated.
        path : Path
            To write; the loop moves the file into its place, so the name says nothing.
        """
        from safetensors.torch import save

        import kukkiri

        tensors = {name: halved(tensor) for name, tensor in model.state_dict().items()}
        about = {"recipe": self.name, "title": self.title, "settings": json.dumps(self.settings(), sort_keys=True)}
        # Written here and not by safetensors, whose files only their owner may read.
        path.write_bytes(save(tensors, metadata={**about, "kukkiri": kukkiri.__version__}))

    def settings(self) -> dict[str, Any]:
        """What is plain among the public attributes: a run is resumed only with the same.

        Returns
        -------
        dict
            Of values that JSON can hold; of paths the last name, of long lists a digest.
        """
        found: dict[str, Any] = {}
        for holder in (*(vars(kind) for kind in reversed(type(self).__mro__)), vars(self)):
            found.update({key: value for key, value in holder.items() if not key.startswith("_")})
        return {
            key: _plain(value)
            for key, value in sorted(found.items())
            if key not in ("name", "title") and _is_plain(value)
        }


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return isinstance(value, _PLAIN) and not (isinstance(value, float) and not math.isfinite(value))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        items = [_plain(v) for v in value]
        if len(items) <= _MOST_ITEMS:
            return items
        digest = hashlib.sha256(json.dumps(items).encode()).hexdigest()[:16]
        return f"{len(items)} values, sha256 {digest}"
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    # Folders move; where they lay is nobody's business in shipped weights.
    return value.name if isinstance(value, PurePath) else value


def halved(tensor: Tensor) -> Tensor:
    """A copy in half precision, unless that could not hold its values."""
    import torch

    tensor = tensor.detach().cpu()
    fits = tensor.is_floating_point() and bool((tensor.abs() <= _LARGEST_HALF).all())
    return tensor.to(torch.float16 if fits else tensor.dtype, copy=True).contiguous()
