"""Wrong networks and inputs: each message names the place, shows both shapes, and its remedy makes the thing right.

A case does something wrong, and then again with the remedy. The remedy is code that stands in the message: it is cut
out of it, evaluated, and what it gives trains one step.
"""

import re

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import ClearpropError, DataError, ShapeError

from .case import AND_HEAD, IMAGES, SERIES, WORDS, step
from .inputs import INPUTS
from .kernel_calls import KERNELS
from .labels import LABELS
from .networks import NETWORKS

CALLS = {
    "Conv2D(2, kernel_size=3)": "Conv2D(2, kernel=3)",
    "Conv2D(filters=2, kernel_size=3, strides=2, input_shape=(12, 12, 1))": "Conv2D(filters=2, kernel=3, stride=2)",
    "Conv2D(in_channels=1, out_channels=2, kernel_size=3)": "Conv2D(filters=2, kernel=3)",
    "Dense(100, activation='relu', input_shape=(144,))": "Dense(100, activation='relu')",
    "Dense(in_features=144, out_features=10)": "Dense(units=10)",
    "Dense(5, kernel_initializer='he_normal')": "Dense(5, init='he_normal')",
    "LSTM(hidden_size=5)": "LSTM(units=5)",
    "Elman(5, nonlinearity='relu')": "Elman(5, activation='relu')",
    "Dropout(p=0.5)": "Dropout(rate=0.5)",
    "BatchNorm(num_features=3)": "BatchNorm()",
    "GroupNorm(num_groups=1, num_channels=2)": "GroupNorm(groups=1)",
    "MaxPool2D(kernel_size=2, stride=2)": "MaxPool2D(window=2, stride=2)",
    "MaxPool2D(pool_size=2)": "MaxPool2D(window=2)",
    "Flatten(input_shape=(12, 12))": "Flatten()",
    "Embedding(input_dim=9, output_dim=4)": "Embedding(vocabulary=9, units=4)",
    "Embedding(num_embeddings=9, embedding_dim=4)": "Embedding(vocabulary=9, units=4)",
}
ALL = NETWORKS | INPUTS | LABELS | KERNELS


def marks(error):
    """What is marked in an error's picture: "got x: 28 28 1", read from the columns of the marks alone."""
    found, above = [], ""
    for line in "\n".join(getattr(error, "__notes__", [])).splitlines():
        if set(line) == {" ", "^"}:
            axes = [above[mark.start() : mark.end()] for mark in re.finditer(r"\^+", line)]
            what = re.match(r"    (.*\S) +\([^()]*\)(?:   |$)", above)
            found.append(f"{what[1]}: {' '.join(axes)}")
        above = line
    return tuple(found)


@pytest.mark.parametrize("name", ALL)
def test_the_remedy_in_the_message_makes_it_right(name):
    this = ALL[name]
    with pytest.raises(ClearpropError) as caught:
        this.wrong()
    sentence = str(caught.value)
    assert sentence.startswith(this.who)
    found = re.search(this.remedy, sentence)
    assert found, sentence
    assert "\n" not in sentence
    values = {name: getattr(cp, name) for name in cp.__all__} | {"np": np} | dict(this.values)
    this.mended(eval(found[1], values) if found[1] else None)


@pytest.mark.parametrize("name", [name for name in ALL if ALL[name].marked])
def test_the_axes_that_disagree_are_marked(name):
    with pytest.raises((ShapeError, DataError)) as caught:
        ALL[name].wrong()
    assert marks(caught.value) == ALL[name].marked
    lines = "\n".join(caught.value.__notes__).splitlines()
    assert all(line.startswith("    ") and line == line.rstrip() for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_where_nothing_is_marked():
    """Only what is no matter of an array's axes: settings, values, a number for a tuple."""
    plain = {name for name in ALL if ALL[name].marked is None}
    for name in plain:
        with pytest.raises(ClearpropError) as caught:
            ALL[name].wrong()
        assert marks(caught.value) == ()
    assert len(ALL) - len(plain) >= 60


@pytest.mark.parametrize("call", CALLS)
def test_another_librarys_call_is_told_as_one_of_this(call):
    values = {name: getattr(cp, name) for name in cp.__all__}
    with pytest.raises(cp.ConfigError) as caught:
        eval(call, values)
    kind = call.partition("(")[0]
    sentence = str(caught.value)
    assert re.match(rf"{kind}: unknown setting '\w+'\. ", sentence)
    where = ", and give Sequential the input_shape" if "input_shape" in call else ""
    assert sentence.endswith(f" Write {CALLS[call]}{where}.")
    made = eval(CALLS[call], values)
    before = {"LSTM": [], "Elman": [], "Embedding": []}.get(kind, [cp.Conv2D(2, 3)])
    x = {"LSTM": SERIES, "Elman": SERIES, "Embedding": WORDS}.get(kind, IMAGES)
    if kind == "Dense":
        before = [cp.Flatten()]
    step([*before, made, *AND_HEAD], x)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: cp.Dense(),
            "Dense: expected the setting 'units', got none. Write its value. Settings: activation, ",
        ),
        (
            lambda: cp.MaxPool2D(),
            "MaxPool2D: expected the setting 'window', got none. Write its value. Settings: ",
        ),
        (
            lambda: cp.Sequential([cp.Dense(3)]),
            "Sequential: expected the setting 'input_shape', got none. Write one example's shape, such as (784,).",
        ),
        (lambda: cp.Flatten(1), "Flatten: expected all settings by name, got 1 by position. Settings: none."),
        (
            lambda: cp.Dense(3, "relu", "zeros", "zeros", 7),
            "Dense: expected units, activation, init, bias_init by position, got 5 by position. Settings: units, ",
        ),
        (lambda: cp.Dropout(0.5, rate=0.4), "Dropout: multiple values for argument 'rate'. Settings: rate, "),
        (lambda: cp.LSTM(3, merge_mode="sum"), "LSTM: unknown setting 'merge_mode'. Known: forget_bias, "),
    ],
)
def test_calls_that_cannot_be_guessed(make, sentence):
    with pytest.raises(cp.ConfigError) as caught:
        make()
    assert str(caught.value).startswith(sentence)
    assert not re.search(r"Write \w+\(", str(caught.value))
    assert caught.value.__cause__ is None


def test_a_mistake_inside_a_layer_of_ones_own_is_shown_as_it_is():
    class Broken(cp.Flatten):
        def __init__(self, size):
            self.size = size + "1"

    with pytest.raises(TypeError, match="unsupported operand"):
        Broken(1)
    with pytest.raises(cp.ConfigError, match="Broken: expected the setting 'size', got none"):
        Broken()
