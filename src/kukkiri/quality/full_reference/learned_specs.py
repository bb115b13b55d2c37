"""What the networks promise (no torch in here)."""

from __future__ import annotations

from math import inf

from kukkiri.metrics.spec import MetricSpec

LPIPS_ALEX = MetricSpec(
    name="lpips-alex",
    title="LPIPS v0.1 with AlexNet",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.lpips:LPIPSAlex",
    needs_reference=True,
    higher_is_better=False,
    value_range=(0.0, inf),
    min_size=31,
    differentiable=True,
    tileable=True,
    sees="whole",
    evidence="exact",
    weights=("lpips-v0.1-alex-heads", "alexnet-imagenet-features"),
    licence="BSD-2-Clause (heads), BSD-3-Clause (classifier)",
    paper="Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018, arXiv:1801.03924",
)

LPIPS_VGG = MetricSpec(
    name="lpips-vgg",
    title="LPIPS v0.1 with VGG-16",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.lpips:LPIPSVGG",
    needs_reference=True,
    higher_is_better=False,
    value_range=(0.0, inf),
    min_size=16,
    differentiable=True,
    tileable=True,
    sees="whole",
    evidence="exact",
    weights=("lpips-v0.1-vgg-heads", "vgg16-imagenet-features"),
    licence="BSD-2-Clause (heads), BSD-3-Clause (classifier)",
    paper="Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018, arXiv:1801.03924",
)

LPIPS_SQUEEZE = MetricSpec(
    name="lpips-squeeze",
    title="LPIPS v0.1 with SqueezeNet 1.1",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.lpips:LPIPSSqueeze",
    needs_reference=True,
    higher_is_better=False,
    value_range=(0.0, inf),
    min_size=17,
    differentiable=True,
    tileable=True,
    sees="whole",
    evidence="parity",
    weights=("lpips-v0.1-squeeze-heads", "squeezenet1-1-imagenet"),
    licence="BSD-2-Clause (heads), BSD-3-Clause (classifier)",
    paper="Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018, arXiv:1801.03924",
)

DISTS = MetricSpec(
    name="dists",
    title="Deep image structure and texture similarity (not resized)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.dists:DISTS",
    needs_reference=True,
    higher_is_better=False,
    value_range=(0.0, 1.125),
    min_size=16,
    differentiable=True,
    tileable=True,
    sees="whole",
    evidence="exact",
    weights=("dists-alpha-beta", "vgg16-imagenet-features"),
    licence="MIT (weights of the terms), BSD-3-Clause (classifier)",
    paper="Ding, Ma, Wang, Simoncelli, IEEE TPAMI 44(5), 2022, doi:10.1109/TPAMI.2020.3045810",
)

IQT = MetricSpec(
    name="iqt",
    title="Image quality transformer (the unofficial port's network, mean over 20 crops)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.iqt:IQT",
    needs_reference=True,
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=192,
    differentiable=True,
    sees="crops",
    evidence="parity",
    weights=("inception-resnet-v2-imagenet",),
    needs_weights=True,
    licence="Apache-2.0; the port's weights bear no licence; BSD-3-Clause (backbone)",
    paper="Cheon, Yoon, Kang, Lee, CVPR Workshops 2021, arXiv:2104.14730",
)

WADIQAM_FR = MetricSpec(
    name="wadiqam-fr",
    title="WaDIQaM-FR: patches of both pictures, weighted (of KADID-10k's opinions by default)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.wadiqam:WaDIQaMFR",
    needs_reference=True,
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=32,
    differentiable=True,
    sees="patches",
    evidence="parity",
    weights=("wadiqam-fr-kadid",),
    licence="CC-BY-NC-SA-4.0 (weights)",
    paper="Bosse, Maniry, Müller, Wiegand, Samek, IEEE TIP 27(1), 2018, doi:10.1109/TIP.2017.2760518",
)

DIQAM_FR = MetricSpec(
    name="diqam-fr",
    title="DIQaM-FR: the mean over patches of both pictures (direction as in the training; no checkpoint to fetch)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.wadiqam:DIQaMFR",
    needs_reference=True,
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=32,
    differentiable=True,
    sees="patches",
    evidence="parity",
    needs_weights=True,
    paper="Bosse, Maniry, Müller, Wiegand, Samek, IEEE TIP 27(1), 2018, doi:10.1109/TIP.2017.2760518",
)

A_FINE = MetricSpec(
    name="a-fine",
    title="Adaptive fidelity-naturalness evaluator (not symmetric; the reference may be worse; pass afine.pth)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.a_fine:AFINE",
    needs_reference=True,
    higher_is_better=False,
    value_range=(0.0, 100.0),
    min_size=32,
    differentiable=True,
    sees="whole",
    evidence="parity",
    needs_weights=True,
    licence="Apache-2.0; CLIP, from which it was tuned, is MIT-licensed",
    paper="Chen, Wu, Ma, Zhang, CVPR 2025, arXiv:2503.11221",
)

CONIQA = MetricSpec(
    name="coniqa",
    title="ConIQA (reconstruction: network of our choice, no weights exist)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.coniqa:ConIQA",
    needs_reference=True,
    higher_is_better=True,
    value_range=(0.0, 1.0),
    min_size=32,
    differentiable=True,
    sees="whole",
    evidence="reconstruction",
    needs_weights=True,
    paper="Eybposh et al., Scientific Reports 14, 20066, 2024, doi:10.1038/s41598-024-70469-5",
)

PIEAPP = MetricSpec(
    name="pieapp",
    title="PieAPP v0.1 (dense sampling: minutes on a CPU)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.pieapp:PieAPP",
    needs_reference=True,
    higher_is_better=False,
    value_range=(-inf, inf),
    min_size=64,
    differentiable=True,
    sees="patches",
    evidence="parity",
    weights=("pieapp",),
    licence="Modified BSD-2-Clause, non-commercial (weights)",
    paper="Prashnani, Cai, Mostofi, Sen, CVPR 2018, doi:10.1109/CVPR.2018.00194",
)

DEEPQA = MetricSpec(
    name="deepqa",
    title="DeepQA: an error map weighted by a learned sensitivity (no checkpoint to fetch)",
    answers="fidelity",
    implementation="kukkiri.quality.full_reference.deepqa:DeepQA",
    needs_reference=True,
    higher_is_better=True,
    value_range=(0.0, inf),
    min_size=33,
    differentiable=True,
    sees="whole",
    evidence="parity",
    needs_weights=True,
    paper="Kim, Lee, CVPR 2017, doi:10.1109/CVPR.2017.213",
)

SPECS: tuple[MetricSpec, ...] = (
    LPIPS_ALEX,
    LPIPS_VGG,
    LPIPS_SQUEEZE,
    DISTS,
    IQT,
    WADIQAM_FR,
    DIQAM_FR,
    A_FINE,
    CONIQA,
    PIEAPP,
    DEEPQA,
)
