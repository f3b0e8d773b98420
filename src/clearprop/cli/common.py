"""What several commands share."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clearprop.cli.presets import preset_names
from clearprop.errors import ClearpropError, ConfigError
from clearprop.model import Sequential
from clearprop.names import unknown
from clearprop.runs.folder import RunFolder, find_run, names_of_runs
from clearprop.runs.outcomes import best_run

Folder = Annotated[
    Path, typer.Option("--folder", envvar="CLEARPROP_EXPERIMENTS", help="Where the runs are kept.")
]


def say(console: Console, line: str) -> None:
    """A line as it is: paths and commands are neither coloured nor broken."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def run_or_none(what: str, folder: Path, who: str, more: Sequence[str] = ()) -> RunFolder | None:
    """The run of that name or folder; None where a preset, a TOML file or one of `more` is meant.

    Raises
    ------
    ConfigError
        With the nearest name, if it is neither; with one of its trials, if it is a sweep.
    """
    try:
        found = find_run(folder, what)
    except ConfigError:
        others = {*preset_names(), *more}
        if what in others or what.endswith(".toml"):
            return None
        raise unknown(who, "run or preset", what, {*names_of_runs(folder)} | others) from None
    return _no_sweep(found, who)


def one_run(what: str, folder: Path, who: str) -> RunFolder:
    """The run of that name or folder.

    Raises
    ------
    ConfigError
        With the nearest name, if there is none; with one of its trials, if it is a sweep.
    """
    return _no_sweep(find_run(folder, what), who)


def _no_sweep(found: RunFolder, who: str) -> RunFolder:
    if found.sweep.is_file():
        raise ConfigError(f"{who}: {_is_a_sweep(found)}")
    return found


def _is_a_sweep(sweep: RunFolder) -> str:
    """What to take in its place."""
    best = best_run(sweep)
    if best is None:
        return (
            f"{sweep.path} is a sweep, and no trial of it is finished here. "
            f"Go on with: clearprop sweep --resume {sweep.handle}"
        )
    return f"{sweep.path} is a sweep. Take one of its trials, such as its best: {best.handle}"


def finished_network(run: RunFolder) -> Sequential:
    """What the run last finished with; a line on standard error says so where it has gone on since."""
    model = run.load_model()
    try:
        status = str(run.read_summary().get("status", "not finished"))
    except ClearpropError:
        status = "not finished"
    if status != "finished":
        state = "not finished" if status == "running" else status
        typer.echo(
            f"note: {run.path} is {state}; this is the network that it last finished with. "
            f"Finish it with: clearprop train --resume {run.handle}",
            err=True,
        )
    return model


def take_notice_as_ctrl_c() -> None:
    """SIGTERM, a cluster's notice, is a Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
