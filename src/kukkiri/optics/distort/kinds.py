"""The table of distortions. Needs no torch: a kind names its function as 'module:function'.

What TID2013 (Ponomarenko et al., Signal Processing: Image Communication 30, 2015) and KADID-10k (Lin, Hosu, Saupe,
QoMEX 2019) show to people is in here, and what cameras and networks add to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from kukkiri.errors import unknown_name
from kukkiri.optics.distort.kind import GROUPS, Kind
from kukkiri.optics.distort.making import make_kind, parameter


def _blurs() -> list[Kind]:
    factor = parameter("factor", "how many times fewer pixels a side", identity=1.0)
    return [
        make_kind("gaussian-blur", "Gaussian blur", "blur", "blurs", parameter("sigma", "standard deviation", "px")),
        make_kind(
            "lens-blur",
            "defocus: a uniform disc",
            "blur",
            "blurs",
            parameter("radius", "of the disc", "px", identity=0.5),
        ),
        make_kind(
            "motion-blur",
            "straight motion in a random direction",
            "blur",
            "blurs",
            parameter("length", "of the path", "px"),
            random=True,
        ),
        make_kind(
            "jitter",
            "every pixel taken from a random place near by",
            "blur",
            "blurs",
            parameter("distance", "standard deviation on each axis", "px"),
            random=True,
        ),
        make_kind("downscale-bicubic", "made small and large again, bicubic", "blur", "resampling", factor),
        make_kind("downscale-bilinear", "made small and large again, bilinear", "blur", "resampling", factor),
        make_kind("downscale-nearest", "made small and large again, nearest pixel", "blur", "resampling", factor),
    ]


def _noises() -> list[Kind]:
    deviation = parameter("sigma", "standard deviation on [0, 1]")
    return [
        make_kind("white-noise", "white Gaussian noise", "noise", "noises", deviation, random=True),
        make_kind(
            "chroma-noise",
            "white noise in the colours alone",
            "noise",
            "noises",
            parameter("sigma", "standard deviation of Cb and Cr on [0, 1]"),
            random=True,
            needs_colour=True,
        ),
        make_kind(
            "impulse-noise",
            "salt and pepper",
            "noise",
            "noises",
            parameter("share", "of the samples that are lost"),
            random=True,
        ),
        make_kind(
            "multiplicative-noise",
            "speckle: noise in proportion to the light",
            "noise",
            "noises",
            parameter("sigma", "relative standard deviation"),
            random=True,
        ),
        make_kind(
            "shot-noise",
            "counted photons (Poisson)",
            "noise",
            "noises",
            parameter(
                "photons",
                "where the picture is white; values are taken for light",
                identity=65536.0,
            ),
            random=True,
        ),
        make_kind("correlated-noise", "coarse grain: low-pass noise", "noise", "noises", deviation, random=True),
        make_kind(
            "line-noise",
            "an offset of each row",
            "noise",
            "noises",
            parameter("sigma", "standard deviation of the offsets on [0, 1]"),
            random=True,
        ),
    ]


def _compressions() -> list[Kind]:
    quality = parameter("quality", "of the encoder, 100 is best", identity=100.0, whole=True)
    return [
        make_kind("jpeg", "JPEG", "compression", "compression", quality, eight_bit=True),
        make_kind(
            "jpeg2000",
            "JPEG 2000",
            "compression",
            "compression",
            parameter("bits", "a sample, of the file", identity=8.0),
            eight_bit=True,
        ),
        make_kind("webp", "WebP", "compression", "compression", quality, eight_bit=True),
        make_kind(
            "banding",
            "few levels a channel",
            "compression",
            "compression",
            parameter("levels", "a channel", identity=256.0, whole=True),
        ),
        make_kind(
            "colour-quantisation",
            "a small palette, dithered",
            "compression",
            "compression",
            parameter("colours", "of the palette", identity=256.0, whole=True),
            eight_bit=True,
        ),
        make_kind(
            "block-loss",
            "blocks of 16×16 px lost, a neighbour shown instead",
            "compression",
            "compression",
            parameter("share", "of the blocks"),
            random=True,
        ),
    ]


def _tones() -> list[Kind]:
    stops = parameter("stops", "of light, powers of two", linear=True)
    factor = parameter("factor", "of the differences from the mean", identity=1.0)
    gamma = parameter("gamma", "exponent", identity=1.0)
    return [
        make_kind("brighter", "overexposed: light times 2^stops, clipped", "exposure", "exposure", stops),
        make_kind("darker", "underexposed: light over 2^stops", "exposure", "exposure", stops),
        make_kind("gamma-brighter", "middle tones raised: x^(1/gamma)", "exposure", "exposure", gamma),
        make_kind("gamma-darker", "middle tones lowered: x^gamma", "exposure", "exposure", gamma),
        make_kind(
            "mean-shift",
            "all values shifted, up or down at random",
            "exposure",
            "exposure",
            parameter("shift", "on [0, 1]"),
            random=True,
        ),
        make_kind("lower-contrast", "differences from the mean made small", "contrast", "contrast", factor),
        make_kind("higher-contrast", "differences from the mean made large, clipped", "contrast", "contrast", factor),
        make_kind(
            "faded", "washed out: black lifted towards white", "contrast", "contrast", parameter("lift", "of black")
        ),
    ]


def _colours() -> list[Kind]:
    return [
        make_kind(
            "saturation-down",
            "colours weaker",
            "colour",
            "colour",
            parameter("factor", "of the chroma", identity=1.0, linear=True),
            needs_colour=True,
        ),
        make_kind(
            "saturation-up",
            "colours stronger",
            "colour",
            "colour",
            parameter("factor", "of the chroma", identity=1.0),
            needs_colour=True,
        ),
        make_kind(
            "colour-cast",
            "wrong white balance, of a random hue",
            "colour",
            "colour",
            parameter("strength", "natural logarithm of the gain of the cast's own hue"),
            random=True,
            needs_colour=True,
        ),
        make_kind(
            "hue-shift",
            "all hues turned, one way or the other",
            "colour",
            "colour",
            parameter("angle", "of the turn", "°"),
            random=True,
            needs_colour=True,
        ),
        make_kind(
            "chromatic-aberration",
            "red and blue shifted apart",
            "colour",
            "colour",
            parameter("distance", "of red and of blue from green", "px"),
            random=True,
            needs_colour=True,
        ),
        make_kind(
            "colour-diffusion",
            "colours blurred over the outlines",
            "colour",
            "colour",
            parameter("sigma", "standard deviation of the blur of Cb and Cr", "px"),
            needs_colour=True,
        ),
    ]


def _artefacts() -> list[Kind]:
    return [
        # Smeared like a blur, grainy like noise: neither word is right for it.
        make_kind(
            "denoised",
            "noise, then a smoother that keeps strong edges",
            None,
            "noises",
            parameter("sigma", "standard deviation of the noise on [0, 1]"),
            random=True,
        ),
        make_kind(
            "over-sharpening", "unsharp mask, much too strong", None, "artefacts", parameter("amount", "of the mask")
        ),
        make_kind(
            "ringing",
            "echoes of edges: an ideal low-pass filter",
            None,
            "artefacts",
            parameter("cutoff", "of Nyquist's frequency", identity=2**0.5),
        ),
        make_kind(
            "ghosting",
            "a second picture, shifted",
            None,
            "artefacts",
            parameter("opacity", "of the second picture"),
            parameter("distance", "of the shift", "px", identity=10.0),
            random=True,
        ),
        make_kind(
            "eccentric-patches",
            "small patches out of their places",
            None,
            "artefacts",
            parameter("share", "of the area"),
            random=True,
        ),
        make_kind(
            "colour-blocks",
            "blocks of one random colour",
            None,
            "artefacts",
            parameter("share", "of the area"),
            random=True,
        ),
        make_kind(
            "pixelate",
            "large square pixels",
            None,
            "artefacts",
            parameter("side", "of a square", "px", identity=1.0),
        ),
    ]


def _scenes() -> list[Kind]:
    """Air, light and whole chains of damage: haze.py, lowlight.py, chains.py."""
    beta = parameter("beta", "optical thickness of the air up to the farthest place")
    omega = parameter("omega", "share of the haze that is taken out", linear=True)
    strength = parameter("strength", "of all random draws, 1 as published", linear=True)
    return [
        make_kind("haze", "haze, thicker with distance", "haze", "haze", beta, random=True),
        make_kind(
            "fog-uniform",
            "fog, alike everywhere",
            "haze",
            "haze",
            parameter("transmission", "share of the light that arrives", identity=1.0),
            random=True,
        ),
        make_kind(
            "smoke",
            "swathes of grey smoke",
            "haze",
            "haze",
            parameter("thickness", "optical thickness where it is thickest"),
            random=True,
        ),
        # Hazy in one place, dark and too colourful in another: neither word is right for it.
        make_kind(
            "dehazed",
            "haze, then the dark channel prior",
            None,
            "haze",
            beta,
            omega,
            parameter("noise", "standard deviation before, on [0, 1]"),
            random=True,
        ),
        make_kind("over-dehazed", "no haze, but dehazed: dark, too colourful", None, "haze", omega),
        make_kind(
            "low-light",
            "too little light on a small sensor",
            "exposure",
            "lowlight",
            parameter("stops", "of light, powers of two", linear=True),
            random=True,
        ),
        make_kind(
            "sensor-noise",
            "little light, amplified: shot, read and row noise",
            "noise",
            "lowlight",
            parameter("amplification", "over that of a full exposure"),
            random=True,
        ),
        make_kind("bsrgan", "random chain of BSRGAN", None, "chains", strength, random=True),
        make_kind("real-esrgan", "random chain of Real-ESRGAN", None, "chains", strength, random=True),
    ]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for family in (_blurs, _noises, _compressions, _tones, _colours, _artefacts, _scenes)
        for kind in family()
    }
)


def kinds(group: str | None = None) -> tuple[Kind, ...]:
    """All kinds, or those of one group.

    Parameters
    ----------
    group : str, optional
        One of GROUPS, or 'none' for the kinds that belong to no group.

    Raises
    ------
    UnknownNameError
        If there is no such group.
    """
    if group is None:
        return tuple(KINDS.values())
    if group not in (*GROUPS, "none"):
        raise unknown_name("a group of distortions", group, (*GROUPS, "none"), f"one of {', '.join(GROUPS)}, none")
    return tuple(kind for kind in KINDS.values() if (kind.group or "none") == group)


def find_kind(kind: str | Kind) -> Kind:
    """The kind of a name; a Kind passes through.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if isinstance(kind, Kind):
        return kind
    if kind not in KINDS:
        raise unknown_name("a kind of distortion", kind, KINDS, "'kukkiri degrade --list' shows them")
    return KINDS[kind]
