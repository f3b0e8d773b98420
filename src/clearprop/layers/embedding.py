"""Embedding: a row of weights for every number of a vocabulary. Its mathematics: kernels/embedding.py."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.errors import ConfigError, DataError
from clearprop.init import Initializer, make_initializer
from clearprop.kernels.embedding import EmbeddingCache, embedding_backward, embedding_forward
from clearprop.layers.base import Layer
from clearprop.names import check_count

EXACT = 2**24  # up to here float32, which a network's input is turned into, holds every whole number


class Embedding(Layer):
    """y = w[x]: each word of a text, or item of a catalogue, has a vector that is learned (Bengio et al. 2003).

    Parameters
    ----------
    vocabulary : int
        V, how many there are; x holds whole numbers from 0 to V − 1, in any shape.
    units : int
        M, the length of each vector.
    init : str or mapping
        Initializer of w (V, M).

    Raises
    ------
    DataError
        When x holds anything else.

    Examples
    --------
    >>> Embedding(1000, 16).output_shape((20,), "layer 0")
    (20, 16)
    """

    by_shards = False

    w: Array
    dw: Array

    def __init__(
        self, vocabulary: int, units: int, init: str | Mapping[str, Any] | Initializer = "uniform"
    ) -> None:
        self.vocabulary = check_count("Embedding", "vocabulary", vocabulary)
        if self.vocabulary > EXACT:
            raise ConfigError(
                f"Embedding: expected a vocabulary of at most {EXACT:,}, got {self.vocabulary:,}. float32 cannot "
                "tell larger numbers apart: give rare ones a number together."
            )
        self.units = check_count("Embedding", "units", units)
        self.init = make_initializer(init)

    def settings(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary, "units": self.units, "init": self.init.settings()}

    def __repr__(self) -> str:
        return f"Embedding({self.vocabulary}, {self.units})"

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        return (*input_shape, self.units)

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"w": (self.vocabulary, self.units)}

    def init_params(self, rng: np.random.Generator) -> None:
        self.w[...] = self.init(self.w.shape, self.vocabulary, self.units, rng)

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, EmbeddingCache]:
        self.check_input(x, str(self))
        return embedding_forward(self.w, x.astype(np.intp))

    def backward(self, dy: Array, cache: EmbeddingCache, need_dx: bool = True) -> Array | None:
        embedding_backward(dy, cache, out=self.dw)
        return np.zeros(dy.shape[:-1], dy.dtype) if need_dx else None

    def check_input(self, x: Array, who: str, first: int = 0) -> None:
        with np.errstate(invalid="ignore"):  # NaN has no integer, and is refused
            tokens = x.astype(np.intp)
        wrong = (tokens != x) | (tokens < 0) | (tokens >= self.vocabulary)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            place = ", ".join(map(str, (at[0] + first, *at[1:])))
            size = int(tokens.max()) + 1
            write = f": Embedding({size}, {self.units})" if (tokens == x).all() and tokens.min() >= 0 else ""
            raise DataError(
                f"{who}: expected x to hold whole numbers from 0 to {self.vocabulary - 1}, got {x[at]:g} at "
                f"x[{place}]. Number the words from 0, and give the vocabulary's size{write}."
            )
