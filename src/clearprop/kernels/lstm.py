"""Long short-term memory: gates decide what a cell forgets, takes in and shows."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.kernels.recurrent import input_gradient, over_time, put, stack_inputs, steps_back, upstream
from clearprop.kernels.scratch import scratch

Array = NDArray[Any]


class LSTMCache(NamedTuple):
    stack: Array  # (D + 1 + H, T + 1, N): x, ones, and the states from h0 on
    cells: Array  # (T + 1, 5, H, N): the cell before each step, and the step's gates i, f, g, o
    w: Array  # (D, 4H)
    u: Array  # (H, 4H)


def lstm_forward(x: Array, w: Array, u: Array, b: Array, h0: Array, c0: Array) -> tuple[Array, LSTMCache]:
    """(zi, zf, zg, zo) = xₜ w + hₜ₋₁ u + b;  i, f, o = σ(zi), σ(zf), σ(zo),  g = tanh(zg)
    cₜ = f ⊙ cₜ₋₁ + i ⊙ g,  hₜ = o ⊙ tanh(cₜ)

    x: (N, T, D), w: (D, 4H), u: (H, 4H), b: (4H,), h0, c0: (N, H)  ->  hs: (N, T, H)
    cache: x, 1 and h; c and the gates; w, u

    One tanh does for all four gates: σ(z) = ½ tanh(z/2) + ½, and the halves of z are taken in the weights.
    """
    N, T, H = len(x), x.shape[1], len(u)
    stack = stack_inputs(x, h0)
    scale = np.array([0.5, 0.5, 1, 0.5], x.dtype).reshape(4, 1, 1)
    shift = 1 - scale
    weights = np.concatenate((w, b[None], u)).T.copy()  # (4H, D + 1 + H)
    weights.reshape(4, H, -1)[...] *= scale
    cells = np.empty((T + 1, 5, H, N), x.dtype)
    cells[0, 0] = c0.T
    z, both = np.empty((4, H, N), x.dtype), np.empty((2, H, N), x.dtype)
    for t in range(T):
        c, gates = cells[t + 1, 0], cells[t, 1:]
        np.matmul(weights, stack[:, t], out=z.reshape(4 * H, N))
        np.tanh(z, out=gates)
        gates *= scale
        gates += shift
        np.multiply(cells[t, :2], cells[t, 2:4], out=both)  # (c, i) ⊙ (f, g)
        np.add(both[0], both[1], out=c)
        np.tanh(c, out=both[0])
        np.multiply(both[0], gates[3], out=stack[-H:, t + 1])
    return stack[-H:, 1:].transpose(2, 1, 0), LSTMCache(stack, cells, w, u)


def lstm_backward(
    dhs: Array,
    cache: LSTMCache,
    truncate: int | None = None,
    out: tuple[Array, Array, Array] | None = None,
    need_dx: bool = True,
) -> tuple[Array | None, Array, Array, Array, Array, Array]:
    """do = dhₜ ⊙ tanh(cₜ),  dcₜ += dhₜ ⊙ o ⊙ (1 − tanh²(cₜ))
    di, df, dg, dcₜ₋₁ = dcₜ ⊙ (g, cₜ₋₁, i, f);  dz = (di, df, dg, do) ⊙ (i (1 − i), f (1 − f), 1 − g², o (1 − o))
    dhₜ₋₁ += dz uᵀ;  dxₜ = dz wᵀ,  dw = Σₜ xₜᵀ dz,  du = Σₜ hₜ₋₁ᵀ dz,  db = Σₜₙ dz

    dhs: (N, T, H)  ->  dx: (N, T, D), dw: (D, 4H), du: (H, 4H), db: (4H,), dh0, dc0: (N, H)

    dhs of shape (N, H) is the last state's gradient, where no other state is used. `truncate=k` cuts the time into
    chunks of k steps, counted from the end: no gradient goes from one to that before it (Williams & Peng 1990).
    `out=(dw, du, db)` names the arrays to write; `need_dx=False` saves the product for dx, which is then None.
    """
    stack, cells, w, u = cache
    D, T, H, N = len(w), len(cells) - 1, *cells.shape[2:]
    dh, each = upstream(dhs)
    plus = np.array([0, 0, 1, 0], stack.dtype).reshape(4, 1, 1)
    dcells = np.zeros((5, H, N), stack.dtype)  # of c, i, f, g, o
    dgates, part = dcells[1:], np.empty((4, H, N), stack.dtype)
    tanh_c, dc = np.empty((2, H, N), stack.dtype)
    dz = scratch((4 * H, T, N), stack.dtype)
    for t, goes_on in steps_back(T, truncate):
        c, gates = cells[t + 1, 0], cells[t, 1:]
        if each is not None:
            dh += each[t]
        np.tanh(c, out=tanh_c)
        np.multiply(dh, tanh_c, out=dcells[4])  # do
        np.multiply(dcells[4], tanh_c, out=dc)
        np.subtract(dh, dc, out=dc)
        dc *= gates[3]  # dh ⊙ o ⊙ (1 − tanh²(c))
        dc += dcells[0]
        np.multiply(dc, cells[t, 2:4], out=dcells[:2])  # of c, i: dc ⊙ (f, g)
        np.multiply(dc, cells[t, :2], out=dcells[2:4])  # of f, g: dc ⊙ (c, i)
        np.add(gates, plus, out=part)
        dgates *= part
        np.subtract(1, gates, out=part)
        dgates *= part  # σ′ = σ (1 − σ), tanh′ = (1 + tanh) (1 − tanh)
        dz[:, t] = dgates.reshape(4 * H, N)
        if goes_on:
            np.matmul(u, dgates.reshape(4 * H, N), out=dh)
        else:
            dh.fill(0)
            dcells[0] = 0
    dx = input_gradient(w, dz) if need_dx else None
    product = over_time(stack, dz)  # (D + 1 + H, 4H)
    dw, du, db = put((product[:D], product[D + 1 :], product[D]), out)
    return dx, dw, du, db, dh.T, dcells[0].T
