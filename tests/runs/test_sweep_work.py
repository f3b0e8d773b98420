"""Sweeps that really train: pruning, divergence, workers of every kind, and workers that are killed."""

import csv
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import pytest
from optuna.exceptions import StorageInternalError

import clearprop.runs.share as share
from clearprop.errors import ConfigError, DataError, FileError
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder, new_folder
from clearprop.runs.run import start
from clearprop.runs.space import NoPruner
from clearprop.runs.sweep import read_sweep, resume_sweep, run_sweep
from clearprop.runs.trial import Judge, is_judged

Make = Callable[..., RunConfig]
Numbers = Callable[[RunFolder], dict[str, Any]]
FOUR = '"optimizer.lr" = [0.01, 0.1], "model.layers.0.units" = [4, 8]'
QUIET: Callable[[str], None] = lambda line: None  # noqa: E731


@pytest.fixture(autouse=True)
def no_plots_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of their own draw, and need no window for it."""
    monkeypatch.setenv("MPLBACKEND", "Agg")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_pruner_stops_bad_trials(iris: Make, tmp_path: Path) -> None:
    said: list[str] = []
    config = iris(
        'sweep={"optimizer.lr" = [0.05, 0.02, 1e-6, 2e-6, 0.03], pruner = {name = "median", startup = 2, warmup = 2}}',
        "training.epochs=12",
    )
    outcomes = run_sweep(new_folder(tmp_path, "s"), config, said.append)
    states = [one.summary["status"] for one in outcomes]
    assert states[:2] == ["finished", "finished"]
    assert states[2:4] == ["pruned", "pruned"]
    for one in outcomes[2:4]:
        summary = one.folder.read_summary()
        assert summary["epochs"] < 12
        assert summary["stopped"].startswith("pruned: with validation_loss at ")
        assert one.summary["reason"] == summary["stopped"]
        assert (one.folder.path / "weights.safetensors").is_file()  # a run like any other
    assert said[2].endswith(", pruned")
    assert [row["status"] for row in rows(tmp_path / "s" / "comparison.csv")] == states
    trials = read_sweep(RunFolder(tmp_path / "s")).study.study.trials
    assert [trial.state.name for trial in trials][:4] == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED"]
    assert list(trials[0].intermediate_values) == list(range(1, 13))


@pytest.mark.parametrize("name", ["median", "percentile"])
@pytest.mark.parametrize("warmup", [0, 3])
def test_the_first_epochs_are_left_alone(iris: Make, tmp_path: Path, name: str, warmup: int) -> None:
    pruner = f'{{name = "{name}", startup = 1, warmup = {warmup}}}'
    config = iris(f'sweep={{"optimizer.lr" = [0.05, 1e-6], pruner = {pruner}}}', "training.epochs=6")
    good, bad = run_sweep(new_folder(tmp_path, "s"), config, QUIET)
    assert good.summary["epochs"] == 6
    assert bad.summary["epochs"] == warmup + 1


def test_halving(iris: Make, tmp_path: Path) -> None:
    rates = "[0.05, 0.04, 1e-6, 2e-6]"
    config = iris(
        f'sweep={{"optimizer.lr" = {rates}, pruner = {{name = "halving", epochs = 2, factor = 2}}}}',
        "training.epochs=6",
    )
    outcomes = run_sweep(new_folder(tmp_path, "s"), config, QUIET)
    assert [one.summary["epochs"] for one in outcomes] == [6, 2, 2, 2]


def test_epochs_that_are_judged() -> None:
    judged = [epoch for epoch in range(1, 2001) if is_judged(epoch)]
    assert judged == [*range(1, 100), *range(100, 1000, 10), *range(1000, 2001, 100)]


def test_a_run_of_other_settings_is_no_trials(iris: Make, tmp_path: Path) -> None:
    words = 'sweep={"optimizer.lr" = [0.01, 0.1]}'
    run_sweep(new_folder(tmp_path, "s"), iris(words), QUIET)
    (tmp_path / "s" / "sweep.db").unlink()
    text = (tmp_path / "s" / "sweep.toml").read_text()
    (tmp_path / "s" / "sweep.toml").write_text(text.replace("epochs = 4", "epochs = 5"))
    found = resume_sweep(RunFolder(tmp_path / "s"), QUIET)
    assert [one.summary["status"] for one in found] == ["failed", "failed"]
    assert (
        "lr=0.01: holds a run with other settings than the trial's. Move it away"
        in found[0].summary["reason"]
    )


def test_a_sweep_that_was_moved_or_changed(iris: Make, tmp_path: Path) -> None:
    run_sweep(new_folder(tmp_path, "s"), iris('sweep={"optimizer.lr" = [0.01, 0.1]}'), QUIET)
    (tmp_path / "s").rename(tmp_path / "t")
    moved = RunFolder(tmp_path / "t")
    assert [one.summary["status"] for one in read_sweep(moved).outcomes] == ["finished"] * 2
    moved.sweep.write_text(moved.sweep.read_text().replace("epochs = 4", "epochs = 5"))
    for work in (lambda: resume_sweep(moved, QUIET), lambda: read_sweep(moved)):
        with pytest.raises(ConfigError, match=r"begun with other settings. Take the same settings, or start"):
            work()


def test_a_storage_that_is_lost(iris: Make, tmp_path: Path) -> None:
    """In the parent it ends the sweep; what was trained is there when it is back."""
    config = iris('sweep={"optimizer.lr" = [0.01, 0.1]}')
    database = tmp_path / "s" / "sweep.db"

    def lose(line: str) -> None:
        database.rename(tmp_path / "away")
        database.mkdir()

    with pytest.raises(
        FileError, match=r"s/sweep.db: was lost on the way \(.*\). Go on with --resume when it is"
    ):
        run_sweep(new_folder(tmp_path, "s"), config, lose)
    database.rmdir()
    (tmp_path / "away").rename(database)
    before = (tmp_path / "s/lr=0.01/summary.json").stat().st_mtime_ns
    found = resume_sweep(RunFolder(tmp_path / "s"), QUIET)
    assert [one.summary["status"] for one in found] == ["finished"] * 2
    assert (tmp_path / "s/lr=0.01/summary.json").stat().st_mtime_ns == before


def test_a_storage_that_is_lost_by_a_trial(
    iris: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise StorageInternalError("gone")

    config = iris('sweep={"optimizer.lr" = [0.01], pruner = "median"}')
    with monkeypatch.context() as patch:
        patch.setattr("optuna.storages.RDBStorage.set_trial_intermediate_value", lost)
        (found,) = run_sweep(new_folder(tmp_path, "s"), config, QUIET)
    assert re.search(r"s/sweep.db: was lost after epoch 1 \(gone\). Go on", found.summary["reason"])
    (found,) = resume_sweep(RunFolder(tmp_path / "s"), QUIET)
    assert found.summary["status"] == "finished"


def test_results_that_do_not_differ(iris: Make, tmp_path: Path) -> None:
    config = iris('sweep={"checkpoints.keep" = [1, 2], "description" = ["a", "b"]}', "training.epochs=1")
    run_sweep(new_folder(tmp_path, "s"), config, QUIET)
    with pytest.raises(DataError, match=r"expected finished trials with different results, got none"):
        read_sweep(RunFolder(tmp_path / "s")).importances()


def test_without_a_pruner_none_is_stopped(iris: Make, tmp_path: Path) -> None:
    config = iris('sweep={"optimizer.lr" = [0.05, 0.02, 1e-6]}', "training.epochs=6")
    outcomes = run_sweep(new_folder(tmp_path, "s"), config, QUIET)
    assert [one.summary["epochs"] for one in outcomes] == [6, 6, 6]


def test_any_column_is_searched(iris: Make, tmp_path: Path) -> None:
    config = iris(f'sweep={{{FOUR}, metric = "validation_accuracy"}}')
    outcomes = run_sweep(new_folder(tmp_path, "s"), config, QUIET)
    assert [one.value for one in outcomes] == [one.summary["validation"]["accuracy"] for one in outcomes]
    assert read_sweep(RunFolder(tmp_path / "s")).study.study.direction.name == "MAXIMIZE"
    with pytest.raises(
        ConfigError, match=r"sweep: unknown metric 'validation_acc'. Did you mean 'validation_accuracy'"
    ):
        run_sweep(new_folder(tmp_path, "t"), iris(f'sweep={{{FOUR}, metric = "validation_acc"}}'), QUIET)
    assert not (tmp_path / "t").exists()


def test_drawn_values_that_are_not_valid_together(iris: Make, tmp_path: Path) -> None:
    """Each end is valid; what is drawn between them may not be."""
    config = iris('sweep={"optimizer.beta1" = [0.5, 0.9], "optimizer.name" = ["adam", "rmsprop"]}')
    assert config.sweep is not None
    random = config.sweep.model_copy(update={"sampler": "random", "trials": 4})
    with pytest.raises(ConfigError, match="rmsprop"):
        run_sweep(new_folder(tmp_path, "s"), config.model_copy(update={"sweep": random}), QUIET)


@pytest.mark.parametrize("kind", ["processes of its own", "threads", "processes", "dask"])
def test_workers_of_every_kind(iris: Make, tmp_path: Path, kind: str) -> None:
    serial = run_sweep(new_folder(tmp_path, "serial"), iris(f"sweep={{{FOUR}}}"), QUIET)
    config, said = iris(f"sweep={{{FOUR}, jobs = 2}}"), list[str]()

    def sweep(executor: Executor | None) -> None:
        found = run_sweep(new_folder(tmp_path, "s"), config, said.append, executor=executor)
        assert [one.summary["status"] for one in found] == ["finished"] * 4
        for one, other in zip(found, serial, strict=True):
            assert one.folder.weights.read_bytes() == other.folder.weights.read_bytes()

    if kind == "processes of its own":
        sweep(None)
    elif kind == "threads":
        with ThreadPoolExecutor(2) as threads:
            sweep(threads)
    elif kind == "processes":
        with ProcessPoolExecutor(2, get_context("spawn")) as processes:
            sweep(processes)
    else:
        import distributed

        with distributed.Client(processes=False, dashboard_address=None, n_workers=2) as client:
            sweep(client.get_executor())
    assert sorted(line.split("  ")[0] for line in said) == ["1/4", "2/4", "3/4", "4/4"]
    assert (tmp_path / "s/comparison.csv").read_bytes() == (tmp_path / "serial/comparison.csv").read_bytes()
    assert not (tmp_path / "s" / ".workers").exists()


def test_a_worker_that_is_killed(iris: Make, tmp_path: Path, numbers: Numbers) -> None:
    words = (f"sweep={{{FOUR}}}", "training.epochs=16")
    whole = run_sweep(new_folder(tmp_path, "whole"), iris(*words), QUIET)
    before, killed = set(active_children()), list[int]()

    def kill() -> None:
        limit = time.monotonic() + 60
        while not list((tmp_path / "s").glob("*/checkpoints/*")) and time.monotonic() < limit:
            time.sleep(0.005)
        for child in set(active_children()) - before:
            if child.pid is not None and not killed:
                os.kill(child.pid, signal.SIGKILL)
                killed.append(child.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    config = iris(*words, "checkpoints.seconds=0")
    assert config.sweep is not None
    two = config.model_copy(update={"sweep": config.sweep.model_copy(update={"jobs": 2})})
    found = run_sweep(new_folder(tmp_path, "s"), two, QUIET)
    killer.join()
    assert killed
    assert [numbers(one.folder) for one in found] == [numbers(other.folder) for other in whole]
    assert (tmp_path / "s/comparison.csv").read_bytes() == (tmp_path / "whole/comparison.csv").read_bytes()


def die(task: Any) -> dict[str, Any]:
    """In place of training."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_a_trial_that_always_kills_its_process(
    iris: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(share, "train_trial", die)
        config = iris('sweep={"optimizer.lr" = [0.01, 0.1], jobs = 2}')
        found = run_sweep(new_folder(tmp_path, "s"), config, said.append)
    assert [one.summary["status"] for one in found] == ["failed", "failed"]
    assert all("failed: its process was killed 3 times." in line for line in said)
    done = resume_sweep(RunFolder(tmp_path / "s"), QUIET, changes=("sweep.jobs=1",))
    assert [one.summary["status"] for one in done] == ["finished", "finished"]


def test_more_trials_than_at_first(iris: Make, tmp_path: Path) -> None:
    config = iris(
        'sweep={"optimizer.lr" = {low = 1e-3, high = 1.0, log = true}, sampler = "random", trials = 2}'
    )
    first = run_sweep(new_folder(tmp_path, "s"), config, QUIET)
    times = [one.folder.summary.stat().st_mtime_ns for one in first]
    more = resume_sweep(RunFolder(tmp_path / "s"), QUIET, changes=("sweep.trials=3",))
    assert [one.folder.name.split(",")[0] for one in more] == ["000", "001", "002"]
    assert [one.folder.summary.stat().st_mtime_ns for one in more[:2]] == times
    assert more[2].folder.read_config().optimizer["lr"] == more[2].choice["optimizer.lr"]
    assert len(resume_sweep(RunFolder(tmp_path / "s"), QUIET)) == 3  # the new number is kept


def test_a_password_is_not_kept(iris: Make, tmp_path: Path) -> None:
    from clearprop.runs.sweep import _write

    folder = new_folder(tmp_path, "s")
    _write(folder, iris(f'sweep={{{FOUR}, storage = "postgresql://me:secret@127.0.0.1:1/x"}}'))
    assert "secret" not in folder.sweep.read_text()
    with pytest.raises(FileError, match=r"sweep.storage postgresql://me@127.0.0.1:1/x: could not be opened"):
        resume_sweep(folder, QUIET, changes=("sweep.storage='postgresql://me:secret@127.0.0.1:1/x'",))
    assert "secret" not in repr(Judge("postgresql://me:secret@h/x", "s", 0, "loss", NoPruner()))


def test_a_folder_of_a_run_is_not_joined(iris: Make, tmp_path: Path) -> None:
    run = start(new_folder(tmp_path, "r"), iris("training.epochs=1")).folder
    with pytest.raises(ConfigError, match=r"r: holds a run, not a sweep. Choose another --name"):
        run_sweep(run, iris("sweep={seed = [1]}"), QUIET, join=True)
    assert not run.sweep.exists()


def test_a_storage_that_is_a_file_is_found_from_anywhere(
    iris: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = new_folder(tmp_path, "s")
    run_sweep(folder, iris('sweep={seed = [1], storage = "sqlite:///x.db"}'), QUIET, join=True)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    said: list[str] = []
    assert len(resume_sweep(folder, said.append)) == 1
    assert not said  # nothing is trained again
    with pytest.raises(
        ConfigError, match=r"sweep.storage sqlite://: a database in memory is lost with its process"
    ):
        run_sweep(new_folder(tmp_path, "m"), iris('sweep={seed = [1], storage = "sqlite://"}'), QUIET)
    assert not (tmp_path / "m").exists()


def test_a_folder_of_another_sweep_is_not_joined(iris: Make, tmp_path: Path) -> None:
    run_sweep(new_folder(tmp_path, "s"), iris("sweep={seed = [1]}"), QUIET)
    with pytest.raises(
        ConfigError, match=r"s: holds a sweep with other settings. Take the same file, or choose"
    ):
        run_sweep(RunFolder(tmp_path / "s"), iris("sweep={seed = [2]}"), QUIET, join=True)
    assert len(run_sweep(RunFolder(tmp_path / "s"), iris("sweep={seed = [1]}"), QUIET, join=True)) == 1
