"""DB-CNN: two networks, one for authentic and one for synthetic distortions, pooled together (Zhang et al. 2020).

The products of all features of VGG-16 with all of S-CNN, averaged over the picture, are rooted and normalised; the
score is linear in them (Fig. 1, eq. 2).
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks import scnn, vgg
from kukkiri.networks.memory import channels_last
from kukkiri.networks.tiled import tiled_features
from kukkiri.quality.no_reference.options import check_flag
from kukkiri.weights import Weights, load_into

# Keeps the root's derivative finite.
STABILITY = 1e-8
# Trained on databases of differential opinions, where higher is worse. Whether these were turned round for the training
# is not told with the checkpoints.
DIFFERENTIAL = ("dbcnn-live", "dbcnn-csiq")


class BilinearPooling(nn.Module):
    """Mean products of all pairs of features, rooted and of unit length (eq. 2 of the paper and what follows it)."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Pool.

        Parameters
        ----------
        first : Tensor, (N, A, h, w), not negative
        second : Tensor, (N, B, h', w'), not negative
            Made as fine as the first one where it is not, bilinearly, corner on corner.

        Returns
        -------
        Tensor, (N, A · B)
        """
        size = first.shape[-2:]
        if second.shape[-2:] != size:
            second = F.interpolate(second, size, mode="bilinear", align_corners=True)
        products = torch.bmm(first.flatten(2), second.flatten(2).transpose(1, 2)) / (size[0] * size[1])
        return F.normalize((products.flatten(1) + STABILITY).sqrt())


class BilinearNetwork(nn.Module):
    """The whole of it, for pictures of any size; parameters by the authors' names."""

    def __init__(self) -> None:
        super().__init__()
        self.features1 = vgg.vgg16_features(last_pooling=False)
        self.features2 = scnn.scnn_features()
        self.pooling = BilinearPooling()
        self.fc = nn.Linear(vgg.CHANNELS[-1] * scnn.CHANNELS, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """From normalised pictures (N, 3, H, W) to scores (N,)."""
        picture = picture.contiguous(memory_format=torch.channels_last)
        authentic = tiled_features(picture, self.features1, vgg.STRIDES[-1], vgg.REACH)
        synthetic = tiled_features(picture, self.features2, scnn.STRIDE, scnn.REACH)
        score: Tensor = self.fc(self.pooling(authentic, synthetic))
        return score.flatten()


class DBCNN(LearnedMetric):
    """`dbcnn`: quality, about 0 to 1 or 0 to 100 as the checkpoint; higher is better with the default.

    Nothing is resized or cropped, and pictures of any size are taken (large ones go through the networks in tiles, to
    the same values). The default's scale is that of KonIQ-10k divided by its range, about 0 to 1.

    Pitfalls: the network was trained on KonIQ-10k at 1024 × 768 px or on crops; much larger pictures want `max_side`.
    A picture whose sides are no multiples of 16 has one row or column of S-CNN's features more than of VGG's: they are
    squeezed on one another, as in the authors' code.

    Parameters
    ----------
    weights : str, Path, or mapping of Tensor, optional
        'dbcnn-koniq' (default), 'dbcnn-livec', 'dbcnn-live', 'dbcnn-csiq', 'dbcnn-tid2013', or a file in the authors'
        layout. Each has the scale of its database.
    higher_is_better : bool, optional
        What the weights were trained to; `spec` says it afterwards. Default: True. The opinions of LIVE and CSIQ are
        differential, high for bad pictures, and nothing tells whether the training turned them round: with 'dbcnn-live'
        and 'dbcnn-csiq' it must be given. Rate a picture and a blurred copy of it to find out.

    Raises
    ------
    InputError
        If the direction is not given where it is not known.
    WeightError
        If the checkpoint cannot be had or does not fit.
    """

    name = "dbcnn"

    def __init__(self, weights: Weights | None = None, *, higher_is_better: bool | None = None) -> None:
        super().__init__()
        if higher_is_better is not None:
            check_flag("higher_is_better", higher_is_better)
            self.spec = replace(self.spec, higher_is_better=higher_is_better)
        elif isinstance(weights, str) and weights in DIFFERENTIAL:
            raise InputError(
                expected=f"higher_is_better= with {weights}, whose database has high opinions of bad pictures",
                got="none",
                fix="rate a picture and a blurred copy of it with either, and pass True or False; or take another key",
            )
        self.network = BilinearNetwork()
        load_into(self.network, self.own_weights(weights), "DB-CNN", inside=("params",))
        scnn.fold_scnn(self.network.features2)
        channels_last(self.network)

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        found: Tensor = self.network(vgg.normalised(image))
        return found
