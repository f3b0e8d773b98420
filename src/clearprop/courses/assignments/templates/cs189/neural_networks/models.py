"""Models: layers in a row with a loss and an optimizer, how they are trained, and what is measured."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from neural_networks.datasets import Data, Dataset
from neural_networks.layers import Layer, initialize_layer
from neural_networks.logs import Logger
from neural_networks.losses import initialize_loss
from neural_networks.optimizers import initialize_optimizer


class NeuralNetwork:
    """A network of layers, each of which reads the one before.

    Parameters
    ----------
    loss : str
        A name that `initialize_loss` knows.
    layer_args : sequence of dict
        For each layer what `initialize_layer` takes. The last layer's n_out comes from the data set.
    optimizer_args : dict
        What `initialize_optimizer` takes.
    logger : Logger, optional
    seed : int, optional
        For NumPy's global stream: the same seed gives the same run.

    Attributes
    ----------
    layers : list of Layer
        In the order of the forward pass.
    loss : Loss
    optimizer : Optimizer
    """

    def __init__(
        self,
        loss: str,
        layer_args: Sequence[dict],
        optimizer_args: dict,
        logger: Logger | None = None,
        seed: int | None = None,
    ) -> None:
        if seed is not None:
            np.random.seed(seed)
        self.layers: list[Layer] = [initialize_layer(**args) for args in layer_args]
        self.n_layers = len(self.layers)
        self.loss = initialize_loss(loss)
        self.optimizer = initialize_optimizer(**optimizer_args)
        self.logger = logger

    def forward(self, X: np.ndarray) -> np.ndarray:
        """One pass through all layers: X (m, ...) -> the last layer's output (m, k)"""
        # BEGIN SOLUTION: each layer reads what the one before has returned
        for layer in self.layers:
            X = layer.forward(X)
        return X
        # END SOLUTION

    def backward(self, target: np.ndarray, out: np.ndarray) -> float:
        """The loss of what forward has returned, one number; every layer's gradients are written on the way.

        target, out: (m, k)
        """
        # BEGIN SOLUTION: begin with the loss's gradient, and hand it through the layers from the last to the first
        loss = self.loss.forward(target, out)
        gradient = self.loss.backward(target, out)
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return loss
        # END SOLUTION

    def update(self, epoch: int) -> None:
        """One step of the optimizer for each parameter; the gradients are used up by it."""
        for number, layer in enumerate(self.layers):
            for name, parameter in layer.parameters.items():
                step = self.optimizer.update(f"{number}.{name}", parameter, layer.gradients[name], epoch)
                layer.parameters[name] = parameter - step
            layer.clear_gradients()

    def error(self, target: np.ndarray, out: np.ndarray) -> float:
        """The share of wrong classes for cross-entropy, the mean squared error for l2."""
        if self.loss.name == "l2":
            return float(np.mean((target - out) ** 2))
        return float(np.mean(target.argmax(axis=1) != out.argmax(axis=1)))

    def predict(self, X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, float]:
        """The output for X, (m, k), and its loss against Y, one number; nothing is learned."""
        # BEGIN SOLUTION cs189-sp23: a forward pass, and the loss of its output
        Y_hat = self.forward(X)
        return Y_hat, self.loss.forward(Y, Y_hat)
        # END SOLUTION

    def train(self, dataset: Dataset, epochs: int) -> None:
        """Go through the training part `epochs` times; measure on the validation part after each."""
        if hasattr(self.layers[-1], "init_weights"):  # a layer with weights
            self.layers[-1].n_out = dataset.out_dim
        try:
            for epoch in range(epochs):
                measured = {"train": self._train_epoch(dataset.train, epoch)}
                if dataset.validate is not None:
                    measured["validate"] = self._measure(dataset.validate)
                if self.logger is not None:
                    self.logger.push(self._log(measured))
                if epoch % max(1, epochs // 10) == 0 or epoch == epochs - 1:
                    print(f"epoch {epoch + 1}: {_in_words(measured)}")
        finally:  # what was learned is kept after Ctrl-C, too
            if self.logger is not None and self.logger.log:
                self.logger.draw()
                if self.logger.save:
                    self.save_parameters(len(self.logger.log))

    def test(self, dataset: Dataset, save_predictions: bool = False) -> tuple[float, float]:
        """Loss and error on the test part; with `save_predictions`, its outputs go to predictions.npy."""
        if dataset.test is None or dataset.test.labels is None:
            raise ValueError("the test part has no labels: test_kaggle writes predictions for it.")
        loss, error = self._measure(dataset.test)
        print(f"test: loss {loss:.4g}, error {error:.4g}")
        if save_predictions:
            folder = Path() if self.logger is None else self.logger.folder
            np.save(folder / "predictions.npy", self._outputs(dataset.test))
        return loss, error

    def test_kaggle(self, dataset: Dataset) -> None:
        """Write kaggle_predictions.csv: Id, from 0 on, and Category, a whole number, in the order of the test part."""
        categories = self._outputs(dataset.test).argmax(axis=1)
        with Path("kaggle_predictions.csv").open("w", encoding="utf-8") as file:
            file.write("Id,Category\n")
            file.writelines(f"{number},{category}\n" for number, category in enumerate(categories))
        print(f"kaggle_predictions.csv: {len(categories)} predictions")

    def save_parameters(self, epoch: int) -> None:
        """Write all parameters into the logger's folder, by the layer's number and their name: "0.W"."""
        if self.logger is None:
            raise ValueError("a model without a logger has no folder: pass logger=Logger(...).")
        np.savez(self.logger.folder / f"parameters_epoch{epoch}.npz", **self._named_parameters())

    def _train_epoch(self, data: Data, epoch: int) -> tuple[float, float]:
        """Mean loss and error over the examples, each measured just before it was learned from."""
        losses = errors = 0.0
        for X, Y in _batches(data, shuffle=True):
            out = self.forward(X)
            losses += self.backward(Y, out) * len(X)
            errors += self.error(Y, out) * len(X)
            self.update(epoch)
        return losses / data.n_samples, errors / data.n_samples

    def _measure(self, data: Data) -> tuple[float, float]:
        """Mean loss and error over the examples."""
        losses = errors = 0.0
        for X, Y in _batches(data, shuffle=False):
            out, loss = self.predict(X, Y)
            losses += loss * len(X)
            errors += self.error(Y, out) * len(X)
        return losses / data.n_samples, errors / data.n_samples

    def _outputs(self, data: Data) -> np.ndarray:
        """The outputs for all examples, in their order."""
        return np.concatenate([self.forward(X) for X, _ in _batches(data, shuffle=False)])

    def _named_parameters(self) -> dict[str, np.ndarray]:
        return {
            f"{number}.{name}": parameter
            for number, layer in enumerate(self.layers)
            for name, parameter in layer.parameters.items()
        }

    def _log(self, measured: dict[str, tuple[float, float]]) -> dict:
        return {
            "loss": {part: loss for part, (loss, _) in measured.items()},
            "error": {part: error for part, (_, error) in measured.items()},
            "parameters": {
                name: {"max": float(parameter.max()), "min": float(parameter.min())}
                for name, parameter in self._named_parameters().items()
            },
        }


def _batches(data: Data, shuffle: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One epoch."""
    data.reset()
    for _ in range(data.samples_per_epoch):
        yield data.sample(shuffle)


def _in_words(measured: dict[str, tuple[float, float]]) -> str:
    return "; ".join(f"{part} loss {loss:.4g}, error {error:.4g}" for part, (loss, error) in measured.items())


def initialize_model(
    name: str,
    loss: str,
    layer_args: Sequence[dict],
    optimizer_args: dict,
    logger: Logger | None = None,
    seed: int | None = None,
) -> NeuralNetwork:
    """A network of these settings; `name` is what you call it."""
    return NeuralNetwork(loss, layer_args, optimizer_args, logger, seed)
