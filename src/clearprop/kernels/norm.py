"""Normalization: numbers are moved and scaled to mean 0 and variance 1, over the batch, an example or a group."""

from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FOLD = 2048  # numbers in a row of what `_fold` gives, at most


class BatchNormCache(NamedTuple):
    x: Array  # (..., C)
    mean: Array  # (C,)
    inv_std: Array  # (C,): 1 / √(var + eps)
    gamma: Array  # (C,)


def batch_norm_moments(x: Array) -> tuple[Array, Array, Array]:
    """sums = [n, n m, Σ (x − m)² + n m²], with the mean m of each channel's n numbers

    x: (..., C)  ->  sums: (1 + 2C,) in float64, centred: (..., C), which is x − m, m: (C,)

    A mini-batch may be cut into shards: their sums add up to those of the whole. Σ x² in float32 would lose the
    variance of a channel whose mean is large, so the squares are those of the centred numbers.

    >>> sums, centred, m = batch_norm_moments(np.array([[1.0], [3.0]]))
    >>> sums, centred.ravel(), m
    (array([ 2.,  4., 10.]), array([-1.,  1.]), array([2.]))
    """
    C = x.shape[-1]
    n = x.size // C
    folded = _fold(x)
    m = (_sums(folded, C)[0] / n).astype(x.dtype)
    centred = folded - _repeat(m[None], folded)
    exact = m.astype(np.float64)
    squares = _dots(centred, centred, C)[0] + n * exact * exact
    return np.concatenate([[n], n * exact, squares]), centred.reshape(x.shape), m


def batch_norm_statistics(sums: Array) -> tuple[int, Array, Array]:
    """mean = Σ x / n,  var = Σ x² / n − mean²

    sums: (1 + 2C,), added up over the shards  ->  n: int, mean: (C,), var: (C,), the biased one, both in float64
    """
    n = int(sums[0])
    mean, squares = sums[1:].reshape(2, -1) / n
    return n, mean, np.maximum(squares - mean * mean, 0)  # never negative by a rounding


def batch_norm_forward(
    x: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float = 1e-5
) -> tuple[Array, BatchNormCache]:
    """y = gamma ⊙ x̂ + beta,  x̂ = (x − mean) / √(var + eps), each channel by itself

    x: (..., C), gamma, beta, mean, var: (C,)  ->  y: (..., C)        cache: x, mean, inv_std = 1 / √(var + eps), gamma

    Only x − mean matters. So `batch_norm_moments`' centred numbers, with the mini-batch's mean less their m, give
    the same y, and keep the digits that a large mean would cost.
    """
    inv_std = 1 / np.sqrt(var + eps)
    scale = gamma * inv_std
    y = _scale_and_shift(_fold(x), scale[None], (beta - mean * scale)[None])
    cache = BatchNormCache(x, mean.astype(x.dtype), inv_std.astype(x.dtype), gamma)
    return y.reshape(x.shape), cache


def batch_norm_sums(
    dy: Array, cache: BatchNormCache, out: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """dgamma = Σ dy ⊙ x̂,  dbeta = Σ dy, over all axes but the last

    dy: (..., C)  ->  dgamma, dbeta: (C,)

    Those of several shards add up to the mini-batch's. `out=(dgamma, dbeta)` names the arrays to write.
    """
    x, mean, inv_std, gamma = cache
    dgamma, dbeta = out or (np.empty_like(gamma), np.empty_like(gamma))
    folded = _fold(dy)
    sums, dots = _sums(folded, len(gamma))[0], _dots(folded, _fold(x), len(gamma))[0]
    dgamma[...] = (dots - mean * sums) * inv_std
    dbeta[...] = sums
    return dgamma, dbeta


def batch_norm_backward(
    dy: Array, cache: BatchNormCache, sums: tuple[Array, Array] | None = None, n: int = 1
) -> Array:
    """dx = gamma / √(var + eps) ⊙ (dy − (dbeta + x̂ ⊙ dgamma) / n)

    dy: (..., C), sums: dgamma, dbeta: (C,), of the whole mini-batch, with n numbers a channel  ->  dx: (..., C)

    Without sums, mean and var are constants, as in prediction: dx = gamma / √(var + eps) ⊙ dy.
    """
    x, mean, inv_std, gamma = cache
    folded = _fold(dy)
    scale = _repeat((gamma * inv_std)[None], folded)
    if sums is None:
        return (folded * scale).reshape(dy.shape)
    dgamma, dbeta = sums
    slope = inv_std * dgamma / -n
    dx = _scale_and_shift(_fold(x), slope[None], (dbeta / -n - slope * mean)[None])
    dx += folded
    dx *= scale
    return dx.reshape(dy.shape)


class LayerNormCache(NamedTuple):
    xhat: Array  # (rows, D): in each row the D numbers that are normalized together
    inv_std: Array  # (rows,): 1 / √(var + eps)
    gamma: Array  # (..., C): D numbers


def layer_norm_forward(
    x: Array, gamma: Array, beta: Array, eps: float = 1e-5
) -> tuple[Array, LayerNormCache]:
    """y = gamma ⊙ x̂ + beta,  x̂ = (x − mean) / √(var + eps), mean and var over the axes that gamma has

    x: (N, ..., C), gamma, beta: (C,), or more of x's last axes  ->  y: (N, ..., C)        cache: x̂, inv_std, gamma
    """
    D = gamma.size
    rows = x.reshape(-1, D)
    xhat = rows - (rows @ np.full(D, 1 / D, x.dtype))[:, None]
    inv_std = 1 / np.sqrt(np.vecdot(xhat, xhat) / D + eps)
    xhat *= inv_std[:, None]
    y = _scale_and_shift(_fold(xhat), gamma.reshape(1, D), beta.reshape(1, D))
    return y.reshape(x.shape), LayerNormCache(xhat, inv_std, gamma)


def layer_norm_backward(
    dy: Array, cache: LayerNormCache, out: tuple[Array, Array] | None = None, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """dx = (g − mean(g) − x̂ ⊙ mean(g ⊙ x̂)) / √(var + eps),  g = dy ⊙ gamma;  dgamma = Σ dy ⊙ x̂,  dbeta = Σ dy

    dy: (N, ..., C)  ->  dx: (N, ..., C), dgamma, dbeta: as gamma        the means are those of a row

    `out=(dgamma, dbeta)` names the arrays to write; without need_dx, dx is None.
    """
    xhat, inv_std, gamma = cache
    dgamma, dbeta = out or (np.empty_like(gamma), np.empty_like(gamma))
    D = gamma.size
    rows, weights = dy.reshape(-1, D), gamma.reshape(D)
    product = rows * xhat
    dgamma[...] = _sums(_fold(product), D).reshape(gamma.shape)
    dbeta[...] = _sums(_fold(rows), D).reshape(gamma.shape)
    if not need_dx:
        return None, dgamma, dbeta
    np.multiply(xhat, (product @ weights / D)[:, None], out=product)
    dx = rows * weights
    dx -= product
    dx -= (rows @ weights / D)[:, None]
    dx *= inv_std[:, None]
    return dx.reshape(dy.shape), dgamma, dbeta


class GroupNormCache(NamedTuple):
    centred: Array  # (N, ..., C): x less its group's mean
    inv_std: Array  # (N, C): 1 / √(var + eps) of the channel's group
    gamma: Array  # (C,)
    groups: int


def group_norm_forward(
    x: Array, gamma: Array, beta: Array, groups: int, eps: float = 1e-5
) -> tuple[Array, GroupNormCache]:
    """y = gamma ⊙ x̂ + beta,  x̂ = (x − mean) / √(var + eps), mean and var over an example's group of channels

    x: (N, ..., C), gamma, beta: (C,)  ->  y: (N, ..., C)        cache: x − mean, inv_std, gamma, groups

    The channels stand in `groups` groups of C / groups neighbours, and a group has all that lies between N and C.
    """
    N, C = len(x), x.shape[-1]
    size = prod(x.shape[1:]) // groups
    folded = _fold(x, N)
    centred = folded - _repeat(_group_sums(_sums(folded, C), groups) / size, folded)
    inv_std = 1 / np.sqrt(_group_sums(_dots(centred, centred, C), groups) / size + eps)
    y = _scale_and_shift(centred, gamma * inv_std, np.broadcast_to(beta, (N, C)))
    cache = GroupNormCache(centred.reshape(x.shape), inv_std.astype(x.dtype), gamma, groups)
    return y.reshape(x.shape), cache


def group_norm_backward(
    dy: Array, cache: GroupNormCache, out: tuple[Array, Array] | None = None, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """dx = (g − mean(g) − x̂ ⊙ mean(g ⊙ x̂)) / √(var + eps),  g = dy ⊙ gamma;  dgamma = Σ dy ⊙ x̂,  dbeta = Σ dy

    dy: (N, ..., C)  ->  dx: (N, ..., C), dgamma, dbeta: (C,)        the means are those of an example's group

    `out=(dgamma, dbeta)` names the arrays to write; without need_dx, dx is None.
    """
    centred, inv_std, gamma, groups = cache
    dgamma, dbeta = out or (np.empty_like(gamma), np.empty_like(gamma))
    N, C = inv_std.shape
    size = prod(dy.shape[1:]) // groups
    folded, kept = _fold(dy, N), _fold(centred, N)
    sums, dots = _sums(folded, C), _dots(folded, kept, C) * inv_std
    dgamma[...] = dots.sum(axis=0)
    dbeta[...] = sums.sum(axis=0)
    if not need_dx:
        return None, dgamma, dbeta
    slope = _group_sums(gamma * dots, groups) / -size * inv_std * inv_std
    shift = _group_sums(gamma * sums, groups) / -size * inv_std
    dx = _scale_and_shift(kept, slope, shift)
    dx += folded * _repeat(gamma * inv_std, folded)
    return dx.reshape(dy.shape), dgamma, dbeta


def _group_sums(sums: Array, groups: int) -> Array:
    """For each channel the sum of its group's channels: (N, C) -> (N, C)."""
    N, C = sums.shape
    totals: Array = sums.reshape(N, groups, C // groups).sum(axis=2)
    return totals.repeat(C // groups, axis=1)


# What follows works on channels (n, C): those of n examples, or of the whole batch with n = 1.


def _fold(x: Array, n: int = 1) -> Array:
    """(..., C) as (n, rows, k C), k neighbours side by side.

    NumPy is fastest along long rows; and a channel is then added up in k parts, which in float32 loses less.
    """
    *places, C = x.shape
    size = prod(places) // max(n, 1)
    k = gcd(size, 2 ** (max(FOLD // C, 1).bit_length() - 1))  # a power of two, for it divides most sizes
    return x.reshape(n, size // k, k * C)


def _repeat(v: Array, folded: Array) -> Array:
    """The channels' numbers (n, C) as rows (n, 1, k C), to go with every row of the folded array, in its dtype."""
    n, C = v.shape
    k = folded.shape[2] // C
    return v.astype(folded.dtype, copy=False)[:, None].repeat(k, axis=1).reshape(n, 1, k * C)


def _sums(folded: Array, C: int) -> Array:
    """The sum of each channel, (n, C), at the end in float64."""
    n, rows, width = folded.shape
    parts = np.ones(rows, folded.dtype) @ folded  # faster than a sum
    sums: Array = parts.reshape(n, width // C, C).sum(axis=1, dtype=np.float64)
    return sums


def _dots(a: Array, b: Array, C: int) -> Array:
    """The sum of each channel's products, (n, C), at the end in float64."""
    n, _, width = a.shape
    parts = np.einsum("nrc,nrc->nc", a, b)
    sums: Array = parts.reshape(n, width // C, C).sum(axis=1, dtype=np.float64)
    return sums


def _scale_and_shift(folded: Array, scale: Array, shift: Array) -> Array:
    """scale ⊙ x + shift, with one of each for every channel: (n, C)."""
    y: Array = folded * _repeat(scale, folded)
    y += _repeat(shift, folded)
    return y
