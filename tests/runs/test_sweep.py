"""Sweeps: every combination, checked before the first begins, compared at the end."""

import csv
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import clearprop.runs.trial as trial_room
from clearprop.callbacks import Callback
from clearprop.errors import ConfigError, DataError, FileError
from clearprop.loop import Training
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder, find_run, new_folder
from clearprop.runs.outcomes import best_first
from clearprop.runs.run import Result, start
from clearprop.runs.sweep import combinations, configurations, resume_sweep, run_sweep, search_of

Make = Callable[..., RunConfig]
Numbers = Callable[[RunFolder], dict[str, Any]]
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
        assert config.sweep is None


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
        (
            "{optimizer = {lr = [0.1]}}",
            r"sweep.optimizer: expected a list of values, or a range .*in quotes, got",
        ),
    ],
)
def test_all_are_checked_before_the_first_begins(iris: Make, sweep: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        configurations(iris(f"sweep={sweep}"))


def test_comparison(iris: Make, tmp_path: Path) -> None:
    said: list[str] = []
    results = run_sweep(new_folder(tmp_path, "s"), iris(FOUR), said.append)
    table = rows(tmp_path / "s" / "comparison.csv")
    assert [list(row)[:2] for row in table] == [["trial", "run"]] * 4
    assert [(row["trial"], row["run"]) for row in table] == [
        (str(number), result.folder.name) for number, result in enumerate(results)
    ]
    assert [row["epochs"] for row in table] == ["4"] * 4
    assert [(row["optimizer.lr"], row["model.layers.0.units"]) for row in table] == [
        ("0.01", "4"), ("0.01", "8"), ("0.1", "4"), ("0.1", "8"),
    ]  # fmt: skip
    for row, result in zip(table, results, strict=True):
        assert row["status"] == "finished"
        for part in ("train", "validation", "test"):
            for key in ("loss", "accuracy"):
                assert float(row[f"{part}_{key}"]) == result.summary[part][key]
    found = best_first(results, search_of(RunFolder(tmp_path / "s")))[0]
    assert found.summary["validation"]["loss"] == min(float(row["validation_loss"]) for row in table)
    assert found.value == found.summary["validation"]["loss"]
    assert [line.split("  ")[:2] for line in said] == [
        ["1/4", "lr=0.01,units=4"], ["2/4", "lr=0.01,units=8"], ["3/4", "lr=0.1,units=4"], ["4/4", "lr=0.1,units=8"],
    ]  # fmt: skip


def test_a_combination_is_the_run_that_one_would_start_alone(iris: Make, tmp_path: Path) -> None:
    results = run_sweep(new_folder(tmp_path, "s"), iris(FOUR), lambda line: None)
    alone = start(new_folder(tmp_path, "alone"), iris("optimizer.lr=0.1", "model.layers.0.units=4"))
    assert results[2].folder.weights.read_bytes() == alone.folder.weights.read_bytes()


def test_one_that_diverges_does_not_stop_the_others(iris: Make, tmp_path: Path) -> None:
    said: list[str] = []
    config = iris('sweep={"optimizer.lr" = [1e38, 0.01]}', "optimizer.name=sgd")
    results = run_sweep(new_folder(tmp_path, "s"), config, said.append)
    assert [result.summary["status"] for result in results] == ["diverged", "finished"]
    assert [row["status"] for row in rows(tmp_path / "s" / "comparison.csv")] == ["diverged", "finished"]
    assert "diverged: step" in said[0]
    assert RunFolder(tmp_path / "s" / "lr=1e+38").read_summary()["status"] == "diverged"
    found = best_first(results, search_of(RunFolder(tmp_path / "s")))
    assert [one.choice["optimizer.lr"] for one in found] == [0.01, 1e38]


def test_an_old_sweep_stays_if_the_new_one_cannot_begin(iris: Make, tmp_path: Path) -> None:
    run_sweep(new_folder(tmp_path, "s"), iris(FOUR), lambda line: None)
    before = (tmp_path / "s" / "comparison.csv").read_bytes()
    config = iris('sweep={"data.name" = ["iris", "mnist"]}')
    with pytest.raises(DataError):
        run_sweep(new_folder(tmp_path, "s", overwrite=True), config, lambda line: None)
    assert (tmp_path / "s" / "comparison.csv").read_bytes() == before
    with pytest.raises(DataError):
        run_sweep(new_folder(tmp_path, "t"), config, lambda line: None)
    assert not (tmp_path / "t").exists()
    run_sweep(new_folder(tmp_path, "s", overwrite=True), iris("sweep={seed = [5]}"), print)
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [
        ".lock", "comparison.csv", "seed=5", "sweep.db", "sweep.db.lock", "sweep.toml",
    ]  # fmt: skip


class Killed(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


def ending_at(units: int, error: BaseException | None) -> Callable[..., Result]:
    """`start`, but the runs of so many units raise; None: they are interrupted half-way."""

    def end(folder: RunFolder, config: RunConfig, callbacks: Sequence[Callback]) -> Result:
        stop = config.model.layers[0]["units"] == units
        return start(folder, config, [*callbacks, Ends(error)] if stop else callbacks)

    return end


class Ends(Callback):
    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    def on_step_end(self, training: Training) -> None:
        if training.step != 7:
            return
        if self.error is not None:
            raise self.error
        training.stop("interrupted")


@pytest.mark.parametrize("error", [Killed(), None], ids=["killed", "interrupted"])
def test_a_sweep_that_was_stopped_goes_on(
    iris: Make, tmp_path: Path, numbers: Numbers, monkeypatch: pytest.MonkeyPatch, error: BaseException | None
) -> None:
    config = iris(FOUR, "checkpoints.seconds=0")
    whole = run_sweep(new_folder(tmp_path, "whole"), config, lambda line: None)
    sweep = new_folder(tmp_path, "s")
    with monkeypatch.context() as patch, nullcontext() if error is None else pytest.raises(Killed):
        patch.setattr(trial_room, "start", ending_at(8, error))
        run_sweep(sweep, config, lambda line: None)
    table = rows(tmp_path / "s" / "comparison.csv")
    assert [row["status"] for row in table] == ["finished"] + ["interrupted"] * (error is None)
    first = (sweep.path / "lr=0.01,units=4" / "summary.json").stat().st_mtime_ns
    said: list[str] = []
    resumed = resume_sweep(find_run(tmp_path, "s"), said.append)
    assert [line.split("  ")[0] for line in said] == ["2/4", "3/4", "4/4"]
    assert (sweep.path / "lr=0.01,units=4" / "summary.json").stat().st_mtime_ns == first  # not trained again
    assert [numbers(a.folder) for a in resumed] == [numbers(b.folder) for b in whole]
    assert (sweep.path / "comparison.csv").read_bytes() == (tmp_path / "whole/comparison.csv").read_bytes()


def test_a_killed_sweep_can_be_overwritten(
    iris: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(trial_room, "start", ending_at(4, Killed()))
        with pytest.raises(Killed):
            run_sweep(new_folder(tmp_path, "s"), iris(FOUR), lambda line: None)
    assert not (tmp_path / "s" / "comparison.csv").exists()
    sweep = new_folder(tmp_path, "s", overwrite=True)
    assert sweep.path == tmp_path / "s"
    assert len(run_sweep(sweep, iris("sweep={seed = [5]}"), lambda line: None)) == 1


def test_one_that_fails_does_not_lose_the_others(
    iris: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    sweep = new_folder(tmp_path, "s")
    with monkeypatch.context() as patch:
        patch.setattr(trial_room, "start", ending_at(4, DataError("x: the disk is full.")))
        outcomes = run_sweep(sweep, iris(FOUR), said.append)
    assert said[0] == "1/4  lr=0.01,units=4  failed: x: the disk is full."
    assert [one.summary["status"] for one in outcomes] == ["failed", "finished"] * 2
    assert [row["status"] for row in rows(sweep.path / "comparison.csv")] == ["failed", "finished"] * 2
    assert [one.summary["status"] for one in resume_sweep(sweep, said.append)] == ["finished"] * 4


def test_the_table_outlives_an_error_that_nobody_expected(
    iris: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_room, "start", ending_at(8, MemoryError()))
    with pytest.raises(MemoryError):
        run_sweep(new_folder(tmp_path, "s"), iris(FOUR), lambda line: None)
    assert len(rows(tmp_path / "s" / "comparison.csv")) == 1


def test_a_diverged_combination_is_not_trained_again(iris: Make, tmp_path: Path) -> None:
    config = iris('sweep={"optimizer.lr" = [1e38, 0.01]}', "optimizer.name=sgd")
    said: list[str] = []
    sweep = new_folder(tmp_path, "s")
    run_sweep(sweep, config, said.append)
    before = RunFolder(sweep.path / "lr=1e+38").summary.stat().st_mtime_ns
    resume_sweep(sweep, said.append)
    assert RunFolder(sweep.path / "lr=1e+38").summary.stat().st_mtime_ns == before
    assert len(said) == 2
    assert said[0].startswith("1/2  lr=1e+38  diverged: step")


@pytest.mark.parametrize("values", ["[0.1, 0.2, 0.1]", '["a/b", "a_b"]'])
def test_two_combinations_of_one_name(iris: Make, tmp_path: Path, values: str) -> None:
    key = "description" if "a" in values else '"optimizer.lr"'
    with pytest.raises(ConfigError, match=r"sweep: expected different combinations, got .* twice. Take one"):
        run_sweep(new_folder(tmp_path, "s"), iris(f"sweep={{{key} = {values}}}"), lambda line: None)
    assert not (tmp_path / "s").exists()


def test_a_sweep_that_another_process_removes_or_trains(iris: Make, tmp_path: Path) -> None:
    sweep = new_folder(tmp_path, "s")
    with sweep.locked(), pytest.raises(FileError, match="s: is being trained by another process"):
        run_sweep(sweep, iris(FOUR), lambda line: None)
    run_sweep(sweep, iris(FOUR), lambda line: None)
    before = (sweep.path / "comparison.csv").read_bytes()
    with sweep.locked(shared=True):
        with pytest.raises(FileError, match="s: is being trained by another process"):
            run_sweep(new_folder(tmp_path, "s", overwrite=True), iris(FOUR), lambda line: None)
        assert len(resume_sweep(sweep, lambda line: None)) == 4  # work is shared
    assert (sweep.path / "comparison.csv").read_bytes() == before
