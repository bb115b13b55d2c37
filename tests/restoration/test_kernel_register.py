"""Kernel and picture stay in register."""

import pytest
import torch
import torch.nn.functional as F

from kukkiri.optics import psf
from kukkiri.restoration.kernel_register import centred, centroid
from kukkiri.restoration.self_deblur_fit import Fit
from kukkiri.restoration.self_deblur_settings import SelfDeblurSettings


@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-3, 3)])
def test_centred_kernel_has_its_mean_in_the_middle(shift: tuple[int, int]) -> None:
    kernel = torch.roll(F.pad(psf.gaussian(0.7)[0].float(), (4, 4, 4, 4)), shift, (0, 1))
    assert centroid(kernel) == (kernel.shape[0] // 2 + shift[0], kernel.shape[1] // 2 + shift[1])
    found = centred(kernel)
    assert centroid(found) == (found.shape[0] // 2, found.shape[1] // 2)
    assert found.shape[0] % 2 and found.shape[0] == found.shape[1] and float(found.sum()) == pytest.approx(1)


def test_nothing_of_a_kernel_is_lost() -> None:
    kernel = torch.zeros(5, 5)
    kernel[0, 0], kernel[0, 4], kernel[4, 0] = 0.8, 0.1, 0.1
    assert sorted(centred(kernel).flatten().tolist())[-3:] == pytest.approx([0.1, 0.1, 0.8])


def test_picture_is_cut_out_where_the_kernel_says() -> None:
    """The picture's network makes it whole; a kernel that only shifts must be undone by where the part is cut out."""
    scene = torch.rand(1, 1, 60, 70)
    for place in ((0, 0), (3, 1), (4, 4)):
        kernel = torch.zeros(5, 5)
        kernel[place] = 1.0
        seen = psf.blur(scene, kernel, "valid")
        job = Fit(
            seen[0], SelfDeblurSettings(channels=4), noise=0.01, side=5, start=None, kernel=kernel, missing=None,
            seed=0,
        )  # fmt: skip
        job.picture = scene[0]
        assert torch.allclose(job.result()[0], seen[0], atol=1e-6)
