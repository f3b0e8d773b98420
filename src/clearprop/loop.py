"""Training: the loop, its events, and what it measures; `fit` in train.py is the way in."""

import math
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Any

import numpy as np

from clearprop.arrays import Array, check_shape
from clearprop.batches import Examples, Rows, epoch_order, n_batches, take
from clearprop.blas import threads_each
from clearprop.callbacks import Callback
from clearprop.divergence import params_not_finite, where_not_finite
from clearprop.errors import ConfigError, DivergedError
from clearprop.evaluation import evaluate_set
from clearprop.feed import Picked
from clearprop.history import INTERRUPTED, History
from clearprop.kernels.penalties import l1_gradient, l2_gradient
from clearprop.layers.spec import layer_spec
from clearprop.losses import Loss
from clearprop.messages.states import read_as_state
from clearprop.model import Sequential
from clearprop.names import check_count, check_number
from clearprop.optim import AdamW, clip_norm, clip_value
from clearprop.optimizer import Optimizer
from clearprop.parallel import Noise, Team, part_of
from clearprop.ranks import ALONE, Ranks, checksum, row_count
from clearprop.schedules import ReduceOnPlateau

COUNTS = ("epochs", "batch_size", "evaluate_every", "workers", "blas_threads", "shard_size", "seed")
EACH_ITS_OWN = ("workers", "blas_threads", "shard_size")  # of several ranks
EVENTS = ("on_fit_start", "on_epoch_start", "on_step_end", "on_epoch_end", "on_fit_end")


def backpropagate(
    model: Sequential, loss: Loss, x: Array, y: Array, share: "float | Array", noise: Noise | None = None
) -> tuple[Array, Array]:
    """The gradient of Σ share · loss into `model.grads`; each example's loss, and its scores.

    x, y: one batch        share: 1/N, or weights over N, of shape (N, 1, …)
    """
    scores, caches = model.forward(x, training=True, noise=noise)
    losses, dscores = loss(scores, y)  # one value, one row per example
    dscores *= share  # the one place where the mean is taken
    model.backward(dscores, caches)
    return losses, scores


@dataclass(frozen=True)
class Settings:
    """What `fit` is told beside network, loss, optimizer and data; under its names."""

    epochs: int = 1
    batch_size: int = 32
    evaluate_every: int | None = None
    l1: float = 0.0
    l2: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None
    shuffle: bool = True
    drop_last: bool = False
    seed: int = 0
    workers: int = 1
    blas_threads: int = 1
    shard_size: int | None = None

    def __post_init__(self) -> None:
        for name in COUNTS:
            if name not in ("evaluate_every", "shard_size") or getattr(self, name) is not None:
                count = check_count("fit", name, getattr(self, name), least=0 if name == "seed" else 1)
                object.__setattr__(self, name, count)  # 2.0 is 2
        for name in ("shuffle", "drop_last"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"fit: expected {name} to be True or False, got {getattr(self, name)!r}.")
        for name in ("l1", "l2"):
            check_number("fit", name, getattr(self, name), ">= 0", lambda v: v >= 0)
        for name in ("clip_norm", "clip_value"):
            if getattr(self, name) is not None:
                check_number("fit", name, getattr(self, name), "> 0", lambda v: v > 0)


class Training:
    """A training run in progress, as callbacks see it.

    Attributes
    ----------
    model, loss, optimizer, history, settings, ranks
    epoch : int
        Epochs finished.
    batch, batches : int
        Steps done in the current epoch, and how many it has.
    step : int
        Steps done in all.
    """

    def __init__(
        self,
        model: Sequential,
        loss: Loss,
        optimizer: Optimizer,
        x: Examples,
        y: Examples,
        weights: Examples | None,
        sets: Mapping[str, tuple[Examples, Examples]],
        callbacks: Sequence[Callback],
        settings: Settings,
        ranks: Ranks = ALONE,
    ) -> None:
        self.model, self.loss, self.optimizer, self.ranks = model, loss, optimizer, ranks
        self.x, self.y, self.weights, self.sets = x, y, weights, sets
        self.callbacks, self.settings = callbacks, settings
        self.batch_size = min(settings.batch_size, len(x))
        self.batches = n_batches(len(x), self.batch_size, settings.drop_last)
        self.rng = np.random.default_rng(settings.seed)
        self.history = History(loss.metric)
        self.epoch = self.batch = self.step = 0
        self.seconds = 0.0
        self._weight_spans = model.weight_spans()
        self._wanted = ""  # why this rank wants to stop
        self._sums = [0.0, 0.0, 0]  # of the epoch so far: losses, metric, examples
        self._order = self.rng.bit_generator.state  # from which the current epoch's order is drawn
        self._overrides = {
            event: [
                getattr(c, event)
                for c in callbacks
                if getattr(type(c), event) is not getattr(Callback, event)
            ]
            for event in EVENTS
        }

    def stop(self, reason: str) -> None:
        """End training after the current step, on all ranks; the reason stands in the history."""
        self._wanted = reason
        if self.ranks.size == 1:
            self.history.stopped = reason

    def run(self, resume: Mapping[str, Any] | None = None) -> History:
        """The whole of it, from a saved state or from the start."""
        if resume is not None:
            self.restore(resume)
        if isinstance(self.optimizer, AdamW):
            self.optimizer.decay_spans = self._weight_spans
        self._started = perf_counter() - self.seconds
        with (
            threads_each(self.settings.blas_threads, self.settings.workers),
            np.errstate(all="ignore"),
            _interruptible(self),
            Team(self.model, self.settings.workers, self.settings.shard_size, self.ranks) as self._team,
            ExitStack() as at_the_end,
        ):
            for callback in self.callbacks:
                at_the_end.callback(callback.close)
            self._begin_together()
            self._emit("on_fit_start")
            self.model.link = self.loss.link
            while self.epoch < self.settings.epochs and not self.history.stopped:
                self._run_epoch()
            if place := params_not_finite(self.model):
                raise self._diverged(self.step, place)
            self._emit("on_fit_end")
        return self.history

    def _begin_together(self) -> None:
        """The ranks begin with rank 0's parameters and generators; what they are told must be the same."""
        if self.ranks.size == 1:
            return
        weights = {} if self.weights is None else {"sample_weights": (self.weights,)}
        sets = {"training": (self.x, self.y), **weights, **self.sets}
        told = {
            **{f"layer {i}": layer_spec(layer) for i, layer in enumerate(self.model.layers)},
            "optimizer": self.optimizer.settings(),
            "loss": self.loss.spec(),
            "number of rows": {name: len(rows[0]) for name, rows in sets.items()},
            "rows (their checksums)": {name: list(map(checksum, rows)) for name, rows in sets.items()},
            **{name: value for name, value in vars(self.settings).items() if name not in EACH_ITS_OWN},
            "steps done": self.step,
        }
        self.ranks.check_same(told)
        self.model.params[...] = self.ranks.given(self.model.params)
        self.model.buffers[...] = self.ranks.given(self.model.buffers)
        self.model.rng.bit_generator.state = self.ranks.given(self.model.rng.bit_generator.state)

    def _run_epoch(self) -> None:
        if self.batch == 0:
            self._sums = [0.0, 0.0, 0]
            self._emit("on_epoch_start")
        self.rng.bit_generator.state = self._order
        order = epoch_order(
            self.x, self.batch_size, self.rng if self.settings.shuffle else None, self.settings.drop_last
        )
        for rows in islice(order, self.batch, None):
            self._step(rows)
            if self.history.stopped:
                break
        if self.batch == self.batches:
            self._end_epoch()

    def _step(self, rows: Rows | list[Picked]) -> None:
        places: Rows | None = None  # in the mini-batch, where it is shared out over ranks
        if self.ranks.size > 1:
            n = row_count(rows)
            rows, places, mine = self._own(rows)
        x, y = take(self.x, rows), take(self.y, rows)
        if places is None:
            n = mine = len(x)
        count = n if mine else math.inf
        share: float | Array = 1 / count
        if self.weights is not None:
            weights = take(self.weights, rows)
            share = (weights / count).reshape(-1, *[1] * len(self.model.output_shape))
        if self.optimizer.schedule is not None:
            self.optimizer.advance(self.epoch + self.batch / self.batches)

        def run(model: Sequential, part: slice, noise: Noise) -> tuple[float, float]:
            own = share if isinstance(share, float) else share[part]
            losses, scores = backpropagate(model, self.loss, x[part], y[part], own, noise)
            if self.weights is not None:
                losses = losses * weights[part]
            return float(np.add.reduce(losses)), self.loss.measure(scores, y[part])

        noise = self.model.draw_noise(n)
        if places is not None:
            noise = [part_of(drawn, places) for drawn in noise]
        loss, right = self._team.gradient(run, mine, noise)
        if not math.isfinite(loss):
            mine_is = math.isfinite(self._team.own_loss)
            place = self.ranks.first("" if mine_is else where_not_finite(self.model, self.loss, x, noise))
            raise self._diverged(self.step + 1, f"the loss became {loss / n}: {place}")
        self._record(loss, right, n)
        if self.settings.l1 or self.settings.l2:
            self._penalize()
        self._clip()
        self._team.step(self.optimizer)
        self.batch += 1
        self.step += 1
        if self.settings.evaluate_every and self.step % self.settings.evaluate_every == 0:
            self.history.watched.append({"step": self.step, **self._watched()})
        self._emit("on_step_end")

    def _own(self, rows: Rows | list[Picked]) -> tuple[Rows | list[Picked], Rows, int]:
        """This rank's rows of a mini-batch, their places in it, and how many they are.

        Where they are none, another row stands in, which counts for nothing.
        """
        own, places = self.ranks.share(rows)
        mine = row_count(own)
        return (own, places, mine) if mine else (*self.ranks.stand_in(rows), 0)

    def _record(self, loss: float, right: float, n: int) -> None:
        sums, steps = self._sums, self.history.steps
        sums[0] += loss
        sums[1] += right
        sums[2] += n
        steps["loss"].append(loss / n)
        steps[self.history.metric].append(right / n)
        steps["lr"].append(self.optimizer.lr)
        if "grad_norm" in steps and self.settings.clip_norm is None:
            steps["grad_norm"].append(0.0)  # a resumed run that is no longer clipped

    def _penalize(self) -> None:
        for strength, gradient in ((self.settings.l1, l1_gradient), (self.settings.l2, l2_gradient)):
            for span in self._weight_spans if strength else ():
                self.model.grads[span] += gradient(self.model.params[span], strength)

    def _clip(self) -> None:
        if self.settings.clip_value is not None:
            clip_value(self.model.grads, self.settings.clip_value)
        if self.settings.clip_norm is not None:
            norm = clip_norm(self.model.grads, self.settings.clip_norm)
            steps = self.history.steps
            unclipped = [0.0] * (len(steps["loss"]) - 1)  # the steps before a resumed run began to clip
            steps.setdefault("grad_norm", unclipped).append(norm)

    def _end_epoch(self) -> None:
        loss, right, n = self._sums
        self.epoch += 1
        self.batch = 0
        self._order = self.rng.bit_generator.state
        self.seconds = perf_counter() - self._started
        row: dict[str, float] = {
            "epoch": self.epoch,
            "step": self.step,
            "loss": loss / n,
            self.loss.metric: right / n,
        }
        row |= self._watched() | {"lr": self.optimizer.lr, "seconds": self.seconds}
        self.history.epochs.append(row)
        if isinstance(self.optimizer.schedule, ReduceOnPlateau):
            key = "loss" if self.optimizer.schedule.mode == "min" else self.loss.metric
            self.optimizer.schedule.observe(row.get(f"validation_{key}", row[key]))
        self._emit("on_epoch_end")

    def _watched(self) -> dict[str, float]:
        return {
            f"{name}_{key}": value
            for name, (x, y) in self.sets.items()
            for key, value in evaluate_set(self.model, x, y, self.loss, self.ranks).items()
        }

    def _emit(self, event: str) -> None:
        for call in self._overrides[event]:
            call(self)
        if self.ranks.size > 1:
            self.history.stopped = self.ranks.first(self._wanted)

    def _diverged(self, step: int, what: str) -> DivergedError:
        epoch = -(-step // self.batches)
        return DivergedError(
            f"step {step} (epoch {epoch}): {what}. "
            f"Lower the learning rate (now {self.optimizer.lr:g}), clip the gradients, or standardize x."
        )

    def state(self) -> dict[str, Any]:
        """Everything that a checkpoint needs to continue bit for bit: nested dicts of arrays and plain values.

        A callback that takes it in `on_epoch_end` stands behind those whose state it keeps, one that takes it in
        `on_fit_end` before `BestWeights`, which puts the best parameters back there.
        """
        return {
            "params": self.model.params.copy(),
            "buffers": self.model.buffers.copy(),
            "model_rng": self.model.rng.bit_generator.state,
            "optimizer": self.optimizer.state(),
            "order": self._order,
            "progress": {
                "epoch": self.epoch,
                "batch": self.batch,
                "step": self.step,
                "batches": self.batches,
                "sums": list(self._sums),
            },
            "seconds": perf_counter() - self._started,
            "history": self.history.state(),
            "callbacks": [callback.state() for callback in self.callbacks],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` gave, in a run of the same settings and data."""
        with read_as_state("resume"):
            self._restore(state)

    def _restore(self, state: Mapping[str, Any]) -> None:
        progress = state["progress"]
        check_shape(
            "resume", "params", state["params"].shape, self.model.params.shape, "Resume the run it came from."
        )
        for what, saved, here in (
            ("batches an epoch", progress["batches"], self.batches),
            ("callbacks", len(state["callbacks"]), len(self.callbacks)),
        ):
            if saved != here:
                raise ConfigError(
                    f"resume: expected {saved} {what}, as in the run that was saved, got {here}. "
                    "Give fit the same data and settings."
                )
        buffers = np.shape(state.get("buffers", ()))
        check_shape("resume", "buffers", buffers, self.model.buffers.shape, "Resume the run it came from.")
        self.optimizer.restore(state["optimizer"])  # refuses another's state, before anything has changed
        self.model.params[...] = state["params"]
        self.model.buffers[...] = state["buffers"]
        self.model.rng.bit_generator.state = state["model_rng"]
        self._order = self.rng.bit_generator.state = state["order"]
        self.epoch, self.batch, self.step = progress["epoch"], progress["batch"], progress["step"]
        self._sums = list(progress["sums"])
        self.seconds = state["seconds"]
        self.history.restore(state["history"])
        for callback, kept in zip(self.callbacks, state["callbacks"], strict=True):
            callback.restore(kept)


@contextmanager
def _interruptible(training: Training) -> Iterator[None]:
    """The first Ctrl-C lets the current step end; so the network is never half updated."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def interrupt(signum: int, frame: object) -> None:
        if training._wanted:
            raise KeyboardInterrupt
        training.stop(INTERRUPTED)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
