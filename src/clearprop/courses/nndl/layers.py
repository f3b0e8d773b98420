"""Layers as pairs of functions, `forward(...) -> out, cache` and `backward(dout, cache)`, over the core's kernels."""

from math import prod
from typing import Any, NamedTuple, cast

import numpy as np

from clearprop.arrays import Array, check_shape
from clearprop.errors import ConfigError, DataError
from clearprop.kernels import activations, affine, dropout, norm
from clearprop.losses import Loss, make_loss
from clearprop.names import check_number

__all__ = [
    "affine_backward", "affine_forward", "batchnorm_backward", "batchnorm_forward", "dropout_backward",
    "dropout_forward", "relu_backward", "relu_forward", "softmax_loss", "svm_loss",
]  # fmt: skip

Params = dict[str, Any]  # what the course calls bn_param, dropout_param, conv_param or pool_param
AffineCache = tuple[Array, Array, Array]

_SOFTMAX, _SVM = make_loss("softmax_cross_entropy"), make_loss("hinge")


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, AffineCache]:
    """out = x w + b, each example as one row.

    Parameters
    ----------
    x : array of shape (N, d1, …, dk)
    w : array of shape (D, M)
        D = d1 · … · dk.
    b : array of shape (M,)

    Returns
    -------
    out : array of shape (N, M)
    cache : (x, w, b)

    Raises
    ------
    ShapeError
        If they do not fit together.
    """
    D = prod(x.shape[1:])
    if w.shape != (D, *b.shape) or b.ndim != 1:
        check_shape("affine_forward", "w", w.shape, (D, "M"), "It has a row for each number of an example.")
        check_shape("affine_forward", "b", b.shape, w.shape[1:], "It has a number for each column of w.")
    out, _ = affine.affine_forward(x.reshape(len(x), D), w, b)
    return out, (x, w, b)


def affine_backward(dout: Array, cache: AffineCache) -> tuple[Array, Array, Array]:
    """dx (N, d1, …, dk), dw (D, M), db (M,), for dout (N, M)."""
    x, w, _ = cache
    dx, dw, db = affine.affine_backward(dout, affine.AffineCache(x.reshape(len(x), len(w)), w))
    return cast(Array, dx).reshape(x.shape), dw, db


def affine_weight_gradients(dout: Array, cache: AffineCache) -> tuple[Array, Array]:
    """dw and db alone: all that a network's first layer needs."""
    x, w, _ = cache
    rows = affine.AffineCache(x.reshape(len(x), len(w)), w)
    _, dw, db = affine.affine_backward(dout, rows, need_dx=False)
    return dw, db


def relu_forward(x: Array) -> tuple[Array, Array]:
    """out = max(x, 0), for x of any shape; the cache is x."""
    return activations.relu_forward(x)[0], x


def relu_backward(dout: Array, cache: Array) -> Array:
    """dx = dout where x > 0, and 0 elsewhere: at x = 0 too."""
    return activations.relu_backward(dout, cache)  # x > 0 exactly where max(x, 0) > 0


def softmax_loss(x: Array, y: Array) -> tuple[float, Array]:
    """The mean of −log p[y], p = softmax(x), and its gradient.

    Parameters
    ----------
    x : array of shape (N, C)
        Scores.
    y : array of shape (N,)
        Labels from 0 to C − 1.

    Returns
    -------
    loss : float
    dx : array of shape (N, C)

    Raises
    ------
    ShapeError, DataError
        If y has another length, or holds what is no label.
    """
    return _mean_loss(_SOFTMAX, x, y, "softmax_loss")


def svm_loss(x: Array, y: Array) -> tuple[float, Array]:
    """The mean of Σ max(0, x[k] − x[y] + 1) over the classes k ≠ y, and its gradient; else as `softmax_loss`."""
    return _mean_loss(_SVM, x, y, "svm_loss")


def _mean_loss(loss: Loss, x: Array, y: Array, who: str) -> tuple[float, Array]:
    if x.ndim != 2 or not _are_labels(y, *x.shape):
        check_shape(who, "x", x.shape, ("N", "C"))
        if not len(x):
            raise DataError(
                f"{who}: expected at least one example, got none. The mean of no losses is no number."
            )
        y = loss.prepare(y, len(x), x.shape[1:], x.dtype, who)  # converts them, or says what is wrong
    losses, dx = loss(x, y)
    dx /= len(x)
    return float(np.add.reduce(losses)) / len(x), dx


def _are_labels(y: Array, N: int, C: int) -> bool:
    """Whether y is N whole numbers from 0 to C − 1: looked at first, for a small network's steps take 50 µs."""
    if not isinstance(y, np.ndarray) or y.dtype.kind != "i" or y.shape != (N,) or not N:
        return False
    return bool(np.minimum.reduce(y) >= 0 and np.maximum.reduce(y) < C)


class NormCache(NamedTuple):
    """What `normalize_backward` needs."""

    kept: norm.BatchNormCache
    n: int  # how many numbers a channel's mean and variance are of; 0 where they were the running ones


def batchnorm_forward(x: Array, gamma: Array, beta: Array, bn_param: Params) -> tuple[Array, NormCache]:
    """out = gamma (x − mean) / √(var + eps) + beta, column by column.

    Parameters
    ----------
    x : array of shape (N, D)
    gamma, beta : arrays of shape (D,)
    bn_param : dict
        mode: "train" takes the mini-batch's mean and variance, the biased one, "test" the running ones; eps: 1e-5;
        momentum: 0.9; running_mean, running_var: zeros at first, written back as
        momentum · running + (1 − momentum) · batch.

    Returns
    -------
    out : array of shape (N, D)
    cache

    Raises
    ------
    ConfigError, ShapeError
        If there is no such mode, or the shapes do not fit.
    """
    check_shape("batchnorm_forward", "x", x.shape, ("N", "D"), "For images take spatial_batchnorm_forward.")
    return normalize_forward("batchnorm_forward", x, gamma, beta, bn_param)


def batchnorm_backward(dout: Array, cache: NormCache) -> tuple[Array, Array, Array]:
    """dx (N, D), dgamma (D,), dbeta (D,), for dout (N, D)."""
    return normalize_backward(dout, cache)


def normalize_forward(
    who: str, x: Array, gamma: Array, beta: Array, bn_param: Params
) -> tuple[Array, NormCache]:
    """`batchnorm_forward` for x (…, C)."""
    C = x.shape[-1]
    for what, given in (("gamma", gamma), ("beta", beta)):
        check_shape(who, what, given.shape, (C,), "One number for each column or channel.")
    mode, eps, momentum = read_mode(who, bn_param), bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    running = [bn_param.get(name) for name in ("running_mean", "running_var")]
    mean, var = (np.zeros(C, x.dtype) if given is None else given for given in running)
    if mode == "test":
        out, cache = norm.batch_norm_forward(x, gamma, beta, mean, var, eps)
        now, n = (mean, var), 0
    else:
        sums, centred, m = norm.batch_norm_moments(x)
        n, *moments = norm.batch_norm_statistics(sums)
        out, cache = norm.batch_norm_forward(centred, gamma, beta, moments[0] - m, moments[1], eps)
        now = tuple(
            (momentum * old + (1 - momentum) * new).astype(x.dtype)
            for old, new in zip((mean, var), moments, strict=True)
        )
    bn_param["running_mean"], bn_param["running_var"] = now
    return out, NormCache(cache, n)


def normalize_backward(dout: Array, cache: NormCache) -> tuple[Array, Array, Array]:
    """`batchnorm_backward` for dout (…, C)."""
    dgamma, dbeta = norm.batch_norm_sums(dout, cache.kept)
    if not cache.n:
        return norm.batch_norm_backward(dout, cache.kept), dgamma, dbeta
    return norm.batch_norm_backward(dout, cache.kept, (dgamma, dbeta), cache.n), dgamma, dbeta


def dropout_forward(x: Array, dropout_param: Params) -> tuple[Array, Array | None]:
    """Set numbers to zero, each with probability p, and divide the others by 1 − p.

    Parameters
    ----------
    x : array of any shape
    dropout_param : dict
        p: the probability of dropping; mode: "train", or "test", which changes nothing; seed: if given, the same
        mask at each call. The mask is `np.random.rand(*x.shape) >= p`, from the global stream where there is no seed.

    Returns
    -------
    out : array of x's shape
    cache : the mask, 0 or 1 / (1 − p); None in mode "test"

    Raises
    ------
    ConfigError
        If there is no such mode, or p is not in [0, 1).
    """
    if read_mode("dropout_forward", dropout_param) == "test":
        return x, None
    p = check_number(
        "dropout_forward", "p", dropout_param.get("p"), "in [0, 1), the probability of dropping",
        lambda p: 0 <= p < 1,
    )  # fmt: skip
    seed = dropout_param.get("seed")
    drawn = np.random.rand(*x.shape) if seed is None else np.random.RandomState(seed).rand(*x.shape)
    mask = (drawn >= p).astype(x.dtype)
    mask /= 1 - p
    return dropout.dropout_forward(x, mask)


def dropout_backward(dout: Array, cache: Array | None) -> Array:
    """dx = dout times the mask; in mode "test", dout itself."""
    return dout if cache is None else dropout.dropout_backward(dout, cache)


def read_mode(who: str, param: Params) -> str:
    """Whether a layer trains."""
    mode = param.get("mode")
    if mode not in ("train", "test"):
        raise ConfigError(
            f"{who}: expected the mode 'train' or 'test', got {mode!r}. Set it with key 'mode'."
        )
    return str(mode)
