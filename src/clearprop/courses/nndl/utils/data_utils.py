"""CIFAR-10 as the course has it, in float64: (50000, 32, 32, 3) as it is, or split and centred, channels first."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.data.cifar import CLASSES, read_cifar, records
from clearprop.data.pickles import read_arrays
from clearprop.data.registry import open_archive
from clearprop.errors import ConfigError, DataError, FileError

__all__ = ["get_CIFAR10_data", "load_CIFAR10"]

BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")  # the test part is the last


class Batch(NamedTuple):
    """One of CIFAR-10's files."""

    planes: Array  # (N, 3, 32, 32), uint8
    labels: Array  # (N,), int64


def load_CIFAR10(ROOT: str | Path | None = None) -> tuple[Array, Array, Array, Array]:
    """CIFAR-10 as floats from 0 to 255.

    Parameters
    ----------
    ROOT : str or Path, optional
        The folder of the Python version (`data_batch_1`, …), of which only arrays are read and no code is run, or
        of the binary version (`data_batch_1.bin`, …). Without it, what `clearprop data fetch cifar-10` has put into
        the folder that CLEARPROP_DATA names.

    Returns
    -------
    X_train, y_train, X_test, y_test
        Arrays of shape (50000, 32, 32, 3), (50000,), (10000, 32, 32, 3), (10000,); X float64, y int64.

    Raises
    ------
    DataError, FileError
        If a file is missing or damaged, or the folder is not there.

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = load_CIFAR10()  # doctest: +SKIP
    """
    *train, test = _read(ROOT)
    parts = []
    for batches in (train, [test]):
        x = np.empty((sum(len(batch.labels) for batch in batches), 32, 32, 3))
        _fill(x.transpose(0, 3, 1, 2), batches)
        parts += [x, np.concatenate([batch.labels for batch in batches])]
    return parts[0], parts[1], parts[2], parts[3]


def get_CIFAR10_data(
    num_training: int = 49000,
    num_validation: int = 1000,
    num_test: int = 1000,
    subtract_mean: bool = True,
    ROOT: str | Path | None = None,
) -> dict[str, Array]:
    """CIFAR-10, channels first, the training rows' mean image subtracted from all.

    Parameters
    ----------
    num_training, num_validation, num_test : int
        The first training rows, those after them, and the first test rows.
    subtract_mean : bool
    ROOT : str or Path, optional
        As of `load_CIFAR10`.

    Returns
    -------
    dict of str to array
        X_train (num_training, 3, 32, 32), float64, y_train (num_training,), X_val, y_val, X_test, y_test.

    Raises
    ------
    ConfigError
        If there are not as many rows.
    DataError, FileError
        As `load_CIFAR10`.

    Examples
    --------
    >>> data = get_CIFAR10_data()  # doctest: +SKIP
    """
    *train, test = _read(ROOT)
    n = num_training + num_validation
    x, y = _first(n, train, "num_training + num_validation")  # in memory once: both parts are views
    x_test, y_test = _first(num_test, [test], "num_test")
    if subtract_mean:
        mean = x[:num_training].mean(axis=0)
        x -= mean
        x_test -= mean
    return {
        "X_train": x[:num_training], "y_train": y[:num_training],
        "X_val": x[num_training:], "y_val": y[num_training:],
        "X_test": x_test, "y_test": y_test,
    }  # fmt: skip


def _first(n: int, batches: list[Batch], what: str) -> tuple[Array, Array]:
    """The first n examples as floats, (n, 3, 32, 32), and labels."""
    labels = np.concatenate([batch.labels for batch in batches])
    if not 0 <= n <= len(labels):
        raise ConfigError(f"get_CIFAR10_data: expected {what} from 0 to {len(labels)}, got {n}.")
    x = np.empty((n, 3, 32, 32))
    _fill(x, batches)
    return x, labels[:n]


def _fill(x: Array, batches: Iterable[Batch]) -> None:
    """Write the pixels into x (n, 3, 32, 32), as many as it takes."""
    start = 0
    for planes, _ in batches:
        place = x[start : start + len(planes)]
        place[...] = planes[: len(place)]
        start += len(planes)


def _read(root: str | Path | None) -> list[Batch]:
    """The five training batches and the test batch."""
    if root is None:
        found = {
            file.removesuffix(".bin"): _from_images(*records(content, file))
            for file, content in open_archive("cifar-10")
        }
        return [found[name] for name in BATCHES]
    root = Path(root)
    for suffix, read in (("", _read_python), (".bin", lambda path: _from_images(*read_cifar(path)))):
        missing = [name + suffix for name in BATCHES if not (root / (name + suffix)).is_file()]
        if not missing:
            return [read(root / (name + suffix)) for name in BATCHES]
        if len(missing) < len(BATCHES):
            raise DataError(
                f"{root}: expected CIFAR-10's six files; there is no {', '.join(missing)}. {_REMEDY}"
            )
    raise FileError(
        f"{root}: expected a folder with CIFAR-10's data_batch_1 to 5 and test_batch, or the same with .bin; "
        f"{'they are not in it' if root.is_dir() else 'there is no such folder'}. {_REMEDY}"
    )


_REMEDY = "Run `clearprop data fetch cifar-10` and leave ROOT out, or unpack the course's archive there."


def _from_images(images: Array, labels: Array) -> Batch:
    return Batch(images.transpose(0, 3, 1, 2), labels)


def _read_python(path: Path) -> Batch:
    """A file of the Python version: a dict with data, (N, 3072) bytes, and labels."""
    content = read_arrays(path, encoding="bytes")
    named = {_name(key): value for key, value in content.items()} if isinstance(content, dict) else {}
    rows, labels = (np.asarray(named.get(key, ())) for key in ("data", "labels"))
    if rows.dtype != np.uint8 or rows.shape != (len(labels), 3072) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{path}: expected data of shape (N, 3072) in bytes and N labels, got {rows.dtype} of shape {rows.shape} "
            f"and {labels.size} labels. It is no batch of CIFAR-10's Python version."
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < len(CLASSES):
        raise DataError(f"{path}: expected labels from 0 to 9, got {labels.min()} to {labels.max()}.")
    return Batch(rows.reshape(-1, 3, 32, 32), labels.astype(np.int64))


def _name(key: object) -> object:
    return key.decode("latin1") if isinstance(key, bytes) else key
