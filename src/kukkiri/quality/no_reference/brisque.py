"""BRISQUE: support-vector regression from natural scene statistics to people's scores (Mittal, Moorthy, Bovik 2012).

LIVE released it twice, in MATLAB and in C++, and the two differ in border, downsampling and fit. Each regression was
trained on the features of its own release and is wrong on those of the other, so the release comes with the weights:
what is shipped is the C++ release's. Lower is better.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from kukkiri.errors import InputError
from kukkiri.images.colour import luma_255, on_8bit_grid
from kukkiri.images.resampling import imresize, resample
from kukkiri.metrics.base import Metric
from kukkiri.quality.no_reference.natural_scene_statistics import (
    WINDOW_SIGMA,
    Moments,
    asymmetric_shape,
    gamma_ratio,
    gaussian_shape,
    in_chunks,
    moments,
    normalised_luma,
    rounding_floor,
)
from kukkiri.weights import check_layout, load_tensors

FEATURES = 36
# Pairs of neighbours: right, below, and both diagonals.
SHIFTS = ((0, 1), (1, 0), (1, 1), (-1, 1))
# BT.601 as OpenCV has it for 8-bit pictures.
OPENCV_LUMA = (9798 / 32768, 19235 / 32768, 3735 / 32768)
Release = Literal["c++", "matlab"]


def brisque_features(image: Tensor, weights: Tensor | None = None, release: Release = "c++") -> Tensor:
    """The 36 features of each picture: 18 of full and 18 of half size.

    Parameters
    ----------
    image : Tensor, (N, C, H, W), values in [0, 1]
    weights : Tensor, (N, 1, H, W), optional
        1 where a pixel counts, 0 where it does not.
    release : 'c++' | 'matlab'
        Whose arithmetic.

    Returns
    -------
    Tensor, (N, 36), float64
        Shape and variance of normalised luma; shape, mean, left and right variance of the products of neighbours in
        four directions. NaN where nothing is left to fit.
    """
    free = torch.ones_like(image[:, :1]) if weights is None else weights
    in_cpp = release == "c++"
    grey = grey_of_opencv(image) if in_cpp else luma_255(image).double()
    floor = rounding_floor(grey)
    features = scene_statistics(grey, floor, free.double(), release)
    if in_cpp:
        half = halve_as_opencv(grey)
        # OpenCV keeps 8-bit pictures in 8 bits; what came with more keeps what it has.
        half = torch.where(on_8bit_grid(image).view(-1, 1, 1, 1), half.round().clamp(0, 255), half)
    else:
        half = imresize(grey, 0.5)
    left_out = torch.nn.functional.max_pool2d(1 - free, 2, ceil_mode=not in_cpp)
    return torch.cat([features, scene_statistics(half, floor, 1 - left_out.double(), release)], 1)


def scene_statistics(grey: Tensor, floor: Tensor, free: Tensor, release: Release) -> Tensor:
    """The 18 features at one size.

    Parameters
    ----------
    grey, free : Tensor, (N, 1, H, W), float64
        Luma on 0..255, and 1 where it counts.
    floor : Tensor, (N, 1, 1, 1)
        See `rounding_floor`.

    Returns
    -------
    Tensor, (N, 18)
    """
    in_cpp = release == "c++"
    # The C++ release writes the window's 7/6 as 1.166.
    border, sigma = ("reflect", 1.166) if in_cpp else ("zero", WINDOW_SIGMA)
    values = normalised_luma(grey, floor, sigma, border)[:, 0] * free[:, 0]
    m = moments(values.flatten(1), free.sum((1, 2, 3)))
    features = [asymmetric_shape(m, "single"), (m.left + m.right) / 2] if in_cpp else [gaussian_shape(m), m.square]
    for shift in SHIFTS:
        if in_cpp:  # a neighbour beyond the border is 0, but its pair is counted
            product = values * shifted(values, shift, 0.0)
            count = (free[:, 0] * shifted(free[:, 0], shift, 1.0)).sum((1, 2))
        else:  # the picture is a torus
            product = values * values.roll(shift, (1, 2))
            count = (free[:, 0] * free[:, 0].roll(shift, (1, 2))).sum((1, 2))
        features += pair_features(moments(product.flatten(1), count), "single" if in_cpp else "decimal")
    return torch.stack(features, 1)


def pair_features(m: Moments, grid: str) -> list[Tensor]:
    """Shape, mean, left and right variance of an asymmetric generalised Gaussian (eqs. 8–15)."""
    shape = asymmetric_shape(m, grid)
    mean = (m.right.sqrt() - m.left.sqrt()) * gamma_ratio(2, 1, shape) * gamma_ratio(1, 3, shape).sqrt()
    return [shape, mean, m.left, m.right]


def shifted(values: Tensor, shift: tuple[int, int], fill: float) -> Tensor:
    """The value that lies `shift` rows and columns further; `fill` where that is outside. (N, H, W)"""
    down, right = shift
    padded = torch.nn.functional.pad(values, (max(-right, 0), max(right, 0), max(-down, 0), max(down, 0)), value=fill)
    height, width = values.shape[-2:]
    return padded[..., max(down, 0) : max(down, 0) + height, max(right, 0) : max(right, 0) + width]


def grey_of_opencv(image: Tensor) -> Tensor:
    """Luma on 0..255 by OpenCV's fixed-point digits, float64; whole levels where the picture came from 8 bits."""
    if image.shape[1] == 1:
        return luma_255(image).double()
    digits = torch.tensor(OPENCV_LUMA, dtype=torch.float64, device=image.device).view(1, 3, 1, 1)
    levels = image.double() * 255
    eight_bits = on_8bit_grid(image).view(-1, 1, 1, 1)
    levels = torch.where(eight_bits, levels.round(), levels)
    grey = (levels * digits).sum(1, keepdim=True)
    return torch.where(eight_bits, (grey + 0.5).floor(), grey)


def halve_as_opencv(grey: Tensor) -> Tensor:
    """Half the size, rounded down, by cubic convolution with a = −3/4 and no low-pass: `resize` with `INTER_CUBIC`.

    Parameters
    ----------
    grey : Tensor, (N, 1, H, W)

    Returns
    -------
    Tensor, (N, 1, H // 2, W // 2)
    """
    a = -0.75
    for side in (-1, -2):
        length = grey.shape[side]
        count = length // 2
        # Positions in single precision and weights in 11 bits, as OpenCV has them.
        centre = ((torch.arange(count, dtype=torch.float64) + 0.5) * (length / count) - 0.5).float().double()
        first = centre.floor()
        positions = first[:, None] + torch.arange(-1, 3)
        d = (centre[:, None] - positions).abs()
        near = ((a + 2) * d - (a + 3)) * d.square() + 1
        far = ((d - 5) * d + 8) * d * a - 4 * a
        weights = torch.where(d <= 1, near, far)
        grey = resample(grey, side, positions.long(), (weights * 2048).round() / 2048)
    return grey


class BRISQUE(Metric):
    """`brisque`: blind/referenceless image spatial quality evaluator.

    Parameters
    ----------
    weights : str or Path, optional
        The regression: key in the catalogue, or path of a file with `support_vectors` (K, 36), `dual_coef` (K,),
        `feature_min` (36,), `feature_max` (36,), `gamma` (1,) and `rho` (1,); default: that of the C++ release.
    release : 'c++' | 'matlab'
        Which release's features the regression was trained on. 'matlab' needs `weights`.

    Notes
    -----
    Nominally 0 (best) to 100 (worst); very clean pictures go below 0. The value is NaN for a flat picture. Pixels
    within 10 px of a mask, and pairs with one of them, are left out of the statistics.

    Raises
    ------
    InputError
        If the release is not known, or is 'matlab' without weights.
    """

    name = "brisque"
    takes_weights = True

    if TYPE_CHECKING:
        support_vectors: Tensor
        coefficients: Tensor
        feature_min: Tensor
        feature_max: Tensor

    def __init__(self, weights: str | Path | None = None, *, release: Release = "c++") -> None:
        super().__init__()
        if release not in get_args(Release):
            raise InputError(expected=" or ".join(get_args(Release)), got=repr(release), fix="check the spelling")
        if release == "matlab" and weights is None:
            raise InputError(
                expected="weights trained on the features of the MATLAB release",
                got="none (those that come with Kukkiri belong to the C++ release)",
                fix="pass weights, or leave release out",
            )
        self.release: Release = release
        model = load_tensors(weights or self.spec.weights[0])
        count = model["dual_coef"].numel() if "dual_coef" in model else 1
        layout = {"support_vectors": (count, FEATURES), "dual_coef": (count,), "gamma": (1,), "rho": (1,)}
        check_layout(model, layout | {"feature_min": (FEATURES,), "feature_max": (FEATURES,)}, "BRISQUE")
        self.register_buffer("support_vectors", model["support_vectors"].double())
        self.register_buffer("coefficients", model["dual_coef"].double())
        self.register_buffer("feature_min", model["feature_min"].double())
        self.register_buffer("feature_max", model["feature_max"].double())
        self.gamma, self.rho = float(model["gamma"]), float(model["rho"])

    def reach(self, height: int, width: int) -> int:
        # Three half-size pixels of normalisation are 6 px, and the antialiased bicubic kernel adds 4.
        return 10

    def score(self, image: Tensor, reference: Tensor | None, weights: Tensor) -> Tensor:
        features = in_chunks(lambda part, free: brisque_features(part, free, self.release), image, weights)
        return self.regression(features).to(image.dtype)

    def regression(self, features: Tensor) -> Tensor:
        """The score (N,) that goes with features (N, 36): ε-SVR with a Gaussian kernel."""
        scaled = 2 * (features - self.feature_min) / (self.feature_max - self.feature_min) - 1
        distance = (scaled[:, None] - self.support_vectors).square().sum(2)
        return (-self.gamma * distance).exp() @ self.coefficients - self.rho
