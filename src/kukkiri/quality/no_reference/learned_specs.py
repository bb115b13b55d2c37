"""What the networks promise (no torch in here)."""

from __future__ import annotations

from kukkiri.metrics.spec import MetricSpec

SPECS: tuple[MetricSpec, ...] = ()
