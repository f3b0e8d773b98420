"""Ctrl-C, at a step."""

from clearprop.callbacks import Callback
from clearprop.history import INTERRUPTED
from clearprop.loop import Training


class StopAt(Callback):
    """Ends a run as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, training: Training) -> None:
        if training.step == self.step:
            training.stop(INTERRUPTED)
