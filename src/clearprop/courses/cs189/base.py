"""What the layers share: the names that the course gives to what they hold, and the sentences."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape, check_shape
from clearprop.courses.cs189.activations import Activation, initialize_activation
from clearprop.courses.cs189.weights import initialize_weights
from clearprop.errors import ConfigError
from clearprop.names import check_count


class Layer(ABC):
    """The base of the layers.

    Attributes
    ----------
    activation : Activation or None
    n_in, n_out : int or None
        Units, or channels; None as long as they are not known.
    parameters : OrderedDict of str to array
        What the user puts here counts at the next forward pass.
    cache : OrderedDict of str
        What the last forward pass kept; an entry is [] before it.
    gradients : OrderedDict of str to array
        Written, not added to, by backward.
    needs_dX : bool
        Whether backward computes the gradient by its input; where it does not, backward returns None.
    """

    needs_dX: bool = True

    def __init__(self) -> None:
        self.activation: Activation | None = None
        self.n_in: int | None = None
        self.n_out: int | None = None
        self.parameters: OrderedDict[str, Array] = OrderedDict()
        self.cache: OrderedDict[str, Any] = OrderedDict()
        self.gradients: OrderedDict[str, Array] = OrderedDict()

    def __call__(self, X: Array) -> Array:
        return self.forward(X)

    @abstractmethod
    def forward(self, X: Array) -> Array:
        """The layer's output. At the first call parameters are made, to fit X."""

    @abstractmethod
    def backward(self, dLdY: Array) -> Any:
        """The gradient by the last input, from the gradient by the output; those of parameters go into `gradients`."""

    def clear_gradients(self) -> None:
        """Empty the entries of the cache, and zero the gradients."""
        self.cache = OrderedDict((name, []) for name in self.cache)
        self.gradients = OrderedDict((name, np.zeros_like(g)) for name, g in self.gradients.items())

    def forward_with_param(self, param_name: str, X: Array) -> Callable[[Array], Array]:
        """The forward pass on X as a function of this parameter's value, for gradient checks."""

        def forward(value: Array) -> Array:
            self.parameters[param_name] = value
            return self.forward(X)

        return forward

    def _get_parameters(self) -> list[Array]:
        return list(self.parameters.values())

    def _get_cache(self) -> list[Any]:
        return list(self.cache.values())

    def _get_gradients(self) -> list[Array]:
        return list(self.gradients.values())

    def _hold(self, **parameters: Array) -> None:
        """New parameters, with gradients of zero."""
        self.parameters = OrderedDict(parameters)
        self.gradients = OrderedDict((name, np.zeros_like(value)) for name, value in parameters.items())

    def _parameter(self, name: str, *shape: int | None) -> Array:
        """What lies in `parameters` now, as an array of floats, if it is of this shape."""
        value = np.asarray(self.parameters[name])
        if value.shape != shape:
            check_shape(f"{self}", f"parameters[{name!r}]", value.shape, [n or 0 for n in shape])
        if value.dtype.kind != "f" or value is not self.parameters[name]:
            value = self.parameters[name] = np.array(value, np.float64)  # so that it can be updated in place
        return value

    def _kept(self, name: str) -> Any:
        """An entry of the cache, if there was a forward pass."""
        kept = self.cache.get(name, [])
        if type(kept) is list and not kept:
            raise ConfigError(
                f"{self}: expected a forward pass before backward, got none. Call forward(X) first."
            )
        return kept

    def _upstream(self, dLdY: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """dLdY as an array, if it has the output's shape."""
        dLdY = np.asarray(dLdY, dtype)
        if dLdY.shape != shape:
            check_shape(f"{self}", "dLdY", dLdY.shape, shape, "It has the shape of the last output.")
        return dLdY

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.n_out is None else self.n_out})"


class Weighted(Layer):
    """A layer with an activation, and weights that are drawn when the first input's shape is known."""

    activation: Activation

    def __init__(self, n_out: int, activation: str, weight_init: str) -> None:
        super().__init__()
        self.n_out: int = check_count(type(self).__name__, "n_out", n_out)
        self.activation = initialize_activation(activation)
        self.init_weights = initialize_weights(weight_init, activation=activation)

    @abstractmethod
    def _init_parameters(self, X_shape: Shape) -> None:
        """Make parameters, cache and gradients for inputs of this shape."""

    def _activate(self, Z: Array) -> Array:
        """σ(Z), kept for the way back."""
        Y = self.activation.forward(Z)
        if self.activation.from_output:
            self.activation.keep(Z, Y.copy())  # Y itself goes out to the user, who may change it
        return Y

    def _input(self, X: Array, pattern: tuple[str, ...], features: int, remedy: str) -> Array:
        """X as an array, if it has these axes, n_in of them along `features`. The first one brings the parameters."""
        X = np.asarray(X)
        if X.ndim != len(pattern) or (self.n_in is not None and X.shape[features] != self.n_in):
            expected = [self.n_in or name if i == features else name for i, name in enumerate(pattern)]
            check_shape(f"{self}", "X", X.shape, expected, remedy)
        if self.n_in is None:
            given = dict(self.parameters)
            self._init_parameters(X.shape)
            self.parameters.update(given)  # what the user had put there counts
        return X
