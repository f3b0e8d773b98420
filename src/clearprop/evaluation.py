"""evaluate: a network's loss and metric on a set; and what every set must be before it is used."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape, check_finite, check_shape
from clearprop.batches import Examples, Rows, take
from clearprop.errors import ConfigError, DataError
from clearprop.feed import Feed
from clearprop.layers import Activation
from clearprop.losses import Loss, check_length, make_loss
from clearprop.model import ROWS_AT_ONCE, Sequential
from clearprop.ranks import ALONE, Ranks
from clearprop.sources import ArrayRows, RowSource, as_source


def evaluate(
    model: Sequential, x: Any, y: Any, loss: "str | Mapping[str, Any] | Loss", comm: Any = None
) -> dict[str, float]:
    """The mean loss over a set, and its accuracy (mean squared error where numbers are predicted).

    Parameters
    ----------
    model : Sequential
    x : array of shape (N, *input_shape), or RowSource
    y : array or RowSource
        Labels (N,) or targets, as the loss wants them.
    loss : str, mapping or Loss
    comm : mpi4py.MPI.Comm, optional
        Each of its ranks evaluates a part of the rows, and all have the result.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> model = cp.Sequential([cp.Dense(2, init="zeros")], input_shape=(3,))
    >>> evaluate(model, np.ones((4, 3)), np.array([0, 0, 1, 0]), "softmax_cross_entropy")
    {'loss': 0.6931471824645996, 'accuracy': 0.75}
    """
    ranks = Ranks(comm)
    with ranks.together():
        loss = make_loss(loss)
        x, y = prepare_set(model, loss, x, y, "evaluate")
        return evaluate_set(model, x, y, loss, ranks)


def evaluate_set(
    model: Sequential, x: Examples, y: Examples, loss: Loss, ranks: Ranks = ALONE
) -> dict[str, float]:
    """`evaluate` for a prepared set, some rows at a time, each rank its own part of them."""
    own = ranks.part(len(x))
    sums = np.zeros(2)
    for first in range(own.start, own.stop, ROWS_AT_ONCE):
        rows = slice(first, min(first + ROWS_AT_ONCE, own.stop))
        scores, targets = model.scores(take(x, rows)), take(y, rows)
        sums += float(loss(scores, targets)[0].sum()), loss.measure(scores, targets)
    total, right = ranks.total(sums).tolist()
    return {"loss": total / len(x), loss.metric: right / len(x)}


def prepare_set(model: Sequential, loss: Loss, x: Any, y: Any, who: str) -> tuple[Examples, Examples]:
    """x and y as the loop takes them, or a sentence.

    Where x is not in memory, its numbers are looked at as they are read; everything else, all of y included, before.
    """
    if (source := as_source(x)) is None:
        return prepare_arrays(model, loss, x, y, who)
    _check_head(model, loss, who)
    _check_rows(model, source.shape, source.dtype, who)
    targets = as_source(y) or ArrayRows(np.asarray(y))
    check_length(targets.shape, len(source), who)

    def prepare(rows: Array, first: int) -> Array:
        return loss.prepare(rows, len(rows), model.output_shape, model.dtype, who, first)

    for first, rows in targets.blocks():
        prepare(rows, first)
    return Feed(source, lambda rows, first: _cast(model, rows, who, first)), Feed(targets, prepare)


def prepare_arrays(model: Sequential, loss: Loss, x: Any, y: Any, who: str) -> tuple[Array, Array]:
    """`prepare_set` for what is in memory."""
    _check_head(model, loss, who)
    try:
        x = np.asarray(x)
    except ValueError as error:
        raise DataError(
            f"{who}: expected x to be rows of one length ({error}). One row is one example; "
            "for sequences of different lengths there is clearprop.data.pad_sequences."
        ) from None
    _check_rows(model, x.shape, x.dtype, who)
    if isinstance(y, RowSource):
        y = y.read(0, len(y))
    return _cast(model, x, who), loss.prepare(y, len(x), model.output_shape, model.dtype, who)


def prepare_weights(
    who: str, given: Any, n: int, dtype: np.dtype[Any], kept: Rows = slice(None)
) -> Array | None:
    """The weights of n examples, scaled so that those kept have a mean of 1, or a sentence."""
    if given is None:
        return None
    try:
        weights = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{who}: expected sample_weights to be numbers, one for each row of x ({error})."
        ) from None
    check_shape(who, "sample_weights", weights.shape, (n,), "One weight for each row of x.")
    weights = weights[kept]
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise DataError(
            f"{who}: expected sample_weights >= 0, not all 0, got others. Leave out rows by a weight of 0."
        )
    scaled: Array = (weights / weights.mean()).astype(dtype)
    return scaled


def _check_rows(model: Sequential, shape: Shape, dtype: np.dtype[Any], who: str) -> None:
    if dtype.kind not in "biuf":
        raise DataError(
            f"{who}: expected x to hold numbers, got {dtype}. Encode text columns as numbers first."
        )
    if not shape or shape[0] == 0:
        raise DataError(f"{who}: expected at least one example, got x of shape {shape}.")
    if shape[1:] != model.input_shape:
        model.refuse(shape, who)


def _cast(model: Sequential, x: Array, who: str, first: int = 0) -> Array:
    """x in the network's dtype, all of it finite; `first` is the number of its first row."""
    check_finite(who, "x", x, first)
    if x.dtype != model.dtype:
        with np.errstate(over="ignore"):  # what the dtype cannot hold becomes infinite, and is refused
            x = x.astype(model.dtype)
        check_finite(f"{who}, as {model.dtype}", "x", x, first)
    model.layers[0].check_input(x, f"{who}, layer 0, {model.layers[0]}", first)
    return x


def _check_head(model: Sequential, loss: Loss, who: str) -> None:
    """A loss that contains the softmax or sigmoid wants scores; cross_entropy wants what a softmax gives."""
    last = model.layers[-1]
    name = last.name if isinstance(last, Activation) else ""
    if loss.link in ("softmax", "sigmoid") and name in ("softmax", "log_softmax", "sigmoid"):
        raise ConfigError(
            f"{who}: {loss.name} contains the {loss.link}, and the network ends with {last}, too. "
            "Leave that layer out" + (", or take the loss cross_entropy." if name == "softmax" else ".")
        )
    if loss.link == "probs" and name != "softmax":
        raise ConfigError(
            f"{who}: {loss.name} wants probabilities, and the network ends with {last}. "
            'End it with Activation("softmax"), or take the loss softmax_cross_entropy.'
        )
