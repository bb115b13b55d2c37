"""Just noticeable defocus: how many atoms of a dictionary a patch needs (Shi, Xu, Jia, CVPR 2015).

Small blur hardly moves an edge's width, but a slightly blurred patch is made of fewer atoms of a dictionary that was
learned on slightly blurred patches. That number falls with sigma as a logistic, which is inverted.

The error that a patch may be left with is in grey levels, as published. So noise above two levels is coded as detail,
and a picture of low contrast has none: good on clean, well exposed photographs and on no other day.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import InputError
from kukkiri.images.colour import luma
from kukkiri.images.domain_transform import domain_transform
from kukkiri.images.filtering import correlate, gaussian_blur
from kukkiri.images.image import ImageLike
from kukkiri.metrics.base import LocalMetric, weighted_sums
from kukkiri.sharpness.edge_blur import BlurMaps
from kukkiri.weights import check_layout, load_tensors

PATCH = 8
ATOMS = 128
# Norm that the residual of a patch may keep, grey levels of 255: noise of 2 levels, times the authors' gain of 1.15.
TOLERANCE = math.sqrt(PATCH * PATCH) * 2 * 1.15
MOST_ATOMS = 64
# A patch of so many atoms or fewer is flat, and says nothing.
FLAT_ATOMS = 3
# Patches that are coded at once: their bases then fit a cache.
CHUNK = 512
# An atom of which no more than this stands out of those chosen before it adds nothing but rounding.
LEAST_LEFT = 1e-3
# Sigma that the curve was fitted on, px.
LARGEST = 3.0


def count_atoms(patches: Tensor, atoms: Tensor, tolerance: float = TOLERANCE, most: int = MOST_ATOMS) -> Tensor:
    """Number of atoms that orthogonal matching pursuit needs for each patch.

    Parameters
    ----------
    patches : Tensor, (P, D)
        Without their means.
    atoms : Tensor, (K, D), of norm 1
    tolerance : float
        Norm of the residual at which the pursuit ends.
    most : int
        It also ends with so many atoms.

    Returns
    -------
    Tensor of int64, (P,)
        Source: Pati, Rezaiifar, Krishnaprasad, Asilomar 1993, doi:10.1109/ACSSC.1993.342465.
    """
    return torch.cat([_pursuit(part, atoms, tolerance, most)[0] for part in torch.split(patches, CHUNK)])


def chosen_atoms(patches: Tensor, atoms: Tensor, tolerance: float = TOLERANCE, most: int = MOST_ATOMS) -> Tensor:
    """The atoms themselves, as `count_atoms` takes them.

    Returns
    -------
    Tensor of int64, (P, most)
        Their numbers in the order of the pursuit; −1 where it had ended.
    """
    return torch.cat([_pursuit(part, atoms, tolerance, most)[1] for part in torch.split(patches, CHUNK)])


def _pursuit(patches: Tensor, atoms: Tensor, tolerance: float, most: int) -> tuple[Tensor, Tensor]:
    count = torch.zeros(len(patches), dtype=torch.int64, device=patches.device)
    chosen = torch.full((len(patches), most), -1, dtype=torch.int64, device=patches.device)
    energy = patches.square().sum(1)
    live = torch.nonzero(energy > tolerance**2)[:, 0]
    # A residual is needed only by its norm and its products with the atoms. Those follow from the products of the atoms
    # with each other and with the chosen ones, made orthogonal one after the other: no patch is looked at again.
    gram = atoms @ atoms.T
    energy, products = energy[live], patches[live] @ atoms.T
    basis = patches.new_zeros(len(live), most, len(atoms))
    going, row = torch.ones_like(live, dtype=torch.bool), torch.arange(len(live), device=patches.device)
    for step in range(most):
        if not bool(going.any()):
            break
        best = products.abs().argmax(1)
        spanned = basis[:, :step]
        along = spanned[row, :, best]
        length = (1 - along.square().sum(1)).clamp_min(LEAST_LEFT**2).sqrt()
        new = (gram[best] - (along[:, None] @ spanned)[:, 0]) / length[:, None]
        amount = products[row, best] / length
        products = products - amount[:, None] * new
        energy = energy - amount.square()
        basis[:, step] = new
        count[live[going]] += 1
        chosen[live[going], step] = best[going]
        going &= (energy > tolerance**2) & (length > LEAST_LEFT)
        # Patches that have ended are carried on until they are many: moving the others takes longer.
        if 4 * int(going.sum()) < 3 * len(going):
            live, products, energy, kept = live[going], products[going], energy[going], basis[going, : step + 1]
            basis, row = basis[: len(live)], row[: len(live)]
            basis[:, : step + 1] = kept
            going = going[going]
    return count, chosen


@torch.no_grad()
def atom_map(grey: Tensor, atoms: Tensor, step: int = 1) -> Tensor:
    """Atoms of the patch around each pixel.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W), values in [0, 255]
    atoms : Tensor, (K, 64), of norm 1
    step : int
        Only every so many-th row and column.

    Returns
    -------
    Tensor, (N, 1, ⌈H/step⌉, ⌈W/step⌉), of the type of `grey`
        Patches span 3 pixels before and 4 after their pixel. −1 where a patch reaches beyond the picture.
    """
    before, after = PATCH // 2 - 1, PATCH // 2
    # No picture is below 0: a patch with such a value reaches beyond it.
    padded = F.pad(grey, (before, after, before, after), value=-1.0)
    patches = padded.unfold(2, PATCH, step).unfold(3, PATCH, step)[:, 0].flatten(3)
    n, rows, columns, _ = patches.shape
    patches = patches.reshape(-1, PATCH * PATCH)
    inside = patches.amin(1) >= 0
    counts = patches.new_full((len(patches),), -1.0)
    whole = patches[inside]
    counts[inside] = count_atoms(whole - whole.mean(1, keepdim=True), atoms.to(whole)).to(counts)
    return counts.reshape(n, 1, rows, columns)


class DefocusDictionary(nn.Module):
    """The learned part: a dictionary, and the curve from atoms to sigma.

    Parameters
    ----------
    count : int
        Atoms.
    """

    curve: Tensor

    def __init__(self, count: int = ATOMS) -> None:
        super().__init__()
        self.atoms = nn.Parameter(torch.zeros(count, PATCH * PATCH))
        # a, b, c, d of atoms = a / (1 + exp(b·(sigma − c))) + d.
        self.register_buffer("curve", torch.tensor([1.0, 1.0, 1.0, 0.0]))

    def unit_atoms(self) -> Tensor:
        """The atoms, (K, 64), of norm 1 and mean 0."""
        centred = self.atoms - self.atoms.mean(1, keepdim=True)
        unit: Tensor = centred / torch.linalg.vector_norm(centred, dim=1, keepdim=True).clamp_min(1e-6)
        return unit

    def atoms_of(self, sigma: Tensor) -> Tensor:
        """Mean number of atoms of a patch that is not flat, at a blur of `sigma` pixels."""
        a, b, c, d = self.curve.to(sigma)
        count: Tensor = a * torch.sigmoid(-b * (sigma - c)) + d
        return count

    def sigma_of(self, count: Tensor) -> Tensor:
        """Blur in pixels from a number of atoms: 0 to 3, NaN for NaN."""
        a, b, c, d = self.curve.to(count)
        share = ((count - d) / a).clamp(1e-6, 1 - 1e-6)
        sigma: Tensor = (c - torch.logit(share) / b).clamp(0, LARGEST)
        return sigma


def load_dictionary(weights: str | Path) -> DefocusDictionary:
    """A learned dictionary with its curve, float32.

    Parameters
    ----------
    weights : str or Path
        Key in the catalogue, or path of a file; half precision is widened.

    Raises
    ------
    WeightError
        If the file cannot be had or does not fit.
    """
    state = load_tensors(weights)
    model = DefocusDictionary(len(state["atoms"]) if "atoms" in state else ATOMS)
    check_layout(state, {name: tuple(v.shape) for name, v in model.state_dict().items()}, "a dictionary of defocus")
    model.load_state_dict({name: value.float() for name, value in state.items()})
    return model.eval().requires_grad_(False)


class JustNoticeableDefocus(LocalMetric):
    """`just-noticeable-defocus`: sigma in pixels, 0 to 3, from the atoms that a patch needs; NaN where all is flat.

    The curve is applied to the mean number of atoms over all patches of more than 3. `blur_maps` gives sigma at these
    and, spread along the picture's edges, everywhere. Dictionary and curve are learned by the recipe
    `just-noticeable-defocus`, since the authors' constants are not published.

    On 12 clean photographs that it has not seen sigma is off by 0.12 to 0.25 px in the median, from 0.5 to 2 px; with
    noise of 4 % it is always 0, and at 0.3 times the gain 0.6 px and more too large (docs/training.md).

    Parameters
    ----------
    step : int
        The value looks at every so many-th patch along rows and columns: time falls as its square. From all to every
        fourth it moves by 0.005 px in the median, more where few patches are not flat. The maps look at all.
    weights : str or Path, optional
        Key in the catalogue, or path of a file; default: our own.
    """

    name = "just-noticeable-defocus"

    def __init__(self, *, step: int = 4, weights: str | Path | None = None) -> None:
        super().__init__()
        if step < 1:
            raise InputError(expected="a step of at least 1", got=str(step), fix="leave it at 4")
        self.step = step
        self.dictionary = load_dictionary(weights or self.spec.weights[0])

    def reach(self, height: int, width: int) -> int:
        return PATCH // 2

    def grid(self, height: int, width: int) -> int:
        return self.step

    def statistics(
        self,
        image: Tensor,
        reference: Tensor | None,
        weights: Tensor,
        totals: tuple[Tensor, ...],
        size: tuple[int, int],
    ) -> Tensor:
        counts = atom_map(luma(image) * 255, self.dictionary.unit_atoms(), self.step)
        counted = weights[..., :: self.step, :: self.step] * (counts > FLAT_ATOMS)
        return weighted_sums(counted, counts)

    def value(self, totals: tuple[Tensor, ...]) -> Tensor:
        patches, atoms = totals[0].unbind(1)
        return self.dictionary.sigma_of(atoms / patches)

    @torch.no_grad()
    def blur_maps(self, image: ImageLike) -> BlurMaps:
        """Sigma of every patch that is not flat, and spread from them over the picture along its edges.

        What is spread, as in the authors' release, is the number of atoms, by a recursive domain transform (σ 15 px and
        0.15, three rounds) with the smoothed picture as its guide; the curve is applied after it.

        Parameters
        ----------
        image : image-like, or Tensor (N, C, H, W), values in [0, 1]

        Returns
        -------
        BlurMaps
            `sparse` at the pixels whose patch (3 before, 4 after) is not flat; a single patch is a rough guess. `full`
            is NaN all over where a picture is flat.
        """
        x, _ = self.check(image, None)
        grey = luma(x)
        counts = atom_map(grey * 255, self.dictionary.unit_atoms())[:, 0]
        sparse = self.dictionary.sigma_of(torch.where(counts > FLAT_ATOMS, counts, torch.nan))
        guides = gaussian_blur(grey, 1.0, 2)[:, 0]
        return BlurMaps(sparse, torch.stack([self._spread(*each) for each in zip(counts, guides, strict=True)]))

    def _spread(self, counts: Tensor, guide: Tensor) -> Tensor:
        textured = (counts > FLAT_ATOMS).to(counts)
        # Eroded by a disc of radius 2: a lone patch among flat ones is more often noise than detail.
        offsets = torch.arange(-2, 3)
        disc = (offsets[:, None].square() + offsets.square() <= 4).to(textured)
        kept = (correlate(textured[None, None], disc)[0, 0] > disc.sum() - 0.5).to(textured)
        valid = kept if bool(kept.any()) else textured
        known = counts * valid
        # Double: beyond a strong edge only a tiny share of what is known arrives, but all of one kind.
        total, share = (domain_transform(v, guide.double(), 15.0, 0.15, 3) for v in (known.double(), valid.double()))
        spread = torch.where(share > 0, total / share, known.sum() / valid.sum())
        return self.dictionary.sigma_of(spread.to(counts))
