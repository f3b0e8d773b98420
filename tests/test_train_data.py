"""What fit takes: sets to evaluate, held-out shares, and the sentence for each thing that it refuses."""

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.model import ROWS_AT_ONCE
from clearprop.work import Work
from oracles import TanhNet, blobs, softmax_loss

X, Y = blobs(22)
HELD, TEST = blobs(9, seed=1), blobs(7, seed=2)


def network(dtype="float64"):
    return cp.Sequential([cp.Dense(6, activation="tanh"), cp.Dense(3)], (4,), seed=0, dtype=dtype)


def train(model=None, x=X, y=Y, **settings):
    model = network() if model is None else model
    given = {"optimizer": cp.SGD(0.2), "epochs": 2, "batch_size": 8}
    return model, cp.fit(model, x, y, **given | settings)


def measured(params, x, y):
    net = TanhNet(params)
    scores = net.scores(x)
    return softmax_loss(scores, y)[0].mean(), np.mean(scores.argmax(axis=1) == y)


class Kept(cp.Callback):
    """The parameters after each step, by name."""

    def __init__(self):
        self.params = []

    def on_step_end(self, training):
        self.params.append([view.copy() for view in training.model.named_params().values()])


# evaluation


@pytest.mark.parametrize("n", [1, 9, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 2 * ROWS_AT_ONCE + 5])
def test_evaluate_in_parts_is_the_mean_of_all(n):
    model = network()
    x, y = blobs(n, seed=4)
    loss, accuracy = measured(model.named_params().values(), x, y)
    found = cp.evaluate(model, x, y, "softmax_cross_entropy")
    assert found["loss"] == pytest.approx(loss, rel=1e-12)
    assert found["accuracy"] == pytest.approx(accuracy, rel=1e-12)
    assert all(type(value) is float for value in found.values())


def test_sets_are_evaluated_after_each_epoch():
    kept = Kept()
    plain, _ = train()
    model, history = train(validation=HELD, watch={"test": TEST}, callbacks=[kept])
    np.testing.assert_array_equal(model.params, plain.params)  # looking changes nothing
    for i, row in enumerate(history.epochs):
        for name, data in (("validation", HELD), ("test", TEST)):
            loss, accuracy = measured(kept.params[3 * i + 2], *data)
            assert row[f"{name}_loss"] == pytest.approx(loss, rel=1e-12)
            assert row[f"{name}_accuracy"] == pytest.approx(accuracy)
    columns = ["epoch", "step", "loss", "accuracy", "validation_loss", "validation_accuracy", "test_loss"]
    assert list(history.epochs[0]) == [*columns, "test_accuracy", "lr", "seconds"]
    assert history["seconds"][1] >= history["seconds"][0] > 0


@pytest.mark.parametrize(("every", "steps"), [(1, [1, 2, 3, 4, 5, 6]), (2, [2, 4, 6]), (4, [4]), (7, [])])
def test_sets_are_evaluated_between_epochs(every, steps):
    kept = Kept()
    _, history = train(validation=HELD, evaluate_every=every, callbacks=[kept])
    assert [row["step"] for row in history.watched] == steps
    for row in history.watched:
        loss, accuracy = measured(kept.params[row["step"] - 1], *HELD)
        assert row["validation_loss"] == pytest.approx(loss, rel=1e-12)
        assert row["validation_accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize("share", [0.25, np.float32(0.25)])
def test_a_share_is_held_out(share):
    seen = []

    class Look(cp.Callback):
        def on_fit_start(self, training):
            seen.append((training.x, training.y, *training.sets["validation"]))

    _, history = train(validation=share, callbacks=[Look()], seed=3)
    x, y, x_held, y_held = seen[0]
    assert (len(x), len(x_held)) == (16, 6)  # 22 · 0.25 = 5.5, to the even
    rows = {tuple(row): label for row, label in zip(X, Y, strict=True)}
    found = {tuple(row): label for row, label in zip([*x, *x_held], [*y, *y_held], strict=True)}
    assert found == rows
    assert len(history["validation_loss"]) == 2
    train(validation=share, callbacks=[Look()], seed=3)
    np.testing.assert_array_equal(seen[1][2], x_held)
    train(validation=share, callbacks=[Look()], seed=4)
    assert not np.array_equal(seen[2][2], x_held)


def test_weights_of_held_out_rows_are_left_out():
    weights = np.random.default_rng(0).random(22)
    seen = []

    class Look(cp.Callback):
        def on_fit_start(self, training):
            seen.append((training.x, training.weights))

    train(validation=0.25, sample_weights=weights, callbacks=[Look()])
    x, found = seen[0]
    kept = [next(i for i in range(22) if (X[i] == row).all()) for row in x]
    np.testing.assert_allclose(found, weights[kept] / weights[kept].mean(), rtol=1e-12)


def test_data_is_cast_once_and_never_changed():
    x, y = X.copy(), Y.copy()
    model, _ = train(network("float32"), x=x, y=y, validation=(x, y))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    assert model.params.dtype == np.float32
    by_lists, _ = train(network("float32"), x=X.tolist(), y=Y.tolist())
    np.testing.assert_array_equal(by_lists.params, train(network("float32"))[0].params)


def test_one_hot_rows_are_labels():
    labels, history = train()
    rows, history_rows = train(y=cp.one_hot(Y, 3))
    np.testing.assert_allclose(rows.params, labels.params, rtol=1e-12)
    assert history_rows.steps["accuracy"] == history.steps["accuracy"]


# sentences, and nothing changed


class Never(cp.Callback):
    def on_fit_start(self, training):
        raise AssertionError("started")


def changed(a, index, value):
    a = np.array(a, float)
    a[index] = value
    return a


REFUSED = [
    (
        {"x": X[0]},
        ShapeError,
        r"fit: expected x of shape \(N, 4\), got \(4,\)\. The batch axis is missing: pass x\[None\]",
    ),
    (
        {"x": X.T},
        ShapeError,
        r"fit: expected x of shape \(N, 4\), got \(4, 22\)\. Examples are rows: pass x\.T",
    ),
    ({"x": X.reshape(22, 2, 2)}, ShapeError, r"got \(22, 2, 2\)\. .* pass x\.reshape\(-1, 4\)"),
    (
        {"x": X[:, :3]},
        ShapeError,
        r"got \(22, 3\)\. The shape is fixed by input_shape when the network is built",
    ),
    ({"x": X[:0], "y": Y[:0]}, DataError, r"fit: expected at least one example, got x of shape \(0, 4\)"),
    ({"x": 1.0}, DataError, r"fit: expected at least one example, got x of shape \(\)"),
    (
        {"x": X.astype(str)},
        DataError,
        r"fit: expected x to hold numbers, got <U\d+\. Encode text columns as numbers",
    ),
    ({"x": X.astype(object)}, DataError, r"fit: expected x to hold numbers, got object"),
    ({"x": X.astype(complex)}, DataError, r"fit: expected x to hold numbers, got complex128"),
    (
        {"x": changed(X, (3, 1), np.nan)},
        DataError,
        r"fit: x\[3, 1\] is nan, one of 1 values .* in 1 of 22 rows\. Drop",
    ),
    ({"x": changed(X, (3, 1), -np.inf)}, DataError, r"fit: x\[3, 1\] is -inf"),
    (
        {"y": changed(Y, 5, np.nan)},
        DataError,
        r"fit: y\[5\] is nan, one of 1 values that are not finite numbers",
    ),
    (
        {"y": Y[:-1]},
        ShapeError,
        r"fit: expected one row of y for each of the 22 rows of x, got y of shape \(21,\)",
    ),
    (
        {"y": Y + 1},
        DataError,
        r"fit: expected labels from 0 to 2, got 3 .*They seem to start at 1: pass y - 1",
    ),
    ({"y": Y - 1}, DataError, r"fit: expected labels from 0 to 2, got -1 .*Labels count from 0"),
    (
        {"y": Y.astype(str)},
        DataError,
        r"fit: expected y to hold numbers, got <U\d+ \('\d', …\)\. Turn class names",
    ),
    (
        {"y": np.eye(3)[Y], "loss": "hinge"},
        DataError,
        r"wants labels of shape \(N,\), .* pass y\.argmax\(axis=1\)",
    ),
    (
        {"loss": "squared_error"},
        DataError,
        r"squared_error wants targets of shape \(N, 3\), got labels .* one_hot\(y, 3\)",
    ),
    (
        {"loss": "softmax"},
        ConfigError,
        r"loss: unknown name 'softmax'\. Did you mean 'softmax_cross_entropy'\?",
    ),
    ({"optimizer": "adma"}, ConfigError, r"optimizer: unknown name 'adma'\. Did you mean 'adam'\?"),
    ({"optimizer": {"name": "sgd", "lr": -1}}, ConfigError, r"SGD: expected lr to be a finite number > 0"),
    ({"epochs": 0}, ConfigError, r"fit: expected epochs to be a whole number >= 1, got 0"),
    ({"batch_size": 0}, ConfigError, r"fit: expected batch_size to be a whole number >= 1, got 0"),
    ({"evaluate_every": 0}, ConfigError, r"fit: expected evaluate_every to be a whole number >= 1, got 0"),
    ({"workers": 0}, ConfigError, r"fit: expected workers to be a whole number >= 1, got 0"),
    ({"l1": -1}, ConfigError, r"fit: expected l1 >= 0, got -1"),
    ({"l2": np.nan}, ConfigError, r"fit: expected l2 >= 0, got nan"),
    ({"clip_norm": 0}, ConfigError, r"fit: expected clip_norm > 0, got 0"),
    ({"clip_value": -1}, ConfigError, r"fit: expected clip_value > 0, got -1"),
    (
        {"sample_weights": np.ones(21)},
        ShapeError,
        r"expected sample_weights of shape \(22,\), got \(21,\)\. One weight",
    ),
    (
        {"sample_weights": np.zeros(22)},
        DataError,
        r"fit: expected sample_weights >= 0, not all 0, got others",
    ),
    ({"sample_weights": changed(np.ones(22), 1, -1)}, DataError, r"fit: expected sample_weights >= 0"),
    ({"sample_weights": changed(np.ones(22), 1, np.nan)}, DataError, r"fit: expected sample_weights >= 0"),
    (
        {"validation": 1.5},
        ConfigError,
        r"fit: expected validation to hold out some of the 22 rows, .*; got 1\.5",
    ),
    (
        {"validation": 0.001},
        ConfigError,
        r"fit: expected validation to hold out some of the 22 rows, .*; got 0\.001",
    ),
    ({"validation": X}, ConfigError, r"fit, validation: expected a pair of arrays \(x, y\), got ndarray"),
    ({"validation": (X,)}, ConfigError, r"fit, validation: expected a pair of arrays \(x, y\), got tuple"),
    (
        {"validation": (X[0], Y)},
        ShapeError,
        r"fit, validation: expected x of shape \(N, 4\), got \(4,\)\. The batch",
    ),
    (
        {"validation": (X, Y[:3])},
        ShapeError,
        r"fit, validation: expected one row of y for each of the 22 rows of x",
    ),
    ({"validation": (X, Y + 9)}, DataError, r"fit, validation: expected labels from 0 to 2, got"),
    (
        {"watch": {"test": (X.T, Y)}},
        ShapeError,
        r"fit, test: expected x of shape \(N, 4\), got \(4, 22\)\. .*x\.T",
    ),
    ({"watch": {"test": (changed(X, (0, 0), np.inf), Y)}}, DataError, r"fit, test: x\[0, 0\] is inf"),
]


@pytest.mark.parametrize(("wrong", "error", "sentence"), REFUSED, ids=[s[:60] for _, _, s in REFUSED])
def test_what_is_refused_changes_nothing(wrong, error, sentence):
    model = network()
    model.link = "probs"
    params, grads, state = model.params.copy(), model.grads.copy(), model.rng.bit_generator.state
    with pytest.raises(error, match=sentence):
        train(model, **{"callbacks": [Never()]} | wrong)
    np.testing.assert_array_equal(model.params, params)
    np.testing.assert_array_equal(model.grads, grads)
    assert model.rng.bit_generator.state == state
    assert model.link == "probs"


def test_what_the_dtype_cannot_hold_is_refused():
    with pytest.raises(DataError, match=r"fit, as float32: x\[2, 0\] is inf"):
        train(network("float32"), x=changed(X, (2, 0), 1e300))


def test_evaluate_refuses_in_its_own_name():
    with pytest.raises(ShapeError, match=r"evaluate: expected x of shape \(N, 4\), got \(4,\)"):
        cp.evaluate(network(), X[0], Y, "hinge")
    with pytest.raises(DataError, match=r"evaluate: expected labels from 0 to 2"):
        cp.evaluate(network(), X, Y + 5, "hinge")


def test_a_loss_that_contains_the_last_layer_is_refused():
    def fitted(activation, loss):
        model = cp.Sequential([cp.Dense(3), cp.Activation(activation)], (2,))
        before = model.params.copy()
        try:
            cp.fit(model, np.ones((6, 2)), np.arange(6) % 3, loss=loss)
        finally:
            assert loss == "cross_entropy" or (model.params == before).all()

    with pytest.raises(
        ConfigError, match=r"softmax_cross_entropy contains the softmax, .* Activation.'softmax'.*, too"
    ):
        fitted("softmax", "softmax_cross_entropy")
    with pytest.raises(ConfigError, match=r"contains the softmax.* Leave that layer out"):
        fitted("log_softmax", "softmax_cross_entropy")
    with pytest.raises(
        ConfigError, match=r"cross_entropy wants probabilities, and the network ends with .*relu"
    ):
        fitted("relu", "cross_entropy")
    fitted("softmax", "cross_entropy")


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"batch_size": "8"}, ConfigError, "fit: expected batch_size to be a whole number"),
        ({"callbacks": cp.BestWeights()}, ConfigError, "fit: expected callbacks to be a list of Callback"),
        ({"callbacks": [3]}, ConfigError, "fit: expected callbacks to be a list of Callback"),
        ({"seed": -1}, ConfigError, "fit: expected seed to be a whole number >= 0, got -1"),
        ({"seed": None}, ConfigError, "fit: expected seed to be a whole number >= 0, got None"),
        ({"shuffle": "no"}, ConfigError, "fit: expected shuffle to be True or False, got 'no'"),
        ({"sample_weights": ["a"] * 22}, DataError, "fit: expected sample_weights to be numbers"),
        (
            {"validation": (X, Y), "watch": {"validation": (X, Y)}},
            ConfigError,
            "fit: expected one set named validation",
        ),
    ],
)
def test_settings_of_the_wrong_kind(settings, error, sentence):
    model = network()
    before = model.params.copy()
    with pytest.raises(error, match=sentence):
        cp.fit(model, X, Y, **settings)
    np.testing.assert_array_equal(model.params, before)


def test_a_batch_size_may_be_a_whole_float():
    history = cp.fit(network(), X, Y, batch_size=11.0)
    assert len(history.steps["loss"]) == 2


def test_a_plateau_of_an_error_that_should_fall():
    model = cp.Sequential([cp.Dense(1)], (2,))
    optimizer = cp.SGD(lr=cp.ReduceOnPlateau(lr=0.1, mode="max"))
    with pytest.raises(
        ConfigError, match="watches the accuracy, and squared_error has the mean_squared_error"
    ):
        cp.fit(model, np.ones((4, 2)), np.ones(4), loss="squared_error", optimizer=optimizer)


def test_a_batch_larger_than_the_set_is_no_reason_for_threads(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "clearprop.train.choose_work", lambda layers, shapes, size, n: asked.append(n) or Work(1, 1, None)
    )
    cp.fit(network(), X, Y, batch_size=10**9)
    cp.fit(network(), X, Y, batch_size=10**9, validation=0.5)
    assert asked == [22, 11]


def test_a_last_mini_batch_of_one_row_has_no_variance():
    x, y = np.random.default_rng(0).normal(size=(33, 4)), np.arange(33) % 2
    model = cp.Sequential([cp.Dense(4), cp.BatchNorm(), cp.Dense(2)], (4,))
    before = model.params.copy()
    with pytest.raises(DataError, match=r"fit, layer 1, BatchNorm\(\): .* at least 2 rows .*drop_last=True"):
        cp.fit(model, x, y, batch_size=32)
    np.testing.assert_array_equal(model.params, before)
    cp.fit(model, x, y, batch_size=32, drop_last=True)
    cp.fit(model, x[:32], y[:32], batch_size=32)
    pictures = cp.Sequential([cp.Reshape((2, 2, 1)), cp.BatchNorm(), cp.Flatten(), cp.Dense(2)], (4,))
    cp.fit(pictures, x, y, batch_size=32)  # one picture has many numbers


def test_a_token_that_is_none_is_refused_with_its_row_before_anything_changes():
    x, y = np.zeros((1000, 5), int), np.zeros(1000, int)
    x[900, 2] = 10
    model = cp.Sequential([cp.Embedding(10, 4), cp.Flatten(), cp.Dense(2)], (5,))
    before = model.params.copy()
    with pytest.raises(
        DataError, match=r"fit, layer 0, Embedding\(10, 4\): .*from 0 to 9, got 10 at x\[900, 2\]"
    ):
        cp.fit(model, x, y)
    np.testing.assert_array_equal(model.params, before)
