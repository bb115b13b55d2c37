"""Recipe of the intervals of `kukkiri-blur`: on pictures that its training never saw, after the network is fixed.

Data: the photographs that `kukkiri_blur` held out and did not validate on, and newly drawn material, blurred and seen
on random days as in training. Six tenths fit the quantiles of the error (pinball loss), a quarter makes the promise
exact (split conformal), the rest tells whether it is kept. The same pictures' features tell what is unlike the
training material.

>>> python -m kukkiri.training.blur_calibration best.safetensors kukkiri-blur.safetensors --data photographs
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kukkiri.networks.blur_net import BlurNet
from kukkiri.replacing import replacing
from kukkiri.sharpness.blur_cells import Walked, weighted_quantiles
from kukkiri.sharpness.blur_interval import IntervalHead, summary_of
from kukkiri.training.blur_kernels import KernelBank
from kukkiri.training.blur_pictures import make_batch
from kukkiri.training.kukkiri_blur import picture_files, reduced
from kukkiri.training.sharp_material import Material
from kukkiri.weights import load_tensors

# Each side of the interval may be missed by this share.
TAIL = 0.05
SIDES = (96, 128, 160, 224)


def material(files: Sequence[Path], drawn: int) -> Material:
    """Held-out photographs, and drawings from another seed than the training's."""
    from kukkiri.training.materials import draw_many

    photographs = [reduced(file) for i, file in enumerate(files) if i % 20 == 10]
    return Material(photographs, draw_many(drawn, 256, seed=77), 0.35)


@torch.inference_mode()
def observe(net: BlurNet, source: Material, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the network says of random pictures, and how far off it is.

    Returns
    -------
    summary : Tensor, (N, 6)
    features : Tensor, (N, F)
    error : Tensor, (N,)
        True minus estimated log2 sigma, octaves.
    uniform : Tensor of bool, (N,)
        Where the error means something: one PSF, known.
    """
    bank = KernelBank(2000, seed)
    random = np.random.default_rng(seed)
    found: list[tuple[Tensor, Tensor, float, bool]] = []
    while len(found) < count:
        batch = make_batch(source, bank, 16, int(random.choice(SIDES)), random)
        maps = net(batch.image)
        for at in range(len(batch.image)):
            one = type(maps)(*(m[at : at + 1] for m in maps))
            pixels = batch.image[at]
            height, width = pixels.shape[-2:]
            walked = Walked(height, width, net.stride)
            walked.add(0, 0, (slice(0, height), slice(0, width)), one, pixels, None)
            if walked.sums is None:
                continue
            weight = walked.weight
            (median,) = weighted_quantiles(walked.mean, weight, (0.5,))
            moments = batch.moments[at]
            truth = float((0.5 * (moments[0] + moments[1]).mean().clamp_min(1e-4).log2() - 0.5).clamp(-2, 4))
            features = (walked.sums[5:-1] / walked.sums[-1]).float()
            usable = bool(batch.uniform[at] & batch.known[at])
            found.append((summary_of(median, walked.mean, walked.spread, weight), features, truth - median, usable))
    columns = list(zip(*found))
    return (
        torch.stack(columns[0]),
        torch.stack(columns[1]),
        torch.tensor(columns[2]),
        torch.tensor(columns[3]),
    )


def fit(head: IntervalHead, summary: Tensor, features: Tensor, error: Tensor, seed: int) -> dict[str, float]:
    """Fit the quantiles, then make them keep their promise.

    Returns
    -------
    dict
        coverage and median hi/lo on the part that neither the fit nor the conformal step has seen.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(error), generator=generator)
    first, second = int(0.6 * len(order)), int(0.85 * len(order))
    train, adjust, check = order[:first], order[first:second], order[second:]
    head.summary_mean.copy_(summary[train].mean(0))
    head.summary_scale.copy_(summary[train].std(0).clamp_min(1e-3))
    optimizer = torch.optim.AdamW(head.parameters(), lr=5e-3, weight_decay=1e-2)
    steps = 2000
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        at = train[torch.randint(len(train), (512,), generator=generator)]
        below, above = head(summary[at], features[at]).unbind(1)
        # Pinball loss of the 5 % and 95 % quantiles of the error.
        low, high = error[at] + below, error[at] - above
        loss = (torch.maximum(TAIL * low, (TAIL - 1) * low) + torch.maximum((1 - TAIL) * high, -TAIL * high)).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        below, above = head(summary[adjust], features[adjust]).unbind(1)
        head.conformal[0] = torch.quantile(-error[adjust] / below, 1 - TAIL).clamp_min(0.2)
        head.conformal[1] = torch.quantile(error[adjust] / above, 1 - TAIL).clamp_min(0.2)
        reach = head.offsets(summary[check], features[check])
        held = (error[check] >= -reach[:, 0]) & (error[check] <= reach[:, 1])
        return {
            "coverage": float(held.float().mean()),
            "median_hi_lo": float(2 ** reach.sum(1).median()),
            "median_error": float((2 ** error[check].abs() - 1).median()),
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


def calibrate(network: Path, out: Path, data: Sequence[Path], *, count: int = 8000, seed: int = 5) -> dict[str, float]:
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

    Returns
    -------
    dict
        What the intervals reach on held-out pictures.
    """
    from safetensors.torch import save

    net = BlurNet()
    net.load_state_dict({name: value.float() for name, value in load_tensors(network).items()})
    net.eval()
    summary, features, error, uniform = observe(net, material(picture_files(data), max(20, count // 16)), count, seed)
    torch.manual_seed(seed)
    head = IntervalHead(net.feature_count)
    fit_unlike(head, features)
    result = fit(head, summary[uniform], features[uniform], error[uniform], seed)
    state = {f"net.{k}": v for k, v in net.state_dict().items()} | {
        f"head.{k}": v for k, v in head.state_dict().items()
    }
    contents = save({k: v.half().contiguous() for k, v in state.items()}, metadata={"recipe": "kukkiri-blur"})
    with replacing(out) as unfinished:
        unfinished.write_bytes(contents)
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--count", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args(arguments)
    result = calibrate(given.network, given.out, given.data, count=given.count, seed=given.seed)
    sys.stdout.write("".join(f"{name} {value:.4g}\n" for name, value in result.items()))


if __name__ == "__main__":
    main()
