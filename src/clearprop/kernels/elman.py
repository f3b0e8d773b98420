"""Elman's recurrent network: the state is a function of the input and of the state before it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.kernels.activations import tanh_backward, tanh_forward
from clearprop.kernels.recurrent import input_gradient, over_time, put, stack_inputs, steps_back, upstream
from clearprop.kernels.scratch import scratch

Array = NDArray[Any]


class ElmanCache(NamedTuple):
    stack: Array  # (D + 1 + H, T + 1, N): x, ones, and the states from h0 on
    kept: list[Any]  # T: the activation's cache at each step
    w: Array  # (D, H)
    u: Array  # (H, H)


def elman_forward(
    x: Array,
    w: Array,
    u: Array,
    b: Array,
    h0: Array,
    activation: Callable[[Array], tuple[Array, Any]] = tanh_forward,
) -> tuple[Array, ElmanCache]:
    """hₜ = f(xₜ w + hₜ₋₁ u + b)

    x: (N, T, D), w: (D, H), u: (H, H), b: (H,), h0: (N, H)  ->  hs: (N, T, H)
    cache: x, 1 and h; what f's forward, `activation`, keeps; w, u
    """
    T, H = x.shape[1], len(u)
    stack = stack_inputs(x, h0)
    weights = np.concatenate((w, b[None], u)).T.copy()  # (H, D + 1 + H)
    kept = []
    for t in range(T):
        h, cache = activation((weights @ stack[:, t]).T)
        stack[-H:, t + 1] = h.T
        kept.append(cache)
    return stack[-H:, 1:].transpose(2, 1, 0), ElmanCache(stack, kept, w, u)


def elman_backward(
    dhs: Array,
    cache: ElmanCache,
    derivative: Callable[[Array, Any], Array] = tanh_backward,
    truncate: int | None = None,
    out: tuple[Array, Array, Array] | None = None,
    need_dx: bool = True,
) -> tuple[Array | None, Array, Array, Array, Array]:
    """dzₜ = dhₜ ⊙ f′(zₜ),  dhₜ₋₁ += dzₜ uᵀ;  dxₜ = dzₜ wᵀ,  dw = Σₜ xₜᵀ dzₜ,  du = Σₜ hₜ₋₁ᵀ dzₜ,  db = Σₜₙ dzₜₙ

    dhs: (N, T, H)  ->  dx: (N, T, D), dw: (D, H), du: (H, H), db: (H,), dh0: (N, H)

    `derivative` is f's backward. dhs of shape (N, H) is the last state's gradient, where no other state is used.
    `truncate=k` cuts the time into chunks of k steps, counted from the end: no gradient goes from one to that
    before it (Williams & Peng 1990). `out=(dw, du, db)` names the arrays to write; `need_dx=False` saves the
    product for dx, which is then None.
    """
    stack, kept, w, u = cache
    D, T, H, N = len(w), len(kept), len(u), stack.shape[2]
    dh, each = upstream(dhs)
    dz = scratch((H, T, N), stack.dtype)
    for t, goes_on in steps_back(T, truncate):
        if each is not None:
            dh += each[t]
        step = derivative(dh.T, kept[t]).T
        dz[:, t] = step
        if goes_on:
            np.matmul(u, step, out=dh)
        else:
            dh.fill(0)
    dx = input_gradient(w, dz) if need_dx else None
    product = over_time(stack, dz)  # (D + 1 + H, H)
    dw, du, db = put((product[:D], product[D + 1 :], product[D]), out)
    return dx, dw, du, db, dh.T
