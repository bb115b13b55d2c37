"""What records and reports keep of a judgement of quality: its columns, and what is wrong for the panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kukkiri.metrics.estimating import QualityJudgement


@dataclass(frozen=True)
class QualityView:
    """What the report shows of a judgement.

    Parameters
    ----------
    figures : mapping
        JSON-ready: wrong (pairs of group and probability, the most probable first), named (how many of them, from the
        first, are named), doubtful (whether the picture is unlike what was trained on).
    """

    figures: Mapping[str, Any]


def judged_columns(judgement: QualityJudgement) -> dict[str, Any]:
    """The columns of a record that a judgement fills."""
    return {
        "quality_lo": judgement.interval[0],
        "quality_hi": judgement.interval[1],
        "wrong": wrong_text(judgement),
        "quality_note": "unlike training" if judgement.is_unlike_training else "",
    }


def wrong_text(judgement: QualityJudgement) -> str:
    """The groups that are named, with their probabilities: 'noise 0.93; blur 0.61'; '' for a clean picture."""
    return "; ".join(f"{name} {judgement.wrong[name]:.2f}" for name in judgement.named)


def quality_view_of(judgement: QualityJudgement) -> QualityView:
    """What a report shows of a judgement."""
    ordered = [*judgement.named, *(name for name in judgement.wrong if name not in judgement.named)]
    return QualityView(
        {
            # Rounded as in the column, so that a page shows the same per cent as a table.
            "wrong": [[name, round(judgement.wrong[name], 2)] for name in ordered],
            "named": len(judgement.named),
            "doubtful": judgement.is_unlike_training,
        }
    )
