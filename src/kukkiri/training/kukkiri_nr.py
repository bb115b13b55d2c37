"""Recipe of `kukkiri-nr`: teachers that see the original teach a model that does not.

Material: `quality_material`, each picture with ladders of damage and mixtures. Losses, of standardised scores: smooth
L1 to the teachers' pseudo-score; pinball for the ends of a 90 % interval; a hinge wherever the order within a ladder is
less clear than the teachers find it (RankIQA, Liu et al., ICCV 2017, with half their distance as margin); equal answers
before and after a harmless change; cross-entropy of what is wrong, group by group, and of the groups beside each other.
The trunk is not trained: it is shared with others. People's scores of a user's own pictures, mapped to 0 to 100 by a
straight line, join with a smooth L1 of their own.

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

from kukkiri.networks.quality_head import REACH, Member, Opinion, QualityHead
from kukkiri.optics.distort import GROUPS
from kukkiri.quality.no_reference.quality_features import FEATURES
from kukkiri.training.photographs import HELD_OUT_EVERY, picture_files
from kukkiri.training.quality_agreement import agreement, spearman
from kukkiri.training.quality_calibration import MISSED, UNIT, calibrate
from kukkiri.training.quality_losses import most_probable, pinball, ranking
from kukkiri.training.quality_material import Prepared, joined
from kukkiri.training.recipe import Recipe, generator
from kukkiri.training.scored_pictures import features_of_files, read_scored
from kukkiri.training.teachers import Scales
from kukkiri.training.whitening import zca_whitening
from kukkiri.weights.cache import cache_dir

# What the best weights have: of `agreement`.
WANTED = ("spearman", "ladder", "top_1", "both")
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
    rounds : float
        How many times each photograph is used, each time another part of it with other damage, beside other drawings;
        1.5: the first half of a round, photographs before drawings, twice.
    pictures : int
        Pictures a batch, each with all its versions.
    rate, dropout : float
    ridge : float
        Of the whitening of features: see `zca_whitening`.
    noise : float
        Of features, in standard deviations after whitening, the same for all versions of a picture: other contents.
    ranking, consistency, groups : float
        Weights of the losses.
    clean : float
        Weight of undamaged pictures in the loss of what is wrong, beside 1 of the others.
    first : float
        Weight of the loss of what is the most probable.
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
        rounds: float = 1,
        pictures: int = 24,
        rate: float = 1e-3,
        dropout: float = 0.4,
        ridge: float = 1.0,
        noise: float = 0.4,
        ranking: float = 1.0,
        consistency: float = 1.0,
        groups: float = 2.0,
        clean: float = 12.0,
        first: float = 0.5,
        scores: Path | None = None,
        scale: tuple[float, float] | None = None,
        higher_is_worse: bool | None = None,
        opinions: float = 1.0,
    ) -> None:
        self.learning_rate = rate
        self.rounds, self.pictures, self.dropout = rounds, pictures, dropout
        self.ridge, self.noise = ridge, noise
        self.ranking, self.consistency, self.groups, self.clean = ranking, consistency, groups, clean
        self.first = first
        self.files = picture_files(data)
        self._prepared = Prepared(self.files, prepared or cache_dir() / "prepared" / self.name, rounds=rounds)
        self._material: dict[str, dict[str, Tensor]] | None = None
        self._whitening: tuple[Tensor, Tensor] | None = None
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
            # What is held out is so in every round.
            held_out = [n for n in numbers if n % a_round % HELD_OUT_EVERY == 0]
            places = {
                "training": [n for n in numbers if n % a_round % HELD_OUT_EVERY],
                "validation": [n for n in held_out if n % a_round % (2 * HELD_OUT_EVERY) == 0],
                "calibration": [n for n in held_out if n % a_round % (2 * HELD_OUT_EVERY)],
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

    def whitening(self) -> tuple[Tensor, Tensor]:
        """Of standardised features, and its inverse; computed on first use."""
        if self._whitening is None:
            mean, scale = self._moments()
            x = (self.material()["training"]["features"] - mean) / scale
            self._whitening = zca_whitening(x.clamp(-REACH, REACH), self.ridge)
        return self._whitening

    def _moments(self) -> tuple[Tensor, Tensor]:
        features = self.material()["training"]["features"]
        # Some are constant.
        return features.mean(0), features.std(0).clamp_min(1e-3)

    def model(self) -> nn.Module:
        """The head, not trained, but for the mean, the scale and the whitening of its inputs."""
        head = QualityHead(FEATURES, len(GROUPS), dropout=self.dropout)
        for buffer, value in zip((head.mean, head.scale), self._moments(), strict=True):
            buffer.copy_(value)
        head.whitening = self.whitening()[0]
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
        # What is white after whitening, in units of the features.
        spread = self.whitening()[1] * self._moments()[1]
        while True:
            drawn = torch.randperm(count, generator=generator(seed, step))[: self.pictures]
            places = [torch.arange(int(starts[n]), int(starts[n + 1])) for n in drawn]
            batch = _taken(material, places)
            white = torch.randn(len(places), FEATURES, generator=generator(seed, step, 2))
            sizes = torch.tensor([len(place) for place in places])
            batch["features"] += (self.noise * white @ spread).repeat_interleave(sizes, 0)
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
        spread = torch.stack([pinball((truth - end)[:, judged], share) for end, share in ends]).sum()
        order = ranking(score, batch["series"], truth)
        twin = batch["again"].long()
        here = twin >= 0
        steady = F.smooth_l1_loss(score[:, here], score[:, twin[here]], beta=0.2)
        target = (batch["groups"].clamp(max=1.0)).expand(logits.shape)
        # Users' pictures are mostly undamaged, those of a ladder are not.
        weight = (torch.where(batch["score"] == 100, self.clean, 1.0) * batch["named"])[:, None]
        wrong = F.binary_cross_entropy_with_logits(logits, target, (weight / weight.mean()).expand_as(logits))
        first = most_probable(logits, target, batch["named"])
        total = regression + spread + self.ranking * order + self.consistency * steady
        total = total + self.groups * wrong + self.first * first
        parts: dict[str, float | Tensor] = {
            "regression": regression,
            "pinball": spread,
            "order": order,
            "steady": steady,
            "wrong": wrong,
            "first": first,
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
        part = self.material()["validation"]
        # With the intervals and the threshold that the written file will have.
        model = copy.deepcopy(model)
        calibrate(model, self.material())
        device = next(model.parameters()).device
        said = Opinion(*(x.cpu() for x in model(part["features"].to(device))))
        found = agreement(said, part)
        wanted = [found[name] for name in WANTED if name in found]
        own, own_score = self.rated(held_out=True)
        if len(own):
            own_said = model(own.to(device)).score.cpu()
            found["opinions"] = spearman(own_said, own_score) if len(own) > 1 else 0.0
            found["opinions_error"] = float((own_said - own_score).abs().mean())
            # Of a few pictures it would be chance.
            wanted += [found["opinions"]] if len(own) >= ENOUGH_RATED else []
        return {"score": 1 - sum(wanted) / len(wanted)} | found

    def export(self, model: nn.Module, path: Path) -> None:
        """Set what is set after the training, then write."""
        calibrate(model, self.material())
        # The run may go on: what it trains stays as it is.
        model = copy.deepcopy(model)
        model.fold()  # type: ignore[operator]  # a method of QualityHead
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
