"""Convolutions, one multiplication at a time."""

import numpy as np


def conv2d(x, w, b, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1):
    """y[n, i, j, f], each window read number by number; what lies outside of x is 0."""
    n_images, height, width, channels = x.shape
    kh, kw, per_group, filters = w.shape
    (top, bottom), (left, right) = padding
    rows = (height + top + bottom - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    columns = (width + left + right - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n_images, rows, columns, filters))
    for n, i, j, f in np.ndindex(y.shape):
        first = f // (filters // groups) * per_group  # the first channel of the filter's group
        total = b[f]
        for h, k, c in np.ndindex(kh, kw, per_group):
            row, column = i * stride[0] + h * dilation[0] - top, j * stride[1] + k * dilation[1] - left
            if 0 <= row < height and 0 <= column < width:
                total += x[n, row, column, first + c] * w[h, k, c, f]
        y[n, i, j, f] = total
    assert per_group * groups == channels
    return y


def conv1d(x, w, b, stride=1, padding=(0, 0), dilation=1, groups=1):
    """y[n, t, f], in the same way."""
    n_sequences, length, _ = x.shape
    kernel, per_group, filters = w.shape
    steps = (length + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1
    y = np.zeros((n_sequences, steps, filters))
    for n, t, f in np.ndindex(y.shape):
        first = f // (filters // groups) * per_group
        total = b[f]
        for k, c in np.ndindex(kernel, per_group):
            at = t * stride + k * dilation - padding[0]
            if 0 <= at < length:
                total += x[n, at, first + c] * w[k, c, f]
        y[n, t, f] = total
    return y


def conv_transpose2d(
    x, w, b, stride=(1, 1), padding=((0, 0), (0, 0)), output_padding=(0, 0), dilation=(1, 1), groups=1
):
    """Every number of x, times the kernel, added to its window of y."""
    n_images, height, width, channels = x.shape
    kh, kw, per_group, _ = w.shape
    (top, bottom), (left, right) = padding
    rows = (height - 1) * stride[0] + dilation[0] * (kh - 1) + 1 - top - bottom + output_padding[0]
    columns = (width - 1) * stride[1] + dilation[1] * (kw - 1) + 1 - left - right + output_padding[1]
    y = np.zeros((n_images, rows, columns, per_group * groups)) + b
    for n, i, j, c in np.ndindex(x.shape):
        first = c // (channels // groups) * per_group
        for h, k, f in np.ndindex(kh, kw, per_group):
            row, column = i * stride[0] + h * dilation[0] - top, j * stride[1] + k * dilation[1] - left
            if 0 <= row < rows and 0 <= column < columns:
                y[n, row, column, first + f] += x[n, i, j, c] * w[h, k, f, c]
    return y
