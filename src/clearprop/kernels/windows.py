"""Windows: an image's patches as the rows of a matrix, and the way back; what convolutions are made of."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from clearprop.kernels.scratch import scratch

Array = NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[Pair, Pair]  # before and after, for rows and for columns

COPIED_BYTES = 2**22  # of windows at a time: the product then reads them from the cache


def pad(x: Array, padding: Pads, value: float = 0.0) -> Array:
    """x with a frame around it, (N, H + padding, W + padding, C); x itself if there is none."""
    (top, bottom), (left, right) = padding
    if not (top or bottom or left or right):
        return x
    n, height, width, channels = x.shape
    y = np.empty((n, top + height + bottom, left + width + right, channels), x.dtype)
    y[:, :top] = y[:, top + height :] = value
    y[:, :, :left] = y[:, :, left + width :] = value
    y[:, top : top + height, left : left + width] = x
    return y


def outputs(size: Pair, window: Pair, stride: Pair, dilation: Pair) -> Pair:
    """How many windows there are in an image of this padded size: rows, columns."""
    rows, columns = (
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(size, window, stride, dilation, strict=True)
    )
    return rows, columns


def windows(x: Array, window: Pair, stride: Pair, dilation: Pair) -> Array:
    """All windows of a padded x, as a view (N, OH, OW, KH, KW, C) that overlaps itself; nothing is copied."""
    (n, height, width, channels), (along_n, along_h, along_w, along_c) = x.shape, x.strides
    rows, columns = outputs((height, width), window, stride, dilation)
    return as_strided(
        x,
        (n, rows, columns, *window, channels),
        (
            along_n, along_h * stride[0], along_w * stride[1],
            along_h * dilation[0], along_w * dilation[1], along_c,
        ),
        writeable=False,
    )  # fmt: skip


def window_rows(x: Array, window: Pair, stride: Pair, dilation: Pair) -> Iterator[tuple[slice, Array]]:
    """The windows of a padded x as the rows of matrices (n OH OW, KH KW C), a few images at a time.

    Each matrix is valid until the next one is asked for.
    """
    every = windows(x, window, stride, dilation)
    if window == stride == (1, 1) and every.flags.c_contiguous:
        yield slice(None), x.reshape(-1, x.shape[3])  # an image is its own windows
        return
    at_once = max(1, COPIED_BYTES // max(1, prod(every.shape[1:]) * x.itemsize))
    for start in range(0, len(x), at_once):
        some = every[start : start + at_once]
        copied = scratch(some.shape, x.dtype)
        if dilation[1] == 1 and x.flags.c_contiguous:  # a window's row is copied as one piece
            piece = np.dtype((np.void, window[1] * x.strides[2]))
            whole = np.ndarray(some.shape[:4], piece, x[start:], strides=some.strides[:4])
            np.copyto(copied.reshape(-1).view(piece).reshape(whole.shape), whole)
        else:
            np.copyto(copied, some)
        yield slice(start, start + at_once), copied.reshape(-1, prod(some.shape[3:]))


def taps(x: Array, window: Pair, stride: Pair, dilation: Pair) -> Iterator[tuple[int, int, Array]]:
    """Each place of the window, with what lies there in all windows of a padded x: a view (N, OH, OW, C)."""
    rows, columns = outputs(x.shape[1:3], window, stride, dilation)
    for i in range(window[0]):
        for j in range(window[1]):
            top, left = i * dilation[0], j * dilation[1]
            yield (
                i,
                j,
                x[
                    :,
                    top : top + (rows - 1) * stride[0] + 1 : stride[0],
                    left : left + (columns - 1) * stride[1] + 1 : stride[1],
                ],
            )
