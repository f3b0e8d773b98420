"""Activation: a function of each number, or of each row. Its mathematics: kernels/activations.py."""

from collections.abc import Callable
from typing import Any

from clearprop.arrays import Array, Shape
from clearprop.errors import ConfigError
from clearprop.kernels import activations as k
from clearprop.layers.base import Layer
from clearprop.names import check_number, unknown

Kernel = Callable[..., Any]

ACTIVATIONS: dict[str, tuple[Kernel, Kernel]] = {
    "identity": (k.identity_forward, k.identity_backward),
    "sigmoid": (k.sigmoid_forward, k.sigmoid_backward),
    "tanh": (k.tanh_forward, k.tanh_backward),
    "relu": (k.relu_forward, k.relu_backward),
    "leaky_relu": (k.leaky_relu_forward, k.leaky_relu_backward),
    "elu": (k.elu_forward, k.elu_backward),
    "softplus": (k.softplus_forward, k.softplus_backward),
    "arctan": (k.arctan_forward, k.arctan_backward),
    "swish": (k.swish_forward, k.swish_backward),
    "gelu": (k.gelu_forward, k.gelu_backward),
    "gelu_tanh": (k.gelu_tanh_forward, k.gelu_tanh_backward),
    "softmax": (k.softmax_forward, k.softmax_backward),
    "log_softmax": (k.log_softmax_forward, k.log_softmax_backward),
}
_WITH_ALPHA = ("leaky_relu", "elu")


class Activation(Layer):
    """y = f(x), by the activation's name.

    Parameters
    ----------
    name : str
        identity, sigmoid, tanh, relu, leaky_relu, elu, softplus, arctan, swish (also called SiLU), gelu, gelu_tanh,
        softmax or log_softmax (the last two along the last axis).
    alpha : float, optional
        leaky_relu's slope below zero (0.01), or elu's lower bound without its sign (1.0); not below 0.

    Raises
    ------
    ConfigError
        If the name is unknown, takes no alpha, or alpha is negative.

    Examples
    --------
    >>> import numpy as np
    >>> y, cache = Activation("relu").forward(np.array([[-1.0, 2.0]]))
    >>> y
    array([[0., 2.]])
    """

    def __init__(self, name: str, alpha: float | None = None) -> None:
        if not isinstance(name, str):
            raise ConfigError(
                f"Activation: expected a name such as 'relu', got {name!r}. For settings write a layer of its own, "
                "Activation('leaky_relu', alpha=0.3); a Dense layer finds its number of inputs by itself."
            )
        if name not in ACTIVATIONS:
            raise unknown("Activation", "name", name, ACTIVATIONS)
        if alpha is not None and name not in _WITH_ALPHA:
            raise ConfigError(
                f"Activation({name!r}): takes no alpha, got {alpha}. Only {' and '.join(_WITH_ALPHA)} do."
            )
        if alpha is not None:  # the derivatives read x's sign off y, which a negative alpha would turn around
            alpha = check_number(f"Activation({name!r})", "alpha", alpha, ">= 0", lambda a: a >= 0)
        self.name = name
        self.alpha = alpha
        self._forward, self._backward = ACTIVATIONS[name]

    def settings(self) -> dict[str, Any]:
        return {"name": self.name} | ({} if self.alpha is None else {"alpha": self.alpha})

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        return input_shape

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Any]:
        y, cache = self._forward(x) if self.alpha is None else self._forward(x, self.alpha)
        return y, cache

    def backward(self, dy: Array, cache: Any, need_dx: bool = True) -> Array:
        dx: Array = self._backward(dy, cache)
        return dx
