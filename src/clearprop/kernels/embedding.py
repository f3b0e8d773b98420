"""Embedding: every number of a vocabulary has a row of weights."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class EmbeddingCache(NamedTuple):
    tokens: Array  # any shape, of integers
    vocabulary: int


def embedding_forward(w: Array, tokens: Array) -> tuple[Array, EmbeddingCache]:
    """y = w[tokens]

    w: (V, M), tokens: any shape of integers from 0 to V − 1  ->  y: (*tokens.shape, M)        cache: tokens, V

    >>> embedding_forward(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 1, 0]))[0]
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    """
    return w[tokens], EmbeddingCache(tokens, len(w))


def embedding_backward(dy: Array, cache: EmbeddingCache, out: Array | None = None) -> Array:
    """dw[v] = Σ dy[i] over all places i where tokens[i] = v

    dy: (*tokens.shape, M)  ->  dw: (V, M)

    The rows are sorted by their tokens, so that those of one token lie together. `out` names the array to write.
    """
    tokens = cache.tokens.reshape(-1)
    order = np.argsort(tokens, kind="stable")
    ordered, rows = tokens[order], dy.reshape(len(tokens), -1)[order]
    first = np.flatnonzero(np.diff(ordered, prepend=-1))  # where each token's rows begin
    dw = np.empty((cache.vocabulary, rows.shape[1]), dy.dtype) if out is None else out
    dw.fill(0)
    dw[ordered[first]] = np.add.reduceat(rows, first, axis=0)
    return dw
