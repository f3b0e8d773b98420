"""Rows that stay on the disk: files that are read a block at a time, however many rows they have.

What a memory-mapped array's rows touch stays in the process's memory as long as the system likes; so a mapping
is not read through itself but through its file.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from math import prod
from mmap import ALLOCATIONGRANULARITY
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape, shape_text
from clearprop.errors import DataError, FileError, ShapeError

BLOCK_BYTES = 2**19  # read at a time: enough to keep a disk busy
BLOCK_ROWS = 2**13  # at most, so that the numbers of a window's rows are few, too


class RowSource(ABC):
    """Examples, or their labels, that are read a block at a time instead of lying in memory.

    `fit`, `evaluate` and `predict` take it in place of an array. `open_rows` makes one of files; for a format of
    your own write a subclass with these attributes and `read`.

    Attributes
    ----------
    shape : tuple of int
        (N, …), as an array's.
    dtype : numpy.dtype

    Examples
    --------
    >>> class Squares(RowSource):
    ...     shape, dtype = (1_000_000, 1), np.dtype("float32")
    ...
    ...     def read(self, start, stop):
    ...         return np.arange(start, stop, dtype=np.float32)[:, None] ** 2
    >>> len(Squares()), Squares().read(3, 5).tolist()
    (1000000, [[9.0], [16.0]])
    """

    shape: Shape
    dtype: np.dtype[Any]

    @abstractmethod
    def read(self, start: int, stop: int) -> Array:
        """The rows from `start` to before `stop`, an array of shape (stop − start, …)."""

    def rows(self, start: int, stop: int) -> Array:
        """What `read` gives, or a sentence if it is not those rows."""
        found = self.read(start, stop)
        if not isinstance(found, np.ndarray) or found.shape != (stop - start, *self.shape[1:]):
            got = shape_text(found.shape) if isinstance(found, np.ndarray) else type(found).__name__
            raise DataError(
                f"{self!r}: expected an array of shape {shape_text((stop - start, *self.shape[1:]))} from "
                f"read({start}, {stop}), got {got}."
            )
        return found

    def part(self, start: int, stop: int) -> "RowSource":
        """The rows from `start` to before `stop` as a source of their own; nothing is read."""
        return _Part(self, start, stop)

    @property
    def block_rows(self) -> int:
        """How many rows are well read at a time."""
        row_bytes = prod(self.shape[1:]) * max(self.dtype.itemsize, 4)  # pixels may become float32
        return min(max(BLOCK_BYTES // max(row_bytes, 1), 1), BLOCK_ROWS)

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """All rows, a block after the other, each with the number of its first row."""
        for start in range(0, len(self), self.block_rows):
            yield start, self.rows(start, min(start + self.block_rows, len(self)))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"


def open_rows(source: Any) -> RowSource:
    """Rows of files, as `fit`, `evaluate` and `predict` read them: a block at a time.

    Parameters
    ----------
    source : str, Path, memory-mapped array, RowSource, or a list of these
        An `.npy` file; a list is shards, whose rows follow one another. In a list arrays may stand, too.

    Returns
    -------
    RowSource

    Raises
    ------
    FileError
        If a file cannot be read.
    DataError
        If a file is not `.npy`, is not whole, or its rows do not lie one after the other.
    ShapeError
        If shards have rows of different shapes.

    Examples
    --------
    >>> x, y = open_rows(["x-0.npy", "x-1.npy"]), open_rows("y.npy")  # doctest: +SKIP
    >>> cp.fit(model, x, y, batch_size=1000)  # doctest: +SKIP
    """
    if isinstance(source, str | PathLike):
        return _open_npy(Path(source))
    if isinstance(source, list | tuple):
        return Shards([open_rows(part) for part in source])
    if (found := as_source(source)) is not None:
        return found
    if isinstance(source, np.ndarray):
        return ArrayRows(source)
    raise DataError(
        f"open_rows: expected a path, a memory-mapped array or a list of them, got {type(source).__name__}."
    )


def as_source(x: Any) -> RowSource | None:
    """x as a RowSource if it is one or a memory-mapped file; None for what lies in memory.

    Raises DataError if the rows of a mapping do not lie one after the other.
    """
    if isinstance(x, RowSource):
        return x
    if not isinstance(x, np.memmap) or x.filename is None or x.mode == "c":  # "c": changed in memory alone
        return None
    if x.mode != "r":
        x.flush()
    return _mapped(x)


def _mapped(x: "np.memmap[Any, Any]") -> "FileRows":
    """The rows of a mapping, or of a view of one."""
    mapping = np.frombuffer(x._mmap, np.uint8)  # type: ignore[attr-defined]
    begin = x.offset - x.offset % ALLOCATIONGRANULARITY  # where in the file the mapping begins
    address, base = (array.__array_interface__["data"][0] for array in (x, mapping))
    return FileRows(Path(str(x.filename)), x.shape, x.dtype, x.strides, begin + address - base)


class FileRows(RowSource):
    """Rows in a file of plain numbers: an `.npy` file's, or what a memory-mapped array shows of it.

    Columns such as `table[:, 1:]` of a mapping are read with the rows that they stand in.
    """

    def __init__(
        self, path: Path, shape: Shape, dtype: np.dtype[Any], strides: tuple[int, ...], offset: int
    ) -> None:
        self.path, self.shape, self.dtype, self.offset = path, shape, dtype, offset
        self._extent = dtype.itemsize + sum(
            (n - 1) * step for n, step in zip(shape[1:], strides[1:], strict=True)
        )
        self._strides = strides
        if shape and shape[0] > 1 and (min(strides) < 0 or self._extent > strides[0]):
            raise DataError(
                f"{path}: expected rows that lie one after the other (C order), got an array of shape "
                f"{shape_text(shape)} in another order. Save it again with np.save(path, np.ascontiguousarray(x))."
            )

    def read(self, start: int, stop: int) -> Array:
        """The rows, from the file."""
        if stop <= start:
            return np.empty((0, *self.shape[1:]), self.dtype)
        step = self._strides[0]
        size = (stop - start - 1) * step + self._extent
        try:
            content = np.fromfile(self.path, np.uint8, size, offset=self.offset + start * step)
        except FileNotFoundError:
            raise FileError(f"{self.path}: there is no such file.") from None
        except OSError as error:
            raise FileError(f"{self.path}: the file cannot be read ({error.strerror or error}).") from error
        if content.size < size:
            raise DataError(
                f"{self.path}: the file ends before row {stop - 1:,}. It has become shorter since it was opened."
            )
        return np.ndarray((stop - start, *self.shape[1:]), self.dtype, content, strides=self._strides)


class Shards(RowSource):
    """Sources end to end, as one."""

    def __init__(self, parts: Sequence[RowSource]) -> None:
        if not parts:
            raise DataError("open_rows: expected at least one shard, got an empty list.")
        for i, part in enumerate(parts):
            if not part.shape or part.shape[1:] != parts[0].shape[1:]:
                raise ShapeError(
                    f"open_rows: expected shards with rows of one shape, {shape_text(parts[0].shape[1:])} as in the "
                    f"first, got shard {i} of shape {shape_text(part.shape)}."
                )
        self.parts = parts
        self._places = list(pairwise(accumulate((len(part) for part in parts), initial=0)))
        self.shape = (self._places[-1][1], *parts[0].shape[1:])
        self.dtype = np.result_type(*(part.dtype for part in parts))

    def read(self, start: int, stop: int) -> Array:
        """The rows, from as many shards as they lie in."""
        pieces = [
            part.read(max(start - first, 0), min(stop, end) - first)
            for part, (first, end) in zip(self.parts, self._places, strict=True)
            if first < stop and start < end
        ]
        rows = pieces[0] if len(pieces) == 1 else np.concatenate([self.parts[0].read(0, 0), *pieces])
        return rows.astype(self.dtype, copy=False)


class ArrayRows(RowSource):
    """An array in memory, beside others that are not: labels, weights."""

    def __init__(self, array: Array) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def read(self, start: int, stop: int) -> Array:
        """A view of the rows."""
        return self.array[start:stop]


class _Part(RowSource):
    def __init__(self, whole: RowSource, start: int, stop: int) -> None:
        self.whole, self.start = whole, start
        self.shape, self.dtype = (stop - start, *whole.shape[1:]), whole.dtype

    def read(self, start: int, stop: int) -> Array:
        return self.whole.rows(self.start + start, self.start + stop)


def _open_npy(path: Path) -> RowSource:
    try:
        mapped = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise FileError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise FileError(f"{path}: the file cannot be read ({error.strerror or error}).") from error
    except (ValueError, EOFError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{path}: expected a whole .npy file with numbers ({reason}). Save it with np.save; CSV is converted "
            "once with: clearprop data convert"
        ) from None
    return _mapped(mapped)
