"""Sequences as arrays: those of different lengths padded, and a long one cut into windows with what follows them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clearprop.arrays import Array, check_finite
from clearprop.errors import DataError
from clearprop.names import check_count


def pad_sequences(sequences: Sequence[npt.ArrayLike], length: int | None = None, value: float = 0.0) -> Array:
    """Sequences of different lengths as one array, with padding in front.

    So the last time step is a real one in each of them, which is what a recurrent layer's last state has just read.

    Parameters
    ----------
    sequences : sequence of arrays of shape (T, D), or of shape (T,)
        T may be another one in each.
    length : int, optional
        How many time steps there shall be; of longer sequences the last so many are kept. By default as many as the
        longest one has.
    value : float
        What is put in front.

    Returns
    -------
    array of shape (N, T, D), or (N, T)
        In the sequences' dtype.

    Raises
    ------
    DataError
        If there is none, one is empty, or not all have numbers in rows of the same D.

    Examples
    --------
    >>> pad_sequences([[1, 2, 3], [4]])
    array([[1, 2, 3],
           [0, 0, 4]])
    >>> pad_sequences([np.ones((5, 2)), np.ones((7, 2))], length=4).shape
    (2, 4, 2)
    """
    who = "pad_sequences"
    if isinstance(sequences, str) or not isinstance(sequences, Sequence | np.ndarray) or len(sequences) == 0:
        raise DataError(f"{who}: expected a list of at least one sequence, got {sequences!r}.")
    given = [_as_sequence(who, f"sequence {n}", sequence) for n, sequence in enumerate(sequences)]
    for n, array in enumerate(given):
        if array.shape[1:] != given[0].shape[1:]:
            raise DataError(
                f"{who}: expected all sequences to be alike but for their length, got sequence 0 of shape "
                f"{given[0].shape} and sequence {n} of shape {array.shape}."
            )
    steps = max(map(len, given)) if length is None else check_count(who, "length", length)
    dtype = np.result_type(*given)
    if dtype.kind != "f" and not float(value).is_integer():
        dtype = np.dtype(np.float64)
    padded = np.full((len(given), steps, *given[0].shape[1:]), value, dtype)
    for row, array in zip(padded, given, strict=True):
        last = array[-steps:]
        row[steps - len(last) :] = last
    return padded


def windows(series: npt.ArrayLike, length: int, ahead: int = 1) -> tuple[Array, Array]:
    """Training pairs from one long series: every window of so many time steps, and the value that comes after it.

    Parameters
    ----------
    series : array of shape (T, D), or (T,) for D = 1
    length : int
        How many time steps a window has.
    ahead : int
        Which value is to be predicted: with 1 the next one after the window.

    Returns
    -------
    x : array of shape (N, length, D)
    y : array of shape (N, D)
        With N = T − length − ahead + 1.

    Raises
    ------
    DataError
        If the series is shorter than one window and what follows.

    Examples
    --------
    >>> x, y = windows([10.0, 20.0, 30.0, 40.0], length=2)
    >>> x[:, :, 0].tolist(), y.tolist()
    ([[10.0, 20.0], [20.0, 30.0]], [[30.0], [40.0]])
    """
    who = "windows"
    length, ahead = check_count(who, "length", length), check_count(who, "ahead", ahead)
    values = _as_sequence(who, "the series", series)
    check_finite(who, "series", values)
    values = values.reshape(len(values), -1)
    n = len(values) - length - ahead + 1
    if n < 1:
        raise DataError(
            f"{who}: expected a series of at least length + ahead = {length + ahead} time steps, got {len(values)}. "
            "Take shorter windows."
        )
    first = np.arange(n)[:, np.newaxis]
    return values[first + np.arange(length)], values[length + ahead - 1 :].copy()


def _as_sequence(who: str, what: str, sequence: npt.ArrayLike) -> Array:
    """Numbers (T,) or (T, D) with at least one time step."""
    try:
        array = np.asarray(sequence)
    except ValueError as error:
        raise DataError(f"{who}: expected {what} to hold rows of one length ({error}).") from None
    if array.dtype.kind not in "biuf":
        raise DataError(f"{who}: expected {what} to hold numbers, got {array.dtype}.")
    if array.ndim not in (1, 2) or array.size == 0:
        raise DataError(
            f"{who}: expected {what} to have shape (T,) or (T, D) with at least one time step, got {array.shape}."
        )
    return array
