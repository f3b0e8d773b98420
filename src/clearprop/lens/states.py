"""What comes out of a layer in the middle of a network, for examples that are checked at the door."""

from typing import Any

import numpy as np

from clearprop.arrays import Array, check_finite
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
