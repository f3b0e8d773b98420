"""A run read back from its folder: what it was told, what it measured, its network and its data."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from clearprop.errors import ClearpropError, ConfigError
from clearprop.history import History
from clearprop.losses import Loss
from clearprop.messages.states import read_as_state
from clearprop.model import Sequential
from clearprop.runs.checkpoint import latest, load_state
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder, find_run
from clearprop.runs.log import read_log
from clearprop.runs.outcomes import PARTS, runs_of_sweep, state_of
from clearprop.runs.prepare import Prepared, Preprocessing, prepare
from clearprop.runs.run import build


@dataclass(frozen=True)
class Network:
    """A run's network, in which state ("after training", say), and whether it has taken a step."""

    model: Sequential
    state: str
    trained: bool = True


@dataclass
class Record:
    """A run. Its data and its network are read when they are first asked for.

    Attributes
    ----------
    folder : RunFolder
    name : str
        What it is called among the runs that are read with it.
    config : RunConfig
    summary : dict
        Empty, where the run was stopped before it was written.
    history : History
        Every step and epoch in the log.
    """

    folder: RunFolder
    name: str
    config: RunConfig
    summary: dict[str, Any]
    history: History

    @property
    def status(self) -> str:
        """finished, interrupted, diverged or not finished."""
        status = str(self.summary.get("status", "not finished"))
        return "not finished" if status == "running" else status

    @property
    def state(self) -> str:
        """The same, where a finished trial of a sweep may have been pruned."""
        return state_of(self.summary)

    @property
    def title(self) -> str:
        return self.config.description or self.name

    @cached_property
    def loss(self) -> Loss:
        return self.config.make_loss()

    @property
    def results(self) -> dict[str, dict[str, float | None]]:
        """{"train": {"loss": …, "accuracy": …}, …}: what the summary says; None stands for what is not finite."""
        return {part: self.summary[part] for part in PARTS if part in self.summary}

    @cached_property
    def preprocessing(self) -> Preprocessing | None:
        """As the run has kept it; None where it was stopped before."""
        return self.folder.read_preprocessing() if self.folder.preprocessing.is_file() else None

    @cached_property
    def data(self) -> Prepared | str:
        """The run's data, or a sentence that says why they are not there."""
        try:
            prepared = prepare(self.config.data, self.config.seed)
            self.folder.check_data(prepared.preprocessing)
        except ClearpropError as error:
            return str(error)
        return prepared

    @cached_property
    def network(self) -> Network | str:
        """The trained network, or that of the last checkpoint, or that before the first step; or a sentence.

        A run that was finished and is then resumed has weights that are older than its checkpoint.
        """
        try:
            if self.status == "finished":
                return Network(self.folder.load_model(), "after training")
            if isinstance(self.data, str):
                return f"The network of a run that is not finished is built for its data. {self.data}"
            model = build(self.config, self.data)
            model.link = self.loss.link
            if (path := latest(self.folder.checkpoints)) is None:
                return Network(model, "before the first step", trained=False)
            state = load_state(path)
            with read_as_state(str(path)):
                model.params, model.buffers[...] = state["params"], state["buffers"]
                return Network(model, f"after step {state['progress']['step']:,}")
        except ClearpropError as error:
            return str(error)

    def let_go(self) -> None:
        """Forget data and network, which may be large."""
        for name in ("data", "network"):
            self.__dict__.pop(name, None)


def find_runs(experiments: Path, names: Sequence[str], most: int | None = None) -> list[RunFolder]:
    """Runs by their names or folders; a sweep's name stands for its runs, the best first, at `most` so many.

    Raises
    ------
    ConfigError
        With the nearest name, if there is no such run; or if a sweep has none yet.
    """
    folders: dict[Path, RunFolder] = {}
    for name in names:
        found = find_run(experiments, name)
        runs = [found] if found.config.is_file() else runs_of_sweep(found)[:most]
        if not runs:
            raise ConfigError(
                f"{found.path}: a sweep without a run so far. Go on with: clearprop train --resume {found.handle}"
            )
        folders |= {run.path.resolve(): run for run in runs}
    return list(folders.values())


def read_runs(experiments: Path, names: Sequence[str], most: int | None = None) -> list[Record]:
    """The runs of `find_runs`, read."""
    found_runs = find_runs(experiments, names, most)
    called = [run.name for run in found_runs]
    return [read_run(run, run.name if called.count(run.name) == 1 else str(run.path)) for run in found_runs]


def read_run(run: RunFolder, name: str = "") -> Record:
    """One run; among others it may be called otherwise than its folder."""
    config = run.read_config()
    summary = run.read_summary() if run.summary.is_file() else {}
    return Record(run, name or run.name, config, summary, read_log(run.metrics, config.make_loss().metric))
