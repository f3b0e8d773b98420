"""What comes out of a layer in the middle of a network, for examples that are checked at the door."""

from typing import Any

import numpy as np

from clearprop.arrays import Array, check_finite, check_shape
from clearprop.batches import epoch_rows
from clearprop.errors import ConfigError, DataError
from clearprop.model import ROWS_AT_ONCE, Sequential
from clearprop.names import check_count


def as_batch(model: Sequential, x: Any, who: str) -> Array:
    """x (N, *input_shape) in the network's dtype, or a sentence; one example alone becomes a batch of one."""
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise DataError(f"{who}: expected x to hold numbers, got {x.dtype}. Encode text as numbers first.")
    if x.shape == model.input_shape:
        x = x[None]
    if x.shape[1:] != model.input_shape:
        model.refuse(x.shape, who)
    check_finite(who, "x", x)
    cast: Array = x.astype(model.dtype, copy=False)
    return cast


def as_labels(y: Any, n: int, who: str, remedy: str) -> Array:
    """y as whole numbers (N,), in the forms in which training takes labels: (N,) or (N, 1), whole floats, too."""
    y = np.asarray(y)
    if y.shape == (n, 1):
        y = y[:, 0]
    check_shape(who, "y", y.shape, (n,), "One label for each row of x; of one-hot rows, y.argmax(axis=1).")
    if y.dtype.kind not in "biuf" or not (np.isfinite(y) & (y == np.round(y))).all():
        raise DataError(f"{who}: expected y to be labels, whole numbers, got {_first_odd(y)}. {remedy}")
    labels: Array = y.astype(np.intp)
    return labels


def _first_odd(y: Array) -> str:
    """The first that is no label, or what kind all of them are."""
    if y.dtype.kind != "f":
        return str(y.dtype)
    row = int(np.argmax(~np.isfinite(y) | (y != np.round(y))))
    return f"{y[row]} in row {row}"


def layer_number(model: Sequential, layer: int, who: str) -> int:
    """The layer's index from the front; −1 is the last one."""
    n = len(model.layers)
    number = check_count(who, "layer", layer, least=-n)
    if number >= n:
        raise ConfigError(
            f"{who}: expected layer to be one of 0 to {n - 1}, got {layer}. `print(model.summary())` numbers them."
        )
    return number % n


def layer_output(model: Sequential, x: Any, layer: int) -> Array:
    """What a layer gives for x, in prediction: dropout drops nothing, batch norm uses its running statistics.

    Parameters
    ----------
    model : Sequential
    x : array of shape (N, *input_shape), or one example
    layer : int
        As the summary numbers them, after expansion; −1 is the last one, whose output is the scores.

    Returns
    -------
    array of shape (N, …)

    Raises
    ------
    ShapeError, DataError, ConfigError
        If x does not fit, or there is no such layer.

    Examples
    --------
    >>> import clearprop as cp
    >>> model = cp.Sequential([cp.Dense(5, activation="relu"), cp.Dense(3)], input_shape=(4,))
    >>> layer_output(model, np.ones((2, 4)), 1).shape
    (2, 5)
    """
    x = as_batch(model, x, "layer_output")
    number = layer_number(model, layer, "layer_output")
    y = np.empty((len(x), *model.shapes[number + 1]), model.dtype)
    for rows in epoch_rows(len(x), ROWS_AT_ONCE):
        h = x[rows]
        for each in model.layers[: number + 1]:
            h, _ = each.forward(h)
        y[rows] = h
    return y
