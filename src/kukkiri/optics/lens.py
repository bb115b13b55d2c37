"""Lenses in metres: how large the blur of a depth is, and at which depths a blur may lie.

A thin lens of focal length f and aperture f/N, focused at F, images a point at depth d as a disc of diameter
c = (f²/N) · |1/F − 1/d| / (1 − f/F) on the sensor: linear in inverse depth. In pixels of pitch s it is c/s. Its
sigma is c/4 (the variance of a uniform disc of diameter c is c²/16 an axis).

Numbers come in as floats or tensors of any shapes that broadcast, and go out as tensors; all is differentiable but
where a circle of confusion is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kukkiri.errors import InputError

Length = float | Tensor
_PLANCK, _CHARGE, _MASS, _LIGHT = 6.62607015e-34, 1.602176634e-19, 9.1093837e-31, 299792458.0


@dataclass(frozen=True)
class Lens:
    """A thin lens before a sensor.

    Parameters
    ----------
    focal_length : float, > 0
        Metres.
    f_number : float, > 0
        Focal length / diameter of the aperture.
    pixel_pitch : float, > 0
        Metres on the sensor for one pixel of the picture: sensor width / picture width, so binning and resizing count.

    Raises
    ------
    InputError
        If one of them is not above 0 and finite.
    """

    focal_length: float
    f_number: float
    pixel_pitch: float

    def __post_init__(self) -> None:
        _check_fields(self, "focal_length", "f_number", "pixel_pitch")

    @property
    def aperture(self) -> float:
        """Diameter of the entrance pupil, metres."""
        return self.focal_length / self.f_number

    def defocus(self, depth: Length, focus_distance: Length) -> Tensor:
        """Signed diameter of the circle of confusion: above 0 beyond the focus distance, below 0 before it.

        Parameters
        ----------
        depth, focus_distance : float or Tensor, > focal_length
            Metres from the lens; may be infinite.

        Returns
        -------
        Tensor
            Pixels.

        Raises
        ------
        InputError
            If a distance is not beyond the focal length (a real image is formed only there), or is not a number.
        """
        distance, focus = self._distance("depth", depth), self._distance("focus_distance", focus_distance)
        return self._slope(focus) * (1 / focus - 1 / distance)

    def circle_of_confusion(self, depth: Length, focus_distance: Length) -> Tensor:
        """Diameter of the blur disc, pixels; as `defocus`, without its sign."""
        return self.defocus(depth, focus_distance).abs()

    def blur_from_depth(self, depth: Length, focus_distance: Length) -> Tensor:
        """Sigma of the blur disc, pixels: a quarter of its diameter. Diffraction and pixels are not in it."""
        return self.circle_of_confusion(depth, focus_distance) / 4

    def defocus_from_sigma(self, sigma: Length, focus_distance: Length) -> tuple[Tensor, Tensor]:
        """The two depths at which a blur of this size may lie.

        Parameters
        ----------
        sigma : float or Tensor, ≥ 0
            Pixels.
        focus_distance : float or Tensor, > focal_length
            Metres.

        Returns
        -------
        near, far : Tensor
            Metres. `far` is infinite where even infinity is not blurred so much (or by just so much); `near` is NaN
            where it would lie within the focal length.

        Raises
        ------
        InputError
            If a sigma is negative, the focus distance is not beyond the focal length, or one is not a number.
        """
        blurred = _checked("sigma", sigma, 0.0, inclusive=True, fix="give a standard deviation in pixels")
        return self.depth_of_field(focus_distance, 4 * blurred)

    def depth_of_field(self, focus_distance: Length, circle: Length) -> tuple[Tensor, Tensor]:
        """The nearest and the farthest depth whose circle of confusion is no larger than `circle`.

        Parameters
        ----------
        focus_distance : float or Tensor, > focal_length
            Metres.
        circle : float or Tensor, ≥ 0
            Diameter, pixels.

        Returns
        -------
        near, far : Tensor
            Metres; infinite and NaN as in `defocus_from_sigma`.

        Raises
        ------
        InputError
            If a circle is negative, the focus distance is not beyond the focal length, or one is not a number.
        """
        focus = self._distance("focus_distance", focus_distance)
        diameter = _checked("circle", circle, 0.0, inclusive=True, fix="give a diameter in pixels")
        step = diameter / self._slope(focus)
        near, beyond = 1 / (1 / focus + step), 1 / focus - step
        far = torch.where(beyond > 0, 1 / torch.where(beyond > 0, beyond, 1.0), math.inf)
        return torch.where(near > self.focal_length, near, math.nan), far

    def hyperfocal(self, circle: Length) -> Tensor:
        """The focus distance from which on infinity is within the depth of field: f²/(N·c) + f, metres.

        Parameters
        ----------
        circle : float or Tensor, > 0
            Largest circle of confusion that counts as sharp, diameter in pixels.

        Raises
        ------
        InputError
            If a circle is not above 0.
        """
        diameter = _checked("circle", circle, 0.0, fix="give a diameter in pixels")
        return self.aperture * self.focal_length / (diameter * self.pixel_pitch) + self.focal_length

    def field_of_view(self, pixels: Length, focus_distance: Length = math.inf) -> Tensor:
        """Angle that a row of `pixels` pixels sees, radians.

        Parameters
        ----------
        pixels : float or Tensor, > 0
        focus_distance : float or Tensor, > focal_length
            Metres; may be infinite.

        Raises
        ------
        InputError
            If there is no pixel, or the focus distance is not beyond the focal length.
        """
        focus = self._distance("focus_distance", focus_distance)
        count = _checked("pixels", pixels, 0.0, fix="give the width or height of the picture")
        image_distance = self.focal_length / (1 - self.focal_length / focus)
        return 2 * torch.atan(count * self.pixel_pitch / (2 * image_distance))

    def cutoff(self, wavelength: float = 550e-9) -> float:
        """Frequency beyond which diffraction passes nothing, s/(λN), cycles a pixel: for `airy.defocused_airy`.

        Parameters
        ----------
        wavelength : float, > 0
            Metres.

        Raises
        ------
        InputError
            If the wavelength is not above 0.
        """
        _checked("wavelength", wavelength, 0.0, fix="give metres, 550e-9 for green light")
        return self.pixel_pitch / (wavelength * self.f_number)

    def _slope(self, focus: Tensor) -> Tensor:
        """Pixels of circle for each 1/metre of defocus."""
        return self.aperture * self.focal_length / self.pixel_pitch / (1 - self.focal_length / focus)

    def _distance(self, name: str, value: Length) -> Tensor:
        return _checked(
            name,
            value,
            self.focal_length,
            what=f"a {name} beyond the focal length of {self.focal_length:g} m",
            fix="give metres from the lens, and mask pixels without a depth",
        )


@dataclass(frozen=True)
class Probe:
    """The beam of a scanning electron microscope.

    The beam is a cone: away from its focus it is a disc of radius convergence · dz. What blurs it in focus is added
    in quadrature: the source, diffraction and the aberrations of the lens, the last three as Gaussians that hold half
    of the current within the same diameter (0.54 λ/α, 0.18 Cs·α³, 0.34 Cc·α·ΔE/E: Barth and Kruit, Optik 101, 1996).

    Parameters
    ----------
    convergence : float, > 0
        Half-angle of the cone, radians.
    pixel_size : float, > 0
        Metres on the specimen.
    source : float, ≥ 0
        Standard deviation of the image of the source, metres.
    astigmatism : float
        The two line foci lie at ± this distance, metres.
    angle : float
        Of the axis along which the beam is wider beyond focus (for astigmatism above 0), radians from +x towards +y.
    voltage : float or None, > 0
        Volts; None leaves out diffraction and chromatic aberration.
    spherical, chromatic : float, ≥ 0
        Coefficients Cs and Cc, metres.
    energy_spread : float, ≥ 0
        Electron volts (full width at half maximum).

    Raises
    ------
    InputError
        If a value is out of range, or `chromatic` is given without `voltage`.
    """

    convergence: float
    pixel_size: float
    source: float = 0.0
    astigmatism: float = 0.0
    angle: float = 0.0
    voltage: float | None = None
    spherical: float = 0.0
    chromatic: float = 0.0
    energy_spread: float = 0.0

    def __post_init__(self) -> None:
        _check_fields(self, "convergence", "pixel_size")
        if self.voltage is not None:
            _check_fields(self, "voltage")
        elif self.chromatic:
            raise InputError(
                expected="a voltage with a chromatic coefficient", got="None", fix="give the acceleration, volts"
            )
        for name in ("source", "spherical", "chromatic", "energy_spread"):
            _checked(name, getattr(self, name), 0.0, inclusive=True, fix="correct it")
        for name in ("astigmatism", "angle"):
            _checked(name, getattr(self, name), -math.inf, fix="give a finite number")

    @property
    def wavelength(self) -> float:
        """Of the electrons, relativistic, metres; 0 without a voltage."""
        if self.voltage is None:
            return 0.0
        energy = _CHARGE * self.voltage
        return _PLANCK / math.sqrt(2 * _MASS * energy * (1 + energy / (2 * _MASS * _LIGHT**2)))

    @property
    def focused(self) -> float:
        """Sigma of the beam in focus, without astigmatism, metres."""
        # Diameters that hold half of the current, as those of Gaussians: 2·√(2 ln 2) standard deviations.
        diffraction = 0.54 * self.wavelength / self.convergence
        spherical = 0.18 * self.spherical * self.convergence**3
        spread = self.energy_spread / self.voltage if self.voltage else 0.0
        chromatic = 0.34 * self.chromatic * self.convergence * spread
        return math.hypot(self.source, math.hypot(diffraction, spherical, chromatic) / (2 * math.sqrt(2 * math.log(2))))

    def axes(self, defocus: Length) -> tuple[Tensor, Tensor]:
        """Standard deviations of the beam along and across `angle`.

        Parameters
        ----------
        defocus : float or Tensor
            Distance of the specimen from the mean focus, signed, metres.

        Returns
        -------
        along, across : Tensor
            Pixels. Each is √(focused² + (convergence·(dz ± astigmatism)/2)²).
        """
        distance = _checked("defocus", defocus, -math.inf, fix="give metres")
        focused = torch.as_tensor(self.focused, dtype=distance.dtype, device=distance.device)
        along = torch.hypot(self.convergence * (distance + self.astigmatism) / 2, focused)
        across = torch.hypot(self.convergence * (distance - self.astigmatism) / 2, focused)
        return along / self.pixel_size, across / self.pixel_size

    def sigma(self, defocus: Length) -> Tensor:
        """Half-trace standard deviation of the beam at a signed distance from focus (metres), pixels."""
        along, across = self.axes(defocus)
        return ((along.square() + across.square()) / 2).sqrt()


def _check_fields(owner: Lens | Probe, *names: str) -> None:
    for name in names:
        _checked(name, getattr(owner, name), 0.0, fix="give SI units")
        if math.isinf(getattr(owner, name)):
            raise InputError(expected=f"a finite {name}", got="infinity", fix="give SI units")


def _checked(
    name: str, value: Length, above: float, *, inclusive: bool = False, what: str | None = None, fix: str
) -> Tensor:
    # A lone float keeps all its digits: it does not raise the precision of a tensor that it meets.
    tensor = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
    tensor = tensor if tensor.is_floating_point() else tensor.double()
    seen = tensor.detach()
    good = (seen >= above) if inclusive else (seen > above)  # NaN fails both
    if not bool(good.all()):
        bad = seen[~good]
        raise InputError(
            expected=what or f"a {name} {'of at least' if inclusive else 'above'} {above:g}",
            got=f"{float(bad.flatten()[0]):g}"
            + (f" at {bad.numel()} of {seen.numel()} places" if seen.numel() > 1 else ""),
            fix=fix,
        )
    return tensor
