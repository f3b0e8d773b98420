"""The modules of homework 3 over the core's kernels: float64, an example a row.

The batch's mean is taken once, in `Linear.backward`; `CrossEntropyLoss.backward` gives each example's own gradient.
"""

from typing import Any, Protocol

import numpy as np

from clearprop.arrays import Array, check_shape
from clearprop.errors import ConfigError
from clearprop.kernels.activations import (
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    softmax_forward,
)
from clearprop.kernels.affine import AffineCache, affine_backward, affine_forward
from clearprop.losses import make_loss, one_hot
from clearprop.names import check_number

_LOSS = make_loss("softmax_cross_entropy")


class Module:
    """What every layer and loss is: called, it goes forward."""

    def __call__(self, *x: Any) -> Any:
        return self.forward(*x)

    def forward(self, *x: Any) -> Any:
        """From inputs to the output, keeping what `backward` needs."""
        raise NotImplementedError(f"{type(self).__name__}.forward is still to be written.")

    def backward(self, *g: Any) -> Any:
        """From the gradient of the last output to that of the last input."""
        raise NotImplementedError(f"{type(self).__name__}.backward is still to be written.")


def sigmoid(x: Any) -> Array:
    """1 / (1 + exp(−x)) of each element, without overflow for any x.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).round(9)
    array([0. , 0.5, 1. ])
    """
    y, _ = sigmoid_forward(np.asarray(x, dtype=np.float64))
    return y


class Sigmoid(Module):
    """The sigmoid of each element; `state` is its last output."""

    state: Array

    def forward(self, x: Array) -> Array:
        """Any shape to the same shape."""
        self.state = sigmoid(x)
        return self.state

    def backward(self, g: Array) -> Array:
        """The gradient of the input from that of the output, in the same shape."""
        g = _gradient("Sigmoid", g, _last("Sigmoid", self, "state"))
        return sigmoid_backward(g, self.state)


class ReLU(Module):
    """max(x, 0) of each element, with slope 0 at 0; `state` is its last output."""

    state: Array

    def forward(self, x: Array) -> Array:
        """Any shape to the same shape."""
        self.state, _ = relu_forward(np.asarray(x, dtype=np.float64))
        return self.state

    def backward(self, g: Array) -> Array:
        """The gradient of the input from that of the output, in the same shape."""
        g = _gradient("ReLU", g, _last("ReLU", self, "state"))
        return relu_backward(g, self.state)


class Linear(Module):
    """y = x W + b, and in `backward` the mean of the gradients over the batch.

    Parameters
    ----------
    init_params : pair of arrays
        weights (in, out) and biases (1, out), both copied.

    Attributes
    ----------
    weights, d_weights : arrays of shape (in, out)
        `d_weights` is xᵀ g / N; zeros before the first `backward`.
    biases, d_biases : arrays of shape (1, out)
        `d_biases` is the mean of g over the batch; `d_bias` is another name of it.
    in_x : array of shape (N, in)
        The last input.

    Raises
    ------
    ShapeError
        If the parameters do not fit together, or x or g does not fit them.

    Examples
    --------
    >>> layer = Linear((np.array([[3.0], [4.0]]), np.array([[5.0]])))
    >>> layer(np.array([[1.0, 2.0]]))
    array([[16.]])
    """

    in_x: Array

    def __init__(self, init_params: tuple[Array, Array]) -> None:
        weights, biases = init_params
        self.weights = np.array(weights, dtype=np.float64, order="C")
        self.biases = np.array(biases, dtype=np.float64, order="C")
        check_shape("Linear", "weights", self.weights.shape, ("in", "out"))
        check_shape("Linear", "biases", self.biases.shape, (1, self.weights.shape[1]), "They are one row.")
        self.d_weights = np.zeros_like(self.weights)
        self.d_biases = np.zeros_like(self.biases)
        self._gradients = self.d_weights, self.d_biases  # written again and again: new ones would cost time

    @property
    def d_bias(self) -> Array:
        """Another name of `d_biases`, from the handout's text."""
        return self.d_biases

    @d_bias.setter
    def d_bias(self, value: Array) -> None:
        self.d_biases = value

    def forward(self, x: Array) -> Array:
        """x (N, in) to (N, out); a vector (in,) to a vector (out,)."""
        self.in_x = np.asarray(x, dtype=np.float64)
        n_in = self.weights.shape[0]
        expected = (n_in,) if self.in_x.ndim == 1 else ("N", n_in)
        check_shape("Linear", "x", self.in_x.shape, expected, "Each row is an example.")
        y, _ = affine_forward(self.in_x, self.weights, self.biases[0])
        return y

    def backward(self, g: Array, need_dx: bool = True) -> Array | None:
        """g (N, out) to g Wᵀ (N, in), which is not divided by N; `d_weights` and `d_biases` are.

        `need_dx=False` saves the product, as for a network's first layer, and gives None.
        """
        x = _last("Linear", self, "in_x")
        g = _gradient("Linear", g, x, (*x.shape[:-1], self.weights.shape[1]))
        rows, g_rows = np.atleast_2d(x), np.atleast_2d(g)
        g_rows = g_rows / len(rows)  # the one place where the mean is taken: g is smaller than the weights
        self.d_weights, self.d_biases = self._gradients
        out = self.d_weights, self.d_biases[0]
        dx, _, _ = affine_backward(g_rows, AffineCache(rows, self.weights), out=out, need_dx=need_dx)
        if dx is None:
            return None
        dx *= len(rows)
        return dx.reshape(x.shape)


class CrossEntropyLoss(Module):
    """Softmax and the mean cross entropy over the batch, as one layer.

    Attributes
    ----------
    y_hat : array of shape (N, K)
        The last scores' softmax.
    y_true : array of shape (N, K)
        The last labels as one-hot rows.

    Examples
    --------
    >>> criterion = CrossEntropyLoss()
    >>> round(criterion(np.array([[0.0, 0.0]]), np.array([1])), 4)
    0.6931
    >>> criterion.backward()
    array([[ 0.5, -0.5]])
    """

    y_hat: Array
    y_true: Array

    def forward(self, score: Array, label: Array) -> float:
        """score (N, K) and integer labels (N,) to the mean loss."""
        score = np.asarray(score, dtype=np.float64)
        check_shape("CrossEntropyLoss", "score", score.shape, ("N", "K"), "Each row is an example.")
        n, classes = score.shape
        check_shape("CrossEntropyLoss", "label", np.shape(label), (n,), "One integer an example.")
        label = _LOSS.prepare(label, n, (classes,), score.dtype, "CrossEntropyLoss")
        losses, _ = _LOSS(score, label)
        self.y_hat, _ = softmax_forward(score)
        self.y_true = one_hot(label, classes)
        return float(losses.mean())

    def backward(self) -> Array:
        """y_hat − y_true (N, K): each example's own gradient, not divided by N."""
        return _last("CrossEntropyLoss", self, "y_hat") - self.y_true


class HasLayers(Protocol):
    """A network: what the optimizer needs to know of it."""

    layers: list[Any]


class GradientDescentOptimizer:
    """W ← W − η dW, b ← b − η db for each Linear layer of a network.

    Parameters
    ----------
    model : MultiLayerPerceptron
        Or anything with a list `layers`.
    learning_rate : float
        η > 0.

    Raises
    ------
    ConfigError
        If the learning rate is not a number above zero.
    """

    def __init__(self, model: HasLayers, learning_rate: float) -> None:
        self.model = model
        self.learning_rate = check_number(
            "GradientDescentOptimizer",
            "learning_rate",
            learning_rate,
            "to be a finite number > 0",
            lambda r: r > 0,
        )

    def step(self) -> None:
        """Update every Linear layer, in place, with the gradients of the last `backward`."""
        for layer in self.model.layers:
            if isinstance(layer, Linear):
                layer.weights -= self.learning_rate * layer.d_weights
                layer.biases -= self.learning_rate * layer.d_biases


def _last(who: str, module: Module, name: str) -> Array:
    """What forward has kept."""
    kept: Array | None = getattr(module, name, None)
    if kept is None:
        raise ConfigError(
            f"{who}.backward: expected a forward before it, got none. Call {who}.forward first."
        )
    return kept


def _gradient(who: str, g: Array, kept: Array, shape: tuple[int, ...] | None = None) -> Array:
    """g as float64, if it has the output's shape."""
    g = np.asarray(g, dtype=np.float64)
    check_shape(f"{who}.backward", "g", g.shape, shape or kept.shape, "It has the shape of the last output.")
    return g
