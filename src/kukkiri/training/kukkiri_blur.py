"""Recipe of `kukkiri-blur`: the size, axes and family of the blur of any picture, on any day.

Data: photographs area-reduced by 2 or 3 (their own blur then is small) and ten kinds of drawn material, blurred by
eight families of kernels and seen on a random day (`blur_pictures`). Every tenth photograph is held out: it validates,
or its half calibrates the intervals (`blur_calibration`).
Model: `networks/blur_net.py`, 0.73 M parameters.
Loss: cross-entropy of the local distribution over log2 sigma against the truth, softened by ¾ of a bin; plus the error
of the picture's evidence-weighted mean, which teaches the evidence; anisotropy and family where there is evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.networks.blur_net import BlurMaps, BlurNet, evidence_of, expectation
from kukkiri.training.blur_kernels import KernelBank
from kukkiri.training.blur_pictures import BlurredPictures, make_batch
from kukkiri.training.recipe import Recipe
from kukkiri.training.sharp_material import Material
from kukkiri.weights import check_layout, load_tensors

# Of the softened truth, in bins of an eighth of an octave.
SOFTNESS = 0.75
# Weights of the parts of the loss beside the local size. Axes and family need much weight, or they are never learned:
# their errors are small numbers beside a cross-entropy of 49 bins, and a network that cannot tell a disc from a
# Gaussian, or a line from a spot, must hedge in the size as well.
WHOLE, AXES, FAMILY = 2.0, 6.0, 0.4
FASTER = 4.0
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


class KukkiriBlur(Recipe):
    """Train the blur estimator.

    Parameters
    ----------
    data : sequence of Path
        Folders of sharp photographs; at least 20 pictures.
    batch : int
        Pictures a step.
    side : int
        Of the pictures trained on, px.
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
    ) -> None:
        self.learning_rate, self.init = rate, init
        self.batch, self.side, self.kernels = batch, side, kernels
        self.files = picture_files(data)
        self.drawn, self.share_drawn = drawn, share_drawn
        self._material: tuple[Material, KernelBank] | None = None
        self._validation: list[tuple[Tensor, float]] | None = None

    def model(self) -> nn.Module:
        """The network, not trained unless `init` is given."""
        model = BlurNet()
        if self.init is not None:
            start_from(model, load_tensors(self.init))
        return model

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """AdamW; what reads the axes out learns from few pictures of a batch, and so moves faster."""
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        fast = [p for name, p in named if name.startswith(("head", "cues"))]
        slow = [p for name, p in named if not name.startswith(("head", "cues"))]
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
            photographs = [
                reduced(file, 3 if i % 10 in (3, 6, 9) else 2) for i, file in enumerate(self.files) if i % 10 != 0
            ]
            drawn = draw_many(self.drawn, 256, seed=0)
            self._material = Material(photographs, drawn, self.share_drawn), KernelBank(self.kernels, seed=0)
        return self._material

    def loss(self, model: nn.Module, batch: BlurredPictures) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Sum of the parts that the module's documentation names."""
        maps: BlurMaps = model(batch.image.contiguous(memory_format=torch.channels_last))
        return blur_loss(maps, batch, model_centres(model))

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Errors on held-out photographs under the ten days of the robustness table."""
        if self._validation is None:
            self._validation = validation_set(self.files[::20])
        return validation_errors(model, self._validation)


def start_from(model: nn.Module, earlier: Mapping[str, Tensor]) -> None:
    """Take over weights, also those of layers that had fewer inputs.

    Raises
    ------
    WeightError
        If the names differ, or a tensor has another shape for another reason.
    """
    # The file that the package ships holds the network under 'net.', beside its intervals.
    network = {name.removeprefix("net."): value for name, value in earlier.items() if name.startswith("net.")}
    state = model.state_dict()
    for name, value in (network or earlier).items():
        name = name.replace("energies.", "cues.")
        if name in state and value.ndim == 4 and value.shape[1] < state[name].shape[1]:
            wider = torch.zeros_like(state[name])
            wider[:, : value.shape[1]] = value.to(wider)
            state[name] = wider
        else:
            state[name] = value
    check_layout(state, {name: tuple(v.shape) for name, v in model.state_dict().items()}, "the blur network")
    model.load_state_dict({name: value.float() for name, value in state.items()})


def model_centres(model: nn.Module) -> Tensor:
    """The bins of the network, wherever it is wrapped."""
    return BlurNet.bins(next(model.parameters()).device)


def picture_files(folders: Sequence[Path]) -> list[Path]:
    """All pictures of some folders, by name.

    Raises
    ------
    InputError
        If there are fewer than 20.
    """
    files = sorted(f for folder in folders for f in Path(folder).iterdir() if f.suffix.lower() in SUFFIXES)
    if len(files) < 20:
        raise InputError(
            expected="folders with at least 20 sharp photographs",
            got=f"{len(files)} in {', '.join(map(str, folders)) or 'no folder'}",
            fix="pass --data FOLDER",
        )
    return files


def reduced(file: Path, factor: int = 2) -> NDArray[np.uint8]:
    """A photograph (H, W, 3), uint8, area-averaged over factor × factor pixels."""
    from kukkiri.images.reading import load

    pixels = load(file).pixels
    small = F.avg_pool2d(pixels.expand(3, -1, -1), factor)
    array: NDArray[np.uint8] = (small * 255).round().byte().movedim(0, 2).contiguous().numpy()
    return array


def blur_loss(maps: BlurMaps, batch: BlurredPictures, centres: Tensor) -> tuple[Tensor, dict[str, float | Tensor]]:
    """The loss and its parts.

    Parameters
    ----------
    maps : BlurMaps
    batch : BlurredPictures
    centres : Tensor, (K,)
        log2 sigma of the bins.

    Returns
    -------
    Tensor, ()
    dict
        size (nats), whole (octaves), axes, family (nats).
    """
    xx, yy, xy = batch.moments.unbind(1)
    truth = (0.5 * (xx + yy).clamp_min(1e-4).log2() - 0.5).clamp(float(centres[0]), float(centres[-1]))
    step = float(centres[1] - centres[0])
    wanted = torch.exp(-0.5 * ((truth[:, None] - centres[:, None, None]) / (SOFTNESS * step)).square())
    wanted = wanted / wanted.sum(1, keepdim=True)
    known = batch.known.to(truth)
    wanted = torch.where(batch.known[:, None, None, None], wanted, torch.full_like(wanted, 1 / len(centres)))
    size = -(wanted * maps.logits.log_softmax(1)).sum(1).mean()

    mean, spread = expectation(maps.logits, centres)
    evidence = evidence_of(spread)[:, 0]
    total = evidence.sum((1, 2)) + 1e-4
    whole = (mean[:, 0] * evidence).sum((1, 2)) / total
    counted = known * batch.uniform.to(truth)
    error = F.smooth_l1_loss(whole, truth.mean((1, 2)), reduction="none", beta=0.1)
    whole_error = (error * counted).sum() / counted.sum().clamp_min(1)

    # The axes of a blur near zero say nothing.
    trust = evidence.detach() * known[:, None, None] * (truth > -1.3)
    axes_truth = torch.stack([xx - yy, 2 * xy], 1) / (xx + yy).clamp_min(1e-2)[:, None]
    share = trust / (trust.sum((1, 2), keepdim=True) + 1e-4)
    locally = ((maps.anisotropy - axes_truth).square().sum(1) * trust).sum() / (trust.sum() + 1e-4)
    together = ((maps.anisotropy - axes_truth) * share[:, None]).sum((2, 3)).square().sum(1)
    axes = locally + (together * counted).sum() / counted.sum().clamp_min(1)

    # The family shows in the whole picture rather than at one place: the mean of the logits is judged too.
    label = batch.family.clamp_min(0)
    named = (batch.family >= 0).to(truth)[:, None, None] * (truth > -0.5) * trust
    each = F.cross_entropy(maps.family, label[:, None, None].expand(-1, *truth.shape[1:]), reduction="none")
    judged = F.cross_entropy((maps.family * share[:, None]).sum((2, 3)), label, reduction="none")
    sure = (named.amax((1, 2)) > 0).to(truth)
    family = (each * named).sum() / (named.sum() + 1e-4) + (judged * sure).sum() / sure.sum().clamp_min(1)
    loss = size + WHOLE * whole_error + AXES * axes + FAMILY * family
    return loss, {"size": size, "whole": whole_error, "axes": axes, "family": family}


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
        maps: BlurMaps = model(image.to(centres.device))
        mean, spread = expectation(maps.logits, centres)
        found.append(float(weighted_median(mean.flatten(), evidence_of(spread).flatten())))
    estimate, truth = np.exp2(found), np.array([sigma for _, sigma in pictures])
    error = np.abs(estimate / truth - 1)
    return {
        "score": float(np.abs(np.log2(estimate / truth)).mean()),
        "median_error": float(np.median(error)),
        "p90_error": float(np.quantile(error, 0.9)),
        "spearman": float(spearmanr(estimate, truth).statistic),
    }


def weighted_median(values: Tensor, weights: Tensor) -> Tensor:
    """The value at which half of the weight is reached."""
    order = values.argsort()
    reached = weights[order].cumsum(0)
    at = int(torch.searchsorted(reached, reached[-1] / 2))
    return values[order[min(at, len(order) - 1)]]
