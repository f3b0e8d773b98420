"""Pooling: of every window, or of a whole image, the maximum or the mean remains, for each channel on its own."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.kernels.windows import Pads, Pair, outputs, pad, taps

Array = NDArray[Any]


class MaxPoolCache(NamedTuple):
    x: Array  # (N, Hp, Wp, C), padded with −∞
    y: Array  # (N, OH, OW, C)
    window: Pair
    stride: Pair
    padding: Pads
    dilation: Pair


class AvgPoolCache(NamedTuple):
    shape: tuple[int, ...]  # of the padded x
    share: float | Array  # 1 / count, or (OH, OW, 1)
    window: Pair
    stride: Pair
    padding: Pads


def max_pool2d_forward(
    x: Array,
    window: Pair,
    stride: Pair,
    padding: Pads = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
) -> tuple[Array, MaxPoolCache]:
    """y[n,i,j,c] = max_hk x[n, s i + d h, s j + d k, c], with stride s, dilation d, x padded by −∞

    x: (N, H, W, C), h < KH, k < KW  ->  y: (N, OH, OW, C)        cache: padded x, y, the settings

    >>> y, cache = max_pool2d_forward(np.array([[1.0, 7.0], [7.0, 2.0]])[None, :, :, None], (2, 2), (2, 2))
    >>> y.ravel(), max_pool2d_backward(np.ones_like(y), cache)[0, :, :, 0]
    (array([7.]), array([[0., 1.],
           [0., 0.]]))
    """
    x = pad(x, padding, -math.inf)
    views = [tap for _, _, tap in taps(x, window, stride, dilation)]
    y = np.maximum(views[0], views[-1])
    for tap in views[1:-1]:
        np.maximum(y, tap, out=y)
    return y, MaxPoolCache(x, y, window, stride, padding, dilation)


def max_pool2d_backward(dy: Array, cache: MaxPoolCache) -> Array:
    """dx: each dy goes back to the maximum of its window; of equal ones to the first, row by row, as in PyTorch

    dy: (N, OH, OW, C)  ->  dx: (N, H, W, C)
    """
    x, y, window, stride, padding, dilation = cache
    dx, apart = _blank(x.shape, dy.dtype, window, stride, dilation)
    given, hit = np.zeros(y.shape, bool), np.empty(y.shape, bool)
    reads, writes = taps(x, window, stride, dilation), taps(dx, window, stride, dilation)
    for (_, _, tap), (_, _, dtap) in zip(reads, writes, strict=True):
        np.equal(tap, y, out=hit)
        np.greater(hit, given, out=hit)  # only if no place before has taken it
        np.logical_or(given, hit, out=given)
        if apart:
            np.multiply(dy, hit, out=dtap)
        else:
            dtap += dy * hit
    return _unpad(dx, padding)


def avg_pool2d_forward(
    x: Array,
    window: Pair,
    stride: Pair,
    padding: Pads = ((0, 0), (0, 0)),
    count_padding: bool = False,
) -> tuple[Array, AvgPoolCache]:
    """y[n,i,j,c] = Σ_hk x[n, s i + h, s j + k, c] / count[i,j], with stride s, x padded by zeros

    x: (N, H, W, C), h < KH, k < KW  ->  y: (N, OH, OW, C)        cache: x's shape, 1 / count, the settings

    A window's count is that of its numbers from x; with count_padding, KH · KW.
    """
    x = pad(x, padding)
    views = [tap for _, _, tap in taps(x, window, stride, (1, 1))]
    share = 1 / math.prod(window) if count_padding else _share(x, window, stride, padding)
    y = views[0].copy()
    for tap in views[1:]:
        y += tap
    y *= share
    return y, AvgPoolCache(x.shape, share, window, stride, padding)


def avg_pool2d_backward(dy: Array, cache: AvgPoolCache) -> Array:
    """dx: each dy / count goes back to every place of its window

    dy: (N, OH, OW, C)  ->  dx: (N, H, W, C)
    """
    shape, share, window, stride, padding = cache
    dx, apart = _blank(shape, dy.dtype, window, stride, (1, 1))
    each = dy * share
    for _, _, dtap in taps(dx, window, stride, (1, 1)):
        if apart:
            dtap[...] = each
        else:
            dtap += each
    return _unpad(dx, padding)


def global_avg_pool_forward(x: Array) -> tuple[Array, tuple[int, ...]]:
    """y[n,c] = Σₚ x[n,p,c] / P, over all P places of an example

    x: (N, …, C)  ->  y: (N, C)        cache: x's shape
    """
    N, C, P = len(x), x.shape[-1], math.prod(x.shape[1:-1])
    mean = np.full((1, P), 1 / P, x.dtype)
    y = mean @ x.reshape(N, P, C)  # a product adds up many times faster than a sum over an axis
    return y.reshape(N, C), x.shape


def global_avg_pool_backward(dy: Array, shape: tuple[int, ...]) -> Array:
    """dx[n,p,c] = dy[n,c] / P

    dy: (N, C)  ->  dx: (N, …, C)        cache: x's shape
    """
    N, *places, C = shape
    each = dy * (1 / math.prod(places))
    dx = np.empty((N, math.prod(places), C), dy.dtype)
    dx[...] = each[:, None]
    return dx.reshape(shape)


def global_max_pool_forward(x: Array) -> tuple[Array, Array]:
    """y[n,c] = maxₚ x[n,p,c], over all P places of an example

    x: (N, …, C)  ->  y: (N, C)        cache: x
    """
    return np.maximum.reduce(x, axis=tuple(range(1, x.ndim - 1))), x


def global_max_pool_backward(dy: Array, x: Array) -> Array:
    """dx: each dy goes back to the place of the maximum; of equal ones to the first, row by row, as in PyTorch

    dy: (N, C)  ->  dx: (N, …, C)        cache: x
    """
    N, C, P = len(x), x.shape[-1], math.prod(x.shape[1:-1])
    first = x.reshape(N, P, C).argmax(axis=1)  # (N, C)
    dx = np.zeros((N, P, C), dy.dtype)
    np.put_along_axis(dx, first[:, None], dy[:, None], axis=1)
    return dx.reshape(x.shape)


def _blank(
    shape: tuple[int, ...], dtype: np.dtype[Any], window: Pair, stride: Pair, dilation: Pair
) -> tuple[Array, bool]:
    """An array for dx, zero where it may not be written, and whether no place lies in two windows."""
    apart = all(s > d * (k - 1) for k, s, d in zip(window, stride, dilation, strict=True))
    tiled = window == stride and not (shape[1] % stride[0] or shape[2] % stride[1])
    return (np.empty if apart and tiled else np.zeros)(shape, dtype), apart


def _unpad(dx: Array, padding: Pads) -> Array:
    """dx without the frame that `pad` had put around x."""
    (top, bottom), (left, right) = padding
    return dx[:, top : dx.shape[1] - bottom, left : dx.shape[2] - right]


def _share(x: Array, window: Pair, stride: Pair, padding: Pads) -> float | Array:
    """1 / how many numbers of x itself each window of the padded x holds: a number, or (OH, OW, 1)."""
    if padding == ((0, 0), (0, 0)):
        return 1 / math.prod(window)
    counts = []
    for size, count, k, s, (before, after) in zip(
        x.shape[1:3], outputs(x.shape[1:3], window, stride, (1, 1)), window, stride, padding, strict=True
    ):
        starts = s * np.arange(count)
        counts.append(np.minimum(starts + k, size - after) - np.maximum(starts, before))
    share: Array = 1 / np.multiply.outer(*counts)[:, :, None]
    return share.astype(x.dtype)
