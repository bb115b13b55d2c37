"""Write docs/distortions.md and its picture strips from the table of distortions: `make docs` calls `write`."""

from __future__ import annotations

import io
import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
from PIL import Image as Pillow
from torch import Tensor

from kukkiri.optics.distort import GROUPS, LEVELS, Kind, distort, kinds

HERE = Path(__file__).parent
PAGE, STRIPS = HERE / "distortions.md", HERE / "distortions"
# What `distortion_calibration` writes.
CALIBRATION = HERE / "quality" / "calibration.json"
SIDE, GAP = 112, 3
# Of the files; all strips together stay under 1.5 MB.
QUALITY = 76

# Crops that show a group's kinds best: picture of scikit-image, top, left.
_EYE, _FACE, _CUP = ("chelsea", 85, 110), ("astronaut", 20, 165), ("coffee", 150, 175)
CROPS = {
    "blur": _EYE,
    "noise": _FACE,
    "compression": _FACE,
    "exposure": _CUP,
    "contrast": _CUP,
    "colour": _CUP,
    "haze": _FACE,
    None: _EYE,
}
OWN = {"banding": _CUP, "chromatic-aberration": _FACE, "ghosting": _FACE, "low-light": _FACE, "ringing": _FACE}
HEADINGS = {
    "blur": "Blur",
    "noise": "Noise",
    "compression": "Compression",
    "exposure": "Exposure",
    "contrast": "Contrast",
    "colour": "Colour",
    "haze": "Haze",
    "none": "None of these",
}


def page() -> str:
    """The whole page."""
    every = kinds()
    found: dict[str, Any] = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    parts = [
        "# Distortions",
        "",
        f"{len(every)} kinds of damage, each with five strengths. Written by `make docs` from the table of kinds and",
        "from `levels.toml`, which holds the numbers. The strips show a part of a picture as it is, and at the levels",
        "1 to 5; look at them at full size.",
        "",
        "```python",
        "from kukkiri.optics.distort import distort, parameters",
        "",
        'worse = distort(pictures, "jpeg", 3)  # (N, C, H, W) in [0, 1]; levels from 0 to 5, fractions too',
        'parameters("jpeg", 3)  # what that level means',
        "```",
        "",
        "`kukkiri degrade PHOTOS --kind jpeg,white-noise --level 1,3,5 --out FOLDER` writes copies with a table of",
        "labels (image, reference, kind, group, level, seed, parameters); `--kind all` makes every kind, `--mixture 2`",
        "draws mixtures of kinds of two groups.",
        "Run again, it goes on; columns added to the table, opinions say, stay.",
        "",
        "`kukkiri degrade PHOTOS --kind sensor-noise --sensor FILE` takes the noise of your own sensor: FILE is what",
        "`kukkiri calibrate PICTURES --out FILE` wrote of pictures without compression or denoising that have flat",
        "places, dark and bright ones. It is added to the values as they are. *Amplification* counts from a full",
        "exposure of that sensor: one level is noisier where its full well is smaller (full well and read noise, in",
        "electrons, are among the parameters of the labels). From exposures of your own, `sensor_from_pairs` and",
        "`sensor_from_flats` of `kukkiri.optics.sensor` find a sensor, and `sensor_kind` of",
        "`kukkiri.optics.distort.lowlight` makes the kind for `distort`.",
        "",
        "Level 0 is the picture itself. Between two levels a parameter runs geometrically (linearly where that is",
        "said), from 0 to 1 from where it would change nothing. *Random*: another seed gives another picture, the same",
        "seed the same one on every device. *8 bits*: what a codec leaves has 8 bits. *RGB*: not for grey pictures.",
        "",
        *_calibrated(found),
    ]
    for group in (*GROUPS, "none"):
        of_group = kinds(group)
        if not of_group:
            continue
        parts += ["", f"## {HEADINGS[group]}", ""]
        if group == "none":
            parts += ["A person would not call these by any of the seven names.", ""]
        parts += ["| kind | what it is | parameter | 1 | 2 | 3 | 4 | 5 | |", "|---|---|---|---|---|---|---|---|---|"]
        parts += [line for kind in of_group for line in _lines(kind, found["kinds"][kind.name]["badness"])]
        for kind in of_group:
            parts += ["", f"`{kind.name}`  ", f"![{kind.name} at the levels 0 to 5](distortions/{kind.name}.jpg)"]
    return "\n".join(parts) + "\n"


def _calibrated(found: dict[str, Any]) -> list[str]:
    """What *badness* is, and which kinds are not as bad as the others."""
    targets, pictures, side = (found[name] for name in ("targets", "pictures", "side"))
    highest = {name: kind["badness"][-1] for name, kind in found["kinds"].items()}
    mild = sorted((name for name in highest if highest[name] < targets[-1] - 10), key=highest.__getitem__)
    lowest = {name: kind["badness"][0] for name, kind in found["kinds"].items()}
    at_once = sorted((name for name in lowest if lowest[name] > targets[0] + 10), key=lowest.__getitem__)
    sudden = (
        "These begin with more than 10 above the first, for they are so bad at any strength (a picture that is made "
        f"small and large again is softer at any factor): {', '.join(f'`{n}` ({lowest[n]:.0f})' for n in at_once)}. "
    )
    said = (
        f"*Badness* is what full-reference metrics say of a level ({', '.join(found['teachers'])}; each on a scale of "
        f"0 to 100 by its ranks over all kinds; the mean of them over {pictures} pictures of {side}×{side} px, "
        "interpolated between the strengths that were measured). The strengths are chosen so that it is "
        f"{', '.join(f'{t:g}' for t in targets)} at the levels 1 to 5, unless a kind cannot be so bad: no strength "
        "goes beyond what is still that kind of damage. These stay more than 10 below at level 5: "
        f"{', '.join(f'`{name}` ({highest[name]:.0f})' for name in mild)}. {sudden if at_once else ''}"
        "The [figures](quality/calibration.json), with their spread over the pictures, are those of "
        "`kukkiri.training.distortion_calibration`."
    )
    return textwrap.wrap(said, 120, break_long_words=False, break_on_hyphens=False)


def _lines(kind: Kind, badness: list[float]) -> list[str]:
    flags = {"random": kind.random, "8 bits": kind.eight_bit, "RGB": kind.needs_colour}
    lines = []
    for i, p in enumerate(kind.ladder.parameters):
        meaning = f"{p.name}{f' ({p.unit})' if p.unit else ''}: {p.meaning}{', linear' if p.scale == 'linear' else ''}"
        values = " | ".join(f"{value:g}" for value in p.values)
        first = (f"`{kind.name}`", kind.title, ", ".join(f for f, there in flags.items() if there))
        name, title, said = first if i == 0 else ("", "", "")
        lines.append(f"| {name} | {title} | {meaning} | {values} | {said} |")
    return [*lines, f"| | | *badness* | {' | '.join(f'*{value:.0f}*' for value in badness)} | |"]


def strip(kind: Kind) -> bytes:
    """The picture and its five levels, side by side: a JPEG file."""
    name, top, left = OWN.get(kind.name) or CROPS[kind.group]
    whole = _picture(name)
    # Cut after, so that the strip shows what happens in the middle of a picture; of one that is not too large.
    around = whole[:, :, max(0, top - 64) : top + SIDE + 64, max(0, left - 64) : left + SIDE + 64]
    y, x = min(64, top), min(64, left)
    levels = [0, *LEVELS]
    # Every level on its own, with one seed: the damage grows, and stays where it is.
    shown = [distort(around, kind, level, seed=1)[0, :, y : y + SIDE, x : x + SIDE] for level in levels]
    white = torch.ones(3, SIDE, GAP)
    row = torch.cat([part for picture in shown for part in (picture, white)][:-1], 2)
    file = io.BytesIO()
    pixels = (row.movedim(0, -1).numpy() * 255).round().astype(np.uint8)
    Pillow.fromarray(pixels).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def write() -> None:
    """Write the page and all strips; strips of kinds that are no more go."""
    STRIPS.mkdir(exist_ok=True)
    for kind in kinds():
        (STRIPS / f"{kind.name}.jpg").write_bytes(strip(kind))
    for old in STRIPS.glob("*.jpg"):
        if old.stem not in {kind.name for kind in kinds()}:
            old.unlink()
    PAGE.write_text(page(), encoding="utf-8")


def _picture(name: str) -> Tensor:
    return torch.from_numpy(getattr(skimage.data, name)().copy()).movedim(-1, 0)[None].float() / 255


if __name__ == "__main__":
    write()
