"""Embedding: rows of weights, found by whole numbers that have passed through floats."""

import numpy as np
import pytest

from clearprop import LSTM, Adam, Dense, Embedding, Sequential, check_layer, fit
from clearprop.errors import ConfigError, DataError


def bound(layer, shape=(3,), dtype="float64"):
    return Sequential([layer], shape, seed=0, dtype=dtype).layers[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_w(dtype):
    model = Sequential([Embedding(5, 4)], (3,), dtype=dtype)
    x = np.array([[0, 4, 4], [2, 0, 1]])
    y = model.scores(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, model.named_params()["0.w"][x])
    assert bound(Embedding(5, 4)).forward(np.array([3, 1]))[0].shape == (2, 4)


def test_gradients():
    report = check_layer(Embedding(6, 3), (4,), x=np.random.default_rng(0).integers(0, 6, (5, 4)))
    assert report.ok
    assert [entry.name for entry in report.entries] == ["0.w"]
    x = np.random.default_rng(0).integers(0, 6, (5, 4))
    assert check_layer([Embedding(6, 3), LSTM(4)], (4,), x=x).ok


def test_numbers_have_no_gradient():
    layer = bound(Embedding(5, 4))
    y, cache = layer.forward(np.array([[1.0, 2.0, 2.0]]))
    np.testing.assert_array_equal(layer.backward(np.ones_like(y), cache), np.zeros((1, 3)))
    assert layer.backward(np.ones_like(y), cache, need_dx=False) is None
    np.testing.assert_array_equal(layer.dw, np.array([0, 1, 2, 0, 0])[:, None] * np.ones(4))


def test_learns_which_words_matter():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 20, (300, 6))
    y = ((x == 7).sum(axis=1) > 0).astype(int)
    model = Sequential([Embedding(20, 8), LSTM(8), Dense(2)], (6,), seed=0)
    fit(model, x, y, epochs=15, batch_size=30, optimizer=Adam(lr=0.02))
    assert np.mean(model.predict(x) == y) > 0.97


def test_settings_make_it_again():
    layer = Embedding(5, 4, init={"name": "normal", "std": 2.0})
    assert Embedding(**layer.settings()).settings() == layer.settings()
    assert layer.param_shapes((3,)) == {"w": (5, 4)}
    assert repr(layer) == "Embedding(5, 4)"
    assert layer.multiply_adds((3,)) == 0
    assert abs(bound(Embedding(50, 40)).w).max() <= 0.05


@pytest.mark.parametrize(
    ("x", "got"),
    [
        ([[0, 5, 1]], r"5 at x\[0, 1\]"),
        ([[0, 1, 2], [0, 1, -1]], r"-1 at x\[1, 2\]"),
        ([[0.5, 1, 2]], r"0\.5 at x\[0, 0\]"),
    ],
)
def test_other_numbers_are_refused(x, got):
    model = Sequential([Embedding(5, 4)], (3,))
    with pytest.raises(
        DataError,
        match=rf"Embedding\(5, 4\): expected x to hold whole numbers from 0 to 4, got {got}\. Number the words",
    ):
        model.scores(np.array(x, "float32"))


def test_nan_is_refused():
    with pytest.raises(DataError, match="whole numbers from 0 to 4, got nan"):
        bound(Embedding(5, 4)).forward(np.array([[1, np.nan, 2]]))


def test_sizes_are_refused():
    with pytest.raises(
        ConfigError, match=r"Embedding: expected a vocabulary of at most 16,777,216, got 16,777,217"
    ):
        Embedding(2**24 + 1, 4)
    with pytest.raises(ConfigError, match="Embedding: expected units to be a whole number >= 1, got 0"):
        Embedding(4, 0)
    assert np.float32(2**24) == 2**24
