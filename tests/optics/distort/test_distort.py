"""Every kind of distortion: what holds for all of them."""

import math

import numpy as np
import pytest
import skimage.data
import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError, UnknownNameError
from kukkiri.optics.distort import KINDS, distort, kinds

CROPS = {"astronaut": (10, 170), "coffee": (130, 200), "chelsea": (80, 110)}
# How many numbers a Poisson draw takes depends on the strength: what is drawn afterwards, too.
DRAWS_VARY = {"shot-noise", "sensor-noise", "low-light", "bsrgan", "real-esrgan"}
# Random chains move details about: from one level to the next the squared difference need not grow.
CHAINS = {"bsrgan", "real-esrgan"}
# Discs and paths are sampled as finely as the largest or smallest of a batch wants.
CLOSE = {"atol": 5e-4, "rtol": 0}


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    parts = [getattr(skimage.data, name)()[y : y + 96, x : x + 96] for name, (y, x) in CROPS.items()]
    return torch.stack([torch.from_numpy(part.copy()).movedim(-1, 0) for part in parts]).float() / 255


def _error(a: Tensor, b: Tensor) -> list[float]:
    return (a - b).square().mean((1, 2, 3)).tolist()


@pytest.mark.parametrize("name", KINDS)
def test_stronger_levels_are_farther_from_the_picture(name: str, pictures: Tensor) -> None:
    before = [0.0] * len(pictures)
    # A factor near 1 does more or less harm by where the pixels fall.
    half = () if name.startswith("downscale") else (0.5,)
    for level in (1, 3, 5) if name in CHAINS else (*half, 1, 2, 3, 4, 5):
        errors = _error(distort(pictures, name, level, seed=[1, 2, 3]), pictures)
        # Where blocks are counted, half a level may still be the same one block.
        grown = [now > then if level > 1 else now >= then > 0 or now > then for now, then in zip(errors, before)]
        assert all(grown), (level, errors, before)
        before = errors


@pytest.mark.parametrize("name", KINDS)
def test_level_0_is_the_picture_itself(name: str, pictures: Tensor) -> None:
    kept = distort(pictures, name, 0)
    assert torch.equal(kept, pictures) and kept is not pictures
    one = distort(pictures, name, torch.tensor([0.0, 3.0, 0.0]))
    assert torch.equal(one[0], pictures[0]) and torch.equal(one[2], pictures[2])
    assert not torch.equal(one[1], pictures[1])


@pytest.mark.parametrize("name", KINDS)
def test_a_strength_a_sample(name: str, pictures: Tensor) -> None:
    pair = pictures[:2, :, :71, :64]
    if name not in DRAWS_VARY:
        mixed = distort(pair, name, [2, 4.5], seed=5)
        torch.testing.assert_close(mixed[0], distort(pair, name, 2, seed=5)[0], **CLOSE)
        torch.testing.assert_close(mixed[1], distort(pair, name, 4.5, seed=5)[1], **CLOSE)
    # With a seed each, a picture does not know what else is in the batch.
    seeded = distort(pair, name, [2, 4.5], seed=[5, 6])
    for i, (level, seed) in enumerate([(2, 5), (4.5, 6)]):
        torch.testing.assert_close(seeded[i], distort(pair[i : i + 1], name, level, seed)[0], **CLOSE)


@pytest.mark.parametrize("name", KINDS)
def test_seeds(name: str, pictures: Tensor) -> None:
    small = pictures[:1, :, :64, :64]
    first = distort(small, name, 3, seed=1)
    assert torch.equal(first, distort(small, name, 3, seed=1))
    others = [torch.equal(first, distort(small, name, 3, seed=seed)) for seed in range(2, 6)]
    assert not all(others) if KINDS[name].random else all(others)


@pytest.mark.parametrize("name", KINDS)
def test_odd_sizes_types_and_grey(name: str, pictures: Tensor) -> None:
    odd = pictures[:1, :, :37, :51]
    for dtype in (torch.float64, torch.float16):
        changed = distort(odd.to(dtype), name, 5)
        assert changed.shape == odd.shape and changed.dtype == dtype
        assert changed.min() >= 0 and changed.max() <= 1 and bool(torch.isfinite(changed).all())
    grey = odd.mean(1, keepdim=True)
    if KINDS[name].needs_colour:
        with pytest.raises(ShapeError, match="RGB"):
            distort(grey, name, 5)
    else:
        changed = distort(grey, name, 5)
        assert changed.shape == grey.shape and not torch.equal(changed, grey)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda x: distort(x, "jpg", 1), UnknownNameError, "did you mean jpeg"),
        (lambda x: distort(x, 5, 2), InputError, "the name of a kind"),
        (lambda x: distort(x, None, 2), InputError, "the name of a kind"),
        (lambda x: distort(x, ["jpeg"], 2), InputError, "the name of a kind"),
        (lambda x: kinds(5), UnknownNameError, "a group"),
        (lambda x: distort(x, "jpeg", 5.1), InputError, "from 0 to 5"),
        (lambda x: distort(x, "jpeg", math.nan), InputError, "from 0 to 5"),
        (lambda x: distort(x, "jpeg", [1.0, 2.0]), InputError, "one level, or 3"),
        (lambda x: distort(x, "jpeg", 1, seed=[1]), InputError, "one seed, or 3"),
        (lambda x: distort(x[0], "jpeg", 1), ShapeError, "a batch"),
        (lambda x: distort(x[:, :2], "jpeg", 1), ShapeError, "a batch"),
        (lambda x: distort((x * 255).byte(), "jpeg", 1), InputError, "floating-point"),
        (lambda x: distort(x * 255, "jpeg", 1), InputError, r"in \[0, 1\]"),
        (lambda x: distort(x * math.nan, "jpeg", 1), InputError, r"in \[0, 1\]"),
        (lambda x: KINDS["jpeg"].apply(x, {}, torch.Generator()), InputError, "quality"),
    ],
)
def test_errors_teach(call: object, error: type[Exception], said: str, pictures: Tensor) -> None:
    with pytest.raises(error, match=said):
        call(pictures)  # type: ignore[operator]


def test_seeds_of_numpy_and_torch_are_numbers(pictures: Tensor) -> None:
    small = pictures[:2, :, :16, :16]
    expected = distort(small, "white-noise", 3, seed=5)
    for seed in (np.int64(5), np.array(5), torch.tensor(5)):
        assert torch.equal(distort(small, "white-noise", np.float32(3), seed=seed), expected)
    each = distort(small, "white-noise", 3, seed=[5, 6])
    for seeds in (np.array([5, 6]), torch.tensor([5, 6]), (np.uint8(5), torch.tensor(6))):
        assert torch.equal(distort(small, "white-noise", 3, seed=seeds), each)


@pytest.mark.parametrize("seed", [5.7, "a", None, [1, 2.5], np.array(1.0), torch.tensor([1.0, 2.0]), 2**64])
def test_other_seeds_are_refused(seed: object, pictures: Tensor) -> None:
    with pytest.raises(InputError, match="whole number"):
        distort(pictures[:2], "white-noise", 3, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", ["high", None])
def test_a_level_is_a_number(level: object, pictures: Tensor) -> None:
    with pytest.raises(InputError, match="from 0 to 5"):
        distort(pictures, "jpeg", level)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "side"), [("webp", 16384), ("jpeg", 65501)])
def test_a_codec_s_largest_side(name: str, side: int) -> None:
    with pytest.raises(ShapeError, match=f"at most {side - 1} px for {name}, got {side}×2"):
        distort(torch.rand(1, 1, 2, side), name, 3)
    assert distort(torch.rand(1, 1, 2, side - 1), name, 3).shape[3] == side - 1
