"""What a loss is worth: with nothing known, with the best constant answer, and with perfect answers."""

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.losses import Loss, one_hot

NEVER = 1e-12  # a probability of 0, in logarithms


def zero_loss(loss: Loss, y: Array, output_shape: Shape) -> float:
    """The loss of scores that are all 0, of equal probabilities: where a network should begin. ln K for K classes."""
    scores = np.zeros((len(y), *output_shape))
    if loss.link == "probs":
        scores += 1 / output_shape[-1]
    return _mean(loss, scores, y)


def constant_loss(loss: Loss, y: Array, output_shape: Shape) -> float:
    """The loss of the best answer that does not look at x, or that of zero scores where this is less."""
    targets = _targets(loss, y, output_shape)
    middle = targets.mean(axis=0)
    if loss.link in ("softmax", "probs"):
        middle = np.broadcast_to(targets.reshape(-1, targets.shape[-1]).mean(axis=0), output_shape)
    if loss.name in ("absolute_error", "huber"):
        middle = np.median(targets, axis=0)
    scores = np.broadcast_to(_scores_for(loss, middle), (len(y), *output_shape))
    known = np.inf if loss.link == "argmax" else _mean(loss, np.ascontiguousarray(scores), y)
    return min(known, zero_loss(loss, y, output_shape))


def perfect_loss(loss: Loss, y: Array, output_shape: Shape) -> float:
    """The least loss that these targets allow: 0, or the entropy of targets that are shares."""
    targets = _targets(loss, y, output_shape)
    scores = 100 * targets if loss.link == "argmax" else _scores_for(loss, targets)
    return min(_mean(loss, scores, y), constant_loss(loss, y, output_shape))


def _targets(loss: Loss, y: Array, output_shape: Shape) -> Array:
    """y in the scores' shape, in float64: shares of each class, or numbers."""
    if loss.targets in ("labels", "labels or rows") and y.ndim <= len(output_shape):
        K = output_shape[-1]
        rows = one_hot(y.reshape(-1), K).reshape(*y.shape, K)
    else:
        rows = y.astype(np.float64)
    smoothing = float(loss.settings.get("label_smoothing", 0.0))
    return rows * (1 - smoothing) + smoothing / output_shape[-1] if smoothing else rows


def _scores_for(loss: Loss, targets: Array) -> Array:
    """The scores whose predictions are these shares or numbers."""
    scores: Array
    if loss.link == "softmax":
        scores = np.log(np.maximum(targets, NEVER))
        return scores
    if loss.link == "sigmoid":
        shares = np.clip(targets, NEVER, 1 - NEVER)
        scores = np.log(shares) - np.log1p(-shares)
        return scores
    scores = np.log(np.maximum(targets, NEVER)) if loss.link == "exp" else targets
    return scores


def _mean(loss: Loss, scores: Array, y: Array) -> float:
    return float(loss(scores, y.astype(np.float64) if y.dtype.kind == "f" else y)[0].mean())
