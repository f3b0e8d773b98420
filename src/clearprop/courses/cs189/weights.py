"""Weights: the core's initializers, drawing from NumPy's legacy global stream, which `np.random.seed` sets."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from clearprop import init
from clearprop.arrays import Array, Shape


class _GlobalStream:
    """The global stream with those methods of a Generator that the initializers call."""

    uniform = staticmethod(np.random.uniform)
    normal = staticmethod(np.random.normal)

    @staticmethod
    def permuted(x: Array, axis: int) -> Array:
        """Each of the columns in an order of its own; `axis` is 0."""
        return np.stack([np.random.permutation(column) for column in x.T], axis=1)


_STREAM = cast(np.random.Generator, _GlobalStream())


class Weights:
    """Called with a shape, it draws an array of it.

    >>> Weights(init.Constant(0.5))((2, 3))
    array([[0.5, 0.5, 0.5],
           [0.5, 0.5, 0.5]])
    """

    def __init__(self, initializer: init.Initializer) -> None:
        self.initializer = initializer

    def __call__(self, shape: Shape) -> Array:
        return self.initializer(shape, *init.fans(shape), _STREAM)

    def __repr__(self) -> str:
        return f"Weights({self.initializer})"


WEIGHTS: dict[str, Callable[[float, str], init.Initializer]] = {
    "zeros": lambda gain, mode: init.Zeros(),
    "ones": lambda gain, mode: init.Ones(),
    "identity": lambda gain, mode: init.Identity(),
    "uniform": lambda gain, mode: init.Uniform(-1.0, 1.0),
    "normal": lambda gain, mode: init.Normal(1.0),
    "constant": lambda gain, mode: init.Constant(0.5),
    "sparse": lambda gain, mode: init.Sparse(0.1, 0.01),
    "he_uniform": lambda gain, mode: init.HeUniform(gain, mode),
    "he_normal": lambda gain, mode: init.HeNormal(gain, mode),
    "xavier_uniform": lambda gain, mode: init.XavierUniform(gain),
    "xavier_normal": lambda gain, mode: init.XavierNormal(gain),
}


def initialize_weights(name: str, activation: str | None = None, mode: str = "fan_in") -> Weights:
    """An initializer by its name, to be called with a shape.

    Parameters
    ----------
    name : str
        zeros, ones, identity, uniform (−1 to 1), normal (0, 1), constant (0.5), sparse (a tenth zero, the rest
        normal with 0.01), he_uniform, he_normal, xavier_uniform, xavier_normal.
    activation : str, optional
        Its gain multiplies He's and Xavier's weights: tanh 5/3, relu √2, else 1.
    mode : str
        fan_in or fan_out: what He's weights go by.

    Raises
    ------
    NotImplementedError
        For a name that is not among the known ones.
    ConfigError
        For another mode.

    Examples
    --------
    >>> np.random.seed(0)
    >>> initialize_weights("xavier_uniform")((2, 4)).shape
    (2, 4)
    """
    if name not in WEIGHTS:
        raise NotImplementedError(f"weights {name!r} are not there. Known: {', '.join(WEIGHTS)}.")
    gain: Any = init.gain(activation) if activation else 1.0
    return Weights(WEIGHTS[name](gain, mode))
