"""CS 189's checks of the model: its passes, with layers that are known to be right, and a training on Iris."""

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments import materials
from clearprop.courses.assignments.check.case import Case, Check
from clearprop.courses.assignments.check.cs189_numbers import module, number

MOST_WRONG = 0.15  # of Iris's 30 test flowers


class _Product:
    """A layer that multiplies by a matrix, and keeps what it is given."""

    def __init__(self, matrix: Array) -> None:
        self.matrix = matrix
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self.given: Array | None = None
        self.given_back: Array | None = None

    def forward(self, X: Array) -> Array:
        self.given = np.array(X)
        return np.asarray(X) @ self.matrix

    __call__ = forward

    def backward(self, dLdY: Array) -> Array:
        self.given_back = np.array(dLdY)
        return np.asarray(dLdY) @ self.matrix.T

    def clear_gradients(self) -> None:
        """Nothing is kept that could be cleared."""


class _Lopsided:
    """A loss in which Y and Y_hat have different parts."""

    name = "l2"

    def forward(self, Y: Array, Y_hat: Array) -> float:
        return float(np.sum(Y * Y * Y_hat))

    __call__ = forward

    def backward(self, Y: Array, Y_hat: Array) -> Array:
        return np.asarray(Y * Y + 0 * Y_hat)


def _model() -> tuple[Any, list[_Product], Array, Array]:
    """The student's model with three known layers; X and Y."""
    rng = np.random.RandomState(14)
    model = module("models").initialize_model(
        name="check",
        loss="l2",
        layer_args=[{"name": "flatten"}] * 3,
        optimizer_args={"name": "SGD", "lr": 0.1},
    )
    layers = [_Product(rng.normal(size=(3, 3))) for _ in range(3)]
    model.layers, model.loss = layers, _Lopsided()
    return model, layers, rng.normal(size=(4, 3)), rng.normal(size=(4, 3))


CASE = "three layers, X (4, 3)"


def check_forward() -> None:
    """Each layer reads what the one before has returned."""
    model, (first, second, third), X, _ = _model()
    case = Case(CASE)
    with case.untouched(X=X):
        got = model.forward(X)
    case.expect("NeuralNetwork.forward(X)", got, X @ first.matrix @ second.matrix @ third.matrix, {
        "Each layer gets the network's X: it has to get what the one before has returned.": X @ third.matrix,
        "The layers are passed from the last to the first.": X @ third.matrix @ second.matrix @ first.matrix,
        "The last layer is left out.": X @ first.matrix @ second.matrix,
        "It is X itself: what the layers return is not kept.": X,
    })  # fmt: skip


def check_backward() -> None:
    """The loss is returned, and its gradient goes through the layers from the last to the first."""
    model, layers, X, Y = _model()
    case, loss = Case(CASE), _Lopsided()
    out = X
    for layer in layers:
        out = layer.forward(out)
    got = model.backward(Y, out)
    upstream = loss.backward(Y, out)
    for place in (2, 1, 0):
        given = layers[place].given_back
        if given is None:
            case.refuse(f"NeuralNetwork.backward: layer {place}'s backward was not called.")
        what = f"what layer {place}'s backward is given"
        case.expect(what, given, upstream, {
            "The loss's arguments are in each other's place: backward(Y, Y_hat).": loss.backward(out, Y),
            "The layers are passed from the first to the last: backward begins with the last.": (
                _from_the_first(layers, loss.backward(Y, out), place)
            ),
            "Every layer gets the loss's gradient: it has to get what the layer after it has returned.": (
                loss.backward(Y, out)
            ),
            "It is the output: the loss's gradient is what goes back.": out,
        })  # fmt: skip
        upstream = upstream @ layers[place].matrix.T
    case.expect("NeuralNetwork.backward(target, out)", number(got), loss.forward(Y, out), {
        "The loss's arguments are in each other's place: forward(Y, Y_hat).": np.asarray(loss.forward(out, Y)),
    })  # fmt: skip


def _from_the_first(layers: list[_Product], given: Array, place: int) -> Array:
    for layer in layers[:place]:
        given = given @ layer.matrix.T
    return given


def check_predict() -> None:
    """The output and its loss."""
    model, (first, second, third), X, Y = _model()
    case = Case(CASE)
    with case.untouched(X=X, Y=Y):
        got = model.predict(X, Y)
    if not isinstance(got, tuple | list) or len(got) != 2:
        case.refuse(
            f"NeuralNetwork.predict(X, Y): expected a pair, Ŷ and the loss, got {type(got).__name__}."
        )
    out = X @ first.matrix @ second.matrix @ third.matrix
    case.expect("the first of NeuralNetwork.predict(X, Y)", got[0], out, {
        "Predictions are the outputs, (m, k), not the class's number.": out.argmax(axis=1),
    })  # fmt: skip
    loss = _Lopsided()
    case.expect("the second of NeuralNetwork.predict(X, Y)", number(got[1]), loss.forward(Y, out), {
        "The loss's arguments are in each other's place: forward(Y, Y_hat).": np.asarray(loss.forward(out, Y)),
    })  # fmt: skip


def check_iris() -> None:
    """train_ffnn.py's network on Iris, 60 epochs."""
    materials.iris(Path.cwd())
    dataset = module("datasets").initialize_dataset("iris", batch_size=25)
    model = module("models").initialize_model(
        name="iris",
        loss="cross_entropy",
        layer_args=[
            {"name": "fully_connected", "activation": "relu", "n_out": 25},
            {"name": "fully_connected", "activation": "softmax", "n_out": None},
        ],
        optimizer_args={"name": "SGD", "lr": 0.01, "momentum": 0.9, "clip_norm": 1.0},
        seed=0,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        model.train(dataset, epochs=60)
    wrong = model.error(dataset.test.labels, model.forward(dataset.test.data))
    if not wrong <= MOST_WRONG:
        Case("relu 25, softmax 3; SGD, lr 0.01, momentum 0.9; 60 epochs").refuse(
            f"Iris: {wrong:.0%} of the test flowers are wrong after training, expected at most {MOST_WRONG:.0%}. "
            "The network does not learn: look at the checks that fail before this one."
        )


def model_checks() -> tuple[Check, ...]:
    """The model's checks."""
    return (
        Check("NeuralNetwork.forward", check_forward),
        Check("NeuralNetwork.backward", check_backward),
        Check("NeuralNetwork.predict", check_predict),
        Check("Iris, trained", check_iris, seconds=60),
    )
