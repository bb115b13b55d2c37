"""IQT: a transformer over differences of Inception-ResNet-v2's features (Cheon, Yoon, Kang, Lee 2021)."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from kukkiri.errors import WeightError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.inception_resnet_v2 import inception_resnet_v2
from kukkiri.networks.iqt_transformer import Shape, Transformer
from kukkiri.quality.no_reference.crops import check_crops, even_places, mean_over_crops, numpy_places
from kukkiri.weights import Weights, load_into, state_of

# Every second block of the first stage with residuals, and what comes before it: 6 × 320 channels.
TAPS = ("mixed_5b", "repeat.1", "repeat.3", "repeat.5", "repeat.7", "repeat.9")
CHANNELS = 1920
# Features are an eighth of a crop, less what the unpadded first layers cut.
STRIDE, CUT = 8, 24

PIPAL = Shape(side=21, layers=1, width=128, hidden=128)  # crops of 192 px: NTIRE 2021, and the published weights
STANDARD = Shape(side=29, layers=2, width=256, hidden=512)  # crops of 256 px: LIVE, CSIQ, TID2013 in the paper
# Pairs of crops at once: some 300 MB.
CHUNK = 4


class Regression(nn.Module):
    """Features to score; names of parameters are the port's (`conv_enc`, `transformer.…`, `projection.0`)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.conv_enc, self.conv_dec = (nn.Conv2d(CHANNELS, shape.width, 1) for _ in range(2))
        self.transformer = Transformer(shape)
        self.projection = nn.Sequential(
            nn.Linear(shape.width, shape.hidden, bias=False), nn.ReLU(), nn.Linear(shape.hidden, 1, bias=False)
        )

    def forward(self, difference: Tensor, reference: Tensor | None) -> Tensor:
        """The score (N,) from features (N, 1920, h, w): reference less distorted, and the reference's own.

        Without the latter the decoder is masked.
        """
        encoded = self.transformer.encoder(self.conv_enc(difference))
        asked = self.transformer.decoder(None if reference is None else self.conv_dec(reference), encoded)
        scores: Tensor = self.projection(asked)
        return scores[:, 0, 0]


class IQT(LearnedMetric):
    """`iqt`: opinion score predicted from crops of both pictures; higher is better, not bounded.

    The mean over square crops at the same places of both pictures, 192 px with the published weights (trained on
    PIPAL) and 256 px with the paper's standard network: `weights` tells which. Nothing is resized. By default 20 crops
    (the port's number) are spread evenly over the picture; of a large picture they see a part only.

    Its authors published no code. This follows the unofficial port of anse3832, whose weights there are, and which
    differs from the paper in one thing: a causal mask in the decoder. The token that makes the score is the first, so
    the mask hides all others from it: the reference enters through the difference of features alone, and the decoder's
    other tokens have no influence whatever. `masked=False` is the paper's decoder; weights trained with the mask are
    not made for it.

    Parameters
    ----------
    weights : path or mapping of Tensor
        `weights/PIPAL/epoch40.pth` of anse3832/IQT on GitHub (PLCC 0.9134 on its own split of PIPAL, by its read-me),
        or a file in IQA-PyTorch's layout (`regressor.…`, perhaps with `backbone.…`). No sum of a file is published, so
        it is in no catalogue: download it yourself.
    backbone : str, path, or mapping of Tensor, optional
        Inception-ResNet-v2 trained on ImageNet. Default: what comes with `weights`, else a key of the catalogue.
    crops : int
        How many.
    seed : int, optional
        Crops at random, as the port takes them for its first pair after `numpy.random.seed(seed)`. None: regular ones.
    masked : bool

    Raises
    ------
    WeightError
        If no weights are given, or they do not fit.
    InputError
        If `crops` or `seed` is impossible.

    References
    ----------
    Cheon, Yoon, Kang, Lee, CVPR Workshops 2021, arXiv:2104.14730.
    """

    name = "iqt"

    def __init__(
        self,
        weights: Weights | None = None,
        *,
        backbone: Weights | None = None,
        crops: int = 20,
        seed: int | None = None,
        masked: bool = True,
    ) -> None:
        super().__init__()
        check_crops(crops, seed)
        if weights is None:
            raise WeightError(
                expected="weights for iqt",
                got="none",
                fix="download weights/PIPAL/epoch40.pth of github.com/anse3832/IQT, and pass weights= "
                "(or --weights iqt=FILE on the command line)",
            )
        self.crops, self.seed, self.masked = crops, seed, masked
        state, included = _parts(weights)
        positions = state.get("transformer.encoder.pos_embedding")
        wide = positions is not None and tuple(positions.shape) == (1, STANDARD.side**2 + 1, STANDARD.width)
        shape = STANDARD if wide else PIPAL
        self.side = STRIDE * shape.side + CUT
        self.spec = replace(self.spec, min_size=self.side)
        self.regressor = Regression(shape)
        load_into(self.regressor, state, "IQT")
        self.backbone = inception_resnet_v2(
            included or self.spec.weights[0] if backbone is None else backbone, last="repeat"
        )

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        size = (image.shape[-2], image.shape[-1])
        if self.seed is None:
            places = even_places(*size, self.side, self.crops)
        else:
            places = numpy_places(*size, self.side, self.crops, self.seed)
        pairs = torch.cat([image, cast(Tensor, reference)], 1)
        return mean_over_crops(pairs, places, self.side, self._rate, CHUNK)

    def _rate(self, pairs: Tensor) -> Tensor:
        """Scores (N,) of crops (N, 6, side, side): distorted, then reference."""
        found = self.backbone.features(torch.cat([pairs[:, :3], pairs[:, 3:]]), TAPS)
        halves = [features.chunk(2) for features in found]
        difference = torch.cat([reference - distorted for distorted, reference in halves], 1)
        own = None if self.masked else torch.cat([reference for _, reference in halves], 1)
        scores: Tensor = self.regressor(difference, own)
        return scores


def _parts(weights: Weights) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The transformer's tensors by the port's names, and the backbone's where a file has them."""
    state = state_of(weights, "IQT")
    if not any(name.startswith("regressor.") for name in state):
        return state, {}
    # Two rows of ones stand in IQA-PyTorch's layout for masks that hide nothing.
    named = {name: value for name, value in state.items() if name not in ("enc_inputs", "dec_inputs")}
    included = {name[9:]: value for name, value in named.items() if name.startswith("backbone.")}
    others = {name: value for name, value in named.items() if not name.startswith("backbone.")}
    return {name.removeprefix("regressor."): value for name, value in others.items()}, included
