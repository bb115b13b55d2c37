"""Options of the networks: what is impossible is explained, and empty weights are not the default's."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

import kukkiri as kk
from kukkiri.errors import InputError, WeightError

ROOM = "kukkiri.quality.no_reference"


@pytest.mark.parametrize("resize", [512, "512", (512.5, 384), (512, 384, 3), (True, 384), (223, 384), ("512", "384")])
@pytest.mark.parametrize("name", ["hyperiqa", "tres", "satqa"])
def test_a_size_is_two_whole_numbers(name: str, resize: Any) -> None:
    with pytest.raises(InputError, match=r"expected resize: height and width .*, got .*; give resize=\(512, 384\)"):
        kk.metric(name, weights={}, resize=resize)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("paq2piq", {"blocks": 5}),
        ("paq2piq", {"blocks": "55"}),
        ("paq2piq", {"stretched": "no"}),
        ("koncept512", {"resize": (512, 384)}),
        ("koncept512", {"resize": 0}),
        ("cnniqa", {"drop_last": "no"}),
        ("dbcnn", {"higher_is_better": "no"}),
        ("triq", {"pooling": True}),
        ("triq", {"pooling": "2"}),
        ("rankiqa", {"crops": "3"}),
    ],
)
def test_options_of_the_wrong_kind_are_explained(name: str, options: dict[str, Any]) -> None:
    (option,) = options
    with pytest.raises(InputError, match=f"expected {option}: .*, got .*; "):
        kk.metric(name, weights={}, **options)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("dbcnn", "BilinearNetwork"),
        ("hyperiqa", "HyperNetwork"),
        ("paq2piq", "RoIPoolNetwork"),
        ("tres", "TransformerNetwork"),
    ],
)
def test_empty_weights_are_weights_that_do_not_fit(name: str, network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were taken for none, and the published file instead."""
    monkeypatch.setenv("KUKKIRI_OFFLINE", "1")
    monkeypatch.setattr(f"{ROOM}.{name}.{network}", lambda: nn.Linear(1, 1))
    with pytest.raises(WeightError, match="2 missing: "):
        kk.metric(name, weights={})
