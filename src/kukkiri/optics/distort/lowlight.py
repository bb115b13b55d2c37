"""Too little light, and the noise of a sensor: in linear light, as they come about.

The noise of a sensor other than the usual one is a kind of its own:

    from kukkiri.optics.distort.lowlight import sensor_kind
    kind = sensor_kind(sensor_from_pairs([(first, second)], levels=4095), linear=True)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from kukkiri.optics.distort.kind import Kind
from kukkiri.optics.sensor import SensorNoise, expose, to_display, to_light

# A camera's sensor at its base sensitivity, and the small one of a telephone, at which a dark room is hard to see.
CAMERA = SensorNoise()
TELEPHONE = SensorNoise(full_well=3000.0, read=4.0, gain=0.75, lines=0.8)


def low_light(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Less light on the sensor, not amplified: dark, with the noise that so few electrons have.

    What noise the picture carries already counts: with all the light nothing is added.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    parameters : mapping
        'stops' (N,): the light is 2^stops times less.
    generator : torch.Generator

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    share = torch.exp2(-parameters["stops"]).to(image)
    light = to_light(image) * share.view(-1, 1, 1, 1)
    return to_display(expose(light, TELEPHONE, generator=generator, kept=share))


def sensor_noise(image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
    """Little light on a camera's sensor, amplified to the brightness of the picture, as a high ISO does.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    parameters : mapping
        'amplification' (N,): over that of a full exposure.
    generator : torch.Generator

    Returns
    -------
    Tensor, (N, C, H, W)
    """
    return _noisy(image, parameters, generator, sensor=CAMERA, linear=False)


def sensor_kind(sensor: SensorNoise, *, linear: bool = False) -> Kind:
    """The kind 'sensor-noise' with the calibration of a site's own sensor.

    Parameters
    ----------
    sensor : SensorNoise
        As `kukkiri.optics.sensor.sensor_from_pairs` finds it.
    linear : bool
        Whether pictures hold linear light, as scientific cameras give it, and not display values.

    Returns
    -------
    Kind
    """
    from kukkiri.optics.distort.kinds import KINDS

    return replace(KINDS["sensor-noise"], implementation=partial(_noisy, sensor=sensor, linear=linear))


def _noisy(
    image: Tensor, parameters: Mapping[str, Tensor], generator: torch.Generator, *, sensor: SensorNoise, linear: bool
) -> Tensor:
    light = image if linear else to_light(image)
    noisy = expose(light, sensor, parameters["amplification"].to(image), generator=generator)
    return noisy if linear else to_display(noisy.clamp(0, 1))
