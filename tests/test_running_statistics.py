"""Networks with batch norm: what is learned without a gradient is copied, saved, resumed and shared out, too."""

import pickle
from copy import deepcopy

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import DataError, ShapeError
from oracles import blobs

X, Y = blobs(23)
HELD = blobs(9, seed=1)


def network(dtype="float64", shared=True):
    layers = [
        cp.BatchNorm(),
        cp.Dense(8),
        cp.BatchNorm(momentum=0.7, shared=shared),
        cp.Activation("tanh"),
        cp.Dropout(0.2),
        cp.Dense(3),
    ]
    return cp.Sequential(layers, (4,), seed=0, dtype=dtype)


def train(model=None, **settings):
    model = network() if model is None else model
    settings = {
        "optimizer": cp.SGD(0.1, momentum=0.9),
        "epochs": 3,
        "batch_size": 8,
        "workers": 1,
        "seed": 5,
    } | settings
    return model, cp.fit(model, X, Y, **settings)


def assert_same(model, other):
    np.testing.assert_array_equal(model.params, other.params)
    np.testing.assert_array_equal(model.buffers, other.buffers)
    np.testing.assert_array_equal(model.scores(X), other.scores(X))


def test_they_are_named_and_begin_at_0_and_1():
    model = network()
    buffers = model.named_buffers()
    assert list(buffers) == ["0.running_mean", "0.running_var", "2.running_mean", "2.running_var"]
    assert [(view.shape, view[0]) for view in buffers.values()] == [
        ((4,), 0),
        ((4,), 1),
        ((8,), 0),
        ((8,), 1),
    ]
    assert not any("running" in name for name in model.named_params())


def test_training_moves_them_and_predicting_does_not():
    model, _ = train()
    before = model.buffers.copy()
    assert (before != network().buffers).all()
    model.predict(X)
    cp.evaluate(model, *HELD, "softmax_cross_entropy")
    np.testing.assert_array_equal(model.buffers, before)


@pytest.mark.parametrize(
    "twin",
    [
        lambda model: pickle.loads(pickle.dumps(model)),
        deepcopy,
        lambda model: model.copy(),
        lambda model: model.astype("float64"),
    ],
    ids=["pickle", "deepcopy", "copy", "astype"],
)
def test_a_copy_has_its_own(twin):
    model, _ = train()
    other = twin(model)
    assert_same(other, model)
    before = model.buffers.copy()
    train(other)
    np.testing.assert_array_equal(model.buffers, before)
    assert (other.buffers != before).all()
    assert_same(train(model)[0], other)  # and both train on in the same way


def test_they_keep_the_dtype():
    model, _ = train(network("float32"))
    assert model.buffers.dtype == model.named_buffers()["2.running_var"].dtype == np.float32
    wide = model.astype("float64")
    assert wide.buffers.dtype == np.float64
    np.testing.assert_array_equal(wide.buffers, model.buffers)
    np.testing.assert_allclose(wide.scores(X), model.scores(X), rtol=1e-4, atol=1e-5)


def test_saved_and_loaded(tmp_path):
    path = tmp_path / "net.safetensors"
    model, _ = train(network("float32"))
    model.save(path)
    again = cp.load(path)
    assert_same(again, model)
    assert [layer.settings() for layer in again.layers] == [layer.settings() for layer in model.layers]
    filled = network("float32")
    cp.load_weights(filled, path)
    assert_same(filled, model)


def test_a_file_without_them_is_of_another_network(tmp_path):
    path = tmp_path / "net.safetensors"
    layers = [
        cp.LayerNorm(),
        cp.Dense(8),
        cp.LayerNorm(),
        cp.Activation("tanh"),
        cp.Dropout(0.2),
        cp.Dense(3),
    ]
    cp.Sequential(layers, (4,)).save(path)
    model = network()
    before = model.params.copy()
    with pytest.raises(
        ShapeError, match=r"weights of another network: expected 0\.running_mean of shape \(4,\)"
    ):
        cp.load_weights(model, path)
    np.testing.assert_array_equal(model.params, before)


def test_best_weights_keep_those_of_the_best_epoch():
    class Note(cp.Callback):
        def __init__(self):
            self.buffers, self.losses = [], []

        def on_epoch_end(self, training):
            self.buffers.append(training.model.buffers.copy())
            self.losses.append(training.history.epochs[-1]["validation_loss"])

    note, wrong = Note(), (X, np.roll(Y, 1))  # the longer the training, the worse
    model, _ = train(epochs=6, validation=wrong, callbacks=[note, cp.BestWeights()])
    best = int(np.argmin(note.losses))
    assert best < 5
    np.testing.assert_array_equal(model.buffers, note.buffers[best])
    loss = cp.evaluate(model, *wrong, "softmax_cross_entropy")["loss"]
    assert loss == pytest.approx(note.losses[best], rel=1e-12)


class States(cp.Callback):
    def __init__(self):
        self.states = []

    def on_step_end(self, training):
        self.states.append(deepcopy(training.state()))


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resumed_at_any_step_it_is_the_run_that_was_never_stopped(workers, dtype, shared):
    def run(callbacks, resume=None):
        settings = {"callbacks": callbacks, "resume": resume, "validation": HELD, "workers": workers}
        return train(network(dtype, shared), **settings)

    states = States()
    whole, history = run([states, cp.BestWeights()])
    assert len(states.states) == 9
    for state in states.states:
        found, resumed = run([cp.Callback(), cp.BestWeights()], deepcopy(state))
        assert_same(found, whole)
        assert resumed.steps == history.steps
        assert [row["validation_loss"] for row in resumed.epochs] == [
            row["validation_loss"] for row in history.epochs
        ]


@pytest.mark.parametrize("shard_size", [None, 2, 3])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_statistics_are_the_whole_mini_batchs_on_any_number_of_workers(workers, shard_size):
    one, history = train()
    many, history_many = train(workers=workers, shard_size=shard_size)
    np.testing.assert_allclose(many.params, one.params, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(many.buffers, one.buffers, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(history_many.steps["loss"], history.steps["loss"], rtol=1e-9)
    again, _ = train(workers=workers, shard_size=shard_size)
    assert_same(again, many)  # bit for bit


def test_unshared_statistics_are_each_shards_own():
    one, _ = train(network(shared=False))
    two, _ = train(network(shared=False), workers=2)
    assert abs(two.params - one.params).max() > 1e-4

    model = cp.Sequential([cp.BatchNorm(shared=False), cp.Dense(3)], (4,), dtype="float64")
    whole = model.copy()
    settings = {"batch_size": 23, "optimizer": cp.SGD(1e-9), "shuffle": False}
    cp.fit(model, X, Y, workers=2, **settings)
    cp.fit(whole, X, Y, workers=1, **settings)
    np.testing.assert_allclose(whole.layers[0].running_mean, 0.1 * X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(model.layers[0].running_mean, 0.1 * X[:11].mean(axis=0), rtol=1e-12)


def test_inside_a_residual():
    def run(workers):
        branch = [cp.Dense(4), cp.BatchNorm(), cp.Activation("relu"), cp.Dense(4)]
        model = cp.Sequential([cp.Residual(branch), cp.BatchNorm(), cp.Dense(3)], (4,), dtype="float64")
        return train(model, workers=workers)[0]

    one, two = run(1), run(2)
    assert next(iter(one.named_buffers())) == "0.1.running_mean"
    np.testing.assert_allclose(two.params, one.params, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(two.buffers, one.buffers, rtol=1e-9, atol=1e-10)
    assert cp.check_gradients(one, X, Y).ok


@pytest.mark.parametrize("workers", [1, 2])
def test_a_last_batch_of_one_says_what_to_do(workers):
    with pytest.raises(DataError, match=r"BatchNorm\(\): expected at least 2 rows .* drop_last=True"):
        train(batch_size=11, workers=workers)
    model, _ = train(batch_size=11, workers=workers, drop_last=True)
    assert np.isfinite(model.buffers).all()


def test_a_convolution_with_batch_norm_learns_with_two_workers():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    x = rng.normal(5, 1, (60, 6, 6, 1))
    x[y == 1, 1:3] += 3
    layers = [cp.Conv2D(4, 3), cp.BatchNorm(), cp.Activation("relu"), cp.Flatten(), cp.Dense(2)]
    model = cp.Sequential(layers, (6, 6, 1), seed=0)
    settings = {"optimizer": cp.Adam(0.01), "epochs": 20, "batch_size": 20}
    cp.fit(model, x, y, workers=2, **settings)
    assert cp.evaluate(model, x, y, "softmax_cross_entropy")["accuracy"] > 0.95
