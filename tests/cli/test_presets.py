"""The presets, the help, the version."""

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

import clearprop as cp
from clearprop.arrays import Shape
from clearprop.cli.presets import FOLDER, preset_names, read_preset_or_file
from clearprop.runs.config import make_config
from clearprop.runs.sweep import configurations

Clearprop = Callable[..., Any]
# the shapes of the data sets' examples, and how many outputs tell their classes apart
SHAPES: dict[str, tuple[Shape, int]] = {
    "iris": ((4,), 3),
    "mnist": ((28, 28, 1), 10),
    "fashion-mnist": ((28, 28, 1), 10),
    "mnist-3v9": ((28, 28, 1), 1),
    "cmu-mnist": ((784,), 10),
    "cifar-10": ((32, 32, 3), 10),
    "higgs": ((28,), 2),
    "sine": ((20, 1), 1),
}
ASKED = {
    "iris", "iris-sweep", "mnist-3v9", "mnist-mlp", "fashion-mlp", "cmu-mnist",
    "cifar10-cnn", "cifar10-twolayer", "fashion-cnn", "mnist-lenet", "sine-elman", "sine-lstm", "higgs-mlp",
}  # fmt: skip


def test_those_that_were_asked_for_are_there() -> None:
    assert set(preset_names()) >= ASKED


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_builds_its_network(name: str) -> None:
    config = make_config(read_preset_or_file(name)[0], name)
    shape, outputs = SHAPES[str(config.data.name)]
    model = cp.Sequential(config.make_layers(), shape, dtype=config.model.dtype)
    assert model.output_shape == (outputs,)
    assert config.description
    assert (FOLDER / f"{name}.toml").read_text().startswith("# ")  # says where its settings come from


def test_iris_is_the_courses_network() -> None:
    config = make_config(read_preset_or_file("iris")[0], "iris")
    model = cp.Sequential(config.make_layers(), (4,))
    assert [view.shape for view in model.named_params().values()] == [(4, 25), (25,), (25, 3), (3,)]


def test_the_sweep_compares_at_least_four() -> None:
    made = configurations(make_config(read_preset_or_file("iris-sweep")[0], "iris-sweep"))
    assert len({(c.optimizer["lr"], c.model.layers[0]["units"]) for _, c in made}) == len(made) >= 4
    plain = make_config(read_preset_or_file("iris")[0], "iris")
    for _, config in made:  # but for what is compared, it is the preset iris
        same = config.model_copy(deep=True)
        same.optimizer["lr"], same.model.layers[0]["units"] = 0.01, 25
        assert same.model_copy(update={"description": plain.description}) == plain


def test_the_table(clearprop: Clearprop) -> None:
    out = clearprop("presets").out
    for name in preset_names():
        assert any(line.split()[:1] == [name] for line in out.splitlines())
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    "command", ["", "train", "presets", "runs", "eval", "predict", "check", "data", "data list", "data fetch"]
)
def test_help(clearprop: Clearprop, command: str) -> None:
    out = clearprop(*command.split(), "--help").out
    assert "Usage: " in out
    assert "--help" in out
    assert max(map(len, out.splitlines())) <= 80


def test_no_command_is_help(clearprop: Clearprop) -> None:
    result = clearprop(code=2)
    assert "Usage: " in result.out + result.err
    assert "clearprop train iris" in result.out + result.err


def test_version(clearprop: Clearprop) -> None:
    assert clearprop("--version").out == f"clearprop {cp.__version__}\n"


def test_every_preset_says_its_keys_in_plain_toml() -> None:
    for name in preset_names():
        assert tomllib.loads((FOLDER / f"{name}.toml").read_text()) == read_preset_or_file(name)[0]
