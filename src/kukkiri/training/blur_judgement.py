"""Recipe of the judgement of whole pictures in `kukkiri-blur`, once the network is fixed: `networks/blur_picture.py`.

Data: what the network was trained on, blurred anew: 30 000 pictures of several sizes, each looked at once.
Model: `PictureHead`, 60 thousand parameters, on the pooled features and the spectrum of each picture.
Loss: smooth L1 of log2 sigma (of the kernel, or where blur varies of the weighted median of the truth), squared error
of the anisotropy, cross-entropy of the family.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.networks.blur_net import BlurNet, expectation
from kukkiri.networks.blur_picture import PictureHead, evidence_of, weight_of
from kukkiri.sharpness.blur_cells import weighted_quantiles
from kukkiri.training.blur_kernels import KernelBank
from kukkiri.training.blur_pictures import log_size, make_batch
from kukkiri.training.sharp_material import Material

SIDES = (96, 128, 160, 224)
# Share of the pictures whose spectrum is withheld, as a mask may.
BLIND = 0.03
STEPS, RATE, BATCH = 3000, 2e-3, 512
# A picture whose blur varies has no one truth, and counts less.
VARIED = 0.3
AXES, FAMILY = 1.0, 0.1


class Seen(NamedTuple):
    """What is known of pictures, and the truth.

    Parameters
    ----------
    known, directions, sums : Tensor, (N, …)
        See `PictureHead.judge`.
    size : Tensor, (N,)
        Weighted median of log2 sigma over the places.
    truth : Tensor, (N,)
        What it should be.
    axes : Tensor, (N, 2)
        True anisotropy.
    family : Tensor of int64, (N,)
        −1: not known.
    uniform : Tensor of bool, (N,)
    """

    known: Tensor
    directions: Tensor
    sums: Tensor
    size: Tensor
    truth: Tensor
    axes: Tensor
    family: Tensor
    uniform: Tensor


@torch.inference_mode()
def look(net: BlurNet, material: Material, count: int, seed: int) -> Seen:
    """What is known of random pictures."""
    bank = KernelBank(max(100, count // 4), seed)
    random = np.random.default_rng(seed)
    found: list[tuple[Tensor, ...]] = []
    while sum(len(part[0]) for part in found) < count:
        batch = make_batch(material, bank, 16, int(random.choice(SIDES)), random)
        maps, spectrum = net(batch.image), net.spectrum(batch.image)
        spectrum[torch.from_numpy(random.random(len(spectrum)) < BLIND)] = 0
        mean, spread = expectation(maps.logits, net.centres)
        evidence = evidence_of(spread)
        sums = net.picture.sums(
            mean, weight_of(mean, evidence), maps.widths, maps.certainty, maps.family, maps.features
        )
        counted = evidence.square()
        local = log_size(batch.moments, net.centres)
        size = torch.tensor([weighted_quantiles(m, w, (0.5,))[0] for m, w in zip(mean, counted)])
        varied = torch.tensor([weighted_quantiles(m, w[0], (0.5,))[0] for m, w in zip(local, counted)])
        truth = torch.where(batch.uniform, log_size(batch.whole, net.centres), varied)
        xx, yy, xy = batch.whole.unbind(1)
        axes = torch.stack([xx - yy, 2 * xy], 1) / (xx + yy).clamp_min(1e-2)[:, None]
        # The axes and the family of a blur near zero say nothing.
        family = torch.where(batch.uniform & (truth > -0.5), batch.family, -1)
        kept = batch.known
        part = (*net.picture.known(sums, spectrum), sums, size, truth, axes, family, batch.uniform & (truth > -1.3))
        found.append(tuple(column[kept].clone() for column in part))
    return Seen(*(torch.cat(columns) for columns in zip(*found)))


def errors(head: PictureHead, seen: Seen) -> tuple[Tensor, Tensor, Tensor]:
    """Of size (octaves), axes and family, each (N,)."""
    judged = head.judge(seen.known, seen.directions, seen.sums)
    size = F.smooth_l1_loss(seen.size + judged.shift, seen.truth, reduction="none", beta=0.1)
    axes = (judged.anisotropy - seen.axes).square().sum(1)
    family = F.cross_entropy(judged.family, seen.family.clamp_min(0), reduction="none")
    return size, axes, family


def learn(head: PictureHead, seen: Seen, seed: int, steps: int = STEPS) -> None:
    """Fit the head; nothing of it is kept.

    Parameters
    ----------
    head : PictureHead
    seen : Seen
    seed : int
    steps : int
    """
    torch.manual_seed(seed)
    fresh = PictureHead(head.feature_count)
    head.load_state_dict(fresh.state_dict())
    # The middle of what is seen: one odd picture may be very far out.
    low, middle, high = seen.known.quantile(torch.tensor([0.16, 0.5, 0.84]), dim=0)
    head.known_mean.copy_(middle)
    head.known_scale.copy_(((high - low) / 2).clamp_min(1e-2))
    head.train()
    for parameter in head.parameters():
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    weight = torch.where(seen.uniform, 1.0, VARIED)
    for _ in range(steps):
        at = torch.randint(len(seen.size), (BATCH,))
        part = Seen(*(column[at] for column in seen))
        size, axes, family = errors(head, part)
        round_or_not, named = part.uniform.float(), (part.family >= 0).float()
        loss = (
            (size * weight[at]).mean()
            + AXES * (axes * round_or_not).sum() / round_or_not.sum().clamp_min(1)
            + FAMILY * (family * named).sum() / named.sum().clamp_min(1)
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    head.eval()
    head.requires_grad_(False)


@torch.no_grad()
def reached(head: PictureHead, seen: Seen) -> dict[str, float]:
    """Median error of the size (relative), share of the axes explained, families told rightly: of uniform blur."""
    judged = head.judge(seen.known, seen.directions, seen.sums)
    off = (seen.size + judged.shift - seen.truth)[seen.uniform]
    named = seen.family >= 0
    axes = (judged.anisotropy - seen.axes)[seen.uniform].square().sum() / seen.axes[seen.uniform].square().sum()
    return {
        "size_error": float((torch.exp2(off) - 1).abs().median()),
        "axes_explained": float(1 - axes),
        "family_right": float((judged.family.argmax(1) == seen.family)[named].float().mean()),
    }
