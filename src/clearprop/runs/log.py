"""A run's log: metrics.jsonl as it happens, and read back; history.csv at the end."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import isfinite, nan
from pathlib import Path
from typing import Any, TextIO

from clearprop.callbacks import Callback
from clearprop.errors import DataError, FileError
from clearprop.files import replace_file
from clearprop.history import History
from clearprop.loop import Training


class MetricsLog(Callback):
    """One JSON line a step and an epoch: {"kind": "step", "step": 1, "loss": …}.

    `open` opens the file when training begins. A resumed run's lines are first written again from its checkpoint, in
    the order in which they came, so that none is missing or twice there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._watched = 0

    def open(self, history: History) -> None:
        """Open the file, and write what a resumed run has done so far."""
        rows = [("step", _step(history, step)) for step in range(1, len(history.steps["loss"]) + 1)]
        rows += [("watched", row) for row in history.watched] + [("epoch", row) for row in history.epochs]
        rows.sort(key=lambda row: row[1]["step"])  # stable: within a step as they are added here
        try:
            self._file = self.path.open("w", encoding="utf-8")
        except OSError as error:
            raise FileError(
                f"{self.path}: the log could not be opened ({error.strerror}). Make it a file that you may write to."
            ) from error
        for kind, row in rows:
            self._write(kind, row)
        self._watched = len(history.watched)

    def on_step_end(self, training: Training) -> None:
        self._write("step", _step(training.history, training.step))
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

    def _write(self, kind: str, row: dict[str, Any]) -> None:
        if self._file is not None:
            with _sentence(self.path):
                self._file.write(to_json({"kind": kind, **row}) + "\n")

    def _flush(self) -> None:
        if self._file is not None:
            with _sentence(self.path):
                self._file.flush()


def _step(history: History, step: int) -> dict[str, float]:
    return {"step": step} | {name: values[step - 1] for name, values in history.steps.items()}


@contextmanager
def _sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(
            f"{path}: the log could not be written ({error.strerror}). Free some space, then resume the run."
        ) from error


def read_log(path: Path, metric: str) -> History:
    """The history that a log tells, however the run ended; without a log it is empty.

    Raises
    ------
    DataError
        If a line is damaged; the last one, at which a killed process may have been, is then left out.
    """
    history, lines = History(metric), path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            row = {key: nan if value is None else value for key, value in json.loads(line).items()}
            kind = row.pop("kind")
            if kind == "step":
                row.pop("step")
                for name, value in row.items():
                    history.steps.setdefault(name, []).append(value)
            else:
                (history.epochs if kind == "epoch" else history.watched).append(row)
        except (ValueError, KeyError, AttributeError) as error:
            if number < len(lines):
                raise DataError(
                    f"{path}, line {number}: not as clearprop wrote it ({error!r}). Restore the file, or train again."
                ) from None
    return history


def write_history(path: Path, history: History) -> None:
    """The epochs' rows as CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, list(history.epochs[-1]) if history.epochs else ["epoch"], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(history.epochs)
    replace_file(path, lambda file: file.write(text.getvalue().encode()))


def to_json(content: Any, indent: int | None = None) -> str:
    """JSON, which has no infinity and no NaN: null stands for them.

    >>> to_json({"loss": float("inf"), "accuracy": 0.5})
    '{"loss": null, "accuracy": 0.5}'
    """
    try:
        return json.dumps(content, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(content), indent=indent)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content
