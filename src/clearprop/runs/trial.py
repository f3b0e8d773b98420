"""One trial of a sweep, wherever it is trained: in this process, another one, or on another machine."""

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from math import nan
from typing import Any

from clearprop.blas import threads_each, threads_now
from clearprop.callbacks import Callback, monitored
from clearprop.errors import ClearpropError, ConfigError, DivergedError, FileError
from clearprop.files import make_folder
from clearprop.loop import Training
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder
from clearprop.runs.outcomes import PRUNED, state_of
from clearprop.runs.run import resume, start
from clearprop.runs.space import Pruner


@dataclass(frozen=True)
class Judge:
    """Where a trial's values are told, epoch by epoch, and who decides whether it goes on."""

    address: str = field(repr=False)  # it may hold a password
    study: str
    trial: int  # its id
    metric: str
    pruner: Pruner


@dataclass(frozen=True)
class Task:
    """Everything that a worker needs; it can be pickled.

    Attributes
    ----------
    run : RunFolder
    config : RunConfig
        The trial's own.
    jobs : int
        How many trials share the machine's cores.
    judge : Judge or None
        None if nothing is pruned.
    """

    run: RunFolder
    config: RunConfig
    jobs: int = 1
    judge: Judge | None = None


class Prune(Callback):
    """Tells each epoch's value, and stops a trial that the pruner gives up."""

    def __init__(self, judge: Judge) -> None:
        import optuna

        from clearprop.runs.database import open_storage

        self.judge = judge
        self._database = open_storage(judge.address)
        study = optuna.load_study(study_name=judge.study, storage=self._database, pruner=judge.pruner.make())
        self.trial = optuna.trial.Trial(study, judge.trial)
        self.told = (
            self._database.get_trial(judge.trial).last_step or 0
        )  # by a run that was stopped, and goes on

    def close(self) -> None:
        self._database.engine.dispose()

    def on_epoch_end(self, training: Training) -> None:
        if training.epoch <= self.told or not is_judged(training.epoch):
            return
        value = monitored(training, self.judge.metric, "sweep")
        if self._is_given_up(value, training):
            training.stop(
                f"{PRUNED}: with {self.judge.metric} at {value:.4g} after epoch {training.epoch}, "
                f"the pruner {self.judge.pruner.name!r} gave it up"
            )

    def _is_given_up(self, value: float, training: Training) -> bool:
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

        from clearprop.runs.database import reason_of, without_password

        try:
            self.trial.report(value if value == value else nan, training.epoch)
            return bool(training.epoch < training.settings.epochs and self.trial.should_prune())
        except (StorageInternalError, SQLAlchemyError) as error:
            address = without_password(self.judge.address)
            raise FileError(
                f"sweep.storage {address}: was lost after epoch {training.epoch} ({reason_of(error)}). "
                "Go on with --resume."
            ) from None


def is_judged(epoch: int) -> bool:
    """The first hundred epochs, then each tenth, and so on: a look at all the others' values takes milliseconds."""
    every: int = 10 ** max(0, len(str(epoch)) - 2)
    return epoch % every == 0


def train_trial(task: Task) -> dict[str, Any]:
    """The summary of a trial's run, from wherever it stands: not begun, begun, or done.

    What it is refused for is its summary, too, so that the others go on. The matrix products have the trial's part of
    the machine's cores.
    """
    try:
        with threads_each(max(1, threads_now() // task.jobs)):
            return _train(task)
    except DivergedError as error:
        return {"status": "diverged", "reason": str(error)}
    except ClearpropError as error:
        return {"status": "failed", "reason": str(error)}


def _train(task: Task) -> dict[str, Any]:
    run = task.run
    if run.config.is_file() and _settings(run.read_config()) != _settings(task.config):
        raise ConfigError(
            f"{run.path}: holds a run with other settings than the trial's. Move it away, or start a sweep with "
            "another --name."
        )
    summary = run.read_summary() if run.summary.is_file() else {}
    if summary.get("status") not in ("finished", "diverged"):
        with ExitStack() as stack:
            callbacks = [] if task.judge is None else [stack.enter_context(closing(Prune(task.judge)))]
            if run.config.is_file():
                summary = resume(run, run.read_config(), callbacks).summary
            else:
                make_folder(run.path)
                summary = start(run, task.config, callbacks).summary
    if state_of(summary) == PRUNED:
        return summary | {"status": PRUNED, "reason": summary["stopped"]}
    return summary


def _settings(config: RunConfig) -> dict[str, Any]:
    """What makes the numbers: not where the data lie, nor the threads, which a run writes down when it begins."""
    tables = config.plain()
    tables["data"].pop("file", None)
    for key in ("workers", "blas_threads", "shard_size"):
        tables["training"].pop(key, None)
    return tables
