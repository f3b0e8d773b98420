"""Resuming in process: whatever moment a run ended at, it ends as one that was never stopped."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearprop.callbacks import Callback
from clearprop.errors import ConfigError, DataError, DivergedError, FileError
from clearprop.loop import Training
from clearprop.runs import run as run_room
from clearprop.runs.checkpoint import latest, load_state
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder, new_folder
from clearprop.runs.run import resume, start

Make = Callable[..., RunConfig]
New = Callable[[str], RunFolder]
Numbers = Callable[[RunFolder], dict[str, Any]]
EVERY = "checkpoints.seconds=0"


class Killed(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


class KillAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, training: Training) -> None:
        if training.step == self.step:
            raise Killed


def killed_at(step: int, run: RunFolder, config: RunConfig) -> RunFolder:
    with pytest.raises(Killed):
        start(run, config, [KillAt(step)])
    return run


OPTIMIZERS = [
    'optimizer={name = "sgd", lr = 0.1, momentum = 0.9, nesterov = true}',
    'optimizer={name = "adagrad", lr = 0.1}',
    'optimizer={name = "rmsprop", lr = 0.01}',
    'optimizer={name = "adam", lr = 0.01}',
    'optimizer={name = "adamw", lr = 0.01, weight_decay = 0.1}',
    'optimizer={name = "sgd", lr = {name = "cosine", lr = 0.1, epochs = 4, warmup = 1}}',
    'optimizer={name = "sgd", lr = {name = "reduce_on_plateau", lr = 0.5, patience = 1}}',
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_at_any_step_with_any_optimizer(iris: Make, folder: New, numbers: Numbers, optimizer: str) -> None:
    expected = numbers(start(folder("whole"), iris(optimizer)).folder)
    for step in (1, 4, 5, 8, 16):  # four steps an epoch: also its first and its last
        run = killed_at(step, folder("killed"), iris(optimizer, EVERY))
        assert numbers(resume(run, run.read_config()).folder) == expected


def test_before_the_first_checkpoint_it_starts_over(iris: Make, folder: New, numbers: Numbers) -> None:
    expected = numbers(start(folder("whole"), iris()).folder)
    run = killed_at(7, folder("killed"), iris())
    assert latest(run.checkpoints) is None
    assert numbers(resume(run, run.read_config()).folder) == expected


def test_what_a_killed_process_had_begun_to_write_is_removed(iris: Make, folder: New) -> None:
    run = killed_at(7, folder("killed"), iris(EVERY))
    torn = [
        run.path / ".weights.safetensors.12.part",
        run.checkpoints / ".step-000000008.safetensors.12.part",
    ]
    for path in torn:
        path.write_bytes(b"half")
    resume(run, run.read_config())
    assert not any(path.exists() for path in torn)


@pytest.mark.parametrize("moment", ["measure", "write_history", "save_plots"])
@pytest.mark.parametrize("early", [False, True])
def test_between_the_last_step_and_the_summary(
    iris: Make, folder: New, numbers: Numbers, monkeypatch: pytest.MonkeyPatch, moment: str, early: bool
) -> None:
    config = iris(*(["training.epochs=60", "training.early_stopping.patience=2", "optimizer.lr=0.3"] * early))
    whole = start(folder("whole"), config)
    assert whole.history.stopped.startswith("early stopping: ") == early
    run = folder("killed")
    with monkeypatch.context() as patch:
        patch.setattr(run_room, moment, _kill)
        with pytest.raises(Killed):
            start(run, config)
    assert run.read_summary()["status"] == "running"
    assert numbers(resume(run, run.read_config()).folder) == numbers(whole.folder)


def _kill(*args: object) -> None:
    raise Killed


def test_a_finished_run(iris: Make, folder: New, numbers: Numbers) -> None:
    run = start(folder("a"), iris()).folder
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=r"all 4 epochs are done. .* --resume .*/a --set training.epochs=8"):
        resume(run, run.read_config())
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
    more = resume(run, run.read_config(("training.epochs=7",))).folder
    assert numbers(more) == numbers(start(folder("b"), iris("training.epochs=7")).folder)
    assert more.read_config().training.epochs == 7


def test_a_run_that_stopped_early(iris: Make, folder: New, numbers: Numbers) -> None:
    changes = ("training.epochs=60", "optimizer.lr=0.3")
    run = start(folder("a"), iris(*changes, "training.early_stopping.patience=2")).folder
    with pytest.raises(ConfigError, match=r"the run has ended by early stopping: .*patience=\.\.\."):
        resume(run, run.read_config())
    patient = "training.early_stopping.patience=5"
    killed = shutil.copytree(run.path, run.path.with_name("copy"))
    expected = numbers(start(folder("b"), iris(*changes, patient)).folder)
    assert expected["results"][2] > run.read_summary()["steps"]
    assert numbers(resume(run, run.read_config((patient,))).folder) == expected
    with pytest.raises(Killed):  # and once more after the change
        resume(
            RunFolder(killed),
            RunFolder(killed).read_config((patient,)),
            [KillAt(run.read_summary()["steps"] - 1)],
        )
    assert numbers(resume(RunFolder(killed), RunFolder(killed).read_config()).folder) == expected


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("seed=3", "seed"),
        ("data.scale=none", "data"),
        ("model.layers.0.units=4", "model"),
        ('loss="hinge"', "loss"),
        ("training.batch_size=105", "training.batch_size"),
        ("training.shuffle=false", "training.shuffle"),
    ],
)
def test_another_run_is_not_a_resumed_one(iris: Make, folder: New, change: str, key: str) -> None:
    run = killed_at(6, folder("a"), iris(EVERY))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=rf"a: expected the {key} that the run began with, got another"):
        resume(run, run.read_config((change,)))
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_another_optimizer_is_refused_and_nothing_lost(iris: Make, folder: New, numbers: Numbers) -> None:
    run = killed_at(6, folder("a"), iris(EVERY))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="Make the optimizer with the settings it had"):
        resume(run, run.read_config(("optimizer.name=adagrad",)))
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_a_failed_resume_before_the_first_checkpoint_keeps_the_run(iris: Make, folder: New) -> None:
    run = killed_at(1, folder("a"), iris())
    with pytest.raises(ConfigError):
        resume(run, run.read_config(("training.best_weights=x",)))
    assert run.config.is_file()


def test_a_new_learning_rate_counts_from_here(iris: Make, folder: New) -> None:
    run = killed_at(6, folder("a"), iris(EVERY))
    history = resume(run, run.read_config(("optimizer.lr=0.002",))).history
    assert history.steps["lr"] == [0.01] * 6 + [0.002] * 10


def test_callbacks_may_come_and_go(iris: Make, folder: New, numbers: Numbers) -> None:
    run = killed_at(6, folder("a"), iris(EVERY))
    config = run.read_config(("training.early_stopping.patience=50",))
    finished = resume(run, config, [Callback(), Callback()]).folder
    assert numbers(finished) == numbers(start(folder("b"), iris()).folder)


def test_a_diverged_run_goes_on_from_its_last_good_checkpoint(
    iris: Make, folder: New, numbers: Numbers
) -> None:
    run = killed_at(6, folder("a"), iris(EVERY))
    with pytest.raises(DivergedError, match=r"The last good checkpoint is .*step-0+6.safetensors\.$"):
        resume(run, run.read_config(("optimizer.lr=1e38", "checkpoints.seconds=1000")))
    assert run.read_summary()["status"] == "diverged"
    finished = resume(run, run.read_config(("optimizer.lr=0.01",))).folder
    assert numbers(finished) == numbers(start(folder("b"), iris()).folder)


def test_a_damaged_checkpoint(iris: Make, folder: New, numbers: Numbers) -> None:
    run = killed_at(6, folder("a"), iris(EVERY))
    newest = latest(run.checkpoints)
    assert newest is not None
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.raises(
        DataError, match=r"step-0+6.safetensors: not a whole checkpoint .* resume from the one before"
    ):
        resume(run, run.read_config())
    newest.unlink()
    assert numbers(resume(run, run.read_config()).folder) == numbers(start(folder("b"), iris()).folder)


@pytest.mark.parametrize("where", [1, 5, 20, 23])
def test_a_full_disk(
    iris: Make, folder: New, numbers: Numbers, monkeypatch: pytest.MonkeyPatch, where: int
) -> None:
    """The flush number `where` fails: of the configuration, of a checkpoint, of the weights …"""
    count = iter(range(1, 1000))

    def fsync(handle: int) -> None:
        if next(count) == where:
            raise OSError(28, "No space left on device")

    run = folder("a")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fsync)
        with pytest.raises(
            FileError, match=r"could not be written, .*No space left on device.*Free some space"
        ):
            start(run, iris("checkpoints.seconds=0"))
    for path in run.checkpoints.glob("*"):
        assert np.isfinite(load_state(path)["params"]).all()
    if run.config.is_file():
        finished = resume(run, run.read_config()).folder
        assert numbers(finished) == numbers(start(folder("b"), iris()).folder)
    assert not list(run.path.rglob("*.part"))


def files(run: RunFolder) -> dict[Any, bytes]:
    return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def test_clipping_may_begin_and_end_on_the_way(iris: Make, folder: New) -> None:
    run = killed_at(6, folder("a"), iris(EVERY))
    clipped = resume(run, run.read_config(("training.clip_norm=0.01", "training.epochs=3"))).folder
    lines = [json.loads(line) for line in clipped.metrics.read_text().splitlines()]
    norms = [line.get("grad_norm") for line in lines if line["kind"] == "step"]
    assert norms[:6] == [None] * 6
    assert len(norms) == 12
    assert min(norms[6:]) > 0
    history = resume(run, run.read_config(("training.epochs=4",))).history
    assert history.steps["grad_norm"][:12] == [0.0] * 6 + norms[6:]


class Refuses(Callback):
    def on_fit_start(self, training: Training) -> None:
        raise ConfigError("no")


def test_nothing_has_changed_when_something_is_refused(
    iris: Make, folder: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(folder("a"), iris()).folder
    before, more = files(run), run.read_config(("training.epochs=6",))
    with pytest.raises(ConfigError, match="no"):
        resume(run, more, [Refuses()])
    assert files(run) == before
    with pytest.raises(ConfigError, match="no"):
        start(new_folder(run.path.parent, "a", overwrite=True), more, [Refuses()], overwrite=True)
    assert files(run) == before
    opened = Path.open

    def refuse(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path == run.metrics:
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        with pytest.raises(
            FileError, match=r"metrics.jsonl: the log could not be opened \(Permission denied\)"
        ):
            resume(run, more)
    assert files(run) == before
    kept = run.checkpoints.rename(run.path / "kept")
    shutil.copytree(kept, run.path / "elsewhere")
    run.checkpoints.write_text("a file is in the way")
    run.summary.write_text('{"status": "running"}')
    before = files(run)
    with pytest.raises(FileError, match="checkpoints: the folder could not be made"):
        resume(run, more)
    assert files(run) == before


def test_a_finished_run_without_checkpoints(iris: Make, folder: New) -> None:
    run = start(folder("a"), iris()).folder
    shutil.rmtree(run.checkpoints)
    before = files(run)
    for changes in ((), ("training.epochs=8",)):
        with pytest.raises(
            ConfigError, match=r"a: the run is finished and its checkpoints are gone, .*config.toml"
        ):
            resume(run, run.read_config(changes))
    assert files(run) == before


def test_a_run_that_another_process_trains(iris: Make, folder: New) -> None:
    run = killed_at(6, folder("a"), iris(EVERY))
    before = files(run)
    words = r"a: is being trained by another process\. Wait for it, or start a run of another name\."
    with run.locked():
        with pytest.raises(FileError, match=words):
            resume(run, run.read_config())
        with pytest.raises(FileError, match=words):
            start(new_folder(run.path.parent, "a", overwrite=True), iris(), overwrite=True)
    assert files(run) == before
    resume(run, run.read_config())


class Nested(Callback):
    """At its second step tries to start the run anew, as another process would."""

    def __init__(self, run: RunFolder, config: RunConfig) -> None:
        self.run, self.config = run, config

    def on_step_end(self, training: Training) -> None:
        if training.step == 2:
            with pytest.raises(FileError, match="another process"):
                start(self.run, self.config, overwrite=True)


def test_the_lock_is_held_while_it_trains(iris: Make, folder: New, numbers: Numbers) -> None:
    run = folder("a")
    start(run, iris(), [Nested(run, iris())])
    assert numbers(run) == numbers(start(folder("b"), iris()).folder)
    start(run, iris(), [Nested(run, iris())], overwrite=True)  # the folder was emptied, the lock still holds


def test_a_folder_that_cannot_be_locked(iris: Make, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"gone: the folder could not be locked \(No such file"):
        start(RunFolder(tmp_path / "gone"), iris())


def test_a_disk_without_locks(iris: Make, folder: New, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    assert start(folder("a"), iris()).summary["status"] == "finished"


def points(path: Path, scale: float = 1.0) -> None:
    rng = np.random.default_rng(0)
    np.savez(path, x=scale * rng.normal(size=(60, 2)), y=rng.integers(0, 3, 60))


@pytest.mark.parametrize("every", [EVERY, "checkpoints.seconds=1000"])
def test_data_that_have_changed(iris: Make, folder: New, tmp_path: Path, every: str) -> None:
    points(tmp_path / "p.npz")
    config = iris(f'data={{file = "{tmp_path / "p.npz"}", validation = 0.2}}', every)
    run = killed_at(3, folder("a"), config)
    points(tmp_path / "p.npz", scale=1.001)
    before = files(run)
    with pytest.raises(DataError, match=r"a: expected the training data that the run began with, got others"):
        resume(run, run.read_config())
    assert files(run) == before
    points(tmp_path / "p.npz")
    assert resume(run, run.read_config()).summary["status"] == "finished"


def test_a_file_is_found_from_another_folder(
    iris: Make, folder: New, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    points(tmp_path / "p.npz")
    config = iris('data={file = "p.npz", validation = 0.2}', EVERY)
    run = killed_at(3, folder("a"), config)
    assert config.data.file == "p.npz"  # the caller's own is as it was
    assert config.training.workers is None
    assert run.read_config().data.file == str(tmp_path / "p.npz")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resume(run, run.read_config()).summary["status"] == "finished"


def test_the_newest_checkpoint_of_a_run_that_diverges_is_finite(iris: Make, folder: New) -> None:
    """The rate makes parameters infinite in step 7, and a checkpoint comes due after it, before step 8 tells."""
    run = killed_at(6, folder("a"), iris(EVERY))
    with pytest.raises(
        DivergedError, match=r"step 8 .*The last good checkpoint is .*step-0+6.safetensors\.$"
    ):
        resume(run, run.read_config(("optimizer.lr=1e40",)))
    newest = latest(run.checkpoints)
    assert newest is not None
    assert np.isfinite(load_state(newest)["params"]).all()


def test_a_summary_is_json_whatever_the_numbers(
    iris: Make, folder: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = {"train": {"loss": 0.5, "mean_squared_error": float("inf")}}
    monkeypatch.setattr(run_room, "measure", lambda *args: results)
    run = start(folder("a"), iris()).folder
    summary = json.loads(run.summary.read_text(), parse_constant=pytest.fail)
    assert summary["train"] == {"loss": 0.5, "mean_squared_error": None}
