"""KonCept512: Inception-ResNet-v2 trained on KonIQ-10k at 512 × 384 px (Hosu, Lin, Sziranyi, Saupe 2020)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from torch import Tensor, nn

from kukkiri.errors import InputError, WeightError
from kukkiri.images.resampling import imresize
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.networks.inception_resnet_v2 import CHANNELS, STAGES, InceptionResNetV2
from kukkiri.quality.no_reference.options import check_flag
from kukkiri.weights import Weights, load_into

Pooling = Literal["corner", "mean"]
# Long and short side of the pictures that the network was trained on.
LONG, SHORT = 512, 384
# Side of the window that the published PyTorch network averages: the upper left corner of its 10 × 14 features.
WINDOW = 8
# A chain of the stages without their names, as the published file numbers them.
_NUMBERS = {str(number): name for number, name in enumerate(STAGES)}


class KonCept(nn.Module):
    """The network: features of Inception-ResNet-v2, averaged, through three hidden layers to one number.

    Each hidden layer is linear, then ReLU, then normalised (Hosu et al., Section IV). Parameters are `base.STAGE.…`
    and `fc.0` … `fc.12`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.base = InceptionResNetV2()
        layers: list[nn.Module] = []
        inputs = CHANNELS
        for width, dropout in ((2048, 0.25), (1024, 0.25), (256, 0.5)):
            layers += [nn.Linear(inputs, width), nn.ReLU(), nn.BatchNorm1d(width), nn.Dropout(dropout)]
            inputs = width
        self.fc = nn.Sequential(*layers, nn.Linear(inputs, 1))

    def forward(self, image: Tensor, pooling: Pooling = "corner") -> Tensor:
        """Quality of RGB pictures.

        Parameters
        ----------
        image : Tensor, (N, 3, H, W), values in [0, 1]
        pooling : 'corner' | 'mean'

        Returns
        -------
        Tensor, (N,)
        """
        deep = self.base.features(image, ("block8",))[0]
        if pooling == "corner":
            # The last layer looks at single positions: what is not averaged need not be computed.
            deep = deep[..., :WINDOW, :WINDOW]
        scores: Tensor = self.fc(self.base.get_submodule("conv2d_7b")(deep).mean((2, 3)))
        return scores[:, 0]


class KonCept512(LearnedMetric):
    """`koncept512`: mean opinion score of a photograph in the wild, about 1 (bad) to 100 (excellent), not bounded.

    Pictures are resized to 512 × 384 px whatever their proportions (portraits to 384 × 512): the network was trained
    on KonIQ-10k at half its size. The filter with which its authors made that set is not published; here it is
    MATLAB's antialiased bicubic one. A picture of 512 × 384 px is taken as it is, so give those of KonIQ-10k in that
    size. What is finer than a pixel of 512 × 384 cannot be judged.

    The authors' weights are for Keras and are not read. The published PyTorch weights (Zhao) were trained with an
    average over the upper left 8 × 8 of 10 × 14 positions, where the paper averages over all of them: so the score
    looks a little more at the upper left. Weights that were trained, or converted, with the paper's average want
    `pooling='mean'`. Published by Zhao for his weights: SRCC 0.912, PLCC 0.927 on the test part of KonIQ-10k.

    Parameters
    ----------
    weights : path or mapping of Tensor
        `KonCept512.pth` of ZhengyuZhao/koniq-PyTorch on GitHub, whose address is in its read-me. No sum of the file
        is published, so it is in no catalogue: download it yourself.
    resize : bool
        False: the picture is taken in its own size, and `pooling` is 'mean'. Memory then grows with the picture, about
        1.5 GB for 12 megapixels.
    pooling : 'corner' | 'mean', optional
        Default: 'corner', what the published weights want, or 'mean' without resizing.

    Raises
    ------
    WeightError
        If no weights are given, or they do not fit.
    InputError
        If the pooling is not known, or is 'corner' without resizing, or `resize` is neither True nor False.

    References
    ----------
    Hosu, Lin, Sziranyi, Saupe, IEEE TIP 29, 2020, doi:10.1109/TIP.2020.2967829.
    """

    name = "koncept512"

    def __init__(self, weights: Weights | None = None, *, resize: bool = True, pooling: Pooling | None = None) -> None:
        super().__init__()
        check_flag("resize", resize)
        if pooling is None:
            pooling = "corner" if resize else "mean"
        if pooling not in ("corner", "mean"):
            raise InputError(expected="pooling 'corner' or 'mean'", got=repr(pooling), fix="choose one")
        if pooling == "corner" and not resize:
            raise InputError(
                expected="pooling 'mean' where pictures are not resized",
                got="'corner', which is made for 512×384 px",
                fix="leave pooling out, or resize",
            )
        if weights is None:
            raise WeightError(
                expected="weights= for koncept512",
                got="none",
                fix="download KonCept512.pth, whose address is in the read-me of "
                "github.com/ZhengyuZhao/koniq-PyTorch, and pass its path",
            )
        self.resize, self.pooling = resize, pooling
        if not resize:
            self.spec = replace(self.spec, sees="whole")
        self.network = KonCept()
        load_into(self.network, self.own_weights(weights), "KonCept512", inside=("state_dict",), rename=_named)
        self.network.base.fold()

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        height, width = image.shape[-2:]
        size = (LONG, SHORT) if height > width else (SHORT, LONG)
        if self.resize and (height, width) != size:
            image = imresize(image, size=size).clamp(0, 1)
        rated: Tensor = self.network(image, self.pooling)
        return rated


def _named(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stages by their names instead of their places (`base.0.…`), where a file has those."""
    renamed = {}
    for name, value in state.items():
        top, _, rest = name.partition(".")
        number, _, inner = rest.partition(".")
        renamed[f"base.{_NUMBERS[number]}.{inner}" if top == "base" and number in _NUMBERS else name] = value
    return renamed
