"""Convolutions and poolings: images are NCHW, where ours are NHWC, and windows have their own words."""

import numpy as np

from clearprop.kernels.conv import conv1d_forward, conv2d_forward, conv_transpose2d_forward
from clearprop.kernels.pool import (
    avg_pool2d_forward,
    global_avg_pool_forward,
    global_max_pool_forward,
    max_pool2d_forward,
)


def nhwc(x):
    """From (N, C, ...) to (N, ..., C)."""
    return np.moveaxis(x, 1, -1)


def nchw(x):
    """And back."""
    return np.moveaxis(x, -1, 1)


def of_images(adapter):
    """Lets an adapter for two axes of space do one, too: (N, C, T) is an image of one row, (N, C, 1, T)."""
    row = {"kernel_shape": [1], "strides": [1], "dilations": [1], "pads": [0, 0], "output_padding": [0]}

    def either(attributes, x, *weights):
        if x.ndim != 3:
            return adapter(attributes, x, *weights)
        wider = {
            name: np.stack([row[name], value], axis=1).ravel().tolist() if name in row else value
            for name, value in attributes.items()  # pads are all the starts, then all the ends
        }
        weights = [a[:, :, None] if a is not None and a.ndim == 3 else a for a in weights]
        return [y[:, :, 0] for y in adapter(wider, x[:, :, None], *weights)]

    return either


def slide(attributes, size, window):
    """Stride, padding and dilation of windows over an input of this size."""
    stride = attributes.get("strides", [1] * len(window))
    dilation = attributes.get("dilations", [1] * len(window))
    given = attributes.get("pads", [0] * 2 * len(window))
    padding = list(zip(given[: len(window)], given[len(window) :], strict=True))
    for i, (n, k, s, d) in enumerate(zip(size, window, stride, dilation, strict=True)):
        reach = d * (k - 1) + 1
        if attributes.get("auto_pad", "NOTSET").startswith("SAME"):
            padding[i] = halves(attributes, max((-(-n // s) - 1) * s + reach - n, 0))
        if attributes.get("ceil_mode", 0):  # the end may cut off a last window, if it starts before the end
            before, after = padding[i]
            outputs = -(-(n + before + after - reach) // s) + 1
            outputs -= (outputs - 1) * s >= n + before
            padding[i] = before, max(after, (outputs - 1) * s + reach - n - before)
    return tuple(stride), tuple(padding), tuple(dilation)


def halves(attributes, total):
    """Padding before and after: SAME_UPPER gives an odd element to the end, everything else to the start."""
    small, large = total // 2, total - total // 2
    return (small, large) if attributes.get("auto_pad") == "SAME_UPPER" else (large, small)


def conv(attributes, x, w, b=None):
    """w: (F, C/groups, KH, KW)"""
    stride, padding, dilation = slide(attributes, x.shape[2:], w.shape[2:])
    b = np.zeros(len(w), x.dtype) if b is None else b
    groups = attributes.get("group", 1)
    if x.ndim == 3:
        settings = stride[0], padding[0], dilation[0], groups
        return [nchw(conv1d_forward(nhwc(x), w.transpose(2, 1, 0), b, *settings)[0])]
    return [nchw(conv2d_forward(nhwc(x), w.transpose(2, 3, 1, 0), b, stride, padding, dilation, groups)[0])]


@of_images
def conv_transpose(attributes, x, w, b=None):
    """w: (C, F/groups, KH, KW); where the output's shape is given, the padding follows from it."""
    size, window = x.shape[2:], w.shape[2:]
    stride, padding, dilation = slide(attributes | {"auto_pad": "NOTSET"}, size, window)
    more = attributes.get("output_padding", [0, 0])
    groups = attributes.get("group", 1)
    b = np.zeros(w.shape[1] * groups, x.dtype) if b is None else b
    wanted = attributes.get("output_shape")
    if attributes.get("auto_pad", "NOTSET").startswith("SAME"):
        wanted = [n * s for n, s in zip(size, stride, strict=True)]
    if wanted:
        full = [
            (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(size, stride, dilation, window, strict=True)
        ]
        more = [max(m, n - f) for m, n, f in zip(more, wanted, full, strict=True)]
        padding = tuple(halves(attributes, f + m - n) for f, m, n in zip(full, more, wanted, strict=True))
    settings = stride, padding, tuple(more), dilation, groups
    return [nchw(conv_transpose2d_forward(nhwc(x), w.transpose(2, 3, 1, 0), b, *settings)[0])]


@of_images
def max_pool(attributes, x):
    window = tuple(attributes["kernel_shape"])
    return [nchw(max_pool2d_forward(nhwc(x), window, *slide(attributes, x.shape[2:], window))[0])]


@of_images
def average_pool(attributes, x):
    window = tuple(attributes["kernel_shape"])
    stride, padding, _ = slide(attributes, x.shape[2:], window)
    counts = bool(attributes.get("count_include_pad", 0))
    return [nchw(avg_pool2d_forward(nhwc(x), window, stride, padding, counts)[0])]


def global_average_pool(attributes, x):
    return [beside_ones(global_avg_pool_forward(nhwc(x))[0], x)]


def global_max_pool(attributes, x):
    return [beside_ones(global_max_pool_forward(nhwc(x))[0], x)]


def beside_ones(y, x):
    """(N, C) as (N, C, 1, ...), with as many axes as x."""
    return y.reshape(*y.shape, *[1] * (x.ndim - 2))
