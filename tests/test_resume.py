"""Runs that repeat, are interrupted, and go on: bit for bit."""

import os
import signal
from copy import deepcopy

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import ConfigError, ShapeError
from oracles import blobs

X, Y = blobs(22)
HELD = blobs(9, seed=1)


def network():
    layers = [cp.Dense(9, activation="relu"), cp.Dropout(0.3), cp.Dense(3)]
    return cp.Sequential(layers, (4,), seed=0)


OPTIMIZERS = {
    "sgd": lambda: cp.SGD(0.1),
    "momentum": lambda: cp.SGD(cp.Cosine(0.1, epochs=4, warmup=0.5), momentum=0.9),
    "adam": lambda: cp.Adam(cp.ReduceOnPlateau(0.05, factor=0.5, patience=0)),
    "adamw": lambda: cp.AdamW(0.05, weight_decay=0.1),
    "rmsprop": lambda: cp.RMSProp(0.01),
}


class States(cp.Callback):
    """The state after each step, or after each epoch."""

    def __init__(self, event="on_step_end"):
        self.states, self.event = [], event

    def on_step_end(self, training):
        if self.event == "on_step_end":
            self.states.append(deepcopy(training.state()))

    def on_epoch_end(self, training):
        if self.event == "on_epoch_end":
            self.states.append(deepcopy(training.state()))

    def on_fit_end(self, training):
        if self.event == "on_fit_end":
            self.states.append(deepcopy(training.state()))


def train(optimizer="adam", states=None, patience=3, **settings):
    model = network()
    callbacks = [cp.EarlyStopping(patience=patience), cp.BestWeights(), states or States("never")]
    given = {
        "epochs": 4,
        "batch_size": 8,
        "validation": HELD,
        "evaluate_every": 2,
        "clip_norm": 1.0,
        "seed": 5,
        "callbacks": callbacks,
        "workers": 1,
    }
    optimizer = OPTIMIZERS[optimizer]()
    history = cp.fit(model, X, Y, optimizer=optimizer, **given | settings)
    return model, history, optimizer


def without_seconds(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def assert_same(found, expected):
    (model, history, optimizer), (model_, history_, optimizer_) = found, expected
    np.testing.assert_array_equal(model.params, model_.params)
    assert model.rng.bit_generator.state == model_.rng.bit_generator.state
    assert history.steps == history_.steps
    assert history.watched == history_.watched
    assert without_seconds(history.epochs) == without_seconds(history_.epochs)
    assert history.stopped == history_.stopped
    state, state_ = optimizer.state(), optimizer_.state()
    assert state.keys() == state_.keys()
    for name in state:
        np.testing.assert_array_equal(state[name], state_[name])


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_same_seed_is_the_same_run(optimizer, workers):
    assert_same(train(optimizer, workers=workers), train(optimizer, workers=workers))


def test_another_seed_is_another_run():
    assert (train()[0].params != train(seed=6)[0].params).any()


@pytest.mark.parametrize("event", ["on_step_end", "on_epoch_end"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_at_any_moment_it_is_the_run_that_was_never_stopped(optimizer, event):
    states = States(event)
    whole = train(optimizer, states)
    assert len(states.states) == (12 if event == "on_step_end" else 4)
    for state in states.states:
        assert_same(train(optimizer, resume=deepcopy(state)), whole)


@pytest.mark.parametrize(
    "settings", [{"shuffle": False}, {"drop_last": True}, {"workers": 2}, {"batch_size": 22}]
)
def test_resumed_with_other_settings_of_the_loop(settings):
    states = States()
    whole = train(states=states, **settings)
    for state in states.states:
        assert_same(train(resume=state, **settings), whole)


@pytest.mark.parametrize("event", ["on_step_end", "on_epoch_end", "on_fit_end"])
def test_resumed_around_early_stopping(event):
    """Validation labels that only mislead: the first epoch is soon the best."""
    wrong = {"validation": (X, np.roll(Y, 1)), "epochs": 8, "optimizer": "momentum", "patience": 2}
    states = States(event)
    whole = train(states=states, **wrong)
    assert whole[1].stopped.startswith("early stopping")
    assert len(whole[1].epochs) < 8
    for state in states.states:
        assert_same(train(resume=state, **wrong), whole)


def test_more_patience_goes_on_where_less_had_stopped():
    wrong = {"validation": (X, np.roll(Y, 1)), "epochs": 8, "optimizer": "momentum"}
    states = States("on_fit_end")  # in front of BestWeights, which puts the best parameters back at the end

    def patient(epochs):
        return {"callbacks": [states, cp.EarlyStopping(patience=epochs), cp.BestWeights()]}

    short = train(**patient(2), **wrong)
    found = train(**patient(4), resume=states.states[0], **wrong)
    assert len(found[1].epochs) > len(short[1].epochs)
    assert_same(found, train(**patient(4), **wrong))


def test_more_epochs_after_the_end_are_as_if_asked_for_at_once():
    states = States("on_fit_end")
    callbacks = {"callbacks": [states], "validation": None}
    train("adamw", epochs=2, **callbacks)
    found = train("adamw", epochs=4, resume=states.states[0], **callbacks)
    assert_same(found, train("adamw", epochs=4, **callbacks))


def test_a_state_does_not_change_with_the_run_and_resuming_does_not_change_it():
    taken = []

    class Live(cp.Callback):
        def on_step_end(self, training):
            if training.step in (2, 4):
                taken.append(training.state())

    train(callbacks=[Live()])
    first, kept = taken[0], deepcopy(taken[0])
    train(callbacks=[cp.Callback()], resume=first)
    np.testing.assert_array_equal(first["params"], kept["params"])
    assert first["progress"] == kept["progress"]
    assert [dict(row) for row in first["history"]["epochs"]] == kept["history"]["epochs"]
    assert first["model_rng"] == kept["model_rng"]
    assert first["order"] == kept["order"]


# interruption


@pytest.fixture(autouse=True)
def _ctrl_c_as_in_a_terminal():
    """A process that a shell has started in the background ignores it, and its children do."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupt(cp.Callback):
    """Ctrl-C during a step's end."""

    def __init__(self, step, times=1):
        self.step, self.times = step, times

    def on_step_end(self, training):
        if training.step == self.step:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("step", [1, 2, 3, 7])
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_after_a_whole_step_and_the_run_goes_on_from_there(step, workers):
    end = States("on_fit_end")
    handler = signal.getsignal(signal.SIGINT)
    stopped = train(callbacks=[Interrupt(step), end], workers=workers)
    assert signal.getsignal(signal.SIGINT) is handler
    assert stopped[1].stopped == "interrupted"
    assert len(stopped[1].steps["loss"]) == step
    states = States()
    whole = train(callbacks=[cp.Callback(), states], workers=workers)
    np.testing.assert_array_equal(stopped[0].params, states.states[step - 1]["params"])
    resumed = train(callbacks=[cp.Callback(), cp.Callback()], resume=end.states[0], workers=workers)
    assert_same(resumed, whole)


def test_a_second_ctrl_c_interrupts_at_once():
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(callbacks=[Interrupt(2, times=2)])
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_of_the_users_own_is_left_alone():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *args: seen.append("mine"))
    try:
        _, history, _ = train(callbacks=[Interrupt(2)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == ["mine"]
    assert history.stopped == ""


# a state that does not fit


def taken(step=5):
    states = States()
    train(states=states)
    return states.states[step - 1]


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        (
            {"batch_size": 4},
            ConfigError,
            r"resume: expected 3 batches an epoch, as in the run that was saved, got 6",
        ),
        (
            {"batch_size": 22},
            ConfigError,
            r"resume: expected 3 batches an epoch, .* Give fit the same data and settings",
        ),
        (
            {"callbacks": []},
            ConfigError,
            r"resume: expected 3 callbacks, as in the run that was saved, got 0",
        ),
        ({"optimizer": "momentum"}, ConfigError, r"SGD: expected a state with lr, steps, velocity, got"),
    ],
)
def test_a_state_of_another_run_changes_nothing(settings, error, sentence):
    state = taken()
    before = network()
    refused = cp.Sequential([cp.Dense(9, activation="relu"), cp.Dropout(0.3), cp.Dense(3)], (4,), seed=0)
    callbacks = [cp.EarlyStopping(), cp.BestWeights(), States("never")]
    given = {"batch_size": 8, "callbacks": callbacks, "optimizer": "adam"} | settings
    given["optimizer"] = OPTIMIZERS[given["optimizer"]]()
    refused.link = "probs"
    with pytest.raises(error, match=sentence):
        cp.fit(refused, X, Y, validation=HELD, resume=state, epochs=4, **given)
    np.testing.assert_array_equal(refused.params, before.params)
    assert refused.rng.bit_generator.state == before.rng.bit_generator.state
    assert refused.link == "probs"


def test_a_state_of_another_network():
    model = cp.Sequential([cp.Dense(3)], (4,))
    with pytest.raises(
        ShapeError, match=r"resume: expected params of shape \(15,\), got \(75,\)\. Resume the run it"
    ):
        cp.fit(model, X, Y, resume=taken())


@pytest.mark.parametrize(
    "gone", ["params", "progress", "optimizer", "order", "history", "callbacks", "model_rng"]
)
@pytest.mark.parametrize("put", ["", None, [], {}, 3])
def test_a_state_that_is_none_is_a_sentence(gone, put):
    state = taken()
    if put == "":
        del state[gone]
    else:
        state[gone] = put
    callbacks = [cp.EarlyStopping(), cp.BestWeights(), States("never")]
    with pytest.raises(
        cp.ClearpropError, match=r"resume: expected|SGD: expected a state with|Adam: expected a state"
    ):
        cp.fit(network(), X, Y, validation=HELD, resume=state, epochs=4, batch_size=8, callbacks=callbacks,
               optimizer=OPTIMIZERS["adam"]())  # fmt: skip
