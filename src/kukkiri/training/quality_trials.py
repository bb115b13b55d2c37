"""Trials of quality metrics on pictures that no training saw: every kind of damage at every level, and mixtures.

Of each photograph one JSON file is kept, so that a stopped run goes on. `quality_figures` makes figures of them.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kukkiri.evaluation.protocol import on_grid
from kukkiri.images.reading import load
from kukkiri.metrics.base import Metric
from kukkiri.metrics.build import metric
from kukkiri.optics.distort import KINDS, LEVELS, Kind, distort
from kukkiri.optics.distort.mixtures import JOINT
from kukkiri.quality.judgement import Judgement
from kukkiri.quality.no_reference.kukkiri_nr import KukkiriNR
from kukkiri.replacing import replacing
from kukkiri.training.quality_material import drawing, mixture, usual_place
from kukkiri.training.teachers import Scales, Teachers

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


class Judges:
    """`kukkiri-nr`, the metrics beside it, and the teachers.

    Parameters
    ----------
    ours : KukkiriNR
    """

    def __init__(self, ours: KukkiriNR) -> None:
        self.ours = ours
        self.others: dict[str, Metric] = {name: metric(name).eval() for name in BESIDE}
        self.teachers, self.scales = Teachers(), Scales.shipped()

    def fingerprint(self) -> str:
        """Of the weights of `kukkiri-nr`: other weights mean other trials."""
        found = 0
        for name, value in sorted(self.ours.head.state_dict().items()):
            found = zlib.crc32(value.cpu().contiguous().numpy().tobytes(), zlib.crc32(name.encode(), found))
        return f"{found:08x}"

    def trials(self, reference: Tensor, made: Iterable[tuple[Tensor, Mapping[str, Any]]]) -> list[Trial]:
        """What all say of versions of one picture.

        Parameters
        ----------
        reference : Tensor, (1, 3, H, W), values in [0, 1]
            The picture itself.
        made : iterable of (Tensor (1, 3, H, W), mapping)
            Version, and its 'kind', 'groups' and 'level'.
        """
        waiting, found = iter(made), []
        while part := list(islice(waiting, TOGETHER)):
            found += self._trials(reference, part)
        return found

    @torch.inference_mode()
    def _trials(self, reference: Tensor, made: Sequence[tuple[Tensor, Mapping[str, Any]]]) -> list[Trial]:
        pictures = torch.cat([x for x, _ in made])
        rows, columns = usual_place(reference)
        truth = self.scales.score(
            self.teachers.distances(pictures[..., rows, columns], reference[..., rows, columns]).numpy()
        )
        judgements = self.ours.judge(pictures)
        scores = {OURS: [j.value for j in judgements]}
        for name, one in self.others.items():
            sign = 1 if one.spec.higher_is_better else -1
            scores[name] = [sign * float(v) for v in one(pictures)]
        return [
            Trial(
                **about,
                # A picture is no distance from itself, whatever rounding says.
                truth=float(truth[i]) if about["kind"] else 100.0,
                scores={name: values[i] if math.isfinite(values[i]) else None for name, values in scores.items()},
                interval=judgement.interval,
                wrong=dict(judgement.wrong),
                unlike=judgement.unlike_training,
            )
            for i, (judgement, (_, about)) in enumerate(zip(judgements, made, strict=True))
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
    file: Path, number: int, folder: Path, judges: Judges, kinds: Sequence[Kind] = tuple(KINDS.values())
) -> list[Trial]:
    """All trials of a photograph, from the folder if they are there.

    Parameters
    ----------
    file : Path
    number : int
        Its place among the photographs.
    folder : Path
        Where they are kept.
    judges : Judges
    kinds : sequence of Kind
    """
    ladders = [(kind.name, kind.group, [p.values for p in kind.ladder.parameters]) for kind in kinds]
    settings = (ladders, MIXTURES, MIXED, BESIDE, judges.scales.knots, judges.fingerprint(), file.name, number)
    kept = folder / f"{number:04d}-{zlib.crc32(repr(settings).encode()):08x}.json"
    if not kept.exists():
        picture = load(file).pixels.expand(3, -1, -1)[None].contiguous()
        found = judges.trials(picture, versions(picture, kinds, number))
        with replacing(kept) as unfinished:
            unfinished.write_text(json.dumps([asdict(trial) for trial in found]), encoding="utf-8")
    rows = json.loads(kept.read_text(encoding="utf-8"))
    return [Trial(**(row | {"interval": tuple(row["interval"])})) for row in rows]


def drawn(ours: KukkiriNR, count: int) -> list[Judgement]:
    """What is said of pictures drawn by the rules of the training, from another seed."""
    random = np.random.default_rng(29)
    return [judgement for _ in range(count) for judgement in ours.judge(drawing(random))]


def odd(ours: KukkiriNR) -> dict[str, Judgement]:
    """What is said of pictures that are no photographs of scenes: `ODD`."""
    import skimage.data

    return {name: ours.judge(getattr(skimage.data, name)())[0] for name in ODD}
