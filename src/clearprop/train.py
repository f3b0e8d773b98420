"""fit: the way into training, where everything that can be refused is refused; loop.py does the rest."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from clearprop.batches import Examples, Rows
from clearprop.callbacks import Callback
from clearprop.errors import ConfigError, DataError
from clearprop.evaluation import prepare_set, prepare_weights
from clearprop.feed import Feed
from clearprop.history import History
from clearprop.loop import Settings, Training
from clearprop.losses import Loss, make_loss
from clearprop.messages.calls import in_a_sentence
from clearprop.model import Sequential
from clearprop.names import check_count, shown
from clearprop.optim import make_optimizer
from clearprop.optimizer import Optimizer
from clearprop.ranks import Ranks
from clearprop.schedules import ReduceOnPlateau
from clearprop.sources import ArrayRows
from clearprop.work import choose_work

Data = tuple[Any, Any]


@in_a_sentence
def fit(
    model: Sequential,
    x: Any,
    y: Any,
    *,
    loss: "str | Mapping[str, Any] | Loss" = "softmax_cross_entropy",
    optimizer: "str | Mapping[str, Any] | Optimizer" = "sgd",
    epochs: int = 1,
    batch_size: int = 32,
    validation: "Data | float | None" = None,
    watch: Mapping[str, Data] | None = None,
    evaluate_every: int | None = None,
    sample_weights: Any = None,
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    shuffle: bool = True,
    drop_last: bool = False,
    callbacks: Sequence[Callback] = (),
    seed: int = 0,
    workers: int | None = None,
    blas_threads: int | None = None,
    shard_size: int | None = None,
    resume: Mapping[str, Any] | None = None,
    comm: Any = None,
) -> History:
    """Train a network by mini-batches; it is changed in place.

    Parameters
    ----------
    model : Sequential
    x : array of shape (N, *input_shape), or RowSource
        Cast once to the model's dtype. What `open_rows` gives and memory-mapped arrays stay on the disk; they are
        read, checked and cast a window at a time.
    y : array or RowSource
        Labels (N,) or targets, as the loss wants them.
    loss : str, mapping or Loss
        A name, {"name": …, settings…}, or what `make_loss` gives.
    optimizer : str, mapping or Optimizer
        Its learning rate may be a schedule.
    epochs, batch_size : int
    validation : (x, y) or float, optional
        A set to evaluate after each epoch; a number is the share of the rows to hold out, drawn by the seed. Of rows
        that are not in memory they are the last ones.
    watch : mapping of str to (x, y), optional
        More sets to evaluate, by name.
    evaluate_every : int, optional
        Evaluate those sets every so many steps, too (`history.watched`).
    sample_weights : array of shape (N,), optional
        Scaled to a mean of 1, so that the learning rate keeps its meaning. Held in memory.
    l1, l2 : float
        Penalties l1 Σ|w| and ½ l2 Σw² on weights, not on biases. The reported loss is without them.
    clip_norm, clip_value : float, optional
        The largest L2 norm of the whole gradient; the largest size of each of its numbers.
    shuffle, drop_last : bool
        Whether each epoch has an order of its own, for rows that are not in memory one within windows (see
        `window_order`); whether a short last batch is left out.
    callbacks : sequence of Callback
    seed : int
        Seeds the shuffling and the held-out share.
    workers, blas_threads : int, optional
        Threads that share every mini-batch, each with a replica of the network; and the threads of each one's
        matrix products. By default both follow the work in a step; if one is given, the other is 1.
    shard_size : int, optional
        How many examples a worker takes at a time. By default, where convolutions do most of the work, as many as
        the cache holds; else the worker's whole part of the mini-batch.
    resume : mapping, optional
        A `Training.state()` of the same call, to continue from.
    comm : mpi4py.MPI.Comm, optional
        Share out every mini-batch over the ranks of this communicator. All of them make the same call with the same
        data; each takes its own part, and all end with the same network: the one that a single process would have,
        up to rounding. An error on one rank ends the job.

    Returns
    -------
    History

    Raises
    ------
    ShapeError, DataError, ConfigError
        If x, y or a setting does not fit; nothing has been changed then. But what is not finite in an x that is not
        in memory is only found, and refused, when it is read.
    DivergedError
        If the loss becomes NaN or infinite: the step that would have followed is not taken. Or if the last step of
        all has made a parameter NaN or infinite.

    Notes
    -----
    Ctrl-C ends training after the current step, with the network as it stands; a second one interrupts at once.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]); y = np.array([0, 1, 1, 0])
    >>> model = cp.Sequential([cp.Dense(8, activation="tanh"), cp.Dense(2)], input_shape=(2,), seed=0)
    >>> history = fit(model, x, y, optimizer=cp.SGD(lr=0.5, momentum=0.9), epochs=100, batch_size=4)
    >>> model.predict(x)
    array([0, 1, 1, 0])
    """
    ranks = Ranks(comm)
    with ranks.together():
        with ranks.agreeing():
            batch_size = check_count("fit", "batch_size", batch_size)
            _check_callbacks(callbacks)
            loss = make_loss(loss)
            x, y = prepare_set(model, loss, x, y, "fit")
            sets = {name: _set(model, loss, data, f"fit, {name}") for name, data in (watch or {}).items()}
            kept: Rows = slice(None)
            if isinstance(validation, int | float | np.floating):
                held, kept = _held_out(float(validation), x, seed)
                sets = {"validation": (x[held], y[held]), **sets}
            elif validation is not None:
                if "validation" in sets:
                    raise ConfigError(
                        "fit: expected one set named validation, got validation= and watch's. Rename that one."
                    )
                sets = {"validation": _set(model, loss, validation, "fit, validation"), **sets}
            weights = _weights(sample_weights, x, kept, model.dtype)
            x, y = x[kept], y[kept]
            _check_last_batch(model, len(x), batch_size, drop_last)
            _check_statistics(model, ranks)
            work = choose_work(
                model.layers, model.shapes, model.dtype.itemsize, -(-min(batch_size, len(x)) // ranks.size)
            )
            if workers is not None or blas_threads is not None:
                work = work._replace(
                    workers=1 if workers is None else workers,
                    blas_threads=1 if blas_threads is None else blas_threads,
                )
            settings = Settings(
                epochs=epochs, batch_size=batch_size, evaluate_every=evaluate_every, l1=l1, l2=l2, clip_norm=clip_norm,
                clip_value=clip_value, shuffle=shuffle, drop_last=drop_last, seed=seed, workers=work.workers,
                blas_threads=work.blas_threads, shard_size=work.shard_size if shard_size is None else shard_size,
            )  # fmt: skip
            optimizer = make_optimizer(optimizer)
            _check_plateau(optimizer, loss)
            training = Training(model, loss, optimizer, x, y, weights, sets, callbacks, settings, ranks)
        return training.run(resume)


def _check_last_batch(model: Sequential, n: int, batch_size: int, drop_last: bool) -> None:
    """Refuse a mini-batch of one row where a layer wants the statistics of several."""
    short = min(batch_size, n) if n < batch_size or n % batch_size == 0 or drop_last else n % batch_size
    if short > 1:
        return
    for i, (layer, shape) in enumerate(zip(model.layers, model.shapes, strict=False)):
        for leaf, at in layer.leaves(shape):
            if leaf.over_batch and prod(at[:-1]) == 1:
                raise DataError(
                    f"fit, layer {i}, {layer}: expected at least 2 rows in each mini-batch, to have a variance, "
                    f"got 1 in the last one of {n} rows by {batch_size}. Pass drop_last=True, or another batch_size."
                )


def _check_statistics(model: Sequential, ranks: Ranks) -> None:
    """Refuse running statistics that would be each rank's own."""
    for i, (layer, shape) in enumerate(zip(model.layers, model.shapes, strict=False)):
        for leaf, at in layer.leaves(shape):
            if ranks.size > 1 and leaf.buffer_shapes(at) and not leaf.over_batch:
                raise ConfigError(
                    f"fit, layer {i}, {layer}: expected statistics over the whole mini-batch on several ranks, got "
                    "each one's own, which would make their networks differ. Leave shared=False out."
                )


def _set(model: Sequential, loss: Loss, data: Any, who: str) -> tuple[Examples, Examples]:
    if not isinstance(data, tuple | list) or len(data) != 2:
        of = f" of {len(data)}" if isinstance(data, tuple | list) else ""
        raise ConfigError(
            f"{who}: expected a pair of arrays (x, y), got {type(data).__name__}{of}. Pass (x_val, y_val)."
        )
    return prepare_set(model, loss, data[0], data[1], who)


def _weights(given: Any, x: Examples, kept: Rows, dtype: np.dtype[Any]) -> Examples | None:
    scaled = prepare_weights("fit", given, len(x), dtype, kept)
    if scaled is None or not isinstance(x, Feed):
        return scaled
    return Feed(ArrayRows(scaled), lambda rows, first: rows)


def _held_out(share: float, x: Examples, seed: int) -> tuple[Rows, Rows]:
    """Rows held out for validation, and those kept, both in their old order; of x not in memory the last ones."""
    n = len(x)
    held = round(share * n)
    if not 0 < held < n:
        raise ConfigError(
            f"fit: expected validation to hold out some of the {n} rows, not none or all; got {share}."
        )
    if isinstance(x, Feed):
        return slice(n - held, n), slice(0, n - held)
    order = np.random.default_rng([seed, 1]).permutation(n)
    return np.sort(order[:held]), np.sort(order[held:])


def _check_callbacks(callbacks: Any) -> None:
    if not isinstance(callbacks, Sequence) or not all(isinstance(c, Callback) for c in callbacks):
        raise ConfigError(
            f"fit: expected callbacks to be a list of Callback objects, such as [BestWeights()], got "
            f"{shown(callbacks)}."
        )


def _check_plateau(optimizer: Optimizer, loss: Loss) -> None:
    schedule = optimizer.schedule
    if isinstance(schedule, ReduceOnPlateau) and schedule.mode == "max" and loss.metric != "accuracy":
        raise ConfigError(
            f"fit: ReduceOnPlateau(mode='max') watches the accuracy, and {loss.name} has the {loss.metric}, which "
            "should fall. Take mode='min', which watches the loss."
        )
