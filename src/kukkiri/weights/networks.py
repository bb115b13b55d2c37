"""From a checkpoint in its authors' layout into a network (torch is imported on use)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from kukkiri.weights.loading import check_layout, load_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

# A key of the catalogue, the path of a file, or the tensors themselves by their official names.
Weights: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any]"

# What DataParallel puts before every name.
_PARALLEL = "module."
# A counter of training steps that older files lack; nothing is computed from it.
_COUNTER = "num_batches_tracked"


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
        Key of the catalogue, path of a file in the official layout, or its tensors.
    what : str
        The network, for messages.
    inside : sequence of str
        Entries under which the tensors may lie in a nested file ('params', say): the first that is there is taken.
    rename : function(dict) -> dict, optional
        From another published layout to the network's names; it is given all tensors, and returns all.
    unused : sequence of str
        Beginnings of names that the official file has and nothing here is computed from (a classifier, say).

    Raises
    ------
    WeightError
        If it cannot be had, or a name is missing, unexpected or of another shape.
    """
    state = dict(weights) if isinstance(weights, Mapping) else load_tensors(weights, inside=tuple(inside))
    if state and all(name.startswith(_PARALLEL) for name in state):
        state = {name.removeprefix(_PARALLEL): value for name, value in state.items()}
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
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in state.items()}, strict=False
    )
    network.eval().requires_grad_(False)
