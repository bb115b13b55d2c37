"""From a checkpoint in its authors' layout into a network (torch is imported on use)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from kukkiri.errors import WeightError, one_line
from kukkiri.weights.loading import check_layout, load_tensors, unwrapped

if TYPE_CHECKING:
    from torch import Tensor, nn

# A key of the catalogue, the path of a file, or the tensors themselves by their official names.
Weights: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any]"

# Under which training code files its tensors, beside its optimiser and the like.
WRAPPERS = ("params", "state_dict", "model_state_dict", "model", "net")
# What DataParallel puts before every name.
_PARALLEL = "module."
# A counter of training steps that older files lack; nothing is computed from it.
_COUNTER = "num_batches_tracked"


def state_of(weights: Weights, what: str, *, inside: Sequence[str] = ()) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, wherever it comes from.

    Parameters
    ----------
    weights : str, path, or mapping
        Key of the catalogue, path of a file, or its contents. NumPy arrays are taken as tensors.
    what : str
        The network, for messages.
    inside : sequence of str
        Entries under which the tensors may lie besides the usual ones (`WRAPPERS`); these are looked for first.

    Returns
    -------
    dict of Tensor
        Unwrapped, and without the 'module.' that DataParallel puts before every name.

    Raises
    ------
    WeightError
        If it cannot be had, or holds anything but tensors by their names.
    """
    entries = (*inside, *WRAPPERS)
    if isinstance(weights, Mapping):
        state = {_name(name, what): _tensor(name, value, what) for name, value in unwrapped(weights, entries).items()}
    elif isinstance(weights, str | os.PathLike):
        state = load_tensors(weights, inside=entries)
    else:
        raise WeightError(
            expected=f"weights of {what}: a key, the path of a file, or a mapping of tensors",
            got=f"an object of type {type(weights).__name__}",
            fix="of a module pass its state_dict()",
        )
    if state and all(name.startswith(_PARALLEL) for name in state):
        return {name.removeprefix(_PARALLEL): value for name, value in state.items()}
    return state


def _name(name: object, what: str) -> str:
    if isinstance(name, str):
        return name
    raise WeightError(
        expected=f"tensors of {what} by their names",
        got=f"the name {one_line(repr(name), 60)}",
        fix="pass a state_dict()",
    )


def _tensor(name: str, value: object, what: str) -> Tensor:
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, np.ndarray | np.generic):
        try:
            return torch.from_numpy(np.array(value))
        except (TypeError, ValueError):  # of objects, of text, or of the other order of bytes
            kind = f"an array of type {value.dtype}"
    else:
        kind = type(value).__name__
    raise WeightError(
        expected=f"a tensor as {one_line(name, 120)} of {what}", got=kind, fix="pass tensors of floating-point numbers"
    )


def _check_numbers(state: Mapping[str, Tensor], own: Mapping[str, Tensor], what: str) -> None:
    """Make sure that what is loaded are finite floating-point numbers wherever the network computes with such."""
    for name, value in state.items():
        if not own[name].is_floating_point():
            continue
        if not value.is_floating_point():
            got, fix = f"{str(value.dtype).removeprefix('torch.')} numbers", "convert it to float32, if it is to be so"
        # As single precision, in which they are used: a double may be too large for it.
        elif not value.float().isfinite().all():
            got, fix = "NaN or infinite values", "get the file again, or train again"
        else:
            continue
        raise WeightError(expected=f"finite floating-point numbers in {name} of {what}", got=got, fix=fix)


def load_into(
    network: nn.Module,
    weights: Weights,
    what: str,
    *,
    inside: Sequence[str] = (),
    rename: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None,
    unused: Sequence[str] = (),
) -> None:
    """Load a checkpoint into a network whose parameters bear the official names.

    Afterwards the network is in evaluation mode, in single precision, and without gradients of its parameters.

    Parameters
    ----------
    network : nn.Module
    weights : str, path, or mapping of Tensor
        Key of the catalogue, path of a file in the official layout, or its tensors. See `state_of`.
    what : str
        The network, for messages.
    inside : sequence of str
        Entries under which the tensors may lie besides the usual ones.
    rename : function(dict) -> dict, optional
        From another published layout to the network's names; it is given all tensors, and returns all.
    unused : sequence of str
        Beginnings of names that the official file has and nothing here is computed from (a classifier, say).

    Raises
    ------
    WeightError
        If it cannot be had, a name is missing, unexpected or of another shape, or values are not finite numbers.
    """
    state = state_of(weights, what, inside=inside)
    if rename is not None:
        state = rename(state)
    own = network.state_dict()
    state = {
        name: value
        for name, value in state.items()
        if not name.endswith(_COUNTER) and (name in own or not name.startswith(tuple(unused)))
    }
    expected = {name: tuple(value.shape) for name, value in own.items() if not name.endswith(_COUNTER)}
    check_layout(state, expected, what)
    _check_numbers(state, own, what)
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in state.items()}, strict=False
    )
    network.eval().requires_grad_(False)
