"""The steps of a JPEG file, from its picture."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image as Pillow
from skimage import data
from torch import Tensor

from kukkiri.sharpness.jpeg_steps import TABLE, block_corner, quantisation_steps


def grey(name: str) -> Tensor:
    return torch.from_numpy(np.atleast_3d(getattr(data, name)())[:256, :256].astype(np.float64).mean(2))


def through_file(levels: Tensor, quality: int) -> tuple[Tensor, Tensor]:
    """The picture after JPEG, and the steps that stand in the file."""
    file = io.BytesIO()
    Pillow.fromarray(levels.round().clamp(0, 255).byte().numpy()).save(file, "JPEG", quality=quality)
    with Pillow.open(file) as image:
        steps = torch.tensor(image.quantization[0], dtype=torch.float64).view(8, 8)
        return torch.from_numpy(np.array(image, np.float64)), steps


def standard(levels: Tensor) -> Tensor:
    return (levels - levels.mean()) / levels.std(correction=0)


@pytest.mark.parametrize("quality", [25, 60, 85])
@pytest.mark.parametrize("name", ["camera", "coffee", "moon"])
def test_equals_what_the_file_says(name: str, quality: int) -> None:
    """Within 3 %, which whole-numbered steps leave open; off the grid, and after gain, offset and inversion, too."""
    picture, written = through_file(grey(name), quality)
    for top, left in ((0, 0), (3, 6)):
        part = picture[top:, left:]
        assert block_corner(part) == (-top % 8, -left % 8)
        for seen in (part, 180 - 0.4 * part):
            found = quantisation_steps(standard(seen))
            assert found is not None
            ratio = found * part.std(correction=0) / written
            assert ratio.median().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", ["camera", "coffee", "moon", "text", "brick"])
def test_no_file_no_steps(name: str) -> None:
    """Never compressed; compressed and then resized, or made noisier than its steps are; or of noise alone."""
    picture = grey(name)
    assert quantisation_steps(standard(picture)) is None
    compressed, steps = through_file(picture, 60)
    resized = F.interpolate(compressed[None, None], scale_factor=0.8, mode="bicubic", antialias=True)[0, 0]
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for other in (resized, compressed + steps[0, 0] * noise, noise):
        assert quantisation_steps(standard(other)) is None


def test_a_strip_has_no_steps() -> None:
    assert quantisation_steps(standard(grey("camera")[:20])) is None


def test_the_table_is_the_one_that_is_written() -> None:
    """Quality 50 of libjpeg is the standard's example table itself."""
    assert through_file(grey("camera"), 50)[1].tolist() == [list(row) for row in TABLE]


def test_another_table_is_not_found() -> None:
    """Equal steps of 24, as a file may have: none are told, neither right ones nor wrong ones."""
    for name in ("camera", "coffee", "astronaut"):
        file = io.BytesIO()
        Pillow.fromarray(grey(name).round().byte().numpy()).save(file, "JPEG", qtables=[[24] * 64])
        with Pillow.open(file) as image:
            assert set(image.quantization[0]) == {24}
            seen = torch.from_numpy(np.array(image, np.float64))
        assert quantisation_steps(standard(seen)) is None
