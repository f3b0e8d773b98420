"""Checkpoints: a training run's whole state in one safetensors file, from which it continues bit for bit."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from clearprop.arrays import Array, check_shape
from clearprop.callbacks import Callback
from clearprop.errors import DataError
from clearprop.files import make_folder, replace_file
from clearprop.loop import Training
from clearprop.messages.states import read_as_state
from clearprop.model import Sequential
from clearprop.optimizer import Optimizer
from clearprop.storage import fill_params
from clearprop.tensors import open_tensors, strict_json

_PATTERN = "step-*.safetensors"


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested dicts and lists of arrays and plain values: the arrays as tensors, the rest as JSON."""
    from safetensors.numpy import save

    arrays: dict[str, Array] = {}
    plain = _without_arrays(state, "", arrays)
    blob = save(arrays, {"state": json.dumps(plain)})
    replace_file(path, lambda file: file.write(blob))


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` wrote.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    remedy = "Remove it to resume from the one before."
    file = open_tensors(path, "checkpoint", remedy)
    try:
        plain = strict_json(file.told["state"], numbers_only=False)
        state = _with_arrays(plain, file.read_all())
        if not isinstance(state, dict):
            raise KeyError("state")
    except (KeyError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"{path}: not a whole checkpoint ({error}). {remedy}") from None
    return dict(state)


def latest(folder: Path) -> Path | None:
    """The newest checkpoint in a folder."""
    return max(folder.glob(_PATTERN), default=None)


def restore_step(state: Mapping[str, Any], model: Sequential, optimizer: Optimizer) -> None:
    """Bring a network and an optimizer to where the next step of a checkpoint's run begins.

    Raises
    ------
    ShapeError, ConfigError, DataError
        If the state is another network's or optimizer's, or its numbers are none; the network is then as it was.
    """
    with read_as_state("checkpoint"):
        for name in ("params", "buffers"):
            check_shape(
                "checkpoint",
                name,
                state[name].shape,
                getattr(model, name).shape,
                "Take the run's own network.",
            )
        progress = state["progress"]
        epoch, batch, batches = (int(progress[name]) for name in ("epoch", "batch", "batches"))
        t = epoch + batch / batches
        rng = deepcopy(model.rng)
        rng.bit_generator.state = state["model_rng"]
        optimizer.restore(state["optimizer"])
        optimizer.advance(t)
        arrays = model.layout.views(state["params"]) | model.buffer_layout.views(state["buffers"])
        fill_params(model, arrays, "checkpoint")
        model.rng.bit_generator.state = state["model_rng"]


def callback_states(state: Mapping[str, Any], callbacks: Sequence[Callback]) -> list[dict[str, Any]]:
    """A checkpoint's states of these callbacks, in their order; one that was not there keeps its own."""
    kept = state["callbacks"]
    return [kept.get(_key(callback), callback.state()) for callback in callbacks]


def _key(callback: Callback) -> str:
    monitor = getattr(getattr(callback, "best", None), "monitor", "")
    return f"{type(callback).__name__} {monitor}".rstrip()


def _without_arrays(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    if isinstance(value, np.ndarray):
        while name in arrays:  # {"a": {"b": …}} beside {"a/b": …}
            name += "'"
        arrays[name] = np.ascontiguousarray(value).reshape(value.shape)  # which would make 0 axes 1
        return {"array": name}
    if isinstance(value, Mapping):
        return {key: _without_arrays(item, f"{name}/{key}", arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, f"{name}/{i}", arrays) for i, item in enumerate(value)]
    return value


def _with_arrays(value: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"array"}:
            return arrays[value["array"]]
        return {key: _with_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    return value


class Checkpoints(Callback):
    """Write the state when `seconds` have passed since the last time, and at the end; keep the newest few.

    `open` makes the folder, and is called when training begins. A state whose parameters are not finite is never
    written: the last good one stays. The callbacks' states are kept by their classes' names, so that a run may go on
    with others than before; see `callback_states`.

    Parameters
    ----------
    folder : Path
    seconds : float
        0 writes one after every step.
    keep : int
        How many are kept.
    """

    def __init__(self, folder: Path, seconds: float = 10.0, keep: int = 2) -> None:
        self.folder, self.seconds, self.keep = folder, seconds, keep
        self._last = monotonic()

    def open(self) -> None:
        """Make the folder, and count the seconds from now."""
        make_folder(self.folder)
        self._last = monotonic()

    def on_step_end(self, training: Training) -> None:
        if monotonic() - self._last >= self.seconds:
            self._write(training)

    def on_fit_end(self, training: Training) -> None:
        self._write(training)

    def _write(self, training: Training) -> None:
        if not np.isfinite(training.model.params).all():
            return
        state = training.state()
        state["callbacks"] = dict(zip(map(_key, training.callbacks), state["callbacks"], strict=True))
        save_state(self.folder / f"step-{training.step:09d}.safetensors", state)
        for old in sorted(self.folder.glob(_PATTERN))[: -self.keep]:
            old.unlink(missing_ok=True)
        self._last = monotonic()
