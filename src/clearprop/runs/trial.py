"""One trial of a sweep, wherever it is trained: in this process, another one, or on another machine."""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from math import nan
from typing import Any

from clearprop.blas import threads_each, threads_now
from clearprop.callbacks import Callback, monitored
from clearprop.errors import ClearpropError, DivergedError
from clearprop.files import make_folder
from clearprop.loop import Training
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder
from clearprop.runs.outcomes import PRUNED
from clearprop.runs.run import resume, start
from clearprop.runs.space import Pruner


@dataclass(frozen=True)
class Judge:
    """Where a trial's values are told, epoch by epoch, and who decides whether it goes on."""

    address: str
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

        from clearprop.runs.study import open_storage

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
        if training.epoch <= self.told:
            return
        value = monitored(training, self.judge.metric, "sweep")
        self.trial.report(value if value == value else nan, training.epoch)
        if training.epoch < training.settings.epochs and self.trial.should_prune():
            training.stop(
                f"{PRUNED}: with {self.judge.metric} at {value:.4g} after epoch {training.epoch}, "
                f"the pruner {self.judge.pruner.name!r} gave it up"
            )


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
    summary = run.read_summary() if run.summary.is_file() else {}
    if summary.get("status") not in ("finished", "diverged"):
        with ExitStack() as stack:
            callbacks = [] if task.judge is None else [stack.enter_context(closing(Prune(task.judge)))]
            if run.config.is_file():
                summary = resume(run, run.read_config(), callbacks).summary
            else:
                make_folder(run.path)
                summary = start(run, task.config, callbacks).summary
    stopped = str(summary.get("stopped") or "")
    if stopped.startswith(PRUNED):
        return summary | {"status": PRUNED, "reason": stopped}
    return summary
