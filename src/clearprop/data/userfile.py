"""A user's own file as a data set: CSV, `.npy` or `.npz`, or a folder of `.npy` files."""

from pathlib import Path

import numpy as np

from clearprop.arrays import Array, check_finite
from clearprop.data.checks import as_features
from clearprop.data.csv import LabelColumn, read_csv
from clearprop.data.labels import as_labels, number_names
from clearprop.data.npy import read_npy, read_npz
from clearprop.data.ondisk import is_converted, open_folder
from clearprop.data.sets import Dataset, Pair
from clearprop.errors import ConfigError, DataError

_CSV = (".csv", ".data", ".txt")
_PARTS = {"train": ("", "_train"), "validation": ("_validation", "_val"), "test": ("_test",)}


def load_file(path: str | Path, label: LabelColumn = "last") -> Dataset:
    """Examples with their labels from a file.

    Parameters
    ----------
    path : str or Path
        `.csv`, `.data` or `.txt`, plain or packed (`.gz`, `.xz`); `.npy` with one array of shape (N, D + 1);
        `.npz` with x and y, or x_train and y_train, and perhaps x_val, y_val, x_test and y_test; or a folder
        with `NAME_train_data.npy` and `NAME_train_labels.npy`, and perhaps `NAME_val_…` and `NAME_test_…`, or
        with `x.npy` and `y.npy`, as `convert_csv` writes them. All of it is read into memory.
    label : {"last", "first"}
        The column of the labels in CSV and `.npy`.

    Returns
    -------
    Dataset
        Its name is the file's. Features keep float32; whole numbers become float64. Labels that are names
        become 0, 1, … in the names' order, the same in all parts.

    Raises
    ------
    DataError, FileError
        When the file cannot be read, or is not such a table.

    Examples
    --------
    >>> load_file("flowers.csv").train.x.shape  # doctest: +SKIP
    (150, 4)
    """
    if label not in ("first", "last"):
        raise ConfigError(f"load_file: expected label to be 'first' or 'last', got {label!r}.")
    path = Path(path)
    note = f"From the {'folder' if path.is_dir() else 'file'} {path}."
    if path.is_dir() and is_converted(path):
        disk = open_folder(path)
        pair = disk.pair.head(len(disk.pair.x))
        return Dataset(
            path.name, pair, class_names=disk.class_names, feature_names=disk.feature_names, note=note
        )
    if path.is_dir():
        return _in_parts(path, _from_folder(path), note)
    if (kind := _kind(path)) == ".npz":
        return _in_parts(path, _from_npz(path), note)
    if kind == ".npy":
        table = as_features(_two_axes(read_npy(path), path), str(path))
        x, y = (table[:, 1:], table[:, 0]) if label == "first" else (table[:, :-1], table[:, -1])
        return Dataset(path.name, _pair(x, y, str(path)), note=note)
    x, y, class_names, feature_names = read_csv(path, label)
    return Dataset(path.name, Pair(x, y), class_names=class_names, feature_names=feature_names, note=note)


def read_features(path: str | Path) -> tuple[Array, tuple[str, ...] | None]:
    """Examples without labels, for predictions: a CSV of features alone, `.npy`, `.npz` with x, or a converted folder.

    Returns
    -------
    array of shape (N, …)
        In the file's order.
    tuple of str, or None
        The columns' names, where the file has a header.

    Raises
    ------
    DataError, FileError
        When the file cannot be read, or is not such a table.

    Examples
    --------
    >>> x, names = read_features("unknown-flowers.csv")  # doctest: +SKIP
    """
    path = Path(path)
    if path.is_dir() and is_converted(path):
        disk = open_folder(path)
        return disk.pair.x.read(0, len(disk.pair.x)), disk.feature_names
    if (kind := _kind(path)) == ".npz":
        arrays = read_npz(path)
        if "x" not in arrays:
            raise DataError(
                f"{path}: expected an array x, got {_names(arrays)}. Save it with np.savez(path, x=x)."
            )
        return as_features(arrays["x"], str(path)), None
    if kind == ".npy":
        return as_features(read_npy(path), str(path)), None
    table = read_csv(path, None)
    return table.x, table.feature_names


def _kind(path: Path) -> str:
    kind = Path(path.stem).suffix if path.suffix.lower() in (".gz", ".xz") else path.suffix
    if kind.lower() not in (*_CSV, ".npy", ".npz"):
        known = ", ".join((*_CSV, ".npy", ".npz"))
        raise DataError(f"{path}: expected a file that ends in {known}, or one of these and .gz or .xz.")
    return kind.lower()


def _two_axes(table: Array, path: Path) -> Array:
    if table.ndim != 2 or table.shape[1] < 2:
        raise DataError(
            f"{path}: expected one array of shape (N, D + 1), features and a label in each row, got "
            f"{table.shape}. Save x and y together with np.savez(path, x=x, y=y)."
        )
    return table


def _from_npz(path: Path) -> dict[str, tuple[Array, Array]]:
    arrays = read_npz(path)
    found: dict[str, tuple[Array, Array]] = {}
    for part, endings in _PARTS.items():
        for ending in endings:
            if part not in found and {f"x{ending}", f"y{ending}"} <= arrays.keys():
                found[part] = arrays[f"x{ending}"], arrays[f"y{ending}"]
    if "train" not in found:
        raise DataError(
            f"{path}: expected arrays x and y, or x_train and y_train, got {_names(arrays)}. "
            "Save them with np.savez(path, x=x, y=y)."
        )
    return found


def _from_folder(path: Path) -> dict[str, tuple[Array, Array]]:
    """The layout of CS 189's data sets. A test part without labels, as in a competition, is left out."""
    starts = sorted(path.glob("*_train_data.npy"))
    if len(starts) != 1:
        names = ", ".join(start.name for start in starts) or "none"
        raise DataError(
            f"{path}: expected one file *_train_data.npy in the folder, got {names}. "
            "Name a file, or a folder that holds one data set in this layout."
        )
    stem = str(starts[0]).removesuffix("_train_data.npy")
    found = {}
    for part, short in {"train": "train", "validation": "val", "test": "test"}.items():
        x, y = Path(f"{stem}_{short}_data.npy"), Path(f"{stem}_{short}_labels.npy")
        if y.exists() or (x.exists() and part != "test"):
            found[part] = read_npy(x), read_npy(y)
    return found


def _in_parts(path: Path, found: dict[str, tuple[Array, Array]], note: str) -> Dataset:
    """A data set whose class names, if its labels are names, are numbered together in all parts."""
    class_names = None
    if all(y.dtype.kind in "US" and y.ndim == 1 for _, y in found.values()):
        names = [str(name) for _, y in found.values() for name in y.astype(str)]
        numbers, class_names = number_names(names)
        ends = np.cumsum([len(y) for _, y in found.values()])[:-1]
        labels = np.split(numbers, ends)
        found = {part: (x, y) for (part, (x, _)), y in zip(found.items(), labels, strict=True)}
    pairs = {part: _pair(x, y, f"{path}, {part}") for part, (x, y) in found.items()}
    return Dataset(
        path.absolute().name,
        pairs["train"],
        pairs.get("validation"),
        pairs.get("test"),
        class_names=class_names,
        note=note,
    )


def _pair(x: Array, y: Array, who: str) -> Pair:
    x = as_features(x, who)
    if not y.ndim or len(y) != len(x):
        raise DataError(
            f"{who}: expected y with one row for each of the {len(x)} rows of x, got shape {y.shape}."
        )
    if y.dtype.kind in "US":
        raise DataError(f"{who}: expected y as numbers as in the other parts, got class names.")
    y = as_labels(y, f"{who}, y").y
    check_finite(who, "y", y)
    return Pair(x, y)


def _names(arrays: dict[str, Array]) -> str:
    return ", ".join(sorted(arrays)) or "none"
