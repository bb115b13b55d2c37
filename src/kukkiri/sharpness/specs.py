"""What the sharpness metrics promise (no torch in here)."""

from __future__ import annotations

from math import inf

from kukkiri.metrics.spec import MetricSpec

KUKKIRI_BLUR = MetricSpec(
    name="kukkiri-blur",
    title="Blur size",
    answers="sharpness",
    implementation="kukkiri.sharpness.kukkiri_blur:KukkiriBlur",
    higher_is_better=False,
    value_range=(0.0, 12.0),
    unit="px",
    min_size=32,
    differentiable=False,
    tileable=True,
    estimates_blur=True,
    evidence="exact",
    weights=("kukkiri-blur",),
    paper="Kukkiri, recipe training/kukkiri_blur.py",
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

ZHUO_SIM = MetricSpec(
    name="zhuo-sim",
    title="Blur at edges from their re-blur ratio",
    answers="sharpness",
    implementation="kukkiri.sharpness.zhuo_sim:ZhuoSim",
    higher_is_better=False,
    value_range=(0.0, 12.0),
    unit="px",
    min_size=32,
    differentiable=False,
    continuous=False,
    evidence="reconstruction",
    paper="Zhuo, Sim, Pattern Recognition 44(9), 2011, doi:10.1016/j.patcog.2011.03.009",
)

LOG_EDGE_WIDTH = MetricSpec(
    name="log-edge-width",
    title="Blur at edges from Laplacian extrema at two scales",
    answers="sharpness",
    implementation="kukkiri.sharpness.log_edge_width:LogEdgeWidth",
    higher_is_better=False,
    value_range=(0.0, 12.0),
    unit="px",
    min_size=32,
    differentiable=False,
    continuous=False,
    evidence="reconstruction",
    paper="Kukkiri; after Elder, Zucker, IEEE TPAMI 20(7), 1998, doi:10.1109/34.689301",
)

# The constants of the authors' curve are not published. Dictionary and curve are learned by our own recipe.
JUST_NOTICEABLE_DEFOCUS = MetricSpec(
    name="just-noticeable-defocus",
    title="Blur size from the atoms that a patch needs",
    answers="sharpness",
    implementation="kukkiri.sharpness.just_noticeable_defocus:JustNoticeableDefocus",
    higher_is_better=False,
    value_range=(0.0, 3.0),
    unit="px",
    min_size=32,
    differentiable=False,
    continuous=False,
    tileable=True,
    evidence="reconstruction",
    weights=("just-noticeable-defocus",),
    paper="Shi, Xu, Jia, CVPR 2015",
)

PRIOR_EVIDENCE = MetricSpec(
    name="prior-evidence",
    title="Blur size by the evidence of a sparse-gradient prior",
    answers="sharpness",
    implementation="kukkiri.sharpness.prior_evidence:PriorEvidence",
    higher_is_better=False,
    value_range=(0.0, 8.0),
    unit="px",
    min_size=64,
    differentiable=False,
    evidence="exact",
    paper="Kukkiri; after Levin, Weiss, Durand, Freeman, CVPR 2009, doi:10.1109/CVPR.2009.5206815",
)

SPECTRAL_SIGMA = MetricSpec(
    name="spectral-sigma",
    title="Blur size from the power spectrum",
    answers="sharpness",
    implementation="kukkiri.sharpness.spectral_sigma:SpectralSigma",
    higher_is_better=False,
    value_range=(0.0, 10.0),
    unit="px",
    min_size=64,
    differentiable=False,
    tileable=True,
    estimates_blur=True,
    evidence="exact",
    paper="Kukkiri; natural spectra: Field, JOSA A 4(12), 1987, doi:10.1364/JOSAA.4.002379",
)

CNN_BASELINE = MetricSpec(
    name="cnn-baseline",
    title="Plain backbone regressed to blur size",
    answers="sharpness",
    implementation="kukkiri.sharpness.cnn_baseline:CNNBaseline",
    higher_is_better=False,
    value_range=(0.0, inf),
    unit="px",
    min_size=64,
    differentiable=True,
    evidence="exact",
    weights=("cnn-baseline-head", "efficientnet-lite0-imagenet"),
    paper="Kukkiri; backbone: Tan, Le, ICML 2019, arXiv:1905.11946",
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
