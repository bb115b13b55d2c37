"""Trials of quality metrics on pictures that no training saw: every kind of damage at every level, and mixtures.

What does not depend on the weights of `kukkiri-nr` is observed once: its features, what the teachers say, and the
metrics beside it. Of each photograph one file is kept, so that a stopped run goes on and other weights are judged at
once. `quality_figures` makes figures of the trials.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.evaluation.protocol import on_grid
from kukkiri.images.reading import load
from kukkiri.metrics.base import Metric
from kukkiri.metrics.build import metric
from kukkiri.networks.efficientnet_lite import efficientnet_lite0
from kukkiri.networks.quality_head import QualityHead
from kukkiri.optics.distort import KINDS, LEVELS, Kind, distort
from kukkiri.optics.distort.mixtures import JOINT
from kukkiri.quality.judgement import Judgement
from kukkiri.quality.no_reference.kukkiri_nr import KukkiriNR, judgements
from kukkiri.quality.no_reference.quality_features import FEATURES, quality_features
from kukkiri.replacing import replacing
from kukkiri.training.quality_material import NETWORKS, drawing, mixture, usual_place
from kukkiri.training.teachers import Scales, Teachers
from kukkiri.weights.catalogue import entry_of

ALL = tuple(KINDS.values())
OURS = "kukkiri-nr"
BESIDE = ("niqe", "brisque", "piqe")
# Of each picture; their strengths are drawn evenly from this range.
MIXTURES, MIXED = 12, (2.0, 4.0)
# Versions judged at a time: more need more memory.
TOGETHER = 5
# Of scikit-image, made by instruments or unlike any photograph; all come with the package, none is downloaded.
ODD = ("cell", "immunohistochemistry", "retina", "text", "moon")


@dataclass(frozen=True)
class Trial:
    """One version of a picture and what was said of it.

    Parameters
    ----------
    kind : str
        Names joined by '+'; '' for the picture itself.
    groups : list of str
        What is wrong in truth; empty for kinds of no group.
    level : float
        0 for the picture itself, and for mixtures.
    truth : float
        The teachers' pseudo-score, 0 to 100.
    scores : dict
        Metric → score, higher is better; None where it has none.
    interval : (float, float)
    wrong : dict
        Group → probability, the most probable first.
    unlike : float
    """

    kind: str
    groups: list[str]
    level: float
    truth: float
    scores: Mapping[str, float | None]
    interval: tuple[float, float]
    wrong: Mapping[str, float]
    unlike: float

    @property
    def named(self) -> tuple[str, ...]:
        """The groups that `kukkiri-nr` calls wrong, the most probable first."""
        return self.judgement.named

    @property
    def judgement(self) -> Judgement:
        """What `kukkiri-nr` said."""
        value = self.scores[OURS]
        return Judgement(math.nan if value is None else value, self.interval, self.wrong, self.unlike)


@dataclass(frozen=True)
class Observed:
    """All versions of one picture, M of them, as everything but the head of `kukkiri-nr` sees them.

    Parameters
    ----------
    about : list of dict
        'kind', 'groups' and 'level' of each.
    features : Tensor, (M, FEATURES)
    truth : ndarray (M,)
        The teachers' pseudo-scores, 0 to 100.
    beside : ndarray (M, len(BESIDE))
        Of other metrics, higher is better; NaN where one has no score.
    """

    about: list[dict[str, Any]]
    features: Tensor
    truth: NDArray[np.float64]
    beside: NDArray[np.float64]

    def save(self, path: Path) -> None:
        """As an .npz file, whole or not at all."""
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            about = np.array(json.dumps(self.about))
            np.savez(file, about=about, features=self.features.numpy(), truth=self.truth, beside=self.beside)

    @classmethod
    def read(cls, path: Path) -> Observed:
        """What `save` wrote."""
        with np.load(path) as file:
            about = json.loads(str(file["about"]))
            return cls(about, torch.from_numpy(file["features"]), file["truth"], file["beside"])


class Observers:
    """The trunk of `kukkiri-nr`, the metrics beside it, and the teachers."""

    def __init__(self) -> None:
        self.trunk = efficientnet_lite0()
        self.others: dict[str, Metric] = {name: metric(name).eval() for name in BESIDE}
        self.teachers, self.scales = Teachers(), Scales.shipped()

    def observed(self, reference: Tensor, made: Iterable[tuple[Tensor, dict[str, Any]]]) -> Observed:
        """What all see in versions of one picture.

        Parameters
        ----------
        reference : Tensor, (1, 3, H, W), values in [0, 1]
            The picture itself.
        made : iterable of (Tensor (1, 3, H, W), dict)
            Version, and its 'kind', 'groups' and 'level'.
        """
        waiting, found = iter(made), []
        while part := list(islice(waiting, TOGETHER)):
            found.append(self._observed(reference, part))
        return Observed(
            [about for one in found for about in one.about],
            torch.cat([one.features for one in found]),
            np.concatenate([one.truth for one in found]),
            np.concatenate([one.beside for one in found]),
        )

    @torch.inference_mode()
    def _observed(self, reference: Tensor, made: Sequence[tuple[Tensor, dict[str, Any]]]) -> Observed:
        pictures = torch.cat([x for x, _ in made])
        rows, columns = usual_place(reference)
        truth = self.scales.score(
            self.teachers.distances(pictures[..., rows, columns], reference[..., rows, columns]).numpy()
        )
        # A picture is no distance from itself, whatever rounding says.
        truth = np.where([not about["kind"] for _, about in made], 100.0, truth)
        beside = [(1 if m.spec.higher_is_better else -1) * m(pictures).double().numpy() for m in self.others.values()]
        return Observed(
            [about for _, about in made], quality_features(self.trunk, pictures), truth, np.stack(beside, -1)
        )


def fingerprint(head: QualityHead) -> str:
    """Of the weights of a head."""
    found = 0
    for name, value in sorted(head.state_dict().items()):
        found = zlib.crc32(value.cpu().contiguous().numpy().tobytes(), zlib.crc32(name.encode(), found))
    return f"{found:08x}"


def trials(seen: Observed, head: QualityHead) -> list[Trial]:
    """What a head says of versions, beside what was observed of them."""
    return [
        Trial(
            **about,
            truth=float(truth),
            scores={OURS: said.value}
            | {name: float(v) if math.isfinite(v) else None for name, v in zip(BESIDE, beside, strict=True)},
            interval=said.interval,
            wrong=said.wrong,
            unlike=said.unlike_training,
        )
        for about, truth, beside, said in zip(
            seen.about, seen.truth, seen.beside, judgements(head, seen.features), strict=True
        )
    ]


def versions(picture: Tensor, kinds: Sequence[Kind], number: int) -> Iterator[tuple[Tensor, dict[str, Any]]]:
    """The picture itself, every kind at the levels 1 to 5, and mixtures of two, all with 8 bits.

    Parameters
    ----------
    picture : Tensor, (1, 3, H, W), values in [0, 1]
    kinds : sequence of Kind
    number : int
        Of the picture: decides what is drawn at random.
    """
    yield on_grid(picture, 8), {"kind": "", "groups": [], "level": 0.0}
    for kind in kinds:
        about = {"kind": kind.name, "groups": [kind.group] if kind.group else []}
        for level in LEVELS:
            # One seed: from level to level the damage grows and stays where it is.
            yield on_grid(distort(picture, kind, level, number), 8), about | {"level": float(level)}
    random = np.random.default_rng((17, number))
    for _ in range(MIXTURES if len({kind.group for kind in kinds if kind.group}) > 1 else 0):
        changed, pair = picture, mixture(kinds, random)
        for kind in pair:
            changed = distort(changed, kind, float(random.uniform(*MIXED)), int(random.integers(1 << 31)))
        about = {"kind": JOINT.join(k.name for k in pair), "groups": [k.group for k in pair if k.group]}
        yield on_grid(changed, 8), about | {"level": 0.0}


def of_photograph(
    file: Path, number: int, folder: Path, observers: Callable[[], Observers], kinds: Sequence[Kind] = ALL
) -> Observed:
    """What is seen in all versions of a photograph, from the folder if it is there.

    Parameters
    ----------
    file : Path
    number : int
        Its place among the photographs.
    folder : Path
        Where it is kept, under the content of the file. After a change of the code of features, damage or metrics
        name another one.
    observers : callable
        Gives the observers; not called if nothing must be observed.
    kinds : sequence of Kind
    """
    ladders = [(kind.name, kind.group, [p.values for p in kind.ladder.parameters]) for kind in kinds]
    networks = [entry_of(name).sha256 for name in NETWORKS]
    settings = (ladders, MIXTURES, MIXED, BESIDE, Scales.shipped().knots, FEATURES, networks)
    seen = hashlib.sha256(repr(settings).encode() + file.read_bytes()).hexdigest()[:12]
    kept = folder / f"{number:04d}-{seen}.npz"
    if not kept.exists():
        picture = load(file).pixels.expand(3, -1, -1)[None].contiguous()
        observers().observed(picture, versions(picture, kinds, number)).save(kept)
    return Observed.read(kept)


def drawn(ours: KukkiriNR, count: int) -> list[Judgement]:
    """What is said of pictures drawn by the rules of the training, from another seed."""
    random = np.random.default_rng(29)
    return [judgement for _ in range(count) for judgement in ours.judge(drawing(random))]


def odd(ours: KukkiriNR) -> dict[str, Judgement]:
    """What is said of pictures that are no photographs of scenes: `ODD`."""
    import skimage.data

    return {name: ours.judge(getattr(skimage.data, name)())[0] for name in ODD}
