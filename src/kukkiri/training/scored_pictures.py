"""A user's own pictures and what people think of them: which to learn from, and which to hold out."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kukkiri.errors import InputError, ReadError, one_line
from kukkiri.evaluation.opinions import read_opinions
from kukkiri.replacing import replacing
from kukkiri.training.photographs import HELD_OUT_EVERY, LEAST

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ScoredPictures:
    """Pictures with one opinion each.

    Parameters
    ----------
    files : tuple of Path
    scores : tuple of float
        As the table has them.
    held_out : tuple of bool
        Every tenth content: never learned from. Versions of one content (the column `reference`) stay together.
    higher_is_worse : bool
        What the scores mean.
    """

    files: tuple[Path, ...]
    scores: tuple[float, ...]
    held_out: tuple[bool, ...]
    higher_is_worse: bool

    @property
    def judged(self) -> list[tuple[str, float]]:
        """Names and scores, for a recipe's settings: a run goes on only with the same."""
        return [(file.name, score) for file, score in zip(self.files, self.scores, strict=True)]

    def points(self, scale: tuple[float, float] | None = None) -> list[float]:
        """The scores on a straight line from 0, the worst, to 100, the best.

        Parameters
        ----------
        scale : (float, float), optional
            Lowest and highest value that people could give; default: those that they gave.

        Raises
        ------
        InputError
            If it is no range, or a score is outside.
        """
        low, high = scale or (min(self.scores), max(self.scores))
        if not (low < high and low <= min(self.scores) and max(self.scores) <= high):
            raise InputError(
                expected=f"a scale, low and high, that holds all scores ({min(self.scores):g} to {max(self.scores):g})",
                got=f"{low:g},{high:g}",
                fix="pass --set scale=1,5, say, or leave it out",
            )
        shares = [(score - low) / (high - low) for score in self.scores]
        return [100 * (1 - share if self.higher_is_worse else share) for share in shares]

    def part(self, held_out: bool) -> list[int]:
        """Places of those that are held out, or of the others."""
        return [place for place, out in enumerate(self.held_out) if out is held_out]


def read_scored(table: Path, *, higher_is_worse: bool | None = None) -> ScoredPictures:
    """Read a table of opinions.

    Parameters
    ----------
    table : Path
        A CSV file with the columns image and mos, as `kukkiri evaluate scores` takes it. Rows whose score is empty are
        not rated yet: they are left out, and how many is said on standard error.
    higher_is_worse : bool, optional
        What the scores mean. Default: higher is better; of a column 'dmos' it must be said, for LIVE and KADID-10k
        give that name to opposite things.

    Raises
    ------
    ReadError
        If the table or one of its pictures is not there.
    InputError
        If a row is wrong, the direction is not known, or there are fewer than 20 pictures, one content alone, or one
        score for all.
    """
    opinions = read_opinions(table)
    rows = [row for row in opinions.rows if row.rated]
    if unrated := len(opinions.rows) - len(rows):
        sys.stderr.write(f"{one_line(table)}: rows without a score are left out: {unrated}\n")
    for row in rows:
        if row.error:
            raise InputError(
                expected=f"rows of image and score in {one_line(table)}",
                got=f"{one_line(row.name)}: {row.error}",
                fix="or take the row out",
            )
        if not Path(str(row.image)).is_file():
            raise ReadError(
                expected=f"the pictures that {one_line(table)} names",
                got=f"no file {one_line(row.image)}",
                fix="names are taken from the folder of the table; correct or take out the row",
            )
    if higher_is_worse is None and opinions.heading.lower() == "dmos":
        raise InputError(
            expected="to be told what a high DMOS means",
            got="nothing: in some data sets it is the worst, in others the best",
            fix="pass --set higher_is_worse=true, or false",
        )
    contents = [row.reference_name or row.name for row in rows]
    kept_apart = set(sorted(set(contents))[::HELD_OUT_EVERY])
    scores = tuple(float(row.value or 0.0) for row in rows)
    if len(scores) < LEAST or len(set(contents)) < 2 or len(set(scores)) < 2:
        raise InputError(
            expected=f"at least {LEAST} pictures of several contents and scores",
            got=f"{len(scores)} of {len(set(contents))}, {len(set(scores))} scores",
            fix="have more pictures rated",
        )
    return ScoredPictures(
        files=tuple(Path(str(row.image)) for row in rows),
        scores=scores,
        held_out=tuple(content in kept_apart for content in contents),
        higher_is_worse=bool(higher_is_worse),
    )


def features_of_files(files: Sequence[Path], folder: Path) -> Tensor:
    """What `kukkiri-nr` looks at, of each of some pictures.

    Parameters
    ----------
    files : sequence of Path
    folder : Path
        Where they are kept, a few kilobytes each, so that nothing is computed twice.

    Returns
    -------
    Tensor, (M, FEATURES), float32

    Raises
    ------
    ReadError, InputError
        If a file is no picture, or too small.
    """
    import numpy as np
    import torch

    from kukkiri.images.reading import load
    from kukkiri.networks.efficientnet_lite import EfficientNetLite0, efficientnet_lite0
    from kukkiri.quality.no_reference.quality_features import FEATURES, SMALLEST, quality_features
    from kukkiri.weights.catalogue import entry_of

    trunk: EfficientNetLite0 | None = None
    trunk_of = entry_of("efficientnet-lite0-imagenet").sha256
    found = torch.empty(len(files), FEATURES)
    for at, file in enumerate(files):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        mark = hashlib.sha256(repr((content, trunk_of, FEATURES)).encode()).hexdigest()[:16]
        kept = folder / f"rated-{mark}.npy"
        if not kept.exists():
            trunk = trunk or efficientnet_lite0()
            pixels = load(file).pixels[None]
            if min(pixels.shape[-2:]) < SMALLEST:
                raise InputError(
                    expected=f"pictures of at least {SMALLEST} px a side",
                    got=f"{pixels.shape[-1]}×{pixels.shape[-2]} in {one_line(file.name)}",
                    fix="take it out of the table",
                )
            with torch.inference_mode():
                features = quality_features(trunk, pixels)[0].numpy().astype(np.float16)
            with replacing(kept) as unfinished, unfinished.open("wb") as target:
                np.save(target, features)
        found[at] = torch.from_numpy(np.load(kept).astype(np.float32))
    return found
