"""`kk.compare` with a reference brought into register, and the options that networks share."""

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from scipy import ndimage
from skimage import data
from torch import Tensor

import kukkiri as kk
from kukkiri.errors import InputError, ShapeError, UnknownNameError
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import all_specs
from kukkiri.quality.aligning import AlignedScore
from kukkiri.quality.many import Scoring, build_metrics, parse_weights, score_pairs, summarise
from kukkiri.quality.pairing import Pair


def scan(shift: float = 3.3, gain: float = 1.0) -> tuple[Any, Any]:
    """A photograph and its original, of other sizes: moved down and to the left by a known part of a pixel."""
    original = data.coffee()[50:290, 100:420].astype(np.float64) / 255
    moved = ndimage.shift(original, (shift, -shift, 0), order=5, mode="mirror")[10:-5, 5:-10]
    return np.clip(moved * gain, 0, 1), original


def test_aligned_is_as_good_as_never_moved() -> None:
    image, original = scan()
    with pytest.raises(ShapeError, match="crop or resize one"):
        kk.compare(image, original, "ssim")
    found = kk.compare(image, original, "ssim", align="translation", mask=None)
    assert isinstance(found, AlignedScore) and found.registration is not None
    assert found.value > 0.99
    # Picture (x, y) lies at (x + 5 + 3.3, y + 10 − 3.3) of the original.
    assert found.registration.matrix[:2, 2] == pytest.approx([8.3, 6.7], abs=0.03)
    row = found.to_row()
    assert row["alignment"]["motion"] == "translation" and row["metric"] == "ssim" and 0 <= row["masked"] < 0.1


def test_tones_count_or_not() -> None:
    image, original = scan(gain=0.7)
    same = kk.compare(image, original, "psnr", align="translation", mask=None)
    told = kk.compare(image, original, "psnr", align="translation", tones=False, mask=None)
    assert same.value > 35 and told.value < 20


def test_what_blurs_the_picture_still_counts() -> None:
    """The reference is what is resampled, so a sharp picture scores above a blurred one."""
    image, original = scan()
    blurred = ndimage.gaussian_filter(image, (1.2, 1.2, 0))
    scores = [kk.compare(x, original, "gmsd", align="translation", mask=None).value for x in (image, blurred)]
    assert scores[0] < 0.02 and scores[1] > 3 * scores[0]


def test_a_mask_of_the_picture_is_added() -> None:
    image, original = scan()
    mask = np.zeros(image.shape[:2], bool)
    mask[:, :60] = True
    image[:, :50] = 0.5
    found = kk.compare(image, original, "ssim", align="translation", mask=mask)
    assert found.value > 0.99 and found.masked > 60 / image.shape[1] - 0.01


def test_unknown_alignments_are_refused() -> None:
    image, original = scan()
    with pytest.raises(InputError, match="align: False, True, translation"):
        kk.compare(image, original, align="rigid")  # type: ignore[arg-type]


SPEC = MetricSpec(
    name="toy-network",
    title="A network of one number",
    answers="quality",
    implementation=f"{__name__}:Toy",
    higher_is_better=True,
    value_range=(-math.inf, math.inf),
    min_size=8,
    differentiable=True,
    evidence="unverified",
    paper="-",
)


class Toy(LearnedMetric):
    name: ClassVar[str] = "toy-network"

    def rate(self, image: Tensor, reference: Tensor | None) -> Tensor:
        product = image.flatten(1)[:, :64] @ torch.ones(64, 1)  # autocast works on products
        return product[:, 0].float() * 0 + image.shape[-1] + (0.5 if product.dtype == torch.bfloat16 else 0.0)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(all_specs(), SPEC.name, SPEC)


def test_options_of_networks_reach_them(toy: None) -> None:
    picture = data.camera()[:96, :128]
    assert kk.quality(picture, "toy-network").value == 128
    assert kk.quality(picture, "toy-network", max_side=64, device="cpu").value == 64
    assert kk.quality(picture, "toy-network", precision="bfloat16").value == 128.5
    with pytest.raises(InputError, match="options of niqe"):
        kk.quality(picture, "niqe", max_side=64)
    with pytest.raises(InputError, match="name of a metric with max_side"):
        kk.quality(picture, kk.metric("niqe"), max_side=64)
    with pytest.raises(InputError, match="no weights for toy-network"):
        kk.quality(picture, "toy-network", weights="mine.pth")


def test_options_of_networks_leave_the_others_alone(toy: None, tmp_path: Path) -> None:
    Pillow.fromarray(data.camera()[:96, :128]).save(tmp_path / "a.png")
    scoring = Scoring(max_side=64, auto_mask=False)
    metrics = build_metrics(["toy-network", "tenengrad"], scoring, reference=False)
    (rows,) = score_pairs([Pair("a", tmp_path / "a.png")], metrics, scoring)
    assert rows[0]["value"] == 64
    assert rows[1]["value"] == kk.quality(tmp_path / "a.png", "tenengrad", mask=None).value
    with pytest.raises(InputError, match="a network among the metrics for max_side"):
        build_metrics(["tenengrad"], scoring, reference=False)


def test_weights_are_named_by_metric() -> None:
    assert parse_weights(["a=b.pth", "c = d=e.pth"]) == {"a": "b.pth", "c": "d=e.pth"}
    for wrong in ("a", "=b", "a="):
        with pytest.raises(InputError, match="METRIC=FILE"):
            parse_weights([wrong])
    with pytest.raises(InputError, match="weights of niqe, got dbcnn"):
        build_metrics(["niqe"], Scoring(weights={"dbcnn": "x.pth"}), reference=False)
    with pytest.raises(InputError, match="no weights for brenner"):
        build_metrics(["brenner"], Scoring(weights={"brenner": "x.pth"}), reference=False)
    with pytest.raises(UnknownNameError):
        build_metrics(["niqqe"], Scoring(), reference=False)


def test_summaries_count_what_failed() -> None:
    rows = [
        {"metric": "psnr", "value": value, "error": None if value else "no", "higher_is_better": True}
        for value in (10.0, 20.0, "Infinity", None)
    ]
    (found,) = summarise(rows)
    assert found["median"] == 20 and found["mean"] == math.inf and (found["count"], found["failed"]) == (3, 1)
