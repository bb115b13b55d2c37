import pytest
import torch

from kukkiri.images.decimation import automatic_factor, decimate


@pytest.mark.parametrize(
    ("height", "width", "factor"),
    [(100, 900, 1), (383, 600, 1), (384, 600, 2), (512, 512, 2), (640, 639, 2), (640, 640, 3), (3072, 4096, 12)],
)
def test_automatic_factor(height: int, width: int, factor: int) -> None:
    """Halves go up, as MATLAB rounds them: 384 / 256 and 640 / 256 give 2 and 3."""
    assert automatic_factor(height, width) == factor


@pytest.mark.parametrize(
    ("factor", "border", "expected"),
    [
        # Output i is the mean of input 2i, 2i + 1; the seventh number is the border's.
        (2, "zero", [1.5, 3.5, 5.5, 3.5]),
        (2, "symmetric", [1.5, 3.5, 5.5, 7.0]),
        # Of 3i − 1, 3i, 3i + 1.
        (3, "zero", [1.0, 4.0, 13 / 3]),
        (3, "symmetric", [4 / 3, 4.0, 20 / 3]),
        # Of 4i − 1 … 4i + 2: MATLAB's filters of even length lean to the right.
        (4, "symmetric", [7 / 4, 22 / 4]),
    ],
)
def test_by_hand(factor: int, border: str, expected: list[float]) -> None:
    row = torch.arange(1.0, 8.0, dtype=torch.float64).expand(1, 1, 7, 7)
    values = decimate(row, factor, border)
    assert values.shape == (1, 1, len(expected), len(expected))
    assert values[0, 0, 1 if border == "zero" else 0].tolist() == pytest.approx(expected)  # a row off the border
    assert torch.equal(decimate(row, 1), row)
