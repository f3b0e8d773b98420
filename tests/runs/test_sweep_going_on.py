"""A sweep that goes on: with folders named in another order, with other numbers of trials; and what it says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clearprop.runs.trial as trial_room
from clearprop.callbacks import Callback
from clearprop.errors import ConfigError
from clearprop.loop import Training
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder, new_folder
from clearprop.runs.outcomes import best_run, in_words, runs_of_sweep, state_of, value_of
from clearprop.runs.record import read_runs
from clearprop.runs.report.page import report
from clearprop.runs.run import Result
from clearprop.runs.sweep import configurations, resume_sweep, run_sweep

Make = Callable[..., RunConfig]
Numbers = Callable[[RunFolder], dict[str, Any]]
QUIET: Callable[[str], None] = lambda line: None  # noqa: E731
DRAWN = (
    'sweep={"optimizer.lr" = {low = 0.01, high = 0.1}, "model.layers.0.units" = {low = 4, high = 9}, '
    '"training.batch_size" = [25, 30], sampler = "random", trials = 3}'
)
GRID = 'sweep={"model.layers.0.units" = {low = 4, high = 5}, "optimizer.lr" = [0.1, 0.01]}'


class Stops(Callback):
    def on_step_end(self, training: Training) -> None:
        if training.step == 7:
            training.stop("interrupted")


def stopped(folder: RunFolder, config: RunConfig, second: str) -> list[str]:
    """Ctrl-C in the second trial; the names of the runs that have begun."""
    start = trial_room.start

    def stop(run: RunFolder, own: RunConfig, callbacks: list[Callback]) -> Result:
        return start(run, own, [Stops()] if run.name.startswith(second) else callbacks)

    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial_room, "start", stop)
        found = run_sweep(folder, config, said.append)
    assert [line[:2] for line in said] == ["1/", "1/"]  # what was interrupted is not done
    assert [one.summary["status"] for one in found] == ["finished", "interrupted"]
    return [one.folder.name for one in found]


def test_runs_named_in_another_order_are_gone_on_with(iris: Make, tmp_path: Path, numbers: Numbers) -> None:
    whole = run_sweep(new_folder(tmp_path, "whole"), iris(DRAWN), QUIET)
    folder = new_folder(tmp_path, "s")
    for name in stopped(folder, iris(DRAWN), "001"):
        number, batch, rate, units = name.split(",")
        (folder.path / name).rename(folder.path / f"{number},{rate},{units},{batch}")
    resumed = []
    with pytest.MonkeyPatch.context() as patch:
        going_on = trial_room.resume
        patch.setattr(
            trial_room, "resume", lambda run, *args: resumed.append(run.name) or going_on(run, *args)
        )
        found = resume_sweep(folder, QUIET)
    assert resumed == [whole[1].folder.name]
    assert [one.folder.name for one in found] == [one.folder.name for one in whole]
    assert [numbers(one.folder) for one in found] == [numbers(one.folder) for one in whole]
    assert len([path for path in folder.path.iterdir() if path.is_dir()]) == 3


def test_a_grid_that_was_counted_otherwise_is_refused(
    iris: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_folder(tmp_path, "s")
    stopped(folder, iris(GRID), "lr=0.1,units=5")
    assert len(resume_sweep(folder, QUIET)) == 4
    text = folder.sweep.read_text()
    folder.sweep.write_text(text.replace("0.1,\n    0.01,", "0.01,\n    0.1,"))
    assert folder.sweep.read_text() != text
    monkeypatch.setattr("clearprop.runs.sweep._settings", lambda config: "")
    monkeypatch.setattr("clearprop.runs.study.Study.agree", lambda self, settings: None)
    with pytest.raises(
        ConfigError, match=r"expected lr=0.01,units=4 as trial 0, got lr=0.1,units=4: an older"
    ):
        resume_sweep(folder, QUIET)


def test_fewer_trials_than_have_begun_are_refused(iris: Make, tmp_path: Path) -> None:
    """Also where the second was interrupted, and by who joins."""
    folder = new_folder(tmp_path, "s")
    stopped(folder, iris(DRAWN), "001")
    kept = folder.sweep.read_bytes()
    words = "sweep.trials: expected at least 2, for so many have been begun, got 1."
    with pytest.raises(ConfigError, match=words):
        resume_sweep(folder, QUIET, changes=("sweep.trials=1",))
    with pytest.raises(ConfigError, match=words):
        run_sweep(folder, iris(DRAWN, "sweep.trials=1"), QUIET, join=True)
    assert folder.sweep.read_bytes() == kept
    assert len(resume_sweep(folder, QUIET, changes=("sweep.trials=2",))) == 2
    assert len(run_sweep(folder, iris(DRAWN, "sweep.trials=1"), QUIET)) == 1  # a new one in its place


def test_the_runs_of_a_sweep_are_ranked_by_its_metric(iris: Make, tmp_path: Path) -> None:
    for direction in ("minimize", "maximize"):
        folder = new_folder(tmp_path, direction)
        rates = (
            f'sweep={{"optimizer.lr" = [1e-5, 0.1, 0.01], metric = "test_loss", direction = "{direction}"}}'
        )
        found = run_sweep(folder, iris(rates), QUIET)
        losses = {one.folder.name: one.summary["test"]["loss"] for one in found}
        ranked = sorted(losses, key=losses.__getitem__, reverse=direction == "maximize")
        assert [run.name for run in runs_of_sweep(folder)] == ranked
        best = best_run(folder)
        assert best is not None
        assert best.name == ranked[0]
        (folder.path / ranked[0] / "summary.json").unlink()
        assert [run.name for run in runs_of_sweep(folder)] == [*ranked[1:], ranked[0]]
        for name in ranked[1:]:
            (folder.path / name / "summary.json").unlink()
        assert best_run(folder) is None


def test_a_report_has_the_best_by_the_metric_in_full(
    iris: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearprop.runs.report.page.MOST_CHAPTERS", 1)
    folder = new_folder(tmp_path, "s")
    rates = 'sweep={"optimizer.lr" = [1e-5, 0.1], metric = "loss", direction = "maximize"}'
    run_sweep(folder, iris(rates, "training.epochs=1"), QUIET)
    records = read_runs(tmp_path, ["s"])
    assert [record.name for record in records] == ["lr=1e-05", "lr=0.1"]
    for sweep, best in ((folder, "lr=1e-05"), (None, "lr=0.1")):
        assert re.findall(r"<h2[^>]*>Run ([^<]*)<", report(records, sweep)) == [best]


@pytest.mark.parametrize(
    ("summary", "state"),
    [
        ({}, "not finished"),
        ({"status": "running"}, "not finished"),
        ({"status": "finished", "stopped": None}, "finished"),
        ({"status": "finished", "stopped": "early stopping: no better"}, "finished"),
        ({"status": "finished", "stopped": "pruned: with loss at 3"}, "pruned"),
        ({"status": "interrupted", "stopped": "pruned: with loss at 3"}, "interrupted"),
        ({"status": "diverged"}, "diverged"),
    ],
)
def test_states(summary: dict[str, Any], state: str) -> None:
    assert state_of(summary) == state


def test_a_columns_number() -> None:
    summary = {"train": {"mean_squared_error": 2.0}, "test": {"loss": 3.0, "accuracy": None}}
    assert value_of(summary, "mean_squared_error") == 2.0
    assert value_of(summary, "test_loss") == 3.0
    assert value_of(summary, "test_accuracy") is None
    assert value_of(summary, "validation_loss") is None


def test_the_words_of_a_trial() -> None:
    summary = {
        "status": "interrupted",
        "train": {"loss": 0.5, "accuracy": 0.75},
        "validation": {"loss": 0.25, "accuracy": 1.0},
    }
    assert in_words(summary) == "validation loss 0.2500, accuracy 1.0000, interrupted"
    assert in_words(summary, "accuracy") == "train accuracy 0.7500, loss 0.5000, interrupted"
    assert in_words(summary, "validation_accuracy") == "validation accuracy 1.0000, loss 0.2500, interrupted"
    assert in_words(summary, "test_accuracy") == "validation accuracy 1.0000, loss 0.2500, interrupted"


def test_who_works_is_told(iris: Make, tmp_path: Path) -> None:
    told: list[list[str]] = []
    lines: list[int] = []
    values = iris('sweep={"optimizer.lr" = [0.1, 0.2]}', "training.epochs=1")
    run_sweep(new_folder(tmp_path, "s"), values, lambda line: lines.append(len(told)), now=told.append)
    assert told == [["lr=0.1"], ["lr=0.2"]]
    assert lines == [1, 2]  # each is told of before it is done
    told.clear()
    two = iris('sweep={"optimizer.lr" = [0.1, 0.2], jobs = 2}', "training.epochs=1")
    run_sweep(new_folder(tmp_path, "t"), two, QUIET, now=told.append)
    assert told[:2] == [["lr=0.1"], ["lr=0.1", "lr=0.2"]]


@pytest.mark.parametrize(
    ("space", "hint"),
    [
        (
            '"model.layers.0.units" = {low = 1.5, high = 8.5}',
            '"model.layers.0.units" = { low = 2, high = 8 }',
        ),
        ('"training.batch_size" = {low = 10.0, high = 30.0, step = 10.0}', "{ low = 10, high = 30 }"),
        ('"training.l2" = {low = -0.5, high = 4.0}', ""),
        ('"model.layers.0.units" = {low = 1.2, high = 1.8}', ""),
        ('"model.layers.0.units" = [1.5]', ""),
    ],
)
def test_ends_that_should_be_whole(iris: Make, space: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configurations(iris(f'sweep={{{space}, sampler = "random", trials = 2}}'))
    assert ("Whole ends give whole numbers: " in str(caught.value)) == bool(hint)
    assert str(caught.value).endswith(f"{hint}." if hint else "")
