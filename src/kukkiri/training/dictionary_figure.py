"""The figure of a dictionary of defocus: its atoms, and its curve against photographs of known blur."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from kukkiri.sharpness.figures import ACCENT, INK, LINE, MUTED, STYLE, WARM, check_figure_path, write_figure
from kukkiri.sharpness.just_noticeable_defocus import LARGEST, PATCH, DefocusDictionary

ATOM_TICKS = (4, 6, 10, 20, 40)


def mosaic(atoms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Atoms side by side, the smoothest first, each stretched to −1 … 1, one pixel of NaN between.

    Parameters
    ----------
    atoms : array, (K, 64)

    Returns
    -------
    array, (9·rows − 1, 9·columns − 1)
        About twice as wide as high.
    """
    tiles = atoms.reshape(-1, PATCH, PATCH)
    roughness = sum(np.square(np.diff(tiles, axis=axis)).sum((1, 2)) for axis in (1, 2))
    tiles = tiles[np.argsort(roughness / np.square(tiles).sum((1, 2)))]
    rows = max(1, int(np.sqrt(len(tiles) / 2)))
    columns = -(-len(tiles) // rows)
    sheet = np.full(((PATCH + 1) * rows - 1, (PATCH + 1) * columns - 1), np.nan)
    for at, tile in enumerate(tiles):
        top, left = (PATCH + 1) * (at // columns), (PATCH + 1) * (at % columns)
        sheet[top : top + PATCH, left : left + PATCH] = tile / np.abs(tile).max()
    return sheet


def dictionary_figure(
    model: DefocusDictionary, sigmas: NDArray[np.float64], counts: NDArray[np.float64], out: Path
) -> None:
    """Write the figure.

    Parameters
    ----------
    model : DefocusDictionary
    sigmas : array, (S,)
        True blur, pixels.
    counts : array, (M, S)
        Mean number of atoms of each photograph at each of them; NaN where all of it is flat.
    out : Path
        .png, .svg or .pdf.

    Raises
    ------
    InputError
        If the suffix is none of these.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    check_figure_path(out)
    with mpl.rc_context(STYLE), torch.no_grad():
        figure = Figure(figsize=(11, 3.3), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(2.2, 1.1, 1.1))
        sheet = mosaic(model.unit_atoms().double().numpy())
        left.imshow(sheet, cmap=mpl.colormaps["gray"].with_extremes(bad="white"), vmin=-1, vmax=1)
        left.set(title=f"{len(model.atoms)} atoms of {PATCH}×{PATCH} px, the smoothest first", xticks=[], yticks=[])
        left.spines[:].set_visible(False)

        fine = torch.linspace(0, LARGEST, 121)
        each = middle.plot(sigmas, counts.T, color=LINE, linewidth=0.8)
        each[0].set_label("each photograph")
        middle.plot(sigmas, np.nanmean(counts, 0), "o", color=ACCENT, markersize=4, label="their mean")
        middle.plot(fine, model.atoms_of(fine), color=WARM, label="the fitted curve")
        # Logarithmic: between 1.5 and 3 px the number changes by one atom.
        middle.set(title="Atoms of a patch", xlabel="true sigma, px", ylabel="mean number of atoms", yscale="log")
        middle.set_yticks(ATOM_TICKS, [f"{tick}" for tick in ATOM_TICKS])
        middle.minorticks_off()
        middle.legend(frameon=False, labelcolor=INK)

        found = model.sigma_of(torch.from_numpy(counts)).numpy()
        low, centre, high = np.nanquantile(found, (0.1, 0.5, 0.9), axis=0)
        right.fill_between(sigmas, low, high, color=ACCENT, alpha=0.2, linewidth=0, label="8 of 10 photographs")
        right.plot((0, LARGEST), (0, LARGEST), "--", color=MUTED, linewidth=0.8, label="the truth")
        right.plot(sigmas, centre, "o-", color=ACCENT, markersize=4, label="median")
        right.set(title="Sigma read off the curve", xlabel="true sigma, px", ylabel="found sigma, px")
        right.legend(frameon=False, labelcolor=INK, loc="lower right")
        for axes in (middle, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(color=MUTED)
        write_figure(figure, out)
