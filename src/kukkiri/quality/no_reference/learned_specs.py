"""What the networks promise (no torch in here)."""

from __future__ import annotations

from math import inf

from kukkiri.metrics.spec import MetricSpec

KONCEPT512 = MetricSpec(
    name="koncept512",
    title="KonCept512 (resized to 512 × 384 px; PyTorch port's weights)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.koncept512:KonCept512",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=75,
    differentiable=True,
    sees="resized",
    evidence="parity",
    needs_weights=True,
    licence="Apache-2.0; the PyTorch port is MIT-licensed",
    paper="Hosu, Lin, Sziranyi, Saupe, IEEE TIP 29, 2020, doi:10.1109/TIP.2020.2967829",
)

MANIQA = MetricSpec(
    name="maniqa",
    title="Multi-dimension attention network (20 crops of 224 px)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.maniqa:MANIQA",
    higher_is_better=True,
    value_range=(0.0, inf),
    min_size=224,
    differentiable=True,
    sees="crops",
    evidence="parity",
    weights=("maniqa-pipal",),
    licence="Apache-2.0 (code), CC-BY-NC-SA-4.0 (weights)",
    paper="Yang, Wu, Shi, Lao, Gong, Cao, Wang, Yang, CVPR Workshops 2022, arXiv:2204.08958",
)

HYPERIQA = MetricSpec(
    name="hyperiqa",
    title="Self-adaptive hyper network (25 crops of 224 px)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.hyperiqa:HyperIQA",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=224,
    differentiable=True,
    sees="crops",
    evidence="parity",
    weights=("hyperiqa-koniq",),
    licence="MIT (authors); IQA-PyTorch's weights CC-BY-NC-SA-4.0",
    paper="Su, Yan, Zhu, Zhang, Ge, Sun, Zhang, CVPR 2020, doi:10.1109/CVPR42600.2020.00372",
)

WADIQAM_NR = MetricSpec(
    name="wadiqam-nr",
    title="WaDIQaM-NR: patches, weighted (of KonIQ-10k's opinions by default)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.wadiqam:WaDIQaMNR",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=32,
    differentiable=True,
    sees="patches",
    evidence="parity",
    weights=("wadiqam-nr-koniq",),
    licence="CC-BY-NC-SA-4.0 (weights)",
    paper="Bosse, Maniry, Müller, Wiegand, Samek, IEEE TIP 27(1), 2018, doi:10.1109/TIP.2017.2760518",
)

DIQAM_NR = MetricSpec(
    name="diqam-nr",
    title="DIQaM-NR: the mean over patches (direction as in the training; no checkpoint to fetch)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.wadiqam:DIQaMNR",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=32,
    differentiable=True,
    sees="patches",
    evidence="parity",
    needs_weights=True,
    paper="Bosse, Maniry, Müller, Wiegand, Samek, IEEE TIP 27(1), 2018, doi:10.1109/TIP.2017.2760518",
)

RANKIQA = MetricSpec(
    name="rankiqa",
    title="RankIQA (mean over crops of 224 px; no checkpoint to fetch)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.rankiqa:RankIQA",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=224,
    differentiable=True,
    sees="crops",
    evidence="parity",
    needs_weights=True,
    licence="MIT (weights)",
    paper="Liu, van de Weijer, Bagdanov, ICCV 2017, arXiv:1707.08347",
)

TRES = MetricSpec(
    name="tres",
    title="Transformer over all stages of a ResNet-50 (TReS; 50 crops of 224 px)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.tres:TReS",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=224,
    differentiable=True,
    sees="crops",
    evidence="parity",
    weights=("tres-koniq", "tres-flive"),
    licence="Carnegie Mellon University, non-commercial research only",
    paper="Golestaneh, Dadsetan, Kitani, WACV 2022, arXiv:2108.06858",
)

CNNIQA = MetricSpec(
    name="cnniqa",
    title="CNNIQA on grey patches, D. Li's form (of LIVE's differential opinions: higher is worse)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.cnniqa:CNNIQA",
    higher_is_better=False,
    value_range=(-inf, inf),
    min_size=32,
    differentiable=True,
    continuous=False,
    sees="patches",
    evidence="exact",
    weights=("cnniqa-live", "cnniqa-koniq10k"),
    licence="none stated (default weights), CC-BY-NC-SA-4.0 (colour weights)",
    paper="Kang, Ye, Li, Doermann, CVPR 2014, doi:10.1109/CVPR.2014.224",
)

MUSIQ_KONIQ = MetricSpec(
    name="musiq-koniq",
    title="Multi-scale image quality transformer (KonIQ-10k, about 0 to 100)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.musiq:MUSIQKonIQ",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=32,
    differentiable=True,
    sees="whole",
    evidence="parity",
    weights=("musiq-koniq",),
    licence="Apache-2.0 (authors); IQA-PyTorch's file CC-BY-NC-SA-4.0",
    paper="Ke, Wang, Wang, Milanfar, Yang, ICCV 2021, arXiv:2108.05997",
)

MUSIQ_SPAQ = MetricSpec(
    name="musiq-spaq",
    title="Multi-scale image quality transformer (SPAQ, about 0 to 100)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.musiq:MUSIQSPAQ",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=32,
    differentiable=True,
    sees="whole",
    evidence="parity",
    weights=("musiq-spaq",),
    licence="Apache-2.0 (authors); IQA-PyTorch's file CC-BY-NC-SA-4.0",
    paper="Ke, Wang, Wang, Milanfar, Yang, ICCV 2021, arXiv:2108.05997",
)

MUSIQ_PAQ2PIQ = MetricSpec(
    name="musiq-paq2piq",
    title="Multi-scale image quality transformer (PaQ-2-PiQ, about 0 to 100)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.musiq:MUSIQPaQ2PiQ",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=32,
    differentiable=True,
    sees="whole",
    evidence="parity",
    weights=("musiq-paq2piq",),
    licence="Apache-2.0 (authors); IQA-PyTorch's file CC-BY-NC-SA-4.0",
    paper="Ke, Wang, Wang, Milanfar, Yang, ICCV 2021, arXiv:2108.05997",
)

MUSIQ_AVA = MetricSpec(
    name="musiq-ava",
    title="Multi-scale image quality transformer (AVA: beauty, 1 to 10)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.musiq:MUSIQAVA",
    higher_is_better=True,
    value_range=(1.0, 10.0),
    min_size=32,
    differentiable=True,
    sees="whole",
    evidence="parity",
    weights=("musiq-ava",),
    licence="Apache-2.0 (authors); IQA-PyTorch's file CC-BY-NC-SA-4.0",
    paper="Ke, Wang, Wang, Milanfar, Yang, ICCV 2021, arXiv:2108.05997",
)

TRIQ = MetricSpec(
    name="triq",
    title="Transformer for image quality on ResNet-50 (whole picture)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.triq:TRIQ",
    higher_is_better=True,
    value_range=(1.0, 5.0),
    min_size=32,
    differentiable=True,
    sees="whole",
    evidence="parity",
    needs_weights=True,
    licence="MIT (code); the weights are published without a licence of their own",
    paper="You, Korhonen, ICIP 2021, doi:10.1109/ICIP42928.2021.9506075, arXiv:2101.01097",
)

PAQ2PIQ = MetricSpec(
    name="paq2piq",
    title="From patches to pictures (PaQ-2-PiQ), with a map of patches",
    answers="quality",
    implementation="kukkiri.quality.no_reference.paq2piq:PaQ2PiQ",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=32,
    differentiable=True,
    sees="whole",
    evidence="parity",
    weights=("paq2piq-flive",),
    licence="MIT (authors); the file as IQA-PyTorch publishes it CC-BY-NC-SA-4.0",
    paper="Ying, Niu, Gupta, Mahajan, Ghadiyaram, Bovik, CVPR 2020, arXiv:1912.10088",
)

DBCNN = MetricSpec(
    name="dbcnn",
    title="Deep bilinear network (DB-CNN)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.dbcnn:DBCNN",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=32,
    differentiable=True,
    sees="whole",
    evidence="parity",
    weights=("dbcnn-koniq", "dbcnn-livec", "dbcnn-live", "dbcnn-csiq", "dbcnn-tid2013"),
    licence="MIT (authors); IQA-PyTorch's weights CC-BY-NC-SA-4.0",
    paper="Zhang, Ma, Yan, Deng, Wang, IEEE TCSVT 30(1), 2020, arXiv:1907.02665",
)

SATQA = MetricSpec(
    name="satqa",
    title="Supervised contrastive learning and a transformer (8 crops of 224 px; no published weights)",
    answers="quality",
    implementation="kukkiri.quality.no_reference.satqa:SaTQA",
    higher_is_better=True,
    value_range=(-inf, inf),
    min_size=224,
    differentiable=True,
    sees="crops",
    evidence="parity",
    needs_weights=True,
    licence="the authors' code has none",
    paper="Shi, Gao, Qin, AAAI 2024, doi:10.1609/aaai.v38i5.28285, arXiv:2312.06995",
)

SPECS: tuple[MetricSpec, ...] = (
    KONCEPT512,
    MANIQA,
    HYPERIQA,
    WADIQAM_NR,
    DIQAM_NR,
    RANKIQA,
    TRES,
    CNNIQA,
    MUSIQ_KONIQ,
    MUSIQ_SPAQ,
    MUSIQ_PAQ2PIQ,
    MUSIQ_AVA,
    TRIQ,
    PAQ2PIQ,
    DBCNN,
    SATQA,
)
