"""`clearprop sweep`: settings searched, each trial a run of its own; and the sweeps that `clearprop train` begins."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clearprop.cli.common import Folder, say, take_notice_as_ctrl_c
from clearprop.cli.presets import read_preset_or_file
from clearprop.errors import ConfigError
from clearprop.files import make_folder
from clearprop.history import INTERRUPTED
from clearprop.interop.mpi import ranks_here
from clearprop.ranks import Ranks
from clearprop.runs.compare import setting_text, short_names
from clearprop.runs.config import RunConfig, make_config
from clearprop.runs.figures import figure
from clearprop.runs.folder import COMPARISON, EXPERIMENTS, RunFolder, find_run, new_folder, plain_name
from clearprop.runs.outcomes import Outcome, best_first
from clearprop.runs.share import Now
from clearprop.runs.space import Search
from clearprop.runs.sweep import resume_sweep, run_sweep, search_of

MOST_ROWS = 20


def sweep(
    what: Annotated[
        str | None,
        typer.Argument(metavar="PRESET|FILE.toml", help="A preset or a configuration with a table [sweep]."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting: training.epochs=5. May be repeated."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The sweep's name; by default the preset's or the file's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seeds the trials' runs and the sampler.")] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="How many trials in all, where they are drawn.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="How many trials at a time, each in a process.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="An Optuna storage, which several machines may share: postgresql://…"
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="SWEEP", help="Go on with this sweep, or share its work."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Remove a sweep of the same name; without it the new one gets a number."
        ),
    ] = False,
    folder: Folder = EXPERIMENTS,
) -> None:
    """Search settings: every combination, or drawn at random, or near what has done well.

    Ctrl-C ends it after the current steps; [bold]--resume[/] goes on with what is missing.
    """
    own = {"trials": trials, "jobs": jobs, "storage": storage}
    of_sweep = [
        f"sweep.{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in own.items()
        if value is not None
    ]
    all_changes = [*(changes or []), *([] if seed is None else [f"seed={seed}"])]
    ranks, console = ranks_here(), Console()
    with ranks.together():
        if ranks.rank == 0:
            refuse_ranks("sweep", ranks)
        ranks.given(None)  # the others wait here until they are ended, so that one alone says why
    take_notice_as_ctrl_c()
    if resume is None:
        if what is None:
            raise ConfigError("sweep: expected a preset or a TOML file, such as: clearprop sweep iris-sweep")
        tables, default_name = read_preset_or_file(what)
        if "sweep" in tables or any(change.lstrip().startswith("sweep") for change in all_changes):
            all_changes += of_sweep
        config = make_config(tables, what, all_changes)
        config.make_search(what)  # refused by its name, if it has none
        begin_sweep(folder, config, name or default_name, overwrite, console)
    elif what is not None or name is not None or overwrite or all_changes:
        raise ConfigError(
            "sweep: --resume takes a sweep's name, --trials, --jobs and --storage; a sweep goes on as it began. "
            "Leave the other options out, or start a new one."
        )
    else:
        found = find_run(folder, resume)
        if not found.sweep.is_file():
            raise ConfigError(
                f"{found.path}: a run, not a sweep. Go on with: clearprop train --resume {found.handle}"
            )
        go_on_with_sweep(found, console, tuple(of_sweep))


def refuse_ranks(who: str, ranks: Ranks) -> None:
    """A sweep shares its work in another way."""
    if ranks.size > 1:
        raise ConfigError(
            f"{who}: expected one run under mpiexec, got a sweep, whose trials are runs of their own. Start it without "
            "mpiexec; --jobs trains several trials at a time, and several processes may share one sweep."
        )


def begin_sweep(folder: Path, config: RunConfig, name: str, overwrite: bool, console: Console) -> None:
    """A new sweep; or, in a storage that others use, a part in the one of that name."""
    shared = config.make_search().storage is not None
    if shared and overwrite:
        raise ConfigError(
            "sweep: --overwrite removes a folder, and no study in a storage that others may use. Choose another --name."
        )
    if shared:
        place = RunFolder(make_folder(folder / plain_name(name)))
    else:
        place = new_folder(folder, name, overwrite)
        if place.name != name:
            say(console, f"{folder / name} exists; this sweep is {place.name}.")
    with _line_of_what_runs(console) as now:
        outcomes = run_sweep(place, config, lambda line: say(console, line), now=now, join=shared)
    _finish(place, outcomes, console)


def go_on_with_sweep(place: RunFolder, console: Console, changes: tuple[str, ...] = ()) -> None:
    """The rest of a sweep."""
    with _line_of_what_runs(console) as now:
        outcomes = resume_sweep(place, lambda line: say(console, line), changes=changes, now=now)
    _finish(place, outcomes, console)


@contextmanager
def _line_of_what_runs(console: Console) -> Iterator[Now | None]:
    """On a terminal the last line says which trials are trained."""
    if not console.is_terminal:
        yield None
        return
    with console.status("") as status:

        def show(names: list[str]) -> None:
            line = Text("training " + "  ".join(names))
            line.truncate(console.width - 2, overflow="ellipsis")
            status.update(line)

        yield show


def _finish(place: RunFolder, outcomes: Sequence[Outcome], console: Console) -> None:
    """The trials in a table, which did best, and where things are."""
    search = search_of(place)
    ordered = best_first(outcomes, search)
    if ordered:
        console.print(results_table(search, ordered[:MOST_ROWS]))
    if len(ordered) > MOST_ROWS:
        say(console, f"and {len(ordered) - MOST_ROWS} more")
    if ordered and ordered[0].value is not None and ordered[0].summary["status"] == "finished":
        say(console, f"best {_words(search)}: {ordered[0].folder.name}")
    say(console, f"comparison  {place.path / COMPARISON}")
    states = {outcome.summary["status"] for outcome in outcomes}
    if len(outcomes) < search.trials or states & {INTERRUPTED, "failed"}:
        say(console, "Go on with what is not finished:")
        say(console, f"clearprop sweep --resume {place.handle}")
        if "failed" in states:
            raise typer.Exit(2)
        raise typer.Exit(130)


def results_table(search: Search, outcomes: Sequence[Outcome]) -> Table:
    """A row a trial: its number, its values, where there are several, the metric, its epochs, and how it ended."""
    table = Table(box=SIMPLE)
    table.add_column("trial", no_wrap=True)
    several = {key for key, values in search.space.items() if len(values.ends()) > 1}
    for key, name in zip(search.space, short_names(list(search.space)), strict=True):
        if key in several:
            table.add_column(name, overflow="fold")
    for head in (_words(search).replace(" ", "\n"), "epochs"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for outcome in outcomes:
        status, epochs = outcome.summary["status"], outcome.summary.get("epochs")
        values = [escape(setting_text(outcome.choice.get(key))) for key in search.space if key in several]
        number = "" if outcome.value is None else figure(outcome.value)
        table.add_row(f"{outcome.number:03d}", *values, number, "" if epochs is None else str(epochs), status)
    return table


def _words(search: Search) -> str:
    return (search.metric or "loss").replace("_", " ")
