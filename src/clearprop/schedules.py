"""Schedules of the learning rate: callables t -> lr, with t in epochs, fractional within an epoch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import cos, floor, inf, isfinite, pi
from typing import Any, final

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import ConfigError
from clearprop.messages.calls import in_a_sentence
from clearprop.names import Named, build

# A t that rounding left just below the end of a stage counts as the end.
ROUNDING = 1e-9


class Schedule(Named, ABC):
    """The base of the schedules here; any other callable t -> lr will do for an optimizer, too."""

    @abstractmethod
    def __call__(self, t: float) -> float:
        """The learning rate at the moment t, in epochs."""


@final
@dataclass(frozen=True)
class Constant(Schedule):
    """The same learning rate throughout.

    >>> Constant(0.1)(7.5)
    0.1
    """

    name = "constant"
    lr: float

    def __post_init__(self) -> None:
        self._check_positive("lr")

    def __call__(self, t: float) -> float:
        return self.lr


@final
@dataclass(frozen=True)
class Step(Schedule):
    """lr · factor^⌊t / every⌋: multiplied by the factor every so many epochs.

    >>> schedule = Step(lr=0.5, every=10, factor=0.5)
    >>> schedule(9.9), schedule(10), schedule(20)
    (0.5, 0.25, 0.125)
    """

    name = "step"
    lr: float
    every: float
    factor: float = 0.1

    def __post_init__(self) -> None:
        self._check_positive("lr", "every", "factor")

    def __call__(self, t: float) -> float:
        return self.lr * self.factor ** floor(t / self.every + ROUNDING)


@final
@dataclass(frozen=True)
class Exponential(Schedule):
    """lr · decay^(t / stage_length), the exponent floored with staircase.

    >>> Exponential(lr=1.0, decay=0.25, stage_length=2)(1)
    0.5
    >>> Exponential(lr=1.0, decay=0.25, stage_length=2, staircase=True)(1)
    1.0
    """

    name = "exponential"
    lr: float
    decay: float
    stage_length: float = 1.0
    staircase: bool = False

    def __post_init__(self) -> None:
        self._check_positive("lr", "decay", "stage_length")

    def __call__(self, t: float) -> float:
        exponent = t / self.stage_length
        return float(self.lr * self.decay ** (floor(exponent + ROUNDING) if self.staircase else exponent))


@final
@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from lr down to final, after a linear warm-up from zero.

    t < warmup: lr · t / warmup; then final + (lr − final) (1 + cos(π (t − warmup) / (epochs − warmup))) / 2,
    and final from `epochs` on.

    Notes
    -----
    Loshchilov & Hutter (2017), equation 5, without restarts; warm-up by Goyal et al. (2017), from zero.

    Examples
    --------
    >>> schedule = Cosine(lr=0.5, epochs=12, warmup=2)
    >>> schedule(1), schedule(2), schedule(7), schedule(12)
    (0.25, 0.5, 0.25, 0.0)
    """

    name = "cosine"
    lr: float
    epochs: float
    warmup: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        self._check_positive("lr", "epochs")
        self._check("warmup", f"in [0, epochs) = [0, {self.epochs:g})", lambda v: 0 <= v < self.epochs)
        self._check("final", f"in [0, lr] = [0, {self.lr:g}]", lambda v: 0 <= v <= self.lr)

    def __call__(self, t: float) -> float:
        if t < self.warmup:
            return self.lr * t / self.warmup
        return _half_cosine(self.lr, self.final, (t - self.warmup) / (self.epochs - self.warmup))


@final
@dataclass(frozen=True)
class OneCycle(Schedule):
    """One rise to lr and one fall, both half cosines.

    From lr / start_div at t = 0 to lr at t = rise · epochs, and on to lr / end_div at t = epochs.

    Notes
    -----
    Smith & Topin (2018), with cosines in place of their straight lines, as is common; the momentum
    stays as it is. PyTorch's end_div is start_div · final_div_factor.

    Examples
    --------
    >>> schedule = OneCycle(lr=0.5, epochs=10)
    >>> schedule(0), schedule(3), schedule(10)
    (0.02, 0.5, 2e-06)
    """

    name = "one_cycle"
    lr: float
    epochs: float
    rise: float = 0.3
    start_div: float = 25.0
    end_div: float = 250_000.0

    def __post_init__(self) -> None:
        self._check_positive("lr", "epochs")
        self._check("rise", "in (0, 1)", lambda v: 0 < v < 1)
        self._check("start_div", "to be >= 1", lambda v: v >= 1)
        self._check("end_div", "to be >= 1", lambda v: v >= 1)

    def __call__(self, t: float) -> float:
        top = self.rise * self.epochs
        if t < top:
            return _half_cosine(self.lr / self.start_div, self.lr, t / top)
        return _half_cosine(self.lr, self.lr / self.end_div, (t - top) / (self.epochs - top))


@final
@dataclass
class ReduceOnPlateau(Schedule):
    """Multiply the learning rate by the factor when an observed value has stopped getting better.

    After more than `patience` epochs in a row without a new best, lr ← max(lr · factor, min_lr). A value
    is a new best if it beats the old one by more than `threshold` times its size.

    Parameters
    ----------
    mode : "min" or "max"
        Whether small values are good, as losses, or large ones, as accuracies.

    Notes
    -----
    The moment t plays no part: `observe(value)` at an epoch's end is what moves it. As in PyTorch.

    Examples
    --------
    >>> schedule = ReduceOnPlateau(lr=0.5, factor=0.5, patience=1)
    >>> for loss in [1.0, 2.0, 2.0]:
    ...     schedule.observe(loss)
    >>> schedule(3.0)
    0.25
    """

    name = "reduce_on_plateau"
    lr: float
    factor: float = 0.1
    patience: int = 10
    min_lr: float = 0.0
    mode: str = "min"
    threshold: float = 1e-4
    current: float = field(init=False, repr=False)
    best: float = field(init=False, repr=False, default=inf)  # of −value where large values are good
    bad_epochs: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        self._check_positive("lr")
        self._check("factor", "in (0, 1)", lambda v: 0 < v < 1)
        self._check("patience", "to be a whole number >= 0", lambda v: v >= 0 and v == int(v))
        self._check("min_lr", f"in [0, lr] = [0, {self.lr:g}]", lambda v: 0 <= v <= self.lr)
        self._check("threshold", "in [0, 1)", lambda v: 0 <= v < 1)
        if self.mode not in ("min", "max"):
            raise ConfigError(f"ReduceOnPlateau: expected mode 'min' or 'max', got {self.mode!r}.")
        self.current = self.lr

    def __call__(self, t: float) -> float:
        return self.current

    def observe(self, value: float) -> None:
        """Take note of an epoch's value; NaN is never better."""
        value = float(value) if self.mode == "min" else -float(value)
        margin = self.threshold * abs(self.best) if isfinite(self.best) else 0.0
        if value < self.best - margin:
            self.best, self.bad_epochs = value, 0
        else:
            self.bad_epochs += 1
        if self.bad_epochs > self.patience:
            self.current, self.bad_epochs = max(self.current * self.factor, self.min_lr), 0

    def state(self) -> dict[str, Array]:
        """What a checkpoint keeps."""
        return {name: np.array(getattr(self, name)) for name in ("current", "best", "bad_epochs")}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go back to a `state()`."""
        if set(state) != {"current", "best", "bad_epochs"}:
            raise ConfigError(
                f"ReduceOnPlateau.restore: expected a state with bad_epochs, best, current, got "
                f"{', '.join(sorted(state)) or 'an empty one'}. Was it saved with another schedule?"
            )
        self.current, self.best = float(state["current"]), float(state["best"])
        self.bad_epochs = int(state["bad_epochs"])


def _half_cosine(start: float, end: float, share: float) -> float:
    """From start at share 0 to end at share 1 and beyond, level at both."""
    return end if share >= 1 else start - (start - end) * (1 - cos(pi * share)) / 2


SCHEDULES: dict[str, type[Schedule]] = {
    schedule.name: schedule for schedule in (Constant, Step, Exponential, Cosine, OneCycle, ReduceOnPlateau)
}


for _kind in SCHEDULES.values():  # dataclass has made their __init__ only now
    _kind.__init__ = in_a_sentence(_kind.__init__)  # type: ignore[method-assign]


def make_schedule(spec: str | Mapping[str, Any] | Schedule) -> Schedule:
    """A schedule from a mapping of its name and settings.

    >>> make_schedule({"name": "step", "lr": 0.1, "every": 30})
    Step(lr=0.1, every=30, factor=0.1)
    """
    return spec if isinstance(spec, Schedule) else build("schedule", spec, SCHEDULES)
