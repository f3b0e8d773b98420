"""Equations with the numbers put in, for one unit of a layer: what one would write by hand."""

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.conv import ConvCache
from clearprop.kernels.elman import ElmanCache
from clearprop.kernels.gru import GRUBeforeCache, GRUCache
from clearprop.kernels.lstm import LSTMCache
from clearprop.kernels.pool import MaxPoolCache
from clearprop.layers import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    GroupNorm,
    LayerNorm,
    Residual,
)
from clearprop.layers.conv import Conv1D, Conv2D
from clearprop.lens.trace.kept import kept
from clearprop.lens.trace.letters import Letters, factor, figure, fine
from clearprop.lens.trace.record import BackCall, Call

WRITTEN = 12  # products that are all written down
LARGEST = 4  # of more products: so many, and the sum of the rest

Params = dict[str, Array]
_FORWARD = {
    "sigmoid": r"\frac{{1}}{{1 + \exp({minus})}}",
    "tanh": r"\tanh({x})",
    "relu": r"\max({x}, 0)",
    "softplus": r"\log(1 + \exp({x}))",
    "arctan": r"\arctan({x})",
    "identity": "{x}",
}
_SLOPE = {"sigmoid": r"{y} \cdot (1 - {y})", "tanh": "(1 - {y}^2)", "relu": "{slope}", "identity": "1"}


def put_in_forward(call: Call, params: Params, letters: Letters, unit: int) -> list[str]:
    """A layer's output for one of its units, from the numbers that went in."""
    if not call.y.size:
        return []
    at = place(call.y, unit)
    words = _words(call, params, letters, at)
    if words:
        return [letters.equality("y", at, words, call.y[at])]
    return _recurrent(call, params, at[0], at[-1])


def _words(call: Call, params: Params, letters: Letters, at: tuple[int, ...]) -> str:
    """What y[at] is made of; "" for what has no short equation."""
    layer, cache, x = call.layer, call.cache, call.x
    if isinstance(layer, Dense):
        return products(x[at[0]], params["w"][:, at[1]], float(params["b"][at[1]]))
    if isinstance(layer, Activation):
        return _activation(layer, call, at)
    if isinstance(layer, Conv1D | Conv2D):
        return products(*_window(cache, at), float(params["b"][at[-1]]))
    if isinstance(cache, MaxPoolCache):
        numbers = _pool_window(cache, at)
        listed = [figure(v) if np.isfinite(v) else r"\text{padding}" for v in numbers[:9]]
        listed += [r"\dots"] * (len(numbers) > len(listed))
        return rf"\max({', '.join(listed)})"
    if isinstance(layer, Dropout) and cache is not None:
        return rf"{factor(x[at])} \cdot {factor(np.broadcast_to(cache, x.shape)[at])}"
    if isinstance(layer, BatchNorm | LayerNorm | GroupNorm):
        return _norm(layer, call, params, at)
    if isinstance(layer, Embedding):
        return letters.entry("w", int(x[at[:-1]]), at[-1])
    if isinstance(layer, Residual):
        branch = call.inside[len(layer.layers) - 1].y
        past = call.inside[-1].y if layer.shortcut else x
        return f"{figure(branch[at])} + {factor(past[at])}"
    return ""


def put_in_backward(call: Call, back: BackCall, params: Params, letters: Letters, unit: int) -> list[str]:
    """One number of each of a layer's gradients."""
    layer, dy, dx = back.layer, back.dy, back.dx
    if not dy.size:
        return []
    at = place(call.y, unit)
    if isinstance(layer, Dense):
        return _dense_back(call, back, params, letters, at[1])
    if isinstance(layer, Conv1D | Conv2D):
        return _conv_back(call, back, letters)
    if dx is not None and isinstance(layer, Activation):
        return [letters.equality("dx", at, _activation_back(layer, call, dy, at), dx[at])]
    if dx is not None and isinstance(layer, Dropout) and call.cache is not None:
        mask = np.broadcast_to(call.cache, dy.shape)[at]
        return [letters.equality("dx", at, rf"{factor(dy[at])} \cdot {factor(mask)}", dx[at])]
    return []


def place(array: Array, unit: int) -> tuple[int, ...]:
    """Where to look in (N, …): the unit of the first row; in images and sequences where the number is largest."""
    if array.ndim <= 2:
        return (0, *([min(unit, array.shape[1] - 1)] * (array.ndim - 1)))
    first = np.abs(np.nan_to_num(array[0].astype(np.float64)))
    return (0, *(int(i) for i in np.unravel_index(int(np.argmax(first)), first.shape)))


def products(a: Array, b: Array, plus: float | None = None) -> str:
    """a₁·b₁ + a₂·b₂ + … written out; of many, the largest and the sum of the rest."""
    a, b = np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64)
    each = a * b
    chosen = np.arange(len(each))
    if len(each) > WRITTEN:
        chosen = np.sort(np.argsort(-np.abs(each), kind="stable")[:LARGEST])
    terms = [rf"{factor(a[i])} \cdot {factor(b[i])}" for i in chosen]
    if len(chosen) < len(each):
        rest = np.delete(each, chosen)
        terms.append(rf"\text{{{len(rest):,} more products: }} {factor(rest.sum())}")
    if plus is not None:
        terms.append(factor(plus))
    return " + ".join(terms)


def _activation(layer: Activation, call: Call, at: tuple[int, ...]) -> str:
    x = float(call.x[at])
    if layer.name in ("softmax", "log_softmax"):
        return softmax_words(call.x[at[:-1]], at[-1], layer.name == "log_softmax")
    pattern = _FORWARD.get(layer.name, "f({x})")
    return pattern.format(x=figure(x), minus=figure(-x))


def softmax_words(row: Array, k: int, log: bool = False) -> str:
    """exp(x₁) / (exp(x₀) + exp(x₁) + …) for a row of few numbers."""
    over = rf"\exp({figure(row[k])})"
    some = [rf"\exp({figure(x)})" for x in row[:6]] + ([r"\dots"] if len(row) > 6 else [])
    if log:
        return rf"{figure(row[k])} - \log({' + '.join(some)})"
    return rf"\frac{{{over}}}{{{' + '.join(some)}}}"


def _activation_back(layer: Activation, call: Call, dy: Array, at: tuple[int, ...]) -> str:
    """dy times the slope, which is the layer's own backward pass of a 1."""
    if layer.name in ("softmax", "log_softmax"):
        sums = np.sum(dy[at[:-1]] * (call.y[at[:-1]] if layer.name == "softmax" else 1))
        if layer.name == "softmax":
            return rf"{factor(call.y[at])} \cdot ({figure(dy[at])} - {factor(sums)})"
        return rf"{figure(dy[at])} - \exp({figure(call.y[at])}) \cdot {factor(sums)}"
    slope = ACTIVATIONS[layer.name][1](np.ones_like(dy), call.cache)[at]
    pattern = _SLOPE.get(layer.name, "{slope}")
    return rf"{factor(dy[at])} \cdot {pattern.format(y=factor(call.y[at]), slope=factor(slope))}"


def _dense_back(call: Call, back: BackCall, params: Params, letters: Letters, unit: int) -> list[str]:
    x, dy, dw, db = call.x, back.dy, back.grads["w"], back.grads["b"]
    d = int(np.argmax(np.abs(np.nan_to_num(dw[:, unit]))))
    lines = [
        letters.equality("dw", (d, unit), products(x[:, d], dy[:, unit]), dw[d, unit]),
        letters.equality("db", (unit,), _sum(dy[:, unit]), db[unit]),
    ]
    if back.dx is not None:
        lines.append(letters.equality("dx", (0, d), products(dy[0], params["w"][d]), back.dx[0, d]))
    return lines


def _sum(values: Array) -> str:
    """v₁ + v₂ + …; of many the first and the sum of the rest."""
    if len(values) <= WRITTEN:
        return " + ".join([figure(values[0]), *map(factor, values[1:])])
    rest = float(values[LARGEST:].astype(np.float64).sum())
    few = [figure(values[0]), *map(factor, values[1:LARGEST])]
    return " + ".join([*few, rf"\text{{{len(values) - LARGEST:,} more: }} {factor(rest)}"])


def _window(cache: ConvCache, at: tuple[int, ...]) -> tuple[Array, Array]:
    """The numbers under a convolution's kernel at one place of y, and the filter's weights."""
    n, *places, f = at
    i, j = places if len(places) == 2 else (0, places[0])
    KH, KW, C, F = cache.w.shape
    (s, t), (d, e) = cache.stride, cache.dilation
    group = f // (F // cache.groups)
    rows, columns = i * s + d * np.arange(KH), j * t + e * np.arange(KW)
    window = cache.x[n][np.ix_(rows, columns)][..., group * C : (group + 1) * C]
    return window, cache.w[..., f]


def _conv_back(call: Call, back: BackCall, letters: Letters) -> list[str]:
    """The largest number of dw: every dy of its filter times what its window had there."""
    dw, cache = back.grads["w"], call.cache
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(np.nan_to_num(dw)))), dw.shape))
    h, k, c, f = at if len(at) == 4 else (0, *at)
    dy = back.dy if back.dy.ndim == 4 else back.dy[:, None]
    (s, t), (d, e) = cache.stride, cache.dilation
    OH, OW, F = dy.shape[1:]
    channel = c + cache.w.shape[2] * (f // (F // cache.groups))
    read = cache.x[:, d * h : d * h + s * (OH - 1) + 1 : s, e * k : e * k + t * (OW - 1) + 1 : t, channel]
    return [
        letters.equality("dw", at, products(read, dy[..., f]), dw[at]),
        letters.equality("db", (f,), _sum(dy[..., f].ravel()), back.grads["b"][f]),
    ]


def _pool_window(cache: MaxPoolCache, at: tuple[int, ...]) -> list[float]:
    n, *places, c = at
    i, j = places if len(places) == 2 else (0, places[0])
    rows = i * cache.stride[0] + cache.dilation[0] * np.arange(cache.window[0])
    columns = j * cache.stride[1] + cache.dilation[1] * np.arange(cache.window[1])
    return [float(v) for v in cache.x[n][np.ix_(rows, columns)][..., c].ravel()]


def _norm(layer: BatchNorm | LayerNorm | GroupNorm, call: Call, params: Params, at: tuple[int, ...]) -> str:
    """γ x̂ + β, with x̂ from its statistics where there is one mean a channel."""
    inside = {letter: array for letter, _, array in kept(call)}
    own = at[-params["gamma"].ndim :]
    gamma, beta = factor(params["gamma"][own]), factor(params["beta"][own])
    if isinstance(layer, BatchNorm):
        mean, var = (float(inside[letter][at[-1]]) for letter in (r"\mu", "v"))
        root = rf"\sqrt{{{fine(var)} + {figure(layer.eps)}}}"
        xhat = rf"\frac{{{figure(call.x[at])} - {factor(mean)}}}{{{root}}}"
    elif isinstance(layer, LayerNorm):
        xhat = factor(inside[r"\hat{x}"][at])
    else:
        xhat = rf"{factor(call.cache.centred[at])} \cdot {factor(call.cache.inv_std[at[0], at[-1]])}"
    return rf"{gamma} \cdot {xhat} + {beta}"


def _recurrent(call: Call, params: Params, n: int, unit: int) -> list[str]:
    """A recurrent layer's last step, from its gates; Elman's first one, from x."""
    cache = call.cache
    if not isinstance(cache, ElmanCache | LSTMCache | GRUCache | GRUBeforeCache):
        return []
    inside = {letter: array[n, :, unit] for letter, _, array in kept(call)}
    h, T = inside["h"], call.x.shape[1]
    if isinstance(cache, ElmanCache):
        z = products(call.x[n, 0], params["w"][:, unit], float(params["b"][unit]))
        return [f"h_{{1}} = f({z}) = {figure(h[0])}"]
    before = {letter: (array[-2] if T > 1 else 0.0) for letter, array in inside.items()}
    now = {letter: float(array[-1]) for letter, array in inside.items()}
    if isinstance(cache, LSTMCache):
        f, c0, i, g, o = (factor(v) for v in (now["f"], before["c"], now["i"], now["g"], now["o"]))
        return [
            rf"c_{{{T}}} = {f} \cdot {c0} + {i} \cdot {g} = {figure(now['c'])}",
            rf"h_{{{T}}} = {o} \cdot \tanh({figure(now['c'])}) = {figure(h[-1])}",
        ]
    z, new, h0 = factor(now["z"]), factor(now["n"]), factor(before["h"])
    return [rf"h_{{{T}}} = (1 - {z}) \cdot {new} + {z} \cdot {h0} = {figure(h[-1])}"]
