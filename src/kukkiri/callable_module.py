"""Let a package be called like the verb it is named after.

`kk.quality(picture)` and `kukkiri.quality.no_reference` share one name: importing the sub-package binds it on
`kukkiri`, over any function of that name. So the sub-package itself answers the call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def make_callable(module_name: str, verb: Callable[..., Any]) -> None:
    """Give the module `module_name` the call, signature and documentation of `verb`."""
    module = sys.modules[module_name]
    module.__class__ = type("CallableModule", (ModuleType,), {"__call__": staticmethod(verb), "__doc__": verb.__doc__})
