"""Maps of metrics: what they mean, and what is written of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image as Pillow
from skimage import data

import kukkiri as kk
from kukkiri.errors import InputError
from kukkiri.images.decimation import decimate, spread
from kukkiri.networks import alexnet
from kukkiri.quality.aligning import Ready
from kukkiri.quality.full_reference.lpips import LPIPSAlex, LPIPSNetwork
from kukkiri.quality.map_pictures import map_picture
from kukkiri.quality.maps import MapNames, map_values, stage_values, write_map


def pair(height: int, width: int) -> tuple[Any, Any]:
    reference = data.astronaut()[:height, :width]
    image = reference.copy()
    rng = np.random.default_rng(0)
    image[40:80, 60:110] = (image[40:80, 60:110] + rng.normal(0, 60, (40, 50, 3))).clip(0, 255)
    return image, reference


@pytest.mark.parametrize("size", [(200, 240), (512, 512)])
def test_the_mean_of_the_ssim_map_is_the_score(size: tuple[int, int]) -> None:
    """Also where the score is taken at half the resolution."""
    image, reference = pair(*size)
    metric = kk.metric("ssim")
    found = metric.map(image, reference)
    assert tuple(found.shape) == (1, 1, *size)
    assert float(found.nanmean()) == pytest.approx(float(metric(image, reference)), abs=1e-5)
    assert found[..., 50:70, 70:100].mean() < 0.7 and found[..., 120:180, 10:200].mean() > 0.999


def test_the_deviation_of_the_gmsd_map_is_the_score() -> None:
    image, reference = pair(200, 240)
    metric = kk.metric("gmsd")
    found = metric.map(image, reference)
    assert tuple(found.shape) == (1, 1, 200, 240)
    assert float(found[..., ::2, ::2].std()) == pytest.approx(float(metric(image, reference)), rel=1e-4)
    assert float(found[..., 120:, :].max()) == 0 and float(found[..., 50:70, 70:100].mean()) > 0.1


def test_a_cropped_border_has_no_value() -> None:
    found = kk.metric("ssim", crop=20).map(*pair(200, 240))
    assert found[..., :25, :].isnan().all() and found[..., 25:-25, 25:-25].isfinite().all()


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_spread_puts_every_mean_over_the_pixels_that_it_is_of(factor: int) -> None:
    picture = torch.rand(1, 1, 4 * factor, 5 * factor, generator=torch.Generator().manual_seed(0))
    small = decimate(picture, factor)
    wide = spread(small, factor, (4 * factor, 5 * factor))
    after = factor // 2
    # Output pixel i is the mean of i·f − (f−1)//2 … i·f + f//2.
    assert wide.shape == picture.shape and bool((wide[..., factor : factor + after + 1, 0] == small[..., 1:2, 0]).all())


def test_files_hold_the_values_and_the_picture(tmp_path: Path) -> None:
    image, reference = pair(200, 240)
    mask = torch.zeros(200, 240, dtype=torch.bool)
    mask[:, 200:] = True
    ready = Ready(kk.Image(*_pixels(image)), kk.Image(*_pixels(reference)), mask)
    metric = kk.metric("ssim")
    drawn = write_map(tmp_path, "sub/a", metric, ready)
    assert drawn == tmp_path / "sub" / "a-ssim.png"
    values = tifffile.imread(tmp_path / "sub" / "a-ssim.tif")
    assert values.dtype == np.float32 and np.isnan(values[:, 200:]).all()
    assert np.allclose(values, map_values(metric, ready).numpy(), equal_nan=True)
    # Where most is wrong the picture is coloured; where nothing counts it is grey.
    shown = np.asarray(Pillow.open(drawn)).astype(int)
    assert shown.shape[1] > 240
    framed = map_picture(map_values(metric, ready), ready.image.pixels, metric).astype(int)
    top = (framed.shape[0] - 200) // 2
    colour = np.ptp(framed[top : top + 200, 11 : 11 + 240], axis=2)
    assert colour[50:70, 70:100].mean() > 60 and colour[:, 202:].max() <= 1


def test_a_metric_without_a_map_says_so() -> None:
    image, reference = pair(200, 240)
    with pytest.raises(InputError, match="a metric that has a map"):
        map_values(kk.metric("psnr"), Ready(kk.Image(*_pixels(image)), kk.Image(*_pixels(reference))))


def test_no_map_overwrites_another(tmp_path: Path) -> None:
    names = MapNames(tmp_path)
    assert [names.of("a"), names.of("A"), names.of("b"), names.of("a")] == ["a", "A-2", "b", "a-3"]


@pytest.mark.parametrize("name", ["ssim", "gmsd"])
@pytest.mark.parametrize("size", [(200, 240), (512, 512)])
def test_the_map_agrees_with_the_score_beside_a_mask(name: str, size: tuple[int, int]) -> None:
    """Windows that look under the mask count in neither: there the pictures differ most."""
    image, reference = pair(*size)
    mask = torch.zeros(size, dtype=torch.bool)
    mask[120:150, 50:130], mask[-30:] = True, True
    image[mask.numpy()] = 0
    ready = Ready(kk.Image(*_pixels(image)), kk.Image(*_pixels(reference)), mask)
    metric = kk.metric(name)
    found = map_values(metric, ready)
    known = found[found.isfinite()]
    told = known.mean() if name == "ssim" else known.std()
    assert float(told) == pytest.approx(float(metric(ready.image, ready.reference, mask=mask)), rel=1e-3)
    assert bool(found[118:152, 48:132].isnan().all()) and bool(found[20:100, 20:230].isfinite().all())


def layers() -> LPIPSAlex:
    """A metric with layers, of any weights."""
    network = LPIPSNetwork(alexnet.alexnet_features(), alexnet.CHANNELS)
    state = {name: torch.rand_like(value) * 0.05 for name, value in network.state_dict().items()}
    return LPIPSAlex(state)


def test_stages_add_up_to_the_map(tmp_path: Path) -> None:
    image, reference = pair(96, 120)
    mask = torch.zeros(96, 120, dtype=torch.bool)
    mask[:, 100:] = True
    ready = Ready(kk.Image(*_pixels(image)), kk.Image(*_pixels(reference)), mask)
    torch.manual_seed(0)
    metric = layers()
    stages = stage_values(metric, ready)
    assert stages is not None and tuple(stages.shape) == (5, 96, 120)
    whole = map_values(metric, ready)
    assert torch.allclose(stages.sum(0), whole, rtol=1e-4, atol=1e-6, equal_nan=True) and bool(
        whole[:, 100:].isnan().all()
    )
    write_map(tmp_path, "a", metric, ready)
    assert {p.name for p in tmp_path.iterdir()} == {f"a-lpips-alex{end}" for end in (".png", ".tif", "-stages.png")}
    assert stage_values(kk.metric("ssim"), ready) is None


def _pixels(array: Any) -> tuple[torch.Tensor]:
    return (torch.from_numpy(np.moveaxis(array, 2, 0).astype(np.float32) / 255),)
