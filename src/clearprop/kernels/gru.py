"""Gated recurrent unit: one gate says how much of the state is read, another how much of it is kept.

Two variants: the reset gate r scales what was read from the state, as in cuDNN and PyTorch (`gru_forward`), or the
state that is to be read, as in Cho et al. 2014 (`gru_before_forward`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.kernels.recurrent import input_gradient, over_time, put, stack_inputs, steps_back, upstream
from clearprop.kernels.scratch import scratch

Array = NDArray[Any]


class GRUCache(NamedTuple):
    stack: Array  # (D + 1 + H, T + 1, N): x, ones, and the states from h0 on
    gates: Array  # (T, 4, H, N): r, z, n, q of each step
    w: Array  # (D, 3H)
    u: Array  # (H, 3H)


def gru_forward(x: Array, w: Array, u: Array, b: Array, bu: Array, h0: Array) -> tuple[Array, GRUCache]:
    """r, z = σ(xₜ w + hₜ₋₁ u + b);  q = hₜ₋₁ u + bu,  n = tanh(xₜ w + b + r ⊙ q);  hₜ = (1 − z) ⊙ n + z ⊙ hₜ₋₁

    x: (N, T, D), w: (D, 3H), u: (H, 3H), b: (3H,), bu: (H,), h0: (N, H)  ->  hs: (N, T, H)
    cache: x, 1 and h; r, z, n, q; w, u

    Columns of w, u and b: r, z, n. σ(a) = ½ tanh(a/2) + ½, and the halves of a are taken in the weights.
    """
    N, T, D, H = *x.shape, len(u)
    stack = stack_inputs(x, h0)
    weights_x = np.concatenate((w, b[None])).T.copy()  # (3H, D + 1)
    weights_h = np.zeros((3 * H, 1 + H), x.dtype)
    weights_h[2 * H :, 0] = bu
    weights_h[:, 1:] = u.T
    weights_x[: 2 * H] *= 0.5
    weights_h[: 2 * H] *= 0.5
    gates = np.empty((T, 4, H, N), x.dtype)
    np.matmul(weights_x, stack[: D + 1, :T].transpose(1, 0, 2), out=gates[:, :3].reshape(T, 3 * H, N))
    read, part = np.empty((3, H, N), x.dtype), np.empty((H, N), x.dtype)
    for t in range(T):
        h, rz = stack[-H:, t], gates[t, :2]
        r, z, n, q = gates[t]
        np.matmul(weights_h, stack[D:, t], out=read.reshape(3 * H, N))
        rz += read[:2]
        np.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        q[...] = read[2]
        np.multiply(r, q, out=part)
        n += part
        np.tanh(n, out=n)
        np.subtract(h, n, out=part)
        part *= z
        np.add(n, part, out=stack[-H:, t + 1])
    return stack[-H:, 1:].transpose(2, 1, 0), GRUCache(stack, gates, w, u)


def gru_backward(
    dhs: Array,
    cache: GRUCache,
    truncate: int | None = None,
    out: tuple[Array, Array, Array, Array] | None = None,
    need_dx: bool = True,
) -> tuple[Array | None, Array, Array, Array, Array, Array]:
    """With a for what stands inside a gate's σ or tanh:
    dan = dhₜ ⊙ (1 − z) ⊙ (1 − n²),  dq = dan ⊙ r;  dar = dan ⊙ q ⊙ r (1 − r),  daz = dhₜ ⊙ (hₜ₋₁ − n) ⊙ z (1 − z)
    dhₜ₋₁ += dhₜ ⊙ z + (dar, daz, dq) uᵀ,  dxₜ = (dar, daz, dan) wᵀ
    dw = Σₜ xₜᵀ (dar, daz, dan),  du = Σₜ hₜ₋₁ᵀ (dar, daz, dq),  db = Σₜₙ (dar, daz, dan),  dbu = Σₜₙ dq

    dhs: (N, T, H)  ->  dx: (N, T, D), dw: (D, 3H), du: (H, 3H), db: (3H,), dbu: (H,), dh0: (N, H)

    dhs of shape (N, H) is the last state's gradient, where no other state is used. `truncate=k` cuts the time into
    chunks of k steps, counted from the end: no gradient goes from one to that before it (Williams & Peng 1990).
    `out=(dw, du, db, dbu)` names the arrays to write; `need_dx=False` saves the product for dx, which is then None.
    """
    stack, gates, w, u = cache
    D, H, T, N = len(w), len(u), len(gates), stack.shape[2]
    dh, each = upstream(dhs)
    step = np.empty((4, H, N), stack.dtype)
    dan, dar, daz, dq = step  # each product finds its three side by side: (n, r, z) for x, (r, z, q) for h
    slope, part = np.empty((2, H, N), stack.dtype), np.empty((H, N), stack.dtype)
    da = scratch((4 * H, T, N), stack.dtype)
    for t, goes_on in steps_back(T, truncate):
        h, (r, z, n, q) = stack[-H:, t], gates[t]
        if each is not None:
            dh += each[t]
        np.subtract(1, gates[t, :2], out=slope)
        np.multiply(n, n, out=part)
        np.subtract(1, part, out=part)
        np.multiply(dh, slope[1], out=dan)
        dan *= part
        np.multiply(dan, r, out=dq)
        np.multiply(dan, q, out=dar)
        np.subtract(h, n, out=daz)
        daz *= dh
        slope *= gates[t, :2]  # σ′ = σ (1 − σ)
        step[1:3] *= slope
        da[:, t] = step.reshape(4 * H, N)
        if goes_on:
            np.matmul(u, step[1:].reshape(3 * H, N), out=part)
            dh *= z
            dh += part
        else:
            dh.fill(0)
    dx = input_gradient(np.roll(w, H, axis=1), da[: 3 * H]) if need_dx else None
    from_x = np.roll(over_time(stack[: D + 1], da[: 3 * H]), -H, axis=1)  # (D + 1, 3H), now r, z, n
    from_h = over_time(stack[D:], da[H:])  # (1 + H, 3H)
    dw, du, db, dbu = put((from_x[:D], from_h[1:], from_x[D], from_h[0, 2 * H :]), out)
    return dx, dw, du, db, dbu, dh.T


class GRUBeforeCache(NamedTuple):
    stack: Array  # (D + 1 + H, T + 1, N): x, ones, and the states from h0 on
    gates: Array  # (T, 3, H, N): r, z, n of each step
    w: Array  # (D, 3H)
    u: Array  # (H, 3H)


def gru_before_forward(x: Array, w: Array, u: Array, b: Array, h0: Array) -> tuple[Array, GRUBeforeCache]:
    """r, z = σ(xₜ w + hₜ₋₁ u + b);  n = tanh(xₜ w + (r ⊙ hₜ₋₁) u + b);  hₜ = (1 − z) ⊙ n + z ⊙ hₜ₋₁

    x: (N, T, D), w: (D, 3H), u: (H, 3H), b: (3H,), h0: (N, H)  ->  hs: (N, T, H)
    cache: x, 1 and h; r, z, n; w, u

    Columns of w, u and b: r, z, n. σ(a) = ½ tanh(a/2) + ½, and the halves of a are taken in the weights.
    """
    N, T, D, H = *x.shape, len(u)
    stack = stack_inputs(x, h0)
    weights_x, weights_h = np.concatenate((w, b[None])).T.copy(), u.T.copy()  # (3H, D + 1), (3H, H)
    weights_x[: 2 * H] *= 0.5
    weights_h[: 2 * H] *= 0.5
    gates = np.empty((T, 3, H, N), x.dtype)
    np.matmul(weights_x, stack[: D + 1, :T].transpose(1, 0, 2), out=gates.reshape(T, 3 * H, N))
    read, part = np.empty((2, H, N), x.dtype), np.empty((H, N), x.dtype)
    for t in range(T):
        h, rz = stack[-H:, t], gates[t, :2]
        r, z, n = gates[t]
        np.matmul(weights_h[: 2 * H], h, out=read.reshape(2 * H, N))
        rz += read
        np.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        np.multiply(r, h, out=part)
        n += np.matmul(weights_h[2 * H :], part, out=read[0])
        np.tanh(n, out=n)
        np.subtract(h, n, out=part)
        part *= z
        np.add(n, part, out=stack[-H:, t + 1])
    return stack[-H:, 1:].transpose(2, 1, 0), GRUBeforeCache(stack, gates, w, u)


def gru_before_backward(
    dhs: Array,
    cache: GRUBeforeCache,
    truncate: int | None = None,
    out: tuple[Array, Array, Array] | None = None,
    need_dx: bool = True,
) -> tuple[Array | None, Array, Array, Array, Array]:
    """With a for what stands inside a gate's σ or tanh:
    dan = dhₜ ⊙ (1 − z) ⊙ (1 − n²),  ds = dan uᵀ;  dar = ds ⊙ hₜ₋₁ ⊙ r (1 − r),  daz = dhₜ ⊙ (hₜ₋₁ − n) ⊙ z (1 − z)
    dhₜ₋₁ += dhₜ ⊙ z + ds ⊙ r + (dar, daz) uᵀ,  dxₜ = (dar, daz, dan) wᵀ
    dw = Σₜ xₜᵀ (dar, daz, dan),  du = Σₜ (hₜ₋₁ᵀ (dar, daz), (r ⊙ hₜ₋₁)ᵀ dan),  db = Σₜₙ (dar, daz, dan)

    dhs: (N, T, H)  ->  dx: (N, T, D), dw: (D, 3H), du: (H, 3H), db: (3H,), dh0: (N, H)

    `truncate`, `out=(dw, du, db)` and `need_dx`, and dhs of shape (N, H), as in `gru_backward`.
    """
    stack, gates, w, u = cache
    D, H, T, N = len(w), len(u), len(gates), stack.shape[2]
    dh, each = upstream(dhs)
    step = np.empty((3, H, N), stack.dtype)
    dar, daz, dan = step
    slope, (ds, part) = np.empty((2, H, N), stack.dtype), np.empty((2, H, N), stack.dtype)
    da = scratch((4 * H, T, N), stack.dtype)  # the last quarter: r ⊙ h
    for t, goes_on in steps_back(T, truncate):
        h, (r, z, n) = stack[-H:, t], gates[t]
        if each is not None:
            dh += each[t]
        np.subtract(1, gates[t, :2], out=slope)
        np.multiply(n, n, out=part)
        np.subtract(1, part, out=part)
        np.multiply(dh, slope[1], out=dan)
        dan *= part
        np.matmul(u[:, 2 * H :], dan, out=ds)
        np.multiply(ds, h, out=dar)
        np.subtract(h, n, out=daz)
        daz *= dh
        slope *= gates[t, :2]  # σ′ = σ (1 − σ)
        step[:2] *= slope
        da[: 3 * H, t] = step.reshape(3 * H, N)
        np.multiply(r, h, out=da[3 * H :, t])
        if goes_on:
            np.matmul(u[:, : 2 * H], step[:2].reshape(2 * H, N), out=part)
            dh *= z
            dh += part
            ds *= r
            dh += ds
        else:
            dh.fill(0)
    dx = input_gradient(w, da[: 3 * H]) if need_dx else None
    from_x = over_time(stack[: D + 1], da[: 3 * H])  # (D + 1, 3H)
    from_h = over_time(stack[-H:], da[: 2 * H]), over_time(da[3 * H :], da[2 * H : 3 * H])
    dw, du, db = put((from_x[:D], np.concatenate(from_h, axis=1), from_x[D]), out)
    return dx, dw, du, db, dh.T
