"""Small tools: settings as attributes, one-hot labels, scaling, gradient checks, and images as windows."""

from collections.abc import Callable
from math import prod

import numpy as np


class AttrDict(dict):
    """A dictionary whose entries can also be read and set as attributes."""

    def __getattr__(self, name: str) -> object:
        if name not in self:
            raise AttributeError(f"there is no entry {name!r}; there are {', '.join(map(str, self))}.")
        return self[name]

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value


def integers_to_one_hot(integer_vector: np.ndarray, max_val: int | None = None) -> np.ndarray:
    """Labels (m,) from 0 to max_val as rows (m, max_val + 1) with a single 1; without it, up to the largest label."""
    labels = np.asarray(integer_vector).reshape(-1).astype(int)
    return np.eye((labels.max() if max_val is None else max_val) + 1)[labels]


def center(X: np.ndarray, axis: int = 0) -> np.ndarray:
    """X with mean 0 along the axis."""
    return X - X.mean(axis=axis, keepdims=True)


def normalize(X: np.ndarray, axis: int = 0) -> np.ndarray:
    """X scaled to 0..1 along the axis; what does not vary becomes 0."""
    low = X.min(axis=axis, keepdims=True)
    spread = X.max(axis=axis, keepdims=True) - low
    return (X - low) / np.where(spread > 0, spread, 1.0)


def standardize(X: np.ndarray, axis: int = 0) -> np.ndarray:
    """X with mean 0 and standard deviation 1 along the axis; what does not vary becomes 0."""
    std = X.std(axis=axis, keepdims=True)
    return center(X, axis) / np.where(std > 0, std, 1.0)


def check_gradients(
    fn: Callable[[np.ndarray], np.ndarray],
    grad: np.ndarray,
    x: np.ndarray,
    dLdf: np.ndarray | float,
    h: float = 1e-6,
) -> float:
    """How far a gradient is from differences: ‖numeric − grad‖ / ‖numeric + grad‖.

    Parameters
    ----------
    fn : callable
        x -> an array.
    grad : array of x's shape
        The gradient to check: of L with respect to x.
    x : array
        Where to check; it is left as it was.
    dLdf : array of the shape of fn(x)
        The gradient of L with respect to fn(x).
    h : float
        How far each number is moved, up and down.
    """
    x = np.array(x, dtype=float)
    numeric = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + h
        above = np.array(fn(x))  # a copy: fn may return x itself
        x[index] = kept - h
        below = np.array(fn(x))
        x[index] = kept
        numeric[index] = np.sum((above - below) * dLdf) / (2 * h)
    size = np.linalg.norm(numeric + grad)
    return float(np.linalg.norm(numeric - grad) / size) if size > 0 else 0.0


def padding(pad: str | int | tuple[int, int], kernel_shape: tuple[int, int]) -> tuple[int, int]:
    """Rows of zeros above and below, columns of zeros left and right.

    "same" is (k − 1) // 2 whatever the stride, "valid" is 0, a number p is p in both directions.
    """
    if isinstance(pad, tuple):
        return pad
    if pad == "same":
        return (kernel_shape[0] - 1) // 2, (kernel_shape[1] - 1) // 2
    if pad == "valid":
        return 0, 0
    if isinstance(pad, int | np.integer) and pad >= 0:
        return int(pad), int(pad)
    raise ValueError(f"pad is 'same', 'valid' or a whole number from 0 on, not {pad!r}.")


def pad2d(
    X: np.ndarray, pad: str | int | tuple[int, int], kernel_shape: tuple[int, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Images (m, H, W, C) with a frame of zeros, (m, H + 2p, W + 2q, C), and the frame (p, q)."""
    p, q = padding(pad, kernel_shape)
    return np.pad(X, ((0, 0), (p, p), (q, q), (0, 0))), (p, q)


def im2col(
    X: np.ndarray, kernel_shape: tuple[int, int], stride: int, pad: str | int | tuple[int, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Every window of the images (m, H, W, C) as a column, (kh·kw·C, m·OH·OW), and the padding (p, q)."""
    X_pad, p = pad2d(X, pad, kernel_shape)
    windows = np.lib.stride_tricks.sliding_window_view(X_pad, kernel_shape, axis=(1, 2))
    windows = windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)  # (m, OH, OW, kh, kw, C)
    return windows.reshape(prod(windows.shape[:3]), -1).T, p


def col2im(
    X_col: np.ndarray,
    X_shape: tuple[int, int, int, int],
    kernel_shape: tuple[int, int],
    stride: int,
    pad: str | int | tuple[int, int],
) -> np.ndarray:
    """The way back: columns (kh·kw·C, m·OH·OW) added up in images (m, H, W, C) where their windows lie."""
    m, height, width, channels = X_shape
    (kh, kw), (p, q) = kernel_shape, padding(pad, kernel_shape)
    rows, cols = (height + 2 * p - kh) // stride + 1, (width + 2 * q - kw) // stride + 1
    windows = X_col.T.reshape(m, rows, cols, kh, kw, channels)
    X_pad = np.zeros((m, height + 2 * p, width + 2 * q, channels))
    for i in range(kh):
        for j in range(kw):
            X_pad[:, i : i + stride * rows : stride, j : j + stride * cols : stride] += windows[:, :, :, i, j]
    return X_pad[:, p : p + height, q : q + width]
