"""Names and settings: found, built, or refused in a sentence."""

from dataclasses import dataclass

import numpy as np
import pytest

from clearprop.errors import ConfigError
from clearprop.names import Named, build, check_count, check_number, nearest, unknown


@dataclass(frozen=True)
class Box(Named):
    name = "box"
    width: float
    height: float = 2.0


KNOWN = {"box": Box}


def test_nearest():
    known = ["adam", "adamw", "sgd", "softmax_cross_entropy", "ReLU"]
    assert nearest("adm", known) == "adam"
    assert nearest("SGD", known) == "sgd"
    assert nearest("relu", known) == "ReLU"
    assert nearest("softmax_crossentropy", known) == "softmax_cross_entropy"
    assert nearest("zzz", known) == ""


def test_unknown():
    error = unknown("preset", "name", "zzz", {"iris": 1, "cmu": 2})
    assert isinstance(error, ConfigError)
    assert str(error) == "preset: unknown name 'zzz'. Known: cmu, iris."
    assert str(unknown("preset", "key", 3, [])) == "preset: unknown key 3. Known: none."


def test_what_the_shape_tells_is_left_out():
    words = (
        "layer 0: unknown setting 'in_channels'. It follows from what comes in: leave it out. Known: filters."
    )
    assert str(unknown("layer 0", "setting", "in_channels", ["filters"])) == words
    assert "follows" not in str(unknown("data", "column", "in_channels", ["filters"]))


def test_build_and_settings_round_trip():
    box = build("shape", {"name": "box", "width": 3}, KNOWN)
    assert box == Box(3)
    assert box.settings() == {"name": "box", "width": 3, "height": 2.0}
    assert build("shape", box.settings(), KNOWN) == box


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("bux", r"shape: unknown name 'bux'\. Did you mean 'box'\? Known: box\."),
        ("box", r"shape 'box': expected the setting 'width', got none\. Write its value\."),
        ({"name": "box", "widht": 1}, r"shape 'box': unknown setting 'widht'\. Did you mean 'width'\?"),
        ({"width": 1}, r"shape: expected a 'name' among the settings, got \['width'\]"),
        (7, r"shape: expected a name, or a mapping of a name and settings, got 7"),
        ({"name": ["box"]}, r"shape: unknown name \['box'\]"),
    ],
)
def test_build_sentences(spec, sentence):
    with pytest.raises(ConfigError, match=sentence):
        build("shape", spec, KNOWN)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), 1, np.int64(1)])
def test_check_number_gives_python_floats(value):
    assert type(check_number("x", "y", value, "to be a number")) is float


@pytest.mark.parametrize("value", [True, None, "1", np.nan, np.inf, 1j, [1.0], 10**400])
def test_check_number_refuses(value):
    with pytest.raises(ConfigError, match="x: expected y to be a number, got "):
        check_number("x", "y", value, "to be a number")


def test_check_count():
    assert check_count("x", "k", np.int64(3)) == 3
    assert type(check_count("x", "k", 3.0)) is int
    with pytest.raises(ConfigError, match=r"x: expected k to be a whole number >= 1, got 1\.5"):
        check_count("x", "k", 1.5)


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("linear", ["identity", "leaky_relu"], "identity"),
        ("glorot_uniform", ["uniform", "xavier_uniform"], "xavier_uniform"),
        ("binary_cross_entropy", ["cross_entropy", "sigmoid_cross_entropy"], "sigmoid_cross_entropy"),
        ("MSE", ["squared_error"], "squared_error"),
        ("learning_rate", ["lr", "momentum"], "lr"),
        ("Linear", ["Dense", "Dropout"], "Dense"),
        ("kernel_size", ["kernel", "stride"], "kernel"),
        ("kernel_size", ["stride", "window"], "window"),
        ("units", ["filters", "init"], "filters"),
        ("kernel_initializer", ["kernel", "bias_init", "init"], "init"),
    ],
)
def test_names_of_other_libraries(name, known, meant):
    assert nearest(name, known) == meant
