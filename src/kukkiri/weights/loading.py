"""From a key or a path to tensors, and whether they fit a network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukkiri.errors import WeightError
from kukkiri.weights.cache import require_whole
from kukkiri.weights.catalogue import catalogue, entry_of

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".safetensors", ".pth", ".pt")
_SHOWN = 10


def locate(key_or_path: str | os.PathLike[str]) -> Path:
    """The file of a checkpoint.

    Parameters
    ----------
    key_or_path : str or path
        A key of the catalogue, or the path of a file. A published checkpoint is downloaded on first use.

    Returns
    -------
    Path
        Of a file that exists. A catalogue's has its full size; `load_tensors` and `verify` check its contents.

    Raises
    ------
    WeightError
        If it is not there and cannot be had (`OfflineError`: downloads are switched off; `LicenceError`: its licence
        is not accepted).
    UnknownNameError
        If it is neither a key nor a path.
    """
    if isinstance(key_or_path, str) and key_or_path in catalogue():
        return _locate_key(key_or_path)
    path = Path(key_or_path).expanduser()
    if path.is_file():
        return path
    if isinstance(key_or_path, str) and path.name == key_or_path and path.suffix not in SUFFIXES:
        entry_of(key_or_path)  # it can only have been meant as a key: raises
    raise WeightError(
        expected=f"a file of weights at {path}",
        got="a folder" if path.is_dir() else "no such file",
        fix="check the path, or pass a key that 'kukkiri weights list' shows",
    )


def load_tensors(
    key_or_path: str | os.PathLike[str], *, inside: str | tuple[str, ...] | None = None
) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by the names that its authors gave them.

    Parameters
    ----------
    key_or_path : str or path
        As for `locate`. The contents of a catalogue's file are checked against its sha256.
    inside : str or tuple of str, optional
        Where the tensors lie in a nested file ('state_dict', say). Nothing is unwrapped unless it is named. Of a
        tuple, the first that is there; a file that has none of them must hold the tensors themselves.

    Returns
    -------
    dict of Tensor
        On the CPU. Only tensors are ever read from a .pth or .pt file, never code.

    Raises
    ------
    WeightError
        If it cannot be had, is damaged, or holds anything but named tensors.
    UnknownNameError
        If it is neither a key nor a path.
    """
    contents, path = _contents(key_or_path)
    if isinstance(inside, tuple):
        contents = unwrapped(contents, inside)
    elif inside is not None:
        if not (isinstance(contents, Mapping) and inside in contents):
            raise WeightError(
                expected=f"an entry {inside!r} in {path.name}", got=_describe(contents), fix="name an entry that it has"
            )
        contents = contents[inside]
    return _named_tensors(contents, path)


def load_parts(key_or_path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a checkpoint that is a dict of state dicts, as 'part.name'. The file is read once.

    Parameters
    ----------
    key_or_path : str or path
        As for `locate`. A flat file, whose tensors bear such names already, gives the same.

    Returns
    -------
    dict of Tensor
        On the CPU; one level is flattened.

    Raises
    ------
    WeightError
        If it cannot be had, is damaged, or holds anything but named tensors and dicts of them.
    UnknownNameError
        If it is neither a key nor a path.
    """
    contents, path = _contents(key_or_path)
    return _named_tensors(flattened(contents) if isinstance(contents, Mapping) else contents, path)


def flattened(parts: Mapping[str, Any]) -> dict[str, Any]:
    """A dict of dicts as one, 'part.name'; what is no dict stays as it is."""
    flat: dict[str, Any] = {}
    for name, value in parts.items():
        flat |= {f"{name}.{inner}": v for inner, v in value.items()} if isinstance(value, Mapping) else {name: value}
    return flat


def unwrapped(contents: Any, entries: Sequence[str]) -> Any:
    """What lies under the first of these names that holds a dict; the contents themselves if none does."""
    if isinstance(contents, Mapping):
        for name in entries:
            if isinstance(contents.get(name), Mapping):
                return contents[name]
    return contents


def check_layout(state: Mapping[str, Tensor], expected: Mapping[str, Sequence[int]], what: str) -> None:
    """Make sure that tensors fit a network: the same names, the same shapes.

    Parameters
    ----------
    state : mapping of Tensor
        What a file holds.
    expected : mapping of shapes
        What the network has, by the same names.
    what : str
        The network, for the message: 'DISTS', say.

    Raises
    ------
    WeightError
        Which names are missing, unexpected or of another shape: how many, and the first 10 of each.
    """
    wrong = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(shape)}"
        for name, shape in expected.items()
        if name in state and tuple(state[name].shape) != tuple(shape)
    ]
    groups = {
        "missing": [name for name in expected if name not in state],
        "unexpected": [name for name in state if name not in expected],
        "of another shape": wrong,
    }
    if any(groups.values()):
        raise WeightError(
            expected=f"the {len(expected)} tensors of {what}",
            got="; ".join(f"{len(names)} {group}: {_first(names)}" for group, names in groups.items() if names),
            fix=f"pass a checkpoint of {what} in its authors' layout",
        )


def _locate_key(key: str) -> Path:
    entry = entry_of(key)
    if entry.kind == "shipped":
        return require_whole(entry)
    from kukkiri.weights.fetching import first_use

    return first_use(entry)


def _contents(key_or_path: str | os.PathLike[str]) -> tuple[Any, Path]:
    """What a file holds, and where it is; a catalogue's is compared with its sha256 first."""
    path = locate(key_or_path)
    if isinstance(key_or_path, str) and key_or_path in catalogue():
        path = require_whole(entry_of(key_or_path))
    return _read(path), path


def _read(path: Path) -> Any:
    if path.suffix not in SUFFIXES:
        raise WeightError(
            expected=f"a file of weights ({', '.join(SUFFIXES)})", got=path.name, fix="convert it to safetensors"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        import torch

        return torch.load(path, map_location="cpu", weights_only=True)
    # The readers of damaged files raise nearly everything there is, and torch's own words advise to run what is in
    # the file: only an error of the disk speaks for itself.
    except Exception as error:
        raise WeightError(
            expected=f"a readable file of tensors at {path}",
            got=(error.strerror or type(error).__name__)
            if isinstance(error, OSError)
            else "a file that is not a checkpoint (not a file of tensors, or one that holds code)",
            fix="get the file again; if it holds more than tensors, convert it to safetensors with its authors' code",
        ) from error


def _named_tensors(contents: Any, path: Path) -> dict[str, Tensor]:
    import torch

    if isinstance(contents, Mapping) and contents:
        named = {k: v for k, v in contents.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
        if len(named) == len(contents):
            return named
    raise WeightError(
        expected=f"named tensors in {path.name}",
        got=_describe(contents),
        fix="name the entry that holds the tensors: load_tensors(path, inside='…')",
    )


def _describe(contents: Any) -> str:
    if isinstance(contents, Mapping):
        return f"{len(contents)} entries: {_first([f'{k} ({type(v).__name__})' for k, v in contents.items()])}"
    return f"an object of type {type(contents).__name__}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
