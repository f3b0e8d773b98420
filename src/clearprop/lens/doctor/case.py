"""A case: a network, its data and what is measured of both, each thing once and when it is first asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, prod
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.evaluation import evaluate_set
from clearprop.history import History
from clearprop.lens.doctor import thresholds as t
from clearprop.lens.doctor.finding import Finding
from clearprop.lens.doctor.probe import Pass, look
from clearprop.lens.doctor.reference import constant_loss, perfect_loss, zero_loss
from clearprop.lens.doctor.sample import Sample
from clearprop.lens.doctor.trials import Trial, a_few_steps, at_rate, memorize
from clearprop.lens.lr_range import RateRange, lr_range_test
from clearprop.losses import Loss
from clearprop.model import Sequential
from clearprop.optimizer import Optimizer

Seeing = tuple[
    str, list[Finding]
]  # what was seen in a few words ("" if there was nothing to look at), what is wrong


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
    settings: Mapping[str, Any] = field(default_factory=dict)  # fit's clip_norm and clip_value
    seed: int = 0

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
        model = self.model
        return 1 + sum(
            layer.multiply_adds(shape) for layer, shape in zip(model.layers, model.shapes, strict=False)
        )

    @cached_property
    def first(self) -> Pass:
        """A pass over the probed rows, with the network as it is."""
        return look(self.model, self.loss, *self.probed, training=len(self.probed[0]) > 1)

    @cached_property
    def later(self) -> Pass:
        """The same pass after a few small steps on the probed rows."""
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
            not self.fresh
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
        """Some steps of the optimizer at this rate; each rate is tried once."""
        if lr not in self._trials:
            steps = self.steps(t.STEPS, self.trial_batch)
            self._trials[lr] = at_rate(
                self.model, self.loss, optimizer, lr * self.shrunk, self.sample.x, self.sample.y, steps,
                self.trial_batch, dict(self.settings), self.probed, self.warms_up,
            )  # fmt: skip
            self._trials[lr].lr = lr
        return self._trials[lr]

    _trials: dict[float, Trial] = field(default_factory=dict)

    @cached_property
    def memorized(self) -> tuple[int, float, float]:
        """Rows of one small batch, the loss that is good enough for it, and the least one reached."""
        x, y = self._few_rows()
        perfect, constant = (f(self.loss, y, self.model.output_shape) for f in (perfect_loss, constant_loss))
        good = perfect + t.MEMORIZED * (constant - perfect)
        return len(x), good, memorize(self.model, self.loss, x, y, self.steps(t.MEMORIZE_STEPS, len(x)), good)

    def _few_rows(self) -> tuple[Array, Array]:
        """Different rows, no more than even a small network can learn by heart, with different answers."""
        outputs = prod(self.model.output_shape)
        narrowest = min((prod(s) for s in self.model.shapes[1:-1]), default=self.model.params.size)
        most = min(12, self.model.params.size // outputs // 2, narrowest // 2)
        x, y = self.probed
        _, firsts = np.unique(x.reshape(len(x), -1), axis=0, return_index=True)
        firsts = np.sort(firsts)
        rows = firsts[: max(2, most)]
        if len(rows) > 1 and (y[rows] == y[rows[0]]).all():  # one answer for all would teach nothing
            others = [r for r in firsts if (y[r] != y[rows[0]]).any()][: len(rows) // 2]
            rows = np.concatenate([rows[: len(rows) - len(others)], np.array(others, int)])
        return x[rows], y[rows]
