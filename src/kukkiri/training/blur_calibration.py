"""Recipe of the intervals of `kukkiri-blur`: on pictures that its training never saw, after the network is fixed.

Data: the photographs that `photographs.split` holds out, and newly drawn material, blurred and seen on random days as
in training. They are parted by photograph, drawing and kernel: half centres the sizes and fits the quantiles of their
error (pinball loss), three tenths make the promise exact (split conformal), the rest tells whether it is kept. The
features of the first tell what is unlike.

>>> python -m kukkiri.training.blur_calibration best.safetensors kukkiri-blur.safetensors --data photographs
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

import kukkiri
from kukkiri.errors import InputError, KukkiriError
from kukkiri.networks.blur_net import BlurNet
from kukkiri.replacing import replacing
from kukkiri.sharpness.blur_cells import Walked
from kukkiri.sharpness.blur_interval import IntervalHead
from kukkiri.sharpness.blur_summary import size_of
from kukkiri.training.blur_judgement import STEPS, learn, look, reached
from kukkiri.training.blur_kernels import KernelBank
from kukkiri.training.blur_pictures import log_size, make_batch
from kukkiri.training.kukkiri_blur import start_from
from kukkiri.training.photographs import Split, picture_files, reduced, split
from kukkiri.training.recipe import halved
from kukkiri.training.sharp_material import Material, own_blur
from kukkiri.weights import load_tensors

# Each side of the interval may be missed by this share.
TAIL = 0.05
# What real pictures have, a screen's worth excepted: from there on `IntervalHead` counts more cells as no surer.
SIDES = (128, 160, 224, 320)
# Share of the held-out photographs, and of the pictures, for each of the three parts.
PARTS = (0.5, 0.3, 0.2)
SHARE_DRAWN = 0.2
LEAST_HELD_OUT = 5


class Observed(NamedTuple):
    """What the network says of pictures, and how far off it is.

    Parameters
    ----------
    summary : Tensor, (N, 6)
    features : Tensor, (N, F)
    error : Tensor, (N,)
        True minus estimated log2 sigma, octaves.
    family : Tensor of int64, (N,)
        Of the kernel; see `blur_pictures.BlurredPictures`.
    uniform : Tensor of bool, (N,)
        Where the error means something: one PSF, known.
    known : Tensor of bool, (N,)
        Whether there is a picture at all.
    """

    summary: Tensor
    features: Tensor
    error: Tensor
    family: Tensor
    uniform: Tensor
    known: Tensor

    @property
    def counted(self) -> Tensor:
        """What the promise is made for: one PSF, a Gaussian or a disc, round or not, as defocus is taken for."""
        return self.uniform & ((self.family == 0) | (self.family == 1))


@torch.inference_mode()
def observe(net: BlurNet, source: Material, count: int, seed: int) -> Observed:
    """What the network says of random pictures."""
    bank = KernelBank(max(100, count // 3), seed)
    random = np.random.default_rng(seed)
    found: list[tuple[Tensor, Tensor, float, int, bool, bool]] = []
    while len(found) < count:
        batch = make_batch(source, bank, 16, int(random.choice(SIDES)), random)
        maps, spectra = net(batch.image), net.spectrum(batch.image)
        truth = log_size(batch.whole, net.centres)
        for at in range(len(batch.image)):
            one = type(maps)(*(m[at : at + 1] for m in maps))
            height, width = batch.image.shape[-2:]
            walked = Walked(height, width, net.stride, net.picture)
            walked.add(0, 0, (slice(0, height), slice(0, width)), one, spectra[at : at + 1], batch.image[at], None)
            size = size_of(walked)
            if size is None:
                continue
            known, uniform = bool(batch.known[at]), bool(batch.uniform[at])
            error = float(truth[at]) - size.median
            found.append((size.summary, size.features[0], error, int(batch.family[at]), uniform and known, known))
    summary, features, *columns = zip(*found)
    return Observed(torch.stack(summary), torch.stack(features), *(torch.tensor(column) for column in columns))


def centre_of(seen: Observed) -> float:
    """What is to be added to every log2 sigma so that the median over Gaussian and disc blur is right, octaves.

    The network hedges between all families of kernels, long tails among them, and what it says of the two that
    defocus is usually taken for leans to one side.
    """
    medians = [seen.error[seen.uniform & (seen.family == family)].median() for family in (0, 1)]
    centre = float(torch.stack(medians).mean())
    return centre if math.isfinite(centre) else 0.0


def fit(head: IntervalHead, seen: Observed, seed: int, steps: int = 2000) -> None:
    """Fit the quantiles of the error."""
    generator = torch.Generator().manual_seed(seed)
    summary, error = seen.summary[seen.counted], seen.error[seen.counted]
    head.learn_range(summary)
    optimizer = torch.optim.AdamW(head.parameters(), lr=5e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        at = torch.randint(len(error), (512,), generator=generator)
        below, above = head(summary[at]).unbind(1)
        # Pinball loss of the 5 % and 95 % quantiles of the error.
        low, high = error[at] + below, error[at] - above
        loss = (torch.maximum(TAIL * low, (TAIL - 1) * low) + torch.maximum((1 - TAIL) * high, -TAIL * high)).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


@torch.no_grad()
def make_exact(head: IntervalHead, seen: Observed) -> None:
    """Scale both sides until each is missed by its share (split conformal)."""
    below, above = head(seen.summary[seen.counted]).unbind(1)
    error = seen.error[seen.counted]
    # The finite-sample quantile: of n values the one that a new one exceeds with the tail's probability.
    level = min(1.0, math.ceil((len(error) + 1) * (1 - TAIL)) / len(error))
    head.conformal[0] = torch.quantile(-error / below, level).clamp_min(0.2)
    head.conformal[1] = torch.quantile(error / above, level).clamp_min(0.2)


@torch.no_grad()
def check(head: IntervalHead, seen: Observed) -> dict[str, float]:
    """Coverage, width and error on pictures that nothing was fitted to."""
    error = seen.error[seen.counted]
    reach = head.offsets(seen.summary[seen.counted])
    held = (error >= -reach[:, 0]) & (error <= reach[:, 1])
    return {
        "coverage": float(held.float().mean()),
        "median_hi_lo": float(2 ** reach.sum(1).median()),
        "median_error": float((2 ** error.abs() - 1).median()),
        "pictures": float(len(error)),
    }


def fit_unlike(head: IntervalHead, features: Tensor) -> None:
    """Mean and covariance of the pooled features, and the distance that one picture in 200 exceeds."""
    head.feature_mean.copy_(features.mean(0))
    head.feature_scale.copy_(features.std(0).clamp_min(1e-3))
    standard = (features - head.feature_mean) / head.feature_scale
    covariance = standard.T @ standard / len(standard)
    # A little of the identity: features that hardly vary must not decide.
    regular = 0.95 * covariance + 0.05 * torch.eye(len(covariance))
    values, vectors = torch.linalg.eigh(regular.double())
    head.whitening.copy_((vectors * values.rsqrt()).float())
    head.unlike_edge.copy_(torch.quantile(head.distance(features), 0.995)[None])


def learn_judgement(net: BlurNet, files: Split, count: int, seed: int, steps: int) -> dict[str, float]:
    """Fit the judgement of whole pictures on what the network was trained on; what it reaches on held-out pictures."""
    from kukkiri.training.materials import draw_many

    parts = (files.training, count, 11), (files.validation, count // 10, 12)
    seen = []
    for photographs, amount, salt in parts:
        pictures = [reduced(file) for file in photographs]
        own = [own_blur(net, picture) for picture in pictures]
        drawn = draw_many(max(20, amount // 16), 256, seed=seed + salt)
        seen.append(look(net, Material(pictures, drawn, SHARE_DRAWN, own), amount, seed + salt))
    learn(net.picture, seen[0], seed, steps)
    return reached(net.picture, seen[1])


def calibrate(
    network: Path, out: Path, data: Sequence[Path], *, count: int = 10000, seed: int = 5, steps: int = STEPS
) -> dict[str, float]:
    """From a trained network to the file that the package ships.

    Parameters
    ----------
    network : Path
        `best.safetensors` of `kukkiri train kukkiri-blur`.
    out : Path
    data : sequence of Path
        The folders that it was trained on: only what was held out is used.
    count : int
        Pictures.
    seed : int
    steps : int
        Of the optimisation of the judgement; at most 2000 of them for the intervals.

    Returns
    -------
    dict
        What the intervals reach on held-out pictures; also in the file, as JSON under 'calibration'.

    Raises
    ------
    InputError
        If the folders hold fewer than 50 photographs.
    WeightError
        If the weights are of another network.
    """
    from safetensors.torch import save

    from kukkiri.training.materials import draw_many

    net = BlurNet()
    start_from(net, load_tensors(network))
    net.eval()
    files = split(picture_files(data))
    held_out = files.held_out
    if len(held_out) < LEAST_HELD_OUT:
        raise InputError(
            expected=f"at least {10 * LEAST_HELD_OUT} photographs: one in ten is held out, and those in three parts",
            got=f"{len(files.training) + len(held_out)}",
            fix="pass the folders that the network was trained on",
        )
    judgement = learn_judgement(net, files, 3 * count, seed, steps)
    ends = [0, round(len(held_out) * PARTS[0]), round(len(held_out) * (PARTS[0] + PARTS[1])), len(held_out)]
    seen: list[Observed] = []
    torch.manual_seed(seed)
    head = IntervalHead(net.feature_count)
    for number, share in enumerate(PARTS):
        photographs = [reduced(file) for file in held_out[ends[number] : ends[number + 1]]]
        amount = round(share * count)
        drawn = draw_many(max(20, amount // 16), 256, seed=77 + number)
        seen.append(observe(net, Material(photographs, drawn, SHARE_DRAWN), amount, seed + number))
        if number == 0:
            centre = centre_of(seen[0])
            net.picture.centre.fill_(centre)
            summary = seen[0].summary.clone()
            summary[:, 0] += centre
            seen[0] = seen[0]._replace(summary=summary, error=seen[0].error - centre)
    fit_unlike(head, seen[0].features[seen[0].known])
    fit(head, seen[0], seed, min(steps, 2000))
    make_exact(head, seen[1])
    result = judgement | {"centre": centre} | check(head, seen[2])
    state = {f"{name}.{k}": v for name, part in (("net", net), ("head", head)) for k, v in part.state_dict().items()}
    made = {
        "version": kukkiri.__version__,
        "network": hashlib.sha256(Path(network).read_bytes()).hexdigest(),
        "count": count,
        "seed": seed,
        "reached": result,
    }
    contents = save(
        {k: halved(v) for k, v in state.items()}, {"recipe": "kukkiri-blur", "calibration": json.dumps(made)}
    )
    with replacing(out) as unfinished:
        unfinished.write_bytes(contents)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--count", type=int, default=10000, help="pictures; thrice as many for the judgement")
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args(arguments)
    try:
        result = calibrate(given.network, given.out, given.data, count=given.count, seed=given.seed)
    except KukkiriError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{name} {value:.4g}\n" for name, value in result.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
