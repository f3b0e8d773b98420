"""Real steps on copies of the network: at a learning rate, and on one small batch."""

from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.callbacks import Callback
from clearprop.errors import DivergedError
from clearprop.lens.doctor.probe import without_noise
from clearprop.lens.doctor.thresholds import FEW_NUMBERS
from clearprop.lens.lr_range import anew
from clearprop.loop import Training
from clearprop.losses import Loss
from clearprop.model import Sequential
from clearprop.optim import Adam
from clearprop.optimizer import Optimizer
from clearprop.train import fit

FIRST = 5  # steps whose updates are compared with the weights


@dataclass
class Trial:
    """Some steps at one learning rate."""

    lr: float
    steps: int
    after: float  # the loss on the probed rows; infinite if it diverged
    failure: str = ""  # where NaN or infinity was born
    updates: dict[str, float] = field(default_factory=dict)  # of each weight, relative to its norm


class _Steps(Callback):
    """Stops after so many steps, and measures the first updates against the weights."""

    def __init__(self, steps: int, lr: float = 1.0) -> None:
        self.steps, self.lr = steps, lr
        self.before: dict[str, Array] = {}
        self.ratios: dict[str, list[float]] = {}

    def on_fit_start(self, training: Training) -> None:
        self._keep(training)

    def on_step_end(self, training: Training) -> None:
        if training.step <= FIRST:
            for name, ratio in update_ratios(self.before, training.model).items():
                self.ratios.setdefault(name, []).append(ratio * self.lr / training.optimizer.lr)
            self._keep(training)
        if training.step >= self.steps:
            training.stop("the trial is over")

    def _keep(self, training: Training) -> None:
        weights = weights_of(training.model)
        if not self.before:
            self.before = {
                name: view for name, view in weights.items() if view.any()
            }  # from 0 any step is far
        self.before = {name: weights[name].copy() for name in self.before}


def weights_of(model: Sequential) -> dict[str, Array]:
    """The weights by name, without biases and what normalizations learn, and without those of a few numbers."""
    return {
        name: view
        for name, view in model.named_params().items()
        if name.rpartition(".")[2] in ("w", "u") and view.size >= FEW_NUMBERS
    }


def update_ratios(before: dict[str, Array], model: Sequential) -> dict[str, float]:
    """‖w_now − w_before‖ / ‖w_before‖ of each weight that was not 0."""
    now = weights_of(model)
    norms = {name: float(np.linalg.norm(w)) for name, w in before.items()}
    return {
        name: float(np.linalg.norm(now[name] - w)) / norms[name] for name, w in before.items() if norms[name]
    }


def at_rate(
    model: Sequential,
    loss: Loss,
    optimizer: Optimizer,
    lr: float,
    x: Array,
    y: Array,
    steps: int,
    batch_size: int,
    settings: dict[str, Any],
    probed: tuple[Array, Array],
    warm: bool = False,
) -> Trial:
    """So many steps of a new optimizer of this kind at this rate; with `warm` it is reached half way."""
    twin, own, watch = model.copy(), anew(optimizer), _Steps(steps, lr)
    own.lr = lr
    if warm:
        epochs = steps / max(1, len(x) // batch_size)
        own.schedule = lambda time: lr * min(1.0, 0.05 + 1.9 * time / epochs)
    failure, after = _train(twin, loss, own, x, y, steps, batch_size, watch, settings), inf
    if not failure:
        after = loss_of(twin, loss, *probed)
        failure = "" if isfinite(after) else f"after the last step the loss is {after}"
    updates = {name: float(np.median(ratios)) for name, ratios in watch.ratios.items()}
    return Trial(lr, steps, after if isfinite(after) else inf, failure, updates)


def memorize(model: Sequential, loss: Loss, x: Array, y: Array, steps: int, good: float) -> float:
    """The least loss that Adam reaches on these few rows, over three rates; it stops where `good` is reached."""
    best = inf
    for lr in (1e-2, 1e-3, 1e-1):
        twin = without_noise(model)
        if not _train(twin, loss, Adam(lr), x, y, steps, len(x), _Steps(steps), {}):
            found = loss_of(twin, loss, x, y)
            best = min(best, found) if isfinite(found) else best
        if best <= good:
            break
    return best


def a_few_steps(model: Sequential, loss: Loss, x: Array, y: Array, lr: float = 1e-3) -> Sequential:
    """A copy, a few small steps of Adam further."""
    twin = without_noise(model)
    _train(twin, loss, Adam(lr), x, y, FIRST, len(x), _Steps(FIRST), {})
    return twin


def loss_of(model: Sequential, loss: Loss, x: Array, y: Array) -> float:
    """The mean loss as training sees it: batch norm by the batch, but without noise. The network stays as it is."""
    with np.errstate(all="ignore"):
        scores, _ = without_noise(model).forward(x, training=len(x) > 1)
        return float(loss(scores, y)[0].mean())


def _train(
    twin: Sequential,
    loss: Loss,
    optimizer: Optimizer,
    x: Array,
    y: Array,
    steps: int,
    batch_size: int,
    watch: Callback,
    settings: dict[str, Any],
) -> str:
    """Train in place; why it failed, if it did."""
    batch_size = min(batch_size, len(x))
    epochs = -(-steps // max(1, len(x) // batch_size))
    try:
        fit(
            twin, x, y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=batch_size, drop_last=True,
            callbacks=[watch], **settings,
        )  # fmt: skip
    except DivergedError as error:
        return str(error)
    return ""
