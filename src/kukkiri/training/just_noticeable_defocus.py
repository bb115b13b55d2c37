"""Recipe of `just-noticeable-defocus`: a dictionary of slightly blurred patches, and the curve from atoms to sigma.

Data: photographs area-reduced by 2, so that their own blur is small, in luma on 0 to 255. Every tenth is held out, and
validates. The dictionary sees 8×8 patches under Gaussian blur of sigma 0 to 2 px, without their means, and only those
that are not flat. The curve is fitted on whole photographs of the training part under sigma 0.25, 0.5, … 2.5 px.
Model: 128 atoms of norm 1, and the four numbers of a logistic.
Loss: squared error of the patches from their codes, orthogonal matching pursuit with at most 16 atoms that ends at the
published error; codes fixed, atoms moved (online dictionary learning: Mairal, Bach, Ponce, Sapiro, ICML 2009; here by
Adam in place of their surrogate).
Run: `kukkiri train just-noticeable-defocus --data FOLDER --steps 2000 --precision no --out RUN`, seed 0, on BSDS500's
train and test sets, in 2.5 minutes on one core. A figure of atoms and fit:
`python -m kukkiri.training.just_noticeable_defocus RUN/best.safetensors FIGURE.png --data FOLDER`.
Reached on the 40 held out: median error 0.18, 0.08, 0.08, 0.11, 0.20 px at sigma 0.5, 0.75, 1, 1.5, 2 px.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kukkiri.errors import InputError, KukkiriError
from kukkiri.images.colour import luma
from kukkiri.optics import psf
from kukkiri.sharpness.just_noticeable_defocus import (
    ATOMS,
    FLAT_ATOMS,
    LARGEST,
    PATCH,
    TOLERANCE,
    DefocusDictionary,
    atom_map,
    chosen_atoms,
    load_dictionary,
)
from kukkiri.training.photographs import picture_files, reduced, split
from kukkiri.training.recipe import Recipe, generator

# What the dictionary is learned from: "small blur" is up to here, px.
LEARNED_UP_TO = 2.0
# Sigmas that the figure shows, those that the curve is fitted on, and those that it is judged by, px. Without any blur
# a photograph's own counts, and beyond 2.5 px few of its patches are left.
SHOWN = tuple(i / 4 for i in range(int(4 * LARGEST) + 1))
FITTED = SHOWN[1:11]
JUDGED = (0.5, 0.75, 1.0, 1.5, 2.0)
# Every so many-th patch of a photograph is coded for curve and validation, along rows and columns.
STEP = 4
# A code of more atoms is no sparse one: patches that need them teach by their first ones.
MOST_LEARNED = 16


class JustNoticeableDefocus(Recipe):
    """Learn the dictionary and the curve of `just-noticeable-defocus`.

    Parameters
    ----------
    data : sequence of Path
        Folders of sharp photographs; at least 20 pictures.
    atoms : int
        Of the dictionary.
    patches : int
        To learn from, drawn once.
    batch : int
        Patches a step.
    rate : float
        Peak learning rate.
    fitted : int
        Photographs that the curve is fitted on, spread over those trained on.
    """

    name = "just-noticeable-defocus"
    title = "Dictionary of slightly blurred patches, and the curve from atoms to sigma"
    weight_decay = 0.0
    gradient_norm = None
    ema_decay = None

    def __init__(
        self,
        data: Sequence[Path] = (),
        *,
        atoms: int = ATOMS,
        patches: int = 60000,
        batch: int = 1024,
        rate: float = 5e-3,
        fitted: int = 40,
    ) -> None:
        for what, value in (("atoms", atoms), ("patches", patches), ("batch", batch), ("fitted", fitted)):
            if value < 1:
                raise InputError(expected=f"{what} of at least 1", got=str(value), fix=f"pass a larger {what}")
        self.learning_rate = rate
        self.atoms, self.patches, self.batch, self.fitted = atoms, patches, batch, fitted
        self.files = picture_files(data)
        self._pool: Tensor | None = None

    def model(self) -> nn.Module:
        """A dictionary of patches, drawn at random."""
        model = DefocusDictionary(self.atoms)
        pool = self.pool()
        drawn = torch.randperm(len(pool), generator=generator(0, 0))[: self.atoms]
        if len(drawn) < self.atoms:
            raise InputError(
                expected=f"at least {self.atoms} patches that are not flat",
                got=str(len(drawn)),
                fix="give more pictures",
            )
        with torch.no_grad():
            # Of norm 1, as they are used: Adam's steps then mean the same for all.
            model.atoms.copy_(pool[drawn] / torch.linalg.vector_norm(pool[drawn], dim=1, keepdim=True))
        return model

    def pool(self) -> Tensor:
        """Patches to learn from, (P, 64), grey levels without their means; made on first use."""
        if self._pool is None:
            files = split(self.files).training
            each = -(-self.patches // len(files))
            self._pool = torch.cat([slightly_blurred(file, at, each) for at, file in enumerate(files)])
        return self._pool

    def batches(self, seed: int, step: int) -> Iterator[Tensor]:
        """Endless batches of patches, each fixed by (seed, step)."""
        pool = self.pool()
        while True:
            yield pool[torch.randint(len(pool), (self.batch,), generator=generator(seed, step))]
            step += 1

    def loss(self, model: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Squared error of the codes a pixel, in units of the published tolerance."""
        atoms: Tensor = model.unit_atoms()  # type: ignore[operator]
        codes, used = codes_of(batch, atoms.detach())
        error = (batch - codes @ atoms).square().sum(1).mean() / TOLERANCE**2
        return error, {"atoms": used.float().mean()}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Fit the curve, which belongs to the dictionary, and judge it on held-out photographs.

        'score' is the mean error of sigma in pixels, at 0.5 to 2 px.
        """
        if not isinstance(model, DefocusDictionary):
            raise InputError(expected="a DefocusDictionary", got=type(model).__name__, fix="pass what model() made")
        trained = split(self.files).training
        trained = trained[:: max(1, len(trained) // self.fitted)]
        counts = np.array([[mean_atoms(model, file, sigma) for sigma in FITTED] for file in trained])
        model.curve.copy_(torch.tensor(fitted_curve(np.array(FITTED), np.nanmean(counts, 0))))
        found = np.array(
            [
                [float(model.sigma_of(torch.tensor(mean_atoms(model, file, sigma)))) for sigma in JUDGED]
                for file in split(self.files).held_out
            ]
        )
        errors = np.abs(found - np.array(JUDGED))
        figures = {f"error_at_{sigma:g}": float(np.nanmedian(errors[:, i])) for i, sigma in enumerate(JUDGED)}
        return {"score": float(np.nanmean(errors)), "silent": float(np.isnan(found).mean())} | figures


def slightly_blurred(file: Path, number: int, count: int) -> Tensor:
    """Patches of one photograph under a random small blur, without their means; those that are flat are left out.

    Parameters
    ----------
    file : Path
    number : int
        Of the photograph: decides what is drawn for it.
    count : int
        Patches, at most.

    Returns
    -------
    Tensor, (P, 64)
    """
    random = np.random.default_rng((0, number))
    grey = grey_of(file, float(random.uniform(0, LEARNED_UP_TO)))[0, 0]
    windows = grey.unfold(0, PATCH, 1).unfold(1, PATCH, 1)
    rows, columns = windows.shape[:2]
    # Most patches of most photographs are flat: draw more, and keep what is not.
    places = torch.from_numpy(random.integers(rows * columns, size=4 * count))
    patches = windows[places // columns, places % columns].flatten(1)
    patches = patches - patches.mean(1, keepdim=True)
    return patches[torch.linalg.vector_norm(patches, dim=1) > TOLERANCE][:count]


def grey_of(file: Path, sigma: float) -> Tensor:
    """A photograph area-reduced by 2 and blurred by a Gaussian, luma (1, 1, H, W) on whole levels of 0 to 255."""
    sharp = torch.from_numpy(reduced(file)).movedim(2, 0)[None].float()
    seen = sharp if sigma == 0 else psf.blur(sharp, kernel_of(sigma))
    return luma(seen).round()


def kernel_of(sigma: float) -> Tensor:
    """A Gaussian whose sampled kernel has this sigma by its own moments, to 1e-4 px."""
    low, high = 0.2, sigma + 0.5
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if float(psf.sigma_of(psf.gaussian(middle))) < sigma else (low, middle)
    return psf.gaussian(high)


def codes_of(patches: Tensor, atoms: Tensor) -> tuple[Tensor, Tensor]:
    """Codes of patches by orthogonal matching pursuit, least squares on the chosen atoms.

    Returns
    -------
    (Tensor (P, K), Tensor (P,))
        Codes; how many atoms each uses.
    """
    chosen = chosen_atoms(patches, atoms, most=MOST_LEARNED)
    used = chosen >= 0
    support = atoms[chosen.clamp_min(0)] * used[..., None]
    # Ones on the diagonal where a code has ended keep its equations regular.
    gram = support @ support.mT + torch.diag_embed((~used).to(patches) + 1e-6)
    values = torch.linalg.solve(gram, support @ patches[..., None])[..., 0] * used
    codes = patches.new_zeros(len(patches), len(atoms))
    codes.scatter_add_(1, chosen.clamp_min(0), values)
    return codes, used.sum(1)


def mean_atoms(model: DefocusDictionary, file: Path, sigma: float) -> float:
    """Mean number of atoms of the patches of a blurred photograph that are not flat; NaN if all are."""
    counts = atom_map(grey_of(file, sigma), model.unit_atoms(), STEP)
    return float(counts[counts > FLAT_ATOMS].mean())


def fitted_curve(sigmas: NDArray[np.float64], counts: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The logistic a / (1 + exp(b·(sigma − c))) + d through mean numbers of atoms, by least squares.

    Squared is the misfit over the slope of the numbers, about the error of sigma. Misfits in atoms would be small only
    where there are many of them, under half a pixel.

    Parameters
    ----------
    sigmas, counts : array, (S,)
        Pixels, rising; atoms, falling.

    Returns
    -------
    a, b, c, d : float
    """
    from scipy.optimize import least_squares

    slope = np.abs(np.gradient(counts, sigmas))
    slope = np.maximum(slope, 1e-3 * slope.max())

    def misfit(p: NDArray[np.float64]) -> NDArray[np.float64]:
        falling = p[0] / (1 + np.exp(p[1] * (sigmas - p[2]))) + p[3]
        return np.asarray((falling - counts) / slope)

    start = [counts[0] - counts[-1], 2.0, 1.0, counts[-1]]
    # No patch needs more atoms than it has pixels. How high the curve begins, photographs do not tell.
    most = float(PATCH * PATCH)
    bounds = ([1e-3, 1e-2, -6.0, 0.0], [most, 20.0, 6.0, most])
    found = least_squares(misfit, np.clip(start, *bounds), bounds=bounds, x_scale="jac")
    a, b, c, d = (float(v) for v in found.x)
    return a, b, c, d


def draw(weights: Path, out: Path, data: Sequence[Path], *, photographs: int = 20) -> None:
    """Show a dictionary, and how its curve fits photographs.

    Parameters
    ----------
    weights : Path
        As the recipe exports them.
    out : Path
        Figure, .png, .svg or .pdf.
    data : sequence of Path
        Folders of the photographs to blur.
    photographs : int
        So many of them, spread over all.
    """
    from kukkiri.training.dictionary_figure import dictionary_figure

    model = load_dictionary(weights)
    files = picture_files(data)
    files = files[:: max(1, len(files) // photographs)][:photographs]
    counts = np.array([[mean_atoms(model, file, sigma) for sigma in SHOWN] for file in files])
    dictionary_figure(model, np.array(SHOWN), counts, out)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m kukkiri.training.just_noticeable_defocus WEIGHTS FIGURE --data FOLDER`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("figure", type=Path)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--photographs", type=int, default=20)
    given = parser.parse_args(arguments)
    try:
        draw(given.weights, given.figure, given.data, photographs=given.photographs)
    except KukkiriError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
