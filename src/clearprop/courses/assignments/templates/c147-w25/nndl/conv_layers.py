"""Layers for images (N, C, H, W): convolution, max pooling, batch norm of each channel. All of it is HW5's."""

import numpy as np

from nndl.layers import batchnorm_backward, batchnorm_forward


def conv_forward_naive(x, w, b, conv_param):
    """Every filter looks at every window of the image.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    w : array of shape (F, C, HH, WW)
    b : array of shape (F,)
    conv_param : dict
        stride : steps between windows
        pad : zeros on each side of the image

    Returns
    -------
    out : array of shape (N, F, OH, OW), OH = 1 + (H + 2 pad - HH) / stride, OW alike
    cache : what conv_backward_naive needs
    """
    # BEGIN SOLUTION: HW5: out; pad x, then go from window to window: each is a row times the filters as columns
    stride, pad = conv_param["stride"], conv_param["pad"]
    F, _, HH, WW = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    OH = 1 + (padded.shape[2] - HH) // stride
    OW = 1 + (padded.shape[3] - WW) // stride
    filters = w.reshape(F, -1)
    out = np.empty((len(x), F, OH, OW), dtype=x.dtype)
    for i in range(OH):
        for j in range(OW):
            top, left = i * stride, j * stride
            window = padded[:, :, top : top + HH, left : left + WW]
            out[:, :, i, j] = window.reshape(len(x), -1) @ filters.T + b
    cache = (padded, w, conv_param)
    # END SOLUTION
    return out, cache


def conv_backward_naive(dout, cache):
    """The gradients of conv_forward_naive: dx (N, C, H, W), dw (F, C, HH, WW), db (F,)."""
    # BEGIN SOLUTION: HW5: dx, dw and db; windows overlap, so add up; take the padding off dx at the end
    padded, w, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    F, C, HH, WW = w.shape
    N, _, OH, OW = dout.shape
    filters = w.reshape(F, -1)
    dpadded, dw = np.zeros_like(padded), np.zeros_like(filters)
    for i in range(OH):
        for j in range(OW):
            here = np.s_[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            dw += dout[:, :, i, j].T @ padded[here].reshape(N, -1)
            dpadded[here] += (dout[:, :, i, j] @ filters).reshape(N, C, HH, WW)
    dx = dpadded[:, :, pad : dpadded.shape[2] - pad, pad : dpadded.shape[3] - pad]
    dw = dw.reshape(w.shape)
    db = dout.sum(axis=(0, 2, 3))
    # END SOLUTION
    return dx, dw, db


def max_pool_forward_naive(x, pool_param):
    """Of every window the largest number remains.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    pool_param : dict
        pool_height, pool_width : the window
        stride : steps between windows

    Returns
    -------
    out : array of shape (N, C, OH, OW), OH = 1 + (H - pool_height) / stride, OW alike
    cache : what max_pool_backward_naive needs
    """
    # BEGIN SOLUTION: HW5: out, the maximum over the last two axes of each window
    height, width, stride = (pool_param[key] for key in ("pool_height", "pool_width", "stride"))
    N, C, H, W = x.shape
    OH, OW = 1 + (H - height) // stride, 1 + (W - width) // stride
    out = np.empty((N, C, OH, OW), dtype=x.dtype)
    for i in range(OH):
        for j in range(OW):
            window = x[:, :, i * stride : i * stride + height, j * stride : j * stride + width]
            out[:, :, i, j] = window.max(axis=(2, 3))
    cache = (x, pool_param)
    # END SOLUTION
    return out, cache


def max_pool_backward_naive(dout, cache):
    """The gradient of max_pool_forward_naive: dx (N, C, H, W)."""
    # BEGIN SOLUTION: HW5: dx; each dout goes to its window's maximum, and only there
    x, pool_param = cache
    height, width, stride = (pool_param[key] for key in ("pool_height", "pool_width", "stride"))
    N, C, OH, OW = dout.shape
    dx = np.zeros_like(x)
    n, c = np.indices((N, C))
    for i in range(OH):
        for j in range(OW):
            window = x[:, :, i * stride : i * stride + height, j * stride : j * stride + width]
            row, column = np.divmod(window.reshape(N, C, -1).argmax(axis=2), width)  # the first of equal ones
            dx[n, c, i * stride + row, j * stride + column] += dout[:, :, i, j]
    # END SOLUTION
    return dx


def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    """Batch norm of each channel, over all images and places: x (N, C, H, W), gamma and beta (C,).

    bn_param is as in batchnorm_forward, with running numbers of shape (C,). Returns out (N, C, H, W) and a cache.
    """
    # BEGIN SOLUTION: HW5: out and cache, by batchnorm_forward, with one row of C channels for each place
    N, C, H, W = x.shape
    rows, cache = batchnorm_forward(x.transpose(0, 2, 3, 1).reshape(-1, C), gamma, beta, bn_param)
    out = rows.reshape(N, H, W, C).transpose(0, 3, 1, 2)
    # END SOLUTION
    return out, cache


def spatial_batchnorm_backward(dout, cache):
    """The gradients of spatial_batchnorm_forward: dx (N, C, H, W), dgamma (C,), dbeta (C,)."""
    # BEGIN SOLUTION: HW5: dx, dgamma and dbeta, by batchnorm_backward
    N, C, H, W = dout.shape
    rows, dgamma, dbeta = batchnorm_backward(dout.transpose(0, 2, 3, 1).reshape(-1, C), cache)
    dx = rows.reshape(N, H, W, C).transpose(0, 3, 1, 2)
    # END SOLUTION
    return dx, dgamma, dbeta
