from collections.abc import Iterator

import pytest
import torch

import kukkiri as kk
from contract import fine_grained, photograph
from kukkiri.images.tiles import tiles
from kukkiri.metrics import base, tiled
from kukkiri.metrics.tiled import measure_tiled, measure_together
from kukkiri.quality.full_reference import learned_specs

# A metric that estimates a blur has its own walk, tests/sharpness/test_kukkiri_blur.py, and so have networks, whose
# tiles agree to rounding and not bit by bit: tests/quality/full_reference/test_lpips.py.
NETWORKS = {spec.name for spec in learned_specs.SPECS}
LOCAL = [s.name for s in kk.metrics() if s.tileable and not s.estimates_blur and s.name not in NETWORKS]


@pytest.mark.parametrize("name", LOCAL)
def test_a_large_picture_is_measured_in_tiles_to_the_same_value(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = kk.metric(name)
    picture = fine_grained(photograph("astronaut", 400, 500))
    pair = (picture.roll(1, -1), picture) if metric.spec.needs_reference else (picture,)
    mask = torch.zeros(400, 500, dtype=torch.bool)
    mask[100:130, 40:300] = True
    whole = [metric(*pair), metric(*pair, mask=mask)]
    calls: list[tuple[int, ...]] = []
    plain = type(metric).statistics

    def counted(self: base.LocalMetric, image: torch.Tensor, *rest: object) -> torch.Tensor:
        calls.append(tuple(image.shape))
        return plain(self, image, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(type(metric), "statistics", counted)
    monkeypatch.setattr(base, "LARGE", 1000)
    monkeypatch.setattr(base, "TILE", 128)
    tiled = [metric(*pair), metric(*pair, mask=mask)]
    assert len(calls) > 2 * metric.passes
    torch.testing.assert_close(tiled, whole, rtol=1e-5, atol=1e-7, equal_nan=True)


@pytest.mark.parametrize("needs_reference", [False, True])
def test_metrics_share_a_walk_without_a_change(needs_reference: bool) -> None:
    """Bit by bit: the tile that another metric wanted with a wider margin is cut to one's own."""
    metrics = [kk.metric(name) for name in LOCAL if kk.metrics.spec_of(name).needs_reference == needs_reference]
    picture = fine_grained(photograph("astronaut", 300, 400))
    pair = (picture.roll(1, -1), picture) if needs_reference else (picture,)
    mask = torch.zeros(300, 400, dtype=torch.bool)
    mask[280:], mask[100:130, 40:300] = True, True
    for given in (None, mask):
        alone = [measure_tiled(metric, *pair, mask=given, size=96) for metric in metrics]
        together = measure_together(metrics, *pair, mask=given, size=96)
        assert together == pytest.approx(alone, rel=0, abs=0, nan_ok=True)  # MS-SSIM's coarsest scale is all masked
        # The metric itself takes a picture of this size as a whole.
        whole = [float(metric(*pair, mask=given)) for metric in metrics]
        assert alone == pytest.approx(whole, rel=1e-5, abs=1e-7, nan_ok=True)


def test_a_tile_is_read_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[int] = []

    def counted(*args: object, **options: int) -> Iterator[tiled.Tile]:
        walks.append(options["size"])
        return tiles(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(tiled, "tiles", counted)
    metrics = [kk.metric(name) for name in ("laplacian-variance", "tenengrad", "brenner", "modified-laplacian")]
    measure_together(metrics, photograph(), size=64)
    assert walks == [tiled.READ]


def test_one_that_cannot_leaves_the_others() -> None:
    metrics = [kk.metric(name) for name in ("tenengrad", "niqe", "cpbd")]
    small = photograph()[..., :40, :40]
    value, *errors = measure_together(metrics, small)
    assert value == measure_tiled(metrics[0], small)
    assert [str(error).split(",")[0] for error in errors] == [
        "expected a tileable metric",
        "expected sides of at least 64 px for cpbd",
    ]
