"""One training run, from its configuration to a folder that tells everything about it."""

import platform
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from operator import attrgetter
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

import clearprop
from clearprop.arrays import Array
from clearprop.callbacks import BestWeights, Callback, EarlyStopping
from clearprop.data import DiskPair, Pair
from clearprop.divergence import where_not_finite
from clearprop.errors import ConfigError, DivergedError
from clearprop.evaluation import evaluate
from clearprop.history import INTERRUPTED, History
from clearprop.loop import Training
from clearprop.losses import Loss
from clearprop.metrics import roc_auc
from clearprop.model import Sequential
from clearprop.names import unknown
from clearprop.runs.checkpoint import Checkpoints, callback_states, latest, load_state
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder
from clearprop.runs.log import MetricsLog, write_history
from clearprop.runs.plots import save_plots
from clearprop.runs.prepare import Prepared, in_memory, prepare
from clearprop.sources import RowSource
from clearprop.train import fit
from clearprop.work import choose_work


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    folder: RunFolder
    history: History
    summary: dict[str, Any]


def start(
    folder: RunFolder, config: RunConfig, callbacks: Sequence[Callback] = (), overwrite: bool = False
) -> Result:
    """Train in a new folder. What can be wrong with data or network is found before the folder is written.

    Parameters
    ----------
    folder : RunFolder
    config : RunConfig
    callbacks : sequence of Callback
    overwrite : bool
        Whether what lies in the folder is removed first, once nothing can be refused any more.

    Raises
    ------
    ClearpropError
        Whatever is wrong, in a sentence; a DivergedError's names the last good checkpoint.
    """
    with folder.locked():
        try:
            prepared = prepare(config.data, config.seed)
            return _run(folder, config.anchored(), prepared, None, callbacks, overwrite)
        except BaseException:
            folder.remove_if_empty()
            raise


def resume(folder: RunFolder, config: RunConfig, callbacks: Sequence[Callback] = ()) -> Result:
    """Continue a run from its newest checkpoint, or from its start if it was stopped before the first.

    Raises
    ------
    ConfigError
        If the run is finished, or its configuration differs from the one it began with in more than how to go on.
    DataError
        If the training data have changed since it began.
    FileError
        If another process trains it.
    """
    with folder.locked():
        old, config = folder.read_config().anchored(), config.anchored()
        _refuse_another(folder, old, config)
        path = latest(folder.checkpoints)
        state = None if path is None else load_state(path)
        _refuse_finished(folder, old, config, state)
        if state is not None and config.optimizer != old.optimizer:
            # the state's rate would win over the new one
            state["optimizer"]["lr"] = np.array(config.make_optimizer().lr)
        prepared = prepare(config.data, config.seed)
        folder.check_data(prepared.preprocessing)
        return _run(folder, config, prepared, state, callbacks)


def _refuse_another(folder: RunFolder, old: RunConfig, new: RunConfig) -> None:
    """The steps so far belong to these settings; the others may change on the way."""
    for key in (
        "seed",
        "data",
        "model",
        "loss",
        "training.batch_size",
        "training.shuffle",
        "training.drop_last",
    ):
        was, now = attrgetter(key)(old), attrgetter(key)(new)
        if was != now:
            raise ConfigError(
                f"{folder.path}: expected the {key} that the run began with, got another. "
                f"Start a new run with it: clearprop train {quote(str(folder.config))} --set ..."
            )


def _refuse_finished(
    folder: RunFolder, old: RunConfig, new: RunConfig, state: Mapping[str, Any] | None
) -> None:
    summary = folder.read_summary() if folder.summary.is_file() else {}
    if summary.get("status") != "finished":
        return
    if state is None:
        raise ConfigError(
            f"{folder.path}: the run is finished and its checkpoints are gone, so that nothing is left to go on from. "
            f"Start a new run: clearprop train {quote(str(folder.config))}"
        )
    if state["progress"]["epoch"] >= new.training.epochs:
        raise ConfigError(
            f"{folder.path}: all {new.training.epochs} epochs are done. To train on, ask for more: "
            f"clearprop train --resume {folder.handle} --set training.epochs={2 * new.training.epochs}"
        )
    if summary.get("stopped") and old.training.early_stopping == new.training.early_stopping:
        raise ConfigError(
            f"{folder.path}: the run has ended by {summary['stopped']}. To train on, have more patience: "
            f"clearprop train --resume {folder.handle} --set training.early_stopping.patience=..."
        )


def build(config: RunConfig, prepared: Prepared) -> Sequential:
    """The configuration's network for its data."""
    shape = prepared.parts["train"].x.shape[1:]
    return Sequential(config.make_layers(), shape, seed=config.seed, dtype=config.model.dtype)


class _Begin(Callback):
    """Write what a run starts with, once nothing can be refused any more: the last of the callbacks.

    The folder of checkpoints and the log may still be refused; so they come before what tells about the run.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        prepared: Prepared,
        checkpoints: Checkpoints,
        log: MetricsLog,
        overwrite: bool,
    ) -> None:
        self.folder, self.config, self.prepared, self.overwrite = folder, config, prepared, overwrite
        self.checkpoints, self.log = checkpoints, log

    def on_fit_start(self, training: Training) -> None:
        if self.overwrite:
            self.folder.clear()
        self.checkpoints.open()
        self.log.open(training.history)
        self.folder.remove_torn()
        self.folder.write_config(self.config)
        self.folder.write_json(self.folder.preprocessing, self.prepared.preprocessing.to_plain())
        self.folder.write_json(self.folder.summary, _facts(self.config, training.model, "running"))


def _run(
    folder: RunFolder,
    config: RunConfig,
    prepared: Prepared,
    state: dict[str, Any] | None,
    callbacks: Sequence[Callback],
    overwrite: bool = False,
) -> Result:
    model, loss = build(config, prepared), config.make_loss()
    _check_monitors(config, prepared, loss)
    _check_targets(prepared, loss)
    config = _with_threads(config, model, len(prepared.parts["train"].x))
    try:
        with closing(MetricsLog(folder.metrics)) as log:
            kept = _callbacks(folder, config, prepared, log, callbacks, overwrite)
            history = _fit(config, prepared, model, loss, state, kept)
        if history.stopped == INTERRUPTED:
            summary = _facts(config, model, INTERRUPTED) | _progress(history)
            folder.write_json(folder.summary, summary)
            return Result(folder, history, summary)
        results = measure(model, prepared.parts, loss)
        _check_results(results, model, prepared, loss, len(history.steps["loss"]))
    except DivergedError as error:
        folder.write_json(folder.summary, {"status": "diverged", "reason": str(error), "seed": config.seed})
        newest = latest(folder.checkpoints)
        good = f"The last good checkpoint is {newest}." if newest else "It came before the first checkpoint."
        raise DivergedError(f"{error} {good}") from None
    model.save(folder.weights)
    write_history(folder.history, history)
    save_plots(folder.plots, history, model, prepared, loss, folder.name)
    summary = _facts(config, model, "finished") | _progress(history) | results
    folder.write_json(folder.summary, summary)  # the last file: a run that is killed before can be resumed
    return Result(folder, history, summary)


def _with_threads(config: RunConfig, model: Sequential, rows: int) -> RunConfig:
    """The threads are pinned, so that a resumed run adds up in the same order."""
    t = config.training
    work = choose_work(model.layers, model.shapes, model.dtype.itemsize, min(t.batch_size, rows))
    chosen: dict[str, Any] = {} if t.workers is not None or t.blas_threads is not None else work._asdict()
    if t.shard_size is None:
        chosen["shard_size"] = work.shard_size
    pinned = t.model_copy(update=chosen)
    return config.model_copy(update={"training": pinned})


def _check_monitors(config: RunConfig, prepared: Prepared, loss: Loss) -> None:
    """Refuse a column that the history will not have before the first epoch, not after it."""
    t, watched = config.training, [name for name in prepared.parts if name != "train"]
    columns = ["loss", loss.metric, *(f"{name}_{key}" for name in watched for key in ("loss", loss.metric))]
    early = None if t.early_stopping is None else t.early_stopping.monitor
    for key, monitor in (("early_stopping.monitor", early), ("best_weights", t.best_weights)):
        if monitor is not None and monitor not in columns:
            if monitor.startswith("validation_") and "validation" not in watched:
                raise ConfigError(
                    f"training.{key}: {monitor!r} needs a validation part, and there is none. Set data.validation=0.1."
                )
            raise unknown(f"training.{key}", "column", monitor, columns)


def _check_targets(prepared: Prepared, loss: Loss) -> None:
    """The numbers of named classes stand for no amounts."""
    names = prepared.preprocessing.class_names
    if names is not None and loss.metric != "accuracy":
        raise ConfigError(
            f"loss: {loss.name} predicts numbers, and the labels are names ({', '.join(names[:3])}, …). "
            "Take softmax_cross_entropy."
        )


def _check_results(
    results: dict[str, Any], model: Sequential, prepared: Prepared, loss: Loss, steps: int
) -> None:
    """The last update can be the one that goes too far: no step after it would tell."""
    for name, numbers in results.items():
        if not isfinite(numbers["loss"]):
            x = in_memory(prepared.parts[name]).x
            with np.errstate(all="ignore"):
                place = where_not_finite(model, loss, x.astype(model.dtype), [None] * len(model.layers))
            raise DivergedError(
                f"step {steps}, the last: the loss on {name} became {numbers['loss']}: {place}."
            )


def _callbacks(
    folder: RunFolder,
    config: RunConfig,
    prepared: Prepared,
    log: MetricsLog,
    callbacks: Sequence[Callback],
    overwrite: bool,
) -> list[Callback]:
    """BestWeights comes after Checkpoints: the last checkpoint is of the last step, before the best comes back."""
    t = config.training
    checkpoints = Checkpoints(folder.checkpoints, config.checkpoints.seconds, config.checkpoints.keep)
    early = [] if t.early_stopping is None else [EarlyStopping(**t.early_stopping.model_dump())]
    best = [] if t.best_weights is None else [BestWeights(t.best_weights)]
    begin = _Begin(folder, config, prepared, checkpoints, log, overwrite)
    return [checkpoints, log, *early, *best, *callbacks, begin]


def _fit(
    config: RunConfig,
    prepared: Prepared,
    model: Sequential,
    loss: Loss,
    state: dict[str, Any] | None,
    callbacks: Sequence[Callback],
) -> History:
    t = config.training
    return fit(
        model,
        *prepared.parts["train"],
        loss=loss,
        optimizer=config.make_optimizer(),
        epochs=t.epochs,
        batch_size=t.batch_size,
        watch={name: part for name, part in prepared.parts.items() if name != "train"},
        evaluate_every=t.evaluate_every,
        l1=t.l1,
        l2=t.l2,
        clip_norm=t.clip_norm,
        clip_value=t.clip_value,
        shuffle=t.shuffle,
        drop_last=t.drop_last,
        callbacks=callbacks,
        seed=config.seed,
        workers=t.workers,
        blas_threads=t.blas_threads,
        shard_size=t.shard_size,
        resume=None if state is None else state | {"callbacks": callback_states(state, callbacks)},
    )


def measure(model: Sequential, parts: Mapping[str, Pair | DiskPair], loss: Loss) -> dict[str, Any]:
    """{"train": {"loss": …, "accuracy": …}, …} with the parameters as they are; for two classes also the auc.

    Of a training part that stays on the disk there is no auc.
    """
    with np.errstate(all="ignore"):
        results: dict[str, Any] = {
            name: evaluate(model, part.x, part.y, loss) for name, part in parts.items()
        }
        for name, (x, y) in parts.items():
            if isinstance(y, RowSource):
                if name == "train":
                    continue  # all scores would have to be in memory
                y = y.read(0, len(y))
            if np.ndim(y) == 1 and set(np.unique(y)) == {0, 1} and loss.metric == "accuracy":
                results[name]["auc"] = roc_auc(y, model.probabilities(x)[:, -1])
    return results


def _facts(config: RunConfig, model: Sequential, status: str) -> dict[str, Any]:
    return {
        "status": status,
        "description": config.description,
        "seed": config.seed,
        "parameters": int(model.params.size),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "clearprop": clearprop.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _progress(history: History) -> dict[str, Any]:
    last = history.epochs[-1] if history.epochs else {}
    return {
        "epochs": len(history.epochs),
        "steps": len(history.steps["loss"]),
        "seconds": last.get("seconds", 0.0),
        "stopped": history.stopped,
    }


def predictions_csv(labels: Array) -> str:
    """Rows Id, Category: Id counts from 0 in the file's order, Category is an integer (a number as predicted).

    Several outputs an example are Category0, Category1, …
    """
    cells = labels.reshape(len(labels), -1)
    columns = ["Category"] if cells.shape[1] == 1 else [f"Category{k}" for k in range(cells.shape[1])]
    rows = (",".join(f"{v:d}" if isinstance(v, int) else f"{v!r}" for v in row) for row in cells.tolist())
    return f"Id,{','.join(columns)}\n" + "".join(f"{i},{row}\n" for i, row in enumerate(rows))


def holds_predictions(path: Path) -> bool:
    """Whether a file begins as `predictions_csv` does."""
    start = b"Id,Category"
    with path.open("rb") as file:
        return file.read(len(start)) == start
