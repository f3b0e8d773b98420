"""TensorBoard's event files, through tensorboardX."""

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from socket import gethostname
from time import time
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import ConfigError
from clearprop.interop.tracking.tracker import FINISHED, Tracker, Values
from clearprop.loop import Training

PATTERN = "events.out.tfevents.*"
BINS = 30


class TensorBoard(Tracker):
    """Write a training's curves, histograms and configuration into a folder that TensorBoard shows.

    A new training does not mix with one whose files lie in the folder: it takes the folder's name with a number. A
    resumed one goes on in its own, and TensorBoard leaves out what had been written after its checkpoint.

    Parameters
    ----------
    folder : str or Path
        Made if it does not exist.
    every : int
        Write every so many steps; epochs are always written.
    histograms : bool
        Whether to write, after each epoch, the distribution of each parameter and of its last gradient.
    hparams : mapping, optional
        The configuration, nested as it may be; by default what `fit` was told.

    Attributes
    ----------
    folder : Path
        Where this training writes.

    Raises
    ------
    ConfigError
        If tensorboardX is not installed.

    Examples
    --------
    >>> callbacks = [TensorBoard("logs/iris")]  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        every: int = 1,
        histograms: bool = False,
        hparams: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(every, hparams)
        self.given = self.folder = Path(folder)
        self.histograms = histograms
        self._tools = _Tools()
        self._file: Any = None

    def _place(self) -> str:
        return f"TensorBoard, {self.folder}"

    def state(self) -> dict[str, Any]:
        return super().state() | {"name": self.folder.name}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        if state.get("name", "").startswith(self.given.name):
            self.folder = self.given.with_name(state["name"])

    def _begin(self, hparams: Mapping[str, Any], text: str, metrics: list[str]) -> bool:
        assert self._training is not None
        if self._training.step == 0:
            self.folder = _free(self.given)
        continued = any(self.folder.glob(PATTERN))
        self._open()
        if continued:
            self._put(self._tools.restart(self._first(self._training)))
        experiment, start, self._last_words = self._tools.hparams(dict(hparams), dict.fromkeys(metrics, 0.0))
        for summary in (experiment, start, self._tools.text("configuration", text)):
            self._write(self._training.step, summary)
        return continued

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        number = len(
            list(self.folder.glob(PATTERN))
        )  # two files of one second are two files, and in their order
        name = f"events.out.tfevents.{int(time())}.{gethostname()}.{number:04d}"
        self._file = self._tools.RecordWriter(str(self.folder / name))
        self._put(self._tools.Event(wall_time=time(), file_version="brain.Event:2"))

    def _tell(self, step: int, values: Values) -> None:
        self._write(step, self._tools.scalars(values))

    def on_epoch_end(self, training: Training) -> None:
        if self.histograms:
            self._try(self._tell_histograms, training)
        super().on_epoch_end(training)

    def _tell_histograms(self, training: Training) -> None:
        named = {"parameters": training.model.named_params(), "gradients": training.model.named_grads()}
        for kind, arrays in named.items():
            for name, array in arrays.items():
                if (values := _finite(array)).size:
                    self._write(training.step, self._tools.histogram(f"{kind}/{name}", values, BINS))

    def _write(self, step: int, summary: Any) -> None:
        self._put(self._tools.Event(wall_time=time(), step=step, summary=summary))

    def _put(self, event: Any) -> None:
        self._file.write(event.SerializeToString())

    def _flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def _end(self, status: str) -> None:
        if self._file is not None:
            assert self._training is not None
            if status == FINISHED:
                self._write(self._training.step, self._last_words)
            self._file.close()
            self._file = None

    def _add_results(self, step: int, values: Values) -> None:
        self._open()
        self._tell(step, values)
        self._file.close()
        self._file = None

    def _give_up(self) -> None:
        with suppress(Exception):  # it was said before
            self._file.close()
        self._file = None


class _Tools:
    """What is needed of tensorboardX: its files and messages, not its writer.

    That one writes from a thread of its own: at a full disk the thread dies, and who tells it more waits for ever.
    """

    def __init__(self) -> None:
        try:
            summary = import_module("tensorboardX.summary")
            self.RecordWriter = import_module("tensorboardX.record_writer").RecordWriter
            self._summaries = import_module("tensorboardX.proto.summary_pb2")
            self._events = import_module("tensorboardX.proto.event_pb2")
        except ImportError as error:
            raise ConfigError(
                f"TensorBoard: expected the package tensorboardX, got none ({error}). "
                "Install it: pip install 'clearprop[tensorboard]'"
            ) from None
        self.Event = self._events.Event
        self.hparams, self.text, self.histogram = summary.hparams, summary.text, summary.histogram

    def scalars(self, values: Values) -> Any:
        kind = self._summaries.Summary
        return kind(value=[kind.Value(tag=tag, simple_value=value) for tag, value in values.items()])

    def restart(self, step: int) -> Any:
        """From this step on, what the files before hold is void."""
        log = self._events.SessionLog
        return self.Event(wall_time=time(), step=step, session_log=log(status=log.START))


def _finite(array: Array) -> Array:
    return array[np.isfinite(array)].astype(np.float64)


def _free(folder: Path) -> Path:
    """The folder, or with a number the first of its name that holds no event files."""
    found, number = folder, 1
    while any(found.glob(PATTERN)):
        number += 1
        found = folder.with_name(f"{folder.name}-{number}")
    return found
