"""Dropout: some elements, or whole channels, are multiplied by zero; which ones, comes in as an array."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def dropout_forward(x: Array, mask: Array) -> tuple[Array, Array]:
    """y = x ⊙ mask

    x: any shape, mask: the same, or (N, 1, …, 1, C) for whole channels  ->  y: x's shape        cache: mask

    The mask holds 0 for the dropped elements and 1 / (1 − rate) for the kept ones, so that y is x on average.

    >>> dropout_forward(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0, 2.0]))[0]
    array([2., 0., 6.])
    """
    return np.multiply(x, mask), mask


def dropout_backward(dy: Array, mask: Array) -> Array:
    """dx = dy ⊙ mask

    dy: y's shape  ->  dx: same shape        cache: mask
    """
    return np.multiply(dy, mask)
