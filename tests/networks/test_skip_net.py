"""Networks that make a picture, and a kernel, from noise."""

import pytest
import torch

from kukkiri.networks.kernel_net import KernelNet
from kukkiri.networks.skip_net import NonLocal, SkipNet


@pytest.mark.parametrize("size", [(64, 64), (51, 77)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    with torch.no_grad():
        found = SkipNet(8, 3, channels=8)(torch.rand(1, 8, *size))
    assert found.shape == (1, 3, *size) and float(found.min()) > 0 and float(found.max()) < 1


def test_published_width() -> None:
    """Per level, counted by hand: ways around, down, up; non-local blocks on the three lowest of five."""

    def convolution(inputs: int, outputs: int, taps: int) -> int:
        return inputs * outputs * taps + outputs + 2 * outputs

    def level(inputs: int) -> int:
        down = convolution(inputs, 128, 9) + convolution(128, 128, 9)
        return convolution(inputs, 16, 1) + down + 2 * 144 + convolution(144, 128, 9) + convolution(128, 128, 1)

    block = 3 * (128 * 64 + 64) + (64 * 128 + 128) + 2 * 128
    expected = level(8) + 4 * level(128) + 3 * block + 128 + 1
    assert sum(p.numel() for p in SkipNet(8, 1).parameters()) == expected


def test_non_local_block_by_hand() -> None:
    """All places weighted by dot products, over their number; nothing at first."""
    block = NonLocal(4).eval()
    x = torch.rand(1, 4, 3, 5)
    assert torch.equal(block(x), x)
    torch.nn.init.ones_(block.norm.weight)
    g, t, p = (f(x)[0].flatten(1).T for f in (block.value, block.query, block.key))
    mixed = (t @ p.T / 15) @ g
    expected = x + block.norm(block.out(mixed.T.reshape(1, 2, 3, 5)))
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_kernel_is_one() -> None:
    kernel = KernelNet(7)(torch.rand(200)).detach()
    assert kernel.shape == (7, 7) and float(kernel.sum()) == pytest.approx(1, abs=1e-5) and float(kernel.min()) >= 0
