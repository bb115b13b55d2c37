"""Tensors from keys and paths, and the check of a layout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kukkiri.errors import UnknownNameError, WeightError
from kukkiri.weights import catalogue, check_layout, load_tensors, locate, path_of

TENSORS = {"conv.weight": torch.arange(12.0).reshape(3, 4), "conv.bias": torch.tensor([1, 2, 3])}


@pytest.fixture(params=[".safetensors", ".pth", ".pt"])
def file(request, tmp_path: Path) -> Path:
    path = tmp_path / f"net{request.param}"
    save_file(TENSORS, path) if path.suffix == ".safetensors" else torch.save(TENSORS, path)
    return path


def test_shapes_of_the_shipped_models():
    """NIQE: mean and covariance of 36 features. BRISQUE: the header of LIVE's `allmodel` says what must be in it."""
    niqe = load_tensors("niqe-pristine")
    check_layout(
        niqe, {"mu_pris_param": (1, 36), "cov_pris_param": (36, 36), "gaussian_window": (7, 7)}, "the NIQE model"
    )
    brisque = load_tensors("brisque-svr")
    assert brisque["support_vectors"].shape == (770, 36)
    assert brisque["dual_coef"].shape == (770,)
    assert (float(brisque["rho"]), float(brisque["gamma"])) == (-155.845, 0.05)
    assert float(brisque["dual_coef"].sum()) == pytest.approx(0, abs=1e-6)  # a condition of every such regression


def test_reads_what_was_written(file):
    for given in (file, str(file)):
        found = load_tensors(given)
        assert found.keys() == TENSORS.keys()
        assert all(torch.equal(found[k], TENSORS[k]) for k in TENSORS)


def test_locates_keys_and_paths(file):
    assert locate(str(file)) == file
    assert locate("niqe-pristine") == path_of(catalogue()["niqe-pristine"])


@pytest.mark.parametrize("name", ["no-such-net", "niqe-pristin"])
def test_a_name_that_is_nothing(name):
    with pytest.raises(UnknownNameError, match="weights list"):
        locate(name)


@pytest.mark.parametrize("name", ["none.pth", "folder/none", "/folder/none.safetensors"])
def test_a_path_that_is_nothing(name):
    with pytest.raises(WeightError, match="no such file"):
        locate(name)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(WeightError, match="a folder"):
        locate(tmp_path)


def test_nothing_is_unwrapped_unless_named(tmp_path):
    path = tmp_path / "nested.pth"
    torch.save({"state_dict": TENSORS, "epoch": 40}, path)
    with pytest.raises(WeightError, match=r"state_dict \(dict\), epoch \(int\).*inside="):
        load_tensors(path)
    assert load_tensors(path, inside="state_dict").keys() == TENSORS.keys()
    with pytest.raises(WeightError, match="an entry 'params'"):
        load_tensors(path, inside="params")


@pytest.mark.parametrize("contents", [torch.zeros(3), [torch.zeros(3)], {}, {3: torch.zeros(3)}])
def test_refuses_what_is_not_named_tensors(tmp_path, contents):
    torch.save(contents, tmp_path / "other.pth")
    with pytest.raises(WeightError, match="named tensors"):
        load_tensors(tmp_path / "other.pth")


def test_never_runs_code(tmp_path):
    trace = tmp_path / "trace"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trace),)

    torch.save({"weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(WeightError, match="more than tensors"):
        load_tensors(tmp_path / "trap.pth")
    assert not trace.exists()


@pytest.mark.parametrize(
    "contents", [b"<!DOCTYPE html>\n<html>Not found</html>", b"\x1b[31mplain text\n", b"404: Not Found"]
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_page_that_was_saved_as_a_checkpoint(tmp_path, contents, suffix):
    """Neither torch's advice to run what is in the file reaches the user, nor what is in it."""
    path = tmp_path / f"net{suffix}"
    path.write_bytes(contents)
    with pytest.raises(WeightError, match="a file that is not a checkpoint") as caught:
        load_tensors(path)
    assert not any(word in str(caught.value) for word in ("weights_only", "KeyError", "\x1b"))


@pytest.mark.parametrize("keep", [0, 1, 7, 50, -1])
def test_a_truncated_file_is_an_error_with_its_path(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(WeightError, match=file.name):
        load_tensors(file)


def test_noise_is_an_error(file):
    file.write_bytes(os.urandom(2000))
    with pytest.raises(WeightError, match=file.name):
        load_tensors(file)


def test_refuses_other_suffixes(tmp_path):
    (tmp_path / "net.bin").write_bytes(b"1")
    with pytest.raises(WeightError, match=r"\.safetensors"):
        load_tensors(tmp_path / "net.bin")


class TestCheckLayout:
    def test_accepts_what_fits(self):
        check_layout(TENSORS, {k: v.shape for k, v in TENSORS.items()}, "Net")

    def test_lists_all_three_kinds_of_mismatch(self):
        expected = {"conv.weight": (3, 5), "fc.weight": (1, 2)}
        with pytest.raises(WeightError) as caught:
            check_layout(TENSORS, expected, "Net")
        message = str(caught.value)
        assert "the 2 tensors of Net" in message
        assert "1 missing: fc.weight" in message
        assert "1 unexpected: conv.bias" in message
        assert "1 of another shape: conv.weight (3, 4) instead of (3, 5)" in message

    def test_shows_ten_and_counts_all(self):
        with pytest.raises(WeightError) as caught:
            check_layout({}, {f"layer{i}": (1,) for i in range(25)}, "Net")
        message = str(caught.value)
        assert "25 missing" in message
        assert "layer9, …" in message
        assert "layer10" not in message
