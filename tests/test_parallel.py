"""Replicas on threads: the mini-batch's gradient, whatever their number, bit for bit the same each time."""

import threading

import numpy as np
import pytest

import clearprop as cp
from clearprop.blas import threads_each
from clearprop.loop import backpropagate
from clearprop.parallel import Team
from clearprop.work import SHARD_BYTES, Work, choose_work, share_out
from oracles import blobs

LOSS = cp.make_loss("softmax_cross_entropy")
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def network(dtype="float64", seed=0):
    layers = [cp.Dense(31, activation="gelu"), cp.Dropout(0.4), cp.Dense(17, activation="tanh"), cp.Dense(3)]
    return cp.Sequential(layers, (4,), seed=seed, dtype=dtype)


def gradient(workers, dtype, n, shard_size=None, seed=0):
    """The team's gradient of n rows' mean loss, and the two sums."""
    model = network(dtype, seed)
    x, y = blobs(40)
    x = x.astype(dtype)

    def shard(model, rows, noise):
        losses, scores = backpropagate(model, LOSS, x[rows], y[rows], 1 / n, noise)
        return float(losses.sum()), LOSS.measure(scores, y[rows])

    with Team(model, workers, shard_size) as team:
        sums = team.gradient(shard, n, model.draw_noise(n))
    return model.grads, sums


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("workers", [2, 3, 7])
@pytest.mark.parametrize("n", [40, 31, 7, 2, 1])
def test_the_gradient_is_the_mini_batchs(workers, n, dtype):
    one, (loss, right) = gradient(1, dtype, n)
    many, (loss_many, right_many) = gradient(workers, dtype, n)
    assert distance(many, one) < TOLERANCE[dtype]
    assert loss_many == pytest.approx(loss, rel=TOLERANCE[dtype])
    assert right_many == right


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_one_worker_is_forward_and_backward(workers):
    model = network()
    x, y = blobs(40)
    noise = model.draw_noise(10)
    scores, caches = model.forward(x[:10], training=True, noise=noise)
    _, dscores = LOSS(scores, y[:10])
    model.backward(dscores / 10, caches)
    found, _ = gradient(workers, "float64", 10)
    assert distance(found, model.grads) < 1e-13


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("shard_size", [1, 4, 13, 50])
def test_shards_of_any_size(workers, shard_size):
    one, sums = gradient(1, "float64", 31)
    found, found_sums = gradient(workers, "float64", 31, shard_size)
    assert distance(found, one) < 1e-12
    assert found_sums == pytest.approx(sums, rel=1e-12)


@pytest.mark.parametrize("workers", [2, 3])
def test_it_repeats_bit_for_bit(workers):
    first, sums = gradient(workers, "float32", 31)
    for _ in range(5):
        again, sums_again = gradient(workers, "float32", 31)
        np.testing.assert_array_equal(again, first)
        assert sums_again == sums


@pytest.mark.parametrize(
    "optimizer", [cp.SGD(0.1, momentum=0.9), cp.Adam(0.1), cp.AdamW(0.1, weight_decay=0.1)]
)
def test_a_step_in_parts_is_the_whole_step(optimizer):
    model, other = network("float32"), network("float32")
    model.grads[...] = other.grads[...] = np.random.default_rng(0).normal(size=model.grads.size)
    spec = {"name": type(optimizer).__name__.lower(), **optimizer.settings()}
    whole = cp.optim.make_optimizer(spec)
    with Team(model, 3) as team:
        for _ in range(3):
            team.step(optimizer)
            whole.step(other.params, other.grads)
    np.testing.assert_array_equal(model.params, other.params)
    assert optimizer.steps == whole.steps == 3


def train(workers, dtype="float64", **settings):
    model = network(dtype)
    x, y = blobs(37)
    settings = {"optimizer": cp.SGD(0.1, momentum=0.9), "epochs": 3, "batch_size": 8} | settings
    history = cp.fit(model, x, y, workers=workers, **settings)
    return model, history


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("workers", [2, 3, 5])
def test_a_training_run_is_the_same_network(workers, dtype):
    weights = np.random.default_rng(2).random(37)
    settings = {"sample_weights": weights, "l2": 0.01, "clip_norm": 1.0}
    one, history = train(1, dtype, **settings)
    many, history_many = train(workers, dtype, **settings)
    assert distance(many.params, one.params) < 10 * TOLERANCE[dtype]  # after 15 steps
    np.testing.assert_allclose(history_many.steps["loss"], history.steps["loss"], rtol=10 * TOLERANCE[dtype])
    assert history_many.steps["accuracy"] == history.steps["accuracy"]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_training_run_repeats_bit_for_bit(workers):
    runs = [train(workers, "float32", optimizer=cp.Adam(0.01)) for _ in range(3)]
    for model, history in runs[1:]:
        np.testing.assert_array_equal(model.params, runs[0][0].params)
        assert history.steps == runs[0][1].steps


class Watched(cp.Activation):
    """Notes the thread that it runs on, and fails on any but the main one if it is told to."""

    fail = False
    threads: set

    def forward(self, x, training=False, noise=None):
        self.threads.add(threading.current_thread().name)
        if self.fail and threading.current_thread() is not threading.main_thread():
            raise RuntimeError("planted in a worker")
        return super().forward(x, training, noise)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_each_worker_is_a_thread(workers):
    layer = Watched("tanh")
    layer.threads = set()
    model = cp.Sequential([layer, cp.Dense(3)], (4,))
    cp.fit(model, *blobs(30), batch_size=30, workers=workers)
    assert len(layer.threads) <= workers
    assert threading.current_thread().name in layer.threads
    assert (len(layer.threads) > 1) == (workers > 1)


def test_an_error_on_a_thread_comes_out_and_no_thread_stays():
    layer = Watched("tanh")
    layer.threads, layer.fail = set(), True
    model = cp.Sequential([layer, cp.Dense(3)], (4,))
    before = model.params.copy()
    with pytest.raises(RuntimeError, match="planted in a worker"):
        cp.fit(model, *blobs(30), batch_size=30, workers=2)
    np.testing.assert_array_equal(model.params, before)
    assert not [t for t in threading.enumerate() if t.name.startswith("clearprop")]


def test_numbers_that_overflow_on_a_thread_do_not_warn():
    model = cp.Sequential([cp.Dense(5, activation="relu", init="ones"), cp.Dense(3)], (4,))
    x, y = blobs(30)
    with pytest.raises(cp.DivergedError, match=r"step 1 .* layer 0, Dense\(5\)"):
        cp.fit(model, np.full_like(x, 3e38), y, batch_size=30, workers=3)


def choose(model, batch_size):
    return choose_work(model.layers, model.shapes, model.dtype.itemsize, batch_size)


def test_threads_only_where_the_work_is_worth_them(monkeypatch):
    monkeypatch.setattr("clearprop.work.threads_now", lambda: 4)
    small = cp.Sequential([cp.Dense(3)], (4,))
    large = cp.Sequential([cp.Dense(2000), cp.Dense(10)], (2000,))
    assert choose(small, 1000) == Work(1, 1, None)
    assert choose(large, 100) == Work(1, 4, None)
    assert choose(large, 1) == Work(1, 1, None)
    assert choose(cp.Sequential([cp.Flatten()], (4,)), 10) == Work(1, 1, None)


def test_convolutions_are_shared_out_in_shards_that_fit_the_cache(monkeypatch):
    monkeypatch.setattr("clearprop.work.threads_now", lambda: 4)
    layers = [cp.Conv2D(32, 3, activation="relu"), cp.Flatten(), cp.Dense(10)]
    images = cp.Sequential(layers, (32, 32, 3))
    work = choose(images, 128)
    assert work.workers == 4
    assert work.blas_threads == 1
    assert 1 < work.shard_size <= SHARD_BYTES / (4 * 32 * 32 * 3)
    assert choose(images, 16).workers == 4
    assert choose(cp.Sequential(layers, (5, 5, 1)), 2).workers == 1
    deep = cp.Sequential([cp.Conv2D(64, 3), cp.Conv2D(64, 3), *layers], (32, 32, 3))
    assert choose(deep, 2).workers == 2  # no more workers than images
    block = [cp.Conv2D(32, 3, padding="same"), cp.Activation("relu")]
    flat, nested = (cp.Sequential(made, (32, 32, 32)) for made in (block * 4, [cp.Residual(block * 4)]))
    assert choose(nested, 8).shard_size == choose(flat, 8).shard_size
    dense = cp.Sequential([cp.Residual([cp.Dense(4), cp.Dense(4)])], (4,))
    assert choose(dense, 8).shard_size is None
    huge = cp.Sequential([cp.Conv2D(64, 3), cp.Flatten(), cp.Dense(1)], (300, 300, 3))
    assert choose(huge, 4).shard_size == 1


def test_predictions_are_shared_out_and_the_same(monkeypatch):
    layers = [cp.Conv2D(8, 3, activation="relu"), cp.Flatten(), cp.Dense(3)]
    model = cp.Sequential(layers, (40, 40, 3), seed=1)
    x = np.random.default_rng(0).normal(size=(150, 40, 40, 3)).astype("float32")
    seen = []
    monkeypatch.setattr("clearprop.model.share_out", lambda *call: seen.append(call[2]) or share_out(*call))
    for threads in (1, 3):
        monkeypatch.setattr("clearprop.work.threads_now", lambda threads=threads: threads)
        shared = model.scores(x)
        np.testing.assert_allclose(shared, model._scores(x), rtol=1e-4, atol=1e-5)
    assert seen == [1, 3]


def test_what_goes_wrong_on_a_thread_comes_out_of_share_out():
    assert share_out(lambda n: n * n, range(5), 3) == [0, 1, 4, 9, 16]
    with pytest.raises(ZeroDivisionError):
        share_out(lambda n: 1 // n, range(5), 3)


def test_threads_of_the_products_change_nothing_but_rounding():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 300)), rng.integers(0, 10, 64)
    grads = []
    for threads in (1, 2, 2):
        model = cp.Sequential([cp.Dense(400, activation="tanh"), cp.Dense(10)], (300,), dtype="float64")
        cp.fit(model, x, y, optimizer=cp.SGD(lr=1e-3), batch_size=64, blas_threads=threads)
        grads.append(model.grads.copy())
    np.testing.assert_allclose(grads[1], grads[0], rtol=0, atol=1e-12 * np.abs(grads[0]).max())
    np.testing.assert_array_equal(grads[2], grads[1])


def test_limits_that_overlap_leave_no_trace():
    """As of two trainings in threads, the first of which ends first."""
    import threadpoolctl

    def threads():
        infos = threadpoolctl.threadpool_info()
        return {info["num_threads"] for info in infos if info["user_api"] == "blas"}

    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        first, second = threads_each(1), threads_each(2)
        first.__enter__()
        second.__enter__()
        assert threads() == {2}
        first.__exit__(None, None, None)
        assert threads() == {2}
        second.__exit__(None, None, None)
        assert threads() == {3}
        with threads_each(2):
            with threads_each(1):
                assert threads() == {1}
            assert threads() == {2}
        assert threads() == {3}


def test_blas_runs_on_the_threads_asked_for():
    from threadpoolctl import ThreadpoolController

    seen = []

    class Look(cp.Callback):
        def on_step_end(self, training):
            infos = ThreadpoolController().info()
            seen.append({info["num_threads"] for info in infos if info["user_api"] == "blas"})

    x, y = np.ones((4, 2)), np.array([0, 1, 0, 1])
    for threads in (1, 2):
        cp.fit(
            cp.Sequential([cp.Dense(2)], (2,)), x, y, batch_size=4, callbacks=[Look()], blas_threads=threads
        )
    assert seen == [{1}, {2}]


def test_a_thread_that_cannot_be_started_leaves_none_waiting():
    """Those that wait for it in batch norm are let go, and its error comes out."""
    model = cp.Sequential([cp.Dense(3), cp.BatchNorm(), cp.Dense(3)], (4,))
    x, y = blobs(30)

    def run(replica, part, noise):
        losses, scores = backpropagate(replica, LOSS, x[part].astype("float32"), y[part], 1 / 30, noise)
        return float(losses.sum()), LOSS.measure(scores, y[part])

    with Team(model, 3) as team:
        pool, submit = team._pool(2), team._pool(2).submit
        calls = []

        def refuse(*call):
            calls.append(call)
            if len(calls) == 2:
                raise RuntimeError("can't start new thread")
            return submit(*call)

        pool.submit = refuse
        with pytest.raises(RuntimeError, match="can't start new thread"):
            team.gradient(run, 30, model.draw_noise(30))
        pool.submit = submit
        team.gradient(run, 30, model.draw_noise(30))  # and the next one is as ever


def test_rows_of_gradients_do_not_fill_the_memory(monkeypatch):
    """Where shards meet, each has a row of gradients: of a large network there are few."""
    monkeypatch.setattr("clearprop.work.threads_now", lambda: 2)
    start = [cp.Conv2D(8, 3, padding="same"), cp.BatchNorm(), cp.Conv2D(64, 3, padding="same")]
    layers = [*start, *[cp.Conv2D(64, 3, padding="same")] * 5, cp.MaxPool2D(16), cp.Flatten(), cp.Dense(3000)]
    large = cp.Sequential(layers, (64, 64, 3))
    work = choose(large, 256)
    assert 256 / work.shard_size * 4 * large.params.size <= 64 * 2**20
    assert work.shard_size <= 128  # but each worker has one
    monkeypatch.setattr("clearprop.work.threads_now", lambda: 1)
    assert 256 / choose(large, 256).shard_size * 4 * large.params.size <= 64 * 2**20


def test_residual_blocks_without_dropout_draw_nothing():
    inner = [cp.Dense(4, activation="tanh"), cp.Dense(4)]
    assert cp.Sequential([cp.Residual(inner)], (4,))._noisy is False
    assert cp.Sequential([cp.Residual([*inner, cp.Dropout(0.5)])], (4,))._noisy is True
