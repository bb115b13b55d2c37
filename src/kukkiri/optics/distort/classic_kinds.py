"""The kinds that TID2013 and KADID-10k show to people: blurs, noise, codecs, tones, colours. Needs no torch.

Sources: Ponomarenko et al., Signal Processing: Image Communication 30, 2015 (TID2013); Lin, Hosu, Saupe, QoMEX 2019
(KADID-10k).
"""

from __future__ import annotations

from kukkiri.optics.distort.kind import Kind
from kukkiri.optics.distort.making import make_kind, parameter


def blurs() -> list[Kind]:
    """Blurs, and what was made small and large again."""
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


def noises() -> list[Kind]:
    """Noise."""
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


def compressions() -> list[Kind]:
    """Codecs, few levels, lost blocks."""
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


def tones() -> list[Kind]:
    """Exposure and contrast."""
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


def colours() -> list[Kind]:
    """Wrong colours."""
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
