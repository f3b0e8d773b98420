"""Augmentation: images moved, mirrored or with a hole; by how much and where, comes in as an array."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class CutoutCache(NamedTuple):
    corners: Array  # (N, 2)
    size: int


def shift_forward(x: Array, offsets: Array) -> tuple[Array, Array]:
    """y[n,i,j] = x[n, i − a, j − b] with (a, b) = offsets[n], and 0 where that lies outside of x

    x: (N, H, W, C), offsets: (N, 2) of integers  ->  y: (N, H, W, C)        cache: offsets

    >>> image = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> shift_forward(image[None, :, :, None], np.array([[1, 0]]))[0][0, :, :, 0]
    array([[0., 0.],
           [1., 2.]])
    """
    _, H, W, _ = x.shape
    y = np.zeros(x.shape, x.dtype)
    for image, moved, (a, b) in zip(x, y, offsets.tolist(), strict=True):
        top, bottom, left, right = max(a, 0), max(-a, 0), max(b, 0), max(-b, 0)
        moved[top : max(H - bottom, 0), left : max(W - right, 0)] = image[
            bottom : max(H - top, 0), right : max(W - left, 0)
        ]
    return y, offsets


def shift_backward(dy: Array, offsets: Array) -> Array:
    """dx[n,i,j] = dy[n, i + a, j + b], and 0 where that lies outside: the way back

    dy: (N, H, W, C)  ->  dx: (N, H, W, C)        cache: offsets
    """
    return shift_forward(dy, -offsets)[0]


def flip_forward(x: Array, flips: Array) -> tuple[Array, Array]:
    """y[n,i,j] = x[n, i, W − 1 − j] where flips[n], else x[n,i,j]

    x: (N, H, W, C), flips: (N,) of booleans  ->  y: (N, H, W, C)        cache: flips
    """
    y = x.copy()
    y[flips] = x[flips, :, ::-1]
    return y, flips


def flip_backward(dy: Array, flips: Array) -> Array:
    """dx[n,i,j] = dy[n, i, W − 1 − j] where flips[n], else dy[n,i,j]

    dy: (N, H, W, C)  ->  dx: (N, H, W, C)        cache: flips
    """
    return flip_forward(dy, flips)[0]


def cutout_forward(x: Array, corners: Array, size: int) -> tuple[Array, CutoutCache]:
    """y[n,i,j] = 0 where 0 ≤ i − a < size and 0 ≤ j − b < size, with (a, b) = corners[n], else x[n,i,j]

    x: (N, H, W, C), corners: (N, 2) of integers, also outside  ->  y: (N, H, W, C)        cache: corners, size
    """
    return _with_holes(x, corners, size), CutoutCache(corners, size)


def cutout_backward(dy: Array, cache: CutoutCache) -> Array:
    """dx: dy with the same holes

    dy: (N, H, W, C)  ->  dx: (N, H, W, C)
    """
    return _with_holes(dy, *cache)


def _with_holes(x: Array, corners: Array, size: int) -> Array:
    """A copy of x with a square of zeros in every image, of which a part may lie outside."""
    y = x.copy()
    for image, (a, b) in zip(y, corners.tolist(), strict=True):
        image[max(a, 0) : max(a + size, 0), max(b, 0) : max(b + size, 0)] = 0
    return y
