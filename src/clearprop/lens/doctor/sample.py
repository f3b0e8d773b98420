"""The rows that are looked at: all of small data, a sample of large data; those that hold NaN are taken out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import ClearpropError, DataError
from clearprop.evaluation import prepare_arrays
from clearprop.losses import Loss, check_length
from clearprop.model import Sequential
from clearprop.sources import as_source

BLOCKS = 8  # of rows that are not in memory: consecutive rows from so many places


@dataclass
class Sample:
    """Rows in the network's dtype, in random order, and what was wrong with them."""

    x: Array  # (n, …), finite
    y: Array  # (n, …) as the loss takes it
    of: int  # rows there are
    labels: Array  # y as it was given, of all rows where they are in memory
    not_finite: int = 0  # rows of the sample with NaN or infinity in x or y
    bad_columns: tuple[int, ...] = ()
    misfit: str = ""  # why fit would refuse them; y is as it was given then

    @property
    def said(self) -> str:
        """How many rows."""
        n = len(self.x) + self.not_finite
        return f"{n:,} rows" if n == self.of else f"a sample of {n:,} of {self.of:,} rows"


def take_sample(
    model: Sequential, loss: Loss, x: Any, y: Any, most: int, rng: np.random.Generator, who: str
) -> Sample:
    """At most so many rows.

    Raises
    ------
    ShapeError, DataError
        If x is not what the network takes, or y has another length.
    """
    x, y, labels, of = _read(x, y, most, rng, who)
    if x.dtype.kind not in "biuf":
        raise DataError(
            f"{who}: expected x to hold numbers, got {x.dtype}. Encode text columns as numbers first."
        )
    if len(x) == 0:
        raise DataError(f"{who}: expected at least one example, got x of shape {x.shape}.")
    if x.shape[1:] != model.input_shape:
        model.refuse((of, *x.shape[1:]), who)
    with np.errstate(over="ignore", invalid="ignore"):  # what the dtype cannot hold is not finite
        x = x.astype(model.dtype)
    fine = np.isfinite(x).reshape(len(x), -1)
    keep = fine.all(axis=1)
    columns = tuple(int(c) for c in np.flatnonzero(~fine.all(axis=0)))
    if y.dtype.kind == "f":
        keep &= np.isfinite(y).reshape(len(y), -1).all(axis=1)
    sample = Sample(x[keep], y[keep], of, labels, int((~keep).sum()), columns)
    if len(sample.x):
        try:
            sample.x, sample.y = prepare_arrays(model, loss, sample.x, sample.y, who)
        except ClearpropError as error:
            sample.misfit = str(error)
    return sample


def _read(x: Any, y: Any, most: int, rng: np.random.Generator, who: str) -> tuple[Array, Array, Array, int]:
    """Some rows of x and y, all of y if it is in memory, and how many rows there are."""
    source, targets = as_source(x), as_source(y)
    x = np.asarray(x) if source is None else source
    y = np.asarray(y) if targets is None else targets
    of = x.shape[0] if x.shape else 0
    check_length(y.shape, of, who)
    if source is None and targets is None:
        rows = rng.permutation(of)[:most]
        return x[rows], y[rows], y, of
    blocks = [(0, of)]
    if of > most:
        size = max(1, most // BLOCKS)
        blocks = [(int(start), int(start) + size) for start in np.linspace(0, of - size, BLOCKS)]
    order = rng.permutation(sum(stop - start for start, stop in blocks))
    x, few = (
        np.concatenate([d[a:b] if isinstance(d, np.ndarray) else d.rows(a, b) for a, b in blocks])[order]
        for d in (x, y)
    )
    return x, few, few if targets is not None else y, of
