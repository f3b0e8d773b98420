"""Elman, LSTM and GRU: shapes, initial weights, settings, stacks of them, and training."""

import copy
import pickle

import numpy as np
import pytest

from clearprop import GRU, LSTM, Adam, Dense, Elman, Reshape, Sequential, check_layer, fit
from clearprop.errors import ConfigError, ShapeError
from clearprop.kernels.elman import elman_forward
from clearprop.kernels.gru import gru_before_forward, gru_forward
from clearprop.kernels.lstm import lstm_forward

LAYERS = [
    Elman(4),
    Elman(4, activation="relu", return_sequences=True),
    LSTM(4),
    LSTM(4, return_sequences=True),
    GRU(4),
    GRU(4, reset="before", return_sequences=True),
]
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=repr)


def bound(layer, shape=(5, 3), dtype="float64"):
    return Sequential([layer], shape, seed=0, dtype=dtype).layers[0]


@every_layer
@pytest.mark.parametrize("shape", [(5, 3), (1, 1)])
def test_gradients(layer, shape):
    report = check_layer(layer, shape)
    assert report.ok, report
    assert [entry.name for entry in report.entries][:4] == ["x", "0.w", "0.u", "0.b"]


@pytest.mark.parametrize("activation", ["sigmoid", "arctan", "gelu", "swish", "softmax", "identity"])
def test_gradients_of_elman_with_other_activations(activation):
    assert check_layer(Elman(4, activation=activation), (4, 2)).ok


def test_the_kernels_are_called_with_zero_states():
    x, h0 = np.random.default_rng(0).normal(size=(2, 5, 3)), np.zeros((2, 4))
    elman, lstm = bound(Elman(4, return_sequences=True)), bound(LSTM(4, return_sequences=True))
    gru, before = (bound(GRU(4, return_sequences=True, reset=reset)) for reset in ("after", "before"))
    gru.bu[...] = np.arange(4)
    expected = [
        elman_forward(x, elman.w, elman.u, elman.b, h0),
        lstm_forward(x, lstm.w, lstm.u, lstm.b, h0, h0),
        gru_forward(x, gru.w, gru.u, gru.b, gru.bu, h0),
        gru_before_forward(x, before.w, before.u, before.b, h0),
    ]
    for layer, (hs, _) in zip((elman, lstm, gru, before), expected, strict=True):
        np.testing.assert_array_equal(layer.forward(x)[0], hs)


@every_layer
def test_the_last_state_is_what_comes_out(layer):
    settings = layer.settings() | {"return_sequences": True}
    everything = bound(type(layer)(**settings))
    last = bound(type(layer)(**settings | {"return_sequences": False}))
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    hs, _ = everything.forward(x)
    assert hs.shape == (2, 5, 4)
    np.testing.assert_array_equal(last.forward(x)[0], hs[:, -1])


@every_layer
def test_truncation_reaches_the_kernel(layer):
    settings = layer.settings() | {"truncate": 2, "return_sequences": False}
    truncated = bound(type(layer)(**settings))
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    y, cache = truncated.forward(x)
    dx = truncated.backward(np.ones(y.shape), cache)
    assert not dx[:, :3].any()
    assert dx[:, 3:].any()


@every_layer
def test_settings_make_it_again(layer):
    again = type(layer)(**layer.settings())
    assert again.settings() == layer.settings()
    assert again.param_shapes((5, 3)) == layer.param_shapes((5, 3))
    assert "truncate" not in layer.settings()
    assert type(layer)(**layer.settings() | {"truncate": 7}).settings()["truncate"] == 7


def test_more_settings():
    given = LSTM(3, forget_bias=2.5, init="ones").settings()
    assert given["forget_bias"] == 2.5
    assert LSTM(**given).init == LSTM(3, init="ones").init
    assert Elman(3, bias_init="ones").settings()["bias_init"] == {"name": "ones"}
    assert GRU(3, reset="before").settings()["reset"] == "before"


def test_initial_weights():
    lstm, gru = bound(LSTM(6)), bound(GRU(6))
    np.testing.assert_array_equal(lstm.b, [0] * 6 + [1] * 6 + [0] * 12)
    np.testing.assert_array_equal(gru.b, 0)
    np.testing.assert_array_equal(gru.bu, 0)
    for layer in (lstm, gru):
        for block in np.split(layer.u, layer.gates, axis=1):
            np.testing.assert_allclose(block.T @ block, np.eye(6), atol=1e-12)
        assert abs(layer.w).max() <= np.sqrt(6 / (3 + 6))  # Xavier's bound of one block
        assert abs(layer.w).max() > np.sqrt(6 / (3 + layer.gates * 6))
    assert (bound(LSTM(6, forget_bias=-0.5)).b[6:12] == -0.5).all()
    assert (bound(Elman(6, bias_init={"name": "constant", "value": 2.0})).b == 2).all()
    assert (bound(Elman(6, recurrent_init="identity")).u == np.eye(6)).all()


def test_he_in_front_of_a_rectifier():
    assert Elman(4, activation="relu").init == Dense(4, activation="relu").init != Elman(4).init


@pytest.mark.parametrize("kind", [Elman, LSTM, GRU])
def test_stacked(kind):
    assert check_layer([kind(4, return_sequences=True), kind(3, return_sequences=True), kind(2)], (5, 3)).ok


@every_layer
def test_a_batch_of_one_and_an_empty_one(layer):
    model = Sequential([layer], (5, 3), dtype="float64")
    x = np.random.default_rng(0).normal(size=(3, 5, 3))
    whole = model.scores(x)
    np.testing.assert_allclose(model.scores(x[:1]), whole[:1], rtol=1e-12)
    assert model.scores(x[:0]).shape == (0, *whole.shape[1:])


@every_layer
def test_copies_and_replicas(layer):
    model = Sequential([layer], (5, 3), seed=1)
    x = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
    row = np.zeros_like(model.grads)
    for twin in (model.replica(row), model.copy(), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.scores(x), model.scores(x))


def memory_task(rng, n, T=12):
    """Whether the first number was positive; noise follows."""
    x = rng.normal(size=(n, T, 1)).astype("float32")
    return x, (x[:, 0, 0] > 0).astype(int)


@pytest.mark.parametrize("layer", [Elman(12), LSTM(12), GRU(12), GRU(12, reset="before")], ids=repr)
def test_learns_to_remember(layer):
    x, y = memory_task(np.random.default_rng(0), 300)
    model = Sequential([layer, Dense(2)], (12, 1), seed=0)
    fit(model, x, y, epochs=25, batch_size=30, optimizer=Adam(lr=0.02))
    x, y = memory_task(np.random.default_rng(1), 300)
    assert np.mean(model.predict(x) == y) > 0.9


@pytest.mark.parametrize("workers", [1, 2])
def test_trains_on_threads_to_the_same_gradient(workers):
    x, y = memory_task(np.random.default_rng(0), 24)
    model = Sequential([LSTM(3), Dense(2)], (12, 1), seed=0, dtype="float64")
    fit(model, x, y, epochs=2, batch_size=8, workers=workers)
    alone = Sequential([LSTM(3), Dense(2)], (12, 1), seed=0, dtype="float64")
    fit(alone, x, y, epochs=2, batch_size=8, workers=1)
    np.testing.assert_allclose(model.params, alone.params, rtol=1e-10)


def test_work_is_counted():
    assert Elman(4).multiply_adds((5, 3)) == 5 * (3 * 4 + 4 * 4)
    assert LSTM(4).multiply_adds((5, 3)) == 4 * Elman(4).multiply_adds((5, 3))
    assert GRU(4).multiply_adds((5, 3)) == 3 * Elman(4).multiply_adds((5, 3))


def test_repr():
    assert repr(LSTM(8, truncate=3)) == "LSTM(8)"
    assert repr(Elman(8, return_sequences=True)) == "Elman(8, return_sequences=True)"


@pytest.mark.parametrize("kind", [Elman, LSTM, GRU])
def test_shapes_are_refused_in_a_sentence(kind):
    who = f"layer 1, {kind(4)}"
    start = rf"layer 1, {kind.__name__}\(4\): expected x of shape \(N, T, D\), got "
    with pytest.raises(
        ShapeError, match=start + r"\(N, 7\)\. .*return_sequences=True; .*put Reshape\(\(7, 1\)\) before it"
    ):
        kind(4).output_shape((7,), who)
    with pytest.raises(ShapeError, match=start + r"\(N, 8, 8, 3\)\. One example has T time steps of D"):
        kind(4).output_shape((8, 8, 3), who)
    with pytest.raises(
        ShapeError, match=r"expected sequences of at least one time step, got x of shape \(N, 0, 3\)\."
    ):
        kind(4).output_shape((0, 3), who)
    assert Sequential([Reshape((7, 1)), kind(4)], (7,)).output_shape == (4,)


def test_settings_are_refused_in_a_sentence():
    for kind in (Elman, LSTM, GRU):
        name = kind.__name__
        with pytest.raises(ConfigError, match=f"{name}: expected units to be a whole number >= 1, got 0"):
            kind(0)
        with pytest.raises(ConfigError, match=f"{name}: expected truncate to be a whole number >= 1, got 0"):
            kind(3, truncate=0)
        with pytest.raises(
            ConfigError, match=f"{name}: expected return_sequences to be True or False, got 1"
        ):
            kind(3, return_sequences=1)
    with pytest.raises(ConfigError, match=r"Elman: unknown activation 'tahn'\. Did you mean 'tanh'\?"):
        Elman(3, activation="tahn")
    with pytest.raises(ConfigError, match=r"Elman: unknown activation None\."):
        Elman(3, activation=None)
    for wrong in (float("nan"), 1e308):
        with pytest.raises(
            ConfigError, match=r"LSTM: expected forget_bias to be a finite number, of at most 1e\+30"
        ):
            LSTM(3, forget_bias=wrong)
    with pytest.raises(ConfigError, match="GRU: expected reset to be 'after' or 'before', got 'never'"):
        GRU(3, reset="never")
