"""Loss: a loss kernel together with the targets that it wants and the way from scores to predictions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from math import prod
from typing import Any, Literal

import numpy as np

from clearprop.arrays import Array, Shape, check_finite, check_shape, shape_text
from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.kernels import losses as k
from clearprop.kernels.activations import sigmoid_forward, softmax_forward
from clearprop.layers import remedies
from clearprop.messages.calls import in_a_sentence
from clearprop.messages.shapes import pictured
from clearprop.names import check_count, check_number, named, unknown

Targets = Literal["labels or rows", "labels", "shares", "numbers", "counts"]
Link = Literal["softmax", "sigmoid", "probs", "argmax", "identity", "exp"]
LossKernel = Callable[..., tuple[Array, Array]]

LOSSES: dict[str, tuple[LossKernel, Targets, Link]] = {
    "softmax_cross_entropy": (k.softmax_cross_entropy, "labels or rows", "softmax"),
    "sigmoid_cross_entropy": (k.sigmoid_cross_entropy, "shares", "sigmoid"),
    "cross_entropy": (k.cross_entropy, "labels or rows", "probs"),
    "hinge": (k.hinge, "labels", "argmax"),
    "squared_error": (k.squared_error, "numbers", "identity"),
    "absolute_error": (k.absolute_error, "numbers", "identity"),
    "huber": (k.huber, "numbers", "identity"),
    "poisson": (k.poisson, "counts", "exp"),
}


@dataclass(frozen=True)
class Loss:
    """`losses, dscores = loss(scores, y)`: each example's loss (N,), and its gradient in the scores' shape.

    A loss of labels takes scores (N, …, K) with a label at each place, too: at each step of a sequence, at each pixel.
    An example's loss is then the mean over its places.

    Made by `make_loss`. `targets` says what y may be, `link` how scores become probabilities and predictions,
    `settings` are the kernel's options.
    """

    name: str
    kernel: LossKernel
    targets: Targets
    link: Link
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, scores: Array, y: Array) -> tuple[Array, Array]:
        if scores.ndim <= 2 or self.targets not in ("labels", "labels or rows"):
            return self.kernel(scores, y)
        rows = y.reshape(-1, *y.shape[scores.ndim - 1 :])
        losses, dscores = self.kernel(scores.reshape(-1, scores.shape[-1]), rows)
        places = len(losses) // len(scores)
        return losses.reshape(-1, places).mean(axis=1), dscores.reshape(scores.shape) * (1 / places)

    @property
    def metric(self) -> str:
        """What to report beside the loss: 'accuracy', or 'mean_squared_error' where numbers are predicted."""
        return "mean_squared_error" if self.link in ("identity", "exp") else "accuracy"

    def spec(self) -> dict[str, Any]:
        """The loss as plain values, for a configuration file."""
        return {"name": self.name, **self.settings}

    def prepare(
        self, y: Any, n: int, output_shape: Shape, dtype: np.dtype[Any], who: str, first: int = 0
    ) -> Array:
        """y as the kernel takes it, for n examples whose scores have the shape (n, *output_shape).

        `first` is the number of y's first row, where y is a part of more.

        Raises
        ------
        ShapeError, DataError
            If y has another length or shape, holds labels outside 0..K−1, NaN, or rows where labels are wanted
            (and the reverse).
        """
        y = np.asarray(y)
        check_length(y.shape, n, who)
        if y.dtype.kind not in "biuf":
            raise DataError(
                f"{who}: expected y to hold numbers, got {y.dtype} ({str(y.flat[0])!r}, …). "
                "Turn class names into labels: names, y = np.unique(y, return_inverse=True)."
            )
        check_finite(who, "y", y, first)
        if self.targets in ("labels", "labels or rows"):
            return self._labels(y, output_shape, dtype, who, first)
        return self._rows(y, output_shape, dtype, who, first)

    def _labels(self, y: Array, output_shape: Shape, dtype: np.dtype[Any], who: str, first: int) -> Array:
        if len(output_shape) > 1:
            return self._places(y, output_shape, dtype, who, first)
        classes = output_shape[0]
        if (weights := self.settings.get("class_weights")) is not None:
            check_shape(who, "class_weights", np.shape(weights), (classes,), "One weight for each class.")
        if y.ndim == 2 and y.shape[1] == classes and classes > 1:
            if self.targets == "labels":
                error = DataError(
                    f"{who}: {self.name} wants labels of shape (N,), got rows of shape {shape_text(y.shape)}. "
                    "If they are one-hot, pass y.argmax(axis=1)."
                )
                raise pictured(error, ("wanted y", ("N",), ()), ("got y", y.shape, {1}))
            return _distributions(y.astype(dtype, copy=False), self.name, who, first)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        rows = "" if self.targets == "labels" else f" or rows of probabilities (N, {classes})"
        remedy = f"{self.name} takes labels (N,){rows}. {remedies.units_remedy(y, rows)}".rstrip()
        check_shape(who, "y", y.shape, ("N",), remedy)
        return _in_range(y, classes, who, first)

    def _places(self, y: Array, output_shape: Shape, dtype: np.dtype[Any], who: str, first: int) -> Array:
        """A label at each place of an example."""
        each = output_shape if self.targets != "labels" and y.ndim > len(output_shape) else output_shape[:-1]
        check_shape(
            who, "y", y.shape, ("N", *each),
            f"The network gives {shape_text(('N', *output_shape))}, so {self.name} takes a label at each place. For "
            "one label an example end the network with Flatten() and Dense(K), or leave return_sequences out.",
        )  # fmt: skip
        ends = y.reshape(-1, *y.shape[len(output_shape) :])
        who = f"{who}, all places end to end"
        return self._labels(ends, output_shape[-1:], dtype, who, first * prod(output_shape[:-1])).reshape(
            y.shape
        )

    def _rows(self, y: Array, output_shape: Shape, dtype: np.dtype[Any], who: str, first: int) -> Array:
        if y.ndim == 1 and output_shape == (1,):
            y = y[:, None]
        if y.ndim == len(output_shape) == 1:
            error = DataError(
                f"{who}: {self.name} wants targets of shape {shape_text(('N', *output_shape))}, got labels of shape "
                f"{shape_text(y.shape)}. {remedies.numbers_remedy(y, output_shape)}"
            )
            raise pictured(error, ("wanted y", ("N", *output_shape), {1}), ("got y", y.shape, ()))
        targets = f"Targets have the shape of the network's output. {remedies.numbers_remedy(y, output_shape)}".rstrip()
        check_shape(who, "y", y.shape, ("N", *output_shape), targets)
        low, high = {"shares": (0, 1), "counts": (0, np.inf)}.get(self.targets, (-np.inf, np.inf))
        if ((y < low) | (y > high)).any():
            row = int(np.argwhere((y < low) | (y > high))[0][0])
            raise DataError(
                f"{who}: {self.name} wants targets from {low} to {high}, got {y[row]} in row {first + row}. "
                f"{remedies.range_remedy(y, high)}"
            )
        return y.astype(dtype, copy=False)

    def measure(self, scores: Array, y: Array) -> float:
        """The metric's sum over the examples: how many are right, or the sum of their mean squared errors."""
        if self.link not in ("identity", "exp"):
            right = predict_from(self.link, scores) == _as_labels(self.link, y, scores.ndim)
            return int(np.count_nonzero(right)) * len(right) / int(right.size)
        error = predict_from(self.link, scores) - y
        return float((error * error).reshape(len(y), -1).mean(axis=1).sum())


def check_length(shape: Shape, n: int, who: str) -> None:
    """Refuse a y of another length than x."""
    if not shape or shape[0] != n:
        error = ShapeError(
            f"{who}: expected one row of y for each of the {n} rows of x, got y of shape {shape_text(shape)}. "
            f"{remedies.length_remedy(shape, n)}"
        )
        raise pictured(error, ("x", (n, "…"), {0}), ("y", shape, {0}))


def _distributions(rows: Array, name: str, who: str, first: int) -> Array:
    off = (np.abs(rows.sum(axis=1) - 1) > 1e-3) | (rows < 0).any(axis=1)
    if off.any():
        row = int(np.argmax(off))
        raise DataError(
            f"{who}: {name} wants rows of probabilities that sum to 1, got {rows[row]} in row {first + row}. "
            f"{remedies.rows_remedy(rows)}"
        )
    return rows


def _in_range(y: Array, classes: int, who: str, first: int = 0) -> Array:
    """y as labels from 0 to classes − 1, or a sentence."""
    with np.errstate(invalid="ignore"):  # a number beyond all integers
        labels = y.astype(np.intp)
    if y.dtype.kind == "f" and (labels != y).any():
        row = int(np.argmax(labels != y))
        raise DataError(
            f"{who}: expected whole numbers as labels, got {y[row]} in row {first + row}. "
            "To predict numbers, take the loss squared_error."
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        row = int(np.argmax((labels < 0) | (labels >= classes)))
        raise DataError(
            f"{who}: expected labels from 0 to {classes - 1}, got {labels[row]} in row {first + row}. "
            f"{remedies.from_zero_remedy(labels, classes)}"
        )
    return labels


def _as_labels(link: str, y: Array, ndim: int) -> Array:
    """Labels, or the bits of each output, whatever form the targets have for scores of so many axes."""
    if link == "sigmoid":
        return y > 0.5
    return y if y.ndim < ndim else y.argmax(axis=-1)


def predict_from(link: str, scores: Array) -> Array:
    """Predictions: labels from several scores, one a row or a place; 0/1 for each single score; or the numbers."""
    if link == "identity":
        return scores
    if link == "exp":
        return np.exp(np.minimum(scores, k.LARGEST_LOG_RATE))
    if link == "sigmoid":
        return scores > 0
    if link == "probs" and scores.shape[1:] == (1,):
        return scores > 0.5
    labels: Array = scores.argmax(axis=-1)
    return labels


def probabilities_from(link: str, scores: Array) -> Array:
    """Probabilities in the scores' shape. Raises ConfigError where the network has none."""
    if link == "softmax":
        probs: Array = softmax_forward(scores)[0]
    elif link == "sigmoid":
        probs = sigmoid_forward(scores)[0]
    elif link == "probs":
        probs = scores
    else:
        raise ConfigError(
            "probabilities: this network was trained to predict numbers or margins, so its scores are no "
            "probabilities. Use scores(x), or train with softmax_cross_entropy."
        )
    return probs


@in_a_sentence
def make_loss(spec: "str | Mapping[str, Any] | Loss") -> Loss:
    """A Loss from its name, from {"name": …, settings…}, or as it is.

    Raises
    ------
    ConfigError
        If the name or a setting is unknown, or a setting's value is refused.

    Examples
    --------
    >>> import numpy as np
    >>> losses, dscores = make_loss("squared_error")(np.array([[3.0]]), np.array([[1.0]]))
    >>> losses, dscores
    (array([4.]), array([[4.]]))
    """
    if isinstance(spec, Loss):
        return spec
    name, settings = named("loss", spec, LOSSES)
    kernel, targets, link = LOSSES[name]
    known = list(signature(kernel).parameters)[2:]
    for key in settings:
        if key not in known:
            raise unknown(f"loss {name}", "setting", key, known)
    options = {key: _checked(f"loss {name}", key, value) for key, value in settings.items()}
    return Loss(name, partial(kernel, **options) if options else kernel, targets, link, settings)


def _checked(who: str, key: str, value: Any) -> Any:
    """A kernel's option, as the kernel takes it."""
    if key == "label_smoothing":
        return check_number(who, key, value, "in [0, 1)", lambda v: 0 <= v < 1)
    if key == "delta":
        return check_number(who, key, value, "to be a finite number > 0", lambda v: v > 0)
    if value is None:
        return None
    weights = np.asarray(value)
    if weights.dtype.kind not in "iuf" or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ConfigError(f"{who}: expected {key} to be finite numbers >= 0, got {value!r}.")
    return weights


def one_hot(labels: Array, classes: int) -> Array:
    """Rows (N, K) with a single 1.0 at each label's column, in float64.

    >>> import numpy as np
    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    labels = np.asarray(labels)
    check_shape("one_hot", "labels", labels.shape, ("N",))
    rows = np.zeros((len(labels), check_count("one_hot", "classes", classes)))
    rows[np.arange(len(labels)), _in_range(labels, classes, "one_hot")] = 1.0
    return rows
