"""Learning rates that change with the epoch."""

from abc import ABC, abstractmethod
from math import floor


class Scheduler(ABC):
    """What all schedules share: calling one gives the learning rate of an epoch, counted from 0."""

    def __call__(self, epoch: float) -> float:
        return self.scheduled_lr(epoch)

    @abstractmethod
    def scheduled_lr(self, epoch: float) -> float:
        """The learning rate of this epoch."""


class Constant(Scheduler):
    """The same learning rate from beginning to end."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def scheduled_lr(self, epoch: float) -> float:
        """lr"""
        return self.lr


class Exponential(Scheduler):
    """lr · decay^(epoch / stage_length); with `staircase`, constant within each stage."""

    def __init__(
        self, lr: float, decay: float = 0.99, stage_length: float = 1000, staircase: bool = False
    ) -> None:
        self.lr, self.decay, self.stage_length, self.staircase = lr, decay, stage_length, staircase

    def scheduled_lr(self, epoch: float) -> float:
        """The rate falls by the factor `decay` in each stage of `stage_length` epochs."""
        stage = epoch / self.stage_length
        return self.lr * self.decay ** (floor(stage) if self.staircase else stage)


def initialize_scheduler(
    name: str,
    lr: float,
    decay: float | None = None,
    stage_length: float | None = None,
    staircase: bool | None = None,
) -> Scheduler:
    """The schedule of this name, constant or exponential; what is None has the class's default.

    Raises NotImplementedError for another name.
    """
    if name == "constant":
        return Constant(lr)
    if name == "exponential":
        settings = {"decay": decay, "stage_length": stage_length, "staircase": staircase}
        return Exponential(lr, **{key: value for key, value in settings.items() if value is not None})
    raise NotImplementedError(f"there is no scheduler {name!r}; there are constant, exponential.")
