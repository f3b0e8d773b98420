"""History: columns, a short line, and its state."""

import json

import numpy as np
import pytest

from clearprop.errors import ConfigError
from clearprop.history import History


def filled():
    history = History("accuracy")
    for i in range(4):
        for name in ("loss", "accuracy", "lr"):
            history.steps[name].append(i / 3)
    history.epochs = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
    history.watched = [{"step": 2, "validation_loss": 0.7}]
    return history


def test_columns():
    assert filled()["loss"] == [0.5, 0.25]
    with pytest.raises(ConfigError, match=r"history: unknown column 'val_loss'.*Known: "):
        filled()["val_loss"]


def test_repr():
    assert repr(History("accuracy")) == "History(0 epochs, 0 steps)"
    history = filled()
    history.epochs[-1] |= {"step": 4, "validation_loss": 0.71234567, "seconds": 1.5}
    assert repr(history) == "History(2 epochs, 4 steps, loss 0.25, validation_loss 0.7123)"


def test_state_is_a_copy_and_comes_back_as_it_was():
    history = filled()
    state = history.state()
    history.epochs[0]["loss"] = -1
    history.steps["loss"].append(9)
    again = History("accuracy")
    again.restore(state)
    expected = filled()
    assert (again.steps, again.epochs, again.watched) == (expected.steps, expected.epochs, expected.watched)
    assert all(type(v) is float for values in again.steps.values() for v in values)


def test_the_rows_are_plain_values():
    state = filled().state()
    arrays = state.pop("steps")
    assert json.loads(json.dumps(state)) == state
    assert all(isinstance(values, np.ndarray) for values in arrays.values())
