"""What a tracker is told about a training, and when. Nothing that goes wrong there stops the training."""

import json
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from time import monotonic
from typing import Any

import numpy as np

from clearprop.callbacks import Callback
from clearprop.history import INTERRUPTED, History
from clearprop.loop import Training
from clearprop.names import check_count

FLUSH = 5.0  # seconds between two times at which what was said is sent
FINISHED, FAILED = "finished", "failed"

Values = dict[str, float]


class Tracker(Callback):
    """The base of those that tell another tool about a training.

    They tell the columns of the history: "step/loss", … of a step, "watched/validation_loss", … of the sets that are
    evaluated between epochs, "epoch/loss", … of an epoch; all of them over the steps. A step's grad_norm is the norm of
    its gradient before it is clipped by norm. Of several ranks the first one tells.

    A training that is resumed goes on where its state was taken: what comes after it is told once. If anything fails,
    a warning says so, once, and training goes on without the tracker.

    Parameters
    ----------
    every : int
        Tell every so many steps; epochs are always told.
    hparams : mapping, optional
        The configuration, nested as it may be; by default what `fit` was told.
    """

    def __init__(self, every: int, hparams: Mapping[str, Any] | None) -> None:
        self.every = check_count(type(self).__name__, "every", every)
        self.hparams = hparams
        self._training: Training | None = None
        self._on = False  # whether it still tells
        self._status = FAILED
        self._kept: dict[str, Any] = {}  # a resumed training's
        self._watched = 0
        self._flushed = 0.0

    @abstractmethod
    def _begin(self, hparams: Mapping[str, Any], text: str, metrics: list[str]) -> bool:
        """Open file or run, and tell the configuration; whether what is resumed is there already."""

    @abstractmethod
    def _tell(self, step: int, values: Values) -> None: ...

    @abstractmethod
    def _flush(self) -> None: ...

    @abstractmethod
    def _end(self, status: str) -> None:
        """After the last thing that is told; `status` is finished, interrupted or failed."""

    @abstractmethod
    def _add_results(self, step: int, values: Values) -> None:
        """After the end."""

    def _place(self) -> str:
        """Where it tells, for the warning."""
        return type(self).__name__

    def on_fit_start(self, training: Training) -> None:
        self._training, self._status = training, FAILED
        self._on = training.ranks.rank == 0
        self._watched = len(training.history.watched)
        self._flushed = monotonic()
        self._try(self._start, training)

    def _start(self, training: Training) -> None:
        hparams = flat(_told(training) if self.hparams is None else self.hparams)
        first = (
            self._first(training) if self._begin(hparams, _text(hparams, training), _metrics(training)) else 0
        )
        for step, row in _rows(training.history, self.every, first):
            self._tell(step, row)
        if (
            (norm := self._kept.get("grad_norm"))
            and training.step % self.every == 0
            and first == training.step
        ):
            self._tell(training.step, {"step/grad_norm": norm})
        self._flush()

    def _first(self, training: Training) -> int:
        """The first step that is to be told again: the one after which the state was taken, unless its epoch's row was
        told before that, too."""
        epochs = training.history.epochs
        return training.step + (bool(epochs) and epochs[-1]["step"] == training.step)

    def on_step_end(self, training: Training) -> None:
        history, rows = training.history, []
        if training.step % self.every == 0:
            rows.append(_step(history, training.step) | self._norm())
        rows += [_watched(row) for row in history.watched[self._watched :]]
        self._watched = len(history.watched)
        for row in rows:
            self._try(self._tell, training.step, row)
        if rows:
            self._flush_now_and_then()

    def on_epoch_end(self, training: Training) -> None:
        self._try(self._tell, training.step, _epoch(training.history.epochs[-1]))
        self._flush_now_and_then()

    def on_fit_end(self, training: Training) -> None:
        if self._on:
            self._status = INTERRUPTED if training.history.stopped == INTERRUPTED else FINISHED

    def close(self) -> None:
        if self._on:
            self._try(self._end, self._status)
        self._on = False

    def results(self, results: Mapping[str, Mapping[str, float]]) -> None:
        """Tell what a finished training came to: {"test": {"loss": …}} is "final/test_loss"."""
        if self._status == FINISHED and self._training is not None and self._training.ranks.rank == 0:
            values = {
                f"final/{part}_{key}": float(v) for part, row in results.items() for key, v in row.items()
            }
            self._on = True
            self._try(self._add_results, self._training.step, values)
            self._on = False

    def state(self) -> dict[str, Any]:
        self._try(self._flush)  # what was told before a checkpoint is safe
        return {key.removeprefix("step/"): value for key, value in self._norm().items()}

    def restore(self, state: dict[str, Any]) -> None:
        self._kept = dict(state)

    def _norm(self) -> Values:
        training = self._training
        if not self._on or training is None or training.settings.clip_norm is not None:
            return {}
        return {"step/grad_norm": float(np.linalg.norm(training.model.grads))}

    def _flush_now_and_then(self) -> None:
        if self._on and monotonic() - self._flushed >= FLUSH:
            self._try(self._flush)
            self._flushed = monotonic()

    def _try(self, call: Callable[..., object], *args: Any) -> None:
        if not self._on:
            return
        try:
            call(*args)
        except Exception as error:  # whatever a full disk or another's server comes up with
            self._on, self._status = False, FAILED
            reason = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
            self._give_up()
            warnings.warn(
                f"{self._place()}: could not be told ({reason}). Training goes on without it.",
                RuntimeWarning,
                stacklevel=2,
            )

    def _give_up(self) -> None:
        """Let go of what is open, without a word."""


def flat(nested: Mapping[str, Any], above: str = "") -> dict[str, bool | int | float | str]:
    """One table of a configuration's settings, by their whole keys; lists are JSON, what is None is left out.

    >>> flat({"optimizer": {"name": "sgd", "lr": 0.1}, "layers": [{"units": 3}], "clip_norm": None})
    {'optimizer.name': 'sgd', 'optimizer.lr': 0.1, 'layers': '[{"units": 3}]'}
    """
    found: dict[str, bool | int | float | str] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{key}.")
        elif isinstance(value, bool | int | float | str):
            found[above + key] = value
        elif value is not None:
            found[above + key] = json.dumps(value, default=str)
    return found


def _told(training: Training) -> dict[str, Any]:
    return {
        "optimizer": training.optimizer.settings(),
        "loss": training.loss.spec(),
        "training": asdict(training.settings),
        "model": {"layers": ", ".join(map(str, training.model.layers)), "dtype": str(training.model.dtype)},
        "rows": len(training.x),
        "parameters": training.model.params.size,
    }


def _text(hparams: Mapping[str, Any], training: Training) -> str:
    """Configuration and network in Markdown."""
    lines = "\n".join(f"{key} = {value}" for key, value in hparams.items())
    return f"```\n{lines}\n```\n\n```\n{training.model.summary()}\n```\n"


def _metrics(training: Training) -> list[str]:
    keys = ("loss", training.loss.metric)
    return [f"epoch/{part}{key}" for part in ("", *(f"{name}_" for name in training.sets)) for key in keys]


def _step(history: History, step: int) -> Values:
    """A step's row; where a resumed run is no longer clipped the history's grad_norm is 0, and stands for nothing."""
    row = {f"step/{name}": values[step - 1] for name, values in history.steps.items()}
    return row if row.get("step/grad_norm", 1.0) else {k: v for k, v in row.items() if k != "step/grad_norm"}


def _watched(row: Mapping[str, float]) -> Values:
    return {f"watched/{key}": value for key, value in row.items() if key != "step"}


def _epoch(row: Mapping[str, float]) -> Values:
    return {f"epoch/{key}": value for key, value in row.items() if key not in ("step", "epoch")}


def _rows(history: History, every: int, first: int) -> Iterator[tuple[int, Values]]:
    """What a history holds from the step `first` on, in the order in which it came."""
    steps = range(every * -(-max(first, 1) // every), len(history.steps["loss"]) + 1, every)
    rows = [(step, _step(history, step)) for step in steps]
    rows += [(int(row["step"]), _watched(row)) for row in history.watched if row["step"] >= first]
    rows += [(int(row["step"]), _epoch(row)) for row in history.epochs if row["step"] >= first]
    yield from sorted(rows, key=lambda row: row[0])  # stable: within a step as they stand here
