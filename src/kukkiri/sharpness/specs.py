"""What the sharpness metrics promise (no torch in here)."""

from __future__ import annotations

from math import inf

from kukkiri.metrics.spec import MetricSpec
from kukkiri.sharpness.blur_specs import (
    CNN_BASELINE,
    JUST_NOTICEABLE_DEFOCUS,
    KUKKIRI_BLUR,
    LOG_EDGE_WIDTH,
    PRIOR_EVIDENCE,
    SPECTRAL_SIGMA,
    ZHUO_SIM,
)

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

MODIFIED_LAPLACIAN = MetricSpec(
    name="modified-laplacian",
    title="Modified Laplacian",
    answers="sharpness",
    implementation="kukkiri.sharpness.modified_laplacian:ModifiedLaplacian",
    higher_is_better=True,
    value_range=(0.0, 4.0),
    min_size=3,
    differentiable=True,
    tileable=True,
    evidence="reconstruction",
    paper="Nayar, Nakagawa, IEEE TPAMI 16(8), 1994, doi:10.1109/34.308479",
)

TENENGRAD = MetricSpec(
    name="tenengrad",
    title="Tenengrad",
    answers="sharpness",
    implementation="kukkiri.sharpness.tenengrad:Tenengrad",
    higher_is_better=True,
    value_range=(0.0, 20.0),
    min_size=3,
    differentiable=True,
    tileable=True,
    evidence="exact",
    paper="Krotkov, IJCV 1(3), 1987, doi:10.1007/BF00127822",
)

BRENNER = MetricSpec(
    name="brenner",
    title="Brenner gradient",
    answers="sharpness",
    implementation="kukkiri.sharpness.brenner:Brenner",
    higher_is_better=True,
    value_range=(0.0, 2.0),
    min_size=3,
    differentiable=True,
    tileable=True,
    evidence="reconstruction",
    paper="Brenner et al., J. Histochem. Cytochem. 24(1), 1976, doi:10.1177/24.1.1254907",
)

NORMALIZED_VARIANCE = MetricSpec(
    name="normalized-variance",
    title="Normalized variance",
    answers="sharpness",
    implementation="kukkiri.sharpness.normalized_variance:NormalizedVariance",
    higher_is_better=True,
    value_range=(0.0, 1.0),
    min_size=1,
    differentiable=True,
    tileable=True,
    evidence="exact",
    paper="Groen, Young, Ligthart, Cytometry 6(2), 1985, doi:10.1002/cyto.990060202",
)

SPECTRAL_SLOPE = MetricSpec(
    name="spectral-slope",
    title="Slope of the power spectrum",
    answers="sharpness",
    implementation="kukkiri.sharpness.spectral_slope:SpectralSlope",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=64,
    differentiable=True,
    evidence="reconstruction",
    paper="Field, JOSA A 4(12), 1987, doi:10.1364/JOSAA.4.002379",
)

BLUR_EFFECT = MetricSpec(
    name="blur-effect",
    title="Blur effect",
    answers="sharpness",
    implementation="kukkiri.sharpness.blur_effect:BlurEffect",
    higher_is_better=False,
    value_range=(0.0, 1.0),
    min_size=12,
    differentiable=True,
    tileable=True,
    evidence="exact",
    paper="Crete, Dolmiere, Ladret, Nicolas, Proc. SPIE 6492, 2007, doi:10.1117/12.702790",
)

CPBD = MetricSpec(
    name="cpbd",
    title="Cumulative probability of blur detection",
    answers="sharpness",
    implementation="kukkiri.sharpness.cpbd:CPBD",
    higher_is_better=True,
    value_range=(0.0, 1.0),
    min_size=64,
    differentiable=False,
    continuous=False,
    tileable=True,
    evidence="exact",
    paper="Narvekar, Karam, IEEE TIP 20(9), 2011, doi:10.1109/TIP.2011.2131660",
)

JNB = MetricSpec(
    name="jnb",
    title="Just noticeable blur metric",
    answers="sharpness",
    implementation="kukkiri.sharpness.jnb:JNB",
    higher_is_better=True,
    value_range=(0.0, inf),
    min_size=64,
    differentiable=False,
    continuous=False,
    tileable=True,
    evidence="exact",
    paper="Ferzli, Karam, IEEE TIP 18(4), 2009, doi:10.1109/TIP.2008.2011760",
)

LPC_SI = MetricSpec(
    name="lpc-si",
    title="Local phase coherence sharpness index",
    answers="sharpness",
    implementation="kukkiri.sharpness.lpc_si:LPCSI",
    higher_is_better=True,
    value_range=(0.0, 1.0),
    min_size=32,
    differentiable=True,
    evidence="exact",
    paper="Hassen, Wang, Salama, IEEE TIP 22(7), 2013, doi:10.1109/TIP.2013.2251643",
)

S3 = MetricSpec(
    name="s3",
    title="Spectral and spatial sharpness",
    answers="sharpness",
    implementation="kukkiri.sharpness.s3:S3",
    higher_is_better=True,
    value_range=(0.0, 1.0),
    min_size=32,
    differentiable=True,
    continuous=False,
    evidence="exact",
    paper="Vu, Phan, Chandler, IEEE TIP 21(3), 2012, doi:10.1109/TIP.2011.2169974",
)

HIFST = MetricSpec(
    name="hifst",
    title="High-frequency multiscale fusion and sort transform",
    answers="sharpness",
    implementation="kukkiri.sharpness.hifst:HiFST",
    higher_is_better=True,
    value_range=(0.0, 1.0),
    min_size=64,
    differentiable=False,
    continuous=False,
    evidence="exact",
    paper="Golestaneh, Karam, CVPR 2017, doi:10.1109/CVPR.2017.71",
)

SPECS = (
    KUKKIRI_BLUR,
    LAPLACIAN_VARIANCE,
    MODIFIED_LAPLACIAN,
    TENENGRAD,
    BRENNER,
    NORMALIZED_VARIANCE,
    SPECTRAL_SLOPE,
    BLUR_EFFECT,
    CPBD,
    JNB,
    LPC_SI,
    S3,
    HIFST,
    SPECTRAL_SIGMA,
    ZHUO_SIM,
    LOG_EDGE_WIDTH,
    JUST_NOTICEABLE_DEFOCUS,
    PRIOR_EVIDENCE,
    CNN_BASELINE,
)
