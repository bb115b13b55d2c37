"""DIQaM-NR and WaDIQaM-NR: what patches of 32×32 px say without a reference (Bosse et al. 2018)."""

from __future__ import annotations

from kukkiri.quality.full_reference.wadiqam import PatchMetric


class DIQaMNR(PatchMetric):
    """`diqam-nr`: the mean of what all patches say of the picture. See `PatchMetric`.

    No checkpoint can be fetched: `weights` must be given.
    """

    name = "diqam-nr"


class WaDIQaMNR(PatchMetric):
    """`wadiqam-nr`: as `diqam-nr`, but each patch also says how much it counts. See `PatchMetric`.

    The default checkpoint is IQA-PyTorch's, trained on KonIQ-10k: higher is better.
    """

    name = "wadiqam-nr"
    weighted = True
