"""Gates: 'sigma > 2 or niqe >= 6'. A small grammar of comparisons; nothing is ever evaluated as code.

    expression := conjunction ('or' conjunction)*
    conjunction := negation ('and' negation)*
    negation := 'not' negation | '(' expression ')' | comparison
    comparison := value ('<' | '<=' | '>' | '>=' | '==' | '!=') value, chained as in 1 < sigma < 3
    value := number | column

Where a column is empty the comparison is neither true nor false (Kleene's logic): `sigma > 2 or niqe > 6` is still
true if niqe is 7, and unknown if niqe is 5.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kukkiri.errors import InputError, unknown_name

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
TOKEN = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))"
    r"|(?P<word>[A-Za-z_][\w-]*)|(?P<sign><=|>=|==|!=|<|>|\(|\)))"
)
MAX_DEPTH = 50

Verdict = bool | None
Value = Callable[[Mapping[str, Any]], float | None]
Test = Callable[[Mapping[str, Any]], Verdict]


@dataclass(frozen=True)
class Gate:
    """A parsed condition; call it with a row.

    Parameters
    ----------
    text : str
        As the user wrote it.
    """

    text: str
    test: Test

    def __call__(self, row: Mapping[str, Any]) -> Verdict:
        """True, False, or None where an empty column leaves it open."""
        return self.test(row)


def parse_gate(text: str, columns: Sequence[str]) -> Gate:
    """Parse a condition.

    Parameters
    ----------
    text : str
    columns : sequence of str
        The numeric columns that the rows will have.

    Returns
    -------
    Gate

    Raises
    ------
    InputError
        If the text is not of the grammar.
    UnknownNameError
        If it names a column that is not there.
    """
    return Gate(text, _Parser(text, columns).parse())


class _Parser:
    def __init__(self, text: str, columns: Sequence[str]) -> None:
        self.text, self.columns = text, columns
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        self.depth = 0
        place = 0
        while text[place:].strip():
            match = TOKEN.match(text, place)
            if match is None:
                raise self._error(repr(text[place:].strip()[:20]))
            self.tokens.append((str(match.lastgroup), match.group().strip()))
            place = match.end()

    def parse(self) -> Test:
        test = self._any_of()
        if self.at < len(self.tokens):
            raise self._error(repr(self.tokens[self.at][1]))
        return test

    def _error(self, got: str) -> InputError:
        return InputError(
            expected="a condition such as 'niqe > 6 and contrast < 0.1'",
            got=f"{got} in {self.text!r}",
            fix="use columns, numbers, < <= > >= == !=, and, or, not, ( )",
        )

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else "the end"

    def _take(self, text: str) -> bool:
        if self._peek() == text and self.at < len(self.tokens):
            self.at += 1
            return True
        return False

    def _any_of(self) -> Test:
        tests = [self._all_of()]
        while self._take("or"):
            tests.append(self._all_of())
        return tests[0] if len(tests) == 1 else lambda row: _either([t(row) for t in tests], True)

    def _all_of(self) -> Test:
        tests = [self._negation()]
        while self._take("and"):
            tests.append(self._negation())
        return tests[0] if len(tests) == 1 else lambda row: _either([t(row) for t in tests], False)

    def _negation(self) -> Test:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} levels")
        try:
            if self._take("not"):
                inner = self._negation()
                return lambda row: None if (v := inner(row)) is None else not v
            if self._take("("):
                test = self._any_of()
                if not self._take(")"):
                    raise self._error(f"{self._peek()!r} where ')' should be")
                return test
            return self._comparison()
        finally:
            self.depth -= 1

    def _comparison(self) -> Test:
        values, signs = [self._value()], []
        while self._peek() in COMPARISONS:
            signs.append(COMPARISONS[self.tokens[self.at][1]])
            self.at += 1
            values.append(self._value())
        if not signs:
            raise self._error(f"{self._peek()!r} where a comparison should be")

        def test(row: Mapping[str, Any]) -> Verdict:
            numbers = [v(row) for v in values]
            return _either([_compare(s, a, b) for s, a, b in zip(signs, numbers, numbers[1:])], False)

        return test

    def _value(self) -> Value:
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "the end")
        self.at += 1
        if kind == "number":
            number = float(text)
            return lambda _: number
        if kind != "word" or text in ("and", "or", "not"):
            raise self._error(f"{text!r} where a column or number should be")
        if text not in self.columns:
            raise unknown_name(
                "a numeric column", text, self.columns, f"a metric becomes a column with --metric {text}"
            )
        return lambda row: _number(row.get(text))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value == value else None


def _compare(sign: Callable[[float, float], bool], a: float | None, b: float | None) -> Verdict:
    return None if a is None or b is None else sign(a, b)


def _either(verdicts: list[Verdict], deciding: bool) -> Verdict:
    """Kleene's 'or' (deciding=True) and 'and' (deciding=False)."""
    if deciding in verdicts:
        return deciding
    return None if None in verdicts else not deciding
