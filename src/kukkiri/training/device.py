"""Where a run computes: accelerate, batches on the device, random numbers that validation does not disturb."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from kukkiri.errors import InputError, missing_extra

if TYPE_CHECKING:
    from accelerate import Accelerator


def accelerator(device: str | None, precision: Literal["bf16", "no"]) -> Accelerator:
    """Accelerate, set up for one process on one device.

    Parameters
    ----------
    device : str, optional
        None: cuda where there is one, else cpu.
    precision : 'bf16' or 'no'
        Of forward passes.

    Raises
    ------
    MissingExtraError
        If accelerate is not installed.
    InputError
        If there is no such device or precision, or the device does not compute in bfloat16.
    """
    accelerate = require_accelerate()
    if precision not in ("bf16", "no"):
        raise InputError(expected="precision 'bf16' or 'no'", got=ascii(precision), fix="pass one of them")
    wanted = _device(device)
    if wanted.type == "cuda" and wanted.index is not None:
        torch.cuda.set_device(wanted.index)
    from accelerate.state import AcceleratorState

    # Accelerate keeps device and precision for the whole process, and would refuse those of a second run.
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        made: Accelerator = accelerate.Accelerator(cpu=wanted.type == "cpu", mixed_precision=precision)
    except ValueError as error:
        raise InputError(
            expected="a device that computes in bfloat16", got=str(error), fix="pass --precision no"
        ) from error
    if made.num_processes > 1:
        raise InputError(
            expected="one process", got=f"{made.num_processes} processes of a launcher", fix="run without the launcher"
        )
    if made.device.type != wanted.type:
        raise InputError(
            expected=f"the device {wanted.type}",
            got=f"{made.device.type}, which accelerate takes here",
            fix="leave --device out, and check the variables ACCELERATE_…",
        )
    return made


def require_accelerate() -> Any:
    """The package accelerate.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import accelerate
    except ImportError as error:
        raise missing_extra("train", "accelerate", "training") from error
    return accelerate


def moved(batch: Any, device: torch.device, channels_last: bool) -> Any:
    """A batch on the device, its pictures with their channels last if the weights have.

    Tensors are found in tuples, lists, dictionaries and dataclasses; anything else stays as it is.
    """

    def move(tensor: Tensor) -> Tensor:
        if channels_last and tensor.ndim == 4:
            return tensor.to(device, non_blocking=True, memory_format=torch.channels_last)
        return tensor.to(device, non_blocking=True)

    return _mapped(batch, move)


def samples(batch: Any) -> int:
    """How many samples a batch has: the first dimension of its first tensor; 1 if there is none."""
    sizes: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        sizes.append(len(tensor) if tensor.ndim else 1)
        return tensor

    _mapped(batch, note)
    return sizes[0] if sizes else 1


def describe(device: torch.device) -> str:
    """A device in words: 'cuda (its name)', 'cpu (2 threads)'."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device.type == "cpu" else device.type


def as_their_weights(optimizer: torch.optim.Optimizer) -> None:
    """Lay the optimizer's tensors out in memory as the weights they belong to: the fast paths ask for it."""
    for weight, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape and value.stride() != weight.stride():
                state[key] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def random_state(device: torch.device) -> dict[str, Any]:
    """State of every source of random numbers that a recipe may use: torch, numpy, Python."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 (recipes may use it)
    state = {
        "torch": torch.get_rng_state(),
        "numpy": (kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
        "python": random.getstate(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Bring back what `random_state` took; a GPU's only if the state was taken on one."""
    torch.set_rng_state(state["torch"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    random.setstate(state["python"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def seed_all(seed: int) -> None:
    """Seed every source of random numbers that a recipe may use."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)


@contextmanager
def undisturbed(seed: int, device: torch.device) -> Iterator[None]:
    """A block with random numbers of its own, the same every time; after it, the others go on where they were."""
    before = random_state(device)
    seed_all(seed)
    try:
        yield
    finally:
        set_random_state(before, device)


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # a build without CUDA asserts
        raise InputError(
            expected="a device that is there: cpu, cuda, cuda:1, mps",
            got=f"{name!r}: {str(error).splitlines()[0]}",
            fix="pass --device cpu, or leave it out",
        ) from error
    return device


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same tree with other tensors."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {k: _mapped(v, change) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _mapped(getattr(value, f.name), change) for f in fields(value) if f.init})
    if isinstance(value, tuple | list):
        items = [_mapped(v, change) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value
