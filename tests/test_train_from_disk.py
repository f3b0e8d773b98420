"""Training on rows that stay on the disk: the same numbers where the order is the same, bit for bit on resuming, and
memory that does not grow with the rows."""

import subprocess
import sys
import tracemalloc
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.feed import window_order
from clearprop.sources import RowSource
from oracles import blobs

X, Y = blobs(330)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of five rows of four float64, windows of three blocks."""
    monkeypatch.setattr("clearprop.sources.BLOCK_BYTES", 160)
    monkeypatch.setattr("clearprop.feed.WINDOW_BLOCKS", 3)


@pytest.fixture
def disk(tmp_path):
    """disk(x, y): both as memory-mapped files."""

    def save(x=X, y=Y, name=""):
        pair = []
        for which, array in (("x", x), ("y", y)):
            np.save(tmp_path / f"{which}{name}.npy", array)
            pair.append(np.load(tmp_path / f"{which}{name}.npy", mmap_mode="r"))
        return tuple(pair)

    return save


def network(dtype="float64", outputs=3):
    layers = [cp.Dense(9, activation="relu"), cp.Dropout(0.3), cp.Dense(outputs)]
    return cp.Sequential(layers, (4,), seed=0, dtype=dtype)


def train(x, y, model=None, **settings):
    model = network() if model is None else model
    given = {"optimizer": cp.Adam(0.01), "epochs": 3, "batch_size": 8, "seed": 5}
    history = cp.fit(model, x, y, **given | settings)
    return model, history


def assert_same(found, expected):
    (model, history), (model_, history_) = found, expected
    np.testing.assert_array_equal(model.params, model_.params)
    assert history.steps == history_.steps
    assert history.watched == history_.watched
    for row, row_ in zip(history.epochs, history_.epochs, strict=True):
        assert row | {"seconds": 0} == row_ | {"seconds": 0}


FORMS = {
    "memory-mapped": lambda x, y: (x, y),
    "files": lambda x, y: (cp.open_rows(x.filename), cp.open_rows(y.filename)),
    "shards": lambda x, y: (cp.open_rows([x[:7], x[7:100], x[100:]]), cp.open_rows([y[:250], y[250:]])),
    "labels in memory": lambda x, y: (x, np.array(y)),
    "labels in a list": lambda x, y: (x, y.tolist()),
    "rows in memory": lambda x, y: (np.array(x), cp.open_rows(y.filename)),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"drop_last": True, "batch_size": 50},
        {"batch_size": 1000, "l2": 0.1},
        {"workers": 2},
        {"shard_size": 3},
        {"sample_weights": np.random.default_rng(0).random(330)},
    ],
    ids=str,
)
def test_without_shuffling_it_is_training_in_memory(disk, form, settings):
    expected = train(X, Y, shuffle=False, **settings)
    assert_same(train(*form(*disk()), shuffle=False, **settings), expected)


@pytest.mark.parametrize(
    "x", [X.astype(np.float32), X.astype(">f8"), np.rint(X * 10).astype(np.int16)], ids=lambda x: str(x.dtype)
)
def test_rows_are_cast_as_in_memory(disk, x):
    model, model_ = network("float32"), network("float32")
    expected = train(x, Y, model_, shuffle=False, validation=(x[:50], Y[:50]))
    mapped, y = disk(x)
    assert_same(train(mapped, y, model, shuffle=False, validation=(mapped[:50], y[:50])), expected)


def test_features_and_label_in_one_file(disk):
    table, _ = disk(np.column_stack([Y, X]))
    assert_same(train(table[:, 1:], table[:, 0], shuffle=False), train(X, Y, shuffle=False))


@pytest.mark.parametrize(
    ("loss", "y", "outputs"),
    [
        ("softmax_cross_entropy", np.eye(3)[Y], 3),
        ("squared_error", X[:, :2] * 3, 2),
        ("squared_error", X[:, 0], 1),
        ("sigmoid_cross_entropy", (Y == 1).astype(float), 1),
        ("softmax_cross_entropy", Y.astype(np.float32), 3),
        ("softmax_cross_entropy", Y.astype(np.int8)[:, None], 3),
    ],
)
def test_targets_of_every_kind(disk, loss, y, outputs):
    expected = train(X, y, network(outputs=outputs), loss=loss, shuffle=False, validation=(X, y))
    x, mapped = disk(X, y)
    found = train(x, mapped, network(outputs=outputs), loss=loss, shuffle=False, validation=(x, mapped))
    assert_same(found, expected)


def test_shuffled_batches_are_those_of_the_window_order(disk):
    """Each step by hand, on the rows that the order names."""
    by_hand = cp.Sequential([cp.Dense(3)], (4,), seed=0, dtype="float64")
    rng, losses = np.random.default_rng(5), []
    for _ in range(2):
        for batch in window_order(330, 8, rng, False, 5):
            rows = [np.concatenate([np.arange(a, b) for a, b in p.spans])[p.places] for p in batch]
            rows = np.concatenate(rows)
            loss, _ = cp.backpropagate(
                by_hand, cp.make_loss("softmax_cross_entropy"), X[rows], Y[rows], 1 / len(rows)
            )
            by_hand.params -= 0.1 * by_hand.grads
            losses.append(float(loss.sum()) / len(rows))
    model = cp.Sequential([cp.Dense(3)], (4,), seed=0, dtype="float64")
    _, history = train(*disk(), model, epochs=2, optimizer=cp.SGD(0.1))
    np.testing.assert_allclose(model.params, by_hand.params, rtol=1e-12)
    np.testing.assert_allclose(history.steps["loss"], losses, rtol=1e-12)


def test_the_same_seed_is_the_same_run_and_another_another(disk):
    x, y = disk()
    assert_same(train(x, y), train(x, y))
    assert_same(train(x, y, workers=2), train(x, y, workers=2))
    assert (train(x, y)[0].params != train(x, y, seed=6)[0].params).any()


def test_shuffled_it_learns_as_in_memory(disk):
    _, found = train(*disk(), epochs=8)
    _, expected = train(X, Y, epochs=8)
    assert found["accuracy"][-1] > 0.9
    assert abs(found["loss"][-1] - expected["loss"][-1]) < 0.1


# going on


class States(cp.Callback):
    """Every state, after steps and after epochs; and a run that ends itself after a step."""

    def __init__(self, stop_at=None):
        self.states, self.stop_at = [], stop_at

    def on_step_end(self, training):
        if training.step == self.stop_at:
            training.stop("enough")
        self.states.append(deepcopy(training.state()))

    def on_epoch_end(self, training):
        self.states.append(deepcopy(training.state()))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"shuffle": False},
        {"drop_last": True, "batch_size": 13},
        {"workers": 2},
        {"batch_size": 70},  # more than a window
        {"validation": 0.1},
        {"sample_weights": np.arange(330)},
    ],
    ids=str,
)
def test_killed_at_any_moment_and_resumed_it_is_the_run_that_was_never_stopped(disk, settings):
    x, y = disk()
    settings = {"epochs": 2, "batch_size": 31} | settings
    states = States()
    whole = train(x, y, callbacks=[states], **settings)
    for state in states.states:
        assert_same(train(x, y, callbacks=[cp.Callback()], resume=deepcopy(state), **settings), whole)


@pytest.mark.parametrize("step", [1, 5, 11, 12, 22])
def test_stopped_in_mid_epoch_and_resumed(disk, step):
    x, y = disk()
    settings = {"epochs": 2, "batch_size": 31}
    states = States(stop_at=step)
    _, history = train(x, y, callbacks=[states], **settings)
    assert len(history.steps["loss"]) == step
    state = states.states[-1]
    state["history"]["stopped"] = ""
    found = train(x, y, callbacks=[cp.Callback()], resume=state, **settings)
    assert_same(found, train(x, y, callbacks=[cp.Callback()], **settings))


def test_passing_over_batches_reads_nothing():
    class Counted(RowSource):
        shape, dtype = (330, 4), np.dtype(np.float64)
        read_rows = 0

        def read(self, start, stop):
            self.read_rows += stop - start
            return X[start:stop]

    states = States()
    settings = {"epochs": 1, "batch_size": 31}
    train(Counted(), Y, callbacks=[states], **settings)
    source = Counted()
    train(source, Y, callbacks=[cp.Callback()], resume=states.states[9], **settings)  # after step 10 of 11
    assert 0 < source.read_rows <= 2 * 15


# held out, watched, evaluated


def test_a_share_is_the_last_rows(disk):
    seen = []

    class Look(cp.Callback):
        def on_fit_start(self, training):
            seen.append((len(training.x), len(training.y)))
            seen.append(tuple(rows.take(slice(0, 82)) for rows in training.sets["validation"]))

    found = train(*disk(), validation=0.25, callbacks=[Look()], shuffle=False)
    assert seen[0] == (248, 248)
    np.testing.assert_array_equal(seen[1][0], X[248:])
    np.testing.assert_array_equal(seen[1][1], Y[248:])
    assert_same(found, train(X[:248], Y[:248], validation=(X[248:], Y[248:]), shuffle=False))


def test_weights_follow_their_rows(disk):
    weights = np.random.default_rng(0).random(330)
    expected = train(X[:248], Y[:248], sample_weights=weights[:248], shuffle=False)[0]
    x, y = disk()
    found = train(x, y, sample_weights=weights, validation=0.25, shuffle=False)[0]
    np.testing.assert_array_equal(found.params, expected.params)
    without = weights * (Y != 2)  # in any order
    model, _ = train(x, y, sample_weights=without, epochs=6)
    assert not (model.predict(X) == 2).any()
    assert np.mean(model.predict(X[Y != 2]) == Y[Y != 2]) > 0.9


@pytest.mark.parametrize("n", [1, 100, 330])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_evaluate_and_predict(disk, n, dtype):
    model, _ = train(X, Y, network(dtype))
    x, y = disk(X[:n], Y[:n])
    for rows in (x, cp.open_rows(x.filename)):
        assert cp.evaluate(model, rows, y, "hinge") == cp.evaluate(model, X[:n], Y[:n], "hinge")
        np.testing.assert_allclose(model.scores(rows), model.scores(X[:n]), rtol=1e-5)
        np.testing.assert_array_equal(model.predict(rows), model.predict(X[:n]))
        np.testing.assert_allclose(model.probabilities(rows), model.probabilities(X[:n]), rtol=1e-5)


# sentences


def changed(index, value, a=X):
    a = np.array(a, float)
    a[index] = value
    return a


REFUSED = [
    ({"x": X[:, :3]}, ShapeError, r"fit: expected x of shape \(N, 4\), got \(330, 3\)"),
    ({"x": X[:0], "y": Y[:0]}, DataError, r"fit: expected at least one example, got x of shape \(0, 4\)"),
    ({"x": X.astype(str)}, DataError, r"fit: expected x to hold numbers, got <U\d+"),
    ({"y": Y[:-1]}, ShapeError, r"fit: expected one row of y for each of the 330 rows of x, got .* \(329,\)"),
    ({"y": changed(201, 7, Y)}, DataError, r"fit: expected labels from 0 to 2, got 7 in row 201"),
    ({"y": changed(201, 0.5, Y)}, DataError, r"fit: expected whole numbers as labels, got 0\.5 in row 201"),
    ({"y": changed(201, np.nan, Y)}, DataError, r"fit: y\[201\] is nan"),
    (
        {"y": changed((201, 1), 9, np.eye(3)[Y])},
        DataError,
        r"wants rows of probabilities that sum to 1, .* in row 201",
    ),
    ({"validation": 0.001}, ConfigError, r"fit: expected validation to hold out some of the 330 rows"),
    ({"sample_weights": np.ones(3)}, ShapeError, r"expected sample_weights of shape \(330,\), got \(3,\)"),
]


@pytest.mark.parametrize(("wrong", "error", "sentence"), REFUSED, ids=[s[:50] for _, _, s in REFUSED])
def test_what_is_refused_before_the_first_step(disk, wrong, error, sentence):
    model = network()
    before = model.params.copy()
    given = {"x": X, "y": Y} | wrong
    x, y = disk(given.pop("x"), given.pop("y"))
    with pytest.raises(error, match=sentence):
        train(x, y, model, **given)
    np.testing.assert_array_equal(model.params, before)


def test_targets_out_of_range_by_their_row(disk):
    y = changed(201, -1, (Y == 1).astype(float))
    for loss in ("sigmoid_cross_entropy", "poisson"):
        with pytest.raises(DataError, match=rf"{loss} wants targets from 0 to .*, got .* in row 201"):
            train(*disk(X, y), network(outputs=1), loss=loss)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_number_that_is_not_finite_is_found_when_it_is_read(disk, shuffle):
    with pytest.raises(
        DataError, match=r"fit: x\[201, 2\] is nan, one of 1 values that are not finite numbers"
    ):
        train(*disk(changed((201, 2), np.nan)), shuffle=shuffle)
    with pytest.raises(DataError, match=r"fit, as float32: x\[201, 2\] is inf"):
        train(*disk(changed((201, 2), 1e300)), network("float32"), shuffle=shuffle)
    with pytest.raises(DataError, match=r"fit, validation: x\[201, 2\] is inf"):
        train(X, Y, validation=disk(changed((201, 2), np.inf)))
    with pytest.raises(DataError, match=r"fit: x\[329, 0\] is nan"):  # in the share that is held out
        train(*disk(changed((329, 0), np.nan)), validation=0.1)
    with pytest.raises(DataError, match=r"evaluate: x\[201, 2\] is nan"):
        cp.evaluate(network(), *disk(changed((201, 2), np.nan)), "hinge")
    with pytest.raises(DataError, match=r"predict: x\[201, 2\] is nan"):
        network().predict(disk(changed((201, 2), np.nan))[0])
    with pytest.raises(DataError, match=r"predict: x\[201, 2\] is inf"):
        network("float32").predict(disk(changed((201, 2), 1e300))[0])


def test_predictions_of_rows_of_another_shape(disk):
    with pytest.raises(ShapeError, match=r"layer 0, .*: expected x of shape \(N, 4\), got \(330, 3\)"):
        network().predict(disk(X[:, :3])[0])


def test_lbfgs_wants_rows_in_memory(disk):
    pytest.importorskip("scipy")
    model = cp.Sequential([cp.Dense(3)], (4,), dtype="float64")
    x, y = disk()
    with pytest.raises(
        ConfigError, match=r"fit_lbfgs: expected x in memory, .* Take fit; .* x\.read\(0, len"
    ):
        cp.fit_lbfgs(model, cp.open_rows(x.filename), y)
    cp.fit_lbfgs(model, x, y, l2=1e-3)
    assert np.mean(model.predict(X) == Y) > 0.9


# memory


class Made(RowSource):
    """As many rows as one likes, made when they are read."""

    def __init__(self, n):
        self.shape, self.dtype = (n, 28), np.dtype(np.float32)

    def read(self, start, stop):
        return np.full((stop - start, 28), 0.1, np.float32)


class Labels(RowSource):
    def __init__(self, n):
        self.shape, self.dtype = (n,), np.dtype(np.int8)

    def read(self, start, stop):
        return np.arange(start, stop, dtype=np.int64) % 2


@pytest.mark.parametrize("shuffle", [True, False])
def test_what_numpy_allocates_does_not_grow_with_the_rows(monkeypatch, shuffle):
    monkeypatch.setattr("clearprop.sources.BLOCK_BYTES", 2**17)
    model = cp.Sequential([cp.Dense(8, activation="relu"), cp.Dense(2)], (28,), seed=0)

    def peak(n):
        tracemalloc.start()
        cp.fit(model, Made(n), Labels(n), batch_size=1000, shuffle=shuffle, validation=0.3)
        cp.evaluate(model, Made(n), Labels(n), "softmax_cross_entropy")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10_000)  # imports
    few, many = peak(20_000), peak(200_000)  # 2 and 22 MB
    assert many < few + 200_000


RESIDENT = """
import sys
import numpy as np, clearprop as cp

def resident(key):  # in bytes; ru_maxrss would tell the parent's memory, too
    line = next(line for line in open("/proc/self/status") if line.startswith(key))
    return 1024 * int(line.split()[1])

model = cp.Sequential([cp.Dense(8, activation="relu"), cp.Dense(2)], (28,), seed=0)
cp.fit(model, np.zeros((2000, 28)), np.zeros(2000, int), batch_size=1000)
x, y = (np.load(path, mmap_mode="r") for path in sys.argv[1:3])
before = resident("VmRSS")
cp.fit(model, x, y, batch_size=1000)
cp.evaluate(model, x, y, "softmax_cross_entropy")
model.predict(x)
print(resident("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_the_process_stays_far_smaller_than_the_file(tmp_path):
    n = 600_000
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (n, 28))
    for start in range(0, n, 50_000):
        x[start : start + 50_000] = 0.1
    x.flush()
    np.save(tmp_path / "y.npy", np.arange(n, dtype=np.int8) % 2)
    assert Path(tmp_path / "x.npy").stat().st_size > 67e6
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT, str(tmp_path / "x.npy"), str(tmp_path / "y.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 17e6 < float(done.stdout) < 36e6  # a window is 17 MB
