"""TensorFlow's Gaussian resize: values of TensorFlow 2.15, and what follows from the definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from filling import picture, summary
from kukkiri.errors import InputError
from kukkiri.images.gaussian_resize import gaussian_resize, gaussian_taps
from parity import golden


@pytest.mark.parametrize("case", golden("musiq.json")["resized"], ids=lambda c: f"{c['picture'][0]}-{c['longer']}")
def test_values_of_tensorflow(case: dict[str, Any]) -> None:
    """Photographs made smaller and larger by tf.image.resize; one of them keeps its size, and is still softened."""
    expected = case["values"]
    height, width = expected["shape"][1:]
    ours: Any = summary(gaussian_resize(torch.from_numpy(picture(*case["picture"]))[None], (height, width))[0].numpy())
    assert ours["shape"] == expected["shape"]
    np.testing.assert_allclose(ours["rms"], expected["rms"], rtol=1e-6)
    np.testing.assert_allclose(ours["values"], expected["values"], rtol=0, atol=1e-6)


def test_weights_by_hand() -> None:
    """Half the size: the new sample lies between two old ones, at 0.5 px; those at 1.5 px are just out of reach."""
    positions, weights = gaussian_taps(6, 3)
    assert sorted(positions[1][weights[1] > 0]) == [2, 3]
    np.testing.assert_allclose(weights[1][weights[1] > 0], 0.5)
    # The size kept: exp(−2·d²) at distances of 1, 0 and 1.
    _, kept = gaussian_taps(3, 3)
    middle = 1 / (1 + 2 * math.exp(-2))
    np.testing.assert_allclose(sorted(kept[1]), [0, (1 - middle) / 2, (1 - middle) / 2, middle], rtol=1e-6)


def test_a_flat_picture_stays_flat_and_gradients_arrive() -> None:
    flat = torch.full((1, 2, 13, 7), 0.3)
    torch.testing.assert_close(gaussian_resize(flat, (5, 11)), torch.full((1, 2, 5, 11), 0.3))
    with torch.inference_mode():
        gaussian_resize(flat, (4, 9))
    # What is kept from one call to the next must not come from inference mode.
    x = flat.clone().requires_grad_(True)
    gaussian_resize(x, (4, 9)).sum().backward()
    assert x.grad is not None and float(x.grad.sum()) == pytest.approx(2 * 4 * 9, rel=1e-5)


def test_wrong_input_is_explained() -> None:
    with pytest.raises(InputError, match="at least 1×1"):
        gaussian_resize(torch.zeros(1, 1, 4, 4), (0, 4))
    with pytest.raises(InputError, match="floating-point"):
        gaussian_resize(torch.zeros(1, 1, 4, 4, dtype=torch.uint8), (2, 2))
