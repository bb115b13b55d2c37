"""How far the layers of a plain chain look, from their kernels, strides and paddings alone."""

from torch import nn


def both(value):
    """A layer's option as a whole number: its value, or the first of a pair."""
    return value[0] if isinstance(value, tuple) else value


def reach_and_stride(layers):
    """The farthest pixel that a cell is a function of, counted from the cell's first pixel, and pixels a cell."""
    before, after, stride = 0, 0, 1
    for layer in layers:
        for one in [layer.expand3x3] if hasattr(layer, "expand3x3") else [layer]:
            if isinstance(one, (nn.Conv2d, nn.MaxPool2d)):
                kernel, padding = both(one.kernel_size), both(one.padding)
                before += padding * stride
                after += (kernel - 1 - padding) * stride
                stride *= both(one.stride)
    return max(before, after), stride
