"""Checkpoints: what goes in comes out, in small files, and a death between two of them harms nothing."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kukkiri.errors import TrainingError, WriteError
from kukkiri.replacing import replacing
from kukkiri.training import checkpoints
from kukkiri.training.checkpoints import has_checkpoint, load_checkpoint, save_checkpoint


def tree(value: float) -> dict[str, Any]:
    return {
        "numbers": [1, 2.5, float("inf"), None, True, "word", (3, (4,))],
        7: {"scalar": torch.tensor(value, dtype=torch.float64), "empty": torch.empty(0, 3)},
        "large": torch.full((300, 5), value),
        "kinds": [torch.full((4,), value).to(t) for t in (torch.bfloat16, torch.uint8, torch.int64, torch.bool)],
        "view": torch.arange(6.0).reshape(2, 3).T * value,
    }


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("limit", [64, 1000, checkpoints.SHARD_BYTES])
def test_what_goes_in_comes_out(tmp_path: Path, limit: int) -> None:
    save_checkpoint(tmp_path, tree(3), shard_bytes=limit)
    assert equal(load_checkpoint(tmp_path), tree(3))
    shards = [p.stat().st_size for p in tmp_path.glob("*.safetensors")]
    header = 4000  # names and places
    assert max(shards) <= limit + header and (len(shards) > 50) == (limit == 64)


def test_files_stay_under_fifteen_mebibytes(tmp_path: Path) -> None:
    state = {"one": torch.rand(9_000_000), **{f"layer {k}": torch.rand(300, 300) for k in range(50)}}
    save_checkpoint(tmp_path, state)
    sizes = [p.stat().st_size for p in tmp_path.iterdir()]
    assert max(sizes) <= 15 * 2**20 and sum(sizes) > 54_000_000 and len(sizes) == 5
    assert equal(load_checkpoint(tmp_path), state)


def test_a_new_one_takes_the_place_of_the_old(tmp_path: Path) -> None:
    for value in (1, 2, 3):
        save_checkpoint(tmp_path, tree(value), shard_bytes=1000)
    assert equal(load_checkpoint(tmp_path), tree(3))
    index = json.loads((tmp_path / "index.json").read_text())
    assert {p.name for p in tmp_path.iterdir()} == {"index.json"} | {s["file"] for s in index["shards"]}


class Died(BaseException):
    pass


def test_death_after_any_file_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, tree(1), shard_bytes=1000)
    files = len(list(tmp_path.iterdir()))
    for survived in range(files):
        left = [survived]

        @contextmanager
        def mortal(path: Path, left: list[int] = left) -> Iterator[Path]:
            if left[0] == 0:
                raise Died
            left[0] -= 1
            with replacing(path) as temporary:
                yield temporary

        monkeypatch.setattr(checkpoints, "replacing", mortal)
        with pytest.raises(Died):
            save_checkpoint(tmp_path, tree(2), shard_bytes=1000)
        assert equal(load_checkpoint(tmp_path), tree(1)), f"after {survived} files"
    monkeypatch.setattr(checkpoints, "replacing", replacing)
    save_checkpoint(tmp_path, tree(2), shard_bytes=1000)
    assert equal(load_checkpoint(tmp_path), tree(2)) and len(list(tmp_path.iterdir())) == files


def test_damage_is_seen(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, tree(1))
    (shard,) = tmp_path.glob("*.safetensors")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(TrainingError, match="got other contents"):
        load_checkpoint(tmp_path)
    shard.unlink()
    with pytest.raises(TrainingError, match="got no such file"):
        load_checkpoint(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(TrainingError, match="got JSONDecodeError"):
        load_checkpoint(tmp_path)
    save_checkpoint(tmp_path, tree(2))  # a damaged one does not stand in the way
    assert equal(load_checkpoint(tmp_path), tree(2))
    assert has_checkpoint(tmp_path) and not has_checkpoint(tmp_path / "elsewhere")


def test_a_full_disk_keeps_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    save_checkpoint(tmp_path, tree(1))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError, match="No space left"):
        save_checkpoint(tmp_path, tree(2))
    assert equal(load_checkpoint(tmp_path), tree(1))


def test_only_tensors_and_plain_values(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not Path|not PosixPath|not WindowsPath"):
        save_checkpoint(tmp_path, {"path": tmp_path})
    assert not has_checkpoint(tmp_path)
