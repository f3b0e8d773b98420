"""Dense: shapes, initial parameters, views, and the sugar that becomes two layers."""

import numpy as np
import pytest

from clearprop import Activation, Dense, Sequential
from clearprop.errors import ConfigError, ShapeError


def bound(layer, d, dtype="float64"):
    return Sequential([layer], (d,), seed=0, dtype=dtype).layers[0]


def test_forward_and_backward_are_the_written_out_sums():
    layer = bound(Dense(3), 4)
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    layer.b[...] = rng.normal(size=3)
    y, cache = layer.forward(x)
    dx = layer.backward(dy, cache)
    for n in range(5):
        for m in range(3):
            assert y[n, m] == pytest.approx(sum(x[n, d] * layer.w[d, m] for d in range(4)) + layer.b[m])
        for d in range(4):
            assert dx[n, d] == pytest.approx(sum(dy[n, m] * layer.w[d, m] for m in range(3)))
    for m in range(3):
        assert layer.db[m] == pytest.approx(sum(dy[n, m] for n in range(5)))
        for d in range(4):
            assert layer.dw[d, m] == pytest.approx(sum(x[n, d] * dy[n, m] for n in range(5)))


def test_backward_without_dx():
    layer = bound(Dense(3), 4)
    _, cache = layer.forward(np.ones((2, 4)))
    assert layer.backward(np.ones((2, 3)), cache, need_dx=False) is None
    np.testing.assert_array_equal(layer.dw, np.full((4, 3), 2.0))


@pytest.mark.parametrize(("activation", "std"), [("relu", np.sqrt(2 / 400)), ("gelu", np.sqrt(2 / 400))])
def test_he_in_front_of_a_rectifier(activation, std):
    layer = bound(Dense(300, activation=activation), 400)
    assert layer.w.std() == pytest.approx(std, rel=0.02)
    assert abs(layer.w).max() > 3 * std  # normal, not uniform
    np.testing.assert_array_equal(layer.b, 0)


@pytest.mark.parametrize("activation", [None, "tanh", "sigmoid"])
def test_glorot_elsewhere(activation):
    layer = bound(Dense(300, activation=activation), 400)
    bound_ = np.sqrt(6 / 700)
    assert abs(layer.w).max() <= bound_
    assert layer.w.std() == pytest.approx(bound_ / np.sqrt(3), rel=0.02)


def test_given_initializers():
    layer = bound(Dense(3, init={"name": "constant", "value": 2.0}, bias_init="ones"), 4)
    assert (layer.w == 2).all()
    assert (layer.b == 1).all()


def test_sugar_keeps_the_initializer_that_the_activation_asks_for():
    parts = Dense(10, activation="relu").expand()
    assert [repr(p) for p in parts] == ["Dense(10)", "Activation('relu')"]
    assert parts[0].init == Dense(10, activation="relu").init != Dense(10).init


def test_settings_make_it_again():
    layer = Dense(7, activation="elu", init={"name": "normal", "std": 0.1}, bias_init="ones")
    again = Dense(**layer.settings())
    assert again.settings() == layer.settings()
    assert (again.units, again.activation.name, again.bias_init) == (7, "elu", layer.bias_init)
    assert "bias_init" not in Dense(3).settings()


def test_a_layer_keeps_no_arrays_of_its_own():
    layer = Dense(3)
    assert not any(isinstance(v, np.ndarray) for v in vars(layer).values())
    first, second = Sequential([layer], (4,), seed=0), Sequential([layer], (4,), seed=1)
    assert not np.shares_memory(first.params, second.params)
    assert not hasattr(layer, "w")


def test_work_is_counted():
    assert Dense(10).multiply_adds((784,)) == 7840


@pytest.mark.parametrize("units", [0, -1, 2.5, "ten", None, True])
def test_units_are_counted(units):
    with pytest.raises(ConfigError, match=r"Dense: expected units to be a whole number >= 1, got "):
        Dense(units)


def test_sentences():
    with pytest.raises(
        ShapeError,
        match=r"layer 2, Dense\(100\): expected x of shape \(N, D\), got \(N, 28, 28, 1\)\. Put Flatten\(\) before it",
    ):
        Dense(100).output_shape((28, 28, 1), "layer 2, Dense(100)")
    with pytest.raises(ConfigError, match=r"Activation: unknown name 'rleu'\. Did you mean 'relu'\?"):
        Dense(10, activation="rleu")
    with pytest.raises(
        ConfigError, match=r"initializer: unknown name 'he_norml'\. Did you mean 'he_normal'\?"
    ):
        Dense(10, init="he_norml")


def test_repr():
    assert repr(Dense(10)) == "Dense(10)"
    assert isinstance(Dense(10, activation="tanh").activation, Activation)
