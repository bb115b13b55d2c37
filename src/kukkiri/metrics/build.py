"""Build a metric by name."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import torch

from kukkiri.errors import InputError, one_line
from kukkiri.metrics.base import Metric
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.metrics.table import spec_of
from kukkiri.weights import Weights


def metric(
    name: str, *, weights: Weights | None = None, device: str | torch.device | None = None, **options: Any
) -> Metric:
    """Build a metric.

    Parameters
    ----------
    name : str
        One of `kk.metrics()`; 'kukkiri list' shows them.
    weights : str, Path, or mapping of Tensor, optional
        Key in the catalogue, path of a file in the official layout, or its tensors by their official names; default:
        the metric's own.
    device : str or torch.device, optional
        Default: the CPU.
    **options
        The constructor's own options, and for metrics that are networks `precision` and `max_side`
        (`metrics.learned`); a name that is not known is an error.

    Returns
    -------
    Metric
        Call it with a picture or a batch.

    Raises
    ------
    UnknownNameError
        If there is no such metric.
    InputError
        If an option is not known.
    WeightError
        If its checkpoint cannot be had.
    """
    spec = spec_of(name)
    module, _, class_name = spec.implementation.partition(":")
    kind = getattr(import_module(module), class_name)
    shared = tuple(inspect.signature(LearnedMetric.configure).parameters)[1:] if issubclass(kind, LearnedMetric) else ()
    known = [p for p in (*inspect.signature(kind).parameters, *shared) if p != "weights"]
    unknown = [o for o in options if o not in known]
    if unknown:
        raise InputError(
            expected=f"options of {name}: {', '.join(known) or 'none'}",
            got=", ".join(unknown),
            fix="check the spelling",
        )
    if weights is not None:
        if "weights" not in inspect.signature(kind).parameters:
            raise InputError(
                expected=f"no weights for {name}", got=one_line(weights, 80), fix="leave weights out: it has none"
            )
        options["weights"] = weights
    common = {name: options.pop(name) for name in shared if name in options}
    built: Metric = kind(**options).eval()
    if isinstance(built, LearnedMetric):
        built.configure(**common)
    for parameter in built.parameters():
        parameter.requires_grad_(False)
    return built if device is None else built.to(check_device(device))


def check_device(device: str | torch.device) -> torch.device:
    """A device that is there.

    Raises
    ------
    InputError
        If the name is not one of torch's, or this machine or this build of torch has no such device.
    """
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
        if found.type == "meta":
            raise NotImplementedError("it holds no numbers")
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            expected="a device of this machine", got=f"{device!s} ({str(error).splitlines()[0][:80]})", fix="use 'cpu'"
        ) from error
    return found
