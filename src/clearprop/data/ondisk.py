"""Converted data: opened, measured and scaled without being loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from clearprop.arrays import Array, check_finite
from clearprop.data.convert import FACTS
from clearprop.data.sets import Pair
from clearprop.data.splits import ChannelStandardizer, MinMax, Standardizer
from clearprop.errors import DataError, FileError, ShapeError
from clearprop.sources import RowSource, open_rows

S = TypeVar("S", Standardizer, ChannelStandardizer, MinMax)


class DiskPair(NamedTuple):
    """Examples and their labels, as sources: `fit(model, *open_folder("higgs").pair)`."""

    x: RowSource  # (N, …)
    y: RowSource  # (N,) labels or numbers, or (N, M) targets

    def part(self, start: int, stop: int) -> "DiskPair":
        """Consecutive rows; nothing is read."""
        return DiskPair(self.x.part(start, stop), self.y.part(start, stop))

    def head(self, n: int) -> Pair:
        """The first n rows, or as many as there are, in memory."""
        n = min(n, len(self.x))
        return Pair(self.x.read(0, n), self.y.read(0, n))


@dataclass(frozen=True)
class DiskSet:
    """A data set that stays on the disk.

    Attributes
    ----------
    pair : DiskPair
    class_names : tuple of str or None
        class_names[k] is what label k stands for.
    feature_names : tuple of str or None
        The columns' names.
    """

    pair: DiskPair
    class_names: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None


def is_converted(folder: str | Path) -> bool:
    """Whether a folder holds x.npy and y.npy."""
    return all((Path(folder) / name).is_file() for name in ("x.npy", "y.npy"))


def open_folder(folder: str | Path) -> DiskSet:
    """What `convert_csv` has written; or any folder with `x.npy` and `y.npy`, one row of each an example.

    Raises
    ------
    DataError, FileError, ShapeError
        When a file cannot be read, or x and y are of different lengths.

    Examples
    --------
    >>> higgs = open_folder("higgs")  # doctest: +SKIP
    >>> cp.fit(model, *higgs.pair, batch_size=1000)  # doctest: +SKIP
    """
    folder = Path(folder)
    pair = DiskPair(open_rows(folder / "x.npy"), open_rows(folder / "y.npy"))
    if not pair.x.shape or pair.x.shape[:1] != pair.y.shape[:1]:
        raise ShapeError(
            f"{folder}: expected x.npy and y.npy with as many rows, got shapes {pair.x.shape} and {pair.y.shape}."
        )
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        names = (facts.get(key) for key in ("class_names", "feature_names"))
        return DiskSet(pair, *(None if found is None else tuple(found) for found in names))
    except (ValueError, TypeError, AttributeError):
        raise DataError(f"{path}: not as clearprop wrote it. Convert the data again.") from None
    except OSError as error:
        raise FileError(f"{path}: the file cannot be read ({error.strerror or error}).") from error


class ScaledRows(RowSource):
    """A source's rows, scaled as they are read.

    Examples
    --------
    >>> x = open_rows([np.array([[1.0, 5.0]]), np.array([[3.0, 5.0]])])
    >>> ScaledRows(x, fit_scaling(Standardizer, x)).read(0, 2)
    array([[-1.,  0.],
           [ 1.,  0.]])
    """

    def __init__(self, source: RowSource, scaling: Standardizer | ChannelStandardizer | MinMax) -> None:
        self.source, self.scaling, self.shape = source, scaling, source.shape
        self.dtype = source.dtype if source.dtype.kind == "f" else np.dtype(np.float64)

    def read(self, start: int, stop: int) -> Array:
        """The scaled rows."""
        rows = self.source.read(start, stop)
        return self.scaling.transform(rows.astype(self.dtype, copy=False))


def fit_scaling(kind: type[S], x: RowSource) -> S:
    """`kind.fit` for rows on the disk, in one pass over them: `kind` is Standardizer, ChannelStandardizer or MinMax.

    Mean and variance are put together from those of the blocks (Chan, Golub and LeVeque, Updating formulae and a
    pairwise algorithm for computing sample variances, 1979), in float64.
    """
    kind.fit(x.read(0, 1))  # refuses what it refuses in memory
    n, mean, squares = 0, np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
    low, high = np.full(x.shape[1:], np.inf), np.full(x.shape[1:], -np.inf)
    for first, rows in x.blocks():
        check_finite(kind.__name__, "x", rows, first)
        block = rows.astype(np.float64)
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
        own = block.mean(axis=0)
        squares += np.square(block - own).sum(axis=0)
        share = len(rows) / (n + len(rows))
        squares += np.square(own - mean) * (n * share)
        mean += (own - mean) * share
        n += len(rows)
    if issubclass(kind, MinMax):
        return kind(low, np.where(high > low, high - low, 1))
    if issubclass(kind, ChannelStandardizer):
        axes = tuple(range(mean.ndim - 1))
        squares = (squares + n * np.square(mean - mean.mean(axis=axes))).mean(axis=axes)
        mean, low, high = mean.mean(axis=axes), low.min(axis=axes), high.max(axis=axes)
    return kind(mean, np.where(high > low, np.sqrt(squares / n), 1))
