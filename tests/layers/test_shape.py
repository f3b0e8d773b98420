"""Flatten and Reshape: NumPy's own order, forward and back."""

import numpy as np
import pytest

from clearprop import Dense, Flatten, Reshape, Sequential
from clearprop.errors import ConfigError, ShapeError

X = np.arange(48.0).reshape(2, 2, 3, 4)


def test_flatten_makes_rows_in_reading_order():
    y, cache = Flatten().forward(X)
    np.testing.assert_array_equal(y, [range(24), range(24, 48)])
    np.testing.assert_array_equal(Flatten().backward(y, cache), X)
    assert Flatten().output_shape((2, 3, 4), "") == (24,)


def test_reshape_keeps_the_order():
    layer = Reshape((4, 6))
    y, cache = layer.forward(X)
    assert y.shape == (2, 4, 6)
    np.testing.assert_array_equal(y.ravel(), X.ravel())
    np.testing.assert_array_equal(layer.backward(y, cache), X)


def test_arrays_that_are_not_contiguous():
    x = np.swapaxes(X, 1, 3)
    y, cache = Flatten().forward(x)
    np.testing.assert_array_equal(y[1], [x[1][index] for index in np.ndindex(4, 3, 2)])
    np.testing.assert_array_equal(Flatten().backward(y, cache), x)


def test_no_rows():
    model = Sequential([Flatten(), Reshape((6, 4)), Flatten(), Dense(3)], (2, 3, 4))
    assert model.scores(np.zeros((0, 2, 3, 4))).shape == (0, 3)
    assert model.predict(np.zeros((0, 2, 3, 4))).shape == (0,)


def test_sentences():
    with pytest.raises(
        ShapeError,
        match=r"layer 1, Reshape\(\(5, 5\)\): expected 25 numbers for each example, to fill \(5, 5\), got x of shape "
        r"\(N, 24\), which has 24\. Give Reshape a shape with as many numbers",
    ):
        Sequential([Flatten(), Reshape((5, 5))], (2, 3, 4))
    with pytest.raises(ConfigError, match=r"Reshape: expected shape to be a whole number >= 1, got -1"):
        Reshape((-1, 3))


def test_settings():
    assert Reshape((2, 12)).settings() == {"shape": [2, 12]}
    assert repr(Reshape((12,))) == "Reshape((12,))"
    assert (repr(Flatten()), Flatten().settings()) == ("Flatten()", {})


def test_a_size_alone_is_no_shape():
    with pytest.raises(
        ConfigError, match=r"Reshape: expected a tuple of sizes such as \(28, 28, 1\), got 784"
    ):
        Reshape(784)
