"""The numbers of the normalizations: mean and variance of what is normalized together, then one number of each."""

from types import EllipsisType
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.norm import batch_norm_moments, batch_norm_statistics
from clearprop.layers import BatchNorm, GroupNorm
from clearprop.lens.trace.letters import difference, factor, figure, fine
from clearprop.lens.trace.put_in.words import Index, Look, largest, mean, over, products, total
from clearprop.lens.trace.record import Call

Place = tuple[int | slice | EllipsisType, ...]
SQUARES = 6  # of deviations that are all written down


def statistics(call: Call) -> tuple[Array, Array]:
    """Mean and variance as the layer took them: (C,) for the batch, (N, …, 1) for rows, (N, groups) for groups."""
    layer, x = call.layer, call.x.astype(np.float64)
    if isinstance(layer, BatchNorm):
        if not call.cache[1]:
            return layer.running_mean, layer.running_var
        return batch_norm_statistics(batch_norm_moments(x)[0])[1:]
    if isinstance(layer, GroupNorm):
        groups = x.reshape(len(x), -1, layer.groups, x.shape[-1] // layer.groups)
        return groups.mean(axis=(1, 3)), groups.var(axis=(1, 3))
    axes = tuple(range(x.ndim - call.cache.gamma.ndim, x.ndim))
    return x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)


def spread(call: Call, values: Array) -> Array:
    """A statistic of every number of x, in x's shape."""
    x = call.x
    if isinstance(call.layer, GroupNorm):
        N, groups = values.shape
        values = values.repeat(x.shape[-1] // groups, axis=1).reshape(N, *[1] * (x.ndim - 2), x.shape[-1])
    return np.broadcast_to(values, x.shape)


def normalized(call: Call) -> Array:
    """x̂, in float64."""
    mu, v = (spread(call, values) for values in statistics(call))
    hat: Array = (call.x - mu) / np.sqrt(v + _eps(call))
    return hat


def forward(look: Look) -> list[str]:
    """Mean and variance of the numbers that go with the one looked at, and what becomes of it."""
    call, at = look.call, look.at
    mu, v = (float(spread(call, values)[at]) for values in statistics(call))
    own = _own(look, at)
    gamma, beta = factor(look.params["gamma"][own]), factor(look.params["beta"][own])
    xhat = rf"\frac{{{difference(call.x[at], mu)}}}{{{_root(v, call)}}}"
    y = look.line("y", at, rf"{gamma} \cdot {xhat} + {beta}", call.y[at])
    if isinstance(call.layer, BatchNorm) and not call.cache[1]:
        return [y]
    numbers = np.ravel(call.x[_together(look, at)]).astype(np.float64)
    deviations = total((numbers - mu) ** 2, lambda i: rf"({difference(numbers[i], mu)})^2", written=SQUARES)
    return [
        rf"\mu = {mean(numbers)} = {figure(mu)}",
        f"v = {over(deviations, len(numbers))} = {fine(v)}",
        y,
    ]


def backward(look: Look) -> list[str]:
    """dγ and dβ where dγ is largest, and one number of dx."""
    hat, dy, grads = normalized(look.call), look.back.dy.astype(np.float64), look.back.grads
    own = largest(grads["gamma"])
    same: Place = (..., *own)
    lines = [
        look.line("dgamma", own, products(dy[same], hat[same]), grads["gamma"][own]),
        look.line("dbeta", own, total(dy[same]), grads["beta"][own]),
    ]
    if look.back.dx is None:
        return lines
    at = look.at
    if isinstance(look.call.layer, BatchNorm):
        return [*lines, *look.dx_line(at, _batch_words(look, hat, at))]
    return [*lines, *_row_lines(look, hat, at)]


def _batch_words(look: Look, hat: Array, at: Index) -> str:
    """γ / √(v + ε) · (dy − (dβ + x̂ dγ) / n)"""
    call, dy, grads, c = look.call, look.back.dy, look.back.grads, at[-1:]
    v = float(spread(call, statistics(call)[1])[at])
    scale = rf"\frac{{{figure(look.params['gamma'][c])}}}{{{_root(v, call)}}}"
    n = call.cache[1]
    if not n:
        return rf"{scale} \cdot {factor(dy[at])}"
    sums = rf"{figure(grads['beta'][c])} + {factor(hat[at])} \cdot {factor(grads['gamma'][c])}"
    return rf"{scale} \cdot ({figure(dy[at])} - \frac{{{sums}}}{{{n}}})"


def _row_lines(look: Look, hat: Array, at: Index) -> list[str]:
    """The two means, then (g − mean(g) − x̂ mean(g x̂)) / √(v + ε)"""
    call, together = look.call, _together(look, at)
    g = look.back.dy.astype(np.float64) * look.params["gamma"]
    own, xhat = np.ravel(g[together]), np.ravel(hat[together])
    middle, slope = float(np.mean(own)), float(np.mean(own * xhat))
    v = float(spread(call, statistics(call)[1])[at])
    left = rf"{figure(g[at])} - {factor(middle)} - {factor(hat[at])} \cdot {factor(slope)}"
    return [
        rf"\text{{mean}}(g) = {mean(own)} = {figure(middle)}",
        rf"\text{{mean}}(g \odot \hat{{x}}) = {over(products(own, xhat), len(own))} = {figure(slope)}",
        *look.dx_line(at, rf"\frac{{{left}}}{{{_root(v, call)}}}"),
    ]


def _together(look: Look, at: Index) -> Place:
    """The numbers of x whose mean and variance are those of the one looked at."""
    layer, x = look.call.layer, look.call.x
    if isinstance(layer, BatchNorm):
        return (..., at[-1])
    if isinstance(layer, GroupNorm):
        size = x.shape[-1] // layer.groups
        first = at[-1] // size * size
        return (at[0], ..., slice(first, first + size))
    return at[: x.ndim - look.params["gamma"].ndim]


def _own(look: Look, at: Index) -> Index:
    return at[-look.params["gamma"].ndim :]


def _eps(call: Call) -> float:
    layer: Any = call.layer
    return float(layer.eps)


def _root(v: float, call: Call) -> str:
    return rf"\sqrt{{{fine(v)} + {figure(_eps(call))}}}"
