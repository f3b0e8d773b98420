"""Sweeps: every combination, checked before the first begins, compared at the end."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

import clearprop.runs.sweep as sweep_room
from clearprop.errors import ConfigError, DataError
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder, new_folder
from clearprop.runs.run import start
from clearprop.runs.sweep import best, combinations, configurations, run_sweep

Make = Callable[..., RunConfig]
FOUR = 'sweep={"optimizer.lr" = [0.01, 0.1], "model.layers.0.units" = [4, 8]}'


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_combinations(iris: Make) -> None:
    made = configurations(iris(FOUR, "training.epochs=7"))
    assert [tuple(choice.values()) for choice, _ in made] == [(0.01, 4), (0.01, 8), (0.1, 4), (0.1, 8)]
    for choice, config in made:
        assert config.optimizer["lr"] == choice["optimizer.lr"]
        assert config.model.layers[0]["units"] == choice["model.layers.0.units"]
        assert config.training.epochs == 7
        assert not config.sweep


def test_a_table_among_the_values_is_not_changed_by_another_key(iris: Make) -> None:
    config = iris(
        'sweep={optimizer = [{name = "sgd", lr = 1}, {name = "adam", lr = 1}], "optimizer.lr" = [2, 3]}'
    )
    made = [own.optimizer for _, own in configurations(config)]
    assert [(table["name"], table["lr"]) for table in made] == [
        ("sgd", 2),
        ("sgd", 3),
        ("adam", 2),
        ("adam", 3),
    ]
    assert [choice["optimizer"]["lr"] for choice in combinations(config)] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ('{"optimizer.lr" = [0.1, -1]}', r"sweep, lr=-1: .*lr to be a finite number > 0"),
        ('{"optimiser.lr" = [0.1]}', r"sweep, lr=0.1: unknown key 'optimiser'. Did you mean 'optimizer'\?"),
        ('{"model.layers.7.units" = [1]}', r"sweep.model.layers.7.units: expected a number from 0 to 2"),
        ("{optimizer = {lr = [0.1]}}", r"sweep.optimizer: .*list, got"),
    ],
)
def test_all_are_checked_before_the_first_begins(iris: Make, sweep: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        configurations(iris(f"sweep={sweep}"))


def test_comparison(iris: Make, tmp_path: Path) -> None:
    said: list[str] = []
    results = run_sweep(new_folder(tmp_path, "s"), configurations(iris(FOUR)), said.append)
    table = rows(tmp_path / "s" / "comparison.csv")
    assert [(row["optimizer.lr"], row["model.layers.0.units"]) for row in table] == [
        ("0.01", "4"), ("0.01", "8"), ("0.1", "4"), ("0.1", "8"),
    ]  # fmt: skip
    for row, (_, result) in zip(table, results, strict=True):
        assert result is not None
        assert row["status"] == "finished"
        for part in ("train", "validation", "test"):
            for key in ("loss", "accuracy"):
                assert float(row[f"{part}_{key}"]) == result.summary[part][key]
    found = best(results)
    assert found is not None
    assert found[1].summary["validation"]["loss"] == min(float(row["validation_loss"]) for row in table)
    assert [line.split("  ")[:2] for line in said] == [
        ["1/4", "lr=0.01,units=4"], ["2/4", "lr=0.01,units=8"], ["3/4", "lr=0.1,units=4"], ["4/4", "lr=0.1,units=8"],
    ]  # fmt: skip


def test_a_combination_is_the_run_that_one_would_start_alone(iris: Make, tmp_path: Path) -> None:
    results = run_sweep(new_folder(tmp_path, "s"), configurations(iris(FOUR)), lambda line: None)
    alone = start(new_folder(tmp_path, "alone"), iris("optimizer.lr=0.1", "model.layers.0.units=4"))
    assert results[2][1] is not None
    assert results[2][1].folder.weights.read_bytes() == alone.folder.weights.read_bytes()


def test_one_that_diverges_does_not_stop_the_others(iris: Make, tmp_path: Path) -> None:
    said: list[str] = []
    config = iris('sweep={"optimizer.lr" = [1e38, 0.01]}', "optimizer.name=sgd")
    results = run_sweep(new_folder(tmp_path, "s"), configurations(config), said.append)
    assert results[0][1] is None
    assert results[1][1] is not None
    assert [row["status"] for row in rows(tmp_path / "s" / "comparison.csv")] == ["diverged", "finished"]
    assert "diverged: step" in said[0]
    assert RunFolder(tmp_path / "s" / "lr=1e+38").read_summary()["status"] == "diverged"
    found = best(results)
    assert found is not None
    assert found[0] == {"optimizer.lr": 0.01}


def test_best_of_nothing() -> None:
    assert best([({"seed": 1}, None)]) is None


def test_an_old_sweep_stays_if_the_new_one_cannot_begin(iris: Make, tmp_path: Path) -> None:
    run_sweep(new_folder(tmp_path, "s"), configurations(iris(FOUR)), lambda line: None)
    before = (tmp_path / "s" / "comparison.csv").read_bytes()
    config = iris('sweep={"data.name" = ["iris", "mnist"]}')
    with pytest.raises(DataError):
        run_sweep(new_folder(tmp_path, "s", overwrite=True), configurations(config), lambda line: None)
    assert (tmp_path / "s" / "comparison.csv").read_bytes() == before
    with pytest.raises(DataError):
        run_sweep(new_folder(tmp_path, "t"), configurations(config), lambda line: None)
    assert not (tmp_path / "t").exists()
    run_sweep(new_folder(tmp_path, "s", overwrite=True), configurations(iris("sweep={seed = [5]}")), print)
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["comparison.csv", "seed=5"]


def test_an_interrupted_sweep_keeps_what_it_has(
    iris: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(folder: RunFolder, config: RunConfig) -> object:
        result = start(folder, config)
        if config.model.layers[0]["units"] == 8:
            result.history.stopped = "interrupted"
        return result

    monkeypatch.setattr(sweep_room, "start", interrupted)
    results = run_sweep(new_folder(tmp_path, "s"), configurations(iris(FOUR)), lambda line: None)
    assert len(results) == 2
    assert len(rows(tmp_path / "s" / "comparison.csv")) == 2
