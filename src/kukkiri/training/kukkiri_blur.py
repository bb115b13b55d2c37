"""Recipe of `kukkiri-blur`: the size, axes and family of the blur of any picture, on any day.

Data: photographs area-reduced by 2 or 3 (their own blur then is small) and ten kinds of drawn material, blurred by
eight families of kernels and seen on a random day (`blur_pictures`). Every tenth photograph is held out: it validates,
or its half calibrates the intervals (`blur_calibration`).
Model: `networks/blur_net.py`, 0.78 M parameters.
Loss: cross-entropy of the local distribution over log2 sigma against the truth, softened by ¾ of a bin; likelihood of
the local width in four directions; and of the picture as a whole the errors of its size, axes and family.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.networks.blur_net import BlurMaps, BlurNet, expectation
from kukkiri.networks.blur_picture import PictureEstimate, evidence_of, weight_of
from kukkiri.sharpness.blur_cells import weighted_quantiles
from kukkiri.training.blur_kernels import KernelBank
from kukkiri.training.blur_pictures import BlurredPictures, log_size, make_batch
from kukkiri.training.photographs import picture_files, reduced, split
from kukkiri.training.recipe import Recipe
from kukkiri.training.sharp_material import Material, own_blur
from kukkiri.weights import check_layout, load_tensors

# Of the softened truth, in bins of an eighth of an octave.
SOFTNESS = 0.75
# Weights of the parts of the loss beside the local size. Axes and family need much weight, or they are never learned:
# their errors are small numbers beside a cross-entropy of 49 bins, and a network that cannot tell a disc from a
# Gaussian, or a line from a spot, must hedge in the size as well.
WHOLE, WIDTHS, AXES, FAMILY = 4.0, 2.0, 4.0, 0.4
FASTER = 4.0


class KukkiriBlur(Recipe):
    """Train the blur estimator.

    Parameters
    ----------
    data : sequence of Path
        Folders of sharp photographs; at least 20 pictures.
    batch : int
        Pictures a step, even.
    side : int
        Of the pictures trained on, px; a multiple of 32.
    drawn : int
        Number of drawn pictures to cut from.
    share_drawn : float
        How often one of them is taken, 0 to 1.
    kernels : int
        Number of kernels to blur with.
    rate : float
        Peak learning rate.
    init : Path, optional
        Weights of an earlier run to start from, of this network or of one with fewer inputs to a layer: those that are
        new start at 0.
    own : Path, optional
        Weights of an earlier run, which tell where the photographs are out of focus by themselves (`own_blur`);
        without, all count as sharp.

    Raises
    ------
    InputError
        If an option is out of range, or there are fewer than 20 photographs.
    """

    name = "kukkiri-blur"
    title = "Blur size in pixels that means the same on every day"
    weight_decay = 1e-3
    gradient_norm = 1.0
    ema_decay = 0.999
    channels_last = True

    def __init__(
        self,
        data: Sequence[Path] = (),
        *,
        batch: int = 32,
        side: int = 128,
        drawn: int = 2500,
        share_drawn: float = 0.4,
        kernels: int = 6000,
        rate: float = 2e-3,
        init: Path | None = None,
        own: Path | None = None,
    ) -> None:
        if batch < 2 or batch % 2 or side < 32 or side % 32 or not 0 <= share_drawn <= 1 or min(drawn, kernels) < 1:
            raise InputError(
                expected="an even batch, a side that is a multiple of 32, a share from 0 to 1, and something to draw",
                got=f"batch {batch}, side {side}, share_drawn {share_drawn:g}, drawn {drawn}, kernels {kernels}",
                fix="leave them out, or pass batch=32 side=128 share_drawn=0.4 drawn=2500 kernels=6000",
            )
        self.learning_rate, self.init, self.own = rate, init, own
        self.batch, self.side, self.kernels = batch, side, kernels
        self.files = picture_files(data)
        self.drawn, self.share_drawn = drawn, share_drawn
        self._material: tuple[Material, KernelBank] | None = None
        self._validation: list[tuple[Tensor, float]] | None = None

    def model(self) -> BlurNet:
        """The network, not trained unless `init` is given."""
        model = BlurNet()
        if self.init is not None:
            start_from(model, load_tensors(self.init))
        return model

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """AdamW; what reads the axes out learns from few pictures of a batch, and so moves faster."""
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        fast = [p for name, p in named if name.startswith(("head", "cues", "picture"))]
        slow = [p for name, p in named if not name.startswith(("head", "cues", "picture"))]
        groups: list[dict[str, Any]] = [{"params": slow}, {"params": fast, "lr": FASTER * self.learning_rate}]
        return torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=self.weight_decay)

    def batches(self, seed: int, step: int) -> Iterator[BlurredPictures]:
        """Endless batches, each fixed by (seed, step)."""
        material, bank = self.material()
        while True:
            yield make_batch(material, bank, self.batch, self.side, np.random.default_rng((seed, step)))
            step += 1

    def material(self) -> tuple[Material, KernelBank]:
        """What pictures are cut from, and what blurs them; made on first use."""
        if self._material is None:
            from kukkiri.training.materials import draw_many

            # Most by 2; some by 3, which shows other content at the same blur.
            photographs = [reduced(file, 3 if i % 3 == 2 else 2) for i, file in enumerate(split(self.files).training)]
            own = None
            if self.own is not None:
                net = BlurNet().eval()
                start_from(net, load_tensors(self.own))
                own = [own_blur(net, photograph) for photograph in photographs]
            drawn = draw_many(self.drawn, 256, seed=0)
            self._material = Material(photographs, drawn, self.share_drawn, own), KernelBank(self.kernels, seed=0)
        return self._material

    def loss(self, model: nn.Module, batch: BlurredPictures) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Sum of the parts that the module's documentation names."""
        image = batch.image.contiguous(memory_format=torch.channels_last)
        maps, whole, judged = model(image, judged=True)
        return blur_loss(maps, whole, judged, batch, model_centres(model))

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Errors on held-out photographs under the ten days of the robustness table."""
        if self._validation is None:
            self._validation = validation_set(split(self.files).validation)
        return validation_errors(model, self._validation)


def start_from(model: nn.Module, earlier: Mapping[str, Tensor]) -> None:
    """Take over weights, also those of layers that had fewer inputs; but for the judgement of whole pictures.

    Raises
    ------
    WeightError
        If the names differ, or a tensor has another shape for another reason.
    """
    # The file that the package ships holds the network under 'net.', beside its intervals.
    network = {name.removeprefix("net."): value for name, value in earlier.items() if name.startswith("net.")}
    own = model.state_dict()
    # The judgement of whole pictures starts anew: it is quickly learned.
    state = {name: value for name, value in own.items() if name.startswith("picture.")}
    for name, value in (network or earlier).items():
        if name.startswith("picture."):
            continue
        if name in own and value.ndim == 4 and value.shape[1] < own[name].shape[1]:
            wider = torch.zeros_like(own[name])
            wider[:, : value.shape[1]] = value.to(wider)
            state[name] = wider
        else:
            state[name] = value
    check_layout(state, {name: tuple(v.shape) for name, v in own.items()}, "the blur network")
    model.load_state_dict({name: value.float() for name, value in state.items()})


def model_centres(model: nn.Module) -> Tensor:
    """The bins of the network, wherever it is wrapped."""
    return BlurNet.bins(next(model.parameters()).device)


def blur_loss(
    maps: BlurMaps, whole: Tensor, judged: PictureEstimate, batch: BlurredPictures, centres: Tensor
) -> tuple[Tensor, dict[str, float | Tensor]]:
    """The loss and its parts.

    Parameters
    ----------
    maps : BlurMaps
    whole : Tensor, (N,)
        log2 sigma of the picture before it was judged.
    judged : PictureEstimate
    batch : BlurredPictures
    centres : Tensor, (K,)
        log2 sigma of the bins.

    Returns
    -------
    Tensor, ()
    dict
        size (nats), whole (octaves), widths (nats), axes, family (nats).
    """
    truth = log_size(batch.moments, centres)
    known = batch.known.to(truth)
    counted = known * batch.uniform.to(truth)
    total = counted.sum().clamp_min(1)

    step = float(centres[1] - centres[0])
    wanted = torch.exp(-0.5 * ((truth[:, None] - centres[:, None, None]) / (SOFTNESS * step)).square())
    wanted = wanted / wanted.sum(1, keepdim=True)
    wanted = torch.where(batch.known[:, None, None, None], wanted, torch.full_like(wanted, 1 / len(centres)))
    size = -(wanted * maps.logits.log_softmax(1)).sum(1).mean()

    kernel = log_size(batch.whole, centres)
    errors = [F.smooth_l1_loss(found, kernel, reduction="none", beta=0.1) for found in (whole, whole + judged.shift)]
    whole_error = ((errors[0] + 2 * errors[1]) * counted).sum() / (2 * total)

    widths = _widths_loss(maps, batch, centres)

    xx, yy, xy = batch.whole.unbind(1)
    # The axes of a blur near zero say nothing.
    visible = counted * (kernel > -1.3)
    axes_truth = torch.stack([xx - yy, 2 * xy], 1) / (xx + yy).clamp_min(1e-2)[:, None]
    axes = ((judged.anisotropy - axes_truth).square().sum(1) * visible).sum() / visible.sum().clamp_min(1)

    # The family shows in the whole picture rather than at one place: the mean of the logits is judged too.
    label = batch.family.clamp_min(0)
    sure = (batch.family >= 0).to(truth) * (kernel > -0.5) * counted
    evidence = evidence_of(expectation(maps.logits, centres)[1].detach())[:, 0] * sure[:, None, None]
    each = F.cross_entropy(maps.family, label[:, None, None].expand(-1, *truth.shape[1:]), reduction="none")
    together = F.cross_entropy(judged.family, label, reduction="none")
    family = (each * evidence).sum() / (evidence.sum() + 1e-4) + (together * sure).sum() / sure.sum().clamp_min(1)
    loss = size + WHOLE * whole_error + WIDTHS * widths + AXES * axes + FAMILY * family
    return loss, {"size": size, "whole": whole_error, "widths": widths, "axes": axes, "family": family}


def _widths_loss(maps: BlurMaps, batch: BlurredPictures, centres: Tensor) -> Tensor:
    """Likelihood of the true width in each direction under the mean and certainty that the network gives it.

    Each place's term is scaled by its standard deviation, as Seitzer et al. (2022) advise ("β-NLL", β = ½): or the
    network would give up on all that is hard.
    """
    xx, yy, xy = batch.moments.unbind(1)
    middle = 0.5 * (xx + yy)
    variances = torch.stack([xx, middle + xy, yy, middle - xy], 1)
    truth = (0.5 * variances.clamp_min(1e-4).log2()).clamp(float(centres[0]), float(centres[-1]))
    error = (truth - maps.widths).square()
    # Nothing is known of an empty picture: as if the error were an octave.
    error = torch.where(batch.known[:, None, None, None], error, torch.ones_like(error))
    likelihood = 0.5 * (error * maps.certainty.exp() - maps.certainty)
    return (likelihood * (-0.5 * maps.certainty.detach()).exp()).mean()


def validation_set(files: Sequence[Path]) -> list[tuple[Tensor, float]]:
    """Held-out photographs under every day, Gaussian and disc in turn: (1, 1, H, W) and the true sigma."""
    from kukkiri.images.colour import luma
    from kukkiri.optics import psf
    from kukkiri.optics.days import DAYS, day

    random = np.random.default_rng(1)
    pictures = []
    for at, file in enumerate(files):
        sharp = luma(torch.from_numpy(reduced(file)).movedim(2, 0)[None].float() / 255)
        for number, name in enumerate(DAYS):
            sigma = float(np.exp(random.uniform(np.log(0.55), np.log(6))))
            kernel = psf.gaussian(sigma) if (at + number) % 2 else psf.disc(2 * sigma)
            seen = day(psf.blur(sharp, kernel).clamp(0, 1), name, seed=at * 100 + number)
            pictures.append((seen, float(psf.sigma_of(kernel))))
    return pictures


@torch.no_grad()
def validation_errors(model: nn.Module, pictures: Sequence[tuple[Tensor, float]]) -> dict[str, float]:
    """Median and 90th percentile of the relative error, Spearman's correlation, and 'score': mean error in octaves."""
    from scipy.stats import spearmanr

    centres = model_centres(model)
    found: list[float] = []
    for image, _ in pictures:
        maps, _, judged = model(image.to(centres.device), judged=True)
        mean, spread = expectation(maps.logits, centres)
        (median,) = weighted_quantiles(mean.cpu(), weight_of(mean, evidence_of(spread)).cpu(), (0.5,))
        found.append(median + float(judged.shift))
    estimate, truth = np.exp2(found), np.array([sigma for _, sigma in pictures])
    error = np.abs(estimate / truth - 1)
    return {
        "score": float(np.abs(np.log2(estimate / truth)).mean()),
        "median_error": float(np.median(error)),
        "p90_error": float(np.quantile(error, 0.9)),
        "spearman": float(spearmanr(estimate, truth).statistic),
    }
