"""What is neither blur, noise, a codec nor a tone: processing gone wrong, air, little light, chains. Needs no torch."""

from __future__ import annotations

from kukkiri.optics.distort.kind import Kind
from kukkiri.optics.distort.making import make_kind, parameter


def artefacts() -> list[Kind]:
    """Processing gone wrong, echoes, things out of place."""
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


def scenes() -> list[Kind]:
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
