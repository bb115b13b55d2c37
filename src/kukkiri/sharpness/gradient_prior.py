"""How well a sparse-gradient prior explains a picture after a candidate blur and noise: evidence for blind estimates.

Gradients of pictures are sparse. Written as a Gaussian scale mixture, the hyper-Laplacian prior says: within a small
window gradients are Gaussian, with a variance that is the window's own and may be anything. The evidence of a blur then
is the probability of the blurred picture itself, with the sharp picture and all these variances integrated out. The
most probable sharp picture would be no measure: it likes no blur best (Levin, Weiss, Durand, Freeman, CVPR 2009,
doi:10.1109/CVPR.2009.5206815).

A window's spectrum tells all that a stationary Gaussian has to say (Whittle 1953): with the power P(f) of the window,
log p = −Σ_f [log V(f) + P(f) / V(f)], V(f) = z·|K(f)|²·|f|^−α + n²; z is the variance, K the transfer function, n the
noise. α = 2 is white gradients. Real windows scatter about it, so that α is integrated out too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.sharpness.evidence_prior import Candidate, Evidence, undecided_beyond
from kukkiri.sharpness.jpeg_steps import quantisation_steps

# Samples of the frequency plane, a side, on which prior and transfer function are multiplied: twice a window or more.
FREQUENCIES = 128
# Rings of a window's spectrum are this far apart: in its own frequencies at least, and as a ratio.
RING_STEP, RING_RATIO = 1.0, 1.2
# Neighbouring coefficients under a Hann window are correlated by 2/3 and 1/6, along rows and along columns: of so many,
# only this share is independent, (1 + 2·(4/9 + 1/36))^−2.
INDEPENDENT = (18 / 35) ** 2
# A variance that a window says nothing of is spread over so many e-folds.
SPREAD = 14.0
# Steps to the best variance of a window: with the best noise, and from there to exceptional noise.
STEPS = (9, 3)
# Those at which the noise moves too.
NOISE_STEPS = (2, 4, 6, 8)
# Variance of a window's signal, in that of the noise, below which it counts as none.
LEAST_SIGNAL = 0.01
# Share of windows whose noise is another than the picture's, and by what factors its variance then is greater.
EXCEPTIONS, EXCEPTIONAL = 0.1, (4.0, 16.0)
# All windows but the largest tell blurs up to this share of their side (sigma) from each other; beyond, from none.
TOLD = 3.5 / 32


class SparseGradientPrior:
    """Gaussian scale mixture of gradients, window by window: see the module.

    Parameters
    ----------
    windows : tuple of int
        Sides of the Hann windows, pixels: 16, 32 or 64. Small ones keep to one kind of content, large ones resolve the
        low frequencies that a large blur leaves; all but the largest have no say about blurs that hardly fit in.
    slopes : tuple of float
        Exponents α that a window's power may fall with, all as likely.
    veil : float
        White noise, in units of the picture's own standard deviation, below which nothing is looked at: rounding and
        compression empty what lies there. The power of both picture and model is raised to it; and, at each frequency,
        to the square of half the step of the JPEG file that the picture was.
    most : int
        Windows of one side; of larger pictures as many, farther apart.

    Raises
    ------
    InputError
        If a side is another, no side or slope is given, `veil` is negative or `most` below 1.
    """

    def __init__(
        self,
        *,
        windows: tuple[int, ...] = (32, 64),
        slopes: tuple[float, ...] = (1.5, 2.0, 2.5, 3.0, 3.5),
        veil: float = 0.08,
        most: int = 256,
    ) -> None:
        if not windows or set(windows) - {16, 32, 64}:
            raise InputError(expected="windows of 16, 32 or 64 px", got=repr(windows), fix="leave them out")
        if not slopes or not all(math.isfinite(slope) for slope in slopes):
            raise InputError(expected="slopes, finite ones", got=repr(slopes), fix="leave them out")
        if not (0 <= veil < math.inf and most >= 1):
            raise InputError(
                expected="a veil of 0 or more and at least 1 window", got=f"{veil} and {most}", fix="leave them out"
            )
        self.windows, self.slopes, self.veil, self.most = windows, slopes, veil, most

    def log_evidence(self, picture: Tensor, candidates: Sequence[Candidate], noise: float) -> Evidence:
        """See `EvidencePrior`."""
        lift = max(self.veil**2 - noise**2, 0.0)
        floor = (lift + (noise / 3) ** 2, lift + noise**2, lift + 1.5 * noise**2)
        steps = quantisation_steps(picture)
        nats, rows, columns = [], [], []
        sides = [side for side in self.windows if side <= min(picture.shape)]
        for side in sides:
            table = templates(tuple(candidates), side, self.slopes).to(picture)
            middles, power = window_power(picture, side, self.most)
            raised = torch.full_like(power[0], lift)
            if steps is not None:
                raised = torch.maximum(raised, (emptied(steps, side) - noise**2).to(power))
            # In units of the expected floor of each ring, which makes it white again.
            unit = (raised + noise**2) / floor[1]
            asked = scale_mixture((power + raised) / unit, ring_sizes(side), table / unit, floor)
            nats.append(asked if side == max(sides) else undecided_beyond(asked, candidates, TOLD * side))
            rows.append(middles[0])
            columns.append(middles[1])
        if not nats:
            return Evidence(picture.new_zeros(0, len(candidates)), picture.new_zeros(0), picture.new_zeros(0))
        return Evidence(torch.cat(nats), torch.cat(rows), torch.cat(columns))


@lru_cache
def rings(side: int) -> tuple[Tensor, Tensor]:
    """The matrix that averages a window's power over rings of its spectrum, and the coefficients in each ring.

    The lowest frequencies are left out: they hold the light, and what reaches beyond the window.

    Returns
    -------
    (Tensor (side², R), Tensor (R,)), float64
    """
    frequency = torch.fft.fftfreq(side, dtype=torch.float64) * side
    radius = torch.hypot(frequency[:, None], frequency[None]).flatten()
    edges = [1.5]
    while edges[-1] < side / 2:
        edges.append(min(max(edges[-1] + RING_STEP, edges[-1] * RING_RATIO), side / 2))
    ring = torch.bucketize(radius, torch.tensor(edges, dtype=torch.float64), right=True) - 1
    inside = (ring >= 0) & (ring < len(edges) - 1)
    members = torch.zeros(side * side, len(edges) - 1, dtype=torch.float64)
    members[inside.nonzero()[:, 0], ring[inside]] = 1
    count = members.sum(0)
    return members / count, count


def emptied(steps: Tensor, side: int) -> Tensor:
    """What power JPEG may have taken from the rings of a window: the square of half a step, (R,), float64.

    Parameters
    ----------
    steps : Tensor, (8, 8)
        Of the block's frequencies; the nearest one of each frequency of the window is taken.
    side : int
    """
    nearest = (torch.fft.fftfreq(side, dtype=torch.float64).abs() * 16).round().clamp_max(7).long()
    return (steps.cpu().double() / 2).square()[nearest[:, None], nearest].flatten() @ rings(side)[0]


def ring_sizes(side: int) -> Tensor:
    """Independent complex coefficients in each ring, (R,): half of them mirror the others."""
    return rings(side)[1] / 2 * INDEPENDENT


def hann(side: int) -> Tensor:
    """A separable Hann window with a sum of squares of 1, (side, side), float64: white noise keeps its variance."""
    one = torch.hann_window(side + 2, periodic=False, dtype=torch.float64)[1:-1]
    window = one[:, None] * one
    return window / window.square().sum().sqrt()


def window_power(picture: Tensor, side: int, most: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Power of the rings of every window; windows lie half a side apart, or farther, up to the border.

    Parameters
    ----------
    picture : Tensor, (H, W)
    side : int
    most : int

    Returns
    -------
    middles : (Tensor (P,), Tensor (P,))
        Rows and columns of the windows' middles.
    power : Tensor, (P, R)
        Without the window's own mean.
    """
    stride = max(side / 2, math.sqrt(picture.numel() / most))
    tops, lefts = (starts(length, side, stride) for length in picture.shape)
    steps = torch.arange(side)
    parts = picture[tops[:, None] + steps][:, :, lefts[:, None] + steps].transpose(1, 2).reshape(-1, side, side)
    window = hann(side).to(picture)
    mean = (parts * window).sum((1, 2), keepdim=True) / window.sum()
    spectrum = torch.fft.fft2((parts - mean) * window)
    power = torch.view_as_real(spectrum).square().sum(-1).flatten(1) @ rings(side)[0].to(picture)
    rows, columns = torch.meshgrid(tops + (side - 1) / 2, lefts + (side - 1) / 2, indexing="ij")
    return (rows.flatten(), columns.flatten()), power


def starts(length: int, side: int, stride: float) -> Tensor:
    """Where windows begin along a side of the picture: evenly from its first to its last pixel."""
    count = int((length - side) // stride) + 1
    if count == 1:
        return torch.tensor([(length - side) // 2])
    return torch.linspace(0, length - side, count, dtype=torch.float64).round().long()


@lru_cache(maxsize=8)
def templates(candidates: tuple[Candidate, ...], side: int, slopes: tuple[float, ...]) -> Tensor:
    """What power the rings of a window have on average, under each candidate and slope, for z = 1.

    The transfer function on the plane gives the covariance of pixels; times the window's own, its transform is the mean
    of the power that the window will show, with all that leaks into it from stronger frequencies. Sharp pictures are
    those of square pixels: their transfer function belongs to the prior.

    Returns
    -------
    Tensor, (K, A, R), float64
    """
    row, column = (f(FREQUENCIES, dtype=torch.float64) for f in (torch.fft.fftfreq, torch.fft.rfftfreq))
    radius = torch.hypot(row[:, None], column[None])
    pixel = (torch.sinc(row)[:, None] * torch.sinc(column)).square()
    # Flat below half a cycle over the plane, where a power law has no end.
    law = torch.stack([(radius.square() + (0.5 / FREQUENCIES) ** 2) ** (-slope / 2) for slope in slopes]) * pixel
    size = (FREQUENCIES, FREQUENCIES)
    window = torch.fft.irfft2(torch.view_as_real(torch.fft.rfft2(hann(side), size)).square().sum(-1), size)
    found = []
    for candidate in candidates:
        transfer = torch.view_as_real(torch.fft.rfft2(candidate.kernel.double(), size)).square().sum(-1)
        power = torch.fft.fft2(torch.fft.irfft2(law * transfer, size) * window).real
        step = FREQUENCIES // side
        found.append(power[:, ::step, ::step].clamp_min(0).flatten(1) @ rings(side)[0])
    return torch.stack(found)


def scale_mixture(power: Tensor, sizes: Tensor, table: Tensor, floor: tuple[float, float, float]) -> Tensor:
    """Evidence of candidates for every window, its variance and its slope integrated out.

    The logarithm of the variance is as likely anywhere (Jeffreys' prior, the limit of ever sparser hyper-Laplacians:
    nothing then depends on contrast); its integral is Laplace's about the best one. Each candidate has the noise that
    suits it best over all windows; one window in ten may have 4 or 16 times its variance.

    Parameters
    ----------
    power : Tensor, (P, R)
    sizes : Tensor, (R,)
        Independent coefficients of the rings.
    table : Tensor, (K, A, R)
    floor : (float, float, float)
        Variance of the noise: least, expected, most.

    Returns
    -------
    Tensor, (P, K)
    """
    weight = sizes.to(power)
    seen = power[:, None, None]
    noise = torch.full((table.shape[0], 1, 1), math.log(floor[1])).to(power)
    # A first guess from the rings in which the model is strong.
    strong = weight * table / table.amax(2, keepdim=True)
    excess = (seen - floor[1]).clamp_min(1e-9).log() - table.log().clamp_min(-40)
    variance = (excess * strong).sum(-1) / strong.sum(-1)
    # Where even the strongest ring holds less than this, a window is all noise, and no step would lead back.
    least = math.log(LEAST_SIGNAL) - table.amax(2).log()
    for step in range(STEPS[0]):
        change, cross, slope, information = _fisher(variance, seen, weight, table, noise)
        if step in NOISE_STEPS and floor[2] > 1.02 * floor[0]:
            likely = _nats(variance, seen, weight, table, noise).softmax(2)
            gain, known = (likely * slope).sum((0, 2)), (likely * information).sum((0, 2)).clamp_min(1e-2)
            before = noise
            noise = noise + (gain / known).clamp(-1, 1)[:, None, None]
            noise = noise.clamp(math.log(floor[0]), math.log(floor[2]))
            change = change - cross * (noise - before)[..., 0]
        variance = torch.maximum(variance + change.clamp(-2, 2), least + noise[..., 0])
    usual = torch.logsumexp(_nats(variance, seen, weight, table, noise), 2) + math.log(1 - EXCEPTIONS)
    found = [usual]
    for factor in EXCEPTIONAL:
        raised = noise + math.log(factor)
        for _ in range(STEPS[1]):
            change = _fisher(variance, seen, weight, table, raised)[0]
            variance = torch.maximum(variance + change.clamp(-2, 2), least + raised[..., 0])
        rare = torch.logsumexp(_nats(variance, seen, weight, table, raised), 2)
        found.append(rare + math.log(EXCEPTIONS / len(EXCEPTIONAL)))
    return torch.logsumexp(torch.stack(found), 0)


def _fisher(
    variance: Tensor, seen: Tensor, weight: Tensor, table: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Fisher scoring of the logarithms of a window's variance and of the noise, each (P, K, A).

    Returns
    -------
    change
        Of the variance, if the noise stays.
    cross
        By how much less the variance changes for each unit that the noise does.
    slope, information
        Of the noise, the variance always at its best.
    """
    signal = variance.exp()[..., None] * table
    total = signal + noise.exp()
    share = signal / total
    misfit, rest = seen / total - 1, 1 - share
    known = (share.square() @ weight).clamp_min(1e-2)
    change = ((misfit * share) @ weight) / known
    both = (share * rest) @ weight
    cross = both / known
    return change, cross, (misfit * rest) @ weight - both * change, rest.square() @ weight - both * cross


def _nats(variance: Tensor, seen: Tensor, weight: Tensor, table: Tensor, noise: Tensor) -> Tensor:
    """Log evidence (P, K, A) of windows, each variance integrated out about its best value."""
    signal = variance.exp()[..., None] * table
    total = signal + noise.exp()
    information = (signal / total).square() @ weight
    volume = 0.5 * (2 * math.pi / information.clamp_min(2 * math.pi / SPREAD**2)).log()
    return volume - (total.log() + seen / total) @ weight
