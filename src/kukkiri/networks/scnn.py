"""S-CNN: the small network that DB-CNN has for synthetic distortions.

Zhang, Ma, Yan, Deng, Wang, IEEE TCSVT 30(1), 2020 (arXiv:1907.02665), Fig. 3: nine 3 × 3 convolutions, trained to name
kind and strength of a distortion. Names of parameters are those of the authors' `features` (`0.weight`, `1.bias`,
`1.running_mean`, …).
"""

from __future__ import annotations

from torch import nn

from kukkiri.networks.folding import fold

# Channels and stride of each convolution.
LAYERS = ((48, 1), (48, 2), (64, 1), (64, 2), (64, 1), (64, 2), (128, 1), (128, 1), (128, 2))
CHANNELS = 128
STRIDE = 16
# A feature is a function of the pixels at most this far from the first of its 16.
REACH = 38


def scnn_features() -> nn.Sequential:
    """From normalised pictures (N, 3, H, W) to (N, 128, ⌈H / 16⌉, ⌈W / 16⌉): three modules a convolution.

    Returns
    -------
    nn.Sequential
        Not initialised in any useful way: load a checkpoint, then `fold_scnn`. The activations work in place.
    """
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, stride in LAYERS:
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        inputs = outputs
    return nn.Sequential(*layers)


def fold_scnn(features: nn.Sequential) -> None:
    """Put all normalisations into the convolutions before them, once the parameters are loaded."""
    for number in range(0, len(features), 3):
        convolution, normalisation = features[number], features[number + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
            features[number + 1] = fold(convolution, normalisation)
