"""Calibrating an instrument: with injected estimates, so that nothing rests on the weights; then once with them."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from typer.testing import CliRunner

import kukkiri as kk
from contract import photograph
from kukkiri.cli.main import app
from kukkiri.errors import InputError, KukkiriError, ReadError, ShapeError
from kukkiri.images.image import Image
from kukkiri.images.masks import Box
from kukkiri.optics import psf
from kukkiri.sharpness.blur import Blur
from kukkiri.sharpness.calibrated import quadrature


def blur_of(
    sigma: float = 0.8,
    *,
    interval: tuple[float, float] | None = None,
    bound: Any = None,
    ratio: float = 1.0,
    angle: float = 0.0,
    family: str = "gaussian",
    noise: float = 0.01,
    unlike: float = 0.0,
    abstained: str | None = None,
    sigma_m: float | None = None,
) -> Blur:
    minor = sigma * math.sqrt(2 / (1 + ratio**2))
    shares = dict.fromkeys(("gaussian", "disc", "motion"), 0.1) | {family: 0.8}
    if abstained:
        sigma, interval = math.nan, (math.nan, math.nan)
    return Blur(
        sigma, sigma, interval or (sigma / 1.1, sigma * 1.1), bound, ratio * minor, minor, angle, shares, noise,
        torch.zeros(1, 1), torch.zeros(1, 1), 8, (64, 64), unlike, abstained, sigma_m,
    )  # fmt: skip


class Told:
    """Says what it was told, one blur after the other."""

    fingerprint = "f" * 64

    def __init__(self, *blurs: Blur) -> None:
        self.left = list(blurs)
        self.masks: list[Any] = []
        self.sizes: list[tuple[int, int]] = []

    def estimate(self, image: Image, *, mask: Any = None) -> Blur:
        self.masks.append(mask)
        self.sizes.append((image.height, image.width))
        return self.left.pop(0)


def pictures(count: int, size: int = 48) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (size, size), dtype=np.uint8) for _ in range(count)]


def calibrated(*blurs: Blur, **options: Any) -> kk.Calibration:
    return kk.calibrate(pictures(len(blurs)), estimator=Told(*blurs), **options)


def of_sigmas(*sigmas: float, **options: Any) -> kk.Calibration:
    return calibrated(*(blur_of(s) for s in sigmas), **options)


USUAL = (0.80, 0.82, 0.78, 0.81, 0.79)


class TestLearning:
    def test_baseline_repeatability_and_smallest_change(self) -> None:
        """Mean 0.8, s = 0.0158114; t(0.975, 4) = 2.776445, t(0.95, 4) = 2.131847."""
        found = of_sigmas(*USUAL)
        assert found.sigma == pytest.approx(0.8) and found.bound is None and len(found.used) == 5
        assert found.repeatability is not None and found.repeatability.between == "fields"
        assert found.repeatability.deviation == pytest.approx(0.0158114, rel=1e-5)
        assert found.smallest_change == pytest.approx(2.776445 * 0.0158114 * math.sqrt(1.2), rel=1e-5)
        assert found.interval == pytest.approx((0.8 / 1.1, 0.88))  # the estimator's own, wider than ± t·s/√5
        assert found.notes == ()

    def test_interval_is_that_of_the_mean_where_pictures_differ_by_more_than_the_estimator_says(self) -> None:
        found = calibrated(*(blur_of(s, interval=(s * 0.99, s * 1.01)) for s in (0.6, 0.8, 1.0)))
        assert found.interval == pytest.approx((0.8 - 2.919986 * 0.2 / 3**0.5, 0.8 + 2.919986 * 0.2 / 3**0.5), rel=1e-5)

    def test_a_picture_out_of_focus_does_not_count_and_is_named(self) -> None:
        clean, soiled = of_sigmas(*USUAL), of_sigmas(*USUAL, 2.5)
        assert soiled.sigma == clean.sigma and soiled.smallest_change == clean.smallest_change
        assert soiled.pictures[5].left_out and "more blurred than the others" in soiled.pictures[5].left_out
        assert soiled.notes == ("1 of 6 pictures do not count",)

    def test_abstained_and_too_blurred_pictures_do_not_count(self) -> None:
        found = calibrated(
            blur_of(abstained="flat: all pixels have one value"), blur_of(12, bound="above"), *map(blur_of, USUAL)
        )
        assert found.sigma == pytest.approx(0.8)
        assert [p.left_out for p in found.pictures[:3]] == [
            "flat: all pixels have one value",
            "more blurred than can be measured",
            None,
        ]
        assert found.pictures[0].sigma is None

    def test_nothing_that_counts_is_an_error_that_says_why(self) -> None:
        with pytest.raises(InputError, match="picture 1: saturated"):
            calibrated(blur_of(abstained="saturated"), blur_of(abstained="saturated"))

    def test_sharper_than_can_be_told_is_an_upper_bound_without_repeatability(self) -> None:
        below = blur_of(0.35, bound="below", interval=(0, 0.42))
        found = calibrated(below, below, blur_of(0.4), below)
        assert found.bound == "below" and found.repeatability is None and found.smallest_change is None
        assert found.interval[0] == 0 and found.sigma == pytest.approx((3 * 0.35 + 0.4) / 4)
        assert "upper bound" in found.notes[0] and "≤" in repr(found)

    def test_bounds_make_no_outliers_of_what_was_measured(self) -> None:
        below = [blur_of(0.35, bound="below", interval=(0, 0.42)) for _ in range(6)]
        found = calibrated(*below, blur_of(0.40), blur_of(0.36))
        assert len(found.used) == 8 and found.bound == "below"
        # Among the measured ones an outlier is still one.
        odd = calibrated(*below[:2], *map(blur_of, USUAL), blur_of(2.5))
        assert [p.left_out is None for p in odd.pictures] == [True] * 7 + [False]

    def test_axes_of_bounds_do_not_count(self) -> None:
        below = [blur_of(0.35, bound="below", interval=(0, 0.42), ratio=2.0) for _ in range(3)]
        assert calibrated(*below).major == calibrated(*below).minor
        found = calibrated(*below, blur_of(0.5, ratio=1.3, angle=math.pi / 2))
        assert found.major / found.minor == pytest.approx(1.3) and found.angle == pytest.approx(math.pi / 2)

    def test_fewer_than_three_have_a_baseline_but_no_repeatability(self) -> None:
        found = of_sigmas(0.8, 0.9)
        assert found.sigma == pytest.approx(0.85) and found.repeatability is None
        assert found.notes == ("the repeatability needs 3 pictures, here are 2",)

    def test_pictures_of_one_field_say_so(self) -> None:
        found = of_sigmas(*USUAL, fields="same")
        assert found.repeatability is not None and found.repeatability.between == "pictures of one field"
        assert any("one field" in note for note in found.notes)

    def test_labelled_fields_part_the_spread(self) -> None:
        found = of_sigmas(0.80, 0.81, 0.90, 0.91, 1.00, 1.01, fields=list("aabbcc"))
        assert found.repeatability is not None and found.repeatability.within is not None
        assert found.repeatability.within == pytest.approx(0.01 / 2**0.5)
        assert found.repeatability.deviation == pytest.approx((0.01 + 0.00005 / 2) ** 0.5)
        assert [p.field for p in found.pictures] == [1, 1, 2, 2, 3, 3]

    def test_axes_are_those_of_most_pictures(self) -> None:
        """Axes near ±90°, which a mean of angles would get wrong, and one odd picture."""
        angles = [math.radians(a) for a in (88, -89, 90, -88, 89)]
        found = calibrated(*(blur_of(s, ratio=1.4, angle=a) for s, a in zip(USUAL, angles)), blur_of(0.8, ratio=3))
        assert found.major / found.minor == pytest.approx(1.4, rel=0.03)
        assert abs(math.remainder(found.angle - math.pi / 2, math.pi)) < math.radians(2)
        assert (found.major**2 + found.minor**2) / 2 == pytest.approx(found.sigma**2)
        assert -math.pi / 2 < found.angle <= math.pi / 2

    def test_round_from_opposing_axes(self) -> None:
        found = calibrated(*(blur_of(0.8, ratio=1.3, angle=a * math.pi / 4) for a in (0, 2, 1, -1)))
        assert found.major / found.minor < 1.02

    def test_noise_is_the_median_and_family_the_mean(self) -> None:
        noises = (0.01, 0.012, 0.011, 0.2, math.nan)
        found = calibrated(*(blur_of(s, noise=n, family="disc") for s, n in zip(USUAL, noises)))
        assert found.noise == pytest.approx(0.0115) and found.family["disc"] == pytest.approx(0.8)

    def test_noise_against_signal_is_learned_from_the_pixels(self) -> None:
        """A ramp of light on a sensor of 1000 electrons."""
        random = np.random.default_rng(0)
        ramp = np.linspace(0.1, 0.8, 640) * np.ones((160, 1))
        shots = [(ramp + np.sqrt(ramp / 1000) * random.normal(size=ramp.shape)).astype(np.float32) for _ in range(3)]
        found = kk.calibrate(shots, estimator=Told(*map(blur_of, USUAL[:3])))
        assert found.photon_transfer is not None and found.photon_transfer.slope == pytest.approx(1e-3, rel=0.05)
        assert of_sigmas(*USUAL).photon_transfer is None

    def test_noise_of_colour_pictures_is_that_of_a_channel(self) -> None:
        """Luma of three channels of 1000 electrons each would have 0.447 of the variance: 2200 electrons."""
        random = np.random.default_rng(0)
        ramp = np.linspace(0.1, 0.8, 640)[:, None] * np.ones((160, 1, 3))
        shots = [(ramp + np.sqrt(ramp / 1000) * random.normal(size=ramp.shape)).astype(np.float32) for _ in range(3)]
        found = kk.calibrate(shots, estimator=Told(*map(blur_of, USUAL[:3])))
        assert found.photon_transfer is not None and found.photon_transfer.slope == pytest.approx(1e-3, rel=0.05)

    def test_masks_reach_the_estimator(self) -> None:
        mask = np.zeros((48, 48), bool)
        mask[40:] = True
        told = Told(*map(blur_of, USUAL[:3]))
        kk.calibrate(pictures(3), mask=mask, estimator=told)
        assert all(torch.equal(m, torch.from_numpy(mask)) for m in told.masks)
        with pytest.raises(ShapeError, match="mask of 48×48"):
            kk.calibrate(pictures(1), mask=mask[:9], estimator=Told(blur_of()))

    def test_several_masks_add_and_a_region_is_cut_out(self) -> None:
        mask = np.zeros((48, 48), bool)
        mask[40:] = True
        told = Told(*map(blur_of, USUAL[:2]))
        kk.calibrate(pictures(2), mask=(mask, mask.T.copy()), estimator=told)
        assert all(torch.equal(m, torch.from_numpy(mask | mask.T)) for m in told.masks)
        told = Told(*map(blur_of, USUAL[:2]))
        kk.calibrate(pictures(2), mask=mask, roi=Box(30, 4, 18, 40), estimator=told)
        assert all(torch.equal(m, torch.from_numpy(mask[30:48, 4:44])) for m in told.masks)
        assert told.sizes == [(18, 40)] * 2
        told = Told(*map(blur_of, USUAL[:1]))
        kk.calibrate(pictures(1), mask=(), estimator=told)
        assert told.masks == [None]
        with pytest.raises(ShapeError, match="region inside 48×48"):
            kk.calibrate(pictures(1), roi=Box(30, 4, 19, 40), estimator=Told(blur_of()))


class TestPictures:
    def test_folder_list_and_generator_are_alike(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        for name, picture in zip(("a.png", "sub/b.png", ".hidden.png", "c.tif"), pictures(4)):
            Pillow.fromarray(picture).save(tmp_path / name)
        (tmp_path / "notes.txt").write_text("no picture")
        found = kk.calibrate(tmp_path, estimator=Told(*map(blur_of, USUAL[:3])))
        assert [p.name for p in found.pictures] == ["a.png", "c.tif", "b.png"]
        files = [tmp_path / "a.png", tmp_path / "c.tif", tmp_path / "sub" / "b.png"]
        again = kk.calibrate(iter(files), estimator=Told(*map(blur_of, USUAL[:3])))
        assert again.pictures == found.pictures

    @pytest.mark.parametrize(
        ("images", "said"),
        [
            ([], "expected pictures in focus, got none"),
            ("no such folder", "expected a folder"),
            (7, "expected a folder, or several pictures"),
            (Image(torch.zeros(1, 8, 8)), "expected a folder, or several pictures"),
            (np.zeros((48, 48)), r"got one array of shape \(48, 48\)"),
            (np.zeros((48, 48, 3), np.uint8), r"got one array of shape \(48, 48, 3\)"),
            (torch.zeros(3, 48, 48), "got one tensor of shape"),
        ],
    )
    def test_what_is_no_set_of_pictures(self, images: Any, said: str) -> None:
        with pytest.raises(InputError, match=said):
            kk.calibrate(images, estimator=Told())

    def test_every_plane_of_a_stack_is_a_reference(self, tmp_path: Path) -> None:
        planes = np.stack(pictures(3))
        tifffile.imwrite(tmp_path / "stack.tif", planes, photometric="minisblack")
        told = Told(*map(blur_of, USUAL[:4]))
        found = kk.calibrate([tmp_path / "stack.tif", pictures(4)[3]], estimator=told)
        assert [p.name for p in found.pictures] == [*(f"stack.tif [{i}]" for i in range(3)), "picture 4"]
        alone = kk.calibrate(tmp_path / "stack.tif", estimator=Told(*map(blur_of, USUAL[:3])))
        assert alone.pictures == found.pictures[:3] and alone.repeatability is not None
        Pillow.fromarray(pictures(1)[0]).save(tmp_path / "one.png")
        with pytest.raises(InputError, match="one picture tells nothing of repeatability"):
            kk.calibrate(tmp_path / "one.png", estimator=Told())

    def test_fields_by_folder(self, tmp_path: Path) -> None:
        for i, picture in enumerate(pictures(4)):
            (tmp_path / f"{i // 2}").mkdir(exist_ok=True)
            Pillow.fromarray(picture).save(tmp_path / f"{i // 2}" / f"{i}.png")
        tifffile.imwrite(tmp_path / "1" / "z.tif", np.stack(pictures(6)[4:]), photometric="minisblack")
        found = kk.calibrate(tmp_path, fields="folder", estimator=Told(*map(blur_of, (*USUAL, 0.8))))
        assert [p.field for p in found.pictures] == [1, 1, 2, 2, 2, 2]
        with pytest.raises(InputError, match="files for fields='folder'"):
            of_sigmas(*USUAL, fields="folder")

    def test_empty_folder_and_unreadable_picture(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="none in"):
            kk.calibrate(tmp_path, estimator=Told())
        (tmp_path / "a.png").write_text("text")
        with pytest.raises(ReadError, match=r"a\.png"):
            kk.calibrate(tmp_path, estimator=Told())

    def test_a_copy_is_refused(self) -> None:
        one = pictures(1)[0]
        with pytest.raises(InputError, match="same pixels in picture 1 and picture 2"):
            kk.calibrate([one, one.copy()], estimator=Told(blur_of(), blur_of()))

    @pytest.mark.parametrize("fields", [["a", "b"], "some"])
    def test_wrong_fields(self, fields: Any) -> None:
        with pytest.raises(InputError, match="field|'different'"):
            of_sigmas(*USUAL, fields=fields)


class TestPixelSize:
    def of_sizes(self, *sizes: float | None, **options: Any) -> kk.Calibration:
        images = [Image(torch.rand(1, 48, 48), pixel_size=size) for size in sizes]
        return kk.calibrate(images, estimator=Told(*map(blur_of, USUAL[: len(sizes)])), **options)

    def test_is_taken_from_the_pictures(self) -> None:
        found = self.of_sizes(1.3e-9, 1.3e-9, 1.305e-9)
        assert found.pixel_size == pytest.approx(1.3e-9) and found.sigma_m == pytest.approx(found.sigma * 1.3e-9)
        assert self.of_sizes(None, None).pixel_size is None and self.of_sizes(None, None).sigma_m is None

    def test_mixed_magnifications_are_an_error(self) -> None:
        with pytest.raises(InputError, match="one magnification.*calibrate each magnification by itself"):
            self.of_sizes(1.3e-9, 2.6e-9)
        with pytest.raises(InputError, match="1 of 2; none in picture 2"):
            self.of_sizes(1.3e-9, None)

    @pytest.mark.parametrize("given", [1.3e-9, "1.3 nm", "1.3nm", "0.0013um", "1.3e-9"])
    def test_given_size_holds_for_all(self, given: Any) -> None:
        assert self.of_sizes(2e-9, None, 5e-9, pixel_size=given).pixel_size == pytest.approx(1.3e-9)

    @pytest.mark.parametrize("wrong", [0, -1e-9, math.nan, "1.3 furlongs", "nm", "", True, 2.0, "1.2.3 nm"])
    def test_what_is_no_length(self, wrong: Any) -> None:
        with pytest.raises(InputError, match="side of a pixel in metres"):
            self.of_sizes(None, pixel_size=wrong)


class TestApplying:
    def apply(self, blur: Blur, *sigmas: float, **options: Any) -> Any:
        return of_sigmas(*(sigmas or USUAL)).apply(blur, estimator=Told(), **options)

    def test_more_blurred_than_the_instrument(self) -> None:
        found = self.apply(blur_of(1.0))
        assert found.distinguishable is True and not found.sharper
        assert found.beyond == pytest.approx(0.6) and found.change == pytest.approx(0.2)
        assert found.interval[0] < 0.6 < found.interval[1]
        assert found.mtf_ratio(0.25) == pytest.approx(math.exp(-2 * (math.pi * 0.6 * 0.25) ** 2))
        assert found.contrast_loss(0.25) == 1 - found.mtf_ratio(0.25)
        low, high = found.mtf_ratio_interval(0.25)
        assert low < found.mtf_ratio(0.25) < high <= 1
        assert found.mtf_ratio(found.mtf50_ratio_frequency()) == pytest.approx(0.5)

    @pytest.mark.parametrize("factor", [-0.99, 0.0, 0.99])
    def test_not_distinguishable_below_the_smallest_change(self, factor: float) -> None:
        calibration = of_sigmas(*USUAL)
        assert calibration.smallest_change is not None
        found = calibration.apply(blur_of(0.8 + factor * calibration.smallest_change), estimator=Told())
        assert found.distinguishable is False and not found.sharper
        assert found.beyond == 0 and found.interval[0] == 0 < found.interval[1]
        assert found.mtf_ratio(0.4) == 1 and found.mtf50_ratio_frequency() == math.inf
        assert "not distinguishable" in repr(found)

    def test_just_above_the_smallest_change(self) -> None:
        calibration = of_sigmas(*USUAL)
        assert calibration.smallest_change is not None
        found = calibration.apply(blur_of(0.8 + 1.01 * calibration.smallest_change), estimator=Told())
        assert found.distinguishable and found.beyond > 0

    def test_where_the_estimator_is_less_sure_more_change_is_needed(self) -> None:
        calibration = of_sigmas(*USUAL)
        sure = calibration.apply(blur_of(0.9, interval=(0.89, 0.91)), estimator=Told())
        unsure = calibration.apply(blur_of(0.9, interval=(0.9 / 1.1**3, 0.9 * 1.1**3)), estimator=Told())
        assert sure.threshold == calibration.smallest_change and sure.distinguishable
        assert unsure.threshold == pytest.approx(3 * sure.threshold) and not unsure.distinguishable

    def test_sharper_than_the_references(self) -> None:
        found = self.apply(blur_of(0.6))
        assert found.sharper and found.beyond == 0 and found.distinguishable is False
        assert "not in focus" in found.notes[0]

    def test_abstained(self) -> None:
        found = self.apply(blur_of(abstained="flat"))
        assert found.abstained == "flat" and found.distinguishable is None and math.isnan(found.beyond)
        assert math.isnan(found.mtf_ratio(0.1)) and math.isnan(found.mtf50_ratio_frequency())
        assert math.isnan(found.mtf_ratio_interval(0.1)[0])
        row = found.to_row()
        assert row["beyond"] is None and row["mtf50_ratio_frequency"] is None and row["distinguishable"] is None

    def test_above_the_range_is_the_least_that_it_can_be(self) -> None:
        found = self.apply(blur_of(12, bound="above", interval=(11, math.inf)))
        assert found.bound == "above" and found.distinguishable and found.beyond == pytest.approx((144 - 0.64) ** 0.5)
        assert found.interval[1] == math.inf and found.to_row()["beyond_hi"] == "Infinity"
        assert found.mtf_ratio_interval(0.1)[0] == 0 and "least" in found.notes[0]
        json.dumps(found.to_row(), allow_nan=False)

    def test_below_the_range(self) -> None:
        below = blur_of(0.35, bound="below", interval=(0, 0.4))
        assert self.apply(below).sharper
        known_no_better = calibrated(below, below, below)
        found = known_no_better.apply(below, estimator=Told())
        assert found.distinguishable is False and not found.sharper and found.threshold is None and found.beyond == 0

    def test_baseline_that_is_a_bound_needs_intervals_apart(self) -> None:
        below = blur_of(0.35, bound="below", interval=(0, 0.4))
        calibration = calibrated(below, below, below)
        near = calibration.apply(blur_of(0.42, interval=(0.38, 0.46)), estimator=Told())
        far = calibration.apply(blur_of(0.9, interval=(0.8, 1.0)), estimator=Told())
        assert near.distinguishable is False and near.beyond == 0
        assert far.distinguishable and far.interval[0] < far.beyond < far.interval[1]
        assert far.interval[1] >= 0.9  # the instrument may add nothing
        assert "least extra blur" in far.notes[0]

    def test_two_pictures_are_compared_by_intervals(self) -> None:
        calibration = of_sigmas(0.8, 0.82)
        assert calibration.apply(blur_of(0.9), estimator=Told()).distinguishable is False
        assert calibration.apply(blur_of(1.2), estimator=Told()).distinguishable is True
        assert calibration.apply(blur_of(0.5), estimator=Told()).sharper

    @pytest.mark.parametrize(("family", "half"), [("gaussian", 0.187390), ("disc", 0.176271), ("motion", 0.123159)])
    def test_shape_is_the_pictures(self, family: str, half: float) -> None:
        found = self.apply(blur_of(1.0, family=family))
        assert found.shape == family and found.mtf50_ratio_frequency() == pytest.approx(half / 0.6, rel=1e-4)

    def test_contrast_that_comes_back_beyond_a_zero_is_within_its_interval(self) -> None:
        found = self.apply(blur_of(3.0, family="disc"))
        for k in range(1, 50):
            low, high = found.mtf_ratio_interval(k / 100)
            assert low <= found.mtf_ratio(k / 100) <= high

    def test_contrast_is_uncertain_by_size_and_by_shape(self) -> None:
        """By hand: 0.9 px beyond, between 0.8 and 1: a Gaussian leaves the most of it at the least, a motion nothing.

        A straight motion of sigma s has its first zero at 1/(√24·s): at 0.2276 cycles a pixel for 0.9 px.
        """
        blur = replace(blur_of(1.2), family={"gaussian": 0.6, "disc": 0.09, "motion": 0.31})
        found = replace(self.apply(blur), beyond=0.9, interval=(0.8, 1.0))
        low, high = found.mtf_ratio_interval(0.2276)
        assert high == pytest.approx(math.exp(-2 * (math.pi * 0.8 * 0.2276) ** 2)) and low < 0.01
        sure = replace(found, blur=replace(blur, family={"gaussian": 0.95, "disc": 0.03, "motion": 0.02}))
        assert sure.mtf_ratio_interval(0.2276)[0] == pytest.approx(math.exp(-2 * (math.pi * 0.2276) ** 2))
        disc = replace(sure, shape="disc")
        assert disc.mtf_ratio_interval(0.2276)[0] < sure.mtf_ratio_interval(0.2276)[0]

    @pytest.mark.parametrize("high", [8.0, math.inf])
    def test_contrast_interval_without_end_holds_what_lies_between(self, high: float) -> None:
        """A disc of just 0.30492/f leaves nothing at f, larger ones up to 13.2 %: a ring of the Airy pattern."""
        blur = replace(blur_of(3.0, family="disc"), family={"gaussian": 0.0, "disc": 1.0, "motion": 0.0})
        found = replace(self.apply(blur), beyond=3.2, interval=(3.0492, high))
        low, most = found.mtf_ratio_interval(0.1)
        assert low < 0.003 and most == pytest.approx(0.1323, abs=0.0005)
        assert found.mtf_ratio_interval(0) == (1, 1)

    def test_metres_and_frequencies_per_metre(self) -> None:
        found = self.apply(blur_of(1.0), pixel_size="2 um")
        assert found.beyond_m == pytest.approx(1.2e-6)
        assert found.mtf50_ratio_frequency("mm") == pytest.approx(found.mtf50_ratio_frequency() / 2e-3)
        assert found.mtf50_ratio_frequency("m") == pytest.approx(found.mtf50_ratio_frequency() / 2e-6)
        assert found.mtf_ratio(125, "mm") == pytest.approx(found.mtf_ratio(0.25))
        assert found.to_row()["mtf50_ratio_frequency_per_mm"] == pytest.approx(found.mtf50_ratio_frequency("mm"))
        for per, said in (("mm", "pixel size for frequencies"), ("furlong", "frequency per px")):
            with pytest.raises(InputError, match=said):
                self.apply(blur_of(1.0)).mtf_ratio(1, per)

    def test_pixel_size_must_be_that_of_the_calibration(self) -> None:
        calibration = of_sigmas(*USUAL, pixel_size=1.3e-9)
        fits = Image(torch.rand(1, 48, 48), pixel_size=1.301e-9)
        assert calibration.apply(fits, estimator=Told(blur_of(1.0))).pixel_size == 1.3e-9
        silent = calibration.apply(pictures(1)[0], estimator=Told(blur_of(1.0)))
        assert silent.pixel_size == 1.3e-9
        other = Image(torch.rand(1, 48, 48), pixel_size=2.6e-9)
        with pytest.raises(InputError, match=r"1\.3e-09 m.*2\.6e-09 m.*calibrate at this magnification too"):
            calibration.apply(other, estimator=Told(blur_of(1.0)))
        with pytest.raises(InputError, match="calibrate at this magnification too"):
            calibration.apply(blur_of(1.0, sigma_m=2.6e-9), estimator=Told())

    def test_what_else_a_reader_should_know(self) -> None:
        found = self.apply(blur_of(1.0, noise=0.05, unlike=0.9))
        assert len(found.notes) == 2 and "noise of 0.05 against 0.01" in found.notes[0] and "unlike" in found.notes[1]

    def test_row_has_the_columns_of_the_blur_command(self) -> None:
        row = self.apply(blur_of(1.0)).to_row()
        assert {"beyond", "beyond_lo", "beyond_hi", "mtf50_ratio_frequency", "distinguishable"} <= set(row)
        json.dumps(row, allow_nan=False)


class TestQuadrature:
    def test_by_hand(self) -> None:
        """25 − 9 = 16; below √((25 − 16)² + (16 − 9)²) = √130, above √((36 − 25)² + (9 − 4)²) = √146."""
        value, (low, high) = quadrature(5, (4, 6), 3, (2, 4))
        assert (
            value == 4
            and low == pytest.approx((16 - 130**0.5) ** 0.5)
            and high == pytest.approx((16 + 146**0.5) ** 0.5)
        )
        assert quadrature(1, (0.9, 1.1), 2, (1.9, 2.1)) == (0, (0, 0))
        assert quadrature(2, (1.9, math.inf), 1, (1, 1))[1][1] == math.inf

    @pytest.mark.parametrize("common", [0.0, 0.07, 0.1])
    @pytest.mark.parametrize("beyond", [0.5, 4.0])
    def test_holds_the_true_extra_blur(self, beyond: float, common: float) -> None:
        """Errors of 10 % whose 90 % intervals are stated, a part of them common to all pictures of an instrument."""
        random = np.random.default_rng(3)
        own, runs, sigma0, held = math.sqrt(0.1**2 - common**2), 250, 0.8, 0
        shots = pictures(6, 16)
        for _ in range(runs):
            shared = random.normal(0, common)
            drawn = [sigma0 * math.exp(shared + own * random.normal()) for _ in range(6)]
            seen = math.hypot(sigma0, beyond) * math.exp(shared + own * random.normal())
            blurs = [blur_of(s, interval=(s * math.exp(-0.16449), s * math.exp(0.16449))) for s in [*drawn, seen]]
            calibration = kk.calibrate(shots, estimator=Told(*blurs[:6]))
            value, (low, high) = quadrature(seen, blurs[6].interval, calibration.sigma, calibration.interval)
            assert low <= value <= high
            held += low <= beyond <= high
        assert held / runs >= 0.87


class TestFile:
    def test_round_trip(self, tmp_path: Path) -> None:
        calibration = calibrated(
            blur_of(abstained="flat", noise=math.nan),
            blur_of(12, bound="above", interval=(10, math.inf)),
            *(blur_of(s, ratio=1.2, angle=-1.0) for s in USUAL),
            pixel_size="1.3 nm",
            fields=list("aabbccd"),
        )
        calibration.save(tmp_path / "new" / "instrument.json")
        assert kk.Calibration.load(tmp_path / "new" / "instrument.json", estimator=Told()) == calibration
        text = (tmp_path / "new" / "instrument.json").read_text(encoding="utf-8")
        assert len(text) < 4096 and kk.__version__ in text and str(tmp_path) not in text
        json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    def test_round_trip_of_little(self, tmp_path: Path) -> None:
        below = blur_of(0.35, bound="below", interval=(0, 0.4))
        for calibration in (calibrated(below), of_sigmas(0.8)):
            calibration.save(tmp_path / "c.json")
            assert kk.Calibration.load(tmp_path / "c.json", estimator=Told()) == calibration

    def test_round_trip_with_noise_against_signal(self, tmp_path: Path) -> None:
        ramp = np.linspace(0.1, 0.8, 640) * np.ones((160, 1))
        noisy = [(ramp + np.random.default_rng(i).normal(0, 0.01, ramp.shape)).astype(np.float32) for i in range(3)]
        calibration = kk.calibrate(noisy, estimator=Told(*map(blur_of, USUAL[:3])))
        assert calibration.photon_transfer is not None
        calibration.save(tmp_path / "c.json")
        assert kk.Calibration.load(tmp_path / "c.json", estimator=Told()) == calibration

    def test_other_weights_are_refused(self, tmp_path: Path) -> None:
        calibration = of_sigmas(*USUAL)
        calibration.save(tmp_path / "c.json")
        for attempt in (
            lambda: kk.Calibration.load(tmp_path / "c.json"),
            lambda: calibration.apply(pictures(1)[0]),
            lambda: calibration.apply(blur_of()),
        ):
            with pytest.raises(InputError, match=r"other weights \(ffffffffffff, kukkiri .*calibrate anew"):
                attempt()

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"format": "something"}, "JSON of something else"),
            ({"format_version": 2}, "of version 2.*update Kukkiri"),
            ({"sigma": "0.8"}, 'a number in sigma, got "0.8"'),
            ({"sigma": -1}, "a number of at least 0 in sigma"),
            ({"sigma": True}, "a number in sigma"),
            ({"sigma": None}, "a number in sigma, got nothing"),
            ({"sigma": 5.0}, "contradict each other"),
            ({"interval": [0.7]}, "two numbers in interval"),
            ({"interval": [0.9, 0.7]}, "interval.high"),
            ({"bound": "above"}, "bound"),
            ({"bound": "below"}, "no repeatability with a bound"),
            ({"major": 0.1}, "contradict each other"),
            ({"family": {"gaussian": 1}}, r"family\.disc"),
            ({"family": []}, "an object in family"),
            ({"pictures": []}, "a list of pictures"),
            ({"pictures": [3]}, r"an object in pictures\[0\]"),
            ({"pictures": [{"name": "a", "field": 1.5}]}, r"a whole number in pictures\[0\]\.field"),
            ({"pictures": [{"name": "a", "field": 1, "left_out": "no"}]}, "a picture that counts"),
            ({"repeatability": {}}, r"repeatability\.centre"),
            ({"photon_transfer": {"slope": 1}}, r"photon_transfer\.slope_error"),
            ({"weights": ""}, "a text in weights"),
            ({"pixel_size": 7}, "pixel_size"),
        ],
    )
    def test_damaged(self, tmp_path: Path, change: dict[str, Any], said: str) -> None:
        of_sigmas(*USUAL).save(tmp_path / "c.json")
        content = json.loads((tmp_path / "c.json").read_text(encoding="utf-8")) | change
        (tmp_path / "c.json").write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(InputError, match=said):
            kk.Calibration.load(tmp_path / "c.json", estimator=Told())

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"format": NaN}', b"[1]"])
    def test_not_a_calibration_at_all(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "c.json").write_bytes(content)
        with pytest.raises(InputError, match="calibration"):
            kk.Calibration.load(tmp_path / "c.json", estimator=Told())

    def test_missing_and_unwritable(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="No such file"):
            kk.Calibration.load(tmp_path / "c.json")
        (tmp_path / "file").write_text("")
        with pytest.raises(KukkiriError, match="a place to write"):
            of_sigmas(*USUAL).save(tmp_path / "file" / "c.json")


@pytest.fixture(scope="module")
def instrument(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four noisy shots of one field, blurred by 1.5 px, and two that are blurred further, as files."""
    folder = tmp_path_factory.mktemp("instrument")
    (folder / "focus").mkdir()
    sharp = torch.nn.functional.avg_pool2d(photograph("astronaut", 448, 448), 2)
    kinds: Iterator[tuple[str, Iterable[float]]] = iter(
        [(f"focus/{i}.png", [1.5]) for i in range(4)] + [("soft.png", [1.5, 2.0]), ("softer.png", [1.5, 4.0])]
    )
    for seed, (name, sigmas) in enumerate(kinds):
        picture = sharp
        for sigma in sigmas:
            picture = psf.blur(picture, psf.gaussian(sigma))
        noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed)) * 0.005
        array = ((picture + noise).clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0).numpy()
        Pillow.fromarray(array).save(folder / name)
    return folder


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, KukkiriError):
        return "", str(result.exception)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def test_end_to_end_with_the_shipped_weights(instrument: Path, tmp_path: Path) -> None:
    """What holds whatever the weights: a file that comes back, and more blur that is more beyond."""
    out = tmp_path / "instrument.json"
    printed, said = run(
        "calibrate", instrument / "focus", "-o", out, "--pixel-size", "1.3 nm", "--fields", "folder", "--no-auto-mask"
    )
    assert all(word in printed for word in ("0.png", "baseline blur", "smallest detectable change", "1.3 nm"))
    assert str(out) in said and "one field" in said
    calibration = kk.Calibration.load(out)
    assert len(calibration.pictures) == 4 and calibration.pixel_size == pytest.approx(1.3e-9)
    soft, softer = (calibration.apply(instrument / name) for name in ("soft.png", "softer.png"))
    assert soft.distinguishable and softer.distinguishable
    assert 0 < soft.beyond < softer.beyond and soft.mtf_ratio(0.1) > softer.mtf_ratio(0.1)
    again = calibration.apply(kk.blur(instrument / "soft.png"))
    assert again.to_row() == soft.to_row()
    assert run("calibrate", instrument / "focus", "-o", out)[1].endswith("name another, or pass --overwrite")


def test_command_prints_json(instrument: Path) -> None:
    files = [instrument / "focus" / f"{i}.png" for i in (0, 1)]
    printed, _ = run("calibrate", *files, "--json", "--no-auto-mask")
    row = json.loads(printed)
    assert row["pictures"] == 2 and row["repeatability"] is None and row["sigma_lo"] < row["sigma"] < row["sigma_hi"]


def test_command_masks_by_file_and_by_itself_and_cuts(instrument: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    made = of_sigmas(*USUAL)

    def calibrate(images: Iterator[Path], **options: Any) -> kk.Calibration:
        given.update(options, files=list(images))
        return made

    monkeypatch.setattr("kukkiri.sharpness.calibration.calibrate", calibrate)
    mask = instrument / "soft.png"
    run("calibrate", instrument / "focus", "--mask", mask, "--roi", "10,20,30,40", "--fields", "folder")
    assert given["mask"][0] == "auto" and given["mask"][1].path == mask and len(given["mask"]) == 2
    assert given["roi"] == Box(20, 10, 40, 30) and given["fields"] == "folder" and len(given["files"]) == 4
    run("calibrate", instrument / "focus", "--no-auto-mask")
    assert given["mask"] == () and given["roi"] is None
    before = mask.read_bytes()
    assert "one of the inputs" in run("calibrate", mask, "-o", mask, "--overwrite")[1] and mask.read_bytes() == before


def test_command_says_what_is_wrong_before_it_measures(instrument: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "a place to write" in run("calibrate", instrument / "focus", "-o", tmp_path / "file" / "c.json")[1]
    assert "side of a pixel in metres" in run("calibrate", instrument / "focus", "--pixel-size", "3 feet")[1]
