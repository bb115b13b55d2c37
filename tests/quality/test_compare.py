"""`kk.compare` with a reference brought into register, and the options that networks share."""

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from PIL import ImageDraw
from scipy import ndimage
from skimage import data
from torch import Tensor

import kukkiri as kk
from kukkiri.errors import InputError, KukkiriError, ShapeError, UnknownNameError
from kukkiri.metrics.base import Metric
from kukkiri.metrics.learned import LearnedMetric
from kukkiri.metrics.spec import MetricSpec
from kukkiri.metrics.table import all_specs
from kukkiri.quality.aligning import AlignedScore
from kukkiri.quality.building import Scoring, Unbuilt, build_metrics, parse_options, parse_weights
from kukkiri.quality.many import score_pairs, summarise
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
    assert same.to_row()["alignment"]["tones_applied"] and not told.to_row()["alignment"]["tones_applied"]


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
    for name in ("niqe", "kukkiri-nr"):
        with pytest.raises(InputError, match=rf"takes max_side \(learned metrics do, .*, got {name}; leave it out"):
            kk.quality(picture, name, max_side=64)
    with pytest.raises(InputError, match="options of niqe.*spelling"):
        kk.quality(picture, "niqe", crop=64)
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
    with pytest.raises(InputError, match="a metric that takes max_side"):
        build_metrics(["tenengrad"], scoring, reference=False)


def test_one_network_that_cannot_be_built_does_not_stop_the_others(toy: None, tmp_path: Path) -> None:
    Pillow.fromarray(data.camera()[:96, :128]).save(tmp_path / "a.png")
    scoring = Scoring(auto_mask=False, weights={"cnniqa": str(tmp_path / "missing.pth")})
    metrics = build_metrics(["cnniqa", "tenengrad"], scoring, reference=False)
    assert isinstance(metrics[0], Unbuilt)
    (rows,) = score_pairs([Pair("a", tmp_path / "a.png")], metrics, scoring)
    assert rows[0]["value"] is None and rows[0]["error"] == str(metrics[0].error)
    assert rows[1]["value"] > 0 and rows[1]["error"] is None
    with pytest.raises(KukkiriError):
        build_metrics(["cnniqa"], scoring, reference=False)


def test_whatever_a_metric_raises_is_an_error_of_its_row(
    toy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Pillow.fromarray(data.camera()[:96, :128]).save(tmp_path / "a.png")
    scoring = Scoring(auto_mask=False)
    metrics = build_metrics(["toy-network", "tenengrad"], scoring, reference=False)

    def fails(*_: Any) -> Tensor:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Toy, "rate", fails)
    (rows,) = score_pairs([Pair("a", tmp_path / "a.png")], metrics, scoring)
    assert "RuntimeError: out of memory" in rows[0]["error"] and rows[0]["value"] is None and rows[1]["value"] > 0


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_no_number_is_no_score_of_a_network(
    toy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    Pillow.fromarray(data.camera()[:96, :128]).save(tmp_path / "a.png")
    monkeypatch.setattr(Toy, "rate", lambda self, image, reference: torch.full((1,), value))
    with pytest.raises(InputError, match="a finite score of toy-network"):
        kk.quality(tmp_path / "a.png", "toy-network")
    scoring = Scoring(auto_mask=False)
    (rows,) = score_pairs(
        [Pair("a", tmp_path / "a.png")], build_metrics(["toy-network"], scoring, reference=False), scoring
    )
    assert rows[0]["value"] is None and "a finite score" in rows[0]["error"]
    assert kk.compare(data.camera(), data.camera(), "psnr").value == math.inf


def test_a_map_that_cannot_be_written_keeps_the_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Pillow.fromarray(data.camera()[:96, :128]).save(tmp_path / "a.png")
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "a-ssim.png").mkdir()  # a folder where the picture should be
    scoring = Scoring(auto_mask=False, maps=tmp_path / "maps")
    metrics = build_metrics(["ssim"], scoring, reference=True)
    (rows,) = score_pairs([Pair("a", tmp_path / "a.png", tmp_path / "a.png")], metrics, scoring)
    assert rows[0]["value"] == 1 and rows[0]["map"] is None and rows[0]["error"].startswith("scored, but no map: ")
    assert summarise(rows)[0]["failed"] == 0


def test_the_metrics_own_options(tmp_path: Path) -> None:
    image, original = data.coffee()[:300, :300], data.coffee()[1:301, :300]
    plain = kk.metric("ssim", luma=False)(image, original).item()
    assert kk.compare(image, original, "ssim", luma=False, mask=None).value == pytest.approx(plain)
    with pytest.raises(InputError, match="options of ssim: downsample, crop, luma"):
        kk.compare(image, original, "ssim", lumma=False)
    with pytest.raises(InputError, match="name of a metric with luma"):
        kk.compare(image, original, kk.metric("ssim"), luma=False)
    texts = ["ssim.luma=y-studio", "ssim.crop=4", "psnr.luma=False", "x.blocks=(2, 3)"]
    assert parse_options(texts) == {
        "ssim": {"luma": "y-studio", "crop": 4},
        "psnr": {"luma": False},
        "x": {"blocks": (2, 3)},
    }
    for wrong in ("ssim", "ssim.crop", "crop=3", ".a=b"):
        with pytest.raises(InputError, match=r"METRIC\.NAME=VALUE"):
            parse_options([wrong])
    (metric,) = build_metrics(["ssim"], Scoring(options={"ssim": {"crop": 4}}), reference=True)
    assert isinstance(metric, Metric) and metric.border == 4
    for stray, reason in (({"psnr": {}}, "options of ssim"), ({"ssim": {"nope": 1}}, "options of ssim: downsample")):
        with pytest.raises(InputError, match=reason):
            build_metrics(["ssim"], Scoring(options=stray), reference=True)


def test_one_name_at_a_time() -> None:
    image, original = scan()
    with pytest.raises(InputError, match="the name of one metric, got 'ssim,psnr'; call it once a metric"):
        kk.compare(image, original, "ssim,psnr")


def test_grey_and_colour_compare() -> None:
    colour = data.coffee()[:96, :128]
    grey = np.asarray(Pillow.fromarray(colour).convert("L"))
    both = np.repeat(grey[..., None], 3, 2)
    for a, b in (((grey, colour), (both, colour)), ((colour, grey), (colour, both))):
        assert kk.compare(*a, "psnr", mask=None).value == kk.compare(*b, "psnr", mask=None).value


def test_a_bar_of_either_picture_changes_nothing() -> None:
    """The picture shows the reference 9 px to the left and 13 px down; bars are found, not told."""
    scene = data.camera()
    image, original = scene[33:333, 11:411], scene[20:320, 20:420]

    def marked(picture: Any) -> Any:
        canvas = Pillow.fromarray(picture)
        draw = ImageDraw.Draw(canvas)
        draw.rectangle((0, 266, 400, 300), fill=0)
        draw.text((5, 272), "SU8020 10.0kV x5,000 SE(M) 2026-01-01 10:00", fill=255)
        draw.rectangle((310, 286, 380, 289), fill=255)
        return np.asarray(canvas)

    for x, r in ((image, marked(original)), (marked(image), marked(original))):
        found = kk.compare(x, r, "psnr", align="translation")
        assert isinstance(found, AlignedScore) and found.registration is not None
        assert found.registration.matrix[:2, 2] == pytest.approx([-9, 13], abs=0.02)
        assert found.value > 60


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
    assert (
        found["median"] == found["mean"] == 15
        and found["infinite"] == 1
        and (found["count"], found["failed"]) == (3, 1)
    )
