"""The progress of training: a line now and then, and on a terminal a bar."""

import sys
from time import perf_counter
from typing import TYPE_CHECKING

from clearprop.callbacks import Callback
from clearprop.loop import Training
from clearprop.runs.figures import figure

if TYPE_CHECKING:
    from rich.console import Console

REFRESH = 0.1  # seconds between two drawings
LINES = 10  # about so many stay


class Progress(Callback):
    """Shows epoch, loss, metric, examples a second and the time left, while `fit` trains.

    About ten lines stay, one an epoch at the most; a terminal gets a bar that moves below them, too. In a notebook
    and in a file there are the lines alone.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where it is shown; by default on standard output.

    Examples
    --------
    >>> import numpy as np, clearprop as cp
    >>> x, y = np.eye(4), np.array([0, 1, 1, 0])
    >>> model = cp.Sequential([cp.Dense(2)], input_shape=(4,), seed=0)
    >>> history = cp.fit(model, x, y, epochs=2, callbacks=[Progress()])
    epoch, loss and accuracy of each part:
    1/2  train 0.6330 0.5000
    2/2  train 0.6319 0.5000
    """

    def __init__(self, console: "Console | None" = None) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.console = console or _standard_output()
        self.moving = self.console.is_terminal
        self.silent = False  # on all ranks but the first
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            auto_refresh=False,
        )
        self._drawn = 0.0
        self._began = (0.0, 0)

    def on_fit_start(self, training: Training) -> None:
        self._began = (perf_counter(), training.step)
        self.silent = training.ranks.rank > 0
        if self.silent:
            return
        if training.epoch < training.settings.epochs:
            self.console.print(
                f"epoch, loss and {training.loss.metric.replace('_', ' ')} of each part:", highlight=False
            )
        if self.moving:
            total = training.settings.epochs * training.batches
            for task in self._bar.task_ids:  # of the training before
                self._bar.remove_task(task)
            self._task = self._bar.add_task("", total=total, completed=training.step, numbers="")
            self._bar.start()

    def on_step_end(self, training: Training) -> None:
        now = perf_counter()
        if self.moving and not self.silent and now - self._drawn >= REFRESH:
            self._drawn = now
            steps, metric = training.history.steps, training.loss.metric
            numbers = f"loss {steps['loss'][-1]:.4f}  {_short(metric)} {steps[metric][-1]:.3f}"
            numbers += f"  {self._rate(training):,.0f}/s"
            epochs = training.settings.epochs
            self._bar.update(
                self._task,
                completed=training.step,
                description=f"epoch {min(training.epoch + 1, epochs)}/{epochs}",
                numbers=numbers,
                refresh=True,
            )

    def on_epoch_end(self, training: Training) -> None:
        epochs = training.settings.epochs
        if self.silent:
            return
        if training.epoch % max(1, epochs // LINES) == 0 or training.epoch == epochs:
            row, metric = training.history.epochs[-1], training.loss.metric
            parts = [
                f"{name} {figure(row[key])} {figure(row[_beside(key, metric)])}" for name, key in _losses(row)
            ]
            epoch = f"{training.epoch:{len(str(epochs))}}/{epochs}"
            self.console.print(f"{epoch}  " + "   ".join(parts), highlight=False, soft_wrap=True)
            sys.stdout.flush()

    def on_fit_end(self, training: Training) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar off the screen."""
        if self.moving:  # elsewhere stopping it would print an empty line
            self._bar.stop()

    def _rate(self, training: Training) -> float:
        began, first = self._began
        return (training.step - first) * training.batch_size / max(perf_counter() - began, 1e-9)


def _standard_output() -> "Console":
    """Standard output. A notebook's says that it is a terminal, and takes plain lines alone."""
    from rich.console import Console

    console = Console()
    return Console(force_jupyter=False, force_terminal=False) if console.is_jupyter else console


def _short(metric: str) -> str:
    return {"accuracy": "acc", "mean_squared_error": "mse"}.get(metric, metric)


def _losses(row: dict[str, float]) -> list[tuple[str, str]]:
    """The sets in an epoch's row and their losses' columns: training first, then the watched ones."""
    return [("train", "loss"), *((key.removesuffix("_loss"), key) for key in row if key.endswith("_loss"))]


def _beside(key: str, metric: str) -> str:
    """The metric's column for the same set."""
    return key.removesuffix("loss") + metric
