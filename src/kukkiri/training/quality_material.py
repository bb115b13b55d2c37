"""What `kukkiri-nr` learns from: sharp pictures, damaged in known ways, judged by teachers that see the original.

Of each picture: itself; ladders of three kinds of damage, five strengths each; mixtures of two kinds; and a few of
these seen again after something that does no harm. The teachers, slower than all else, do not judge all mixtures.
Features and judgements are computed once, picture by picture, and kept in a folder, so that a stopped run goes on:

    python -m kukkiri.training.quality_material --data photographs --out prepared [--part 1/2]

With `--part` several processes share the work; the recipe makes what is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kukkiri.errors import InputError, one_line
from kukkiri.evaluation.protocol import on_grid
from kukkiri.images.colour import luma
from kukkiri.images.reading import load, open_image
from kukkiri.images.resampling import imresize
from kukkiri.networks.efficientnet_lite import EfficientNetLite0, efficientnet_lite0
from kukkiri.optics.distort import GROUPS, KINDS, Kind, distort
from kukkiri.optics.distort.mixtures import in_order
from kukkiri.optics.jpeg import jpeg
from kukkiri.quality.no_reference.quality_features import FEATURES, quality_features
from kukkiri.replacing import replacing
from kukkiri.training import materials
from kukkiri.training.parts import part_of
from kukkiri.training.photographs import picture_files
from kukkiri.training.teachers import Teachers
from kukkiri.weights.catalogue import entry_of

# Kinds that no training sees, one or two of each group: what the figures on unseen kinds are of.
UNSEEN = (
    *("lens-blur", "downscale-bilinear", "correlated-noise", "multiplicative-noise", "webp", "banding"),
    *("gamma-darker", "faded", "colour-cast", "smoke", "pixelate", "ghosting"),
)
# What features and judgements come from, in the catalogue of weights.
NETWORKS = (
    *("efficientnet-lite0-imagenet", "vgg16-imagenet-features", "dists-alpha-beta"),
    *("alexnet-imagenet-features", "lpips-v0.1-alex-heads"),
)
SERIES, STEPS, AGAIN = 3, 5, 4
# Of two kinds each; only so many are judged by the teachers.
MIXTURES, JUDGED_MIXTURES = 9, 4
# The teachers judge a square of this side, px: the damage is the same all over, or nearly so.
JUDGED = 176
# Side of drawn pictures, and how many there are to a photograph.
DRAWN_SIDE, DRAWN_SHARE = 320, 0.2
# Photographs are reduced by up to this, so that not all are of one sharpness.
LARGEST_REDUCTION = 1.5
# Of a photograph that is seen again, a part of its sides from this to that.
PART_SEEN = (0.7, 1.0)
# So many lose their colours: microscopes and inspection cameras see none. Below this mean chroma a picture has none.
GREY_SHARE, LEAST_CHROMA = 0.15, 0.01


@dataclass(frozen=True)
class Samples:
    """All versions of one picture, M of them.

    Parameters
    ----------
    features : ndarray (M, FEATURES), float16
    distances : ndarray (M, 5), float32
        By each teacher; 0 for the picture itself, NaN for what they did not judge.
    groups : ndarray (M, 7), float32
        Level of the damage of each group, 0 to 5.
    series : ndarray (M,), int16
        Versions of one number are of one kind, their levels rising; -1: of none.
    level : ndarray (M,), float32
    again : ndarray (M,), int16
        Place of the version of which this is a harmless change; -1: of none.
    kind : ndarray (M,), str
        Names joined by '+'; '' for the picture itself.
    """

    features: NDArray[np.float16]
    distances: NDArray[np.float32]
    groups: NDArray[np.float32]
    series: NDArray[np.int16]
    level: NDArray[np.float32]
    again: NDArray[np.int16]
    kind: NDArray[np.str_]


def seen_kinds() -> tuple[Kind, ...]:
    """The kinds that training sees."""
    return tuple(kind for name, kind in KINDS.items() if name not in UNSEEN)


def kinds_for(picture: Tensor, kinds: Sequence[Kind]) -> list[Kind]:
    """Those that change something: a picture without colours has none that could be wrong."""
    if float((picture.amax(1) - picture.amin(1)).mean()) > LEAST_CHROMA:
        return list(kinds)
    return [kind for kind in kinds if not kind.needs_colour]


def photograph(file: Path, random: np.random.Generator, again: bool = False) -> Tensor:
    """A photograph (1, 3, H, W), sometimes reduced a little, sometimes without its colours.

    Seen again it is another part of it, perhaps mirrored.
    """
    pixels = load(file).pixels.expand(3, -1, -1)[None]
    if again:
        height, width = (max(JUDGED + 8, round(random.uniform(*PART_SEEN) * side)) for side in pixels.shape[-2:])
        top, left = (
            int(random.integers(max(1, a - b + 1))) for a, b in zip(pixels.shape[-2:], (height, width), strict=True)
        )
        pixels = pixels[..., top : top + height, left : left + width]
        pixels = pixels.flip(-1) if random.random() < 0.5 else pixels
    if random.random() < GREY_SHARE:
        pixels = luma(pixels).expand(-1, 3, -1, -1)
    scale = 1 / random.uniform(1, LARGEST_REDUCTION) if random.random() < 0.4 else 1.0
    if min(pixels.shape[-2:]) * scale < JUDGED + 8 or scale == 1:
        return pixels
    return imresize(pixels, scale).clamp(0, 1)


def drawing(random: np.random.Generator) -> Tensor:
    """A drawn picture (1, 3, S, S), grey or in the tints of a few colours."""
    kind = materials.KINDS[int(random.integers(len(materials.KINDS)))]
    grey = torch.from_numpy(materials.draw(kind, DRAWN_SIDE, random))
    if random.random() < 0.5:
        return grey.expand(1, 3, -1, -1).contiguous()
    # Black, two colours, white, by brightness: tissue, fluorescence, paint.
    colours = torch.from_numpy(np.sort(random.random((4, 3)), 0).astype(np.float32))
    place = grey * 3
    below = place.floor().clamp(0, 2).long()
    share = (place - below)[..., None]
    return (colours[below] * (1 - share) + colours[below + 1] * share).movedim(2, 0)[None].contiguous()


def usual_place(picture: Tensor, side: int = JUDGED) -> tuple[slice, slice]:
    """Of nine squares the one with neither the most nor the least to see: it stands for the whole picture.

    Judged on such a square, damage of photographs has nearly the order that it has on the whole of them; the most
    detailed square is worse at that, and so dear are the teachers that the whole would be a tenth of the pictures.
    """
    height, width = picture.shape[-2:]
    places = [
        (slice(top, top + side), slice(left, left + side))
        for top in sorted({round(a * (height - side) / 2) for a in range(3)})
        for left in sorted({round(b * (width - side) / 2) for b in range(3)})
    ]
    # The median over rows: one strong outline is no detail.
    detail = [float(picture[..., p[0], p[1]].diff(dim=-1).abs().mean((0, 1, 3)).median()) for p in places]
    return places[int(np.argsort(detail)[len(detail) // 2])]


def harmless(picture: Tensor, random: np.random.Generator) -> Tensor:
    """The picture after something that should not change what is said of it."""
    choice = int(random.integers(4))
    if choice == 0:
        return picture.flip(-1)
    if choice == 1:
        return picture[..., int(random.integers(1, 3)) :, int(random.integers(1, 3)) :]
    if choice == 2:
        return jpeg(picture, 95, "4:4:4")
    height, width = picture.shape[-2:]
    top, left = (int(random.integers(side // 10 + 1)) for side in (height, width))
    return picture[..., top : top + round(0.9 * height), left : left + round(0.9 * width)]


def versions(
    picture: Tensor, kinds: Sequence[Kind], random: np.random.Generator
) -> list[tuple[Tensor, dict[str, Any]]]:
    """Damaged versions with what is known of them; the first is the picture itself."""
    found: list[tuple[Tensor, dict[str, Any]]] = [(picture, {"kind": "", "levels": {}, "series": -1, "level": 0.0})]
    for number, at in enumerate(random.choice(len(kinds), SERIES, replace=False)):
        kind, seed = kinds[int(at)], int(random.integers(1 << 31))
        levels = np.arange(STEPS) + random.uniform(0.3, 1.0, STEPS)
        for level in levels:
            about = {"kind": kind.name, "levels": {kind.group: level}, "series": number, "level": float(level)}
            found.append((distort(picture, kind, float(level), seed), about))
    for _ in range(MIXTURES):
        pair = mixture(kinds, random)
        changed, levels_of = picture, {}
        for kind in pair:
            level = random.uniform(1, 4)
            changed = distort(changed, kind, float(level), int(random.integers(1 << 31)))
            levels_of[kind.group] = level
        name = "+".join(kind.name for kind in pair)
        found.append((changed, {"kind": name, "levels": levels_of, "series": -1, "level": 0.0}))
    return [(on_grid(x, 8), about) for x, about in found]


def mixture(kinds: Sequence[Kind], random: np.random.Generator) -> tuple[Kind, ...]:
    """Two kinds of different groups, in the order in which a picture meets them."""
    groups = [group for group in GROUPS if any(kind.group == group for kind in kinds)]
    drawn = [groups[int(i)] for i in random.choice(len(groups), 2, replace=False)]
    members = [[kind for kind in kinds if kind.group == group] for group in drawn]
    return in_order([m[int(random.integers(len(m)))] for m in members])


@torch.inference_mode()
def samples(
    picture: Tensor, kinds: Sequence[Kind], trunk: EfficientNetLite0, teachers: Teachers, random: np.random.Generator
) -> Samples:
    """All versions of one picture, with features and judgements."""
    made = versions(picture, kinds_for(picture, kinds), random)
    rows, columns = usual_place(picture)
    end = len(made) - (MIXTURES - JUDGED_MIXTURES)
    judged = torch.cat([x[..., rows, columns] for x, _ in made[1:end]])
    distances = np.full((len(made) + AGAIN, len(teachers.names)), np.nan, np.float32)
    distances[0] = 0
    distances[1:end] = teachers.distances(judged, made[0][0][..., rows, columns]).numpy()
    features = [quality_features(trunk, x) for x, _ in made]
    abouts = [about for _, about in made]
    again = [-1] * len(made)
    for at in (0, *(int(i) for i in random.choice(np.arange(1, end), AGAIN - 1, replace=False))):
        features.append(quality_features(trunk, harmless(made[at][0], random)))
        abouts.append(abouts[at] | {"series": -1})
        distances[len(again)] = distances[at]
        again.append(at)
    groups = [[about["levels"].get(group, 0.0) for group in GROUPS] for about in abouts]
    return Samples(
        features=torch.cat(features).numpy().astype(np.float16),
        distances=distances,
        groups=np.array(groups, np.float32),
        series=np.array([about["series"] for about in abouts], np.int16),
        level=np.array([about["level"] for about in abouts], np.float32),
        again=np.array(again, np.int16),
        kind=np.array([about["kind"] for about in abouts]),
    )


class Prepared:
    """Samples of many pictures in a folder, made when they are first asked for.

    Parameters
    ----------
    files : sequence of Path
        Sharp photographs, sides of at least 176 px; their order decides what is drawn for each.
    folder : Path
        One file a picture; named after what it was made from: its content, the kinds and their ladders, the networks.
    drawings : int, optional
        Default: two to ten photographs.
    rounds : float
        How many times every photograph is used, each time another part of it with other damage, beside other drawings;
        1.5: the first half of a round, photographs before drawings, twice.
    """

    def __init__(self, files: Sequence[Path], folder: Path, drawings: int | None = None, rounds: float = 1) -> None:
        if not 1 <= rounds < math.inf:
            raise InputError(expected="1 round or more", got=str(rounds), fix="use every photograph at least once")
        self.files, self.folder, self.rounds = list(files), folder, rounds
        self.drawings = round(DRAWN_SHARE * len(files)) if drawings is None else drawings
        self._trunk: EfficientNetLite0 | None = None
        self._teachers: Teachers | None = None
        # A file is asked for in every round, and more than once: its hash is kept.
        self._contents: dict[Path, str] = {}

    def __len__(self) -> int:
        return round(self.rounds * self.round)

    @property
    def round(self) -> int:
        """Pictures a round: the photographs, then the drawings. What is held out is so in every round."""
        return len(self.files) + self.drawings

    def samples(self, number: int) -> Samples:
        """Of the photograph of this number, or, after the last, of a drawing; then the next round.

        Raises
        ------
        InputError
            If something is to be made and a photograph, any of them, is too small.
        """
        kept = self.path(number)
        if not kept.exists():
            self._make(number, kept)
        with np.load(kept) as file:
            return Samples(**{name: file[name] for name in Samples.__dataclass_fields__})

    def path(self, number: int) -> Path:
        """Where the samples of this number are kept."""
        ladders = [(name, kind.group, [p.values for p in kind.ladder.parameters]) for name, kind in KINDS.items()]
        counts = (SERIES, STEPS, MIXTURES, JUDGED_MIXTURES, AGAIN, JUDGED, FEATURES)
        source: tuple[object, ...] = (DRAWN_SIDE,)
        which = number % self.round
        if which < len(self.files):
            source = (
                self._content(self.files[which]),
                LARGEST_REDUCTION,
                GREY_SHARE,
                *(PART_SEEN if number >= self.round else ()),
            )
        networks = [entry_of(name).sha256 for name in NETWORKS]
        settings = repr((ladders, UNSEEN, counts, LEAST_CHROMA, networks, source))
        return self.folder / f"{number:05d}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}.npz"

    def _content(self, file: Path) -> str:
        if file not in self._contents:
            self._contents[file] = hashlib.sha256(file.read_bytes()).hexdigest()
        return self._contents[file]

    def make_missing(self, numbers: Sequence[int], report: Callable[[str], None]) -> None:
        """Make what is not there yet, and say about once a minute how far it is."""
        missing = [n for n in numbers if not self.path(n).exists()]
        if missing:
            what = f"preparing {len(missing)} pictures, about a dozen seconds each"
            report(f"{what}, before the training begins; kept in {self.folder}")
        began = said = time.monotonic()
        for done, number in enumerate(missing):
            if (now := time.monotonic()) - said > 60:
                left = (now - began) / done * (len(missing) - done) / 60
                report(f"prepared {done} of {len(missing)} pictures, about {left:.0f} minutes left")
                said = now
            self.samples(number)

    def _make(self, number: int, path: Path) -> None:
        if self._trunk is None or self._teachers is None:
            self._check_sizes()
            self._trunk, self._teachers = efficientnet_lite0(), Teachers()
        random = np.random.default_rng((5, number))
        which, again = number % self.round, number >= self.round
        drawn = which >= len(self.files)
        picture = drawing(random) if drawn else photograph(self.files[which], random, again)
        found = samples(picture, seen_kinds(), self._trunk, self._teachers, random)
        # Whole or not at all, whoever else writes it.
        with replacing(path) as unfinished, unfinished.open("wb") as target:
            np.savez(target, **vars(found))

    def _check_sizes(self) -> None:
        """Before hours of work, not after them."""
        for file in self.files:
            with open_image(file) as header:
                width, height = header.width, header.height
            if min(width, height) < JUDGED:
                raise InputError(
                    expected=f"photographs of at least {JUDGED} px a side",
                    got=f"{width}×{height} in {one_line(file)}",
                    fix="take it out of the folder",
                )


def joined(parts: Sequence[Samples]) -> Mapping[str, NDArray[Any]]:
    """Samples of several pictures as arrays, with the number of the picture as 'picture'; series and places go on."""
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in (*Samples.__dataclass_fields__, "picture")}
    offset, series = 0, 0
    for number, part in enumerate(parts):
        for name, value in vars(part).items():
            shifted = value
            if name == "again":
                shifted = np.where(value >= 0, value.astype(np.int64) + offset, -1)
            elif name == "series":
                shifted = np.where(value >= 0, value.astype(np.int64) + series, -1)
            found[name].append(shifted)
        found["picture"].append(np.full(len(part.level), number))
        offset, series = offset + len(part.level), series + SERIES
    return {name: np.concatenate(values) for name, values in found.items()}


def main() -> None:
    """Make the samples of all pictures, or of every nth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="a folder of sharp photographs")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--rounds", type=float, default=1, help="how many times each photograph is used")
    parser.add_argument("--part", default="1/1", help="1/2: the first of two halves")
    chosen = parser.parse_args()
    which, of = part_of(chosen.part)
    prepared = Prepared(picture_files(chosen.data), chosen.out, rounds=chosen.rounds)
    for number in range(which - 1, len(prepared), of):
        prepared.samples(number)
        sys.stdout.write(f"{number + 1} of {len(prepared)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
