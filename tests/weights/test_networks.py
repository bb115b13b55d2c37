"""Checkpoints into networks: what is unwrapped, and what is refused with its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kukkiri.errors import WeightError
from kukkiri.weights import load_into, load_parts, state_of


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def loaded(weights: Any) -> torch.Tensor:
    """The first layer's weights after loading."""
    network = net()
    load_into(network, weights, "Net")
    return network.get_parameter("0.weight")


@pytest.mark.parametrize("wrapper", [None, "params", "state_dict", "model_state_dict", "model", "net"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_mapping_and_a_file_are_unwrapped_alike(tmp_path: Path, wrapper: str | None, prefix: str) -> None:
    state = net().state_dict()
    contents: dict[str, Any] = {prefix + name: value for name, value in state.items()}
    if wrapper:
        contents = {"epoch": 3, wrapper: contents}
    torch.save(contents, tmp_path / "net.pth")
    for weights in (contents, tmp_path / "net.pth", str(tmp_path / "net.pth")):
        assert torch.equal(loaded(weights), state["0.weight"])
        assert list(state_of(weights, "Net")) == list(state)


def test_the_named_entry_comes_first() -> None:
    """A file that keeps two sets of tensors: the one that the network asks for."""
    state = net().state_dict()
    wrong = {name: torch.zeros_like(value) for name, value in state.items()}
    network = net()
    load_into(network, {"params": wrong, "ema": state}, "Net", inside=("ema",))
    assert torch.equal(network.get_parameter("0.weight"), state["0.weight"])


def test_numpy_arrays_are_taken() -> None:
    state = net().state_dict()
    arrays = {name: value.numpy() for name, value in state.items()}
    arrays["0.weight"] = np.asfortranarray(arrays["0.weight"]).astype(np.float64)
    assert torch.equal(loaded(arrays), state["0.weight"])


@pytest.mark.parametrize("value", ["text", 3, None, [1.0, 2.0], np.array(["a"]), np.array([object()])])
def test_a_value_that_is_no_tensor_is_named(value: Any) -> None:
    with pytest.raises(WeightError, match=r"expected a tensor as 0\.bias of Net, got .*; "):
        loaded(net().state_dict() | {"0.bias": value})


@pytest.mark.parametrize("value", [torch.tensor([1, 2]), torch.tensor([True, False]), torch.tensor([1j, 2])])
def test_numbers_of_another_kind_are_named(value: torch.Tensor) -> None:
    """Whole numbers would give scores, and nonsense."""
    with pytest.raises(WeightError, match=r"floating-point numbers in 0\.bias of Net, got .* numbers; "):
        loaded(net().state_dict() | {"0.bias": value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_values_that_are_not_finite_are_named(value: float) -> None:
    with pytest.raises(WeightError, match=r"in 1\.running_var of Net, got NaN or infinite"):
        loaded(net().state_dict() | {"1.running_var": torch.tensor([1.0, value], dtype=torch.float64)})


def test_a_counter_is_a_whole_number() -> None:
    state = net().state_dict() | {"1.num_batches_tracked": torch.tensor(7)}
    assert torch.equal(loaded(state), state["0.weight"])


def test_names_that_are_no_text() -> None:
    with pytest.raises(WeightError, match="by their names, got the name 0"):
        loaded({0: torch.zeros(1)})


@pytest.mark.parametrize("weights", [[1.0], 3, net()])
def test_what_is_no_checkpoint_at_all(weights: Any) -> None:
    with pytest.raises(WeightError, match=r"expected weights of Net: .*, got an object of type .*state_dict\(\)"):
        loaded(weights)


def test_parts_of_one_file(tmp_path: Path) -> None:
    """A dict of state dicts as 'part.name', like the flat file of the same tensors."""
    state = {"a.x": torch.ones(1), "b.c.y": torch.zeros(2)}
    torch.save({"a": {"x": state["a.x"]}, "b": {"c.y": state["b.c.y"]}}, tmp_path / "nested.pth")
    save_file(state, tmp_path / "flat.safetensors")
    for name in ("nested.pth", "flat.safetensors"):
        found = load_parts(tmp_path / name)
        assert found.keys() == state.keys() and all(torch.equal(found[n], state[n]) for n in state)
    torch.save({"a": {"x": 3}}, tmp_path / "other.pth")
    with pytest.raises(WeightError, match="named tensors"):
        load_parts(tmp_path / "other.pth")
