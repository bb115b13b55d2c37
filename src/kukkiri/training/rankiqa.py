"""Recipe of `rankiqa`: VGG-16 first learns which of two pictures is worse, then how people rate them.

The method is that of Liu, van de Weijer and Bagdanov (ICCV 2017, section 3). Two runs of one recipe:

1. Ranking: `kukkiri train rankiqa --data photographs --minutes 300 --out rank`. A batch holds series: one place of one
   photograph, whole and at five rising levels of one kind of damage. Each picture passes the network once, and each of
   the fifteen pairs of a series, whose order is known, bears a hinge. The kinds are all of `kukkiri.optics.distort`,
   in place of the four that the authors made for LIVE and the seventeen for TID2013.
2. Opinions: `kukkiri train rankiqa --scores scores.csv --set init=rank/best.safetensors --minutes 60 --out tuned`.
   Squared error of random crops, as published. Every tenth content is held out, and validates.

Model: VGG-16 of one output; convolutions from ImageNet, the three fully connected layers fresh. A checkpoint takes
about 2 GB: a GPU is advised.
The published network sees blue, green, red from 0 to 255. Here it is trained on red, green, blue from 0 to 1 over the
standard deviation of each: the same function, with first weights of a usual size. The export turns them over.
The authors: Caffe's gradient descent, rate 1e-4 to 1e-5, 10 times that for the last layer, margin 10, 50 000 steps of
48 pictures; tuned with 1e-5 to 1e-6. Here: AdamW, and a margin of 1: before the first step pairs differ by about 2.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.networks.vgg import DEVIATION, MEAN, VGG16
from kukkiri.optics.distort import KINDS, find_kind
from kukkiri.quality.no_reference.rankiqa import LAYERS, SIDE, usual_names
from kukkiri.training.photographs import picture_files, split
from kukkiri.training.rank_pictures import VERSIONS, Pictures, drawn
from kukkiri.training.recipe import Recipe, generator
from kukkiri.training.scored_pictures import ScoredPictures, read_scored
from kukkiri.weights import load_into, load_tensors

TRUNK = "vgg16-imagenet-features"
# Validated on: series of held-out photographs; crops of each picture that people rated, and how many pictures.
SERIES, CROPS, MOST_RATED = 40, 4, 200
# Crops by which the output is scaled to the scores before the first step.
SCALED = 16
# Crops that go through the network at once where nothing is learned.
TOGETHER = 24
# The last layer learns so much faster, as published.
LAST_FASTER = 10.0


class Crops(NamedTuple):
    """A batch.

    Parameters
    ----------
    pictures : Tensor, (B, 3, S, S), uint8
        RGB. Without scores each six in a row are a series, from the whole picture to the most damaged.
    scores : Tensor, (B,), or (0,)
        What people said, standardised, higher is better; nothing in ranking.
    """

    pictures: Tensor
    scores: Tensor


class TrainRankIQA(Recipe):
    """Train the network of `rankiqa`.

    Parameters
    ----------
    data : sequence of Path
        Folders of good photographs, at least 20; for ranking, not with scores.
    scores : Path, optional
        CSV file of pictures and what people think of them (image, mos): tune to these instead.
    init : Path, optional
        Weights to begin with, of an earlier run or of the authors; default: ImageNet's.
    higher_is_worse : bool, optional
        What the scores mean; see `read_scored`. With scores only.
    crop : int
        Side of the crops, pixels; the metric takes 224.
    batch : int
        Crops a step; in ranking six make a series.
    margin : float, optional
        By how much the better picture must be ahead; default: 1. Not with scores.
    rate : float
        Peak learning rate; ten times that for the last layer.
    kinds : tuple of str
        Kinds of damage to rank; none: all. Not with scores.

    Raises
    ------
    InputError
        If there are too few pictures, or an option is out of range or cannot apply.
    """

    name = "rankiqa"
    title = "VGG-16 that ranks damaged pictures, then learns what people say (RankIQA)"
    weight_decay = 5e-4
    channels_last = True

    def __init__(
        self,
        data: Sequence[Path] = (),
        *,
        scores: Path | None = None,
        init: Path | None = None,
        higher_is_worse: bool | None = None,
        crop: int = SIDE,
        batch: int = 48,
        margin: float | None = None,
        rate: float = 1e-5,
        kinds: tuple[str, ...] = (),
    ) -> None:
        for what, value, least in (("crop", crop, 32), ("batch", batch, VERSIONS if scores is None else 1)):
            if value < least:
                raise InputError(expected=f"a {what} of at least {least}", got=str(value), fix="leave it out, say")
        _check_apply(
            scores is not None,
            ranking={"data": bool(data), "margin": margin is not None, "kinds": bool(kinds)},
            tuning={"higher_is_worse": higher_is_worse is not None},
        )
        margin = 1.0 if margin is None else margin
        if not (margin > 0 and rate > 0):
            raise InputError(
                expected="margin and rate above 0", got=f"{margin:g} and {rate:g}", fix="leave them out, say"
            )
        self.learning_rate = rate
        self.crop, self.batch, self.margin, self.init, self.scores = crop, batch, margin, init, scores
        self._kinds = [find_kind(kind) for kind in kinds or KINDS]
        self.kinds = [kind.name for kind in self._kinds]
        self._pictures = Pictures(crop, reduce=scores is None)
        self._series: Tensor | None = None
        self._rated = None if scores is None else read_scored(scores, higher_is_worse=higher_is_worse)
        if self._rated is None:
            self.files = picture_files(data)
            return
        self.judged, self.higher_is_worse = self._rated.judged, self._rated.higher_is_worse
        learned = np.array([self._rated.scores[at] for at in self._rated.part(held_out=False)])
        # The export writes these into the last layer, with the sign of the scores.
        self.middle, self.spread = float(learned.mean()), float(learned.std()) or 1.0
        sign = -1.0 if self.higher_is_worse else 1.0
        self._standard = torch.tensor([sign * (s - self.middle) / self.spread for s in self._rated.scores])

    def model(self) -> nn.Module:
        """The network, its output scaled to the scores where there are any."""
        network = VGG16(1)
        if self.init is None:
            begin_with_imagenet(network)
        else:
            shapes = {name: value.shape for name, value in network.state_dict().items()}
            load_into(network, self.init, "RankIQA", rename=lambda state: usual_names(state, shapes))
            network.requires_grad_(True)
            first: Any = network.features[0]
            first.weight.data = first.weight.data.flip(1) * (255 * _each_channel(DEVIATION))
        if self._rated is not None:
            self._scale(network, self._rated)
        return network

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """AdamW; the last layer faster."""
        last: Any = list(model.classifier)[-1]  # type: ignore[arg-type]  # the Sequential of VGG16
        slow = [p for p in model.parameters() if all(p is not q for q in last.parameters())]
        rate = self.learning_rate
        groups = [{"params": slow, "lr": rate}, {"params": list(last.parameters()), "lr": LAST_FASTER * rate}]
        return torch.optim.AdamW(groups, weight_decay=self.weight_decay)

    def batches(self, seed: int, step: int) -> Iterator[Crops]:
        """Endless batches, each fixed by (seed, step)."""
        while True:
            random = generator(seed, step)
            yield self._ranks(random) if self._rated is None else self._opinions(self._rated, random)
            step += 1

    def _ranks(self, random: torch.Generator) -> Crops:
        files = split(self.files).training
        series = []
        for _ in range(self.batch // VERSIONS):
            file, kind = files[drawn(len(files), random)], self._kinds[drawn(len(self._kinds), random)]
            series.append(self._pictures.series(file, kind, random))
        return Crops(torch.cat(series), torch.empty(0))

    def _opinions(self, rated: ScoredPictures, random: torch.Generator) -> Crops:
        learned = rated.part(held_out=False)
        places = [learned[drawn(len(learned), random)] for _ in range(self.batch)]
        crops = torch.stack([self._pictures.random_crop(rated.files[at], random) for at in places])
        turned = torch.rand(len(crops), generator=random) < 0.5
        crops[turned] = crops[turned].flip(-1)
        return Crops(crops, self._standard[places])

    def loss(self, model: nn.Module, batch: Crops) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Hinges of all pairs of each series; or, with scores, the squared error."""
        found = said(model, batch.pictures)
        if self._rated is not None:
            return F.mse_loss(found, batch.scores), {}
        hinges = pairs(found)
        return F.relu(self.margin - hinges).mean(), {"wrong": (hinges.detach() <= 0).float().mean()}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """On what was held out: share of pairs in the wrong order; or, with scores, the error over their spread."""
        from scipy.stats import spearmanr

        if self._rated is None:
            if self._series is None:
                self._series = self._held_out_series()
            found = torch.cat([said(model, part).cpu() for part in torch.split(self._series, TOGETHER)])
            ahead = pairs(found)
            ranks = found.view(-1, VERSIONS).argsort(1).argsort(1).double()
            steps = torch.arange(VERSIONS - 1, -1, -1).double()
            # Spearman's rho of ranks without ties.
            apart = (ranks - steps).square().sum(1)
            rho = 1 - 6 * apart / (VERSIONS * (VERSIONS**2 - 1))
            return {
                "score": float((ahead <= 0).float().mean()),
                "spearman": float(rho.mean()),
                "hinge": float(F.relu(self.margin - ahead).mean()),
            }
        rated = self._rated
        places = rated.part(held_out=True)[:MOST_RATED]
        crops = [self._pictures.even_crops(rated.files[at], CROPS) for at in places]
        found = torch.stack([said(model, each).mean().cpu() for each in crops])
        truth = self._standard[places]
        varied = len(set(truth.tolist())) > 1 and len(set(found.tolist())) > 1
        return {
            "score": float((found - truth).square().mean().sqrt()),
            "spearman": float(spearmanr(found, truth).statistic) if varied else 0.0,
        }

    def export(self, model: nn.Module, path: Path) -> None:
        """Write half precision under the authors' names: a file that `kk.metric("rankiqa", weights=…)` takes as is.

        A network that only ranks has a last layer of the name `fc8_m`, one tuned to scores `fc8`, and says scores like
        those of its table: the metric is told their direction by `opinions`.
        """
        last = LAYERS["fc8"]
        named: dict[str, nn.Module] = {}
        for theirs, usual in LAYERS.items():
            layer: Any = model.get_submodule(usual)
            if theirs == "conv1_1":
                layer = copy.deepcopy(layer)
                layer.weight.data = (layer.weight.data / (255 * _each_channel(DEVIATION).to(layer.weight))).flip(1)
            if usual == last and self._rated is not None:
                layer = copy.deepcopy(layer)
                factor = -self.spread if self.higher_is_worse else self.spread
                layer.weight.data = layer.weight.data * factor
                layer.bias.data = layer.bias.data * factor + self.middle
            named["fc8_m" if usual == last and self._rated is None else theirs] = layer
        super().export(nn.ModuleDict(named), path)

    @torch.no_grad()
    def _scale(self, network: VGG16, rated: ScoredPictures) -> None:
        """Bring the output to the mean and, as far as it agrees, the spread of the scores, by some crops."""
        learned = rated.part(held_out=False)
        chosen = [learned[int(at)] for at in np.linspace(0, len(learned) - 1, SCALED)]
        network.eval()
        crops = [self._pictures.even_crops(rated.files[at], 1) for at in chosen]
        found, truth = said(network, torch.cat(crops)), self._standard[chosen]
        agreement = float(torch.corrcoef(torch.stack([found, truth]))[0, 1].nan_to_num().clamp_min(0.1))
        factor = agreement * float(truth.std() / found.std().clamp_min(1e-6))
        last: Any = network.classifier[-1]
        last.weight.mul_(factor)
        last.bias.copy_(last.bias * factor + truth.mean() - factor * found.mean())
        network.train()

    def _held_out_series(self) -> Tensor:
        files = split(self.files).held_out
        random = generator(0, 0, 1)
        # Kinds far apart in the table follow each other: a few series are not all blur.
        step = next(n for n in (7, 11, 13, 1) if n == 1 or len(self._kinds) % n)
        kinds = [self._kinds[(at * step) % len(self._kinds)] for at in range(SERIES)]
        return torch.cat([self._pictures.series(files[at % len(files)], kind, random) for at, kind in enumerate(kinds)])


def _check_apply(tuned: bool, *, ranking: dict[str, bool], tuning: dict[str, bool]) -> None:
    """Options of one stage do nothing in the other: who gives them means something else."""
    stray = [name for name, given in (ranking if tuned else tuning).items() if given]
    if stray:
        raise InputError(
            expected=f"no {' or '.join(stray)} {'with' if tuned else 'without'} scores",
            got=", ".join(stray),
            fix="leave it out, or rank in one run and tune with init= in the next" if tuned else "give scores, too",
        )


def said(model: nn.Module, pictures: Tensor) -> Tensor:
    """What the network says of RGB pictures (N, 3, S, S), uint8: (N,), higher is better."""
    device = next(model.parameters()).device
    seen = pictures.to(device).float() / (255 * _each_channel(DEVIATION).to(device))
    found: Tensor = model(seen.contiguous(memory_format=torch.channels_last))
    return found.flatten()


def pairs(found: Tensor) -> Tensor:
    """By how much the milder version is ahead in each pair of each series: (N / 6, 15) of (N,)."""
    series = found.view(-1, VERSIONS)
    milder, worse = torch.triu_indices(VERSIONS, VERSIONS, 1)
    return series[:, milder] - series[:, worse]


def begin_with_imagenet(network: VGG16) -> None:
    """ImageNet's convolutions, made for pictures whose mean is not taken away; the other layers drawn.

    Parameters
    ----------
    network : VGG16
    """
    network.features.load_state_dict(
        {name.removeprefix("features."): value.float() for name, value in load_tensors(TRUNK).items()}
    )
    first: Any = network.features[0]
    shift = _each_channel(MEAN) / _each_channel(DEVIATION)
    first.bias.data -= (first.weight.data * shift).sum((1, 2, 3))
    for layer in network.classifier:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu" if layer.out_features > 1 else "linear")
            nn.init.zeros_(layer.bias)


def _each_channel(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)
