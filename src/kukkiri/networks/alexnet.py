"""AlexNet's convolutional part: five convolutions, in the one-GPU form that everybody has.

Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (arXiv:1404.5997, 2014). Names of
parameters are those of the checkpoint that everybody has (`features.0.weight` … `features.10.bias`).
"""

from __future__ import annotations

from torch import nn

# After relu1 … relu5: how many layers of `features` lie before, channels and stride.
ENDS = (2, 5, 8, 10, 12)
CHANNELS = (64, 192, 384, 256, 256)
STRIDES = (4, 8, 16, 16, 16)
# A value of relu5 is a function of the pixels at most this far from the first of its 16.
REACH = 96
# Smallest side that leaves relu5 a value.
MIN_SIZE = 31


def alexnet_features() -> nn.Sequential:
    """AlexNet's layers 0 to 11 by the usual numbers: up to relu5.

    The last pooling is left out: nothing here is computed from it.

    Returns
    -------
    nn.Sequential
        Not initialised in any useful way: load a checkpoint. The activations work in place.
    """
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(inplace=True),
    )
