"""A run's log: metrics.jsonl as it happens, history.csv at the end."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from clearprop.callbacks import Callback
from clearprop.errors import FileError
from clearprop.files import replace_file
from clearprop.history import History
from clearprop.loop import Training


class MetricsLog(Callback):
    """One JSON line a step and an epoch: {"kind": "step", "step": 1, "loss": …}.

    A resumed run's lines are first written again from its checkpoint, so that none is missing or twice there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._watched = 0

    def on_fit_start(self, training: Training) -> None:
        try:
            self._file = self.path.open("w", encoding="utf-8")
        except OSError as error:
            raise FileError(f"{self.path}: the log could not be opened ({error.strerror}).") from error
        history = training.history
        for step in range(1, len(history.steps["loss"]) + 1):
            self._write_step(history, step)
        for row in history.watched:
            self._write("watched", row)
        for row in history.epochs:
            self._write("epoch", row)
        self._watched = len(history.watched)

    def on_step_end(self, training: Training) -> None:
        self._write_step(training.history, training.step)
        for row in training.history.watched[self._watched :]:
            self._write("watched", row)
        self._watched = len(training.history.watched)

    def on_epoch_end(self, training: Training) -> None:
        self._write("epoch", training.history.epochs[-1])
        self._flush()

    def on_fit_end(self, training: Training) -> None:
        self._flush()

    def close(self) -> None:
        """Close the file, whatever ended the run; what a full disk keeps out of it, a resumed run writes."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _write_step(self, history: History, step: int) -> None:
        self._write(
            "step", {"step": step} | {name: values[step - 1] for name, values in history.steps.items()}
        )

    def _write(self, kind: str, row: dict[str, Any]) -> None:
        if self._file is not None:
            with _sentence(self.path):
                self._file.write(json.dumps({"kind": kind, **row}) + "\n")

    def _flush(self) -> None:
        if self._file is not None:
            with _sentence(self.path):
                self._file.flush()


@contextmanager
def _sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(
            f"{path}: the log could not be written ({error.strerror}). Free some space, then resume the run."
        ) from error


def write_history(path: Path, history: History) -> None:
    """The epochs' rows as CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, list(history.epochs[-1]) if history.epochs else ["epoch"], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(history.epochs)
    replace_file(path, lambda file: file.write(text.getvalue().encode()))
