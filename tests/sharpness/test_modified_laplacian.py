import pytest
import torch
from scipy import ndimage

import kukkiri as kk
from contract import MetricContract, photograph
from kukkiri.errors import InputError
from kukkiri.images.colour import luma
from kukkiri.sharpness.laplacian_variance import laplacian
from kukkiri.sharpness.modified_laplacian import modified_laplacian


class TestModifiedLaplacian(MetricContract):
    name = "modified-laplacian"


def test_single_bright_pixel_by_hand() -> None:
    """One pixel of 1 in 5×5 gives 2 + 2 there and 1 at each of its four neighbours: 8/25."""
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    assert kk.metric("modified-laplacian")(x).item() == pytest.approx(8 / 25)


def test_curvatures_of_opposite_sign_do_not_cancel() -> None:
    """On the saddle a(x² − y²) the Laplacian is 0 and the modified one 2a + 2a: Nayar and Nakajima's reason for it."""
    line = torch.linspace(-1, 1, 21, dtype=torch.float64)
    saddle = (0.5 + 0.25 * (line.square() - line.square()[:, None]))[None, None]
    inner = (..., slice(1, -1), slice(1, -1))
    assert laplacian(saddle)[inner].abs().max() < 1e-12
    torch.testing.assert_close(modified_laplacian(saddle)[inner], torch.full((1, 1, 19, 19), 0.01, dtype=torch.float64))


@pytest.mark.parametrize("step", [1, 2])
def test_equals_scipy(step: int) -> None:
    grey = luma(photograph())[0, 0].double().numpy()
    kernel = [0.0] * (2 * step + 1)
    kernel[0] = kernel[-1] = -1
    kernel[step] = 2
    expected = sum(abs(ndimage.correlate1d(grey, kernel, axis, mode="nearest")) for axis in (0, 1)).mean()
    value = kk.metric("modified-laplacian", step=step)(photograph().double())
    assert value.item() == pytest.approx(expected, rel=1e-6)


def test_tiles_with_a_larger_step() -> None:
    metric = kk.metric("modified-laplacian", step=3)
    tiled = kk.metrics.measure_tiled(metric, photograph(), size=64)
    assert tiled == pytest.approx(metric(photograph()).item(), rel=1e-5)


def test_wrong_step_is_explained() -> None:
    with pytest.raises(InputError, match="at least 1 px"):
        kk.metric("modified-laplacian", step=0)
