"""Mini-batches: the order in which the examples are visited."""

from collections.abc import Iterator

import numpy as np

from clearprop.arrays import Array
from clearprop.feed import Feed, Picked, window_order

Rows = slice | Array
Examples = Array | Feed  # in memory, or read as they are needed


def epoch_rows(
    n: int, batch_size: int, rng: np.random.Generator | None = None, drop_last: bool = False
) -> Iterator[Rows]:
    """The rows of each mini-batch of one epoch: shuffled with an rng, else consecutive slices.

    The last batch is short where batch_size does not divide n, or left out with `drop_last`.

    >>> [rows.stop - rows.start for rows in epoch_rows(10, 4)]
    [4, 4, 2]
    """
    end = n - n % batch_size if drop_last else n
    order = None if rng is None else rng.permutation(n)
    for start in range(0, end, batch_size):
        stop = min(start + batch_size, n)
        yield slice(start, stop) if order is None else order[start:stop]


def epoch_order(
    x: Examples, batch_size: int, rng: np.random.Generator | None = None, drop_last: bool = False
) -> Iterator[Rows | list[Picked]]:
    """`epoch_rows` of x; where x is not in memory, an rng shuffles it by `window_order`."""
    if rng is None or not isinstance(x, Feed):
        return epoch_rows(len(x), batch_size, rng, drop_last)
    return window_order(len(x), batch_size, rng, drop_last, x.source.block_rows)


def n_batches(n: int, batch_size: int, drop_last: bool = False) -> int:
    """How many mini-batches an epoch has."""
    return n // batch_size if drop_last else -(-n // batch_size)


def take(x: Examples, rows: Rows | list[Picked]) -> Array:
    """x's rows: a view for a slice, a copy for indices."""
    if isinstance(x, Feed):
        return x.take(rows)  # type: ignore[arg-type]  # an order of x's own
    return x[rows] if isinstance(rows, slice) else x.take(rows, axis=0)  # type: ignore[arg-type]
