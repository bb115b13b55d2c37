"""VGG-16: thirteen 3×3 convolutions in five stages, and three fully connected layers.

Simonyan and Zisserman, ICLR 2015 (arXiv:1409.1556), configuration D, without batch normalisation. Names of parameters
are those of the checkpoint that everybody has (`features.0.weight` … `features.28.bias`, `classifier.0.weight` …).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kukkiri.errors import ShapeError
from kukkiri.networks.stages import stages

# Channels of the convolutions of each stage; a pooling by 2 follows each stage.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# After relu1_2, relu2_2, relu3_3, relu4_3, relu5_3: how many layers of `features` lie before, channels and stride.
ENDS = (4, 9, 16, 23, 30)
CHANNELS = (64, 128, 256, 512, 512)
STRIDES = (1, 2, 4, 8, 16)
# A value of relu5_3 is a function of the pixels at most this far from the first of its 16.
REACH = 105
# Mean and standard deviation of ImageNet's RGB values in [0, 1], by which pictures are normalised first.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
# The classifier sees this many cells a side, whatever the size of the picture.
CELLS = 7


def max_pooling(_channels: int) -> nn.Module:
    """The pooling between VGG's stages: the largest of 2 × 2, an odd last row or column left out."""
    return nn.MaxPool2d(2, 2)


def vgg16_features(*, pooling: Callable[[int], nn.Module] = max_pooling, last_pooling: bool = True) -> nn.Sequential:
    """VGG-16's convolutional part: layers 0 to 30 by the usual numbers.

    Parameters
    ----------
    pooling : function(channels) -> module
        What stands between the stages, of stride 2.
    last_pooling : bool
        False: it ends with relu5_3.

    Returns
    -------
    nn.Sequential
        Not initialised in any useful way: load a checkpoint. The activations work in place.
    """
    layers: list[nn.Module] = []
    inputs = 3
    for stage in STAGES:
        for outputs in stage:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
            inputs = outputs
        layers.append(pooling(inputs))
    return nn.Sequential(*(layers if last_pooling else layers[:-1]))


class VGG16(nn.Module):
    """The whole VGG-16, with any number of outputs.

    Parameters
    ----------
    outputs : int
        1000 are ImageNet's classes.
    """

    def __init__(self, outputs: int = 1000) -> None:
        super().__init__()
        self.features = vgg16_features()
        wide = 4096
        self.classifier = nn.Sequential(
            nn.Linear(CHANNELS[-1] * CELLS**2, wide),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(wide, wide),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(wide, outputs),
        )

    def stages(self, x: Tensor) -> Iterator[Tensor]:
        """relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of normalised pictures (N, 3, H, W), each when asked for."""
        return stages(self.features, ENDS, x)

    def forward(self, x: Tensor) -> Tensor:
        """From normalised pictures (N, 3, H, W), made for 224 × 224 px, to (N, outputs).

        Raises
        ------
        ShapeError
            If it is not RGB or a side is under 32 px.
        """
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[-2:]) < 32:
            raise ShapeError(
                expected="a batch (N, 3, H, W) with sides of at least 32 px",
                got=str(tuple(x.shape)),
                fix="repeat a grey channel three times, or take a larger picture",
            )
        x = self.features(x)
        if x.shape[-2:] != (CELLS, CELLS):
            x = F.adaptive_avg_pool2d(x, CELLS)
        found: Tensor = self.classifier(x.flatten(1))
        return found


def normalised(image: Tensor) -> Tensor:
    """RGB in [0, 1] as networks for ImageNet take it: less the mean, by the standard deviation of each channel."""
    mean = torch.tensor(MEAN, dtype=image.dtype, device=image.device).view(3, 1, 1)
    deviation = torch.tensor(DEVIATION, dtype=image.dtype, device=image.device).view(3, 1, 1)
    return (image - mean) / deviation
