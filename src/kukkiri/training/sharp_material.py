"""Sharp pictures to cut training pictures from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.images.colour import luma
from kukkiri.networks.blur_net import BlurNet, expectation
from kukkiri.networks.blur_picture import evidence_of
from kukkiri.optics import psf

# Places of a picture to choose a cut from.
_CHOICES = 2


class Material:
    """Sharp grey pictures to cut from: photographs area-reduced so that their own blur is small, and drawn ones.

    Parameters
    ----------
    photographs : sequence of ndarray (H, W, 3), uint8
        Already reduced.
    drawn : ndarray (M, S, S), uint8
    share_drawn : float
        How often a drawn picture is taken.
    own : sequence of ndarray (H, W), optional
        Variance of the blur that each photograph has by itself, px² (`own_blur`); None: they have none.
    """

    def __init__(
        self,
        photographs: Sequence[NDArray[np.uint8]],
        drawn: NDArray[np.uint8],
        share_drawn: float = 0.4,
        own: Sequence[NDArray[np.float16]] | None = None,
    ) -> None:
        self.photographs, self.drawn, self.share_drawn, self.own = photographs, drawn, share_drawn, own

    def cut(self, side: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A random square (side, side) in [0, 1], turned and mirrored at random; and the variance of its own blur."""
        own = None
        if random.random() < self.share_drawn:
            picture = self.drawn[int(random.integers(len(self.drawn)))].astype(np.float32) / 255
        else:
            at = int(random.integers(len(self.photographs)))
            # Any mixture of the channels is a grey picture of the same sharpness.
            mix = random.dirichlet((1.0, 2.0, 1.0)).astype(np.float32) / 255
            picture = self.photographs[at] @ mix
            own = None if self.own is None else self.own[at].astype(np.float32)
        both = np.stack([picture, np.zeros_like(picture) if own is None else own])
        missing = [max(0, side - n) for n in both.shape[1:]]
        if any(missing):
            before = [int(random.integers(m + 1)) for m in missing]
            both = np.pad(both, [(0, 0), *((b, m - b) for b, m in zip(before, missing))], mode="symmetric")
        places = [[int(random.integers(n - side + 1)) for n in both.shape[1:]] for _ in range(_CHOICES)]
        # Of a few places the one with most to see: much of a photograph is sky.
        top, left = max(places, key=lambda place: _detail(both[0], place[0], place[1], side))
        both = both[:, top : top + side, left : left + side]
        if random.random() < 0.5:
            both = both.swapaxes(1, 2)
        both = both[:, :: random.choice((1, -1)), :: random.choice((1, -1))]
        cut = torch.from_numpy(np.ascontiguousarray(both))
        return cut[0], cut[1]


def _detail(picture: NDArray[np.float32], top: int, left: int, side: int) -> float:
    """How much changes from pixel to pixel in a typical row."""
    part = picture[top : top + side : 2, left : left + side]
    return float(np.median(np.abs(np.diff(part, axis=1)).mean(1)))


# Less variance than this, px², is no blur of the photograph's own: textures differ by as much.
LEAST_OWN = 0.5
# Below this evidence a place has no blur of its own that could be known.
_KNOWN = 0.3
# It is measured by what is found too much when the photograph is blurred by these sigmas, px.
_PROBES = (1.0, 2.0)


@torch.no_grad()
def own_blur(net: BlurNet, photograph: NDArray[np.uint8]) -> NDArray[np.float16]:
    """How much a photograph is out of focus by itself, before it is blurred for training.

    Hardly one photograph is sharp all over. What lies far behind would be learned as sharp, and the network would
    doubt all that it sees; so a network trained without this knowledge tells it for the next: blurred by a known
    kernel, where does the photograph look blurred by more? The network has learned to find the kernel alone in the
    common case, and so the excess is what is uncommon.

    Parameters
    ----------
    net : BlurNet
        Trained.
    photograph : ndarray (H, W, 3), uint8
        Area-reduced, as it is trained on.

    Returns
    -------
    ndarray (H, W)
        Variance, px², 0 where it is under `LEAST_OWN` or unknown.
    """
    grey = luma(torch.from_numpy(photograph).movedim(2, 0)[None].float() / 255)
    excess, weights = [], []
    for sigma in _PROBES:
        for kernel in (psf.gaussian(sigma), psf.disc(2 * sigma)):
            mean, spread = expectation(net(psf.blur(grey, kernel)).logits, net.centres)
            excess.append(torch.exp2(2 * mean) - float(psf.sigma_of(kernel)) ** 2)
            weights.append(evidence_of(spread))
    evidence = torch.stack(weights)
    variance = (torch.stack(excess) * evidence).sum(0) / evidence.sum(0).clamp_min(1e-6)
    variance = torch.where((variance > LEAST_OWN) & (evidence.mean(0) > _KNOWN), variance, 0)
    height, width = photograph.shape[:2]
    full = F.interpolate(variance, scale_factor=net.stride, mode="bilinear")[0, 0, :height, :width]
    found: NDArray[np.float16] = full.numpy().astype(np.float16)
    return found
