"""Checkpoints: which there are, where they lie, and whether they are whole.

Importing this costs milliseconds: torch and the downloader are imported on use.
"""

from __future__ import annotations

from kukkiri.weights.cache import cache_dir, path_of, present, verify
from kukkiri.weights.catalogue import WeightEntry, catalogue, entry_of
from kukkiri.weights.fetching import fetch
from kukkiri.weights.loading import check_layout, flattened, load_parts, load_tensors, locate
from kukkiri.weights.networks import Weights, load_into, state_of

__all__ = [
    "WeightEntry",
    "Weights",
    "cache_dir",
    "catalogue",
    "check_layout",
    "entry_of",
    "fetch",
    "flattened",
    "load_into",
    "load_parts",
    "load_tensors",
    "locate",
    "path_of",
    "present",
    "state_of",
    "verify",
]
