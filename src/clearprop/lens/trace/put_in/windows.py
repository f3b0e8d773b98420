"""The numbers of convolutions and pooling: what a window reads, and what comes back to a place.

Both convolutions lay the same weights (KH, KW, channels, filters) between a large image (N, H, W, channels), with its
padding, and a small one (N, OH, OW, filters). A convolution reads the large one, a transposed one writes it.
"""

import math
from itertools import product as pairs

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.conv import ConvCache
from clearprop.kernels.pool import AvgPoolCache, MaxPoolCache
from clearprop.kernels.windows import pad
from clearprop.lens.trace.letters import figure
from clearprop.lens.trace.put_in.words import (
    Index,
    Look,
    largest,
    mean,
    over,
    place,
    products,
    quotients,
    total,
)

SHOWN = 9  # numbers of a window that a maximum lists
Numbers = tuple[Array, Array]


def conv_forward(look: Look) -> list[str]:
    """One number of y: its window times its filter."""
    at, cache = look.at, look.call.cache
    words = products(*_window(cache.x, cache, _image_index(at)), float(look.params["b"][at[-1]]))
    return [look.line("y", at, words, look.call.y[at])]


def conv_backward(look: Look) -> list[str]:
    """The largest dw and dx, and dw's filter's db."""
    cache, dy = look.call.cache, _image(look.back.dy)
    lines = _weights(look, cache.x, dy, cache)
    if look.back.dx is not None:
        at = place(look.back.dx, 0)
        lines += look.dx_line(at, products(*_back_to(dy, cache, _padded(_image_index(at), cache.padding))))
    return lines


def transpose_forward(look: Look) -> list[str]:
    """One number of y: all numbers of x that are spread to its place, times their weights."""
    at, cache = look.at, look.call.cache
    numbers = _back_to(cache.x, cache, _padded(at, cache.padding))
    return [look.line("y", at, products(*numbers, float(look.params["b"][at[-1]])), look.call.y[at])]


def transpose_backward(look: Look) -> list[str]:
    """The largest dw and dx, and the db of dw's filter."""
    cache = look.call.cache
    dy = pad(look.back.dy, cache.padding)
    lines = _weights(look, dy, cache.x, cache, transposed=True)
    if look.back.dx is not None:
        at = place(look.back.dx, 0)
        lines += look.dx_line(at, products(*_window(dy, cache, at)))
    return lines


def max_forward(look: Look) -> list[str]:
    """The largest number of a window."""
    at = look.at
    numbers = _pool_window(look.call.cache, _image_index(at))
    return [look.line("y", at, _maximum(numbers), look.call.y[at])]


def max_backward(look: Look) -> list[str]:
    """What comes back to the place where dx is largest: from all windows that have their maximum there."""
    if look.back.dx is None:
        return []
    cache, dy, at = look.call.cache, _image(look.back.dy), place(look.back.dx, 0)
    n, i, j, c = _padded(_image_index(at), cache.padding)
    from_windows = []
    for window in _windows_over((i, j), cache, dy):
        first = int(np.argmax(_pool_window(cache, (n, *window, c))))  # row by row, as in the kernel
        h, k = divmod(first, cache.window[1])
        (s, t), (d, e) = cache.stride, cache.dilation
        if (window[0] * s + d * h, window[1] * t + e * k) == (i, j):
            own = window if look.back.dy.ndim == 4 else window[1:]
            from_windows.append(look.letters.entry("dy", n, *own, c))
    return look.dx_line(at, " + ".join(from_windows) or "0")


def average_forward(look: Look) -> list[str]:
    """The sum of a window's numbers over their count."""
    at, cache = look.at, look.call.cache
    n, i, j, c = _image_index(at)
    x = pad(_image(look.call.x), cache.padding, math.nan)
    (s, t), (KH, KW) = cache.stride, cache.window
    numbers = x[n, i * s : i * s + KH, j * t : j * t + KW, c].ravel()
    numbers = numbers[~np.isnan(numbers)]  # the padding adds nothing
    return [look.line("y", at, over(total(numbers), _count(cache, i, j)), look.call.y[at])]


def average_backward(look: Look) -> list[str]:
    """What comes back to the place where dx is largest: a share of the dy of each window over it."""
    if look.back.dx is None:
        return []
    cache, dy, at = look.call.cache, _image(look.back.dy), place(look.back.dx, 0)
    n, i, j, c = _padded(_image_index(at), cache.padding)
    windows = _windows_over((i, j), cache, dy)
    given = [float(dy[n, *window, c]) for window in windows]
    return look.dx_line(at, quotients(given, [_count(cache, *window) for window in windows]))


def global_average_forward(look: Look) -> list[str]:
    """The mean of a channel's numbers."""
    n, c = at = look.at
    return [look.line("y", at, mean(look.call.x[n, ..., c]), look.call.y[at])]


def global_average_backward(look: Look) -> list[str]:
    """Every place gets the same share."""
    if look.back.dx is None:
        return []
    n, *_, c = at = place(look.back.dx, 0)
    places = look.call.x[n, ..., c].size
    return look.dx_line(at, rf"\frac{{{figure(look.back.dy[n, c])}}}{{{places}}}")


def global_max_forward(look: Look) -> list[str]:
    """The largest of a channel's numbers."""
    n, c = at = look.at
    return [look.line("y", at, _maximum(look.call.x[n, ..., c].ravel()), look.call.y[at])]


def global_max_backward(look: Look) -> list[str]:
    """The place of the largest number gets it all."""
    n, c = look.at
    x = look.call.x[n, ..., c]
    at = (n, *(int(i) for i in np.unravel_index(int(np.argmax(x)), x.shape)), c)
    return look.dx_line(at, look.letters.entry("dy", n, c))


def _weights(look: Look, large: Array, small: Array, cache: ConvCache, transposed: bool = False) -> list[str]:
    """The largest number of dw: every number of the small image times what its window has there. And a db."""
    dw, dy = look.back.grads["w"], look.back.dy
    at = largest(dw)
    h, k, c, f = _four(at)
    (s, t), (d, e) = cache.stride, cache.dilation
    OH, OW, F = small.shape[1:]
    channel = c + cache.w.shape[2] * (f // (F // cache.groups))
    read = large[:, d * h : d * h + s * (OH - 1) + 1 : s, e * k : e * k + t * (OW - 1) + 1 : t, channel]
    first, second = (small[..., f], read) if transposed else (read, small[..., f])
    own = channel if transposed else f
    return [
        look.line("dw", at, products(first, second), dw[at]),
        look.line("db", (own,), total(dy[..., own]), look.back.grads["b"][own]),
    ]


def _window(large: Array, cache: ConvCache, at: Index) -> Numbers:
    """The numbers of the large image under the kernel at one place of the small one, and the filter's weights."""
    n, i, j, f = at
    KH, KW, C, F = cache.w.shape
    (s, t), (d, e) = cache.stride, cache.dilation
    group = f // (F // cache.groups)
    rows, columns = i * s + d * np.arange(KH), j * t + e * np.arange(KW)
    return large[n][np.ix_(rows, columns)][..., group * C : (group + 1) * C], cache.w[..., f]


def _back_to(small: Array, cache: ConvCache, at: Index) -> Numbers:
    """The numbers of the small image that come to one place of the large one, and their weights."""
    n, row, column, channel = at
    KH, KW, C, F = cache.w.shape
    (s, t), (d, e) = cache.stride, cache.dilation
    group, per = channel // C, F // cache.groups
    filters = slice(group * per, (group + 1) * per)
    numbers, weights = [np.empty(0)], [np.empty(0)]
    for h, k in pairs(range(KH), range(KW)):
        (i, between), (j, beside) = divmod(row - d * h, s), divmod(column - e * k, t)
        if not between and not beside and 0 <= i < small.shape[1] and 0 <= j < small.shape[2]:
            numbers.append(small[n, i, j, filters])
            weights.append(cache.w[h, k, channel % C, filters])
    return np.concatenate(numbers), np.concatenate(weights)


def _pool_window(cache: MaxPoolCache, at: Index) -> Array:
    n, i, j, c = at
    rows = i * cache.stride[0] + cache.dilation[0] * np.arange(cache.window[0])
    columns = j * cache.stride[1] + cache.dilation[1] * np.arange(cache.window[1])
    found: Array = cache.x[n][np.ix_(rows, columns)][..., c].ravel()
    return found


def _windows_over(where: Index, cache: MaxPoolCache | AvgPoolCache, dy: Array) -> list[Index]:
    """The windows that a place of the padded image lies in."""
    dilation = cache.dilation if isinstance(cache, MaxPoolCache) else (1, 1)
    each = []
    for at, size, stride, d, count in zip(
        where, cache.window, cache.stride, dilation, dy.shape[1:3], strict=True
    ):
        starts = [divmod(at - d * h, stride) for h in range(size)]
        each.append(sorted(start for start, rest in starts if not rest and 0 <= start < count))
    return list(pairs(*each))


def _count(cache: AvgPoolCache, i: int, j: int) -> int:
    share = cache.share if isinstance(cache.share, float) else float(cache.share[i, j, 0])
    return round(1 / share)


def _maximum(numbers: Array) -> str:
    """max(…) of a window; of a large one the beginning and the largest of the rest."""
    listed = [figure(v) if np.isfinite(v) else r"\text{padding}" for v in numbers[:SHOWN]]
    if len(rest := numbers[SHOWN:]):
        listed.append(rf"\text{{the largest of {len(rest):,} more: }} {figure(rest.max())}")
    return rf"\max({', '.join(listed)})" if len(listed) > 1 else listed[0]


def _image(x: Array) -> Array:
    """A sequence as an image of one row."""
    return x if x.ndim == 4 else x[:, None]


def _image_index(at: Index) -> Index:
    return at if len(at) == 4 else (at[0], 0, *at[1:])


def _four(at: Index) -> Index:
    return at if len(at) == 4 else (0, *at)


def _padded(at: Index, padding: tuple[tuple[int, int], tuple[int, int]]) -> Index:
    """The same place where the image has its padding around it."""
    n, i, j, c = at
    return n, i + padding[0][0], j + padding[1][0], c
