"""CNNIQA: one convolution, its greatest and least answers, three fully connected layers (Kang et al. 2014)."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kukkiri.images.colour import on_8bit_grid
from kukkiri.images.patches import over_patches, regular_places
from kukkiri.images.phase_congruency import positive_sqrt
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.quality.no_reference.options import check_flag
from kukkiri.weights import Weights, load_into

SIDE, KERNEL, FILTERS, UNITS = 32, 7, 50, 800
# Patches at once on the grey way, rows of filter answers on the colour way.
AT_ONCE, ROWS = 128, 64
# Recommendation BT.601 in 16-bit fixed point, as Pillow's conversion to 'L' has it.
_SHARES = (19595, 38470, 7471)


def grey_of_pillow(image: Tensor) -> Tensor:
    """Luma as Pillow's conversion to 'L' gives it, (N, 1, H, W) in [0, 1] of (N, 3, H, W).

    Pictures that came from 8 bits get whole levels, as the authors of the network saw them; others keep their depth.
    The rounding passes gradients straight through.
    """
    red, green, blue = (image[:, i : i + 1] * (share / 65536) for i, share in enumerate(_SHARES))
    grey = red + green + blue
    # All sums of levels and shares are below 2²⁴: exact in single precision.
    levels = (image.detach() * 255).round()
    total = sum(levels[:, i : i + 1] * share for i, share in enumerate(_SHARES))
    whole = torch.floor((torch.as_tensor(total) + 32768) / 65536) / 255
    rounded = grey + (whole - grey).detach()
    return torch.where(on_8bit_grid(image).view(-1, 1, 1, 1), rounded, grey)


def locally_normalised(patches: Tensor) -> Tensor:
    """Less the local mean, over one more than the local standard deviation, both of 3×3 pixels.

    Parameters
    ----------
    patches : Tensor, (B, 1, h, w), values in [0, 1]
        Mirrored beyond their borders, edge pixel included: a patch knows nothing of its surroundings.

    Returns
    -------
    Tensor, (B, 1, h, w)
    """
    around = F.pad(patches, (1, 1, 1, 1), "replicate")
    mean = F.avg_pool2d(around, 3, 1)
    variance = F.avg_pool2d(around.square(), 3, 1) - mean.square()
    return (patches - mean) / (positive_sqrt(variance) + 1)


class Network(nn.Module):
    """The layers, by the names of the published checkpoints (`conv1`, `fc1`, `fc2`, `fc3`)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, FILTERS, KERNEL)
        self.fc1 = nn.Linear(2 * FILTERS, UNITS)
        self.fc2 = nn.Linear(UNITS, UNITS)
        self.fc3 = nn.Linear(UNITS, 1)

    def forward(self, extremes: Tensor) -> Tensor:
        """Scores (B, 1) of the filters' greatest and least answers (B, 100)."""
        score: Tensor = self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(extremes)))))
        return score

    def patches(self, patches: Tensor) -> Tensor:
        """Scores (B, 1) of grey patches (B, 1, 32, 32), values in [0, 1]."""
        answers = self.conv1(locally_normalised(patches)).flatten(2)
        return self.forward(torch.cat((answers.amax(2), answers.amin(2)), 1))

    def whole(self, image: Tensor) -> Tensor:
        """Scores (N, 1) of pictures (N, 3, H, W), values in [0, 1], a few rows of filter answers at a time."""

        def part(rows: Tensor) -> Tensor:
            answers = self.conv1(rows).flatten(2)
            return torch.cat((answers.amax(2), answers.amin(2)), 1)

        again = torch.is_grad_enabled() and image.requires_grad
        extremes: Tensor | None = None
        for top in range(0, image.shape[2] - KERNEL + 1, ROWS):
            rows = image[:, :, top : top + ROWS + KERNEL - 1]
            found = checkpoint(part, rows, use_reentrant=False) if again else part(rows)
            if extremes is not None:
                greatest = torch.maximum(extremes[:, :FILTERS], found[:, :FILTERS])
                found = torch.cat((greatest, torch.minimum(extremes[:, FILTERS:], found[:, FILTERS:])), 1)
            extremes = found
        return self.forward(torch.as_tensor(extremes))


class CNNIQA(LearnedMetric):
    """`cnniqa`: the mean score of grey patches. On the scale of LIVE's differential opinions: higher is worse.

    Nothing is resized. The picture's luma is cut into adjacent patches of 32×32 px from the top left (what is left over
    on the right and below does not count), each normalised by itself, 3×3 pixels around each pixel. That is D. Li's
    PyTorch form of the method, whose checkpoint is the default; the paper normalises 7×7 pixels.

    The score is not continuous: the luma of a picture that came from 8 bits is rounded to whole levels, as the
    checkpoint's training saw it, that of any other picture is not. One pixel moved off the 8-bit levels, by however
    little, moves the score by some tenths.

    Weights for colour (`weights="cnniqa-koniq10k"`, IQA-PyTorch's) make another metric of the same layers: the whole
    RGB picture at once, not normalised; higher is better then, and the score is continuous, in this metric's `spec`
    too.

    Parameters
    ----------
    weights : str, Path, or mapping of Tensor
        Either kind: `conv1.weight` of shape (50, 1, 7, 7) or (50, 3, 7, 7) tells which.
    drop_last : bool
        Leave out the last row or column of patches where 32 divides the side, as the PyTorch form does. Scores of
        pictures whose sides are no multiples of 32 are the same.

    Raises
    ------
    InputError
        If `drop_last` is neither True nor False.
    WeightError
        If the checkpoint cannot be had or does not fit.
    """

    name = "cnniqa"

    def __init__(self, weights: Weights | None = None, *, drop_last: bool = False) -> None:
        super().__init__()
        check_flag("drop_last", drop_last)
        self.drop_last = drop_last
        self.network = Network(1)
        self.colour = False
        load_into(
            self.network, self.own_weights(weights), self.spec.name, inside=("params",), rename=self._with_channels
        )
        if self.colour:
            self.spec = replace(self.spec, higher_is_better=True, continuous=True, sees="whole")

    def _with_channels(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors as they are; the first layer is changed to their number of channels."""
        kernels = state.get("conv1.weight")
        if kernels is not None and tuple(kernels.shape) == (FILTERS, 3, KERNEL, KERNEL):
            self.colour = True
            self.network.conv1 = nn.Conv2d(3, FILTERS, KERNEL)
        return state

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        if self.colour:
            return self.network.whole(image)[:, 0]
        rows, columns = (range(0, side - SIDE + (0 if self.drop_last else 1), SIDE) for side in image.shape[-2:])
        places = regular_places(rows, columns)
        scores = over_patches(self.network.patches, (grey_of_pillow(image),), places, SIDE, at_once=AT_ONCE)
        return scores[..., 0].mean(1)
