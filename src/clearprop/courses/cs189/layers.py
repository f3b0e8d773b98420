"""Layers: each holds its parameters, gradients and cache by name; the core's kernels compute."""

from collections import OrderedDict
from math import prod
from typing import Any, final

import numpy as np

from clearprop.arrays import Array, Shape, check_shape, shape_text
from clearprop.courses.cs189.base import Layer, Weighted
from clearprop.courses.cs189.images import Conv2D, Pool2D
from clearprop.courses.cs189.utils import Pair
from clearprop.errors import ConfigError, ShapeError
from clearprop.kernels.affine import AffineCache, affine_backward, affine_forward
from clearprop.kernels.elman import ElmanCache, elman_backward, elman_forward

__all__ = ["Conv2D", "Elman", "Flatten", "FullyConnected", "Layer", "Pool2D", "initialize_layer"]


@final
class FullyConnected(Weighted):
    """Y = σ(X W + b): X (m, n_in), W (n_in, n_out), b (1, n_out). Cache: Z = X W + b, and X.

    >>> layer = FullyConnected(2, "relu")
    >>> layer.forward(np.ones((5, 3))).shape, layer.parameters["W"].shape
    ((5, 2), (3, 2))
    """

    def __init__(self, n_out: int, activation: str, weight_init: str = "xavier_uniform") -> None:
        super().__init__(n_out, activation, weight_init)

    def _init_parameters(self, X_shape: Shape) -> None:
        self.n_in = X_shape[1]
        W = self.init_weights((self.n_in, self.n_out))
        self._hold(W=W, b=np.zeros((1, self.n_out)))
        self.cache = OrderedDict(Z=[], X=[])

    def forward(self, X: Array) -> Array:
        X = self._input(
            X, ("m", "n_in"), 1, "Each example is a row; put a flatten layer before it for images."
        )
        W, b = self._parameter("W", self.n_in, self.n_out), self._parameter("b", 1, self.n_out)
        X = np.asarray(X, W.dtype)
        Z, _ = affine_forward(X, W, b[0])
        self.cache["Z"], self.cache["X"] = Z, X
        return self._activate(Z)

    def backward(self, dLdY: Array) -> Any:
        Z, X = self._kept("Z"), self._kept("X")
        dLdZ = self.activation.backward(Z, self._upstream(dLdY, Z.shape, Z.dtype))
        W = self._parameter("W", self.n_in, self.n_out)
        dLdX, dLdW, dLdb = affine_backward(dLdZ, AffineCache(X, W), need_dx=self.needs_dX)
        self.gradients["W"], self.gradients["b"] = dLdW, dLdb[None]
        return dLdX


@final
class Elman(Weighted):
    """sₜ = σ(xₜ W + sₜ₋₁ U + b) over time: X (m, d, t), W (d, n), U (n, n), b (1, n); the last state is the output.

    Cache: `s`, the t + 1 states from the zeros (m, n) on; `Z`, the t arrays before the activation; `X`, the t inputs.

    >>> layer = Elman(4)
    >>> layer.forward(np.ones((2, 3, 5))).shape, len(layer.backward(np.ones((2, 4))))
    ((2, 4), 5)
    """

    def __init__(self, n_out: int, activation: str = "tanh", weight_init: str = "xavier_uniform") -> None:
        super().__init__(n_out, activation, weight_init)
        self._steps: ElmanCache | None = None  # what the kernel kept of the last whole forward pass

    def _init_parameters(self, X_shape: Shape) -> None:
        self.n_in = X_shape[1]
        W = self.init_weights((self.n_in, self.n_out))
        U = self.init_weights((self.n_out, self.n_out))
        self._hold(W=W, U=U, b=np.zeros((1, self.n_out)))
        self.cache = OrderedDict(s=[], Z=[], X=[])

    def forward_step(self, X: Array) -> Array:
        """One step from the last state in `cache["s"]`, from zeros if there is none: X (m, d) -> s (m, n)."""
        X = self._input(X, ("m", "d"), 1, "Pass one time, X[:, :, t].")
        states = self.cache["s"] or [np.zeros((len(X), self.n_out))]
        if len(states[-1]) != len(X):
            expected = (len(states[-1]), X.shape[1])
            check_shape(f"{self}", "X", X.shape, expected, "To begin anew call clear_gradients().")
        s, steps = self._run(X[:, :, None], states[-1])
        self._steps = None  # it no longer stands for all the steps
        self.cache["s"] = [*states, s[:, 0]]
        self.cache["Z"] = [*self.cache["Z"], steps.kept[0][0]]
        self.cache["X"] = [*self.cache["X"], X]
        return s[:, 0]

    def forward(self, X: Array) -> Array:
        X = self._input(X, ("m", "d", "t"), 1, "Time is the last axis.")
        if not X.shape[2]:
            raise ShapeError(f"{self}: expected X with at least one time, got shape {shape_text(X.shape)}.")
        zeros = np.zeros((len(X), self.n_out))
        s, self._steps = self._run(X, zeros)
        self.cache["s"] = [zeros, *s.transpose(1, 0, 2)]
        self.cache["Z"] = [z for z, _ in self._steps.kept]
        self.cache["X"] = list(X.transpose(2, 0, 1))
        return s[:, -1]

    def _run(self, X: Array, state: Array) -> tuple[Array, ElmanCache]:
        """The kernel on X (m, d, t) from this state: all states (m, t, n)."""
        W, U = self._parameter("W", self.n_in, self.n_out), self._parameter("U", self.n_out, self.n_out)
        b = self._parameter("b", 1, self.n_out)
        x = np.asarray(X, W.dtype).transpose(0, 2, 1)
        return elman_forward(x, W, U, b[0], np.asarray(state, W.dtype), self._sigma)

    def _sigma(self, z: Array) -> tuple[Array, tuple[Array, Array]]:
        """The activation as the kernel wants it: the output, and what its derivative needs."""
        s = self.activation.forward(z)
        return s, (z, s)

    def _derivative(self, ds: Array, kept: tuple[Array, Array]) -> Array:
        self.activation.keep(*kept)
        return self.activation.backward(kept[0], ds)

    def backward(self, dLdY: Array) -> Any:
        """The t gradients by the inputs, (m, d) each, in the order of time; dLdY (m, n) is the last state's."""
        last = self._kept("s")[-1]
        dLdY = self._upstream(dLdY, last.shape, last.dtype)
        steps = self._steps
        if steps is None:  # after steps one by one: all of them at once, for the kernel's cache
            _, steps = self._run(np.stack(self.cache["X"], axis=2), self.cache["s"][0])
        dx, dW, dU, db, _ = elman_backward(dLdY, steps, self._derivative, need_dx=self.needs_dX)
        self.gradients["W"], self.gradients["U"], self.gradients["b"] = dW, dU, db[None]
        return None if dx is None else list(dx.transpose(1, 0, 2))

    def clear_gradients(self) -> None:
        super().clear_gradients()
        self._steps = None


@final
class Flatten(Layer):
    """Each example as a row, with keep_dim "first"; each last axis as a row with "last"; one row of all with −1.

    >>> Flatten().forward(np.ones((2, 3, 4))).shape, Flatten("last").forward(np.ones((2, 3, 4))).shape
    ((2, 12), (6, 4))
    """

    def __init__(self, keep_dim: str | int = "first") -> None:
        super().__init__()
        if keep_dim not in ("first", "last", -1):
            raise ConfigError(f"Flatten: expected keep_dim 'first', 'last' or -1, got {keep_dim!r}.")
        self.keep_dim = keep_dim
        self.cache = OrderedDict(in_dims=[])

    def forward(self, X: Array, retain_derived: bool = True) -> Array:
        """X in two axes; with retain_derived its shape is kept for backward, as in_dims."""
        X = np.asarray(X)
        if retain_derived:
            self.cache["in_dims"] = X.shape
        if self.keep_dim == -1:
            return X.reshape(1, -1)
        # the size is written out, or an empty batch could not be reshaped
        return (
            X.reshape(len(X), prod(X.shape[1:])) if self.keep_dim == "first" else X.reshape(-1, X.shape[-1])
        )

    def backward(self, dLdY: Array) -> Any:
        return np.asarray(dLdY).reshape(self._kept("in_dims"))


LAYERS: dict[str, tuple[type[Layer], tuple[str, ...], tuple[str, ...]]] = {
    # each name's class, the settings that it needs, and those that it may have
    "fully_connected": (FullyConnected, ("n_out", "activation"), ("weight_init",)),
    "elman": (Elman, ("n_out",), ("activation", "weight_init")),
    "conv2d": (Conv2D, ("n_out", "kernel_shape", "activation"), ("stride", "pad", "weight_init")),
    "pool2d": (Pool2D, ("kernel_shape",), ("mode", "stride", "pad")),
    "flatten": (Flatten, (), ("keep_dim",)),
}


def initialize_layer(
    name: str,
    activation: str | None = None,
    weight_init: str | None = None,
    n_out: int | None = None,
    kernel_shape: Pair | int | None = None,
    stride: int | None = None,
    pad: str | int | None = None,
    mode: str | None = None,
    keep_dim: str | int | None = "first",
) -> Layer:
    """A layer by its name: fully_connected, elman, conv2d, pool2d, flatten.

    A setting that is None is the class's default; one that the layer does not have is not looked at.

    Raises
    ------
    NotImplementedError
        For a name that is not among the known ones.
    ConfigError
        For a setting that is missing or out of its range.
    """
    if name not in LAYERS:
        raise NotImplementedError(f"layer {name!r} is not there. Known: {', '.join(LAYERS)}.")
    given = {
        "activation": activation,
        "weight_init": weight_init,
        "n_out": n_out,
        "kernel_shape": kernel_shape,
        "stride": stride,
        "pad": pad,
        "mode": mode,
        "keep_dim": keep_dim,
    }
    make, needed, may = LAYERS[name]
    for setting in needed:
        if given[setting] is None:
            raise ConfigError(f"layer {name!r}: expected the setting {setting!r}, got none. Write its value.")
    settings: dict[str, Any] = {key: given[key] for key in (*needed, *may) if given[key] is not None}
    return make(**settings)
