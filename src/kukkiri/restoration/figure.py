"""A picture before and after, and the kernel between them if there is one."""

from __future__ import annotations

import textwrap
from pathlib import Path

from kukkiri.images.image import Image
from kukkiri.replacing import replacing
from kukkiri.restoration.restoration import Restoration

# Pixels of the figure for one of the picture; the most and the least of its longer side.
ENLARGED, MOST, LEAST = 2, 1200, 300


def restoration_figure(before: Image, restored: Restoration, out: Path) -> None:
    """Write the figure, .png.

    Parameters
    ----------
    before : Image
    restored : Restoration
    out : Path
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    after, kernel = restored.image, restored.kernel
    side = max(before.width, before.height)
    scale = min(max(ENLARGED, LEAST / side), MOST / side)
    width, height = before.width * scale / 100, before.height * scale / 100
    with mpl.rc_context({"font.size": 9, "text.color": "#1f2933", "axes.titlelocation": "left", "axes.titlesize": 9.5}):
        widths = (width, width) if kernel is None else (width, width, min(width, 3))
        figure = Figure(figsize=(sum(widths) + 0.6, height + 0.6), layout="constrained")
        axes = figure.subplots(1, len(widths), width_ratios=widths)
        # Dark pictures would be black: both are shown alike, up to what the brighter one reaches.
        top = max(float(image.pixels.max()) for image in (before, after)) or 1.0
        top = 1.0 if top > 0.5 else top
        how = "nearest" if scale >= 1 else "antialiased"
        for place, image, title in ((axes[0], before, "before"), (axes[1], after, "after")):
            place.imshow(
                (image.numpy() / top).clip(0, 1),
                cmap="gray",
                vmin=0,
                vmax=1,
                interpolation=how,
            )
            place.set_title(title)
        if kernel is not None:
            axes[2].imshow(kernel.numpy(), cmap="gray", interpolation="nearest")
            sigma = restored.report.get("kernel_sigma")
            axes[2].set_title("kernel")
            size = f"{kernel.shape[1]}×{kernel.shape[0]} px" + ("" if sigma is None else f", sigma {sigma:.2f} px")
            axes[2].text(0.5, -0.04, size, transform=axes[2].transAxes, ha="center", va="top")
        for place in axes:
            place.set_axis_off()
        if restored.report.get("warnings"):
            text = "\n".join(textwrap.wrap("; ".join(restored.report["warnings"]), int(24 * width) + 20))
            figure.supxlabel(text, x=0.01, ha="left", fontsize=8.5, color="#c8553d")
        with replacing(out) as temporary:
            figure.savefig(temporary, format="png", dpi=100)
