"""The check of layers and whole networks, in float64, with dropout's masks held."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.arrays import Array, Shape
from clearprop.errors import DataError
from clearprop.gradcheck.check import finish
from clearprop.gradcheck.engine import Effort, check_arrays
from clearprop.gradcheck.report import GradientEntry, GradientReport
from clearprop.layers import Layer
from clearprop.losses import Loss, make_loss
from clearprop.model import Sequential

Head = Callable[
    [Array], tuple[Array, Callable[[Array], Array]]
]  # scores -> output, (its gradient -> dscores)


def check_gradients(
    model: Sequential,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    loss: str | dict[str, Any] | Loss = "softmax_cross_entropy",
    *,
    seed: int = 0,
    coordinates: int = 64,
    directions: int = 3,
    tolerance: float = 1e-7,
    raise_on_failure: bool = True,
) -> GradientReport:
    """Check all gradients of a network and its loss: every parameter's, and the input's.

    The check runs on a float64 copy in training mode, with dropout's masks drawn once; the model is left as
    it is. Each example's loss gets a random weight. A few rows of x suffice, and are faster.

    Parameters
    ----------
    model : Sequential
    x : array of shape (N, *input_shape)
    y : array
        Labels or targets, as `fit` takes them.
    loss : str, dict or Loss
    seed, coordinates, directions, tolerance, raise_on_failure
        As in `check_function`.

    Returns
    -------
    GradientReport
        Prints as a table; its note names the layer to look at.

    Raises
    ------
    GradientError
        If a gradient is wrong; the message names the culprit and has the table.

    Examples
    --------
    >>> import clearprop as cp
    >>> model = cp.Sequential([cp.Dense(5, activation="tanh"), cp.Dense(3)], input_shape=(4,), seed=0)
    >>> x = np.random.default_rng(0).normal(size=(6, 4))
    >>> report = check_gradients(model, x, [0, 1, 2, 0, 1, 2])
    >>> report.ok, [entry.name for entry in report.entries]
    (True, ['x', '0.w', '0.b', '2.w', '2.b'])
    """
    twin = model.astype("float64")
    rows = _as_batch("check_gradients", x)
    chosen = make_loss(loss)
    targets = chosen.prepare(y, len(rows), model.output_shape, twin.dtype, "check_gradients")

    def head(scores: Array) -> tuple[Array, Callable[[Array], Array]]:
        losses, dscores = chosen(scores, targets)
        return losses, lambda dlosses: dscores * dlosses.reshape(-1, *[1] * (dscores.ndim - 1))

    title = f"{type(model).__name__}, {len(model.layers)} layers, {chosen.name}"
    effort = Effort(seed, coordinates, directions, tolerance)
    return finish(_check_model(title, twin, rows, head, effort), raise_on_failure)


def check_layer(
    layers: Layer | Sequence[Layer],
    input_shape: Shape,
    *,
    x: npt.ArrayLike | None = None,
    batch_size: int = 5,
    seed: int = 0,
    coordinates: int = 64,
    directions: int = 3,
    tolerance: float = 1e-7,
    raise_on_failure: bool = True,
) -> GradientReport:
    """Check a layer, or a stack of them, with random parameters and a random upstream gradient.

    Parameters
    ----------
    layers : Layer or sequence of Layer
    input_shape : tuple of int
        One example's shape, without the batch axis.
    x : array of shape (N, *input_shape), optional
        By default `batch_size` rows from a normal distribution.
    batch_size : int
    seed, coordinates, directions, tolerance, raise_on_failure
        As in `check_function`.

    Examples
    --------
    >>> import clearprop as cp
    >>> check_layer(cp.Dense(3, activation="gelu"), (4,)).ok
    True
    """
    stack = [layers] if isinstance(layers, Layer) else list(layers)
    model = Sequential(stack, input_shape, seed=seed, dtype="float64")
    rng = np.random.default_rng(seed)
    model.params += 0.1 * rng.standard_normal(model.params.shape)  # biases away from zero
    rows = _as_batch("check_layer", rng.standard_normal((batch_size, *input_shape)) if x is None else x)
    effort = Effort(seed, coordinates, directions, tolerance)
    report = _check_model(", ".join(map(repr, stack)), model, rows, lambda y: (y, lambda dy: dy), effort)
    return finish(report, raise_on_failure)


def _as_batch(who: str, x: npt.ArrayLike) -> Array:
    """x as a batch of its own: float64, unless it holds integers."""
    rows = np.array(x, order="C")
    if rows.ndim == 0 or len(rows) == 0:
        raise DataError(
            f"{who}: expected a batch x of shape (N, …) with at least one row, got shape {rows.shape}."
        )
    return rows.astype(np.float64) if rows.dtype.kind == "f" else rows


def _check_model(title: str, model: Sequential, x: Array, head: Head, effort: Effort) -> GradientReport:
    """Check a float64 model that may be written to, with a function on top of its scores."""
    noise = model.draw_noise(len(x))
    arrays = ({"x": x} if x.dtype == np.float64 else {}) | model.named_params()

    def f() -> Array:
        return head(model.forward(x, training=True, noise=noise)[0])[0]

    def backward(dy: Array) -> dict[str, Any]:
        scores, caches = model.forward(x, training=True, noise=noise)
        model.grads.fill(np.nan)  # backward writes: what it leaves out shows
        dx = model.backward(head(scores)[1](dy), caches, need_dx=True)
        return {"x": dx} | model.named_grads()

    scores, _ = model.forward(x, training=True, noise=noise)
    largest = np.abs(scores).max(axis=tuple(range(1, scores.ndim)))  # a loss is a difference of scores
    size = largest if f().shape == largest.shape else 0.0
    report = check_arrays(title, f, backward, arrays, effort, size)
    return replace(report, note=_culprit(report.entries, model) or report.note)


def _culprit(entries: tuple[GradientEntry, ...], model: Sequential) -> str:
    """Which backward to look at: gradients flow down from the loss, so the topmost failure comes first."""
    wrong = [entry.name for entry in entries if entry.verdict == "wrong"]
    if not wrong or len(entries) == 1:
        return ""
    layer_of = {entry.name: int(entry.name.partition(".")[0]) for entry in entries if entry.name != "x"}
    holders, last = sorted(set(layer_of.values())), len(model.layers) - 1
    if wrong == ["x"]:
        return f"Only dx is wrong: look at the backward of {_span(model, 0, min(holders, default=last))}."
    top = max(layer_of[name] for name in wrong if name != "x")
    own = [name for name, layer in layer_of.items() if layer == top]
    if all(layer_of.get(name) == top for name in wrong) and len(entries) > len(own):
        return f"Only {' and '.join(wrong)} wrong: look at what {_span(model, top, top)} writes."
    if any(name not in wrong for name in own):
        return f"Nothing above layer {top} is wrong: look at what {_span(model, top, top)} writes first."
    above = min((i for i in holders if i > top), default=None)
    if above is None:
        rest = f", or {_span(model, top + 1, last)}" if top < last else ""
        return f"All is wrong from layer {top} down: look at the loss's gradient{rest}."
    return (
        f"Right above layer {top}, wrong from there down: look at the dx of {_span(model, top + 1, above)}."
    )


def _span(model: Sequential, low: int, high: int) -> str:
    return " or ".join(f"layer {i}, {model.layers[i]!r}" for i in range(low, high + 1))
