"""Callbacks: the events in order, early stopping and the best weights against the recorded losses."""

import numpy as np
import pytest

import clearprop as cp
from clearprop.callbacks import Best
from clearprop.errors import ConfigError
from oracles import blobs

X, Y = blobs(30)
EVENTS = ["on_fit_start", "on_epoch_start", "on_step_end", "on_epoch_end", "on_fit_end"]


class Recorder(cp.Callback):
    """Every event, with the counts at that moment."""

    def __init__(self):
        self.seen = []

    def on_fit_start(self, training):
        self.note("fit_start", training)

    def on_epoch_start(self, training):
        self.note("epoch_start", training)

    def on_step_end(self, training):
        self.note("step_end", training)

    def on_epoch_end(self, training):
        self.note("epoch_end", training)

    def on_fit_end(self, training):
        self.note("fit_end", training)

    def note(self, event, t):
        self.seen.append(
            (event, t.epoch, t.batch, t.step, len(t.history.epochs), len(t.history.steps["loss"]))
        )


class Script(cp.Callback):
    """Writes given losses over the epochs' own, and keeps the parameters of each."""

    def __init__(self, losses, column="loss"):
        self.losses, self.column, self.params = losses, column, []

    def on_epoch_end(self, training):
        training.history.epochs[-1][self.column] = self.losses[training.epoch - 1]
        self.params.append(training.model.params.copy())


def network():
    return cp.Sequential([cp.Dense(5, activation="tanh"), cp.Dense(3)], (4,), seed=0)


def train(callbacks, epochs=2, **settings):
    model = network()
    history = cp.fit(model, X, Y, callbacks=callbacks, epochs=epochs, **{"batch_size": 12} | settings)
    return model, history


def test_events_in_order_with_their_counts():
    recorder = Recorder()
    train([recorder])
    expected = [("fit_start", 0, 0, 0, 0, 0)]
    for epoch in range(2):
        expected.append(("epoch_start", epoch, 0, 3 * epoch, epoch, 3 * epoch))
        for batch in (1, 2, 3):
            step = 3 * epoch + batch
            expected.append(("step_end", epoch, batch, step, epoch, step))
        expected.append(("epoch_end", epoch + 1, 0, 3 * epoch + 3, epoch + 1, 3 * epoch + 3))
    expected.append(("fit_end", 2, 0, 6, 2, 6))
    assert recorder.seen == expected


def test_callbacks_are_called_in_the_order_of_the_list():
    order = []

    class Named(cp.Callback):
        def __init__(self, name):
            self.name = name

        def on_step_end(self, training):
            order.append(self.name)

    train([Named("a"), Named("b")], epochs=1)
    assert order == ["a", "b"] * 3


def test_the_base_has_all_events_and_does_nothing():
    callback = cp.Callback()
    for event in EVENTS:
        assert getattr(callback, event)(None) is None
    assert callback.close() is None
    assert callback.state() == {}
    assert callback.restore({}) is None
    plain, _ = train([])
    model, _ = train([callback])
    np.testing.assert_array_equal(model.params, plain.params)


@pytest.mark.parametrize("fails", ["", "on_fit_start", "on_step_end", "on_fit_end", "close"])
def test_all_are_closed_whatever_happened(fails):
    class Closed(cp.Callback):
        times = 0

        def close(self):
            self.times += 1

    class Fail(cp.Callback):
        pass

    def planted(self, training=None):
        raise RuntimeError("planted")

    if fails:
        setattr(Fail, fails, planted)
    first, last = Closed(), Closed()
    try:
        train([first, Fail(), last], epochs=1)
        assert not fails
    except RuntimeError as error:
        assert str(error) == "planted"  # noqa: PT017
    assert (first.times, last.times) == (1, 1)


def test_stop_ends_after_the_step():
    class Stop(cp.Callback):
        def on_step_end(self, training):
            if training.step == 4:
                training.stop("enough")

    recorder = Recorder()
    _, history = train([Stop(), recorder], epochs=5)
    assert history.stopped == "enough"
    assert (len(history.steps["loss"]), len(history.epochs)) == (4, 1)
    assert [event for event, *_ in recorder.seen[-2:]] == ["step_end", "fit_end"]


def test_an_error_in_a_callback_comes_out():
    class Bad(cp.Callback):
        def on_step_end(self, training):
            raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        train([Bad()])


@pytest.mark.parametrize(
    ("losses", "patience", "min_delta", "epochs", "best"),
    [
        ([5, 4, 3, 2, 1, 0], 2, 0.0, 6, 6),
        ([5, 4, 4, 4, 1, 0], 2, 0.0, 4, 2),
        ([5, 4, 5, 3, 4, 4], 3, 0.0, 6, 4),
        ([5, 6, 4, 6, 5, 0], 1, 0.0, 2, 1),
        ([5, 4.9, 4.8, 4.7, 4.6, 4.5], 3, 0.5, 4, 1),
        ([5, 4.9, 4.8, 4.4, 4.3, 4.2], 3, 0.5, 6, 4),
        ([np.nan] * 6, 2, 0.0, 2, 0),
        ([5, np.nan, np.nan, np.nan, 1, 0], 3, 0.0, 4, 1),
    ],
)
def test_early_stopping(losses, patience, min_delta, epochs, best):
    stopping = cp.EarlyStopping("loss", patience=patience, min_delta=min_delta)
    _, history = train([Script(losses), stopping], epochs=6)
    assert len(history.epochs) == epochs
    assert stopping.best.epoch == best
    reason = f"early stopping: loss was best in epoch {best} ({stopping.best.value:.4g})"
    assert history.stopped == (reason if epochs < 6 else "")


def test_best_weights_come_back_at_the_end():
    script, best = Script([3.0, 1.0, 2.0, 1.0]), cp.BestWeights("loss")
    model, _ = train([script, best], epochs=4)
    assert (best.best.epoch, best.best.value) == (2, 1.0)
    np.testing.assert_array_equal(model.params, script.params[1])
    assert (script.params[1] != script.params[3]).any()


@pytest.mark.parametrize("column", ["validation_accuracy", "accuracy", "my_score"])
def test_what_is_no_loss_is_best_when_high(column):
    script, best = Script([0.1, 0.9, 0.5], column), cp.BestWeights(column)
    model, _ = train([script, best], epochs=3, validation=0.2)
    assert best.best.epoch == 2
    np.testing.assert_array_equal(model.params, script.params[1])


@pytest.mark.parametrize(
    ("monitor", "sign"), [("loss", 1), ("validation_mean_squared_error", 1), ("accuracy", -1)]
)
def test_signs(monitor, sign):
    assert Best(monitor).sign == sign


def test_the_best_validation_loss_is_the_evaluated_one():
    held = X, np.roll(Y, 1)  # with labels that only mislead, validation gets worse as training gets better
    best = cp.BestWeights()
    model, history = train([best], epochs=12, validation=held, optimizer=cp.SGD(0.5))
    losses = history["validation_loss"]
    assert best.best.value == min(losses)
    assert best.best.epoch == 1 + losses.index(min(losses)) < 12
    assert cp.evaluate(model, *held, "softmax_cross_entropy")["loss"] == min(losses)


def test_a_second_run_starts_anew():
    callbacks = [cp.EarlyStopping("loss", patience=2), cp.BestWeights("loss")]
    train([Script([0.0, 1, 1, 1]), *callbacks], epochs=4)
    script = Script([5.0, 4, 3, 6])
    model, history = train([script, *callbacks], epochs=4)
    assert history.stopped == ""
    assert (callbacks[0].best.epoch, callbacks[1].best.epoch) == (3, 3)
    np.testing.assert_array_equal(model.params, script.params[2])


@pytest.mark.parametrize("make", [cp.EarlyStopping, cp.BestWeights])
def test_sentences(make):
    name = make.__name__
    model = network()
    before = model.params.copy()
    with pytest.raises(
        ConfigError, match=rf"{name}: no 'validation_loss' to monitor\. Pass validation= to fit"
    ):
        cp.fit(model, X, Y, callbacks=[make()])
    np.testing.assert_array_equal(model.params, before)  # refused before the first step
    with pytest.raises(
        ConfigError, match=rf"{name}: unknown column 'acuracy'\. Did you mean 'accuracy'\? Known: "
    ):
        train([make("acuracy")])


def test_sentences_for_settings():
    with pytest.raises(
        ConfigError, match="EarlyStopping: expected patience to be a whole number >= 1, got 0"
    ):
        cp.EarlyStopping(patience=0)
    with pytest.raises(ConfigError, match="EarlyStopping: expected min_delta >= 0, got -1"):
        cp.EarlyStopping(min_delta=-1)


def test_after_ctrl_c_the_network_stays_as_it_stands():
    class Interrupt(cp.Callback):
        def on_epoch_end(self, training):
            self.params = training.model.params.copy()
            if training.epoch == 3:
                training.stop("interrupted")

    model = cp.Sequential([cp.Dense(3)], (4,))
    best, interrupt = cp.BestWeights("loss"), Interrupt()
    best.best.sign = -1.0  # the first epoch is the best
    cp.fit(model, X, Y, optimizer=cp.SGD(0.1), epochs=9, callbacks=[best, interrupt])
    np.testing.assert_array_equal(model.params, interrupt.params)
