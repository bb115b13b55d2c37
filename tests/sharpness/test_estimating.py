"""What is made of a blur in several places."""

import math

import pytest

from blurs import made_blur
from kukkiri.sharpness.estimating import anisotropy_of, without_maps


def test_anisotropy_is_a_vector_of_twice_the_angle() -> None:
    """Axes 2 : 1 have (4 − 1)/(4 + 1) = 0.6; at 30° that is 0.6·(cos 60°, sin 60°)."""
    assert anisotropy_of(made_blur(1.0, ratio=2.0, angle=math.radians(30))) == pytest.approx((0.3, 0.6 * 0.75**0.5))
    along, across = (anisotropy_of(made_blur(1.0, ratio=2.0, angle=a)) for a in (0.0, math.pi / 2))
    assert along[0] == pytest.approx(-across[0])
    for silent in (made_blur(bound="below", ratio=2.0), made_blur(abstained="flat")):
        assert all(map(math.isnan, anisotropy_of(silent)))


def test_a_light_blur_says_the_same() -> None:
    blur = made_blur(2.0, size=(800, 800))
    light = without_maps(blur)
    assert light.map.numel() == light.evidence.numel() == 0 and light.to_row() == blur.to_row()
