"""Recipe of `kukkiri-nr`: teachers that see the original teach a model that does not.

Material: `quality_material`, each picture with ladders of damage and mixtures. Losses, of standardised scores: smooth
L1 to the teachers' pseudo-score; pinball for the ends of a 90 % interval; a hinge wherever the order within a ladder is
less clear than the teachers find it (RankIQA, Liu et al., ICCV 2017, with their distance as margin); equal answers
before and after a harmless change; cross-entropy of what is wrong. The trunk is not trained: it is shared with others.
People's scores of a user's own pictures, mapped to 0 to 100 by a straight line, join with a smooth L1 of their own.

Every tenth photograph is held out. The first half of these, with drawings of their own, chooses the weights; the other
sets the width of the intervals, the threshold of "clean", and what is like the training.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.networks.quality_head import Member, QualityHead
from kukkiri.optics.distort import GROUPS
from kukkiri.quality.no_reference.quality_features import FEATURES
from kukkiri.training.photographs import HELD_OUT_EVERY, picture_files
from kukkiri.training.quality_calibration import MISSED, UNIT, calibrate
from kukkiri.training.quality_material import Prepared, joined
from kukkiri.training.recipe import Recipe, generator
from kukkiri.training.scored_pictures import features_of_files, read_scored
from kukkiri.training.teachers import Scales
from kukkiri.weights.cache import cache_dir

# Steps of the teachers larger than this many points must be seen in their order.
LEAST_STEP = 1.0
# The causes of a mixture should be among so many.
FIRST = 3
# Of no group, but blurred, noisy or pale as well: what is wrong with these is not taught.
UNNAMED = ("bsrgan", "real-esrgan", "denoised", "dehazed", "over-dehazed", "pixelate")
# Of a user's own pictures: a batch, and how many held-out ones may choose the weights.
MOST_RATED, ENOUGH_RATED = 64, 10


class KukkiriNR(Recipe):
    """Train the head of `kukkiri-nr`.

    Parameters
    ----------
    data : sequence of Path
        Folders of sharp photographs.
    prepared : Path, optional
        Where features and judgements of the teachers are kept, gigabytes for thousands of pictures; made when missing,
        a dozen seconds a picture. Default: in the cache.
    rounds : int
        How many times each photograph is used, each time another part of it with other damage.
    pictures : int
        Pictures a batch, each with all its versions.
    rate, dropout : float
    ranking, consistency, groups : float
        Weights of the losses.
    clean : float
        Weight of undamaged pictures in the loss of what is wrong, beside 1 of the others.
    scores : Path, optional
        CSV file of a user's pictures and what people think of them (image, mos). Every tenth content is held out.
    scale : (float, float), optional
        Lowest and highest value of the people's scale, which become 0 and 100; default: those in the table.
    higher_is_worse : bool, optional
        What the scores mean; see `read_scored`.
    opinions : float
        Weight of the loss on these pictures.

    Raises
    ------
    InputError
        If there are too few photographs, or the scores and their scale do not go together.
    """

    name = "kukkiri-nr"
    title = "Quality without a reference, taught by metrics that have one, and what is wrong"
    weight_decay = 0.05

    def __init__(
        self,
        data: Sequence[Path] = (),
        *,
        prepared: Path | None = None,
        rounds: int = 1,
        pictures: int = 24,
        rate: float = 1e-3,
        dropout: float = 0.25,
        ranking: float = 1.0,
        consistency: float = 1.0,
        groups: float = 2.0,
        clean: float = 12.0,
        scores: Path | None = None,
        scale: tuple[float, float] | None = None,
        higher_is_worse: bool | None = None,
        opinions: float = 1.0,
    ) -> None:
        self.learning_rate = rate
        self.rounds, self.pictures, self.dropout = rounds, pictures, dropout
        self.ranking, self.consistency, self.groups, self.clean = ranking, consistency, groups, clean
        self.files = picture_files(data)
        self._prepared = Prepared(self.files, prepared or cache_dir() / "prepared" / self.name, rounds=rounds)
        self._material: dict[str, dict[str, Tensor]] | None = None
        self.scores, self.scale, self.higher_is_worse, self.opinions = scores, scale, higher_is_worse, opinions
        self._rated = None if scores is None else read_scored(scores, higher_is_worse=higher_is_worse)
        self._rated_features: Tensor | None = None
        if self._rated is not None:
            self.judged = self._rated.judged
            self._points = torch.tensor(self._rated.points(scale))

    def rated(self, held_out: bool) -> tuple[Tensor, Tensor]:
        """Features and scores, 0 to 100, of the pictures that people rated; computed on first use, kept on disk."""
        if self._rated is None:
            return torch.empty(0, FEATURES), torch.empty(0)
        if self._rated_features is None:
            self._rated_features = features_of_files(self._rated.files, self._prepared.folder)
        places = self._rated.part(held_out)
        return self._rated_features[places], self._points[places]

    def material(self) -> dict[str, dict[str, Tensor]]:
        """Arrays of all versions: 'training', 'validation' and 'calibration'; made on first use."""
        if self._material is None:
            numbers, a_round = range(len(self._prepared)), self._prepared.round
            held_out = [n for n in range(a_round) if n % HELD_OUT_EVERY == 0]
            places = {
                "training": [n for n in numbers if n % a_round % HELD_OUT_EVERY],
                "validation": held_out[::2],
                "calibration": held_out[1::2],
            }
            scales = Scales.shipped()
            self._prepared.make_missing(numbers, lambda said: _said(f"{self.name}: {said}\n"))
            self._material = {part: self._arrays(chosen, scales) for part, chosen in places.items()}
        return self._material

    def _arrays(self, numbers: Sequence[int], scales: Scales) -> dict[str, Tensor]:
        arrays = joined([self._prepared.samples(n) for n in numbers])
        score = scales.score(arrays["distances"].astype(np.float64))
        names = ("features", "groups", "series", "level", "again", "picture")
        return {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in names} | {
            "score": torch.from_numpy(score).float(),
            "named": torch.from_numpy(~np.isin(arrays["kind"], UNNAMED)).float(),
        }

    def model(self) -> nn.Module:
        """The head, not trained, but for the mean and the scale of its inputs."""
        head = QualityHead(FEATURES, len(GROUPS), dropout=self.dropout)
        features = self.material()["training"]["features"]
        head.mean.copy_(features.mean(0))
        head.scale.copy_(features.std(0).clamp_min(1e-3))
        for member in head.members:
            if isinstance(member, Member):
                nn.init.constant_(member.groups.bias, -2.0)
        return head

    def batches(self, seed: int, step: int) -> Iterator[dict[str, Tensor]]:
        """Endless batches of whole pictures, each fixed by (seed, step)."""
        material = self.material()["training"]
        count = int(material["picture"].max()) + 1
        starts = torch.searchsorted(material["picture"].contiguous(), torch.arange(count + 1).float())
        own, own_score = self.rated(held_out=False)
        while True:
            drawn = torch.randperm(count, generator=generator(seed, step))[: self.pictures]
            places = [torch.arange(int(starts[n]), int(starts[n + 1])) for n in drawn]
            batch = _taken(material, places)
            if len(own):
                # A stream of its own: what else is drawn does not change.
                at = torch.randperm(len(own), generator=generator(seed, step, 1))[:MOST_RATED]
                batch |= {"rated_features": own[at], "rated_score": own_score[at]}
            yield batch
            step += 1

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float | Tensor]]:
        """See the module."""
        judgements, logits = model.each(batch["features"])  # type: ignore[operator]  # a method of QualityHead
        score, truth = judgements[..., 0], ((batch["score"] - 50) / UNIT).expand(judgements.shape[:2])
        # The teachers did not judge all.
        judged = batch["score"].isfinite()
        regression = F.smooth_l1_loss(score[:, judged], truth[:, judged], beta=0.2)
        middle = score.detach()
        below, above = (middle - F.softplus(judgements[..., 1])), (middle + F.softplus(judgements[..., 2]))
        ends = ((below, MISSED), (above, 1 - MISSED))
        pinball = torch.stack([_pinball((truth - end)[:, judged], share) for end, share in ends]).sum()
        order = _ranking(score, batch, truth)
        twin = batch["again"].long()
        here = twin >= 0
        steady = F.smooth_l1_loss(score[:, here], score[:, twin[here]], beta=0.2)
        target = (batch["groups"].clamp(max=1.0)).expand(logits.shape)
        # Users' pictures are mostly undamaged, those of a ladder are not.
        weight = (torch.where(batch["score"] == 100, self.clean, 1.0) * batch["named"])[:, None]
        wrong = F.binary_cross_entropy_with_logits(logits, target, (weight / weight.mean()).expand_as(logits))
        total = regression + pinball + self.ranking * order + self.consistency * steady + self.groups * wrong
        parts: dict[str, float | Tensor] = {
            "regression": regression,
            "pinball": pinball,
            "order": order,
            "steady": steady,
            "wrong": wrong,
        }
        if "rated_score" in batch:
            own = model.each(batch["rated_features"])[0][..., 0]  # type: ignore[operator]  # as above
            wanted = ((batch["rated_score"] - 50) / UNIT).expand(own.shape)
            parts["opinions"] = F.smooth_l1_loss(own, wanted, beta=0.2)
            total = total + self.opinions * parts["opinions"]
        return total, parts

    def validate(self, model: nn.Module) -> dict[str, float]:
        """On held-out pictures: 'score' is 1 less the mean of two correlations and two shares, which should all be 1.

        With people's scores of at least ten held-out pictures their correlation is the fifth of these.
        """
        from scipy.stats import spearmanr

        part = self.material()["validation"]
        # With the intervals and the threshold that the written file will have.
        model = copy.deepcopy(model)
        calibrate(model, self.material())
        device = next(model.parameters()).device
        said = model(part["features"].to(device))
        score = said.score.cpu().numpy()
        truth = part["score"].numpy()
        judged = np.isfinite(truth)
        overall = float(spearmanr(score[judged], truth[judged]).statistic)
        series = part["series"].numpy()
        within = [
            float(spearmanr(-score[series == n], part["level"].numpy()[series == n]).statistic)
            for n in np.unique(series[series >= 0])
        ]
        ladder = float(np.mean(np.nan_to_num(within)))
        groups = part["groups"]
        clear = (groups.max(1).values >= 2) & ((groups > 0).sum(1) == 1)
        right = said.logits.cpu().argmax(1) == groups.argmax(1)
        top = float(right[clear].float().mean())
        mixed = (groups > 0).sum(1) == 2
        first = torch.zeros_like(groups).scatter_(1, said.logits.cpu().topk(FIRST, 1).indices, 1.0)
        both = ((groups > 0) <= (first > 0)).all(1)[mixed].float()
        clean = (groups.sum(1) == 0) & (part["score"] == 100)
        called = (said.logits.cpu().amax(1) < 0)[clean].float().mean()
        within_interval = (said.lower.cpu() <= part["score"]) & (part["score"] <= said.upper.cpu())
        inside = within_interval[torch.from_numpy(judged)].float().mean()
        wanted, found = [overall, ladder, top], dict[str, float]()
        if len(both):
            found["both"] = float(both.mean())
            wanted.append(found["both"])
        own, own_score = self.rated(held_out=True)
        if len(own):
            own_said = model(own.to(device)).score.cpu()
            agreement = float(np.nan_to_num(spearmanr(own_said, own_score).statistic)) if len(own) > 1 else 0.0
            found |= {"opinions": agreement, "opinions_error": float((own_said - own_score).abs().mean())}
            # Of a few pictures it would be chance.
            wanted += [agreement] if len(own) >= ENOUGH_RATED else []
        return found | {
            "score": 1 - sum(wanted) / len(wanted),
            "spearman": overall,
            "ladder": ladder,
            "top_1": top,
            "clean": float(called),
            "inside": float(inside),
            "error": float(np.abs(score - truth)[judged].mean()),
        }

    def export(self, model: nn.Module, path: Path) -> None:
        """Set what is set after the training, then write."""
        calibrate(model, self.material())
        super().export(model, path)


def _said(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


def _taken(material: dict[str, Tensor], places: list[Tensor]) -> dict[str, Tensor]:
    """The versions at some places, whole pictures each, with numbers of places made good."""
    at = torch.cat(places)
    found = {name: value[at] for name, value in material.items()}
    new = torch.full((len(material["again"]),), -1.0)
    new[at] = torch.arange(len(at)).float()
    found["again"] = torch.where(found["again"] >= 0, new[found["again"].clamp_min(0).long()], -1.0)
    return found


def _pinball(error: Tensor, share: float) -> Tensor:
    return torch.maximum(share * error, (share - 1) * error).mean()


def _ranking(score: Tensor, batch: dict[str, Tensor], truth: Tensor) -> Tensor:
    """Hinge on neighbours of a ladder: the milder must be better by half of what the teachers say."""
    series = batch["series"]
    neighbours = (series[1:] == series[:-1]) & (series[1:] >= 0)
    gained = (score[:, :-1] - score[:, 1:])[:, neighbours]
    wanted = (truth[:, :-1] - truth[:, 1:])[:, neighbours]
    clear = (wanted > LEAST_STEP / UNIT).float()
    hinge = F.relu(0.5 * wanted.clamp(max=0.5) - gained) * clear
    return hinge.sum() / clear.sum().clamp_min(1)
