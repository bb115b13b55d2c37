"""What one worker does with a batch of files: read, group by size, measure, one record a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kukkiri.errors import KukkiriError
from kukkiri.images.image import Image
from kukkiri.images.masks import Box, as_mask
from kukkiri.images.overlays import find_overlays
from kukkiri.images.reading import ImageFile, load, open_image
from kukkiri.images.statistics import statistics
from kukkiri.inspection.blur_view import BlurView, columns_of, view_of
from kukkiri.inspection.budget import PixelBudget
from kukkiri.inspection.huge import measure_huge
from kukkiri.inspection.quality_view import QualityView, judged_columns, quality_view_of
from kukkiri.inspection.record import Record, explain, printable
from kukkiri.inspection.settings import Settings, file_fingerprint
from kukkiri.inspection.threads import single_threaded_torch
from kukkiri.inspection.thumbnails import thumbnail
from kukkiri.metrics.base import Metric
from kukkiri.metrics.build import metric
from kukkiri.metrics.estimating import BlurEstimate, EstimatesBlur, JudgesQuality, QualityJudgement

# Small pictures of one size are measured together up to this many pixels: enough to make Python's own time small,
# little enough for the working set to stay in the cache. Larger ones are measured one by one, which is faster for them.
GROUP_PIXELS = 1 << 18


@dataclass(frozen=True)
class Measured:
    """What becomes of one picture.

    Parameters
    ----------
    record : Record
    thumbnail : bytes or None
        WebP, if it was asked for and the picture could be read.
    source : Path
    fingerprint : str
        Of the file when it was opened.
    blur : BlurView or None
        For the report, with the thumbnail, if a metric estimated the blur.
    quality : QualityView or None
        The same, if a metric judged the quality.
    """

    record: Record
    thumbnail: bytes | None
    source: Path
    fingerprint: str
    blur: BlurView | None = None
    quality: QualityView | None = None


@dataclass
class Picture:
    """A decoded picture on its way to its record."""

    pixels: Tensor
    left_out: Tensor | None
    columns: dict[str, Any]
    thumbnail: bytes | None
    scores: dict[str, float | None] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    blur: BlurView | None = None
    quality: QualityView | None = None


class Worker:
    """Measures batches.

    Parameters
    ----------
    settings : Settings
    thumbnails : bool
        Make a small picture of each.
    budget : PixelBudget, optional
        Shared with other workers; large pictures wait for their share of it.
    while_waiting : function, optional
        Called now and then during that wait; may raise.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        thumbnails: bool = False,
        budget: PixelBudget | None = None,
        while_waiting: Callable[[], None] | None = None,
    ) -> None:
        self.settings, self.thumbnails = settings, thumbnails
        self.metrics: list[Metric] = [metric(name, device=settings.device) for name in settings.metrics]
        # The first that estimates a blur fills the columns of sigma; the first that judges, those of the quality.
        self.estimator = next((one for one in self.metrics if isinstance(one, EstimatesBlur)), None)
        self.judge = next((one for one in self.metrics if isinstance(one, JudgesQuality)), None)
        self.version = settings.version
        self.mask: Image | None = None if settings.mask is None else load(settings.mask)
        self.budget, self.while_waiting = budget, while_waiting

    def measure(self, files: Sequence[Path]) -> list[Measured]:
        """Measure some files, each with all its planes.

        Parameters
        ----------
        files : sequence of Path

        Returns
        -------
        list of Measured
            In the order of the files and planes. Whatever goes wrong with one is said in its record.
        """
        results: list[Callable[[], Measured]] = []
        waiting: list[Picture] = []
        with single_threaded_torch():
            try:
                for file in files:
                    results.extend(self._file(file, waiting))
            finally:
                self._flush(waiting)
        return [result() for result in results]

    def _file(self, file: Path, waiting: list[Picture]) -> Iterator[Callable[[], Measured]]:
        name, fingerprint = printable(file), file_fingerprint(file)

        def result(picture: Picture | str, plane: int) -> Callable[[], Measured]:
            def measured() -> Measured:
                record = self._record(name, plane, picture)
                if isinstance(picture, str):
                    return Measured(record, None, file, fingerprint)
                return Measured(record, picture.thumbnail, file, fingerprint, picture.blur, picture.quality)

            return measured

        try:
            with open_image(file) as source:
                for plane in range(source.planes):
                    try:
                        yield result(self._plane(source, plane, waiting), plane)
                    except Exception as error:
                        yield result(explain(error), plane)
        except Exception as error:
            yield result(explain(error), 0)

    def _plane(self, source: ImageFile, plane: int, waiting: list[Picture]) -> Picture:
        header = source.header(plane)
        height, width = header.height, header.width
        columns: dict[str, Any] = {
            name: getattr(header, name) for name in ("width", "height", "channels", "bit_depth", "pixel_size")
        }
        if height * width > self.settings.whole_limit:
            self._flush(waiting)
            found = measure_huge(source, plane, self.metrics, self.settings, self.mask, thumbnails=self.thumbnails)
            empty = torch.empty(0)
            said = columns | found.columns
            return Picture(empty, None, said, found.thumbnail, found.scores, found.errors, found.blur, found.quality)
        cost = height * width
        if cost > GROUP_PIXELS:
            with self.budget.holding(cost, self.while_waiting) if self.budget else nullcontext():
                picture = self._decode(source, plane, columns)
                self._flush([picture])
            return picture
        if sum(p.pixels[0].numel() for p in waiting) + cost > GROUP_PIXELS:
            self._flush(waiting)
        waiting.append(picture := self._decode(source, plane, columns))
        return picture

    def _decode(self, source: ImageFile, plane: int, columns: dict[str, Any]) -> Picture:
        image = source.read(plane)
        left_out, said = self._left_out(image)
        pixels = image.pixels
        small = thumbnail(pixels, image.bit_depth) if self.thumbnails else None
        if self.settings.roi is not None:
            rows, across = self.settings.roi.checked_inside(image.height, image.width).slices
            pixels = pixels[:, rows, across]
            left_out = None if left_out is None else left_out[rows, across]
        if left_out is not None and not bool(left_out.any()):
            left_out = None
        found = statistics(pixels, left_out)
        notice = image.metadata.get("notice", "")
        columns.update(vars(found), channels=image.channels, bit_depth=image.bit_depth, masked=said, notice=notice)
        return Picture(pixels, left_out, columns, small)

    def _left_out(self, image: Image) -> tuple[Tensor | None, str]:
        """The mask of a whole picture, and what to say of it."""
        found = ""
        left_out: Tensor | None = None
        if self.settings.auto_mask:
            overlays = find_overlays(image)
            left_out, found = overlays.mask, overlays.describe()
        if self.mask is not None:
            given = as_mask(self.mask, (image.height, image.width))
            left_out = given if left_out is None else left_out | given
        return left_out, self.settings.left_out_text(found)

    def _flush(self, waiting: list[Picture]) -> None:
        """Measure all waiting pictures, those of one size together, and let go of their pixels."""
        groups: dict[Any, list[Picture]] = {}
        for picture in waiting:
            # A masked picture may be cut like no other.
            key = tuple(picture.pixels.shape) if picture.left_out is None else id(picture)
            groups.setdefault(key, []).append(picture)
        try:
            for group in groups.values():
                self._measure(group)
        finally:
            for picture in waiting:
                picture.pixels, picture.left_out = torch.empty(0), None
            waiting.clear()

    def _measure(self, group: list[Picture]) -> None:
        """All metrics over pictures of one size; if they cannot be brought together, one by one."""
        try:
            batch = torch.stack([p.pixels for p in group]).to(self.settings.device)
        except Exception as error:
            if len(group) > 1:
                for picture in group:
                    self._measure([picture])
            else:
                group[0].errors.append(explain(error))
            return
        for one in self.metrics:
            self._measure_group(one, batch, group)

    def _measure_group(self, one: Metric, batch: Tensor, group: list[Picture]) -> None:
        """One metric over pictures of one size; a failure of the whole is looked into picture by picture."""
        mask = group[0].left_out
        blurs: Sequence[BlurEstimate] = ()
        judgements: Sequence[QualityJudgement] = ()
        try:
            with torch.inference_mode():
                if isinstance(one, EstimatesBlur):
                    blurs = one.estimate(batch, mask=mask)
                    values = [blur.sigma for blur in blurs]
                elif isinstance(one, JudgesQuality):
                    # One by one: the last digits must not depend on what else is in the batch.
                    judgements = [said for pixels in batch for said in one.judge(pixels[None], mask=mask)]
                    values = [judgement.value for judgement in judgements]
                else:
                    values = one(batch, mask=mask).tolist()
        except Exception as error:
            if len(group) > 1 and not isinstance(error, KukkiriError):
                for picture, pixels in zip(group, batch):
                    self._measure_group(one, pixels[None], [picture])
                return
            for picture in group:
                picture.scores[one.spec.name] = None
                picture.errors.append(f"{one.spec.name}: {explain(error)}")
            return
        for picture, value in zip(group, values):
            picture.scores[one.spec.name] = value
        if one is self.estimator:
            for picture, blur in zip(group, blurs):
                self._take_over(blur, picture)
        if one is self.judge:
            for picture, judgement in zip(group, judgements):
                picture.columns.update(judged_columns(judgement))
                picture.quality = quality_view_of(judgement) if self.thumbnails else None

    def _take_over(self, blur: BlurEstimate, picture: Picture) -> None:
        """The columns of sigma, and what the report shows, from the estimate that was made for the metric."""
        picture.columns.update(columns_of(blur))
        if self.thumbnails:
            roi = self.settings.roi
            region = Box(roi.top if roi else 0, roi.left if roi else 0, *picture.pixels.shape[1:])
            picture.blur = view_of(blur, region, (picture.columns["height"], picture.columns["width"]))

    def _record(self, name: str, plane: int, picture: Picture | str) -> Record:
        notes: dict[str, Any] = {
            "sigma_note": None if self.estimator is None else "",
            "quality_note": None if self.judge is None else "",
        }
        if isinstance(picture, str):
            scores: dict[str, float | None] = dict.fromkeys(self.settings.metrics)
            return Record(name, plane, picture, version=self.version, scores=scores, **notes)
        return Record(
            name,
            plane,
            "; ".join(picture.errors) or None,
            version=self.version,
            scores={m: picture.scores.get(m) for m in self.settings.metrics},
            **(notes | picture.columns),
        )
