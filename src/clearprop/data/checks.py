"""What every table of examples must be before anything is learnt from it."""

import numpy as np

from clearprop.arrays import Array, check_finite, shape_text
from clearprop.errors import DataError


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
    check_finite(who, "x", values)
    return values
