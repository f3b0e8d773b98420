"""One training run, from its configuration to a folder that tells everything about it."""

import platform
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
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
from clearprop.ranks import ALONE, Ranks
from clearprop.runs.checkpoint import Checkpoints, callback_states, latest
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder
from clearprop.runs.going_on import state_to_go_on
from clearprop.runs.log import MetricsLog, write_history
from clearprop.runs.plots import save_plots
from clearprop.runs.prepare import Prepared, in_memory, prepare_together
from clearprop.runs.tracking import make_trackers
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
    folder: RunFolder,
    config: RunConfig,
    callbacks: Sequence[Callback] = (),
    overwrite: bool = False,
    ranks: Ranks = ALONE,
) -> Result:
    """Train in a new folder. What can be wrong with data or network is found before the folder is written.

    Parameters
    ----------
    folder : RunFolder
    config : RunConfig
    callbacks : sequence of Callback
    overwrite : bool
        Whether what lies in the folder is removed first, once nothing can be refused any more.
    ranks : Ranks
        Where there are several, all of them train, and rank 0 alone touches the folder.

    Raises
    ------
    ClearpropError
        Whatever is wrong, in a sentence; a DivergedError's names the last good checkpoint.
    """
    with ranks.together(), _locked(folder, ranks):
        try:
            prepared = prepare_together(config.data, config.seed, ranks)
            return _run(folder, config.anchored(), prepared, None, callbacks, ranks, overwrite)
        except BaseException:
            if ranks.rank == 0:
                folder.remove_if_empty()
            raise


def resume(
    folder: RunFolder, config: RunConfig, callbacks: Sequence[Callback] = (), ranks: Ranks = ALONE
) -> Result:
    """Continue a run from its newest checkpoint, or from its start if it was stopped before the first.

    It may go on with another number of ranks than before.

    Raises
    ------
    ConfigError
        If the run is finished, or its configuration differs from the one it began with in more than how to go on.
    DataError
        If the training data have changed since it began.
    FileError
        If another process trains it.
    """
    with ranks.together(), _locked(folder, ranks):
        config = config.anchored()
        state = ranks.given(state_to_go_on(folder, config) if ranks.rank == 0 else None)
        prepared = prepare_together(config.data, config.seed, ranks)
        if ranks.rank == 0:
            folder.check_data(prepared.preprocessing)
        return _run(folder, config, prepared, state, callbacks, ranks)


def _locked(folder: RunFolder, ranks: Ranks) -> AbstractContextManager[None]:
    return folder.locked() if ranks.rank == 0 else nullcontext()


def build(config: RunConfig, prepared: Prepared) -> Sequential:
    """The configuration's network for its data."""
    shape = prepared.parts["train"].x.shape[1:]
    return Sequential(config.make_layers(), shape, seed=config.seed, dtype=config.model.dtype)


class _Begin(Callback):
    """Write what a run starts with, once nothing can be refused any more: after all callbacks but the trackers.

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
        self.folder.write_json(
            self.folder.summary, _facts(self.config, training.model, "running", training.ranks.size)
        )


def _run(
    folder: RunFolder,
    config: RunConfig,
    prepared: Prepared,
    state: dict[str, Any] | None,
    callbacks: Sequence[Callback],
    ranks: Ranks,
    overwrite: bool = False,
) -> Result:
    model, loss = build(config, prepared), config.make_loss()
    _check_monitors(config, prepared, loss)
    _check_targets(prepared, loss)
    config = _with_threads(config, model, len(prepared.parts["train"].x), ranks)
    writes = ranks.rank == 0
    trackers = make_trackers(folder, config) if writes else []
    try:
        with closing(MetricsLog(folder.metrics)) as log:
            kept = _deciding(config)
            if writes:
                kept = [*_callbacks(folder, config, prepared, log, callbacks, overwrite), *trackers]
            history = _fit(config, prepared, model, loss, state, kept, ranks)
        if history.stopped == INTERRUPTED:
            summary = _facts(config, model, INTERRUPTED, ranks.size) | _progress(history)
            if writes:
                folder.write_json(folder.summary, summary)
            return Result(folder, history, summary)
        results = measure(model, prepared.parts, loss, ranks)
        _check_results(results, model, prepared, loss, len(history.steps["loss"]))
    except DivergedError as error:
        newest = latest(folder.checkpoints) if writes else None
        if writes:
            folder.write_json(
                folder.summary, {"status": "diverged", "reason": str(error), "seed": config.seed}
            )
        good = f"The last good checkpoint is {newest}." if newest else "It came before the first checkpoint."
        raise DivergedError(f"{error} {good}") from None
    summary = _facts(config, model, "finished", ranks.size) | _progress(history) | results
    if writes:
        model.save(folder.weights)
        write_history(folder.history, history)
        save_plots(folder.plots, history, model, prepared, loss, folder.name)
        for tracker in trackers:
            tracker.results(results)
        folder.write_json(
            folder.summary, summary
        )  # the last file: a run that is killed before can be resumed
    return Result(folder, history, summary)


def _with_threads(config: RunConfig, model: Sequential, rows: int, ranks: Ranks) -> RunConfig:
    """The threads are pinned, so that a resumed run adds up in the same order; those of several ranks are not."""
    if ranks.size > 1:
        return config
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
    checkpoints = Checkpoints(folder.checkpoints, config.checkpoints.seconds, config.checkpoints.keep)
    begin = _Begin(folder, config, prepared, checkpoints, log, overwrite)
    return [checkpoints, log, *_deciding(config), *callbacks, begin]


def _deciding(config: RunConfig) -> list[Callback]:
    """The callbacks that change what comes out, which every rank has."""
    t = config.training
    early = [] if t.early_stopping is None else [EarlyStopping(**t.early_stopping.model_dump())]
    best = [] if t.best_weights is None else [BestWeights(t.best_weights)]
    return [*early, *best]


def _fit(
    config: RunConfig,
    prepared: Prepared,
    model: Sequential,
    loss: Loss,
    state: dict[str, Any] | None,
    callbacks: Sequence[Callback],
    ranks: Ranks,
) -> History:
    t = config.training
    workers, blas_threads = t.workers, t.blas_threads
    if ranks.size > 1:  # what one process had would be too many for several
        workers = workers and min(workers, ranks.threads)
        blas_threads = blas_threads and max(1, min(blas_threads, ranks.threads // (workers or 1)))
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
        workers=workers,
        blas_threads=blas_threads,
        shard_size=t.shard_size,
        resume=None if state is None else state | {"callbacks": callback_states(state, callbacks)},
        comm=ranks.comm,
    )


def measure(
    model: Sequential, parts: Mapping[str, Pair | DiskPair], loss: Loss, ranks: Ranks = ALONE
) -> dict[str, Any]:
    """{"train": {"loss": …, "accuracy": …}, …} with the parameters as they are; for two classes also the auc.

    Of a training part that stays on the disk there is no auc.
    """
    with np.errstate(all="ignore"):
        results: dict[str, Any] = {
            name: evaluate(model, part.x, part.y, loss, ranks.comm) for name, part in parts.items()
        }
        for name, (x, y) in parts.items():
            if isinstance(y, RowSource):
                if name == "train":
                    continue  # all scores would have to be in memory
                y = y.read(0, len(y))
            two = model.output_shape in ((1,), (2,)) and loss.metric == "accuracy"
            if two and np.ndim(y) == 1 and set(np.unique(y)) == {0, 1}:
                own = ranks.part(len(y))
                rows = x.part(own.start, own.stop) if isinstance(x, RowSource) else x[own]
                results[name]["auc"] = roc_auc(y, ranks.joined(_rather_a_one(model, rows, loss)))
    return results


def _rather_a_one(model: Sequential, x: Any, loss: Loss) -> Array:
    """What is higher for what is rather of class 1: its probability, or how far its margin is ahead."""
    if loss.link != "argmax":
        return model.probabilities(x)[:, -1]
    scores = model.scores(x)
    ahead: Array = scores[:, 1] - scores[:, 0]
    return ahead


def _facts(config: RunConfig, model: Sequential, status: str, ranks: int) -> dict[str, Any]:
    return {
        "status": status,
        "description": config.description,
        "seed": config.seed,
        "parameters": int(model.params.size),
        "ranks": ranks,
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
