"""A sensor's noise, and how it is found from the sensor's own exposures."""

import pytest
import skimage.data
import torch
from torch import Tensor

from kukkiri.errors import InputError, ShapeError
from kukkiri.optics.sensor import (
    SensorNoise,
    expose,
    sensor_from_flats,
    sensor_from_pairs,
    to_display,
    to_light,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_display_and_light_are_inverse() -> None:
    values = torch.linspace(0, 1, 1001, dtype=torch.float64)
    assert torch.allclose(to_display(to_light(values)), values, atol=1e-7)
    assert float(to_light(torch.tensor(0.5))) == pytest.approx(0.2140, abs=1e-4)


def test_exposure_has_the_variance_of_the_model() -> None:
    sensor = SensorNoise(full_well=500.0, read=5.0, gain=2.0, lines=0.0)
    for signal in (0.1, 0.6):
        noisy = expose(torch.full((1, 1, 300, 300), signal), sensor, generator=seeded())
        assert float(noisy.mean()) == pytest.approx(signal, abs=1e-3)
        assert float(noisy.var()) == pytest.approx(sensor.variance(signal), rel=0.03)
    none = expose(torch.full((1, 1, 8, 8), 0.5), sensor, torch.zeros(1), generator=seeded())
    assert torch.allclose(none, torch.full_like(none, 0.5), atol=1e-5)


def test_sensor_from_a_pair_of_exposures_of_any_scene() -> None:
    true = SensorNoise(full_well=2000.0, read=8.0, gain=2000 / 4095, lines=3.0)
    scene = to_light(torch.from_numpy(skimage.data.camera()).float() / 255)[None, None]
    first, second = (expose(scene, true, generator=seeded(i))[0].clamp(0, 1) for i in range(2))
    found = sensor_from_pairs([(first, second)], levels=4095)
    assert found.full_well == pytest.approx(2000, rel=0.03)
    assert found.read == pytest.approx(8, rel=0.1)
    assert found.lines == pytest.approx(3, rel=0.15)
    assert found.gain == pytest.approx(2000 / 4095, rel=0.03)


def test_sensor_from_flat_frames() -> None:
    true = SensorNoise(full_well=2000.0, read=8.0, gain=2000 / 4095, lines=0.0)
    fall = 1 - 0.3 * torch.linspace(0, 1, 200)[:, None]
    frames = [expose((v * fall).expand(1, 1, 200, 200), true, generator=seeded(i))[0, 0].clamp(0, 1)
              for i, v in enumerate((0.05, 0.2, 0.5, 0.9))]  # fmt: skip
    found = sensor_from_flats(frames, levels=4095)
    assert found.full_well == pytest.approx(2000, rel=0.05) and found.read == pytest.approx(8, rel=0.2)


@pytest.mark.parametrize("read", [40.0, 80.0])
@pytest.mark.parametrize("clipped", [True, False])
def test_read_noise_that_black_cuts_off(read: float, clipped: bool) -> None:
    """2 and 4 % of the full well: what is near black has lost half its noise, or reaches below."""
    true = SensorNoise(full_well=2000.0, read=read, gain=2000 / 4095, lines=12.0)
    scene = to_light(torch.from_numpy(skimage.data.camera()).float() / 255)[None, None]
    even = [torch.full((1, 1, 200, 200), v) for v in (0.02, 0.05, 0.2, 0.5, 0.75)]

    def seen(light: Tensor, seed: int) -> Tensor:
        noisy = expose(light, true, generator=seeded(seed))[0]
        return noisy.clamp(0, 1) if clipped else noisy

    of_pairs = sensor_from_pairs([(seen(scene, 0), seen(scene, 1))], levels=4095)
    of_flats = sensor_from_flats([seen(flat, i) for i, flat in enumerate(even)], levels=4095)
    for found, lines in ((of_pairs, 0.1), (of_flats, 0.15)):
        assert found.full_well == pytest.approx(2000, rel=0.08)
        assert found.read == pytest.approx(read, rel=0.08)
        assert found.lines == pytest.approx(12, rel=lines)


def test_dark_frames_have_no_flicker() -> None:
    """Frames without light differ in their means by noise alone, which is no gain."""
    true = SensorNoise(full_well=1000.0, read=10.0, gain=1000 / 4095, lines=0.0)
    pairs = [tuple(expose(torch.full((1, 1, 150, 150), v), true, generator=seeded(10 * i + k))[0] for k in (0, 1))
             for i, v in enumerate((0.0, 0.02, 0.2, 0.5, 0.8))]  # fmt: skip
    found = sensor_from_pairs([(a, b) for a, b in pairs], levels=4095)
    assert found.full_well == pytest.approx(1000, rel=0.05) and found.read == pytest.approx(10, rel=0.05)


def test_flat_frames_tell_the_noise_of_rows() -> None:
    true = SensorNoise(full_well=2000.0, read=8.0, gain=2000 / 4095, lines=20.0)
    fall = 1 - 0.3 * torch.linspace(0, 1, 200)[:, None]
    frames = [expose((v * fall).expand(1, 1, 200, 200), true, generator=seeded(i))[0, 0].clamp(0, 1)
              for i, v in enumerate((0.1, 0.3, 0.6, 0.85))]  # fmt: skip
    found = sensor_from_flats(frames, levels=4095)
    assert found.lines == pytest.approx(20, rel=0.1) and found.full_well == pytest.approx(2000, rel=0.06)
    assert found.read == pytest.approx(8, rel=0.2)


def test_pictures_that_do_not_tell_the_sensor() -> None:
    even = torch.full((64, 64), 0.5) + 0.01 * torch.randn(2, 64, 64, generator=seeded())
    with pytest.raises(InputError, match="dark and bright"):
        sensor_from_pairs([(even[0], even[1])])
    scene = torch.linspace(0.1, 0.9, 128).expand(128, 128)
    constant = [scene + 0.01 * torch.randn(128, 128, generator=seeded(i)) for i in range(2)]
    with pytest.raises(InputError, match="grows with the light"):
        sensor_from_pairs([(constant[0], constant[1])])
    with pytest.raises(ShapeError):
        sensor_from_pairs([(scene, scene[:64])])
    with pytest.raises(InputError):
        sensor_from_pairs([])
    with pytest.raises(InputError):
        SensorNoise(full_well=0.0)
