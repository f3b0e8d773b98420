"""X as the core reads it: dense rows in the network's shape, sparse rows a block at a time."""

from math import prod
from typing import Any

import numpy as np
from scipy.sparse import issparse

from clearprop.arrays import Array, Shape
from clearprop.sources import RowSource


class SparseRows(RowSource):
    """The rows of a sparse matrix, made dense a block at a time.

    Parameters
    ----------
    X : sparse matrix or array in CSR format, of shape (N, D)
    input_shape : tuple of int
        One row's shape, of D numbers.
    """

    def __init__(self, X: Any, input_shape: Shape) -> None:
        self.X, self.shape, self.dtype = X, (X.shape[0], *input_shape), np.dtype(X.dtype)

    def read(self, start: int, stop: int) -> Array:
        dense: Array = self.X[start:stop].toarray()
        return dense.reshape(stop - start, *self.shape[1:])


def as_rows(X: Any, input_shape: Shape) -> "Array | RowSource":
    """Validated X of shape (N, D) as rows of shape (N, *input_shape); what is dense is not copied."""
    if issparse(X):
        return SparseRows(X, input_shape)
    rows: Array = X.reshape(len(X), *input_shape)
    return rows


def shape_of(X: Any) -> Shape:
    """The shape of an array, or of lists of numbers; () of what scikit-learn is to refuse in its own words."""
    shape: Shape = np.shape(X) if isinstance(X, list | tuple) else getattr(X, "shape", ())
    return shape


def flat(X: Any, input_shape: Shape | None, who: str) -> Any:
    """Images, sequences and whatever has more than two axes as plain rows (N, D); anything else as it is.

    So scikit-learn's checks see the rows that they know, and each number is a feature. `input_shape` is one row's
    shape where it is known, which such an X must have.
    """
    shape = shape_of(X)
    if len(shape) <= 2:
        return X
    if input_shape is not None and tuple(shape[1:]) != tuple(input_shape):
        raise ValueError(
            f"X has rows of shape {tuple(shape[1:])}, but {who} is expecting rows of shape {tuple(input_shape)}, or of "
            f"{prod(input_shape)} features, as input."
        )
    return np.asarray(X).reshape(shape[0], -1) if shape[0] else np.empty((0, prod(shape[1:])))
