"""What must be known to make the same weights again: versions, and settings that changed."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any


def versions() -> dict[str, str]:
    """Of everything that computes."""
    import kukkiri

    packages = ("torch", "accelerate", "numpy", "scipy", "scikit-image")
    return {"kukkiri": kukkiri.__version__, "python": platform.python_version()} | {p: version(p) for p in packages}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What two settings differ in: 'width: 8, now 16'."""
    keys = sorted(before.keys() | now.keys())
    return [
        f"{key}: {before.get(key, 'not there')}, now {now.get(key, 'not there')}"
        for key in keys
        if (key in before) != (key in now) or before[key] != now[key]
    ]
