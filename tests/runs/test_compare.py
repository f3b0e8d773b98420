"""Comparing runs: which settings differ, what is best, and what a column is called."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearprop.errors import ConfigError
from clearprop.history import History
from clearprop.runs.compare import compare, differing, setting_text, settings_of, short_names
from clearprop.runs.config import RunConfig, make_config
from clearprop.runs.folder import RunFolder
from clearprop.runs.record import Record, read_runs
from clearprop.runs.run import start

Make = Callable[..., RunConfig]
New = Callable[[str], RunFolder]


def record(name: str, config: RunConfig, **summary: Any) -> Record:
    return Record(RunFolder(Path(name)), name, config, {"status": "finished", **summary}, History("accuracy"))


def differences(*configs: RunConfig) -> dict[str, list[str]]:
    settings = settings_of(configs)
    return {key: [setting_text(value) for value in settings[key]] for key in differing(settings)}


def test_what_differs(iris: Make) -> None:
    made = differences(iris(), iris("optimizer.lr=0.2", "seed=3"), iris("model.layers.0.activation=tanh"))
    assert made == {
        "seed": ["0", "3", "0"],
        "model.layers.0.activation": ["relu", "relu", "tanh"],
        "model.layers.0.init": [
            *["he_normal(gain=1.414, mode=fan_in)"] * 2,
            "xavier_uniform(gain=1.0)",
        ],  # by default
        "optimizer.lr": ["0.01", "0.2", "0.01"],
    }


@pytest.mark.parametrize(
    "change", ["optimizer.beta1=0.9", "loss=softmax_cross_entropy", 'loss={name = "softmax_cross_entropy"}']
)
def test_a_default_that_is_written_out_is_no_difference(iris: Make, change: str) -> None:
    assert differences(iris(), iris(change)) == {}


def test_another_kind_is_one_difference(iris: Make) -> None:
    assert differences(iris(), iris('optimizer={name = "sgd", lr = 0.1}')) == {
        "optimizer": [
            "adam(lr=0.01, beta1=0.9, beta2=0.999, eps=1e-08)",
            "sgd(lr=0.1, momentum=0.0, nesterov=false)",
        ]
    }
    schedule = differences(iris(), iris('optimizer.lr={name = "step", lr = 0.1, every = 3}'))
    assert list(schedule) == ["optimizer.lr"]
    assert schedule["optimizer.lr"][0] == "0.01"
    assert schedule["optimizer.lr"][1].startswith("step(lr=0.1, ")
    layers = differences(iris(), iris('model.layers=[{type = "Flatten"}, {type = "Dense", units = 3}]'))
    assert layers == {
        "model.layers": [
            "Dense(units=10, activation=relu), Dropout(rate=0.2), Dense(units=3)",
            "Flatten, Dense(units=3)",
        ]
    }


def test_a_table_that_only_one_has(iris: Make) -> None:
    made = differences(iris(), iris("training.early_stopping={patience = 3}"))
    assert made["training.early_stopping.patience"] == ["–", "3"]


def test_a_layer_within_a_layer(iris: Make) -> None:
    def inner(activation: str) -> RunConfig:
        layer = (
            f'{{type = "Residual", layers = [{{type = "Dense", units = 4, activation = "{activation}"}}]}}'
        )
        return iris(f'model.layers=[{layer}, {{type = "Dense", units = 3}}]')

    assert list(differences(inner("relu"), inner("relu"))) == []
    assert any("tanh" in words for words in str(differences(inner("relu"), inner("tanh"))).split("'"))


def test_short_names_are_told_apart() -> None:
    assert short_names(["optimizer.lr", "seed", "data.name"]) == ["lr", "seed", "name"]
    assert short_names(["optimizer.name", "data.name"]) == ["optimizer.name", "data.name"]
    assert short_names(["model.layers.0.units"]) == ["units"]
    assert short_names(["model.layers.0.units", "model.layers.3.units"]) == [
        "layers.0.units",
        "layers.3.units",
    ]
    assert short_names(["optimizer.lr", "optimizer.lr.warmup"]) == ["lr", "warmup"]


def test_the_best_of_each_column(iris: Make) -> None:
    numbers = [(0.5, 0.9), (0.3, 0.8), (0.3, None), (0.7, 0.9)]
    runs = [
        record(f"r{i}", iris(f"seed={i}"), test={"loss": loss, "accuracy": accuracy})
        for i, (loss, accuracy) in enumerate(numbers)
    ]
    made = {column.name: column for column in compare(runs).columns}
    assert list(made) == ["run", "seed", "test loss", "test accuracy"]
    assert made["test loss"].best == {1, 2}
    assert made["test accuracy"].best == {0, 3}
    assert made["test accuracy"].cells == ("0.9000", "0.8000", "not finite", "0.9000")


def test_nothing_is_best_where_all_are_equal_or_not_comparable(iris: Make) -> None:
    same = [record(name, iris(), test={"loss": 0.5, "accuracy": 0.5}) for name in "ab"]
    assert not any(column.best for column in compare(same).results)
    other = record("c", iris("loss=cross_entropy"), test={"loss": 0.1, "accuracy": 0.9})
    made = {column.name: column for column in compare([*same, other]).results}
    assert made["test loss"].best == frozenset()
    assert made["test accuracy"].best == {2}
    elsewhere = record("d", iris("data={name = 'sine'}"), test={"loss": 0.1, "accuracy": 0.9})
    assert not any(column.best for column in compare([*same, elsewhere]).results)


def test_the_state_stands_there_where_not_all_are_finished(iris: Make) -> None:
    runs = [record("a", iris(), test={"loss": 0.5}), record("b", iris())]
    assert [column.name for column in compare(runs).results] == ["test loss"]
    runs[1].summary = {"status": "running"}
    made = compare(runs).results[0]
    assert (made.name, made.cells) == ("state", ("finished", "not finished"))
    assert compare(runs).results[1].cells == ("0.5000", "")


def test_threads_are_compared_only_where_nothing_else_is(iris: Make) -> None:
    threads = "training.workers=2"
    alone = compare([record("a", iris()), record("b", iris(threads))])
    assert [column.name for column in alone.settings] == ["workers"]
    both = compare([record("a", iris()), record("b", iris(threads, "seed=1", "description=x"))])
    assert [column.name for column in both.settings] == ["seed"]
    spread = compare(
        [record("a", iris(threads), ranks=1), record("b", iris(), ranks=4), record("old", iris())]
    )
    assert [(column.name, column.cells) for column in spread.settings] == [("ranks", ("1", "4", "1"))]


def test_runs_are_found_once_and_told_apart(iris: Make, folder: New, tmp_path: Path) -> None:
    run = start(folder("a"), iris("training.epochs=1")).folder
    other = tmp_path / "elsewhere"
    twin = shutil.copytree(run.path, other / "b")
    experiments = tmp_path / "experiments"
    assert [one.name for one in read_runs(experiments, ["a", str(run.path), str(twin)])] == ["a", "b"]
    shutil.copytree(run.path, other / "a")
    names = [one.name for one in read_runs(experiments, ["a", str(other / "a")])]
    assert names == [str(run.path), str(other / "a")]
    with pytest.raises(ConfigError, match=r"no run 'A' in .*Did you mean 'a'\?"):
        read_runs(experiments, ["A"])


def test_a_sweep_without_a_run(tmp_path: Path, iris: Make) -> None:
    sweep = RunFolder(tmp_path / "rates")
    sweep.path.mkdir()
    tables = copy.deepcopy(iris().plain()) | {"sweep": {"optimizer.lr": [0.1, 0.2]}}
    sweep.write_config(make_config(tables, "rates"), sweep.sweep)
    with pytest.raises(
        ConfigError, match=r"a sweep without a run so far. Go on with: clearprop train --resume"
    ):
        read_runs(tmp_path, ["rates"])


def test_a_larger_area_under_the_curve_is_better(iris: Make) -> None:
    runs = [record(f"r{i}", iris(f"seed={i}"), test={"auc": auc}) for i, auc in enumerate([0.7, 0.9, 0.8])]
    assert compare(runs).results[0].best == {1}
