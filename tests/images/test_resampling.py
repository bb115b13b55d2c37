import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from contract import photograph
from kukkiri.errors import InputError
from kukkiri.images.resampling import imresize, resampling_taps

CAMERA = (photograph("camera", 77, 101).double() * 255).round()


def test_published_values() -> None:
    """A 4×4 ramp made 3×3, as sanghyun-son/bicubic_pytorch (which follows MATLAB) documents it, to 4 digits.

    Its 6.1505 is a slip: by symmetry the value is 15 − 8.8499.
    """
    ramp = torch.arange(16, dtype=torch.float64).view(1, 1, 4, 4)
    expected = [[0.7506, 2.1004, 3.4503], [6.1501, 7.5, 8.8499], [11.5497, 12.8996, 14.2494]]
    torch.testing.assert_close(
        imresize(ramp, size=(3, 3))[0, 0], torch.tensor(expected, dtype=torch.float64), atol=1e-4, rtol=0
    )


def test_weights_of_halving_by_hand() -> None:
    """Keys' kernel at odd multiples of 1/4, halved: −3/256·…, the eight taps that MATLAB has for 0.5."""
    positions, weights = resampling_taps(20, 10, 0.5)
    expected = torch.tensor([-3, -9, 29, 111, 111, 29, -9, -3], dtype=torch.float64) / 256
    torch.testing.assert_close(weights, expected.expand(10, 8))
    assert positions[4].tolist() == list(range(5, 13))


# Options, shape, then GNU Octave 7.3.0's values (image package 2.14.0) at [0, 0], [5, 7], [-1, -1] and their mean.
# Where the kernel is widened by a fraction Octave leaves the weights unnormalised: its picture was divided by its ones.
OCTAVE = [
    ({"scale": 0.5}, (39, 51), [46.702316284, 42.546386719, 161.624328613, 44.413894500]),
    ({"scale": 1 / 3}, (26, 34), [47.966620942, 5.024538942, 157.933699131, 44.476195378]),
    ({"scale": 1.7}, (131, 172), [47.075064767, 47.399869678, 163.670297739, 43.727588464]),
    ({"size": (40, 130)}, (40, 130), [46.646334914, 42.561917905, 157.936696751, 43.606846878]),
    ({"scale": 0.37, "method": "bilinear"}, (29, 38), [47.743506439, 9.793785134, 159.139903103, 45.032910984]),
    ({"scale": 0.6, "antialias": False}, (47, 61), [46.378600823, 47.555555556, 162.666666667, 44.020979951]),
    ({"size": (33, 20), "method": "bilinear"}, (33, 20), [48.162157199, 27.215686275, 157.265181195, 43.600129599]),
]


@pytest.mark.parametrize(("options", "shape", "values"), OCTAVE)
def test_equals_octave(options: dict[str, object], shape: tuple[int, int], values: list[float]) -> None:
    small = imresize(CAMERA, **options)[0, 0]  # type: ignore[arg-type]
    assert tuple(small.shape) == shape
    got = [small[0, 0], small[5, 7], small[-1, -1], small.mean()]
    assert [float(v) for v in got] == pytest.approx(values, abs=1e-6)


@pytest.mark.parametrize("size", [(40, 130), (33, 20), (154, 202), (77, 50)])
@pytest.mark.parametrize("method", ["bicubic", "bilinear"])
def test_equals_pillow_inside(size: tuple[int, int], method: str) -> None:
    """Pillow has the same kernels and cuts them at the border instead of mirroring: equal away from it."""
    picture = PillowImage.fromarray(CAMERA[0, 0].numpy().astype(np.float32))
    filters = {"bicubic": PillowImage.Resampling.BICUBIC, "bilinear": PillowImage.Resampling.BILINEAR}
    expected = np.asarray(picture.resize(size[::-1], filters[method]))
    got = imresize(CAMERA, size=size, method=method)[0, 0].numpy()
    inside = slice(5, -5)
    np.testing.assert_allclose(got[inside, inside], expected[inside, inside], atol=2e-3)


def test_batch_float32_and_identity() -> None:
    batch = torch.cat([CAMERA, CAMERA.flip(-1)]).float()
    small = imresize(batch, 0.5)
    assert small.dtype == torch.float32 and small.shape == (2, 1, 39, 51)
    torch.testing.assert_close(small[:1], imresize(CAMERA, 0.5).float(), rtol=1e-5, atol=1e-4)
    assert imresize(batch, 1.0) is batch


@pytest.mark.parametrize("options", [{"scale": 0.5}, {"size": (7, 9)}, {"scale": 1.6, "method": "bilinear"}])
def test_gradient(options: dict[str, object]) -> None:
    x = torch.rand(1, 2, 11, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda v: imresize(v, **options), (x,))  # type: ignore[arg-type]


def test_constant_stays_constant_and_tiny_pictures_work() -> None:
    for size in ((1, 1), (2, 3)):
        ones = torch.ones(1, 1, *size, dtype=torch.float64)
        for scale in (0.3, 0.5, 2.3):
            torch.testing.assert_close(imresize(ones, scale), torch.ones_like(imresize(ones, scale)))


@pytest.mark.parametrize(
    "options",
    [{}, {"scale": 0.5, "size": (3, 3)}, {"scale": -1.0}, {"size": (0, 3)}, {"scale": 0.5, "method": "lanczos9"}],
)
def test_wrong_options_are_explained(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="expected .*, got .*; "):
        imresize(CAMERA, **options)  # type: ignore[arg-type]


def test_integers_are_refused() -> None:
    with pytest.raises(InputError, match="floating-point"):
        imresize(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), 0.5)
