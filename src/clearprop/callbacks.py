"""Callbacks: what happens beside the training loop, by named events."""

from typing import TYPE_CHECKING, Any

from clearprop.arrays import Array
from clearprop.errors import ConfigError
from clearprop.history import INTERRUPTED
from clearprop.messages.calls import in_a_sentence
from clearprop.names import check_count, check_number, unknown

if TYPE_CHECKING:
    from clearprop.loop import Training


class Callback:
    """The events of a training run; override those that you need.

    Each gets the `Training` in progress: its model, optimizer, history, epoch, step, and `stop(reason)`.

    Examples
    --------
    >>> class Print(Callback):
    ...     def on_epoch_end(self, training):
    ...         print(training.history.epochs[-1]["loss"])
    """

    def __init_subclass__(cls) -> None:
        if "__init__" in vars(cls):
            cls.__init__ = in_a_sentence(cls.__init__)  # type: ignore[method-assign]

    def on_fit_start(self, training: "Training") -> None:
        """Before the first step, after a checkpoint has been restored."""

    def on_epoch_start(self, training: "Training") -> None:
        """Before an epoch's first step."""

    def on_step_end(self, training: "Training") -> None:
        """After each update of the parameters."""

    def on_epoch_end(self, training: "Training") -> None:
        """After an epoch's row has been added to the history."""

    def on_fit_end(self, training: "Training") -> None:
        """After the last step, whatever the reason; not after an error."""

    def close(self) -> None:
        """At the very end, after an error, too: give back files and the screen. May be called again."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep: arrays, numbers, strings."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""


class Best:
    """The best value of a column so far. Losses and errors are best when low, all else when high."""

    def __init__(self, monitor: str, min_delta: float = 0.0) -> None:
        self.monitor = monitor
        self.min_delta = min_delta
        self.sign = 1.0 if monitor.endswith(("loss", "error")) else -1.0
        self.forget()

    def forget(self) -> None:
        self.value = self.sign * float("inf")
        self.epoch = 0
        self.params: Array | None = None
        self.buffers: Array | None = None

    def begin(self, training: "Training", who: str) -> None:
        """A run that is not a resumed one starts anew, and is refused at once if it has no validation set."""
        if self.monitor.startswith("validation_") and "validation" not in training.sets:
            raise ConfigError(f"{who}: no {self.monitor!r} to monitor. Pass validation= to fit.")
        if training.step == 0:
            self.forget()

    def improved(self, training: "Training", who: str) -> bool:
        """Whether the epoch that has just ended is the best so far, by more than min_delta."""
        value = monitored(training, self.monitor, who)
        better = self.sign * value < self.sign * self.value - self.min_delta
        if better:
            self.value, self.epoch = value, training.epoch
        return better

    def state(self) -> dict[str, Any]:
        kept = {} if self.params is None else {"params": self.params, "buffers": self.buffers}
        return {"value": self.value, "epoch": self.epoch, **kept}

    def restore(self, state: dict[str, Any]) -> None:
        self.value, self.epoch = state["value"], state["epoch"]
        self.params, self.buffers = state.get("params"), state.get("buffers")


class _Monitor(Callback):
    """The base of those that follow a column of the history: `best` is their memory."""

    def __init__(self, best: Best) -> None:
        self.best = best

    def on_fit_start(self, training: "Training") -> None:
        self.best.begin(training, type(self).__name__)

    def state(self) -> dict[str, Any]:
        return self.best.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.best.restore(state)


class BestWeights(_Monitor):
    """Keep the parameters of the best epoch, and put them back at the end; not after Ctrl-C.

    Parameters
    ----------
    monitor : str
        A column of the history's epochs. Losses and errors are best when low, all else when high.

    Attributes
    ----------
    best : Best
        Its `value` and its `epoch`, counted from 1.
    """

    def __init__(self, monitor: str = "validation_loss") -> None:
        super().__init__(Best(monitor))

    def on_epoch_end(self, training: "Training") -> None:
        if self.best.improved(training, "BestWeights"):
            self.best.params = training.model.params.copy()
            self.best.buffers = training.model.buffers.copy()

    def on_fit_end(self, training: "Training") -> None:
        if self.best.params is not None and training.history.stopped != INTERRUPTED:
            training.model.params[...] = self.best.params
            training.model.buffers[...] = self.best.buffers


class EarlyStopping(_Monitor):
    """Stop when `patience` epochs in a row have brought nothing better (Prechelt 1998, by patience).

    Parameters
    ----------
    monitor : str
        A column of the history's epochs. Losses and errors are best when low, all else when high.
    patience : int
        How many epochs without a new best are waited for.
    min_delta : float
        How much better a new best must be.

    Examples
    --------
    >>> callbacks = [EarlyStopping(patience=5), BestWeights()]
    """

    def __init__(self, monitor: str = "validation_loss", patience: int = 10, min_delta: float = 0.0) -> None:
        delta = check_number("EarlyStopping", "min_delta", min_delta, ">= 0", lambda d: d >= 0)
        super().__init__(Best(monitor, delta))
        self.patience = check_count("EarlyStopping", "patience", patience)

    def on_fit_start(self, training: "Training") -> None:
        super().on_fit_start(training)
        self._decide(training)  # a run that had stopped stops again, unless it now has more patience

    def on_epoch_end(self, training: "Training") -> None:
        self.best.improved(training, "EarlyStopping")
        self._decide(training)

    def _decide(self, training: "Training") -> None:
        best = self.best
        if training.epoch - best.epoch >= self.patience:
            training.stop(f"early stopping: {best.monitor} was best in epoch {best.epoch} ({best.value:.4g})")


def monitored(training: "Training", column: str, who: str) -> float:
    """The last epoch's value of a column, or a sentence that says which columns there are."""
    row = training.history.epochs[-1]
    if column not in row:
        raise unknown(who, "column", column, row)
    return row[column]
