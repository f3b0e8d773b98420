"""Losses: the loss of each example and the gradient of each example's own loss; the mean is the caller's.

`losses, dscores = <name>(scores, y)`: losses (N,), dscores of scores' shape. Labels are integers; targets
have scores' shape and dtype. Losses and gradients are finite, for scores of ±1e4 in float32 too.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SMALLEST_PROB = 1e-30  # where cross_entropy stops: −log is 69, its slope −1e30, both finite in float32
LARGEST_LOG_RATE = 30.0  # where poisson goes on as a straight line: exp(30) is 1e13


def softmax_cross_entropy(
    scores: Array, y: Array, label_smoothing: float = 0.0, class_weights: Array | None = None
) -> tuple[Array, Array]:
    """lossₙ = −Σₖ tₙₖ log pₙₖ,  dscores = p Σₖ tₙₖ − t,  p = softmax(scores)

    For labels t = onehot(y), so lossₙ = −log pₙᵧ and dscores = p − onehot(y).

    scores: (N, K), y: labels (N,) or target rows (N, K)  ->  losses: (N,), dscores: (N, K)

    Label smoothing ε replaces t by (1 − ε) t + ε / K; class weights (K,) multiply each row of t after that.

    >>> losses, dscores = softmax_cross_entropy(np.array([[0.0, 0.0]]), np.array([1]))
    >>> losses.round(4), dscores
    (array([0.6931]), array([[ 0.5, -0.5]]))
    """
    if y.ndim == 2 or label_smoothing or class_weights is not None:
        return _softmax_cross_entropy_rows(scores, _target_rows(y, scores, label_smoothing, class_weights))
    rows = np.arange(len(scores))
    shifted = scores - np.maximum.reduce(scores, axis=1, keepdims=True)  # exp never overflows
    true = shifted[rows, y]
    p = np.exp(shifted, out=shifted)
    total = np.add.reduce(p, axis=1, keepdims=True)
    losses = np.log(total[:, 0]) - true
    p /= total
    p[rows, y] -= 1
    return losses, p


def _softmax_cross_entropy_rows(scores: Array, t: Array) -> tuple[Array, Array]:
    """lossₙ = −Σₖ tₙₖ log pₙₖ,  dscores = p Σₖ tₙₖ − t, for rows t that need not add up to 1"""
    shifted = scores - scores.max(axis=1, keepdims=True)  # exp never overflows
    p = np.exp(shifted)
    total = p.sum(axis=1, keepdims=True)
    losses = (t * (np.log(total) - shifted)).sum(axis=1)
    return losses, p * (t.sum(axis=1, keepdims=True) / total) - t


def _target_rows(
    y: Array, scores: Array, label_smoothing: float = 0.0, class_weights: Array | None = None
) -> Array:
    """Labels (N,) or target rows (N, K) as target rows in scores' dtype, smoothed and weighted."""
    K = scores.shape[1]
    t = y[:, None] == np.arange(K) if y.ndim == 1 else y
    t = t.astype(scores.dtype, copy=False)
    if label_smoothing:
        t = t * (1 - label_smoothing) + label_smoothing / K
    return t if class_weights is None else t * np.asarray(class_weights, scores.dtype)


def sigmoid_cross_entropy(scores: Array, targets: Array) -> tuple[Array, Array]:
    """lossₙ = −Σₘ (t log p + (1 − t) log(1 − p)),  dscores = p − t,  p = σ(scores)

    scores, targets: (N,) or (N, M), targets from 0 to 1  ->  losses: (N,), dscores: scores' shape

    The loss is computed as max(s, 0) − s t + log(1 + exp(−|s|)).
    """
    tail = np.exp(-np.abs(scores))  # at most 1: exp never overflows
    losses = np.maximum(scores, 0) - scores * targets + np.log1p(tail)
    p = np.exp(np.minimum(scores, 0)) / (1 + tail)
    return _sum_outputs(losses), p - targets


def cross_entropy(probs: Array, y: Array) -> tuple[Array, Array]:
    """lossₙ = −Σₖ tₙₖ log pₙₖ,  dprobs = −t / p, where p < 1e-30 counts as 1e-30

    probs: (N, K), y: labels (N,) or target rows (N, K)  ->  losses: (N,), dprobs: (N, K)

    For a network that ends in softmax, softmax_cross_entropy on its scores is faster and exact.
    """
    t = _target_rows(y, probs)
    p = np.maximum(probs, SMALLEST_PROB)  # log and division stay finite
    return -(t * np.log(p)).sum(axis=1), -t / p


def squared_error(scores: Array, targets: Array) -> tuple[Array, Array]:
    """lossₙ = Σₘ (s − t)²,  dscores = 2 (s − t)

    scores, targets: (N,) or (N, M)  ->  losses: (N,), dscores: scores' shape
    """
    error = scores - targets
    return _sum_outputs(error * error), 2 * error


def absolute_error(scores: Array, targets: Array) -> tuple[Array, Array]:
    """lossₙ = Σₘ |s − t|,  dscores = sign(s − t), so the slope at s = t is 0

    scores, targets: (N,) or (N, M)  ->  losses: (N,), dscores: scores' shape
    """
    error = scores - targets
    return _sum_outputs(np.abs(error)), np.sign(error)


def huber(scores: Array, targets: Array, delta: float = 1.0) -> tuple[Array, Array]:
    """lossₙ = Σₘ ½ e² where |e| ≤ δ, δ (|e| − ½ δ) elsewhere,  e = s − t;  dscores = c = clip(e, −δ, δ)

    scores, targets: (N,) or (N, M)  ->  losses: (N,), dscores: scores' shape

    Both branches of the loss are c (e − ½ c).
    """
    error = scores - targets
    clipped = np.clip(error, -delta, delta)
    return _sum_outputs(clipped * (error - 0.5 * clipped)), clipped


def hinge(scores: Array, y: Array) -> tuple[Array, Array]:
    """lossₙ = Σ_{k≠y} max(0, sₙₖ − sₙᵧ + 1),  dscoresₙₖ = [sₙₖ − sₙᵧ + 1 > 0],  dscoresₙᵧ = −Σ_{k≠y} of them

    scores: (N, K), y: labels (N,)  ->  losses: (N,), dscores: (N, K)

    The multi-class form of Weston and Watkins (1999), margin 1.
    """
    rows = np.arange(len(scores))
    margins = np.maximum(scores - scores[rows, y][:, None] + 1, 0)
    margins[rows, y] = 0
    dscores = (margins > 0).astype(scores.dtype)
    dscores[rows, y] = -dscores.sum(axis=1)
    return margins.sum(axis=1), dscores


def poisson(scores: Array, targets: Array) -> tuple[Array, Array]:
    """lossₙ = Σₘ exp(s) − t s,  dscores = exp(s) − t: scores are logarithms of rates, targets counts

    scores, targets: (N,) or (N, M)  ->  losses: (N,), dscores: scores' shape

    The term log(t!), which the scores don't change, is left out. Beyond s = 30 exp goes on as its tangent, so
    that loss and gradient stay finite.
    """
    rate = np.exp(np.minimum(scores, LARGEST_LOG_RATE))
    beyond = np.maximum(scores - LARGEST_LOG_RATE, 0)
    return _sum_outputs(rate * (1 + beyond) - targets * scores), rate - targets


def _sum_outputs(values: Array) -> Array:
    """The sum over all axes but the first: one number per example, (N,)."""
    total: Array = values.sum(axis=tuple(range(1, values.ndim)))
    return total
