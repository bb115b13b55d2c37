"""The fit behind SelfDeblur: two networks, one picture, step after step."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from kukkiri.images.filtering import dilate
from kukkiri.images.image import Image
from kukkiri.images.structural_similarity import RADIUS, similarity_maps
from kukkiri.networks.kernel_net import KernelNet
from kukkiri.networks.skip_net import SkipNet
from kukkiri.optics import psf
from kukkiri.optics.moments import sigma_of
from kukkiri.optics.rings import asymmetry
from kukkiri.restoration.kernel_register import centred, centroid
from kukkiri.restoration.self_deblur_settings import SelfDeblurSettings

# Channels of the noise that the picture is made from; amplitude of this and of the kernel's.
INPUTS, KERNEL_INPUTS, AMPLITUDE = 8, 200, 0.1
# Shares of the steps after which rates are halved, as published: 2000, 3000 and 4000 of 5000.
MILESTONES = (0.4, 0.6, 0.8)
# The picture returned is a moving average over about so many steps.
MEMORY = 50
# What the weights of the kernel's terms are multiplied by beside 1 − SSIM: as if the noise were 2 %.
SIMILARITY_UNIT = 4e-4
# Losses are compared between blocks of so many steps.
BLOCK = 50
# A loss has improved if it fell by this share.
IMPROVED = 0.01
# A kernel begins with at least this share of its largest value everywhere.
FAINT = 1e-3


class Fit:
    """Two networks, their optimizer, and what is kept between steps.

    Parameters
    ----------
    image, settings, noise, side, start, kernel, missing, seed
        As `kukkiri.restoration.self_deblur.fit` takes them.
    """

    def __init__(
        self,
        image: Image,
        settings: SelfDeblurSettings,
        *,
        noise: float,
        side: int,
        start: Tensor | None,
        kernel: Tensor | None,
        missing: Tensor | None,
        seed: int,
    ) -> None:
        device = image.pixels.device
        self.settings, self.side, self.seen = settings, side, image.pixels[None]
        self.variance = noise**2
        self.random = torch.Generator().manual_seed(seed)
        shape = (1, INPUTS, image.height + side - 1, image.width + side - 1)
        self.input = torch.rand(shape, generator=self.random).to(device) * AMPLITUDE
        self.kernel_input = torch.rand(KERNEL_INPUTS, generator=self.random).to(device) * AMPLITUDE
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = SkipNet(INPUTS, image.channels, channels=settings.channels).to(device)
            self.kernel_net = KernelNet(side, inputs=KERNEL_INPUTS).to(device)
        if start is not None:
            # The softmax begins there; nowhere so low that it could not rise again.
            level = start.to(device).clamp_min(float(start.max()) * FAINT).log().flatten()
            self.kernel_net.body[-1].bias.data = level
        self.net = self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.given = kernel
        self.size = None if start is None else float(sigma_of(start)[0])
        groups: list[dict[str, Any]] = [{"params": self.net.parameters(), "lr": settings.rate}]
        if kernel is None:
            groups.append({"params": self.kernel_net.parameters(), "lr": settings.kernel_rate})
        self.optimizer = torch.optim.Adam(groups)
        self.precision = chosen_precision(settings.precision, device)
        self.counts, self.windows = _weights(missing, self.seen)
        self.done, self.halvings = 0, 0
        # When SSIM takes over, and when the squared error does again.
        self.turns = (int(settings.squared * settings.steps), int(settings.cleaned * settings.steps))
        self.block, self.best, self.waited = 0.0, float("inf"), 0
        self.picture: Tensor | None = None
        self.residual = float("nan")

    def step(self) -> bool:
        """One step of both networks; whether the fit has ended."""
        self.optimizer.zero_grad(set_to_none=True)
        picture, kernel = self._forward()
        again = psf.blur(picture, kernel, "valid")
        squared = ((again - self.seen).square() * self.counts).sum() / (self.counts.sum() * self.seen.shape[1])
        by_square = self._by_square()
        misfit = squared if by_square else 1 - (similarity_maps(again, self.seen)[0] * self.windows).mean()
        unit = self.variance if by_square else SIMILARITY_UNIT
        loss = misfit + unit * self._regular(picture, kernel, cleaning=self.done >= self.turns[1])
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.done += 1
        self._remember(picture.detach(), float(squared.detach()))
        return self._schedule(float(misfit.detach()))

    def result(self) -> tuple[Tensor, Tensor]:
        """The picture (C, H, W), in register with the one given, and the kernel, its centroid in the middle."""
        kernel = self.kernel()
        picture = self.picture if self.picture is not None else self.seen[0]
        height, width = self.seen.shape[-2:]
        # Convolved with a kernel whose mean lies at (row, column), a pixel comes out that far down and right.
        row, column = (self.side - 1 - n for n in centroid(kernel))
        return picture[:, row : row + height, column : column + width], centred(kernel)

    def kernel(self) -> Tensor:
        """The kernel as it is now, (side, side)."""
        with torch.no_grad():
            return self._kernel().detach()

    def _forward(self) -> tuple[Tensor, Tensor]:
        moved = self.input + self.settings.jitter * torch.randn(self.input.shape, generator=self.random).to(self.input)
        moved = moved.contiguous(memory_format=torch.channels_last)
        reduced = self.precision == "bfloat16"
        with torch.autocast(self.input.device.type, torch.bfloat16, enabled=reduced):
            features = self.net.features(moved)
        # In eight bits of mantissa a picture would show steps.
        return self.net.picture(features.float()), self._kernel()

    def _kernel(self) -> Tensor:
        if self.given is not None:
            return self.given
        kernel: Tensor = self.kernel_net(self.kernel_input)
        return kernel

    def _by_square(self) -> bool:
        """Whether this step looks at the squared error, else at 1 − SSIM."""
        return not self.turns[0] <= self.done < self.turns[1]

    def _regular(self, picture: Tensor, kernel: Tensor, *, cleaning: bool) -> Tensor:
        """What is asked of picture and kernel, in units of the noise's variance."""
        s, found = self.settings, picture.new_zeros(())
        if s.total_variation and cleaning:
            found = found + s.total_variation * sum(picture.diff(dim=d).abs().mean() for d in (-1, -2))
        if s.symmetry:
            found = found + s.symmetry * asymmetry(kernel)
        if s.smoothness:
            rough = sum(kernel.diff(dim=d).square().sum() for d in (-1, -2))
            found = found + s.smoothness * rough / kernel.square().sum()
        if s.size and self.size is not None:
            found = found + s.size * (spread_of(kernel).log() - math.log(self.size)).square()
        return found

    def _remember(self, picture: Tensor, squared: float) -> None:
        share = 1 / min(self.done, MEMORY)
        self.picture = picture[0] if self.picture is None else self.picture.lerp(picture[0], share)
        last = math.sqrt(squared)
        self.residual = last if math.isnan(self.residual) else self.residual + share * (last - self.residual)

    def _schedule(self, misfit: float) -> bool:
        """Halve the rates where it is time to; whether the fit has ended."""
        s = self.settings
        if self.done in self.turns:
            self.best, self.waited, self.block = math.inf, 0, 0.0  # another loss begins
        self.block += misfit
        stuck = False
        if self.done % BLOCK == 0:
            improved = self.block < (1 - IMPROVED) * self.best
            self.best, self.waited = min(self.best, self.block), 0 if improved else self.waited + BLOCK
            self.block = 0.0
            stuck = self.waited >= s.patience
        due = self.halvings < len(MILESTONES) and self.done >= MILESTONES[self.halvings] * s.steps
        if stuck and self.halvings == len(MILESTONES):
            return True
        if stuck or due:
            self.halvings, self.waited = self.halvings + 1, 0
            for group in self.optimizer.param_groups:
                group["lr"] /= 2
        return False


def spread_of(kernel: Tensor) -> Tensor:
    """Sigma of a kernel of sum 1 about its own mean, with gradients."""
    variance = kernel.new_zeros(())
    for profile in (kernel.sum(0), kernel.sum(1)):
        place = torch.arange(len(profile), dtype=kernel.dtype, device=kernel.device)
        variance = variance + profile @ (place - profile @ place).square()
    return (variance / 2).sqrt()


def chosen_precision(precision: str, device: torch.device) -> str:
    """'bfloat16' or 'float32'; for 'auto' what the processor computes with."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # Not public in torch; without it the answer is no.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bfloat16" if device.type == "cpu" and supported() else "float32"


def _weights(missing: Tensor | None, seen: Tensor) -> tuple[Tensor, Tensor]:
    """How much each pixel counts in the squared error, (1, 1, H, W), and each window of SSIM, of mean 1."""
    left_out = torch.zeros(seen.shape[-2:], dtype=torch.bool) if missing is None else missing.cpu()
    counts = (~left_out).to(seen)
    windows = (~dilate(left_out, RADIUS))[RADIUS:-RADIUS, RADIUS:-RADIUS].to(seen)
    return counts[None, None], windows / windows.mean().clamp_min(1e-6)
