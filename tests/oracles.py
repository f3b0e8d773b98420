"""What tests compare with: differences, and a network written out by hand."""

import numpy as np


def numeric_gradient(f, x, step=1e-6):
    """The gradient of the number f(), which reads x, by central differences, element by element."""
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + step
        above = f()
        x[index] = kept - step
        below = f()
        x[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient


def softmax_loss(scores, labels):
    """Each example's −log p of its label, and p − onehot, written out."""
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    onehot = np.eye(scores.shape[1], dtype=scores.dtype)[labels]
    return -np.log((p * onehot).sum(axis=1)), p - onehot


class TanhNet:
    """x -> tanh(x w1 + b1) w2 + b2, by hand: [w1, b1, w2, b2] and the gradient of the mean loss."""

    def __init__(self, params):
        self.params = [np.array(p) for p in params]

    def scores(self, x):
        w1, b1, w2, b2 = self.params
        return np.tanh(x @ w1 + b1) @ w2 + b2

    def loss(self, x, labels, weights=1.0):
        return np.mean(weights * softmax_loss(self.scores(x), labels)[0])

    def gradient(self, x, labels, weights=None):
        w1, b1, w2, b2 = self.params
        h = np.tanh(x @ w1 + b1)
        losses, dscores = softmax_loss(h @ w2 + b2, labels)
        if weights is not None:
            dscores = dscores * weights[:, None]
        dscores = dscores / len(x)
        dh = (dscores @ w2.T) * (1 - h * h)
        return losses, [x.T @ dh, dh.sum(axis=0), h.T @ dscores, dscores.sum(axis=0)]


def blobs(n=30, d=4, classes=3, seed=0):
    """Noisy clusters: x (N, D) in float64, labels (N,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    centers = np.random.default_rng(99).normal(scale=2, size=(classes, d))
    return centers[labels] + rng.normal(size=(n, d)), labels
