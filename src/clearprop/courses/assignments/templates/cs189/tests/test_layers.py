"""The layers: what they return, and the gradients of what they are given and of their parameters.

Each test builds a layer, runs forward once, puts the test's own parameters in, and runs forward again.
"""

import unittest

import numpy as np

from neural_networks.layers import Conv2D, Flatten, FullyConnected, Layer, Pool2D
from tests import NumbersTestCase

DENSE = ((128, "relu"), (37, "tanh"), (256, "tanh"))  # outputs, activation
CONV = (  # kernels, their shape, stride, activation
    (32, (3, 3), 1, "relu"),
    (32, (3, 5), 1, "relu"),
    (7, (5, 5), 1, "relu"),
    (7, (5, 5), 2, "relu"),
    (18, (3, 3), 3, "tanh"),
)
POOL = (  # window, mode, stride, padding
    ((3, 3), "max", 2, 0),
    ((2, 2), "max", 2, 0),
    ((2, 2), "average", 1, 0),
    ((3, 5), "max", 4, "valid"),
    ((5, 5), "average", 1, 2),
)


class LayerTestCase(NumbersTestCase):
    """What the tests of layers with and without parameters share."""

    def run_forward(self, layer: Layer, X: np.ndarray, case: str) -> np.ndarray:
        """The output with the case's parameters."""
        layer.forward(X)
        for name in layer.parameters:
            layer.parameters[name] = self.data[f"{case}_{name}"].copy()
        return layer.forward(X)

    def compare_forward(self, layer: Layer, X: np.ndarray, case: str) -> None:
        """The output."""
        self.compare(f"forward, case {case}", self.run_forward(layer, X, case), self.data[f"{case}_Y"])

    def compare_backward(self, layer: Layer, X: np.ndarray, case: str) -> None:
        """The gradients of X and of the parameters, for the case's gradient of the output."""
        self.run_forward(layer, X, case)
        dX = layer.backward(self.data[f"{case}_dY"].copy())
        self.compare(f"backward, case {case}", dX, self.data[f"{case}_dX"])
        for name in layer.parameters:
            self.compare(
                f'gradients["{name}"], case {case}', layer.gradients[name], self.data[f"{case}_d{name}"]
            )


class TestFullyConnected(LayerTestCase):
    numbers = "fully_connected"

    def test_init_params(self) -> None:
        sizes = np.random.RandomState(0).randint(1, 200, size=(50, 2))
        for n_in, n_out in sizes.tolist():
            layer = FullyConnected(n_out=n_out, activation="relu", weight_init="xavier_uniform")
            layer._init_parameters((-1, n_in))
            self.assertEqual(layer.n_in, n_in)
            self.assertEqual(layer.n_out, n_out)
            for name, shape in {"W": (n_in, n_out), "b": (1, n_out)}.items():
                self.assertEqual(layer.parameters[name].shape, shape, f'parameters["{name}"]')
                self.assertEqual(layer.gradients[name].shape, shape, f'gradients["{name}"]')
            bound = np.sqrt(2.0) * np.sqrt(6.0 / (n_in + n_out))  # ReLU's gain, Xavier's uniform weights
            self.assertLessEqual(
                np.abs(layer.parameters["W"]).max(), bound, "W is not drawn by self.init_weights"
            )
            self.assertFalse(layer.parameters["b"].any(), "b does not begin with zeros")

    def test_forward(self) -> None:
        for i, (n_out, activation) in enumerate(DENSE):
            layer = FullyConnected(n_out=n_out, activation=activation)
            self.compare_forward(layer, self.data[f"{i}_X"].copy(), f"{i}")

    def test_backward(self) -> None:
        for i, (n_out, activation) in enumerate(DENSE):
            layer = FullyConnected(n_out=n_out, activation=activation)
            self.compare_backward(layer, self.data[f"{i}_X"].copy(), f"{i}")


class TestConv2D(LayerTestCase):
    numbers = "conv2d"

    def test_forward(self) -> None:
        for case, layer, X in self.cases():
            self.compare_forward(layer, X, case)

    def test_backward(self) -> None:
        for case, layer, X in self.cases():
            self.compare_backward(layer, X, case)

    def cases(self):
        """The name, the layer and the 16 images: of 16 × 16 × 3 and of 32 × 24 × 21."""
        for size in ("small", "large"):
            for i, (n_out, kernel_shape, stride, activation) in enumerate(CONV):
                layer = Conv2D(n_out=n_out, kernel_shape=kernel_shape, activation=activation, stride=stride)
                yield f"{size}_{i}", layer, self.data[f"{size}_X"].copy()


class TestPool2D(LayerTestCase):
    numbers = "pool2d"

    def test_forward(self) -> None:
        for case, layer, X in self.cases():
            self.compare_forward(layer, X, case)

    def test_backward(self) -> None:
        for case, layer, X in self.cases():
            self.compare_backward(layer, X, case)

    def cases(self):
        """The name, the layer and the 24 images: of 12 × 12 × 8 and of 44 × 48 × 4."""
        for size in ("small", "large"):
            for i, (kernel_shape, mode, stride, pad) in enumerate(POOL):
                layer = Pool2D(kernel_shape=kernel_shape, mode=mode, stride=stride, pad=pad)
                yield f"{size}_{i}", layer, self.data[f"{size}_X"].copy()


class TestFlatten(unittest.TestCase):
    SHAPES = ((24, 12, 12, 8), (5, 44, 48, 4), (3, 7), (1, 2, 3, 4, 5))

    def test_forward(self) -> None:
        for shape in self.SHAPES:
            X = np.random.RandomState(0).normal(size=shape)
            got = Flatten(keep_dim="first").forward(X)
            self.assertEqual(got.shape, (shape[0], int(np.prod(shape[1:]))))
            for example, row in zip(X, got, strict=True):
                self.assertEqual(list(example.flat), list(row))

    def test_backward(self) -> None:
        for shape in self.SHAPES:
            X = np.random.RandomState(0).normal(size=shape)
            layer = Flatten(keep_dim="first")
            dY = np.random.RandomState(1).normal(size=layer.forward(X).shape)
            got = layer.backward(dY)
            self.assertEqual(got.shape, shape)
            for row, example in zip(dY, got, strict=True):
                self.assertEqual(list(row), list(example.flat))
