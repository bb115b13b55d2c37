"""`correlate` adds shifted pictures on a CPU; torch's convolution is the oracle."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kukkiri.images import filtering
from kukkiri.images.filtering import correlate


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(2, 3, 37, 41, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 5), (1, 11), (7, 1), (9, 9)])
@pytest.mark.parametrize("strip", [2**18, 500, 1])
def test_equals_convolution(
    picture: Tensor, shape: tuple[int, int], strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtering, "STRIP", strip)
    kernel = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    kernel[0, 0] = 0  # taps of 0 are passed over
    expected = F.conv2d(picture.reshape(6, 1, 37, 41), kernel[None, None]).reshape(2, 3, 38 - shape[0], 42 - shape[1])
    torch.testing.assert_close(correlate(picture, kernel, "valid"), expected)


def test_kernel_of_zeros(picture: Tensor) -> None:
    assert not bool(correlate(picture, torch.zeros(3, 3)).any())


def test_gradients_reach_picture_and_kernel(picture: Tensor) -> None:
    image, kernel = picture[:1, :1, :9, :9].clone().requires_grad_(True), torch.rand(3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: correlate(x, kernel), (image,))
    kernel.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda k: correlate(image.detach(), k), (kernel,))
