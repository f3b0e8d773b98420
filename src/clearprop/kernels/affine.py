"""The affine map: every output is a weighted sum of all inputs, plus a bias."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class AffineCache(NamedTuple):
    x: Array  # (N, D)
    w: Array  # (D, M)


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, AffineCache]:
    """y = x w + b

    x: (N, D), w: (D, M), b: (M,)  ->  y: (N, M)        cache: x, w

    >>> y, cache = affine_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0]))
    >>> y
    array([[16.]])
    """
    y = x @ w
    y += b
    return y, AffineCache(x, w)


def affine_backward(
    dy: Array, cache: AffineCache, out: tuple[Array, Array] | None = None, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """dx = dy wᵀ,  dw = xᵀ dy,  db = Σₙ dyₙ

    dy: (N, M)  ->  dx: (N, D), dw: (D, M), db: (M,)

    `out=(dw, db)` names the arrays to write; `need_dx=False` saves the product for dx, which is then None.
    """
    x, w = cache
    dw, db = out or (None, None)
    dw = np.matmul(x.T, dy, out=dw)
    db = np.add.reduce(dy, axis=0, out=db)
    dx = dy @ w.T if need_dx else None
    return dx, dw, db
