"""DIQaM and WaDIQaM: what patches of 32×32 px say, alike or weighted (Bosse et al. 2018)."""

from __future__ import annotations

import logging
from dataclasses import replace

from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.images.patches import check_random, over_patches, random_places, regular_places
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.memory import channels_last
from kukkiri.networks.wadiqam import SIDE, PatchQuality
from kukkiri.weights import Weights, load_into

log = logging.getLogger(__name__)

# How many random patches the paper takes.
CROPS = 32
# Patches at once: their features fit a processor's cache better than those of more do.
AT_ONCE = 48


def patch_places(height: int, width: int, *, drop_last: bool = False) -> Tensor:
    """Adjacent patches from the top left, row by row: (P, 2), row and column of each, pixels.

    Parameters
    ----------
    height, width : int
        Of the picture; what is left over on the right and below is under no patch.
    drop_last : bool
        Without the last row or column of patches where the side is a multiple of 32, as in the PyTorch ports.
    """
    rows, columns = (range(0, side - SIDE + (0 if drop_last else 1), SIDE) for side in (height, width))
    return regular_places(rows, columns)


class PatchMetric(LearnedMetric):
    """The four metrics of this family; which one is in its spec's name and in `weighted`.

    Nothing is resized. The picture is cut into adjacent patches of 32×32 px from the top left; what is left over on the
    right and below (up to 31 px) does not count. That is the evaluation that the authors published; in their paper,
    patches are drawn at random, which `seed` does. The value is on the scale of the opinions that the checkpoint was
    trained on, without bounds: for opinions of the kind "differential" (LIVE) higher is worse. No file tells which, so
    that of other checkpoints than the default `higher_is_better` must be told.

    Parameters
    ----------
    weights : str, Path, or mapping of Tensor
        Key in the catalogue, or a checkpoint in one of the layouts of `PatchQuality.from_any_layout`. The authors'
        own are HDF5 files: read one with h5py and save its tensors as safetensors, by the names 'conv1/W', ….
    drop_last : bool
        Leave out the last row or column of patches where 32 divides the side, as the PyTorch ports do: their range ends
        one patch early, so that their published numbers ignore it. Not the default, since the authors count it.
    crops : int, optional
        How many random patches, with a `seed`; default: 32, as in the paper.
    seed : int, optional
        Patches at random, as the first PyTorch port takes them after `numpy.random.seed(seed)`, see
        `images.patches.random_places`; every picture has its patches at the same places. None: the regular grid.
    higher_is_better : bool, optional
        What the checkpoint's opinions are: True for opinions of quality (TID2013, KonIQ-10k), False for differential
        ones (LIVE). Sets the direction of `spec`, and so of every score. Default: True, as of the default checkpoints;
        of one in another layout than theirs a warning then says that this may be wrong.

    Raises
    ------
    InputError
        If `crops` or `seed` is out of range, or there are crops without a seed.
    WeightError
        If the checkpoint cannot be had or does not fit.
    """

    weighted: bool = False

    def __init__(
        self,
        weights: Weights | None = None,
        *,
        drop_last: bool = False,
        crops: int | None = None,
        seed: int | None = None,
        higher_is_better: bool | None = None,
    ) -> None:
        super().__init__()
        check_random(crops, seed)
        if not isinstance(higher_is_better, bool | None):
            raise InputError(
                expected="higher_is_better True, False or None",
                got=repr(higher_is_better),
                fix="leave it out for the default checkpoint",
            )
        self.drop_last, self.crops, self.seed = drop_last, crops or CROPS, seed
        self.network = PatchQuality(reference=self.spec.needs_reference, weighted=self.weighted)
        load_into(
            self.network,
            self.own_weights(weights),
            self.spec.name,
            inside=("params",),
            rename=self.network.from_any_layout,
            unused=() if self.weighted else ("fc_w.",),
        )
        channels_last(self.network.features)
        if higher_is_better is not None:
            self.spec = replace(self.spec, higher_is_better=higher_is_better)
        elif self.network.layout != "own":
            log.warning(
                "%s counts as higher is better, but this checkpoint's layout is that of training code which is also "
                "used on differential opinions (LIVE), where higher is worse: pass higher_is_better=True or False",
                self.spec.name,
            )

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        height, width = image.shape[-2:]
        if self.seed is None:
            places = patch_places(height, width, drop_last=self.drop_last)
            if not len(places):
                raise ShapeError(
                    expected=f"more than {SIDE} px a side with drop_last",
                    got=f"{width}×{height}",
                    fix="leave drop_last out, or take a larger picture",
                )
        else:
            places = random_places(height, width, SIDE, self.crops, self.seed)
        pictures = (image,) if reference is None else (image, reference)
        said = over_patches(self.network, pictures, places, SIDE, at_once=max(AT_ONCE // len(pictures), 1))
        if not self.weighted:
            return said[..., 0].mean(1)
        quality, weight = said.unbind(-1)
        return (quality * weight).sum(1) / weight.sum(1)


class DIQaMFR(PatchMetric):
    """`diqam-fr`: the mean of what all patches say of the picture beside its reference. See `PatchMetric`.

    No checkpoint can be fetched: `weights` must be given.
    """

    name = "diqam-fr"


class WaDIQaMFR(PatchMetric):
    """`wadiqam-fr`: as `diqam-fr`, but each patch also says how much it counts. See `PatchMetric`.

    The default checkpoint is IQA-PyTorch's, trained on KADID-10k: higher is better.
    """

    name = "wadiqam-fr"
    weighted = True
