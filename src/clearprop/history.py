"""History: what a training run measured, step by step and epoch by epoch."""

from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.messages.missing import Told
from clearprop.names import unknown

INTERRUPTED = "interrupted"  # why training ended, after Ctrl-C


class History(Told):
    """What `fit` returns.

    Attributes
    ----------
    steps : dict of str to list of float
        One value a step: "loss", the metric ("accuracy" or "mean_squared_error"), "lr", and "grad_norm" where
        gradients are clipped by norm. `steps["loss"][0]` is the first mini-batch's loss, before any update.
    epochs : list of dict
        One row an epoch: "epoch", "step", "loss" and the metric averaged over the epoch's steps as they were
        taken, "validation_loss" … for each set that was watched, "lr", "seconds".
    watched : list of dict
        The same for the watched sets between epochs, with `evaluate_every`.
    stopped : str
        Why training ended: "" when all epochs were done.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.steps: dict[str, list[float]] = {"loss": [], metric: [], "lr": []}
        self.epochs: list[dict[str, float]] = []
        self.watched: list[dict[str, float]] = []
        self.stopped = ""

    def __getitem__(self, column: str) -> list[float]:
        """A column of the epochs' rows: history["validation_loss"]."""
        if self.epochs and column not in self.epochs[-1]:
            raise unknown("history", "column", column, self.epochs[-1])
        return [row[column] for row in self.epochs]

    def __repr__(self) -> str:
        last = self.epochs[-1].items() if self.epochs else ()
        said = "".join(f", {k} {v:.4g}" for k, v in last if k not in ("epoch", "step", "seconds"))
        return f"History({len(self.epochs)} epochs, {len(self.steps['loss'])} steps{said})"

    def state(self) -> dict[str, Any]:
        """Everything in it, as arrays and plain values."""
        steps: dict[str, Array] = {name: np.array(values) for name, values in self.steps.items()}
        return {
            "steps": steps,
            "epochs": [dict(row) for row in self.epochs],
            "watched": [dict(row) for row in self.watched],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""
        self.steps = {name: [float(v) for v in values] for name, values in state["steps"].items()}
        self.epochs = [dict(row) for row in state["epochs"]]
        self.watched = [dict(row) for row in state["watched"]]
