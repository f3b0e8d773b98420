"""Layers in pairs: forward returns the output and a cache, backward takes the cache and returns the gradients."""

import numpy as np


def affine_forward(x, w, b):
    """Every output is a weighted sum of all inputs, plus a bias.

    Parameters
    ----------
    x : array of shape (N, d1, ..., dk)
        Each example is read as a row of D = d1 * ... * dk numbers.
    w : array of shape (D, M)
    b : array of shape (M,)

    Returns
    -------
    out : array of shape (N, M)
    cache : what affine_backward needs
    """
    # BEGIN SOLUTION: out; make each example a row first, and note that w is (D, M) here
    out = x.reshape(len(x), -1) @ w + b
    cache = (x, w, b)
    # END SOLUTION
    return out, cache


def affine_backward(dout, cache):
    """The gradients of affine_forward.

    Parameters
    ----------
    dout : array of shape (N, M)
        The loss's gradient with respect to the output.
    cache : what affine_forward returned

    Returns
    -------
    dx : array of shape (N, d1, ..., dk)
    dw : array of shape (D, M)
    db : array of shape (M,)
    """
    # BEGIN SOLUTION: dx, dw and db; each has the shape of what it belongs to
    x, w, _ = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(axis=0)
    # END SOLUTION
    return dx, dw, db


def relu_forward(x):
    """x where it is positive, else 0; an array of any shape. Returns the output and a cache."""
    # BEGIN SOLUTION: out, a new array: x itself must stay as it is
    out = np.maximum(x, 0)
    cache = x
    # END SOLUTION
    return out, cache


def relu_backward(dout, cache):
    """The gradient of relu_forward: dx, in the shape of dout. The slope at 0 is taken as 0."""
    # BEGIN SOLUTION: dx; dout goes through where x is positive
    dx = dout * (cache > 0)
    # END SOLUTION
    return dx


def batchnorm_forward(x, gamma, beta, bn_param):
    """Each column is moved and scaled to mean 0 and variance 1, then to mean beta and deviation gamma.

    Parameters
    ----------
    x : array of shape (N, D)
    gamma, beta : arrays of shape (D,)
    bn_param : dict
        mode : "train", with the batch's own mean and variance (the biased one), or "test", with the running ones
        eps : added to the variance, 1e-5 where it is not given
        momentum : how much of the running numbers stays, 0.9 where it is not given
        running_mean, running_var : arrays of shape (D,), zeros at first; updated here in "train"

    Returns
    -------
    out : array of shape (N, D)
    cache : what batchnorm_backward needs; None in "test"
    """
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros(x.shape[1], dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(x.shape[1], dtype=x.dtype))

    if mode == "train":
        # BEGIN SOLUTION: HW4: out and cache; the running numbers become momentum parts old, the rest new
        mean, var = x.mean(axis=0), x.var(axis=0)
        inv_std = 1 / np.sqrt(var + eps)
        xhat = (x - mean) * inv_std
        out = gamma * xhat + beta
        cache = (xhat, inv_std, gamma)
        running_mean = momentum * running_mean + (1 - momentum) * mean
        running_var = momentum * running_var + (1 - momentum) * var
        # END SOLUTION
    elif mode == "test":
        # BEGIN SOLUTION: HW4: out, from the running mean and variance; cache is None
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
        cache = None
        # END SOLUTION
    else:
        raise ValueError(f'batchnorm_forward: the mode is "train" or "test", not {mode!r}.')

    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


def batchnorm_backward(dout, cache):
    """The gradients of batchnorm_forward in "train": dx (N, D), dgamma (D,), dbeta (D,)."""
    # BEGIN SOLUTION: HW4: dx, dgamma and dbeta; the batch's mean and variance depend on x, too
    xhat, inv_std, gamma = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dx = gamma * inv_std * (dout - (dbeta + xhat * dgamma) / len(dout))
    # END SOLUTION
    return dx, dgamma, dbeta


def dropout_forward(x, dropout_param):
    """Some elements become 0, at random; the others grow, so that the output is x on average (inverted dropout).

    Parameters
    ----------
    x : array of any shape
    dropout_param : dict
        p : the probability with which an element is dropped
        mode : "train", or "test": then x goes through unchanged
        seed : where it is given, the mask is the same in every call

    Returns
    -------
    out : array of x's shape
    cache : what dropout_backward needs
    """
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])

    mask = None
    if mode == "train":
        # BEGIN SOLUTION: HW4: mask, 0 for the dropped elements and 1 / (1 - p) for the others; out
        mask = ((np.random.rand(*x.shape) >= p) / (1 - p)).astype(x.dtype, copy=False)
        out = x * mask
        # END SOLUTION
    elif mode == "test":
        # BEGIN SOLUTION: HW4: out; nothing is dropped
        out = x
        # END SOLUTION
    else:
        raise ValueError(f'dropout_forward: the mode is "train" or "test", not {mode!r}.')
    return out, (dropout_param, mask)


def dropout_backward(dout, cache):
    """The gradient of dropout_forward: dx, in the shape of dout."""
    dropout_param, mask = cache
    if dropout_param["mode"] == "test":
        return dout
    # BEGIN SOLUTION: HW4: dx, through the same mask
    dx = dout * mask
    # END SOLUTION
    return dx


def svm_loss(x, y):
    """The multi-class hinge loss with margin 1: scores x (N, C), classes y (N,) -> the mean loss and dx (N, C)."""
    N, rows = len(x), np.arange(len(x))
    margins = np.maximum(x - x[rows, y][:, None] + 1, 0)
    margins[rows, y] = 0
    dx = (margins > 0) / N
    dx[rows, y] = -dx.sum(axis=1)
    return margins.sum() / N, dx


def softmax_loss(x, y):
    """The softmax's cross-entropy: scores x (N, C), classes y (N,) -> the mean loss and dx (N, C)."""
    N, rows = len(x), np.arange(len(x))
    shifted = x - x.max(axis=1, keepdims=True)  # the same softmax, and exp cannot overflow
    sums = np.exp(shifted).sum(axis=1, keepdims=True)
    log_probs = shifted - np.log(sums)
    dx = np.exp(log_probs)
    dx[rows, y] -= 1
    return -log_probs[rows, y].mean(), dx / N
