"""What a metric promises (no torch in here). Tests prove every flag."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

Answers = Literal["sharpness", "quality", "fidelity"]
Evidence = Literal["exact", "parity", "reconstruction", "unverified"]
Sees = Literal["whole", "patches", "crops", "resized"]


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """The promises of one metric.

    Parameters
    ----------
    name, title : str
        Name on the command line, and the field's full name of the method.
    answers : 'sharpness' | 'quality' | 'fidelity'
        How sharp, how good by itself, or how near to a reference.
    implementation : str
        'module:Class', imported when the metric is built.
    needs_reference, higher_is_better : bool
        Fidelity metrics compare with a reference; direction of the score.
    value_range : (float, float)
        All values lie in here; infinite where there is no bound.
    unit : str
        Unit of the value, '' for none.
    channels : tuple of int
        Accepted numbers of channels.
    min_size : int
        Smallest accepted side, pixels.
    differentiable : bool
        Finite gradients reach the picture.
    deterministic : bool
        The same picture gives the same value, always.
    continuous : bool
        A tiny change of the picture changes the value a tiny bit (edge detectors and block rules do not).
    tileable : bool
        Tiles give the value of the whole, so that pictures of any size can be measured.
    sees : 'whole' | 'patches' | 'crops' | 'resized'
        What of a picture counts, unless an option says otherwise. 'whole': all of it at its own resolution, perhaps
        beside smaller copies. 'patches': all of it, in small patches that are judged one by one (what is left over on
        the right and below may not count). 'crops': a number of crops at its own resolution, so that of a large picture
        most is never looked at. 'resized': all of it, brought to a fixed size, so that fine detail is lost.
    estimates_blur : bool
        The value is the sigma of a whole estimate, with interval and map: see `metrics.estimating`.
    judges_quality : bool
        The value is that of a whole judgement, with interval and what is wrong: see `metrics.estimating`.
    evidence : 'exact' | 'parity' | 'reconstruction' | 'unverified'
        How sure we are that this is the authors' method: checked against the authors' numbers or an independent
        implementation of the same definition; architecture proven with arbitrary weights; built from a description;
        not checked.
    weights : tuple of str
        Keys in the catalogue of weights: all that is loaded by default, the metric's own first.
    needs_weights : bool
        A network of which no checkpoint can be fetched: `weights=` must be given. `weights` then names only what is
        fetched besides (a backbone).
    licence, paper : str
        Licence of method and weights where it restricts use; citation.
    """

    name: str
    title: str
    answers: Answers
    implementation: str
    higher_is_better: bool
    value_range: tuple[float, float]
    min_size: int
    differentiable: bool
    evidence: Evidence
    paper: str
    needs_reference: bool = False
    unit: str = ""
    channels: tuple[int, ...] = (1, 3)
    deterministic: bool = True
    continuous: bool = True
    tileable: bool = False
    sees: Sees = "whole"
    estimates_blur: bool = False
    judges_quality: bool = False
    weights: tuple[str, ...] = ()
    needs_weights: bool = False
    licence: str = "Apache-2.0"

    def to_row(self) -> dict[str, Any]:
        """A JSON-ready dict; an infinite bound is None."""
        row = asdict(self)
        row["value_range"] = [v if math.isfinite(v) else None for v in self.value_range]
        return row
