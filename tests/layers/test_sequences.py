"""Bidirectional and TimeDistributed: another layer along time, its names, copies, specs and random numbers."""

import copy
import pickle

import numpy as np
import pytest

import clearprop as cp
from clearprop import (
    GRU,
    LSTM,
    BatchNorm,
    Bidirectional,
    Dense,
    Dropout,
    Elman,
    Sequential,
    TimeDistributed,
    check_layer,
)
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers.spec import layer_from, layer_spec


@pytest.mark.parametrize(
    "layer",
    [
        Bidirectional(Elman(3)),
        Bidirectional(LSTM(3, return_sequences=True)),
        Bidirectional(GRU(3, return_sequences=True)),
        TimeDistributed(Dense(3, activation="tanh")),
        TimeDistributed(BatchNorm()),
        TimeDistributed(cp.Residual([Dense(2), Dropout(0.4)])),
        TimeDistributed(TimeDistributed(Dense(2))),
    ],
    ids=repr,
)
def test_gradients(layer):
    shape = (2, 3, 2) if "TimeDistributed(TimeD" in repr(layer) else (4, 2)
    assert check_layer(layer, shape).ok


@pytest.mark.parametrize("kind", [Elman, LSTM, GRU])
def test_both_directions_are_the_layer_itself(kind):
    model = Sequential([Bidirectional(kind(3, return_sequences=True))], (5, 2), seed=3, dtype="float64")
    named = model.named_params()
    own = list(kind(3).param_shapes((5, 2)))
    assert list(named) == [f"0.{side}.{name}" for side in ("forward", "backward") for name in own]
    x = np.random.default_rng(0).normal(size=(4, 5, 2))
    y = model.scores(x)
    for side, turn, units in (
        ("forward", slice(None), slice(0, 3)),
        ("backward", slice(None, None, -1), slice(3, 6)),
    ):
        alone = Sequential([kind(3, return_sequences=True)], (5, 2), dtype="float64")
        alone.params = np.concatenate([named[f"0.{side}.{name}"].ravel() for name in own])
        np.testing.assert_allclose(y[..., units], alone.scores(x[:, turn])[:, turn], rtol=1e-13)
    assert (named["0.forward.w"] != named["0.backward.w"]).all()


def test_without_sequences_the_two_last_states_stand_together():
    everything = Sequential([Bidirectional(GRU(3, return_sequences=True))], (5, 2), seed=3)
    last = Sequential([Bidirectional(GRU(3))], (5, 2), seed=3)
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype("float32")
    hs = everything.scores(x)
    np.testing.assert_array_equal(last.scores(x), np.concatenate([hs[:, -1, :3], hs[:, 0, 3:]], axis=1))


@pytest.mark.torch
def test_bidirectional_agrees_with_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    model = Sequential([Bidirectional(LSTM(3, return_sequences=True))], (5, 2), seed=3, dtype="float64")
    theirs = torch.nn.LSTM(2, 3, batch_first=True, bidirectional=True, dtype=torch.float64)
    named = model.named_params()
    with torch.no_grad():
        for side, end in (("forward", "l0"), ("backward", "l0_reverse")):
            getattr(theirs, f"weight_ih_{end}").copy_(torch.tensor(named[f"0.{side}.w"].T))
            getattr(theirs, f"weight_hh_{end}").copy_(torch.tensor(named[f"0.{side}.u"].T))
            getattr(theirs, f"bias_ih_{end}").copy_(torch.tensor(named[f"0.{side}.b"]))
            getattr(theirs, f"bias_hh_{end}").zero_()
    x, dy = rng.normal(size=(4, 5, 2)), rng.normal(size=(4, 5, 6))
    tx = torch.tensor(x, requires_grad=True)
    expected = theirs(tx)[0]
    expected.backward(torch.tensor(dy))
    y, caches = model.forward(x)
    dx = model.backward(dy, caches, need_dx=True)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        model.named_grads()["0.backward.u"].T,
        theirs.weight_hh_l0_reverse.grad.numpy(),
        rtol=1e-10,
        atol=1e-12,
    )


def test_time_distributed_is_the_layer_at_every_step():
    model = Sequential([TimeDistributed(Dense(4, activation="relu"))], (5, 2), dtype="float64")
    assert repr(model.layers) == "[TimeDistributed(Dense(4)), TimeDistributed(Activation('relu'))]"
    x = np.random.default_rng(0).normal(size=(3, 5, 2))
    w, b = model.named_params().values()
    np.testing.assert_allclose(model.scores(x), np.maximum(x @ w + b, 0), rtol=1e-12)
    assert list(model.named_params()) == ["0.w", "0.b"]


def test_time_distributed_on_images():
    model = Sequential(
        [TimeDistributed(cp.Conv2D(2, 3)), TimeDistributed(cp.Flatten()), LSTM(3)], (4, 5, 5, 1)
    )
    assert model.shapes == [(4, 5, 5, 1), (4, 3, 3, 2), (4, 18), (3,)]
    assert TimeDistributed(cp.Conv2D(2, 3)).by_shards
    assert not TimeDistributed(Dense(2)).by_shards


def test_running_statistics_are_over_all_steps():
    model = Sequential([TimeDistributed(BatchNorm(momentum=0.0))], (5, 2), dtype="float64")
    x = np.random.default_rng(0).normal(size=(3, 5, 2))
    model.forward(x, training=True)
    np.testing.assert_allclose(model.named_buffers()["0.running_mean"], x.mean(axis=(0, 1)), rtol=1e-12)


def test_noise_has_a_row_for_each_example():
    model = Sequential([TimeDistributed(cp.Residual([Dense(6), Dropout(0.5)]))], (5, 6), seed=0)
    (noise,) = model.draw_noise(4)
    assert [part if part is None else part.shape for part in noise] == [None, (4, 5, 6)]
    assert (noise[1] == 0).any()
    x = np.ones((4, 5, 6), "float32")
    whole, _ = model.forward(x, training=True, noise=[noise])
    half, _ = model.forward(x[2:], training=True, noise=[[None, noise[1][2:]]])
    np.testing.assert_allclose(whole[2:], half, rtol=1e-5)


@pytest.mark.parametrize(
    "layer", [Bidirectional(LSTM(3, truncate=4)), TimeDistributed(Dense(3, bias_init="ones"))], ids=repr
)
def test_specs_make_it_again(layer):
    spec = layer_spec(layer)
    assert spec["layer"]["type"] in ("LSTM", "Dense")
    assert layer_spec(layer_from(spec, "here")) == spec
    assert layer_from(spec, "here").param_shapes((5, 2)) == layer.param_shapes((5, 2))


def stack():
    layers = [Bidirectional(GRU(4, return_sequences=True)), TimeDistributed(Dense(3)), LSTM(4), Dense(2)]
    return Sequential(layers, (6, 2), seed=0)


def test_saved_and_loaded(tmp_path):
    model = stack()
    model.params += 0.1
    model.save(tmp_path / "net.safetensors")
    x = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("float32")
    np.testing.assert_array_equal(cp.load(tmp_path / "net.safetensors").scores(x), model.scores(x))


def test_copies_share_no_views():
    model = stack()
    x = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("float32")
    expected = model.scores(x)
    row = np.full_like(model.grads, np.nan)
    replica = model.replica(row)
    twins = [model.copy(), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    y, caches = replica.forward(x, training=True)
    replica.backward(np.ones_like(y), caches)
    assert np.isfinite(row).all()
    assert not model.grads.any()
    model.params += 1
    np.testing.assert_array_equal(replica.scores(x), model.scores(x))
    for twin in twins:
        np.testing.assert_array_equal(twin.scores(x), expected)


def test_a_layer_serves_in_two_networks():
    layer = Bidirectional(Elman(3))
    first, second = (Sequential([layer], (5, 2), seed=seed) for seed in (0, 1))
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    before = first.scores(x)
    second.params += 1
    np.testing.assert_array_equal(first.scores(x), before)


def test_work_is_counted():
    assert Bidirectional(LSTM(4)).multiply_adds((5, 3)) == 2 * LSTM(4).multiply_adds((5, 3))
    assert TimeDistributed(Dense(4)).multiply_adds((5, 3)) == 5 * 12
    assert [type(part).__name__ for part in TimeDistributed(Dropout(0.1)).parts()] == [
        "TimeDistributed",
        "Dropout",
    ]
    assert len(list(Bidirectional(LSTM(4)).parts())) == 3


def test_sentences():
    with pytest.raises(
        ConfigError, match=r"Bidirectional: expected a layer such as LSTM\(8\), Elman or GRU, got Dense\(3\)"
    ):
        Bidirectional(Dense(3))
    with pytest.raises(ConfigError, match="Bidirectional: expected a table such as"):
        Bidirectional("LSTM")
    with pytest.raises(ConfigError, match="TimeDistributed: unknown layer type 'Dens'"):
        TimeDistributed({"type": "Dens", "units": 3})
    with pytest.raises(
        ShapeError, match=r"layer 0, .*: expected x of shape \(N, T, …\), got \(N, 4\)\. Leave TimeDis"
    ):
        Sequential([TimeDistributed(Dense(3))], (4,))
    with pytest.raises(
        ShapeError, match=r"layer 0, TimeDistributed\(Dense\(3\)\), its layer Dense\(3\): expected x of shape"
    ):
        Sequential([TimeDistributed(Dense(3))], (4, 2, 2))
    with pytest.raises(
        ShapeError, match=r"layer 0, Bidirectional\(LSTM\(3\)\): expected x of shape \(N, T, D\)"
    ):
        Sequential([Bidirectional(LSTM(3))], (4,))
