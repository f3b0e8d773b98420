"""What an array is here: its type, the dtype rule, and the wording of every message about shapes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.errors import ConfigError, DataError, ShapeError

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
ShapePattern = Sequence[int | str]  # 'N', 'D', … stand for any size

DTYPES = ("float32", "float64")


def as_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """float32 or float64, from a name or a dtype: the two that networks compute in.

    >>> as_dtype("float32")
    dtype('float32')
    """
    try:
        found = None if dtype is None else np.dtype(dtype)  # NumPy would read None as float64
    except (TypeError, ValueError, SyntaxError, OverflowError):  # it reads some texts as Python
        found = None
    if found is None or found.name not in DTYPES:
        raise ConfigError(f"dtype: expected 'float32' or 'float64', got {dtype!r}.")
    return np.dtype(found.name)  # in this machine's byte order


def shape_text(shape: ShapePattern) -> str:
    """(N, 784) as one writes it, a single axis with its comma.

    >>> shape_text(("N", 784)), shape_text((3,))
    ('(N, 784)', '(3,)')
    """
    return "(" + ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def fits(shape: ShapePattern, pattern: ShapePattern) -> bool:
    """Whether the shape has the pattern's axes; a name in the pattern stands for any size, and … for one axis or more.

    >>> fits((60, 28, 28, 1), ("N", "…", 1)), fits((60, 1), ("N", "…", 1))
    (True, False)
    """
    if "…" in pattern:
        at = pattern.index("…")
        back = len(shape) - len(pattern) + at + 1
        return back > at and fits(shape[:at], pattern[:at]) and fits(shape[back:], pattern[at + 1 :])
    return len(shape) == len(pattern) and all(map(fits_axis, shape, pattern))


def fits_axis(size: int | str, want: int | str) -> bool:
    """Whether an axis fits one of a pattern."""
    return size == want or (isinstance(want, str) and want != "…")


def check_shape(who: str, what: str, shape: ShapePattern, expected: ShapePattern, remedy: str = "") -> None:
    """Refuse a shape that does not fit the pattern, in the one wording that clearprop has for it.

    >>> check_shape("layer 2, Dense(100)", "x", (32, 28, 28, 1), ("N", 784), "Put Flatten() before it.")
    Traceback (most recent call last):
        ...
    clearprop.errors.ShapeError: layer 2, Dense(100): expected x of shape (N, 784), got (32, 28, 28, 1). \
Put Flatten() before it.
        expected x  (N, 784)
                        ^^^
        got x       (32, 28, 28, 1)
                         ^^  ^^  ^
    """
    if not fits(shape, expected):
        from clearprop.messages.shapes import differing, pictured  # only a refusal needs them

        text = f"{who}: expected {what} of shape {shape_text(expected)}, got {shape_text(shape)}."
        ours, theirs = differing(shape, expected)
        error = ShapeError(f"{text} {remedy}".rstrip())
        error.remedy = remedy
        raise pictured(error, (f"expected {what}", expected, theirs), (f"got {what}", shape, ours))


def check_finite(who: str, what: str, x: Array, first: int = 0) -> None:
    """Refuse NaN and infinities, and say where the first one is; `first` is the number of x's first row.

    >>> check_finite("fit", "x", np.array([[1.0, 2.0], [3.0, np.nan]]))
    Traceback (most recent call last):
        ...
    clearprop.errors.DataError: fit: x[1, 1] is nan, one of 1 values that are not finite numbers, in 1 of 2 rows. \
Drop those rows, or fill the values in, before training.
    """
    if x.dtype.kind != "f":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        flat = x.reshape(-1)
        if np.isfinite(flat @ flat):  # then every number is: NaN and infinity survive a sum of squares
            return
    bad = ~np.isfinite(x)
    if not bad.any():
        return
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    rows = int(bad.reshape(len(x), -1).any(axis=1).sum())
    place = ", ".join(str(i) for i in (first + index[0], *index[1:]))
    raise DataError(
        f"{who}: {what}[{place}] is {x[index]}, one of {int(bad.sum())} values that are not finite numbers, "
        f"in {rows} of {len(x)} rows. Drop those rows, or fill the values in, before training."
    )
