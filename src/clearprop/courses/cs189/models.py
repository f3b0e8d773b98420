"""Models: layers in a row, with a loss and an optimizer; training, testing, and the competition's file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import signature
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.cs189.base import Layer
from clearprop.courses.cs189.datasets import Data, Dataset
from clearprop.courses.cs189.layers import initialize_layer
from clearprop.courses.cs189.logs import Logger
from clearprop.courses.cs189.losses import initialize_loss
from clearprop.courses.cs189.optimizers import initialize_optimizer
from clearprop.errors import ConfigError, DataError, DivergedError
from clearprop.files import replace_file
from clearprop.metrics import mean_squared_error
from clearprop.names import check_count, unknown


class NeuralNetwork:
    """A network of layers.

    Parameters
    ----------
    loss : str
        cross_entropy or l2.
    layer_args : sequence of mappings
        Each the arguments of `initialize_layer`; the last one's n_out may be left to the data set.
    optimizer_args : mapping
        The arguments of `initialize_optimizer`.
    logger : Logger, optional
    seed : int, optional
        Seeds NumPy's global stream, which is left alone otherwise.

    Attributes
    ----------
    layers : list of Layer
    loss, optimizer : as the names say

    Examples
    --------
    >>> hidden = {"name": "fully_connected", "activation": "relu", "n_out": 5}
    >>> last = {"name": "fully_connected", "activation": "softmax", "n_out": 3}
    >>> model = NeuralNetwork("cross_entropy", [hidden, last], {"name": "SGD", "lr": 0.1}, seed=0)
    >>> model.forward(np.ones((2, 4))).shape
    (2, 3)
    """

    def __init__(
        self,
        loss: str,
        layer_args: Sequence[Mapping[str, Any]],
        optimizer_args: Mapping[str, Any],
        logger: Logger | None = None,
        seed: int | None = None,
    ) -> None:
        if not layer_args:
            raise ConfigError("NeuralNetwork: expected at least one layer in layer_args, got none.")
        if seed is not None:
            np.random.seed(seed)
        self.layer_args = [_known(f"layer {i}", args, initialize_layer) for i, args in enumerate(layer_args)]
        self.logger = logger
        self.loss = initialize_loss(loss)
        self.optimizer = initialize_optimizer(**_known("optimizer", optimizer_args, initialize_optimizer))
        last = self.layer_args[-1]
        self._waits = last.get("n_out") is None and last["name"] not in ("flatten", "pool2d")
        built = self.layer_args[:-1] if self._waits else self.layer_args
        self.layers: list[Layer] = [initialize_layer(**args) for args in built]

    @property
    def n_layers(self) -> int:
        return len(self.layer_args)

    def forward(self, X: Array) -> Array:
        """The last layer's output for a batch."""
        if self._waits:
            raise ConfigError(
                "NeuralNetwork: the last layer has no n_out yet. Write it into layer_args, or train first: "
                "the data set has it."
            )
        for layer in self.layers:
            X = layer(X)
        return X

    def backward(self, target: Array, out: Array) -> float:
        """The loss; each layer's gradients by its parameters are then in `gradients`."""
        loss, gradient = self.loss.both(target, out)
        first, *rest = self.layers
        for layer in reversed(rest):
            gradient = layer.backward(gradient)
        first.needs_dX = False  # nobody asks for the gradient by the data
        try:
            first.backward(gradient)
        finally:
            first.needs_dX = True
        return loss

    def update(self, epoch: int) -> None:
        """Subtract from each parameter, in place, what the optimizer says."""
        for i, layer in enumerate(self.layers):
            for name, parameter in layer.parameters.items():
                parameter -= self.optimizer.update(f"{i}.{name}", parameter, layer.gradients[name], epoch)

    def error(self, target: Array, out: Array) -> float:
        """The share misclassified for cross-entropy, the mean squared error for l2."""
        if self.loss.name == "l2":
            return mean_squared_error(target, out)
        wrong = out.argmax(axis=1) != target.argmax(axis=1)
        return int(np.count_nonzero(wrong)) / len(wrong)

    def predict(self, X: Array, Y: Array | None) -> tuple[Array, float | None]:
        """The outputs for a batch and their loss, None where Y is."""
        Y_hat = self.forward(X)
        return Y_hat, None if Y is None else self.loss(Y, Y_hat)

    def train(self, dataset: Dataset, epochs: int) -> None:
        """Train on `dataset.train`; each epoch's loss and error are logged and printed, with `dataset.validate`'s."""
        epochs = check_count("train", "epochs", epochs, least=0)
        self._complete(dataset.out_dim)
        done = 0
        try:
            for epoch in range(epochs):
                train = self._train_epoch(dataset.train, epoch)
                validate = None if dataset.validate is None else self._evaluate(dataset.validate)
                self._log(train, validate)
                print(f"epoch {epoch + 1}: {_line('training', train)}{_line('; validation', validate)}")
                done = epoch + 1
        finally:  # after Ctrl-C, too, the logger has what was learned until then
            if self.logger is not None and done:
                if self.logger.save:
                    self.save_parameters(done - 1)
                self.logger.flush()

    def test(self, dataset: Dataset, save_predictions: bool = False) -> tuple[float, float]:
        """Loss and error on `dataset.test`, printed, too.

        With save_predictions the outputs and the targets are kept in predictions.npz, in the logger's folder or,
        without one, in the working directory.
        """
        if dataset.test is None or dataset.test.labels is None:
            raise DataError(
                "test: expected a test set with labels, got none. test_kaggle predicts without them."
            )
        loss, error = self._evaluate(dataset.test)
        print(f"test loss {loss:.4g}, test error {error:.4g}")
        if save_predictions:
            folder = self.logger.folder if self.logger is not None else Path()
            arrays: dict[str, Any] = {
                "prediction": self._outputs(dataset.test),
                "target": dataset.test.labels,
            }
            replace_file(folder / "predictions.npz", lambda file: np.savez(file, **arrays))
        return loss, error

    def test_kaggle(self, dataset: Dataset) -> None:
        """Write kaggle_predictions.csv: Id from 0, and Category, each row's class; rows in `dataset.test`'s order."""
        if dataset.test is None:
            raise DataError("test_kaggle: expected a data set with a test part, got none.")
        classes = self._outputs(dataset.test).argmax(axis=1)
        lines = ["Id,Category", *(f"{i},{k}" for i, k in enumerate(classes))]
        text = "\n".join(lines) + "\n"
        replace_file("kaggle_predictions.csv", lambda file: file.write(text.encode()))
        print(f"kaggle_predictions.csv: {len(classes)} predictions.")

    def save_parameters(self, epoch: int) -> None:
        """Write all parameters as parameters_epoch<epoch>.npz into the logger's folder, named "0.W", "0.b", …"""
        if self.logger is None:
            raise ConfigError(
                "save_parameters: expected a model with a logger, got none. Pass logger=Logger(...)."
            )
        arrays: dict[str, Any] = dict(self._named_parameters())
        path = self.logger.folder / f"parameters_epoch{epoch}.npz"
        replace_file(path, lambda file: np.savez(file, **arrays))

    def _complete(self, out_dim: int) -> None:
        """Give the last layer as many outputs as the data set has."""
        if self._waits:
            self.layer_args[-1]["n_out"] = out_dim
            self.layers.append(initialize_layer(**self.layer_args[-1]))
            self._waits = False
        found = self.layers[-1].n_out
        if found not in (None, out_dim):
            raise ConfigError(
                f"train: expected the last layer to have the data set's n_out={out_dim}, got {found}. "
                "Leave n_out out of the last of layer_args."
            )

    def _train_epoch(self, data: Data, epoch: int) -> tuple[float, float]:
        """Mean loss and error over the examples, each as it was before its batch's update."""
        losses = errors = 0.0
        for batch, (X, Y) in enumerate(_batches(data, shuffle=True), 1):
            Y_hat = self.forward(X)
            loss = self.backward(Y, Y_hat)
            if not isfinite(loss):
                raise DivergedError(
                    f"train: the loss of epoch {epoch + 1}, batch {batch} is {loss}. Choose a smaller lr, or scale "
                    "the data."
                )
            losses += loss * len(X)
            errors += self.error(Y, Y_hat) * len(X)
            self.update(epoch)
        return losses / data.n_samples, errors / data.n_samples

    def _evaluate(self, data: Data) -> tuple[float, float]:
        """Mean loss and error over the examples, in their order: nothing is drawn."""
        losses = errors = 0.0
        for X, Y in _batches(data, shuffle=False):
            Y_hat = self.forward(X)
            losses += self.loss(Y, Y_hat) * len(X)
            errors += self.error(Y, Y_hat) * len(X)
        return losses / data.n_samples, errors / data.n_samples

    def _outputs(self, data: Data) -> Array:
        """The outputs for all rows, in their order."""
        data.reset()
        batches = [self.forward(data.sample(shuffle=False)[0]) for _ in range(data.samples_per_epoch)]
        return np.concatenate(batches)

    def _named_parameters(self) -> list[tuple[str, Array]]:
        return [
            (f"{i}.{name}", p) for i, layer in enumerate(self.layers) for name, p in layer.parameters.items()
        ]

    def _log(self, train: tuple[float, float], validate: tuple[float, float] | None) -> None:
        if self.logger is None:
            return
        parts = {"train": train} if validate is None else {"train": train, "validate": validate}
        self.logger.push(
            {
                "loss": {part: loss for part, (loss, _) in parts.items()},
                "error": {part: error for part, (_, error) in parts.items()},
                "parameters": {
                    name: {"max": float(p.max()), "min": float(p.min())}
                    for name, p in self._named_parameters()
                },
            }
        )


def _batches(data: Data, shuffle: bool) -> Iterator[tuple[Array, Array]]:
    """An epoch of batches with their labels."""
    data.reset()
    for _ in range(data.samples_per_epoch):
        X, Y = data.sample(shuffle)
        if Y is None:
            raise DataError(
                "NeuralNetwork: expected data with labels, got a part without. test_kaggle needs none."
            )
        yield X, Y


def _known(who: str, args: Mapping[str, Any], takes: Callable[..., object]) -> dict[str, Any]:
    """The settings, if each is one that the factory takes and the name is among them."""
    known = signature(takes).parameters
    for key in args:
        if key not in known:
            raise unknown(who, "setting", key, known)
    if "name" not in args:
        raise ConfigError(f"{who}: expected the setting 'name', got none. Write its value.")
    return dict(args)


def _line(part: str, measured: tuple[float, float] | None) -> str:
    return "" if measured is None else f"{part} loss {measured[0]:.4g}, error {measured[1]:.4g}"


def initialize_model(
    name: str,
    loss: str,
    layer_args: Sequence[Mapping[str, Any]],
    optimizer_args: Mapping[str, Any],
    logger: Logger | None = None,
    seed: int | None = None,
) -> NeuralNetwork:
    """A NeuralNetwork of these settings; the name is the user's own."""
    return NeuralNetwork(loss, layer_args, optimizer_args, logger, seed)
