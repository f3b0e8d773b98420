"""What a data file calls its classes -> the integers that networks learn."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import DataError


class Labels(NamedTuple):
    """Labels as numbers, and the names they stand for."""

    y: Array  # (N,): int64, or floats where they are no whole numbers; (N, …): rows, floats
    names: tuple[str, ...] | None  # sorted; names[k] is the class that label k stands for


def number_names(names: Sequence[str]) -> Labels:
    """Class names -> 0, 1, … in the names' order.

    >>> number_names(["versicolor", "setosa", "setosa"])
    Labels(y=array([1, 0, 0]), names=('setosa', 'versicolor'))
    """
    known = sorted(set(names))
    number = {name: k for k, name in enumerate(known)}
    return Labels(np.array([number[name] for name in names], dtype=np.int64), tuple(known))


def as_labels(values: Array, who: str) -> Labels:
    """Whole numbers -> integers; other numbers as they are; rows of targets -> floats.

    >>> as_labels(np.array([1.0, 0.0]), "higgs").y
    array([1, 0])
    """
    if values.dtype.kind not in "buif":
        raise DataError(f"{who}: expected labels as numbers or names, got an array of {values.dtype}.")
    if values.ndim == 1 and (values.dtype.kind != "f" or _whole(values)):
        return Labels(values.astype(np.int64), None)
    return Labels(values if values.dtype.kind == "f" else values.astype(np.float64), None)


def _whole(values: Array) -> bool:
    return bool(np.all(np.abs(values) < 2**53) and np.array_equal(values, np.trunc(values)))
