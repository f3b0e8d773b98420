"""Every kernel's forward pass once more: plain loops over Python numbers, to compare with."""

import math

import numpy as np


def elementwise(f):
    """The function of a number as a function of an array, one element after another."""

    def naive(x, *settings):
        y = np.empty(x.shape)
        for index in np.ndindex(x.shape):
            y[index] = f(float(x[index]), *settings)
        return y

    return naive


def rowwise(f):
    """The function of a list as a function of an (N, K) array, one row after another."""

    def naive(x):
        return np.array([f([float(number) for number in row]) for row in x])

    return naive


def affine(x, w, b):
    y = np.empty((len(x), len(b)))
    for n in range(len(x)):
        for m in range(len(b)):
            y[n, m] = b[m]
            for d in range(len(w)):
                y[n, m] += x[n, d] * w[d, m]
    return y


def sigmoid_of(x):
    return 1 / (1 + math.exp(-x))


def gelu_tanh_of(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


identity = elementwise(lambda x: x)
sigmoid = elementwise(sigmoid_of)
tanh = elementwise(math.tanh)
relu = elementwise(lambda x: x if x > 0 else 0.0)
leaky_relu = elementwise(lambda x, alpha=0.01: x if x > 0 else alpha * x)
elu = elementwise(lambda x, alpha=1.0: x if x > 0 else alpha * (math.exp(x) - 1))
softplus = elementwise(lambda x: math.log(1 + math.exp(x)))
arctan = elementwise(math.atan)
swish = elementwise(lambda x: x * sigmoid_of(x))
gelu = elementwise(lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2)
gelu_tanh = elementwise(gelu_tanh_of)


def softmax_of(row):
    total = sum(math.exp(number) for number in row)
    return [math.exp(number) / total for number in row]


softmax = rowwise(softmax_of)
log_softmax = rowwise(lambda row: [math.log(p) for p in softmax_of(row)])


def dropout(x, mask):
    y = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        y[index] = x[index] * mask[index]
    return y


def dropout_of_channels(x, mask):
    y = np.empty(x.shape)
    for n, i, j, c in np.ndindex(x.shape):
        y[n, i, j, c] = x[n, i, j, c] * mask[n, 0, 0, c]
    return y


def target_row(y, n, K):
    """Example n's row of targets: as it is, or one-hot from a label."""
    if y.ndim == 2:
        return [float(t) for t in y[n]]
    return [1.0 if k == y[n] else 0.0 for k in range(K)]


def softmax_cross_entropy(scores, y, label_smoothing=0.0, class_weights=None):
    K = scores.shape[1]
    losses = []
    for n, p in enumerate(softmax(scores)):
        loss = 0.0
        for k, t in enumerate(target_row(y, n, K)):
            weight = 1.0 if class_weights is None else class_weights[k]
            loss -= weight * ((1 - label_smoothing) * t + label_smoothing / K) * math.log(p[k])
        losses.append(loss)
    return np.array(losses)


def cross_entropy(probs, y):
    K = probs.shape[1]
    return np.array(
        [
            -sum(t * math.log(p) for t, p in zip(target_row(y, n, K), row, strict=True))
            for n, row in enumerate(probs)
        ]
    )


def over_outputs(term):
    """The loss of one output as a loss per example: the terms of an example's outputs added up."""

    def naive(scores, targets, *settings):
        losses = np.zeros(len(scores))
        for index in np.ndindex(scores.shape):
            losses[index[0]] += term(float(scores[index]), float(targets[index]), *settings)
        return losses

    return naive


def sigmoid_cross_entropy_of(s, t):
    p = sigmoid_of(s)
    return -(t * math.log(p) + (1 - t) * math.log(1 - p))


def huber_of(s, t, delta=1.0):
    e = abs(s - t)
    return 0.5 * e * e if e <= delta else delta * (e - 0.5 * delta)


sigmoid_cross_entropy = over_outputs(sigmoid_cross_entropy_of)
squared_error = over_outputs(lambda s, t: (s - t) ** 2)
absolute_error = over_outputs(lambda s, t: abs(s - t))
huber = over_outputs(huber_of)
poisson = over_outputs(lambda s, t: math.exp(s) - t * s)


def hinge(scores, y):
    losses = np.zeros(len(scores))
    for n, label in enumerate(y):
        for k in range(scores.shape[1]):
            if k != label:
                losses[n] += max(0.0, scores[n, k] - scores[n, label] + 1)
    return losses


def l2_penalty(w, strength):
    return 0.5 * strength * sum(float(number) ** 2 for number in w.flat)


def l1_penalty(w, strength):
    return strength * sum(abs(float(number)) for number in w.flat)
