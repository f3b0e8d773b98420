"""The rows that are looked at: all of small data, a sample of large data; those that hold NaN are taken out."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import ClearpropError, DataError, ShapeError
from clearprop.evaluation import prepare_arrays
from clearprop.losses import Loss, check_length
from clearprop.model import Sequential
from clearprop.sources import as_source

OFF = 0.3  # of the rows' usual distance from their centre: this far off a plane is not on it
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
    def taken(self) -> int:
        """Rows that were looked at, those with NaN among them."""
        return len(self.x) + self.not_finite

    @property
    def said(self) -> str:
        """How many rows."""
        n = self.taken
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
    x, y, labels, of, numbers = _read(x, y, most, rng, who)
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
        if sample.misfit:
            sample.misfit = _in_order(model, loss, sample, numbers[keep], who)
    return sample


def off_the_plane(x: Array, most: int) -> Array:
    """The first rows, at most so many, that stand off the plane through those before them; x: (n, D).

    The second stands off the first. Where none of the others does, the farthest one is taken.
    """
    std = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(std > 0, std, 1.0)
    limit = OFF * float(np.sqrt((x * x).sum(axis=1).mean()))
    rows, off = [0], x - x[0]  # off: each row, without its part in the plane
    while len(rows) < most:
        distance = np.linalg.norm(off, axis=1)
        found = int(np.argmax(distance >= limit)) if (distance >= limit).any() else int(distance.argmax())
        if not distance[found] or (distance[found] < limit and len(rows) > 1):
            break
        rows.append(found)
        direction = off[found] / distance[found]
        off = off - np.outer(off @ direction, direction)
    return np.array(rows)


def _in_order(model: Sequential, loss: Loss, sample: Sample, numbers: Array, who: str) -> str:
    """Why fit would refuse the rows: said of the first one, by its number in the data."""
    order = np.argsort(numbers)
    try:
        prepare_arrays(model, loss, sample.x[order], sample.y[order], who)
    except ClearpropError as error:
        return re.sub(r"(?<= row )\d+", lambda found: str(numbers[order[int(found[0])]]), str(error))
    return sample.misfit


def _read(
    x: Any, y: Any, most: int, rng: np.random.Generator, who: str
) -> tuple[Array, Array, Array, int, Array]:
    """Some rows of x and y, all of y if it is in memory, how many rows there are, and the numbers of those taken."""
    source, targets = as_source(x), as_source(y)
    x = np.asarray(x) if source is None else source
    y = np.asarray(y) if targets is None else targets
    if not x.shape:
        raise ShapeError(f"{who}: expected x of shape (N, …), got a single number. Put it into an array.")
    of = x.shape[0]
    check_length(y.shape, of, who)
    if source is None and targets is None:
        rows = rng.permutation(of)[:most]
        return x[rows], y[rows], y, of, rows
    blocks = [(0, of)]
    if of > most:
        size = max(1, most // BLOCKS)
        blocks = [(int(start), int(start) + size) for start in np.linspace(0, of - size, BLOCKS)]
    order = rng.permutation(sum(stop - start for start, stop in blocks))
    x, few = (
        np.concatenate([d[a:b] if isinstance(d, np.ndarray) else d.rows(a, b) for a, b in blocks])[order]
        for d in (x, y)
    )
    numbers = np.concatenate([np.arange(a, b) for a, b in blocks])[order]
    return x, few, few if targets is not None else y, of, numbers
