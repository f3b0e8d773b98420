"""`clearprop doctor`: why a network does not learn, or that nothing is wrong with it."""

from typing import Annotated

import typer

from clearprop.cli.presets import preset_names, read_preset_or_file
from clearprop.cli.train import Folder
from clearprop.errors import ConfigError
from clearprop.lens.doctor import Diagnosis
from clearprop.names import unknown
from clearprop.runs.config import make_config
from clearprop.runs.doctor import diagnose_config, diagnose_run
from clearprop.runs.folder import EXPERIMENTS, RunFolder, all_runs, find_run


def doctor(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|PRESET", help="A run, or a preset or FILE.toml to look at before training."
        ),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a preset's setting. May be repeated."),
    ] = None,
    folder: Folder = EXPERIMENTS,
) -> None:
    """Look at network, data and history, and say what is wrong: evidence, verdict, remedy.

    Where a run and a preset have the same name it is the run; with --set it is the preset. Exits with status 1 if
    something serious is found.
    """
    found = _diagnosis(what, tuple(changes or ()), folder)
    typer.echo(str(found))
    if not found.ok:
        raise typer.Exit(1)


def _diagnosis(what: str, changes: tuple[str, ...], folder: Folder) -> Diagnosis:
    is_config = what in preset_names() or what.endswith(".toml")
    if not changes and (run := _run(what, folder)) is not None:
        return diagnose_run(run)
    if not is_config:
        runs = [str(run.path.relative_to(folder)) for run in all_runs(folder)]
        raise unknown("doctor", "run or preset", what, {*runs, *preset_names()})
    tables, name = read_preset_or_file(what)
    return diagnose_config(make_config(tables, what, changes), name)


def _run(what: str, folder: Folder) -> RunFolder | None:
    try:
        return find_run(folder, what)
    except ConfigError:
        return None
