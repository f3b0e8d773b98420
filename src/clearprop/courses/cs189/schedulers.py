"""Schedulers: the learning rate of each epoch."""

from abc import ABC, abstractmethod
from typing import Any, final

from clearprop import schedules


class Scheduler(ABC):
    """The base of the schedulers: called with an epoch, it gives that epoch's learning rate."""

    def __call__(self, epoch: float) -> float:
        return self.scheduled_lr(epoch)

    @abstractmethod
    def scheduled_lr(self, epoch: float) -> float:
        """The learning rate of an epoch, counted from 0."""


@final
class Constant(Scheduler):
    """The same learning rate in every epoch."""

    def __init__(self, lr: float) -> None:
        self.schedule = schedules.Constant(lr)

    def scheduled_lr(self, epoch: float) -> float:
        return self.schedule(epoch)


@final
class Exponential(Scheduler):
    """lr · decay^(epoch / stage_length), the exponent floored with staircase.

    >>> Exponential(lr=1.0, decay=0.25, stage_length=2)(1)
    0.5
    """

    def __init__(
        self, lr: float, decay: float = 0.99, stage_length: float = 1000, staircase: bool = False
    ) -> None:
        self.schedule = schedules.Exponential(lr, decay, stage_length, staircase)

    def scheduled_lr(self, epoch: float) -> float:
        return self.schedule(epoch)


def initialize_scheduler(
    name: str,
    lr: float,
    decay: float | None = None,
    stage_length: float | None = None,
    staircase: bool | None = None,
) -> Scheduler:
    """A scheduler by its name, constant or exponential; a setting that is None is the class's default.

    Raises
    ------
    NotImplementedError
        For a name that is not among the known ones.
    ConfigError
        For a rate, decay or length that is not a number above 0.
    """
    if name == "constant":
        return Constant(lr)
    if name == "exponential":
        settings: dict[str, Any] = {"decay": decay, "stage_length": stage_length, "staircase": staircase}
        return Exponential(lr, **{key: value for key, value in settings.items() if value is not None})
    raise NotImplementedError(f"scheduler {name!r} is not there. Known: constant, exponential.")
