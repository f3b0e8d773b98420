"""A case: a network, its data and what is measured of both, each thing once and when it is first asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite, prod
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.evaluation import evaluate_set
from clearprop.history import History
from clearprop.layers.base import multiply_adds
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.finding import Finding
from clearprop.lens.doctor.probe import Pass, look
from clearprop.lens.doctor.reference import constant_loss, perfect_loss, zero_loss
from clearprop.lens.doctor.sample import Sample, off_the_plane
from clearprop.lens.doctor.trials import Trial, a_few_steps, at_rate, memorize
from clearprop.lens.lr_range import RateRange, lr_range_test
from clearprop.losses import Loss
from clearprop.model import Sequential
from clearprop.optimizer import Optimizer

# What was seen in a few words ("" if there was nothing to look at), and what is wrong.
Seeing = tuple[str, list[Finding]]


@dataclass
class Case:
    """What the illnesses look at. The network is only copied and read."""

    model: Sequential
    loss: Loss
    sample: Sample
    optimizer: Optimizer | None = None
    validation: Sample | None = None
    history: History | None = None
    batch_size: int = 32
    epochs: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # fit's clip_norm, clip_value, l1 and l2
    shuffle: bool = True
    drop_last: bool = False
    seed: int = 0
    _trials: dict[tuple[type[Optimizer], float], Trial] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def probed(self) -> tuple[Array, Array]:
        """The rows of the pass: as many as are measured in reasonable time and memory."""
        numbers = sum(prod(shape) for shape in self.model.shapes)
        rows = min(t.PROBED, max(8, t.NUMBERS // max(numbers, 1)))
        rows = min(rows, max(8, int(t.WORK / (3 * self.work))))
        return self.sample.x[:rows], self.sample.y[:rows]

    @cached_property
    def work(self) -> int:
        """Multiply-adds of a row's forward pass."""
        return 1 + multiply_adds(self.model.layers, self.model.shapes)

    @cached_property
    def first(self) -> Pass:
        """A pass over the probed rows, with the network as it is."""
        return look(self.model, self.loss, *self.probed, training=len(self.probed[0]) > 1)

    @cached_property
    def later(self) -> Pass:
        """The same pass after a few small steps on the probed rows; of a single row no step is tried."""
        if len(self.probed[0]) < 2:
            return self.first
        return look(a_few_steps(self.model, self.loss, *self.probed), self.loss, *self.probed)

    @cached_property
    def some(self) -> tuple[Array, Array]:
        """Rows for evaluating: all of the sample where the work allows it."""
        rows = min(len(self.sample.x), max(len(self.probed[0]), int(t.WORK / self.work)))
        outputs = prod(self.model.output_shape)
        rows = min(rows, max(8, int(2e6 / outputs)))
        return self.sample.x[:rows], self.sample.y[:rows]

    @cached_property
    def zero(self) -> float:
        """The loss of zero scores: ln K for K classes."""
        return zero_loss(self.loss, self.some[1], self.model.output_shape)

    @cached_property
    def constant(self) -> float:
        """The loss of the best answer that does not look at x."""
        return constant_loss(self.loss, self.some[1], self.model.output_shape)

    @cached_property
    def perfect(self) -> float:
        """The least loss that the targets allow."""
        return perfect_loss(self.loss, self.some[1], self.model.output_shape)

    @cached_property
    def now(self) -> dict[str, float]:
        """Loss and metric as in prediction."""
        with np.errstate(all="ignore"):
            return evaluate_set(self.model.copy(), *self.some, self.loss)

    @property
    def to_lose(self) -> float:
        """What there is to learn: the loss that the best constant answer has and perfect ones have not."""
        return max(self.constant - self.perfect, 1e-12)

    @cached_property
    def learned(self) -> bool:
        """Whether the network has learned: half of what there is to learn, or more."""
        return (
            not self.sample.misfit
            and not self.fresh
            and isfinite(self.now["loss"])
            and self.now["loss"] - self.perfect <= t.LEARNED * self.to_lose
        )

    @cached_property
    def fresh(self) -> bool:
        """Whether the network is untrained: what always begins at the same number, such as a bias, is still there."""
        if self.history is not None:
            return False
        twins = [self.model.copy() for _ in range(2)]
        for seed, twin in enumerate(twins):
            for layer in twin.layers:
                layer.init_params(np.random.default_rng(seed))
        settled = twins[0].params == twins[1].params
        if not settled.any():
            return not self.now["loss"] < 0.9 * self.constant
        return bool((self.model.params == twins[0].params)[settled].all())

    @cached_property
    def stuck(self) -> bool:
        """Whether many steps have brought no more than always giving the same answer."""
        if self.history is None or len(self.history.steps["loss"]) < t.MANY_STEPS or self.sample.misfit:
            return False
        return self.finite and self.now["loss"] - self.perfect > (1 - t.NOTHING) * self.to_lose

    @cached_property
    def anew(self) -> "Case":
        """The same with new parameters, as before the training."""
        twin = self.model.copy()
        for layer in twin.layers:
            layer.init_params(np.random.default_rng(self.seed))
        return replace(self, model=twin, history=None)

    @property
    def state(self) -> str:
        """In a word."""
        return "untrained" if self.fresh else "trained"

    def steps(self, wanted: int, batch_size: int) -> int:
        """How many steps of a trial the work allows; 20 at least."""
        return int(min(wanted, max(20, t.WORK / (3 * self.work * batch_size))))

    @cached_property
    def trial_batch(self) -> int:
        """The batch size of trials: the user's, or what the work allows."""
        most = max(8, int(t.WORK / (3 * self.work * t.STEPS)))
        return max(2, min(self.batch_size, len(self.sample.x), most))

    @property
    def limited(self) -> bool:
        """Whether trials are shorter than they should be, or on smaller batches."""
        return self.shrunk < 1 or self.steps(t.STEPS, self.trial_batch) < t.STEPS

    @property
    def shrunk(self) -> float:
        """Batch size of the trials over the user's: the rate that suits goes with it (Goyal et al. 2017)."""
        return self.trial_batch / max(2, min(self.batch_size, self.sample.of))

    @cached_property
    def rate(self) -> float:
        """The optimizer's learning rate, of a schedule the highest."""
        if self.optimizer is None:
            return 0.0
        schedule = self.optimizer.schedule
        if schedule is None:
            return self.optimizer.lr
        return max(float(schedule(time)) for time in np.linspace(0, self.epochs or 10, 101))

    @property
    def warms_up(self) -> bool:
        """Whether a schedule begins far below its highest rate."""
        schedule = None if self.optimizer is None else self.optimizer.schedule
        return schedule is not None and float(schedule(0.0)) < t.WARM_UP * self.rate

    @cached_property
    def finite(self) -> bool:
        """Whether a pass gives numbers: without that there is nothing more to measure."""
        return bool(
            np.isfinite(self.model.params).all()
            and isfinite(self.first.loss)
            and all(np.isfinite(g).all() for g in self.first.grads.values())
        )

    @cached_property
    def rates(self) -> RateRange | None:
        """The range test, for a network that can be trained."""
        if self.optimizer is None or not self.finite or len(self.sample.x) < 4:
            return None
        size = self.trial_batch
        return lr_range_test(
            self.model, self.sample.x, self.sample.y, loss=self.loss, optimizer=self.optimizer,
            steps=self.steps(100, size), batch_size=size, seed=self.seed, clip_norm=self.settings.get("clip_norm"),
        )  # fmt: skip

    def trial(self, optimizer: Optimizer, lr: float) -> Trial:
        """Some steps of the optimizer at this rate; each is tried once. Of a single row none is taken."""
        if len(self.sample.x) < 2:
            return Trial(lr, 0, self.first.loss)
        key = type(optimizer), lr
        if key not in self._trials:
            steps = self.steps(t.STEPS, self.trial_batch)
            self._trials[key] = at_rate(
                self.model, self.loss, optimizer, lr * self.shrunk, self.sample.x, self.sample.y, steps,
                self.trial_batch, dict(self.settings), self.probed, self.warms_up,
            )  # fmt: skip
            self._trials[key].lr = lr
        return self._trials[key]

    @cached_property
    def memorized(self) -> tuple[int, float, float] | None:
        """Rows of one small batch, the loss that is good enough for it, and the least one reached.

        None if all rows are alike, or all their answers, or if there are more places with an answer than parameters
        to learn them by. Where the first rows are not learned, others are tried,
        from the other side of the data: all units of a narrow layer may happen to be 0 for two rows.
        """
        x = self.probed[0].reshape(len(self.probed[0]), -1)
        found, outputs = None, self.model.output_shape
        if len(outputs) > 1 and self.model.params.size < 4 * prod(outputs):
            return None
        for first in (0, int(np.abs(x - x[0]).sum(axis=1).argmax())):
            found = self._memorized(self._few_rows(first))
            if found is None or found[2] <= found[1]:
                break
        return found

    def _memorized(self, rows: Array) -> tuple[int, float, float] | None:
        x, y = (data[rows] for data in self.probed)
        if (y == y[0]).all():
            return None
        perfect, constant = (f(self.loss, y, self.model.output_shape) for f in (perfect_loss, constant_loss))
        good = perfect + t.MEMORIZED * (constant - perfect)
        return len(x), good, memorize(self.model, self.loss, x, y, self.steps(t.MEMORIZE_STEPS, len(x)), good)

    def _few_rows(self, first: int) -> Array:
        """Numbers of rows that even a small network can learn by heart, whatever noise is in their answers.

        They are few, and each stands off the plane through those before it, so that no two are neighbours with
        different answers; of a single feature that leaves two. If it can be, every other one has the first one's
        answer.
        """
        outputs = prod(self.model.output_shape)
        narrowest = min((prod(s) for s in self.model.shapes[1:-1]), default=self.model.params.size)
        most = max(2, min(12, self.model.params.size // outputs // 2, narrowest // 2))
        x, y = (data.reshape(len(data), -1) for data in self.probed)
        same = (y == y[first]).all(axis=1)
        place = np.where(same, np.cumsum(same), np.cumsum(~same))
        place[first] = 0
        for order in (np.lexsort((same, place)), np.array([first, *np.flatnonzero(~same)])):
            rows: Array = order[off_the_plane(x[order].astype(np.float64), most)]
            if not same[rows].all():
                break
        return rows
