import json
from pathlib import Path

import pytest
import torch
from skimage import data

import kukkiri as kk
from contract import MetricContract, blurred, photograph
from kukkiri.errors import InputError
from kukkiri.sharpness.lpc_si import log_gabor

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "lpc_si.json").read_text(encoding="utf-8"))["pictures"]


class TestLPCSI(MetricContract):
    name = "lpc-si"


@pytest.mark.parametrize("bandwidth", [0.75, 0.33])
@pytest.mark.parametrize("name", GOLDEN)
def test_authors_numbers(name: str, bandwidth: float) -> None:
    """The authors' release 1.0 in Octave; both bandwidths that circulate; sides odd and even. To 1e−6."""
    top, left, height, width = GOLDEN[name]["crop"]
    picture = getattr(data, name)()[top : top + height, left : left + width]
    value = kk.metric("lpc-si", bandwidth=bandwidth)(picture).item()
    assert value == pytest.approx(GOLDEN[name][f"bandwidth_{bandwidth}"], abs=1e-6)


def test_a_point_is_coherent() -> None:
    """At an isolated point every filter's phase is 0: coherence 1, and the map is E/(E + C) with E from the filters."""
    x = torch.zeros(1, 1, 96, 112, dtype=torch.float64)
    x[0, 0, 48, 56] = 1
    coherence = kk.metric("lpc-si").coherence_map(x)
    filters = log_gabor((96, 112), (1.0,), 8, 0.75)[:, 0]
    response = 255 * torch.fft.fftshift(torch.fft.ifft2(filters).abs(), dim=(-2, -1))[:, 6:-6, 6:-6].flatten(1)
    energy = (response.max(1).values - response.mean(1) - 2 * response.std(1)).sum()
    assert coherence.max().item() == pytest.approx((energy / (energy + 2)).item(), rel=1e-9)


def test_filters_have_their_centre_and_width() -> None:
    """1 at the centre frequency, e^−½ at log bandwidth from it; nothing at 0."""
    filters = log_gabor((200, 200), (1.0, 2.0), 8, 0.5)
    assert filters[0, 0, 0, 50].item() == pytest.approx(1, abs=1e-6)  # 1/4 cycle a pixel along x
    assert filters[0, 1, 0, 25].item() == pytest.approx(1, abs=1e-6)
    assert filters[0, 1, 0, 50].item() == pytest.approx(0.5**0.5 * 2**0.5 * 0.6065306597, abs=1e-6)
    assert filters[4, 0, 150, 0].item() == pytest.approx(1, abs=1e-6)  # a quarter turn: along y, upwards
    assert filters[..., 0, 0].abs().max() == 0


def test_other_scales_of_the_paper() -> None:
    """Table of scales and weights: (1, 2, 4) and (1, 2, 3) order blur as the default does."""
    for scales, weights in (((1.0, 2.0, 4.0), (1.0, -3.0, 2.0)), ((1.0, 2.0, 3.0), (1.0, -4.0, 3.0))):
        metric = kk.metric("lpc-si", scales=scales, scale_weights=weights)
        values = [metric(blurred(photograph(), sigma)).item() for sigma in (0.3, 1, 2, 4)]
        assert values == sorted(values, reverse=True) and values[0] > 2 * values[-1]


def test_flat_picture_is_not_sharp() -> None:
    x = torch.full((1, 1, 64, 64), 0.5, requires_grad=True)
    value = kk.metric("lpc-si")(x)
    value.sum().backward()
    assert value.item() == 0 and x.grad is not None and bool(torch.isfinite(x.grad).all())


@pytest.mark.parametrize(
    "options", [{"bandwidth": 1.0}, {"scales": (1.0, 2.0)}, {"orientations": 0}, {"c": 0.0}, {"beta": -1.0}]
)
def test_wrong_options_are_explained(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected .*, got .*; "):
        kk.metric("lpc-si", **options)
