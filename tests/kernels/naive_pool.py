"""Pooling, one number at a time."""

import numpy as np


def numbers(x, n, i, j, c, window, stride, padding, dilation=(1, 1)):
    """What a window holds of x itself, row by row."""
    found = []
    for h, k in np.ndindex(*window):
        row = i * stride[0] + h * dilation[0] - padding[0][0]
        column = j * stride[1] + k * dilation[1] - padding[1][0]
        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
            found.append(float(x[n, row, column, c]))
    return found


def empty(x, window, stride, padding, dilation=(1, 1)):
    """y, whose numbers are still to come."""
    rows, columns = (
        (size + sum(pads) - d * (k - 1) - 1) // s + 1
        for size, pads, k, s, d in zip(x.shape[1:3], padding, window, stride, dilation, strict=True)
    )
    return np.empty((len(x), rows, columns, x.shape[3]))


def max_pool2d(x, window, stride, padding=((0, 0), (0, 0)), dilation=(1, 1)):
    y = empty(x, window, stride, padding, dilation)
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = max(numbers(x, n, i, j, c, window, stride, padding, dilation))
    return y


def avg_pool2d(x, window, stride, padding=((0, 0), (0, 0)), count_padding=False):
    y = empty(x, window, stride, padding)
    for n, i, j, c in np.ndindex(y.shape):
        found = numbers(x, n, i, j, c, window, stride, padding)
        y[n, i, j, c] = sum(found) / (window[0] * window[1] if count_padding else len(found))
    return y


def places(x, n, c):
    """A channel's numbers in all places of an example."""
    return [float(x[(n, *place, c)]) for place in np.ndindex(x.shape[1:-1])]


def global_avg_pool(x):
    P = len(places(x, 0, 0))
    return np.array([[sum(places(x, n, c)) / P for c in range(x.shape[-1])] for n in range(len(x))])


def global_max_pool(x):
    return np.array([[max(places(x, n, c)) for c in range(x.shape[-1])] for n in range(len(x))])
