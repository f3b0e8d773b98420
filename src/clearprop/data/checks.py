"""What every table of examples must be before anything is learnt from it."""

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.errors import DataError


def check_finite(x: Array, who: str) -> None:
    """Refuse NaN and infinities, naming the first by row and column.

    Parameters
    ----------
    x : array of shape (N, …)
        Numbers; integers pass.
    who : str
        What x is, for the message.

    Raises
    ------
    DataError
        For the first element, row by row, that is no finite number.

    Examples
    --------
    >>> check_finite(np.array([[1.0, 2.0], [3.0, np.nan]]), "flowers")
    Traceback (most recent call last):
        ...
    clearprop.errors.DataError: flowers: expected finite numbers, got nan in row 1, column 1 (counted from 0), \
and 0 more. Fill in such values, or leave their rows out.
    """
    finite = np.isfinite(x)
    if finite.all():
        return
    at = np.unravel_index(int(np.argmin(finite)), x.shape)
    row, *rest = (int(k) for k in at)
    column = f", column {rest[0]}" if len(rest) == 1 else f", element {shape_text(rest)}" if rest else ""
    raise DataError(
        f"{who}: expected finite numbers, got {float(x[at])} in row {row}{column} (counted from 0), and "
        f"{finite.size - np.count_nonzero(finite) - 1:,} more. Fill in such values, or leave their rows out."
    )


def as_features(values: Array, who: str) -> Array:
    """Examples as floats: float32 and float64 are kept, whole numbers become float64.

    >>> as_features(np.array([[0, 255]], dtype=np.uint8), "pixels")
    array([[  0., 255.]])
    """
    if values.dtype.kind not in "buif":
        raise DataError(f"{who}: expected features as numbers, got an array of {values.dtype}.")
    if values.ndim < 2 or 0 in values.shape:
        raise DataError(
            f"{who}: expected features of shape (N, D) or (N, …), none of them zero, "
            f"got {shape_text(values.shape)}. One row is one example."
        )
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    check_finite(values, who)
    return values
