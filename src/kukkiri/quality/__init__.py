"""How good?"""

from __future__ import annotations

from kukkiri.callable_module import make_callable
from kukkiri.quality.verbs import compare, quality

__all__ = ["compare", "quality"]

make_callable(__name__, quality)
