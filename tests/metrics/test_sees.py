"""What of a picture counts: the spec's claim, and what the code does."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module

import pytest

from kukkiri.errors import WeightError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import check_own_key, metrics, spec_of

ROOM = "kukkiri.quality.no_reference"
NETWORKS = import_module(f"{ROOM}.learned_specs").SPECS


def source(spec: MetricSpec) -> str:
    """The files of a metric's class and of what it derives from, down to what all networks share."""
    module, _, name = spec.implementation.partition(":")
    line = inspect.getmro(getattr(import_module(module), name))
    own = line[: line.index(LearnedMetric)]
    return "".join(inspect.getsource(sys.modules[kind.__module__]) for kind in own)


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: spec.name)
def test_the_claim_is_what_the_code_does(spec: MetricSpec) -> None:
    """Crops are averaged by one function, and patches measured by another; what is resized to one size says so."""
    text = source(spec)
    found = "crops" if "mean_over_crops(" in text else "patches" if "over_patches(" in text else "whole"
    assert spec.sees == ("resized" if spec.name == "koncept512" else found)


def test_each_network_says_it_itself() -> None:
    text = inspect.getsource(import_module(f"{ROOM}.learned_specs"))
    assert text.count("    sees=") == len(NETWORKS)


@pytest.mark.parametrize("name", ["cnniqa", "dbcnn", "koncept512"])
def test_a_key_of_another_metric_is_refused_at_once(name: str) -> None:
    """Before its licence is asked for, and before it is downloaded."""
    with pytest.raises(WeightError, match=f"weights of {name}: .*, got the key musiq-koniq"):
        check_own_key(spec_of(name), "musiq-koniq")


def test_own_keys_files_and_tensors_are_not_refused() -> None:
    for spec in metrics():
        for weights in (*spec.weights, "some/file.pth", {}):
            check_own_key(spec, weights)
