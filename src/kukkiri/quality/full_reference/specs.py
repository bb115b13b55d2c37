"""What these metrics promise (no torch in here)."""

from __future__ import annotations

from math import inf

from kukkiri.metrics.spec import MetricSpec

PSNR = MetricSpec(
    name="psnr",
    title="Peak signal-to-noise ratio (infinite for identical pictures)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.psnr:PSNR",
    needs_reference=True,
    higher_is_better=True,
    value_range=(0.0, inf),
    unit="dB",
    min_size=1,
    differentiable=True,
    tileable=True,
    evidence="exact",
    paper="Wang, Bovik, IEEE Signal Processing Magazine 26(1), 2009, doi:10.1109/MSP.2008.930649",
)

SSIM = MetricSpec(
    name="ssim",
    title="Structural similarity (luma, the authors' downsampling)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.ssim:SSIM",
    needs_reference=True,
    higher_is_better=True,
    value_range=(-1.0, 1.0),
    min_size=11,
    differentiable=True,
    tileable=True,
    evidence="exact",
    paper="Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004, doi:10.1109/TIP.2003.819861",
)

MS_SSIM = MetricSpec(
    name="ms-ssim",
    title="Multi-scale structural similarity",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.ms_ssim:MSSSIM",
    needs_reference=True,
    higher_is_better=True,
    value_range=(0.0, 1.0),
    min_size=176,
    differentiable=True,
    tileable=True,
    evidence="exact",
    paper="Wang, Simoncelli, Bovik, Asilomar Conference 2003, doi:10.1109/ACSSC.2003.1292216",
)

FSIM = MetricSpec(
    name="fsim",
    title="Feature similarity (FSIMc for colour pictures, FSIM for grey)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.fsim:FSIM",
    needs_reference=True,
    higher_is_better=True,
    value_range=(0.0, 1.0),
    min_size=16,
    differentiable=True,
    evidence="exact",
    paper="Zhang, Zhang, Mou, Zhang, IEEE TIP 20(8), 2011, doi:10.1109/TIP.2011.2109730",
)

GMSD = MetricSpec(
    name="gmsd",
    title="Gradient magnitude similarity deviation",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.gmsd:GMSD",
    needs_reference=True,
    higher_is_better=False,
    value_range=(0.0, 0.5),
    min_size=32,
    differentiable=True,
    tileable=True,
    evidence="exact",
    paper="Xue, Zhang, Mou, Bovik, IEEE TIP 23(2), 2014, doi:10.1109/TIP.2013.2293423",
)

VIF = MetricSpec(
    name="vif",
    title="Visual information fidelity, wavelet domain (pixel domain VIFp by option)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.vif:VIF",
    needs_reference=True,
    higher_is_better=True,
    value_range=(0.0, inf),
    min_size=72,
    differentiable=True,
    evidence="exact",
    paper="Sheikh, Bovik, IEEE TIP 15(2), 2006, doi:10.1109/TIP.2005.859378",
)

SPECS: tuple[MetricSpec, ...] = (PSNR, SSIM, MS_SSIM, FSIM, GMSD, VIF)
