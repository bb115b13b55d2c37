"""The fit behind SelfDeblur: two networks, one picture, step after step."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.images.structural_similarity import similarity_maps
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
    pixels : Tensor, (C, H, W)
    settings, noise, side, start, kernel, missing, seed
        As `kukkiri.restoration.self_deblur.fit` takes them, in the units of these pixels.
    reach : float
        The most that a pixel of the result can have; 1 unless the picture was stretched.
    """

    def __init__(
        self,
        pixels: Tensor,
        settings: SelfDeblurSettings,
        *,
        noise: float,
        side: int,
        start: Tensor | None,
        kernel: Tensor | None,
        missing: Tensor | None,
        seed: int,
        reach: float = 1.0,
    ) -> None:
        device = pixels.device
        self.settings, self.side, self.seen, self.reach = settings, side, pixels[None], reach
        self.variance = noise**2
        self.random = torch.Generator().manual_seed(seed)
        shape = (1, INPUTS, pixels.shape[1] + side - 1, pixels.shape[2] + side - 1)
        self.input = torch.rand(shape, generator=self.random).to(device) * AMPLITUDE
        self.kernel_input = torch.rand(KERNEL_INPUTS, generator=self.random).to(device) * AMPLITUDE
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.net = SkipNet(INPUTS, len(pixels), channels=settings.channels).to(device)
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
        self.missing = None if missing is None else missing.to(device)
        if reach != 1:
            # In a stretched picture the middle of the range is far too bright to begin at.
            share = min(max(float(pixels.mean()) / reach, 1e-3), 1 - 1e-3)
            nn.init.constant_(cast(Tensor, self.net.last.bias), math.log(share / (1 - share)))
        self.done, self.halvings = 0, 0
        # When SSIM takes over, and when the squared error does again.
        self.turns = (int(settings.squared * settings.steps), int(settings.cleaned * settings.steps))
        self.block, self.counted, self.best, self.waited = 0.0, 0, math.inf, 0
        self.picture: Tensor | None = None
        self.residual = float("nan")

    def step(self) -> bool:
        """One step of both networks; whether the fit has ended."""
        self.optimizer.zero_grad(set_to_none=True)
        picture, kernel = self._forward()
        again = psf.blur(picture, kernel, "valid")
        # What is missing is whatever the fit makes of it: it adds no error.
        seen = self.seen if self.missing is None else self.seen.where(~self.missing, again.detach())
        known = 1.0 if self.missing is None else float((~self.missing).float().mean())
        squared = (again - seen).square().mean() / known
        by_square = self._by_square()
        misfit = squared if by_square else 1 - similarity_maps(again, seen)[0].mean()
        unit = self.variance if by_square else SIMILARITY_UNIT
        loss = misfit + unit * self._regular(picture, kernel, cleaning=self.done >= self.turns[1])
        if not bool(torch.isfinite(loss)):
            raise InputError(
                expected="a fit that converges", got=f"a loss of {float(loss)}", fix="lower rate and kernel_rate"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.done += 1
        self._remember(picture.detach(), float(squared.detach()))
        return self._schedule(float(misfit.detach()))

    def result(self) -> tuple[Tensor, Tensor]:
        """The picture (C, H, W), in register with the one given, and the kernel, its centroid in the middle."""
        kernel = self.kernel()
        with torch.no_grad():
            picture = self._forward()[0][0] if self.picture is None else self.picture
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
        return self.reach * self.net.picture(features.float()), self._kernel()

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
        if self.given is not None:
            return found
        if s.symmetry:
            found = found + s.symmetry * asymmetry(kernel)
        if s.smoothness:
            rough = sum(kernel.diff(dim=d).square().sum() for d in (-1, -2))
            found = found + s.smoothness * rough / kernel.square().sum()
        if s.size and self.size is not None:
            found = found + s.size * (sigma_of(kernel)[0].float().log() - math.log(self.size)).square()
        return found

    def _remember(self, picture: Tensor, squared: float) -> None:
        share = 1 / min(self.done, MEMORY)
        self.picture = picture[0] if self.picture is None else self.picture.lerp(picture[0], share)
        last = math.sqrt(squared)
        self.residual = last if math.isnan(self.residual) else self.residual + share * (last - self.residual)

    def _schedule(self, misfit: float) -> bool:
        """Halve the rates where it is time to; whether the fit has ended."""
        s = self.settings
        stuck = False
        if self.done in self.turns:
            self.best, self.waited, self.block, self.counted = math.inf, 0, 0.0, 0  # another loss begins
        else:
            self.block, self.counted = self.block + misfit, self.counted + 1
        if self.counted == BLOCK:
            improved = self.block < (1 - IMPROVED) * self.best
            self.best, self.waited = min(self.best, self.block), 0 if improved else self.waited + BLOCK
            self.block, self.counted = 0.0, 0
            stuck = self.waited >= s.patience
        due = self.halvings < len(MILESTONES) and self.done >= MILESTONES[self.halvings] * s.steps
        if stuck and self.halvings == len(MILESTONES):
            return True
        if stuck or due:
            self.halvings, self.waited = self.halvings + 1, 0
            for group in self.optimizer.param_groups:
                group["lr"] /= 2
        return False


def chosen_precision(precision: str, device: torch.device) -> str:
    """'bfloat16' or 'float32'; for 'auto' what the processor computes with."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # Not public in torch; without it the answer is no.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bfloat16" if device.type == "cpu" and supported() else "float32"
