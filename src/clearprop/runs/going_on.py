"""What a run goes on from, and when it does not."""

from collections.abc import Mapping
from operator import attrgetter
from shlex import quote
from typing import Any

import numpy as np

from clearprop.errors import ConfigError
from clearprop.runs.checkpoint import latest, load_state
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder


def state_to_go_on(folder: RunFolder, config: RunConfig) -> dict[str, Any] | None:
    """A run's newest checkpoint, or None if it begins at its start.

    Raises
    ------
    ConfigError
        If the run is finished, or its configuration differs from the one it began with in more than how to go on.
    """
    old = folder.read_config().anchored()
    _refuse_another(folder, old, config)
    path = latest(folder.checkpoints)
    state = None if path is None else load_state(path)
    _refuse_finished(folder, old, config, state)
    if state is not None and config.optimizer != old.optimizer:
        # the state's rate would win over the new one
        state["optimizer"]["lr"] = np.array(config.make_optimizer().lr)
    return state


def _refuse_another(folder: RunFolder, old: RunConfig, new: RunConfig) -> None:
    """The steps so far belong to these settings; the others may change on the way."""
    for key in (
        "seed",
        "data",
        "model",
        "loss",
        "training.batch_size",
        "training.shuffle",
        "training.drop_last",
    ):
        was, now = attrgetter(key)(old), attrgetter(key)(new)
        if was != now:
            raise ConfigError(
                f"{folder.path}: expected the {key} that the run began with, got another. "
                f"Start a new run with it: clearprop train {quote(str(folder.config))} --set ..."
            )


def _refuse_finished(
    folder: RunFolder, old: RunConfig, new: RunConfig, state: Mapping[str, Any] | None
) -> None:
    summary = folder.read_summary() if folder.summary.is_file() else {}
    if summary.get("status") != "finished":
        return
    if state is None:
        raise ConfigError(
            f"{folder.path}: the run is finished and its checkpoints are gone, so that nothing is left to go on from. "
            f"Start a new run: clearprop train {quote(str(folder.config))}"
        )
    if state["progress"]["epoch"] >= new.training.epochs:
        raise ConfigError(
            f"{folder.path}: all {new.training.epochs} epochs are done. To train on, ask for more: "
            f"clearprop train --resume {folder.handle} --set training.epochs={2 * new.training.epochs}"
        )
    if summary.get("stopped") and old.training.early_stopping == new.training.early_stopping:
        raise ConfigError(
            f"{folder.path}: the run has ended by {summary['stopped']}. To train on, have more patience: "
            f"clearprop train --resume {folder.handle} --set training.early_stopping.patience=..."
        )
