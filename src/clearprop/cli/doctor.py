"""`clearprop doctor`: why a network does not learn, or that nothing is wrong with it."""

from typing import Annotated

import typer

from clearprop.cli.common import Folder, run_or_none
from clearprop.cli.presets import preset_names, read_preset_or_file
from clearprop.errors import ConfigError
from clearprop.lens.doctor import Diagnosis
from clearprop.runs.config import make_config
from clearprop.runs.doctor import diagnose_config, diagnose_run
from clearprop.runs.folder import EXPERIMENTS
from clearprop.runs.record import read_run


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
    run = None if changes and what in preset_names() else run_or_none(what, folder, "doctor")
    if run is not None and not changes:
        return diagnose_run(read_run(run))
    if run is not None:
        raise ConfigError(
            f"doctor: --set changes a preset or a file, and {what} is a run. Leave it out, or give {run.config}."
        )
    tables, name = read_preset_or_file(what)
    return diagnose_config(make_config(tables, what, changes), name)
