"""What the tests of nndl compare with: the layers written out in plain NumPy, and finite differences."""

import numpy as np


def seed(n):
    """Seed the global stream, from which the course draws."""
    np.random.seed(n)


def numeric(f, x, upstream, step=1e-6):
    """The gradient of Σ f() upstream in x, which f reads, by central differences."""
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + step
        above = np.array(f())
        x[index] = kept - step
        below = np.array(f())
        x[index] = kept
        gradient[index] = np.sum((above - below) * upstream) / (2 * step)
    return gradient


def softmax_loss(scores, y):
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    onehot = np.eye(scores.shape[1])[y]
    return -np.log((p * onehot).sum(axis=1)).mean(), (p - onehot) / len(scores)


def svm_loss(scores, y):
    """With loops, example by example and class by class."""
    loss, grad = 0.0, np.zeros(scores.shape)
    for n, row in enumerate(scores):
        for k, score in enumerate(row):
            margin = score - row[y[n]] + 1
            if k != y[n] and margin > 0:
                loss += margin
                grad[n, k] += 1
                grad[n, y[n]] -= 1
    return loss / len(scores), grad / len(scores)


def batchnorm(x, gamma, beta, eps=1e-5):
    """Over the first axis, with the biased variance."""
    mean = sum(x) / len(x)
    var = sum((row - mean) ** 2 for row in x) / len(x)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


def conv(x, w, b, stride, pad):
    """Seven loops' worth: channels first."""
    N, _, H, W = x.shape
    F, _, HH, WW = w.shape
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows, columns = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    out = np.empty((N, F, rows, columns))
    for n, f, i, j in np.ndindex(out.shape):
        window = x[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
        out[n, f, i, j] = (window * w[f]).sum() + b[f]
    return out


def max_pool(x, height, width, stride):
    N, C, H, W = x.shape
    out = np.empty((N, C, 1 + (H - height) // stride, 1 + (W - width) // stride))
    for n, c, i, j in np.ndindex(out.shape):
        out[n, c, i, j] = x[n, c, i * stride : i * stride + height, j * stride : j * stride + width].max()
    return out
