"""What a metric offers that says more than one number: estimates of a blur, judgements of quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from kukkiri.images.image import ImageLike
    from kukkiri.images.masks import Box
    from kukkiri.images.reading import ImageFile
    from kukkiri.metrics.spec import MetricSpec


class BlurEstimate(Protocol):
    """What records and reports take from an estimate; see `kukkiri.sharpness.blur.Blur` for the meaning of each."""

    @property
    def sigma(self) -> float: ...
    @property
    def sharpest(self) -> float: ...
    @property
    def interval(self) -> tuple[float, float]: ...
    @property
    def bound(self) -> Literal["below", "above"] | None: ...
    @property
    def major(self) -> float: ...
    @property
    def minor(self) -> float: ...
    @property
    def angle(self) -> float: ...
    @property
    def family(self) -> Mapping[str, float]: ...
    @property
    def map(self) -> Tensor: ...
    @property
    def evidence(self) -> Tensor: ...
    @property
    def stride(self) -> int: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def origin(self) -> tuple[int, int]: ...
    @property
    def unlike_training(self) -> float: ...
    @property
    def abstained(self) -> str | None: ...


@runtime_checkable
class EstimatesBlur(Protocol):
    """A metric whose value is the sigma of an estimate: who asks for the estimate need not measure twice.

    Its spec says `estimates_blur`.
    """

    spec: MetricSpec

    def estimate(self, image: ImageLike, *, mask: Any = None) -> Sequence[BlurEstimate]:
        """One estimate a picture of a batch; `mask` as the metric itself takes it."""
        ...

    def estimate_file(
        self, source: ImageLike | ImageFile, *, mask: Tensor | None = None, plane: int = 0, box: Box | None = None
    ) -> BlurEstimate:
        """The estimate of a picture that need never be in memory as a whole; the mask is of the size of the box."""
        ...


class QualityJudgement(Protocol):
    """What scores, records and reports take from a judgement; see `kukkiri.quality.judgement.Judgement`."""

    @property
    def value(self) -> float: ...
    @property
    def interval(self) -> tuple[float, float]: ...
    @property
    def wrong(self) -> Mapping[str, float]: ...
    @property
    def named(self) -> tuple[str, ...]: ...
    @property
    def unlike_training(self) -> float: ...
    @property
    def is_unlike_training(self) -> bool: ...


@runtime_checkable
class JudgesQuality(Protocol):
    """A metric whose value is that of a judgement: who asks for the judgement need not measure twice.

    Its spec says `judges_quality`.
    """

    spec: MetricSpec

    def judge(self, image: ImageLike, *, mask: Any = None) -> Sequence[QualityJudgement]:
        """One judgement a picture of a batch; `mask` as the metric itself takes it."""
        ...
