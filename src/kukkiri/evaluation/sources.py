"""What a module is made of, as a hash: scores that were made by other code are not taken over."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

import kukkiri

ROOT = Path(kukkiri.__file__).parent


@cache
def source_hash(module: str) -> str:
    """Of the code of a module and of all of Kukkiri that it imports, at its head or inside a function.

    Parameters
    ----------
    module : str
        Dotted name, 'kukkiri.…'; any other gives a hash of nothing: its version is its maker's to tell.

    Returns
    -------
    str
        16 hexadecimal digits. Comments, docstrings and the layout of the lines do not count.
    """
    code = {name: ast.dump(tree) for name in sorted(_reached(module)) if (tree := _tree(name)) is not None}
    return hashlib.sha256(repr(code).encode()).hexdigest()[:16]


def _reached(module: str) -> set[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        # The package itself names every verb, and so all there is.
        if name == "kukkiri" or name in found or (tree := _tree(name)) is None:
            continue
        found.add(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


@cache
def _tree(module: str) -> ast.Module | None:
    """None if it is no module of Kukkiri."""
    first, *rest = module.split(".")
    place = ROOT.joinpath(*rest)
    if first != ROOT.name:
        return None
    for path in (place.with_name(place.name + ".py"), place / "__init__.py"):
        if path.is_file():
            return _without_docstrings(ast.parse(path.read_bytes()))
    return None


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            del node.body[0]
    return tree
