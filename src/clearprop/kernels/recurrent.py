"""What the recurrent kernels share: their arrays are (features, T, N), and x, 1 and h stand in one stack of rows.

In this order a gate is a block of rows, the operations on it read and write consecutive memory, and one product
a step does for x, h and the bias. `x (N, T, D)` and `hs (N, T, H)` are views where both sides keep to it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def stack_inputs(x: Array, h0: Array) -> Array:
    """What each step's product reads: x at its time, a 1 for the bias, the state before it.

    x: (N, T, D), h0: (N, H)  ->  stack: (D + 1 + H, T + 1, N), where the states after h0 are yet to be written

    At time T there is only a state, the last.
    """
    N, T, D = x.shape
    stack = np.empty((D + 1 + h0.shape[1], T + 1, N), x.dtype)
    stack[:D, :T] = x.transpose(2, 1, 0)
    stack[D, :T] = 1
    stack[D + 1 :, 0] = h0.T
    return stack


def upstream(dhs: Array) -> tuple[Array, Array | None]:
    """Where the way back begins, and what each step adds to it, if it adds anything.

    dhs: (N, T, H)  ->  zeros (H, N), (T, H, N)        dhs: (N, H), the last state's alone  ->  (H, N), None
    """
    if dhs.ndim == 2:
        return dhs.T.copy(), None
    each = np.ascontiguousarray(dhs.transpose(1, 2, 0))
    return np.zeros_like(each[0]), each


def steps_back(T: int, truncate: int | None) -> Iterator[tuple[int, bool]]:
    """The steps from the last to the first, and whether the gradient goes on from each to the state before it.

    With `truncate` it does not where a chunk of so many steps begins, counted from the end.

    >>> list(steps_back(3, 2))
    [(2, True), (1, False), (0, True)]
    """
    for t in range(T - 1, -1, -1):
        yield t, truncate is None or (T - t) % truncate != 0


def over_time(rows: Array, dz: Array) -> Array:
    """Σₜₙ rows dz: the gradient of the weights between them, from all steps in one product.

    rows: (D, T or more, N), dz: (M, T, N)  ->  (D, M)
    """
    M, T, N = dz.shape
    product: Array = dz.reshape(M, T * N) @ rows[:, :T].reshape(len(rows), T * N).T
    return product.T


def input_gradient(w: Array, dz: Array) -> Array:
    """dx = w dz at every step: (D, M), (M, T, N)  ->  (N, T, D)"""
    M, T, N = dz.shape
    dx: Array = (w @ dz.reshape(M, T * N)).reshape(len(w), T, N)
    return dx.transpose(2, 1, 0)


def put(gradients: tuple[Array, ...], out: tuple[Array, ...] | None) -> tuple[Array, ...]:
    """The gradients in the arrays that are to be written, if there are such."""
    if out is None:
        return gradients
    for view, gradient in zip(out, gradients, strict=True):
        view[...] = gradient
    return out
