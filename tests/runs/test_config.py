"""Configurations: what may stand in a file or behind --set, and the sentence for all else."""

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from clearprop.errors import ConfigError, FileError
from clearprop.runs.config import RunConfig, make_config, read_toml

SMALL: dict[str, Any] = {
    "data": {"name": "iris"},
    "model": {"layers": [{"type": "Dense", "units": 5}, {"type": "Dense", "units": 3}]},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "training": {"epochs": 2, "batch_size": 25},
}


def config(*changes: str, **tables: Any) -> RunConfig:
    return make_config(copy.deepcopy(SMALL | tables), "run.toml", changes)


def at(config: RunConfig, key: str) -> Any:
    value: Any = config.plain()
    for part in key.split("."):
        value = value[int(part) if isinstance(value, list) else part]
    return value


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("optimizer.lr=0.5", "optimizer.lr", 0.5),
        ("optimizer.lr=1e-3", "optimizer.lr", 0.001),
        ("optimizer.lr=.01", "optimizer.lr", 0.01),
        (" optimizer.lr = 2 ", "optimizer.lr", 2),
        ("data.name=iris", "data.name", "iris"),
        ('data.name="iris"', "data.name", "iris"),
        ("data.name='iris'", "data.name", "iris"),
        ("description=a = b, c", "description", "a = b, c"),
        ("description=", "description", ""),
        ("data.test=0", "data.test", 0.0),
        ("training.shuffle=false", "training.shuffle", False),
        ("model.layers.0.units=7", "model.layers.0.units", 7),
        ("model.layers.1.activation=tanh", "model.layers.1.activation", "tanh"),
        ('model.layers.0={type = "Dense", units = 9}', "model.layers.0.units", 9),
        ("training.early_stopping.patience=3", "training.early_stopping.patience", 3),
        ('optimizer={name = "adam", lr = 0.1}', "optimizer.name", "adam"),
        ('optimizer.lr={name = "cosine", lr = 0.1, epochs = 2}', "optimizer.lr.name", "cosine"),
        ("loss=hinge", "loss", "hinge"),
        ("seed=12", "seed", 12),
        ('optimizer."lr"=0.5', "optimizer.lr", 0.5),
        ("'optimizer' . lr=0.5", "optimizer.lr", 0.5),
    ],
)
def test_set(change: str, key: str, value: object) -> None:
    assert at(config(change), key) == value


def test_the_last_change_wins() -> None:
    assert config("seed=1", "seed=2").seed == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "training.epoch=3",
            r"run.toml: unknown key 'training.epoch'. Did you mean 'epochs'\? Known here: epochs, b",
        ),
        ("trainin.epochs=3", r"unknown key 'trainin'. Did you mean 'training'\?"),
        (
            "training.early_stopping.patient=3",
            r"'training.early_stopping.patient'. Did you mean 'patience'\?",
        ),
        ("checkpoints.second=3", r"Did you mean 'seconds'\?"),
        ("zzz=3", r"run.toml: unknown key 'zzz'. Known here: description, seed"),
        (
            "model.layers.0.unit=3",
            r"run.toml: model.layers.0, Dense: unknown setting 'unit'. Did you mean 'units'\?",
        ),
        ("model.layers.0.type=Dens", r"model.layers.0: unknown layer type 'Dens'. Did you mean 'Dense'\?"),
        ("model.layers.0.activation=rely", r"unknown .* 'rely'. Did you mean 'relu'\?"),
        ("model.layers.0.units=0", r"units"),
        ("model.layers.0.units=abc", r"units.*'abc'"),
        ("model.layers.0.init=3", r"model.layers.0|init"),
        (
            "model.layers.2.units=3",
            r"--set model.layers.2.units=3: expected a number from 0 to 1 in place of '2'",
        ),
        ("model.layers.x.units=3", r"expected a number from 0 to 1 in place of 'x'"),
        ("model.layers.-1.units=3", r"in place of '-1'"),
        ("data.name.x=3", r"--set data.name.x=3: data.name is no table that could hold 'x'; it is 'iris'"),
        ("data.name.x.y=3", r"data.name.x is no table that could hold 'y'"),
        ("optimizer.lr", r"--set: expected KEY=VALUE such as optimizer.lr=0.01, got 'optimizer.lr'"),
        ("=3", r"--set: expected KEY=VALUE"),
        ('"=3', r"unknown key '\"'"),
        ('"optimizer.lr"=3', r"unknown key 'optimizer.lr'"),
        ("optimizer..lr=3", r"unknown setting ''"),
        ("optimizer.name=adm", r"optimizer: unknown name 'adm'. Did you mean 'adam'\?"),
        ("optimizer.momentun=0.9", r"unknown setting 'momentun'. Did you mean 'momentum'\?"),
        ("optimizer.lr=-1", r"lr to be a finite number > 0"),
        ("optimizer.lr=fast", r"lr to be a finite number > 0 or a schedule, got 'fast'"),
        ('optimizer.lr={name = "cosin", lr = 0.1, epochs = 2}', r"Did you mean 'cosine'\?"),
        ("loss=softmax", r"loss: unknown name 'softmax'. Did you mean"),
        ('loss={name = "huber", delt = 1}', r"loss huber: unknown setting 'delt'. Did you mean 'delta'\?"),
        ("training.epochs=0", r"run.toml: training.epochs: .*greater than or equal to 1, got 0"),
        ("training.epochs=2.5", r"training.epochs: .*integer, got 2.5"),
        ("training.epochs=many", r"training.epochs: .*integer, got 'many'"),
        ("training.shuffle=1", r"training.shuffle: .*boolean, got 1"),
        ("data.validation=1.5", r"data.validation: .*less than 1, got 1.5"),
        ("data.scale=max", r"data.scale: .*'none', 'standardize', 'channels' or 'minmax', got 'max'"),
        ("data.file=x.csv", r"data: expected either name, a known data set, or file, a path"),
        ("model.layers=[]", r"model.layers: .*at least 1 item"),
        ("model.layers=[3]", r"model.layers.0: .*dictionary, got 3"),
        ("model.dtype=float16", r"model.dtype: .*'float32' or 'float64', got 'float16'"),
        ("training.clip_norm=0", r"training.clip_norm: .*greater than 0, got 0"),
        ("seed=-1", r"seed: .*greater than or equal to 0, got -1"),
        ('sweep={"optimizer.lr" = []}', r"sweep.optimizer.lr: expected at least one value, got \[\]"),
    ],
)
def test_what_is_refused(change: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(change)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"data": {}}, "data: expected either name, a known data set, or file, a path"),
        ({"training": {"batch_size": 2}}, "expected the key 'training.epochs', which is missing"),
        ({"model": {"layers": [{"units": 3}]}}, r"model.layers.0: expected a table such as {type"),
        ({"loss": {"label_smoothing": 0.1}}, "loss"),
        ({"optimizer": {"lr": 0.1}}, "optimizer: expected a 'name' among the settings"),
        ({"data": 3}, "data: .*got 3"),
    ],
)
def test_tables_that_are_refused(tables: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(**tables)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config("training.epochs=0", "training.bach_size=3", "data.nam=x")
    assert str(caught.value).count("run.toml: ") == 3


def test_what_is_written_reads_the_same(iris: Callable[..., RunConfig]) -> None:
    made = iris("training.early_stopping.patience=4", 'optimizer.lr={name = "step", lr = 0.1, every = 2}')
    again = make_config(tomllib.loads(tomli_w.dumps(made.plain())), "again")
    assert again == made


def test_a_file_that_is_no_toml_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("seed = 1\n[data\n")
    with pytest.raises(ConfigError, match=r"run.toml: not valid TOML: .*line 2"):
        read_toml(path)
    path.write_bytes(b"seed = '\xff'")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_toml(path)
    deep = "[" * 3000 + "]" * 3000
    path.write_text(f"seed = {deep}")
    with pytest.raises(ConfigError, match=r"run.toml: .* nested too deeply"):
        read_toml(path)
    with pytest.raises(
        ConfigError, match=r"run.toml: seed: input should be a valid integer, got '[^…]{199} …\.$"
    ):
        config(f"seed={deep}")
    with pytest.raises(FileError, match=r"gone.toml: the configuration could not be read \(No such file"):
        read_toml(tmp_path / "gone.toml")
    with pytest.raises(FileError, match="could not be read"):
        read_toml(tmp_path)
