"""Layers for images, channels first: x (N, C, H, W), filters (F, C, HH, WW).

The core has channels last. What is shown here are views of its arrays, so that between two of these layers nothing
is copied. The names say naive, as in the course; the work is the core's.
"""

from typing import cast

import numpy as np

from clearprop.arrays import Array, check_shape
from clearprop.courses.nndl.layers import NormCache, Params, normalize_backward, normalize_forward
from clearprop.errors import ConfigError
from clearprop.kernels import conv, pool
from clearprop.kernels.windows import Pads
from clearprop.layers.windows import output_sizes
from clearprop.names import check_count

__all__ = [
    "conv_backward_naive", "conv_forward_naive", "max_pool_backward_naive", "max_pool_forward_naive",
    "spatial_batchnorm_backward", "spatial_batchnorm_forward",
]  # fmt: skip


def conv_forward_naive(x: Array, w: Array, b: Array, conv_param: Params) -> tuple[Array, conv.ConvCache]:
    """Each filter times each window of the zero-padded images, plus its bias.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    w : array of shape (F, C, HH, WW)
    b : array of shape (F,)
    conv_param : dict
        stride: the step from window to window; pad: zeros on each side.

    Returns
    -------
    out : array of shape (N, F, H', W')
        H' = 1 + (H + 2 pad − HH) // stride, and W' likewise.
    cache

    Raises
    ------
    ShapeError, ConfigError
        If the shapes do not fit, or stride and pad are missing.
    """
    who = "conv_forward_naive"
    check_shape(who, "x", x.shape, ("N", "C", "H", "W"))
    check_shape(who, "w", w.shape, ("F", x.shape[1], "HH", "WW"), "Its second axis is that of x's channels.")
    check_shape(who, "b", b.shape, w.shape[:1], "One number for each filter.")
    stride, pad = _setting(who, conv_param, "stride"), _setting(who, conv_param, "pad", least=0)
    pads: Pads = ((pad, pad), (pad, pad))
    output_sizes(who, x.shape[2:], w.shape[2:], (stride, stride), pads, (1, 1))
    images = x.transpose(0, 2, 3, 1) if pad else channels_last(x)  # padding copies them anyway
    filters = np.ascontiguousarray(w.transpose(2, 3, 1, 0))
    out, cache = conv.conv2d_forward(images, filters, b, (stride, stride), pads)
    return channels_first(out), cache


def conv_backward_naive(dout: Array, cache: conv.ConvCache) -> tuple[Array, Array, Array]:
    """dx (N, C, H, W), dw (F, C, HH, WW), db (F,), for dout (N, F, H', W')."""
    dx, dw, db = conv.conv2d_backward(channels_last(dout), cache)
    return channels_first(cast(Array, dx)), dw.transpose(3, 2, 0, 1), db


def conv_weight_gradients(dout: Array, cache: conv.ConvCache) -> tuple[Array, Array]:
    """dw and db alone: all that a network's first layer needs."""
    _, dw, db = conv.conv2d_backward(channels_last(dout), cache, need_dx=False)
    return dw.transpose(3, 2, 0, 1), db


def max_pool_forward_naive(x: Array, pool_param: Params) -> tuple[Array, pool.MaxPoolCache]:
    """The largest number of each window, for each channel alone.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    pool_param : dict
        pool_height, pool_width, stride.

    Returns
    -------
    out : array of shape (N, C, H', W')
        H' = 1 + (H − pool_height) // stride, and W' likewise.
    cache

    Raises
    ------
    ShapeError, ConfigError
        If a window is larger than the image, or a setting is missing.
    """
    who = "max_pool_forward_naive"
    check_shape(who, "x", x.shape, ("N", "C", "H", "W"))
    height, width, stride = (
        _setting(who, pool_param, key) for key in ("pool_height", "pool_width", "stride")
    )
    window, step = (height, width), (stride, stride)
    output_sizes(who, x.shape[2:], window, step, ((0, 0), (0, 0)), (1, 1))
    out, cache = pool.max_pool2d_forward(channels_last(x), window, step)
    return channels_first(out), cache


def max_pool_backward_naive(dout: Array, cache: pool.MaxPoolCache) -> Array:
    """dx (N, C, H, W): each dout goes to the largest number of its window, of equal ones to the first."""
    return channels_first(pool.max_pool2d_backward(channels_last(dout), cache))


def spatial_batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: Params
) -> tuple[Array, NormCache]:
    """Batch norm of each channel, over all images and places.

    x : array of shape (N, C, H, W), gamma, beta : arrays of shape (C,), bn_param as of `batchnorm_forward`;
    out : array of shape (N, C, H, W).
    """
    who = "spatial_batchnorm_forward"
    check_shape(who, "x", x.shape, ("N", "C", "H", "W"), "For rows take batchnorm_forward.")
    out, cache = normalize_forward(who, channels_last(x), gamma, beta, bn_param)
    return channels_first(out), cache


def spatial_batchnorm_backward(dout: Array, cache: NormCache) -> tuple[Array, Array, Array]:
    """dx (N, C, H, W), dgamma (C,), dbeta (C,), for dout (N, C, H, W)."""
    dx, dgamma, dbeta = normalize_backward(channels_last(dout), cache)
    return channels_first(dx), dgamma, dbeta


def channels_last(x: Array) -> Array:
    """(N, H, W, C) without gaps: no copy of what `channels_first` has shown."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def channels_first(x: Array) -> Array:
    """(N, C, H, W), a view."""
    return x.transpose(0, 3, 1, 2)


def _setting(who: str, param: Params, key: str, least: int = 1) -> int:
    if key not in param:
        raise ConfigError(
            f"{who}: expected the settings to have {key!r}, got {sorted(param)}. Write its value."
        )
    return check_count(who, key, param[key], least)
