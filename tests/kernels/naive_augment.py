"""Augmentation, one pixel at a time."""

import numpy as np


def shift(x, offsets):
    y = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(x.shape):
        row, column = i + offsets[n, 0], j + offsets[n, 1]
        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
            y[n, row, column, c] = x[n, i, j, c]
    return y


def flip(x, flips):
    y = np.empty(x.shape)
    for n, i, j, c in np.ndindex(x.shape):
        y[n, i, j, c] = x[n, i, x.shape[2] - 1 - j if flips[n] else j, c]
    return y


def cutout(x, corners, size):
    y = np.empty(x.shape)
    for n, i, j, c in np.ndindex(x.shape):
        inside = all(a <= at < a + size for a, at in zip(corners[n], (i, j), strict=True))
        y[n, i, j, c] = 0 if inside else x[n, i, j, c]
    return y
