"""`kukkiri-blur` as a metric: what holds whatever the weights have learned. Accuracy has a file of its own."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor

import kukkiri as kk
from contract import MetricContract, blurred, noisy, photograph
from images import sem_like
from kukkiri.errors import KukkiriError, ShapeError
from kukkiri.images.masks import Box
from kukkiri.images.reading import open_image
from kukkiri.sharpness import blur_estimator
from kukkiri.sharpness.blur import LARGEST, SMALLEST
from kukkiri.sharpness.blur_channels import different_channels
from kukkiri.sharpness.kukkiri_blur import KukkiriBlur


class TestKukkiriBlur(MetricContract):
    name = "kukkiri-blur"

    def pictures(self) -> Tensor:
        """Not quite sharp: at the end of the range every picture has the same value, which would prove nothing."""
        return blurred(super().pictures(), 1.2)


@pytest.fixture(scope="module")
def metric() -> KukkiriBlur:
    built = kk.metric("kukkiri-blur")
    assert isinstance(built, KukkiriBlur)
    return built


def soft(name: str = "gravel", height: int = 256, width: int = 320, sigma: float = 1.5) -> Tensor:
    return blurred(photograph(name, height, width), sigma)


def same(a: kk.Blur, b: kk.Blur) -> bool:
    """Everything, bit by bit."""
    tensors = all(torch.equal(getattr(a, n).nan_to_num(-1), getattr(b, n).nan_to_num(-1)) for n in ("map", "evidence"))
    return tensors and a.to_row() == b.to_row() and (a.size, a.stride) == (b.size, b.stride)


@pytest.mark.parametrize("separate", [False, True])
def test_walked_over_in_memory_or_in_a_file_is_identical(
    metric: KukkiriBlur, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, separate: bool
) -> None:
    """Small tiles, so that there are six of them; grey, and three channels of different things."""
    monkeypatch.setattr(blur_estimator, "WHOLE", 1000)
    monkeypatch.setattr(blur_estimator, "CORE", 128)
    monkeypatch.setattr(blur_estimator, "MARGIN", 64)
    names = ("gravel", "brick", "grass") if separate else ("gravel",)
    picture = torch.cat([soft(n, 200, 330) for n in names], 1)
    array = (picture[0] * 255).round().byte().permute(1, 2, 0).numpy().squeeze()
    path = tmp_path / "picture.png"
    Pillow.fromarray(array).save(path)
    whole = kk.blur(array)
    assert math.isfinite(whole.sigma) and whole.map.shape == (25, 42)
    with open_image(path) as source:
        assert same(metric.estimate_file(source), whole)
        assert kk.metrics.measure_tiled(metric, source) == whole.sigma
    if separate:
        return
    assert kk.metrics.measure_tiled(metric, path) == kk.metrics.measure_tiled(metric, array) == whole.sigma
    assert float(metric(array)) == pytest.approx(whole.sigma, rel=1e-6)
    box, mask = Box(24, 40, 150, 200), torch.zeros(150, 200, dtype=torch.bool)
    mask[90:120, 30:100] = True
    cut = kk.blur(array[24:174, 40:240], mask=mask)
    with open_image(path) as source:
        assert same(metric.estimate_file(source, box=box, mask=mask), cut)
        assert kk.metrics.measure_tiled(metric, source, box=box, mask=mask) == cut.sigma


def test_a_walk_gives_the_value_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real margin: what lies beyond it does not reach the core."""
    picture = soft("gravel", 500, 500)
    whole = kk.blur(picture)
    monkeypatch.setattr(blur_estimator, "WHOLE", 1000)
    monkeypatch.setattr(blur_estimator, "CORE", 256)
    walked = kk.blur(picture)
    assert walked.sigma == pytest.approx(whole.sigma, rel=1e-3)
    torch.testing.assert_close(walked.map, whole.map, rtol=1e-2, atol=0)


def test_a_picture_that_is_mostly_white_is_not_saturated_for_being_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slide: overlapping tiles count no pixel twice."""
    picture = torch.ones(1, 1, 384, 384)
    picture[..., 128:256, 128:256] = soft("gravel", 128, 128)
    monkeypatch.setattr(blur_estimator, "WHOLE", 1000)
    monkeypatch.setattr(blur_estimator, "CORE", 128)
    monkeypatch.setattr(blur_estimator, "MARGIN", 128)
    assert kk.blur(picture).abstained is None
    picture[..., 129:, :] = 1
    assert str(kk.blur(picture).abstained).startswith("saturated")


def test_dyes_are_told_apart_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three dyes in a large picture whose first corner is empty, as that of a slide is."""
    picture = torch.cat([soft(name, 480, 480) for name in ("gravel", "brick", "grass")], 1)
    picture[..., :128, :128] = 0
    assert different_channels(picture[0]) and not different_channels(picture[0, :, :128, :128])
    monkeypatch.setattr(blur_estimator, "WHOLE", 1000)
    monkeypatch.setattr(blur_estimator, "CORE", 128)
    walked = []
    seen = blur_estimator.BlurEstimator.maps
    monkeypatch.setattr(blur_estimator.BlurEstimator, "maps", lambda self, x: (walked.append(len(x)), seen(self, x))[1])
    kk.blur(picture)
    assert set(walked) == {3}


def test_channels_of_noise_are_not_different_pictures() -> None:
    source = torch.Generator().manual_seed(0)
    noise = 0.05 + 0.01 * torch.randn(3, 256, 256, generator=source)
    assert not different_channels(noise)
    assert not different_channels(soft("gravel", 256, 256)[0] * torch.tensor([0.9, 0.5, 0.2])[:, None, None] + noise)


def test_planes_of_a_file(tmp_path: Path) -> None:
    import tifffile

    planes = [(soft(sigma=s)[0, 0] * 65535).numpy().astype(np.uint16) for s in (1.5, 4.0)]
    tifffile.imwrite(tmp_path / "stack.tif", np.stack(planes), photometric="minisblack")
    found = [blur_estimator.shared_estimator().estimate(tmp_path / "stack.tif", plane=k) for k in (0, 1)]
    assert [b.sigma for b in found] == [kk.blur(plane).sigma for plane in planes]


@pytest.mark.parametrize("style", ["jeol", "zeiss-white"])
def test_an_info_bar_changes_nothing(style: str) -> None:
    made = sem_like.with_bar(sem_like.specimen("grains", 480, 640, noise=0.02, psf=1.5, seed=5), style)
    mask = torch.zeros(made.picture.shape[:2], dtype=torch.bool)
    mask[made.start : made.stop] = True
    bare = kk.blur(made.clean)
    for given in (mask, "auto"):
        masked = kk.blur(made.picture, mask=given)
        assert masked.sigma == pytest.approx(bare.sigma, rel=0.01)
        assert masked.interval == pytest.approx(bare.interval, rel=0.02)


def test_text_inside_the_picture_does_not_count() -> None:
    """Razor-sharp letters on a blurred scene, masked: the sigma of the scene, as far as what is left tells it."""
    picture = soft("gravel", 384, 384, 3.0)
    mask = torch.zeros(384, 384, dtype=torch.bool)
    mask[40:80, 30:330] = True
    letters = torch.where(mask, (torch.arange(384) // 3 % 2).float().expand_as(picture), picture)
    bare, masked = kk.blur(picture), kk.blur(letters, mask=mask)
    assert masked.sigma == pytest.approx(bare.sigma, rel=0.05)
    assert masked.map.shape == bare.map.shape
    assert bool(masked.map.isnan().any()) and not bool(bare.map.isnan().any())
    counted = ~torch.nn.functional.max_pool2d(mask[None].float(), 8)[0].bool()
    assert bool((masked.evidence[~counted] == 0).all())


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (torch.full((1, 1, 96, 128), 0.4), "flat"),
        (torch.zeros(1, 3, 96, 128), "flat"),
        (torch.ones(1, 1, 96, 128), "saturated"),
        (noisy(torch.full((1, 1, 192, 192), 0.5), 0.01), "no evidence"),
        (noisy(torch.full((1, 1, 192, 192), 0.5), 0.1), "no evidence"),
        (noisy(torch.full((1, 3, 192, 192), 0.3), 0.04), "no evidence"),
    ],
)
def test_no_number_without_evidence(metric: KukkiriBlur, picture: Tensor, reason: str) -> None:
    assert math.isnan(float(metric(picture)))
    blur = kk.blur(picture)
    assert blur.abstained and blur.abstained.startswith(reason)
    assert all(math.isnan(v) for v in (blur.sigma, *blur.interval, blur.sharpest, blur.major, blur.minor, blur.angle))
    row = blur.to_row()
    assert row["sigma"] is row["sigma_lo"] is row["angle"] is None and row["abstained"] == blur.abstained


def test_everything_masked_but_a_flat_part(metric: KukkiriBlur) -> None:
    picture = soft()
    picture[..., :120] = 0.5
    mask = torch.zeros(picture.shape[-2:], dtype=torch.bool)
    mask[:, 120:] = True
    assert math.isnan(float(metric(picture, mask=mask)))


@pytest.mark.parametrize("active", [0, 1, 2])
def test_one_active_channel_equals_grey(metric: KukkiriBlur, active: int) -> None:
    """A fluorescence picture as RGB: two black channels are no evidence, and no other picture."""
    grey = soft()
    colour = torch.zeros(1, 3, *grey.shape[-2:])
    colour[:, active] = grey[:, 0]
    torch.testing.assert_close(metric(colour), metric(grey), rtol=2e-3, atol=0)


def test_outside_the_range_is_a_bound(metric: KukkiriBlur) -> None:
    low, high = metric.spec.value_range
    bounds = []
    for sigma in (0.0, 1.5, 4.0):
        blur = kk.blur(soft("brick", 448, 448, sigma) if sigma else photograph("brick"))
        assert SMALLEST <= blur.sigma <= LARGEST and low <= blur.sigma <= high
        assert blur.interval[0] <= blur.sigma <= blur.interval[1]
        assert (blur.bound == "below") == (blur.sigma == SMALLEST) == (blur.interval[0] == 0)
        assert (blur.bound == "above") == (blur.sigma == LARGEST) == (blur.interval[1] == math.inf)
        bounds.append(blur.bound)
    assert bounds[1:] == [None, None]


def test_each_of_a_batch_with_its_own_mask(metric: KukkiriBlur) -> None:
    batch = torch.cat([soft("gravel"), soft("brick", sigma=3.0)])
    masks = torch.zeros(2, *batch.shape[-2:], dtype=torch.bool)
    masks[0, -40:], masks[1, 100:130, 50:200] = True, True
    together = metric.estimate(batch, mask=masks)
    alone = [kk.blur(x, mask=m) for x, m in zip(batch, masks)]
    assert [b.sigma for b in together] == [b.sigma for b in alone]
    torch.testing.assert_close(metric(batch, mask=masks), torch.tensor([b.sigma for b in alone]), rtol=1e-5, atol=0)


def test_too_small_is_explained(metric: KukkiriBlur) -> None:
    for side in (31, 1):
        with pytest.raises(ShapeError, match=f"32.*, got {side}×100"):
            kk.blur(torch.rand(1, 100, side))
    mask = torch.ones(100, 100, dtype=torch.bool)
    mask[:30, :] = False
    with pytest.raises(ShapeError, match="got 100×30"):
        kk.blur(torch.rand(1, 100, 100), mask=mask)
    with pytest.raises(KukkiriError, match="a mask of 100×100"):
        kk.blur(torch.rand(1, 100, 100), mask=mask[:50])
    assert kk.blur(soft()[..., :32, :64]).size == (32, 64)


def test_a_path_an_array_and_a_tensor_are_one(tmp_path: Path) -> None:
    array = np.moveaxis((blurred(photograph("coffee"), 1.5)[0] * 255).round().byte().numpy(), 0, 2)
    Pillow.fromarray(array).save(tmp_path / "x.png")
    found = [kk.blur(v) for v in (tmp_path / "x.png", array, torch.from_numpy(array).permute(2, 0, 1))]
    assert same(found[0], found[1]) and same(found[0], found[2])
