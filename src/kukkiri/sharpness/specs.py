"""What the sharpness metrics promise (no torch in here)."""

from __future__ import annotations

from math import inf

from kukkiri.metrics.spec import MetricSpec

LAPLACIAN_VARIANCE = MetricSpec(
    name="laplacian-variance",
    title="Variance of the Laplacian",
    answers="sharpness",
    implementation="kukkiri.sharpness.laplacian_variance:LaplacianVariance",
    higher_is_better=True,
    value_range=(0.0, inf),
    min_size=3,
    differentiable=True,
    tileable=True,
    evidence="exact",
    paper="Pech-Pacheco, Cristóbal, Chamorro-Martínez, Fernández-Valdivia, ICPR 2000, doi:10.1109/ICPR.2000.903548",
)

SPECS = (LAPLACIAN_VARIANCE,)
