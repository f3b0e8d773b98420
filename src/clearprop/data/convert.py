"""A table of text, however long, -> two files of numbers that are read where they lie.

Nothing here grows with the number of rows: the text is parsed some thousand lines at a time into records on the disk;
the records are dealt at random to buckets that fit into memory; each bucket is shuffled and written.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from clearprop.arrays import Array, Shape, as_dtype
from clearprop.data.csv import Block, Form, look, read_blocks
from clearprop.errors import ConfigError, DataError, FileError
from clearprop.files import make_folder

BUCKET_BYTES = 2**23  # of records, in memory at a time
FACTS = "data.json"

Progress = Callable[[str, int, int], object]


class Converted(NamedTuple):
    """What `convert_csv` has written."""

    folder: Path  # with x.npy, y.npy and data.json
    rows: int
    features: int
    class_names: tuple[str, ...] | None


def convert_csv(
    path: str | Path,
    folder: str | Path,
    label: Literal["first", "last"] = "last",
    header: bool | Literal["auto"] = "auto",
    dtype: npt.DTypeLike = "float32",
    shuffle: bool = True,
    seed: int = 0,
    progress: Progress = lambda stage, done, total: None,
) -> Converted:
    """Convert a CSV table once into `.npy` files, from which `fit` reads without loading them.

    The memory that it needs does not depend on the number of rows. On the disk it needs twice the result's place
    for as long as it works.

    Parameters
    ----------
    path : str or Path
        The table, as `read_csv` takes it: plain, or packed with gzip or xz.
    folder : str or Path
        The folder to make. It appears when everything in it is written; if something goes wrong, nothing is left.
    label : {"last", "first"}
        The column of the labels: numbers, or names, which become 0, 1, … in their order.
    header : bool or "auto"
        Whether the first line holds the columns' names; "auto" takes it for names if none of its feature
        cells is a number.
    dtype : str
        "float32" or "float64": of the features.
    shuffle : bool
        Whether the rows are put into a random order, each order as likely as any other. Leave it True unless they
        already are in one: an epoch over rows on the disk is only shuffled within windows.
    seed : int
        The same seed gives the same order.
    progress : callable, optional
        progress(stage, done, total) with the stages "reading" (bytes of the file), "shuffling" and "writing" (rows).

    Returns
    -------
    Converted
        The folder has `x.npy` (N, D), `y.npy` (N,) with int64 labels, or float64 where they are no whole numbers, and
        `data.json` with the names of classes and features; `open_folder` opens them.

    Raises
    ------
    DataError
        For whatever `read_csv` refuses, with its line, and a number that is too large for float32.
    FileError
        When the folder exists, a file cannot be read, or the disk is full.

    Examples
    --------
    >>> convert_csv("HIGGS.csv.gz", "higgs", label="first")  # doctest: +SKIP
    Converted(folder=PosixPath('higgs'), rows=11000000, features=28, class_names=None)
    """
    if label not in ("first", "last"):
        raise ConfigError(f"convert_csv: expected label to be 'first' or 'last', got {label!r}.")
    kind = as_dtype(dtype)
    folder = Path(folder)
    form = look(path, label, header)
    _refuse_existing(folder)
    make_folder(folder.absolute().parent)
    beside = folder.absolute().with_name(
        f".{folder.absolute().name}.{uuid4().hex[:12]}.part"
    )  # nobody else's
    try:
        beside.mkdir()
        work = _Conversion(form, kind, beside, progress)
        work.parse(Path(path).stat().st_size)
        parts = work.shuffled(np.random.default_rng(seed)) if shuffle else work.in_order()
        work.write(parts)
        _refuse_existing(folder)
        beside.rename(folder)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(
            f"{folder}: could not be written ({error.strerror or error}). Free some space, or choose another place."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Converted(folder, work.rows, form.columns - 1, work.class_names())


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise FileError(f"{folder}: exists, and is not overwritten. Remove it, or choose another place.")


class _Conversion:
    """The stages of one conversion; every row is a record of its features and its label."""

    def __init__(self, form: Form, dtype: np.dtype[Any], folder: Path, progress: Progress) -> None:
        self.form, self.folder, self.progress = form, folder, progress
        self.record = np.dtype([("x", dtype, (form.columns - 1,)), ("y", np.float64)])
        self.rows = 0
        self.whole = True  # all labels so far are whole numbers
        self.names: dict[str, int] = {}  # in the order in which they came
        self.parsed = folder / "parsed"

    def parse(self, size: int) -> None:
        """Text -> records, in the file's order."""
        with self.parsed.open("wb") as file:
            for block in read_blocks(self.form, lambda done: self.progress("reading", done, size)):
                records = np.empty(len(block.x), self.record)
                with np.errstate(over="ignore"):
                    records["x"] = block.x
                self._check_range(records["x"], block)
                records["y"] = labels = self._numbers(block.labels)
                self.whole = self.whole and bool((np.abs(labels) < 2**53).all() and (labels % 1 == 0).all())
                self.rows += len(records)
                records.tofile(file)

    def _check_range(self, x: Array, block: Block) -> None:
        if np.isfinite(x).all():
            return
        row, column = (int(i) for i in np.argwhere(~np.isfinite(x))[0])
        shown = column + 2 if self.form.label == "first" else column + 1
        raise DataError(
            f"{self.form.path}, line {block.line + row}, column {shown}: {block.x[row, column]} is too large for "
            f"{x.dtype}. Convert with dtype='float64'."
        )

    def _numbers(self, labels: Array | list[str]) -> Array:
        """Labels as numbers; names get new ones as they come."""
        if not isinstance(labels, list):
            return labels
        return np.array([self.names.setdefault(name, len(self.names)) for name in labels], np.float64)

    def in_order(self) -> Iterator[Array]:
        """The records as they came, a bucket's worth at a time."""
        yield from self._read(self.parsed)

    def shuffled(self, rng: np.random.Generator) -> Iterator[Array]:
        """All records in a random order: each is dealt to any bucket, and each bucket is shuffled."""
        count = -(-self.rows * self.record.itemsize // BUCKET_BYTES)
        buckets = [self.folder / f"bucket-{k}" for k in range(count)]
        done = 0
        for records in self._read(self.parsed):
            dealt = rng.integers(count, size=len(records))
            order = np.argsort(dealt, kind="stable")
            ends = np.searchsorted(dealt[order], np.arange(1, count))
            for bucket, rows in zip(buckets, np.split(order, ends), strict=True):
                with bucket.open("ab") as file:
                    records[rows].tofile(file)
            done += len(records)
            self.progress("shuffling", done, self.rows)
        self.parsed.unlink()
        for bucket in buckets:
            records = np.fromfile(bucket, self.record)
            bucket.unlink()
            yield records[rng.permutation(len(records))]

    def _read(self, path: Path) -> Iterator[Array]:
        at_once = max(1, BUCKET_BYTES // self.record.itemsize)
        with path.open("rb") as file:
            while len(records := np.fromfile(file, self.record, at_once)):
                yield records

    def write(self, parts: Iterator[Array]) -> None:
        """Records -> x.npy, y.npy and what is to be known about them."""
        names = self.class_names()
        number = None if names is None else np.argsort(np.argsort(list(self.names)))  # by order of coming
        kind = np.dtype(np.int64 if self.whole else np.float64)
        x = self.record["x"]
        done = 0
        with (self.folder / "x.npy").open("wb") as x_file, (self.folder / "y.npy").open("wb") as y_file:
            write_header(x_file, (self.rows, *x.shape), x.base)
            write_header(y_file, (self.rows,), kind)
            for records in parts:
                np.ascontiguousarray(records["x"]).tofile(x_file)
                labels = records["y"].astype(kind)
                (labels if number is None else number[labels]).tofile(y_file)
                done += len(records)
                self.progress("writing", done, self.rows)
            for file in (x_file, y_file):
                file.flush()
                os.fsync(file.fileno())
        self.parsed.unlink(missing_ok=True)
        facts = {
            "from": Path(self.form.path).name,
            "rows": self.rows,
            "class_names": names,
            "feature_names": self.form.feature_names,
        }
        (self.folder / FACTS).write_text(
            json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )

    def class_names(self) -> tuple[str, ...] | None:
        return tuple(sorted(self.names)) if self.form.named else None


def write_header(file: BinaryIO, shape: Shape, dtype: np.dtype[Any]) -> None:
    """The head of an `.npy` file, whose rows follow as they come."""
    description = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": description, "fortran_order": False, "shape": shape})
