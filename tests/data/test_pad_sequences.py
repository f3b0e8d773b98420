"""pad_sequences and windows: which numbers stand where, dtypes, and sentences."""

import numpy as np
import pytest

import clearprop as cp
from clearprop.data import pad_sequences, windows
from clearprop.errors import ConfigError, DataError


def test_padding_stands_in_front():
    padded = pad_sequences([np.arange(1, 7).reshape(3, 2), [[7, 8]]], value=-1)
    np.testing.assert_array_equal(padded, [[[1, 2], [3, 4], [5, 6]], [[-1, -1], [-1, -1], [7, 8]]])


def test_longer_ones_keep_their_end():
    np.testing.assert_array_equal(pad_sequences([[1, 2, 3], [4]], length=2), [[2, 3], [0, 4]])
    np.testing.assert_array_equal(pad_sequences([[1], [4]], length=3), [[0, 0, 1], [0, 0, 4]])


@pytest.mark.parametrize(
    ("sequences", "value", "dtype"),
    [
        ([[1, 2], [3]], 0.0, np.int64),
        ([[1, 2], [3]], 0.5, np.float64),
        ([[1, 2], [3]], np.inf, np.float64),
        ([np.float32([1, 2]), np.float32([3])], 0.5, np.float32),
        ([np.float32([1, 2]), np.float64([3])], 0.0, np.float64),
    ],
)
def test_the_dtype_is_that_of_the_sequences(sequences, value, dtype):
    padded = pad_sequences(sequences, value=value)
    assert padded.dtype == dtype
    assert padded[1, 0] == value


def test_what_goes_in_is_left_alone():
    given = [np.arange(3.0), np.arange(2.0)]
    padded = pad_sequences(given)
    padded[...] = 9
    np.testing.assert_array_equal(given[0], [0, 1, 2])


def test_ragged_data_are_refused_with_the_remedy():
    x = [np.ones((3, 2)), np.ones((4, 2))]
    model = cp.Sequential([cp.Elman(3), cp.Dense(2)], input_shape=(4, 2))
    remedy = r"pad_sequences"
    with pytest.raises(DataError, match=f"fit: expected x to be rows of one length .*{remedy}"):
        cp.fit(model, x, [0, 1], epochs=1)
    with pytest.raises(
        DataError, match=f"predict: expected x to hold numbers in rows of one length .*{remedy}"
    ):
        model.predict(x)
    assert model.predict(pad_sequences(x)).shape == (2,)


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize("axes", [1, 2])
def test_windows_and_what_follows(axes, ahead):
    series = np.random.default_rng(0).normal(size=(20, 3) if axes == 2 else 20).astype("float32")
    x, y = windows(series, 4, ahead)
    assert x.shape == (20 - 4 - ahead + 1, 4, 3 if axes == 2 else 1)
    assert y.shape == (len(x), x.shape[2])
    assert x.dtype == y.dtype == series.dtype
    for n in range(len(x)):
        np.testing.assert_array_equal(x[n].ravel(), series[n : n + 4].ravel())
        np.testing.assert_array_equal(y[n], series[n + 4 + ahead - 1])


def test_the_shortest_series():
    x, y = windows([1.0, 2.0, 3.0], 2)
    assert x.tolist() == [[[1], [2]]]
    assert y.tolist() == [[3]]


def test_a_network_learns_a_series():
    series = np.sin(0.3 * np.arange(300))
    x, y = windows(series, 10)
    model = cp.Sequential([cp.GRU(8), cp.Dense(1)], input_shape=(10, 1), seed=0)
    history = cp.fit(model, x, y, loss="squared_error", optimizer=cp.Adam(lr=0.01), epochs=20, batch_size=20)
    assert history["loss"][-1] < 0.01 < history["loss"][0]


@pytest.mark.parametrize(
    ("sequences", "words"),
    [
        ([], r"expected a list of at least one sequence, got \[\]"),
        ("abc", "expected a list of at least one sequence, got 'abc'"),
        (5, "expected a list of at least one sequence, got 5"),
        (
            [[1, 2], []],
            r"expected sequence 1 to have shape \(T,\) or \(T, D\) with at least one .*, got \(0,\)",
        ),
        ([["a"]], "expected sequence 0 to hold numbers, got <U1"),
        ([[[1, 2], [3]]], "expected sequence 0 to hold rows of one length"),
        ([3.0], r"expected sequence 0 to have shape \(T,\) or \(T, D\) .*, got \(\)"),
        (
            [np.ones((3, 2)), np.ones((3, 4))],
            r"to be alike but for their length, got sequence 0 of shape \(3, 2\) and sequence 1 of shape \(3, 4\)",
        ),
        ([[1, 2], [[1, 2]]], r"got sequence 0 of shape \(2,\) and sequence 1 of shape \(1, 2\)"),
    ],
)
def test_sequences_that_are_refused(sequences, words):
    with pytest.raises(DataError, match=f"pad_sequences: .*{words}"):
        pad_sequences(sequences)


def test_series_that_are_refused():
    with pytest.raises(
        DataError, match=r"at least length \+ ahead = 6 time steps, got 5\. Take shorter windows"
    ):
        windows(np.arange(5.0), 4, ahead=2)
    with pytest.raises(DataError, match=r"windows: series\[2\] is nan"):
        windows([1.0, 2.0, np.nan, 4.0], 2)
    with pytest.raises(DataError, match=r"windows: expected the series to have shape .*, got \(2, 2, 2\)"):
        windows(np.ones((2, 2, 2)), 1)
    with pytest.raises(ConfigError, match="windows: expected ahead to be a whole number >= 1, got 0"):
        windows(np.arange(5.0), 2, ahead=0)
    with pytest.raises(ConfigError, match="windows: expected length to be a whole number >= 1, got 0"):
        windows(np.arange(5.0), 0)
    with pytest.raises(ConfigError, match="pad_sequences: expected length to be a whole number >= 1, got 0"):
        pad_sequences([[1]], length=0)
