import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukkiri.errors import InputError, KukkiriError
from kukkiri.inspection.gates import parse_gate

ROW = {"sigma": 2.5, "niqe": 5.0, "laplacian-variance": 1e-3, "noise": None, "path": "a"}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("sigma > 2", True),
        ("sigma>2", True),
        ("2 < sigma <= 2.5 < 3", True),
        ("sigma > 2 and niqe > 6", False),
        ("sigma > 2 and (niqe > 6 or niqe == 5)", True),
        ("not sigma > 2", False),
        ("not (sigma > 2) or laplacian-variance < 2e-3", True),
        ("niqe > -1", True),
        ("noise > 0.1", None),
        ("noise > 0.1 or sigma > 2", True),
        ("noise > 0.1 or sigma < 2", None),
        ("noise > 0.1 and sigma < 2", False),
        ("not noise > 1", None),
    ],
)
def test_verdict(text: str, verdict: bool | None) -> None:
    assert parse_gate(text, list(ROW))(ROW) is verdict


@pytest.mark.parametrize(
    "text",
    ["", "sigma", "sigma >", "> 2", "sigma > 2 niqe", "(sigma > 2", "sigma > 2)", "sigma = 2", "__import__('os')",
     "sigma > 2; niqe > 1", "and", "sgima > 2", "sigma > 2px", "sigma > 1.2.3", "not " * 60 + "sigma > 2", "(" * 500],
)  # fmt: skip
def test_what_is_not_a_gate_is_explained(text: str) -> None:
    with pytest.raises(InputError, match="expected .*, got .*; "):
        parse_gate(text, list(ROW))


def test_misspelt_column_is_named() -> None:
    with pytest.raises(InputError, match="did you mean sigma"):
        parse_gate("sgima > 2", list(ROW))


@given(st.text(alphabet="sigma niqe<>=!()0123.e-andort", max_size=40))
def test_any_text_parses_or_is_explained(text: str) -> None:
    with contextlib.suppress(KukkiriError):
        assert parse_gate(text, list(ROW))(ROW) in (True, False, None)
