"""One family of errors. Each message has three parts: what was expected, what came, how to fix it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def one_line(text: object, limit: int = 400) -> str:
    """Printable text on one line: control characters (a newline in a file name, say) are escaped."""
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))
    return escaped if len(escaped) <= limit else escaped[: limit - 1] + "…"


class KukkiriError(Exception):
    """Base of every error that Kukkiri raises on purpose.

    Parameters
    ----------
    expected, got, fix : str
        The three parts of the message, each without a final full stop.
    """

    def __init__(self, *, expected: str, got: str, fix: str) -> None:
        self.expected, self.got, self.fix = expected, got, fix
        super().__init__(one_line(f"expected {expected}, got {got}; {fix}", limit=2000))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.expected, self.got, self.fix)


def _rebuild(kind: type[KukkiriError], expected: str, got: str, fix: str) -> KukkiriError:
    return kind(expected=expected, got=got, fix=fix)


class InputError(KukkiriError, ValueError):
    """An argument is of the wrong kind, out of range, or not known."""


class ShapeError(InputError):
    """A picture has the wrong shape, size or number of channels."""


class UnknownNameError(InputError):
    """No metric, weight, engine or column has that name."""


class ReadError(KukkiriError):
    """A file cannot be read as a picture."""


class SizeError(ReadError):
    """A picture is larger than what may be decoded in one piece (or claims to be)."""


class WriteError(KukkiriError):
    """A file cannot be written."""


class MissingExtraError(KukkiriError, ImportError):
    """An optional dependency is not installed."""


class WeightError(KukkiriError):
    """A checkpoint is missing, damaged, or does not fit its network."""


class OfflineError(WeightError):
    """A download would be needed, and downloads are switched off."""


class LicenceError(WeightError):
    """The licence of a checkpoint has not been accepted."""


class TrainingError(KukkiriError):
    """A training run cannot go on, or cannot be resumed."""


def missing_extra(extra: str, package: str, purpose: str) -> MissingExtraError:
    """The error for an optional dependency that is not installed."""
    return MissingExtraError(
        expected=f"the package {package!r} ({purpose})",
        got="an installation without it",
        fix=f"install it with: pip install 'kukkiri[{extra}]'",
    )


def unknown_name(what: str, got: str, known: Iterable[str], fix: str) -> UnknownNameError:
    """The error for a name that is not known; its message says which known ones are near."""
    import difflib

    names = list(known)
    near = difflib.get_close_matches(got.lower(), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return UnknownNameError(expected=what, got=ascii(got), fix=hint + fix)
