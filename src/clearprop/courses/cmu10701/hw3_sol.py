"""The network of homework 3, its training and its data: the numbers of section 5.6 come from here."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.arrays import Array, check_shape
from clearprop.batches import epoch_rows
from clearprop.courses.cmu10701.hw3_lib import (
    CrossEntropyLoss,
    GradientDescentOptimizer,
    Linear,
    Module,
    ReLU,
    Sigmoid,
)
from clearprop.data.csv import read_csv
from clearprop.errors import ConfigError, DataError
from clearprop.losses import make_loss
from clearprop.metrics import accuracy
from clearprop.names import check_count, unknown

_LOSS = make_loss("softmax_cross_entropy")
ACTIVATIONS: dict[str, Callable[[], Module]] = {"sigmoid": Sigmoid, "relu": ReLU}
PARTS = ("train_x", "train_y", "test_x", "test_y")
FOLDER = "training_data_student"


def init_linear_params(in_size: int, out_size: int) -> tuple[Array, Array]:
    """Weights (in, out), then biases (1, out), uniform in ±1/√out_size, from NumPy's global stream.

    >>> np.random.seed(10701)
    >>> weights, biases = init_linear_params(3, 4)
    >>> weights.shape, biases.shape, bool((abs(weights) <= 0.5).all())
    ((3, 4), (1, 4), True)
    """
    bound = 1 / sqrt(check_count("init_linear_params", "out_size", out_size))
    shapes = (check_count("init_linear_params", "in_size", in_size), out_size), (1, out_size)
    weights, biases = (np.random.uniform(-bound, bound, shape) for shape in shapes)
    return weights, biases


init_params = init_linear_params  # its name in the handout's text


class MultiLayerPerceptron:
    """Modules in a row.

    Parameters
    ----------
    layers : sequence of Module
        The first takes the examples, the last gives the scores.

    Examples
    --------
    >>> define_network(4, size_input=6, size_output=3).forward(np.zeros((2, 6))).shape
    (2, 3)
    """

    def __init__(self, layers: Sequence[Module]) -> None:
        self.layers = list(layers)

    def forward(self, x: Array) -> Array:
        """Examples (N, in) to scores (N, out)."""
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, criterion: CrossEntropyLoss) -> None:
        """The gradients of every layer's parameters, from the loss after its last `forward`."""
        g = criterion.backward()
        for layer in reversed(self.layers):
            if layer is self.layers[0] and isinstance(layer, Linear):
                layer.backward(g, need_dx=False)  # nobody asks for the examples' own gradient
            else:
                g = layer.backward(g)


def define_network(
    size_hidden: int | Sequence[int],
    size_input: int = 784,
    size_output: int = 10,
    seed: int = 10701,
    activation: str = "sigmoid",
) -> MultiLayerPerceptron:
    """Linear layers with an activation between them, initialized from the seed.

    Parameters
    ----------
    size_hidden : int or sequence of int
        The width of the hidden layer, or of each of them.
    size_input, size_output : int
        Features and classes.
    seed : int
        Of NumPy's global stream, from which the layers draw in their order.
    activation : {"sigmoid", "relu"}
        What stands after each hidden layer.

    Raises
    ------
    ConfigError
        For an unknown activation, or a size that is not a whole number above zero.

    Examples
    --------
    >>> [type(layer).__name__ for layer in define_network([384, 256], activation="relu").layers]
    ['Linear', 'ReLU', 'Linear', 'ReLU', 'Linear']
    """
    if activation not in ACTIVATIONS:
        raise unknown("define_network", "activation", activation, ACTIVATIONS)
    hidden = [size_hidden] if np.ndim(size_hidden) == 0 else list(size_hidden)  # type: ignore[arg-type]
    sizes = [check_count("define_network", "each size", size) for size in (size_input, *hidden, size_output)]
    np.random.seed(seed)
    layers: list[Module] = []
    for size_in, size_out in pairwise(sizes):
        layers += [Linear(init_linear_params(size_in, size_out)), ACTIVATIONS[activation]()]
    return MultiLayerPerceptron(layers[:-1])


def train_network(
    model: MultiLayerPerceptron,
    dataset: Mapping[str, Array],
    num_epoch: int,
    learning_rate: float,
    batch_size: int,
    seed: int = 10701,
) -> dict[str, Any]:
    """Batch gradient descent as in the handout's appendix A: no shuffling, a fixed learning rate.

    Parameters
    ----------
    model : MultiLayerPerceptron
        Is trained in place.
    dataset : mapping
        train_x (N, D), train_y (N,), test_x, test_y; labels are integers.
    num_epoch, learning_rate, batch_size
        The batches are consecutive slices; the last one is short where they do not come out even.
    seed : int
        Of NumPy's global stream, for layers that draw from it.

    Returns
    -------
    dict
        train_loss, test_loss, train_accuracy, test_accuracy: one number an epoch, measured on the whole set with the
        model at the epoch's end. yhat_train, yhat_test: the labels predicted in the end.

    Raises
    ------
    ConfigError, ShapeError, DataError
        If a number or the data set does not fit; the model is then as it was.
    """
    num_epoch = check_count("train_network", "num_epoch", num_epoch)
    batch_size = check_count("train_network", "batch_size", batch_size)
    train, test = _sets(dataset, model)
    criterion, optimizer = CrossEntropyLoss(), GradientDescentOptimizer(model, learning_rate)
    np.random.seed(seed)
    result: dict[str, Any] = {
        f"{name}_{what}": [] for what in ("loss", "accuracy") for name in ("train", "test")
    }
    for _ in range(num_epoch):
        for rows in epoch_rows(len(train[0]), batch_size):
            criterion(model.forward(train[0][rows]), train[1][rows])
            model.backward(criterion)
            optimizer.step()
        for name, (x, y) in (("train", train), ("test", test)):
            scores = model.forward(x)
            predicted = scores.argmax(axis=1)
            result[f"{name}_loss"].append(criterion(scores, y))
            result[f"{name}_accuracy"].append(accuracy(y, predicted))
            result[f"yhat_{name}"] = predicted
    return result


def _sets(dataset: Mapping[str, Array], model: MultiLayerPerceptron) -> list[tuple[Array, Array]]:
    """(x, y) of the training and the test set, float64 and integers, once it is sure that the model takes them."""
    missing = [key for key in PARTS if key not in dataset]
    if missing:
        raise ConfigError(
            f"train_network: expected a dataset with {', '.join(PARTS)}, got none of {', '.join(missing)}. "
            "load_data() gives one."
        )
    sets = []
    for name in ("train", "test"):
        x, y = np.asarray(dataset[f"{name}_x"], dtype=np.float64), np.asarray(dataset[f"{name}_y"])
        check_shape("train_network", f"{name}_x", x.shape, ("N", "D"), "Each row is an example.")
        check_shape("train_network", f"{name}_y", y.shape, (len(x),), "One integer an example.")
        output_shape = model.forward(x[:1]).shape[1:]
        sets.append((x, _LOSS.prepare(y, len(x), output_shape, x.dtype, f"train_network, {name}_y")))
    return sets


def load_data(folder: str | Path = FOLDER) -> dict[str, Array]:
    """The handout's digits, as `train_network` takes them.

    Parameters
    ----------
    folder : str or Path
        Holds train.csv and test.csv: no header, 784 pixels from 0 to 1, then the label.

    Returns
    -------
    dict
        train_x (3000, 784) float64, train_y (3000,) int64, test_x (1000, 784), test_y (1000,).

    Raises
    ------
    DataError
        When a file is missing, with the command that brings it, or damaged, with its line and column.

    Examples
    --------
    >>> load_data()["train_x"].shape  # doctest: +SKIP
    (3000, 784)
    """
    data: dict[str, Array] = {}
    for name in ("train", "test"):
        path = Path(folder) / f"{name}.csv"
        if not path.is_file():
            raise DataError(
                f"{path}: there is no such file. Run `clearprop course start cmu10701-s21 DIR` and work in DIR, or "
                "`clearprop course data DIR` for a folder that was started without its data. Both need CLEARPROP_DATA "
                "to name the folder that holds cmu-10701-hw3/train.csv.xz and test.csv.xz."
            )
        table = read_csv(path, label="last", header=False)
        data |= {f"{name}_x": table.x, f"{name}_y": table.y}
    return data
