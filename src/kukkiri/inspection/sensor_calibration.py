"""The noise of an instrument's own sensor, as `kukkiri calibrate` has found it, for pictures to be degraded with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kukkiri.errors import InputError, one_line
from kukkiri.optics.distort import Kind, Ladder, Parameter
from kukkiri.optics.sensor import SensorNoise
from kukkiri.sharpness.calibration_file import read

KIND = "sensor-noise"


def calibrated_sensor(path: Path) -> SensorNoise:
    """The sensor of a calibration file.

    Noise of variance offset + slope · signal is that of 1/slope electrons at full range and of a read noise of
    √offset/slope electrons, in which rounding to levels is contained.

    Parameters
    ----------
    path : Path
        As `kukkiri calibrate --out` writes it.

    Returns
    -------
    SensorNoise
        `gain` and `lines` are 0: pictures of one exposure each do not tell them from the read noise.

    Raises
    ------
    InputError
        If it is no calibration, or its pictures have not shown noise that grows with the signal.
    """
    transfer = read(path).photon_transfer
    if transfer is None or not transfer.slope > 2 * transfer.slope_error:
        raise InputError(
            expected="a calibration with noise that grows with the signal",
            got=f"{one_line(path)}, whose pictures "
            + ("have too few flat places" if transfer is None else "have noise that does not"),
            fix="calibrate with pictures without compression or denoising that have flat places, dark and bright ones; "
            "or take white-noise",
        )
    well = 1 / transfer.slope
    return SensorNoise(full_well=well, read=math.sqrt(max(0.0, transfer.offset)) * well, gain=0.0, lines=0.0)


def with_sensor(kinds: Sequence[Kind], sensor: SensorNoise) -> list[Kind]:
    """The same kinds, 'sensor-noise' with a sensor of one's own.

    The noise is added to the values of the pictures as they are, for so it was measured. The parameter 'amplification'
    counts from a full exposure of that sensor; 'full_well' and 'read', in electrons, are the sensor's own and the same
    at every level.

    Parameters
    ----------
    kinds : sequence of Kind
    sensor : SensorNoise

    Returns
    -------
    list of Kind

    Raises
    ------
    InputError
        If 'sensor-noise' is not among them.
    """
    from kukkiri.optics.distort.lowlight import sensor_kind

    if all(kind.name != KIND for kind in kinds):
        raise InputError(
            expected=f"{KIND} among the kinds, for a sensor",
            got=", ".join(kind.name for kind in kinds[:5]) or "none",
            fix=f"add --kind {KIND}, or leave --sensor out",
        )
    own = sensor_kind(sensor, linear=True)
    constants = (
        _constant("full_well", "electrons where the picture is white", sensor.full_well),
        _constant("read", "read noise, electrons", sensor.read),
    )
    own = replace(own, ladder=Ladder((*own.ladder.parameters, *constants)))
    return [own if kind.name == KIND else kind for kind in kinds]


def _constant(name: str, meaning: str, value: float) -> Parameter:
    return Parameter(name, meaning, value, (value,) * 5)
