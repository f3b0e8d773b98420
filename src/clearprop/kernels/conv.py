"""Convolution: the same weights look at every window of an image, as one matrix product over all windows."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.kernels.windows import Pads, Pair, outputs, pad, taps, window_rows

Array = NDArray[Any]


class ConvCache(NamedTuple):
    x: Array  # (N, Hp, Wp, C), padded
    w: Array  # (KH, KW, C / groups, F)
    stride: Pair
    padding: Pads
    dilation: Pair
    groups: int


def conv2d_forward(
    x: Array,
    w: Array,
    b: Array,
    stride: Pair = (1, 1),
    padding: Pads = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[Array, ConvCache]:
    """y[n,i,j,f] = Σ_hkc x[n, s i + d h, s j + d k, c] w[h,k,c,f] + b[f], with stride s, dilation d, x padded by zeros

    x: (N, H, W, C), w: (KH, KW, C/groups, F), b: (F,)  ->  y: (N, OH, OW, F)        cache: padded x, w, the settings

    A cross-correlation, as the whole field has it: the kernel is not turned around. With groups, each group of
    filters sees its own group of channels.
    """
    x = pad(x, padding)
    y = correlate(x, w, stride, dilation, groups)
    y += b
    return y, ConvCache(x, w, stride, padding, dilation, groups)


def conv2d_backward(
    dy: Array, cache: ConvCache, out: tuple[Array, Array] | None = None, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """dw = Σ windowsᵀ dy,  db = Σ dy,  dx: each dy goes back, times its weight, to where its window had read

    dy: (N, OH, OW, F)  ->  dx: (N, H, W, C), dw: (KH, KW, C/groups, F), db: (F,)

    `out=(dw, db)` names the arrays to write; `need_dx=False` saves the work for dx, which is then None.
    """
    x, w, stride, padding, dilation, groups = cache
    dw, db = out or (np.empty_like(w), None)
    correlate_w(x, dy, dw, stride, dilation, groups)
    rows = dy.reshape(-1, dy.shape[3])
    db = np.matmul(np.ones(len(rows), dy.dtype), rows, out=db)  # adds up many times faster than a sum
    dx = spread(dy, w, x.shape[1:3], stride, padding, dilation, groups) if need_dx else None
    return dx, dw, db


def conv1d_forward(
    x: Array,
    w: Array,
    b: Array,
    stride: int = 1,
    padding: Pair = (0, 0),
    dilation: int = 1,
    groups: int = 1,
) -> tuple[Array, ConvCache]:
    """y[n,t,f] = Σ_kc x[n, s t + d k, c] w[k,c,f] + b[f], with stride s, dilation d, x padded by zeros

    x: (N, T, C), w: (K, C/groups, F), b: (F,)  ->  y: (N, OT, F)        cache: conv2d's, of an image of one row
    """
    y, cache = conv2d_forward(x[:, None], w[None], b, (1, stride), ((0, 0), padding), (1, dilation), groups)
    return y[:, 0], cache


def conv1d_backward(
    dy: Array, cache: ConvCache, out: tuple[Array, Array] | None = None, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """dx, dw, db as conv2d's, of an image of one row

    dy: (N, OT, F)  ->  dx: (N, T, C), dw: (K, C/groups, F), db: (F,)
    """
    dx, dw, db = conv2d_backward(dy[:, None], cache, (out[0][None], out[1]) if out else None, need_dx)
    return None if dx is None else dx[:, 0], dw[0], db


def conv_transpose2d_forward(
    x: Array,
    w: Array,
    b: Array,
    stride: Pair = (1, 1),
    padding: Pads = ((0, 0), (0, 0)),
    output_padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[Array, ConvCache]:
    """y[n, s i + d h, s j + d k, f] += Σ_c x[n,i,j,c] w[h,k,f,c], then the padding is cut off and b added

    x: (N, H, W, C), w: (KH, KW, F/groups, C), b: (F,)  ->  y: (N, OH, OW, F)        cache: x, w, the settings

    The way back through the convolution from F to C channels that has these weights: what its dx is to its dy.
    OH = (H − 1) s + d (KH − 1) + 1 − padding + output_padding, with output_padding < s.
    """
    height, width = (
        (n - 1) * s + d * (k - 1) + 1 + more
        for n, s, d, k, more in zip(x.shape[1:3], stride, dilation, w.shape[:2], output_padding, strict=True)
    )
    y = spread(x, w, (height, width), stride, padding, dilation, groups)
    return y + b, ConvCache(x, w, stride, padding, dilation, groups)


def conv_transpose2d_backward(
    dy: Array, cache: ConvCache, out: tuple[Array, Array] | None = None, need_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """dx is the convolution of dy with w,  dw = Σ windows of dyᵀ x,  db = Σ dy

    dy: (N, OH, OW, F)  ->  dx: (N, H, W, C), dw: (KH, KW, F/groups, C), db: (F,)
    """
    x, w, stride, padding, dilation, groups = cache
    dw, db = out or (np.empty_like(w), None)
    rows = dy.reshape(-1, dy.shape[3])
    db = np.matmul(np.ones(len(rows), dy.dtype), rows, out=db)  # adds up many times faster than a sum
    dy = pad(dy, padding)
    correlate_w(dy, x, dw, stride, dilation, groups)
    return correlate(dy, w, stride, dilation, groups) if need_dx else None, dw, db


def correlate(x: Array, w: Array, stride: Pair, dilation: Pair, groups: int) -> Array:
    """Each window of the padded x times w, (N, OH, OW, F): one matrix product for many windows."""
    y = np.empty((len(x), *outputs(x.shape[1:3], w.shape[:2], stride, dilation), w.shape[3]), x.dtype)
    for xg, yg, wg in by_group(groups, x, y, w):
        for some, rows in window_rows(xg, w.shape[:2], stride, dilation):
            np.matmul(rows, wg.reshape(-1, wg.shape[3]), out=yg[some].reshape(len(rows), -1))
    return y


def correlate_w(x: Array, dy: Array, dw: Array, stride: Pair, dilation: Pair, groups: int) -> None:
    """Σ over all windows of the padded x, each times its dy, into dw: the windows are copied once more."""
    for xg, dyg, dwg in by_group(groups, x, dy, dw):
        total: Any = 0
        for some, rows in window_rows(xg, dw.shape[:2], stride, dilation):
            total += rows.T @ dyg[some].reshape(len(rows), -1)
        dwg[...] = np.reshape(total, dwg.shape)


def spread(
    dy: Array, w: Array, size: Pair, stride: Pair, padding: Pads, dilation: Pair, groups: int
) -> Array:
    """What `correlate` had read, given back: dy times w, added up in an image of the padded size, then cut out."""
    (top, bottom), (left, right) = padding
    reach = [d * (k - 1) for k, d in zip(w.shape[:2], dilation, strict=True)]
    if stride == (1, 1) and max(top, bottom) <= reach[0] and max(left, right) <= reach[1]:
        # Every x was read through the whole kernel, its last place first: correlate dy with the kernel turned around.
        around = ((reach[0] - top, reach[0] - bottom), (reach[1] - left, reach[1] - right))
        turned = [wg[::-1, ::-1].transpose(0, 1, 3, 2) for (wg,) in by_group(groups, w)]
        return correlate(pad(dy, around), np.concatenate(turned, axis=3), stride, dilation, groups)
    dx = np.zeros((len(dy), *size, w.shape[2] * groups), dy.dtype)
    for dxg, dyg, wg in by_group(groups, dx, dy, w):
        for i, j, read in taps(dxg, w.shape[:2], stride, dilation):
            read += dyg @ wg[i, j].T
    return dx[:, top : size[0] - bottom, left : size[1] - right]


def by_group(groups: int, *arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The g-th part of each array's last axis, for each g."""
    widths = [array.shape[-1] // groups for array in arrays]
    for g in range(groups):
        yield tuple(array[..., g * n : (g + 1) * n] for array, n in zip(arrays, widths, strict=True))
