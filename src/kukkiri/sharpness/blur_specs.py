"""What the metrics that answer with a size of blur promise (no torch in here)."""

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
