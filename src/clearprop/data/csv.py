"""CSV tables of numbers, with the label in the first or the last column, or without one.

NumPy parses a file that is in order, some thousand lines at a time. What it refuses is walked through
again, line by line, to find the cell to name.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Literal, NamedTuple, TextIO

import numpy as np

from clearprop.arrays import Array
from clearprop.data.labels import Labels, as_labels, number_names
from clearprop.data.streams import open_bytes
from clearprop.errors import ConfigError, DataError

_LINES = 20_000  # parsed at a time: enough to keep NumPy busy, few enough to keep the text small
_CHARACTERS = 2**22  # the same for a table of whatever length and width

_NO_LABELS = Labels(np.empty(0, dtype=np.int64), None)

LabelColumn = Literal["first", "last"] | None
MISSING = (
    "",
    "?",
    "-",
    "na",
    "n/a",
    "nan",
    "null",
    "none",
)  # in a first line they are gaps, not columns' names


class Table(NamedTuple):
    """A CSV file, read."""

    x: Array  # (N, D) float64
    y: Array  # (N,): int64 labels, float64 where they are no whole numbers; (0,) without a label column
    class_names: tuple[str, ...] | None  # sorted, where the file's labels are names
    feature_names: tuple[str, ...] | None  # D of them, where the file has a header


class Form(NamedTuple):
    """How a file is laid out, as its first line shows."""

    path: str | Path
    label: LabelColumn
    columns: int
    header: tuple[str, ...] | None
    named: bool  # the labels are names

    @property
    def first_line(self) -> int:
        return 1 if self.header is None else 2

    @property
    def label_column(self) -> int | None:
        return {"first": 0, "last": self.columns - 1, None: None}[self.label]

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        if self.header is None or self.label_column is None:
            return self.header
        return tuple(name for k, name in enumerate(self.header) if k != self.label_column)


class Block(NamedTuple):
    """Some of a file's rows."""

    line: int  # that of the first row
    x: Array  # (n, D) float64
    labels: Array | list[str]  # (n,) float64, or n names


def read_csv(path: str | Path, label: LabelColumn = "last", header: bool | Literal["auto"] = "auto") -> Table:
    """A table of numbers with comma-separated cells, packed with gzip or xz, or plain.

    Parameters
    ----------
    path : str or Path
        The file, in UTF-8. Empty lines at its end do no harm.
    label : {"last", "first"} or None
        The column of the labels, if there is one: numbers or class names. Names become 0, 1, … in their
        order, whole numbers such as 1.000e+00 become integers.
    header : bool or "auto"
        Whether the first line holds the columns' names; "auto" takes it for names if none of its feature
        cells is a number.

    Returns
    -------
    Table
        x (N, D) float64, y (N,), class_names, feature_names.

    Raises
    ------
    DataError
        For an empty file, a ragged row, and a missing, non-numeric, NaN or infinite cell, with its line and
        column, counted from 1.

    Examples
    --------
    >>> x, y, class_names, _ = read_csv("iris.data")  # doctest: +SKIP
    >>> x.shape, class_names  # doctest: +SKIP
    ((150, 4), ('Iris-setosa', 'Iris-versicolor', 'Iris-virginica'))
    """
    if label not in ("first", "last", None):
        raise ConfigError(f"read_csv: expected label to be 'first', 'last' or None, got {label!r}.")
    form = look(path, label, header)
    table = _parse(form)
    if table is None:
        table = _walk(form)
    x, labels = table
    return Table(x, labels.y, labels.names, form.feature_names)


def read_blocks(form: Form, report: Callable[[int], object]) -> Iterator[Block]:
    """A table with labels, some thousand rows at a time, however long it is; see `open_bytes` for `report`."""
    line, empty = form.first_line, None
    with _open_text(form.path, report) as text:
        list(islice(text, form.first_line - 1))
        while lines := text.readlines(_CHARACTERS):
            first, line = line, line + len(lines)
            count = len(lines)
            while count and not lines[count - 1].strip():
                count -= 1
            if count and empty is not None:
                raise _empty_line(form.path, empty)
            if count < len(lines) and empty is None:
                empty = first + count
            if count:
                yield _block(form, lines[:count], first)


def look(path: str | Path, label: LabelColumn, header: bool | Literal["auto"]) -> Form:
    """How a file is laid out."""
    with _open_text(path) as text:
        return _look(path, text, label, header)


@contextmanager
def _open_text(path: str | Path, report: Callable[[int], object] = lambda count: None) -> Iterator[TextIO]:
    with open_bytes(path, report) as stream:
        try:
            yield io.TextIOWrapper(stream, encoding="utf-8-sig")
        except UnicodeDecodeError as err:
            raise DataError(
                f"{path}: expected text in UTF-8, got the byte {err.object[err.start]:02x}. "
                "Save it as CSV in UTF-8."
            ) from err


# --- the first line ---


def _look(path: str | Path, text: TextIO, label: LabelColumn, header: bool | Literal["auto"]) -> Form:
    first = next(_rows(path, text), None)
    if first is None:
        raise DataError(f"{path}: the file is empty; expected rows of comma-separated numbers.")
    cells = first[1]
    needed = 1 if label is None else 2
    if len(cells) < needed:
        raise DataError(
            f"{path}, line 1: expected at least {needed} columns, a label and features, separated by commas, "
            f"got {len(cells)}."
        )
    features = cells[{"first": slice(1, None), "last": slice(-1), None: slice(None)}[label]]
    has_header = header
    if header == "auto":
        has_header = not any(cell.lower() in MISSING or _is_number(cell) for cell in features)
    form = Form(path, label, len(cells), tuple(cells) if has_header else None, False)
    if has_header:
        second = next(_rows(path, text, 2), None)
        if second is None:
            raise DataError(f"{path}: there is nothing under the header; expected rows of numbers.")
        cells = second[1]
    if form.label_column is not None and len(cells) == form.columns:
        return form._replace(named=not _is_number(cells[form.label_column]))
    return form


def _rows(path: str | Path, text: Iterable[str], line: int = 1) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and stripped cells; only empty lines at the file's end are passed over."""
    rows = csv.reader(text, skipinitialspace=True)
    empty = None
    while True:
        number = line + rows.line_num
        try:
            cells = [cell.strip() for cell in next(rows)]
        except StopIteration:
            return
        except csv.Error as err:
            raise DataError(f"{path}, line {number}: this is not a row of CSV ({err}).") from err
        if not any(cells) and len(cells) <= 1:
            empty = empty or number
            continue
        if empty is not None:
            raise _empty_line(path, empty)
        yield number, cells


def _empty_line(path: str | Path, line: int) -> DataError:
    return DataError(f"{path}, line {line}: the line is empty. Delete it, or write its row.")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell  # 1_000 is Python's own spelling


# --- a file in order ---


def _parse(form: Form) -> tuple[Array, Labels] | None:
    """The whole table by NumPy's parser, or None if anything at all is amiss."""
    blocks: list[Array] = []
    labels: list[str] = []
    with _open_text(form.path) as text:
        list(islice(text, form.first_line - 1))
        while lines := list(islice(text, _LINES)):
            if len(lines) < _LINES:
                while lines and not lines[-1].strip():
                    lines.pop()
            cells, rest = _cut(lines, form.label)
            x = _numbers(rest, form.columns - (form.label is not None))
            if x is None:
                return None
            blocks.append(x)
            labels += cells
    x = np.concatenate(blocks)
    if form.label is None:
        return x, _NO_LABELS
    if form.named:
        return None if any(not cell or '"' in cell for cell in labels) else (x, number_names(labels))
    y = _numbers(labels, 1)
    return None if y is None else (x, as_labels(y[:, 0], str(form.path)))


def _block(form: Form, lines: list[str], first: int) -> Block:
    """Lines of a file, the first of them with this number."""
    if form.named:
        cells, rest = _cut(lines, form.label)
        x = _numbers(rest, form.columns - 1)
        if x is not None and not any(not cell or '"' in cell for cell in cells):
            return Block(first, x, cells)
    elif (table := _numbers(lines, form.columns)) is not None:
        if form.label == "first":
            return Block(first, table[:, 1:], table[:, 0])
        return Block(first, table[:, :-1], table[:, -1])
    x, names, numbers = _walk_rows(form, _rows(form.path, lines, first))
    return Block(first, x, names if form.named else numbers)


def _cut(lines: list[str], label: LabelColumn) -> tuple[list[str], list[str]]:
    """The label cells, and what is left of the lines."""
    if label is None:
        return [], lines
    if label == "first":
        parts = [line.partition(",") for line in lines]
        return [first.strip() for first, _, _ in parts], [rest for _, _, rest in parts]
    parts = [line.rpartition(",") for line in lines]
    return [last.strip() for _, _, last in parts], [rest for rest, _, _ in parts]


def _numbers(lines: list[str], columns: int) -> Array | None:
    """Finite numbers of shape (lines, columns), or None."""
    if not lines:
        return np.empty((0, columns))
    if not lines[0].strip():
        return None
    try:
        values = np.loadtxt(lines, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        return None
    if values.shape != (len(lines), columns) or not np.isfinite(values).all():  # ragged, an empty line, a NaN
        return None
    return values


# --- a file with a fault ---


def _walk(form: Form) -> tuple[Array, Labels]:
    """The whole table line by line: slow, but it can name the line and the column of what is wrong."""
    with _open_text(form.path) as text:
        list(islice(text, form.first_line - 1))
        x, names, numbers = _walk_rows(form, _rows(form.path, text, form.first_line))
    if form.label is None:
        return x, _NO_LABELS
    return x, number_names(names) if form.named else as_labels(numbers, str(form.path))


def _walk_rows(form: Form, rows: Iterable[tuple[int, list[str]]]) -> tuple[Array, list[str], Array]:
    """The features, and the labels as names or as numbers."""
    x: list[list[float]] = []
    names: list[str] = []
    numbers: list[float] = []
    at = form.label_column
    for number, cells in rows:
        if len(cells) != form.columns:
            raise DataError(
                f"{form.path}, line {number}: expected {form.columns} cells as in the first line, "
                f"got {len(cells)}. Mend or delete this line."
            )
        if at is not None and form.named and cells[at]:
            names.append(cells[at])
        elif at is not None:
            numbers.append(_number(form, number, at, cells[at]))
        x.append([_number(form, number, k, cell) for k, cell in enumerate(cells) if k != at])
    return np.array(x, dtype=np.float64), names, np.array(numbers)


def _number(form: Form, line: int, column: int, cell: str) -> float:
    where = f"{form.path}, line {line}, column {column + 1}"
    if form.header is not None:
        where += f" ({form.header[column][:40]})"
    if cell == "":
        raise DataError(f"{where}: the cell is missing. Fill it in, or delete the line.")
    if not _is_number(cell):
        hint = "If this line is a header, say header=True." if line == 1 else "Mend it, or delete the line."
        raise DataError(f"{where}: expected a number, got {cell[:40]!r}. {hint}")
    value = float(cell)
    if not isfinite(value):
        raise DataError(f"{where}: expected a finite number, got {cell[:40]!r}. Fill it in, or delete the line.")
    return value
