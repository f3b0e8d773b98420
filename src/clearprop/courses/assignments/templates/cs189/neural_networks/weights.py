"""Weights to start from, drawn from NumPy's global stream: `np.random.seed` makes them repeatable."""

from collections.abc import Callable
from math import ceil, prod, sqrt

import numpy as np

GAINS = {"tanh": 5 / 3, "relu": sqrt(2)}  # of the other activations: 1


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many numbers each output reads, and how many outputs each input goes to.

    (n_in, n_out) -> n_in, n_out; a convolution's (kh, kw, c, n) -> kh·kw·c, kh·kw·n.
    """
    window = prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def initialize_weights(
    name: str, activation: str | None = None, mode: str = "fan_in"
) -> Callable[[tuple[int, ...]], np.ndarray]:
    """A function from a shape to an array of weights of that shape.

    Parameters
    ----------
    name : str
        zeros, ones, identity, uniform (−1 to 1), normal (0, 1), constant (0.5), sparse (a tenth of each column is 0,
        the rest normal with deviation 0.01), he_uniform, he_normal, xavier_uniform, xavier_normal.
    activation : str, optional
        What follows: weights before a tanh or a ReLU are larger.
    mode : str
        fan_in or fan_out: what He's deviation, gain / √fan, is computed from.
    """
    gain = GAINS.get(activation or "", 1.0)

    def xavier(shape: tuple[int, ...]) -> float:
        return gain * sqrt(2.0 / sum(fans(shape)))

    def he(shape: tuple[int, ...]) -> float:
        return gain / sqrt(fans(shape)[0 if mode == "fan_in" else 1])

    known = {
        "zeros": np.zeros,
        "ones": np.ones,
        "identity": lambda shape: np.eye(*shape),
        "uniform": lambda shape: np.random.uniform(-1.0, 1.0, shape),
        "normal": lambda shape: np.random.normal(0.0, 1.0, shape),
        "constant": lambda shape: np.full(shape, 0.5),
        "sparse": _sparse,
        "he_uniform": lambda shape: _uniform(he(shape), shape),
        "he_normal": lambda shape: np.random.normal(0.0, he(shape), shape),
        "xavier_uniform": lambda shape: _uniform(xavier(shape), shape),
        "xavier_normal": lambda shape: np.random.normal(0.0, xavier(shape), shape),
    }
    if name not in known:
        raise NotImplementedError(f"there are no weights {name!r}; there are {', '.join(known)}.")
    return known[name]


def _uniform(std: float, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform in ±√3·std, whose standard deviation is std."""
    bound = sqrt(3.0) * std
    return np.random.uniform(-bound, bound, shape)


def _sparse(shape: tuple[int, ...], share: float = 0.1, std: float = 0.01) -> np.ndarray:
    """Small normal numbers; in each column (one unit's weights), `share` of them are 0."""
    W = np.random.normal(0.0, std, (prod(shape[:-1]), shape[-1]))
    for column in W.T:
        column[np.random.permutation(len(column))[: ceil(share * len(column))]] = 0.0
    return W.reshape(shape)
