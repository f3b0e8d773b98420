"""Helpers: one-hot labels, scaling, the gradient check, and images as columns of windows."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from clearprop.arrays import Array, Shape, check_shape
from clearprop.errors import ConfigError, DataError
from clearprop.kernels.windows import outputs, taps, windows
from clearprop.kernels.windows import pad as framed

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]  # top, bottom, left, right


class AttrDict(dict[str, Any]):
    """A dictionary whose entries are attributes, too.

    >>> args = AttrDict({"lr": 0.1})
    >>> args.momentum = 0.9
    >>> args.lr, args["momentum"]
    (0.1, 0.9)
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"AttrDict: there is no entry {name!r}.") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(f"AttrDict: there is no entry {name!r}.") from None


def integers_to_one_hot(integer_vector: ArrayLike, max_val: int | None = None) -> Array:
    """Labels (n,) as rows (n, max_val + 1) with a 1 in the label's column; max_val is by default the largest label.

    >>> integers_to_one_hot([2, 0])
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    labels = np.asarray(integer_vector).reshape(-1)
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        labels = labels.astype(np.intp)
    largest = int(labels.max(initial=-1)) if max_val is None and labels.dtype.kind in "iu" else max_val
    if labels.dtype.kind not in "iu" or largest is None or ((labels < 0) | (labels > largest)).any():
        raise DataError(
            f"integers_to_one_hot: expected whole numbers from 0 to {'…' if largest is None else largest}, got "
            f"{labels[:5]}. Number the classes from 0, and let max_val be the last one."
        )
    one_hot = np.zeros((len(labels), largest + 1))
    one_hot[np.arange(len(labels)), labels] = 1
    return one_hot


def center(X: Array, axis: int = 0) -> Array:
    """X with mean 0 along the axis."""
    return np.asarray(X - X.mean(axis=axis, keepdims=True))


def normalize(X: Array, axis: int = 0) -> Array:
    """X between 0 and 1 along the axis; what is constant becomes 0."""
    low = X.min(axis=axis, keepdims=True)
    return np.asarray((X - low) / _or_one(X.max(axis=axis, keepdims=True) - low))


def standardize(X: Array, axis: int = 0) -> Array:
    """X with mean 0 and standard deviation 1 along the axis; what is constant becomes 0."""
    return np.asarray(center(X, axis) / _or_one(X.std(axis=axis, keepdims=True)))


def _or_one(spread: Array) -> Array:
    return np.where(spread > 0, spread, 1)


def check_gradients(
    fn: Callable[[Array], Any], grad: ArrayLike, x: ArrayLike, dLdf: ArrayLike, h: float = 1e-6
) -> float:
    """The relative error of a gradient: ‖numeric − grad‖ / ‖numeric + grad‖, 0 if both are 0.

    Parameters
    ----------
    fn : callable
        fn(x) -> array of any shape, or a number.
    grad : array of x's shape
        What is checked: the gradient of Σ dLdf ⊙ fn(x).
    x : array
        Where; it is not changed.
    dLdf : array of fn(x)'s shape, or a number
        The upstream gradient.
    h : float
        The step of the central differences.

    Examples
    --------
    >>> x = np.array([1.0, -2.0])
    >>> check_gradients(lambda x: x * x, 2 * x, x, np.ones(2)) < 1e-8
    True
    """
    at, grad = np.array(x, np.float64), np.asarray(grad)
    check_shape("check_gradients", "grad", grad.shape, at.shape, "A gradient has the shape of its x.")
    numeric = np.empty_like(at)
    for index in np.ndindex(at.shape):
        kept = at[index]
        at[index] = kept + h
        above = np.array(fn(at))  # a copy: fn may give x itself
        at[index] = kept - h
        below = np.array(fn(at))
        at[index] = kept
        numeric[index] = ((above - below) * dLdf).sum() / (2 * h)
    size = float(np.linalg.norm(numeric + grad))
    error = float(np.linalg.norm(numeric - grad))
    return error / size if size else error


def pads_of(pad: str | int | Pair | Pads, kernel_shape: Pair) -> Pads:
    """Rows and columns of zeros on each side: top, bottom, left, right.

    "same" is (kernel − 1) // 2 on both sides, whatever the stride; "valid" is none; p is p everywhere. A pair is so
    many rows and columns on both sides; four numbers, as this gives them, are taken as they are.

    Raises
    ------
    ConfigError
        A ValueError, for anything else.
    """
    if isinstance(pad, tuple):
        return pad if len(pad) == 4 else (pad[0], pad[0], pad[1], pad[1])
    if isinstance(pad, str) and pad in ("same", "valid"):
        rows, columns = ((k - 1) // 2 if pad == "same" else 0 for k in kernel_shape)
        return rows, rows, columns, columns
    if isinstance(pad, int | np.integer) and pad >= 0:
        return int(pad), int(pad), int(pad), int(pad)
    raise ConfigError(f"pad: expected 'same', 'valid' or a whole number >= 0, got {pad!r}.")


def pad2d(X: Array, pad: str | int | Pair | Pads, kernel_shape: Pair = (1, 1)) -> tuple[Array, Pads]:
    """X (m, H, W, C) in a frame of zeros, and the frame: top, bottom, left, right.

    >>> X, p = pad2d(np.ones((1, 4, 4, 2)), "same", (3, 5))
    >>> X.shape, p
    ((1, 6, 8, 2), (1, 1, 2, 2))
    """
    top, bottom, left, right = p = pads_of(pad, kernel_shape)
    return framed(X, ((top, bottom), (left, right))), p


def im2col(X: Array, kernel_shape: Pair, stride: int, pad: str | int | Pair | Pads) -> tuple[Array, Pads]:
    """The windows of X (m, H, W, C) as columns, (kh·kw·C, m·OH·OW), and the frame of zeros that was put around X.

    A column goes through its window row by row, with the channels last, as W (kh, kw, C, n) does; the columns
    through the images, and in an image row by row.

    >>> im2col(np.arange(9.0).reshape(1, 3, 3, 1), (2, 2), 1, "valid")[0]
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    """
    X_pad, p = pad2d(X, pad, kernel_shape)
    every = windows(X_pad, kernel_shape, (stride, stride), (1, 1))  # (m, OH, OW, kh, kw, C)
    return every.reshape(prod(every.shape[:3]), -1).T, p


def col2im(
    X_col: Array, X_shape: Shape, kernel_shape: Pair, stride: int, pad: str | int | Pair | Pads
) -> Array:
    """Columns as `im2col` makes them, added up where their windows had lain: (m, H, W, C).

    >>> ones, p = im2col(np.ones((1, 3, 3, 1)), (2, 2), 1, "valid")
    >>> col2im(ones, (1, 3, 3, 1), (2, 2), 1, p)[0, :, :, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    top, bottom, left, right = pads_of(pad, kernel_shape)
    m, height, width, channels = X_shape
    size, strides = (height + top + bottom, width + left + right), (stride, stride)
    X_pad = np.zeros((m, *size, channels), X_col.dtype)
    every = X_col.T.reshape(m, *outputs(size, kernel_shape, strides, (1, 1)), *kernel_shape, channels)
    for i, j, place in taps(X_pad, kernel_shape, strides, (1, 1)):
        place += every[:, :, :, i, j]
    return X_pad[:, top : top + height, left : left + width]
