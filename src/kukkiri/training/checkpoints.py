"""The state of a run on disk: small files, whole or not at all, and nothing but tensors and plain values in them.

An index (JSON) names the shards (safetensors) that belong together. New shards get new names and the index is
replaced last: whenever the process dies, the index names a whole checkpoint. Shards that it does not name are waste.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukkiri.errors import TrainingError, one_line
from kukkiri.replacing import replacing

if TYPE_CHECKING:
    from torch import Tensor

INDEX = "index.json"
# Headers and alignment included, a file stays under 15 MiB: many hosts of code and data refuse larger ones.
SHARD_BYTES = 14 * 2**20
_LAYOUT = 1
_SHARDS = "state-[0-9]*-[0-9]*.safetensors"


def save_checkpoint(folder: Path, state: Any, *, shard_bytes: int = SHARD_BYTES) -> None:
    """Write a state in place of the one before it, which stays valid until this one is whole.

    Parameters
    ----------
    folder : Path
        Made where it is missing; holds nothing else.
    state : Any
        Tensors and plain values (None, bool, int, float, str) in dictionaries, lists and tuples.
    shard_bytes : int
        Most bytes of tensors in one file; a larger tensor is cut.

    Raises
    ------
    WriteError
        If a file cannot be written.
    TypeError
        If the state holds anything else.
    """
    from safetensors.torch import save

    serial = 1 + max((int(p.name.split("-")[1]) for p in folder.glob(_SHARDS)), default=0)
    tensors: dict[str, Tensor] = {}
    tree = _pack(state, tensors)
    shards = []
    for number, shard in enumerate(_shards(tensors, shard_bytes)):
        name = f"state-{serial:06d}-{number:03d}.safetensors"
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content := save(shard))
        shards.append({"file": name, "sha256": hashlib.sha256(content).hexdigest()})
    about = {
        name: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")} for name, t in tensors.items()
    }
    index = {"layout": _LAYOUT, "shards": shards, "tensors": about, "state": tree}
    with replacing(folder / INDEX) as temporary:
        temporary.write_text(json.dumps(index, allow_nan=False), encoding="utf-8")
    named = {shard["file"] for shard in shards}
    for stale in folder.glob(_SHARDS):
        if stale.name not in named:
            with suppress(OSError):
                stale.unlink()


def load_checkpoint(folder: Path) -> Any:
    """The state that `save_checkpoint` wrote last and whole.

    Returns
    -------
    Any
        Tensors are on the CPU.

    Raises
    ------
    TrainingError
        If there is none, or one of its files is missing or damaged.
    """
    import torch
    from safetensors.torch import load_file

    index = _read_index(folder)
    pieces: dict[str, Tensor] = {}
    for shard in index["shards"]:
        path = folder / shard["file"]
        if not path.is_file() or _sha256(path) != shard["sha256"]:
            raise _damaged(path, "other contents" if path.is_file() else "no such file")
        pieces.update(load_file(path))
    tensors = {}
    for name, about in index["tensors"].items():
        dtype = getattr(torch, about["dtype"])
        flat = [pieces[f"{name}#{k}"] for k in range(sum(key.rpartition("#")[0] == name for key in pieces))]
        tensors[name] = (torch.cat(flat) if flat else torch.empty(0, dtype=dtype)).reshape(about["shape"])
    return _unpack(index["state"], tensors)


def has_checkpoint(folder: Path) -> bool:
    """Whether a whole checkpoint lies there."""
    return (folder / INDEX).is_file()


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if index["layout"] == _LAYOUT:
            return index
        trouble = f"layout {index['layout']}"
    except FileNotFoundError:
        trouble = "no such file"
    except (OSError, ValueError, KeyError, TypeError) as error:
        trouble = f"{type(error).__name__}: {error}"
    raise _damaged(path, trouble)


def _damaged(path: Path, trouble: str) -> TrainingError:
    return TrainingError(
        expected=f"a whole checkpoint with {one_line(path)}",
        got=trouble,
        fix="train anew in another folder, or bring that file back",
    )


def _shards(tensors: dict[str, Tensor], limit: int) -> Iterator[dict[str, Tensor]]:
    """Flat pieces 'name#k', in files of at most `limit` bytes."""
    import torch

    shard: dict[str, Tensor] = {}
    room = limit
    for name, tensor in tensors.items():
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        for k, piece in enumerate(torch.split(flat, max(1, limit // flat.element_size())) if flat.numel() else ()):
            size = piece.numel() * piece.element_size()
            if size > room:
                yield shard
                shard, room = {}, limit
            shard[f"{name}#{k}"] = piece.clone()  # a file holds a whole storage only once
            room -= size
    if shard:
        yield shard


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """A tree that JSON can hold; its tensors go to `tensors`, under running numbers."""
    import torch

    if isinstance(value, torch.Tensor):
        name = f"t{len(tensors)}"
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_pack(k, tensors), _pack(v, tensors)] for k, v in value.items()]}
    if isinstance(value, tuple | list):
        return {"tuple" if isinstance(value, tuple) else "list": [_pack(v, tensors) for v in value]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint holds tensors and plain values, not {type(value).__name__}")


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((form, content),) = value.items()
    match form:
        case "tensor":
            return tensors[content]
        case "dict":
            return {_unpack(k, tensors): _unpack(v, tensors) for k, v in content}
        case "float":
            return float(content)
        case _:
            items = [_unpack(v, tensors) for v in content]
            return tuple(items) if form == "tuple" else items


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
