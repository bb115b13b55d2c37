import pytest
import torch

import kukkiri as kk
from contract import fine_grained, photograph
from kukkiri.metrics import base

LOCAL = [s.name for s in kk.metrics() if s.tileable]


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
