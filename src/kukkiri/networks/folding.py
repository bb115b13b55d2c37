"""A convolution and the normalisation that follows it, made one: the same function in one step less."""

from __future__ import annotations

import torch
from torch import nn

from kukkiri.errors import InputError


@torch.no_grad()
def fold(convolution: nn.Conv2d, normalisation: nn.BatchNorm2d) -> nn.Identity:
    """Put a batch normalisation (in evaluation mode) into the convolution before it.

    The convolution is changed: its weights are scaled, and it gets a bias. Call it once all parameters are loaded.

    Parameters
    ----------
    convolution : nn.Conv2d
    normalisation : nn.BatchNorm2d
        Of as many channels as the convolution has outputs, with running statistics.

    Returns
    -------
    nn.Identity
        To be put where the normalisation was.

    Raises
    ------
    InputError
        If the normalisation has no running statistics, or other channels.
    """
    mean, variance = normalisation.running_mean, normalisation.running_var
    if mean is None or variance is None or mean.numel() != convolution.out_channels:
        raise InputError(
            expected=f"running statistics of {convolution.out_channels} channels",
            got="none" if mean is None else str(mean.numel()),
            fix="fold only the normalisation that follows the convolution",
        )
    # Double precision: what is folded must not differ by more than a rounding.
    scale = (variance.double() + normalisation.eps).rsqrt()
    if normalisation.affine:
        scale = scale * normalisation.weight.double()
    shift = -mean.double() if convolution.bias is None else convolution.bias.double() - mean.double()
    shift = shift * scale + (normalisation.bias.double() if normalisation.affine else 0)
    dtype = convolution.weight.dtype
    weight = convolution.weight.double() * scale.reshape(-1, *([1] * (convolution.weight.ndim - 1)))
    convolution.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    convolution.bias = nn.Parameter(shift.to(dtype), requires_grad=False)
    return nn.Identity()
