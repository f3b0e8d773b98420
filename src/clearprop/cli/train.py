"""`clearprop train`: a run from a preset or a TOML file, or the rest of one that was stopped."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clearprop.cli.presets import read_preset_or_file
from clearprop.cli.progress import ProgressBar
from clearprop.errors import ConfigError
from clearprop.history import INTERRUPTED
from clearprop.runs.config import RunConfig, make_config
from clearprop.runs.folder import COMPARISON, EXPERIMENTS, RunFolder, figure, find_run, new_folder
from clearprop.runs.run import Result, resume, start
from clearprop.runs.sweep import Outcome, best, resume_sweep, run_sweep, selection_part

Folder = Annotated[
    Path, typer.Option("--folder", envvar="CLEARPROP_EXPERIMENTS", help="Where the runs are kept.")
]


def train(
    what: Annotated[
        str | None,
        typer.Argument(metavar="PRESET|FILE.toml", help="A preset's name, or a configuration file."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting: optimizer.lr=0.01. May be repeated."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The run's name; by default the preset's or the file's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seeds the split, the weights and the shuffling.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that share every mini-batch.")] = None,
    resume_run: Annotated[
        str | None,
        typer.Option(
            "--resume", metavar="RUN", help="Continue this run, or sweep, from its last checkpoint."
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Remove a run of the same name; without it the new one gets a number."
        ),
    ] = False,
    folder: Folder = EXPERIMENTS,
) -> None:
    """Train a network and keep everything about it in experiments/NAME/.

    Ctrl-C ends the run after the current step; [bold]--resume[/] continues it as if it had never stopped.
    """
    all_changes = list(changes or [])
    all_changes += [] if seed is None else [f"seed={seed}"]
    all_changes += [] if workers is None else [f"training.workers={workers}"]
    console = Console()
    # a cluster's notice is a Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    if resume_run is None:
        _start(folder, what, name, all_changes, overwrite, console)
    elif what is not None or name is not None or overwrite:
        raise ConfigError(
            "train: --resume takes a run's name alone; leave the preset, --name and --overwrite out."
        )
    else:
        _resume(folder, resume_run, all_changes, console)


def _start(
    folder: Path, what: str | None, name: str | None, changes: list[str], overwrite: bool, console: Console
) -> None:
    if what is None:
        raise ConfigError("train: expected a preset or a TOML file, such as: clearprop train iris")
    tables, default_name = read_preset_or_file(what)
    config = make_config(tables, what, changes)
    wanted = name or default_name
    run = new_folder(folder, wanted, overwrite)
    if run.name != wanted:
        _say(console, f"{folder / wanted} exists; this run is {run.name}.")
    if config.sweep:
        _finish_sweep(run, run_sweep(run, config, lambda line: _say(console, line)), console)
    else:
        _finish(_with_bar(console, run, lambda bar: start(run, config, [bar], overwrite)), config, console)


def _resume(folder: Path, name: str, changes: list[str], console: Console) -> None:
    run = find_run(folder, name, sweeps=True)
    if run.config.is_file():
        config = run.read_config(tuple(changes))
        _finish(_with_bar(console, run, lambda bar: resume(run, config, [bar])), config, console)
    elif changes:
        raise ConfigError(
            f"{run.path}: a sweep goes on as it began; leave --set, --seed and --workers out, or start a new one."
        )
    else:
        _finish_sweep(run, resume_sweep(run, lambda line: _say(console, line)), console)


def _with_bar(console: Console, run: RunFolder, work: Callable[[ProgressBar], Result]) -> Result:
    bar = ProgressBar(console)
    try:
        return work(bar)
    except KeyboardInterrupt:  # before the first step, after the last one, or for the second time
        bar.close()
        _say(console, "Interrupted; the run is not finished.")
        if run.config.is_file():
            _say(console, f"Continue with: clearprop train --resume {run.handle}")
        raise typer.Exit(130) from None
    finally:
        bar.close()


def _finish(result: Result, config: RunConfig, console: Console) -> None:
    """The table at the end, and where things are."""
    summary, folder = result.summary, result.folder
    if result.history.stopped == INTERRUPTED:
        _say(console, f"Interrupted after {summary['steps']} steps. Continue with:")
        _say(console, f"clearprop train --resume {folder.handle}")
        raise typer.Exit(130)
    console.print(
        f"[bold]{escape(config.description or folder.name)}, seed {config.seed}[/]", highlight=False
    )
    console.print(results_table(summary))
    if summary["stopped"]:
        console.print(summary["stopped"])
    console.print(
        f"{summary['parameters']:,} parameters, {summary['epochs']} epochs in {summary['seconds']:.2f} s",
        highlight=False,
    )
    for what, path in _places(folder):
        _say(console, f"{what:<10}{path}")


def _finish_sweep(sweep: RunFolder, outcomes: list[Outcome], console: Console) -> None:
    """Which combination did best, and where the comparison is."""
    if (found := best(outcomes)) is not None:
        _say(console, f"lowest loss on {selection_part(found.summary)}: {found.folder.name}")
    _say(console, f"comparison  {sweep.path / COMPARISON}")
    states = {outcome.summary["status"] for outcome in outcomes}
    if states & {INTERRUPTED, "failed"}:
        _say(console, "Go on with what is not finished:")
        _say(console, f"clearprop train --resume {sweep.handle}")
        raise typer.Exit(130 if INTERRUPTED in states else 2)


def _say(console: Console, line: str) -> None:
    """A line as it is: paths and commands are neither coloured nor broken."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def results_table(summary: dict[str, Any]) -> Table:
    """Loss and metric of each part, the entries of the summary that have them."""
    parts = [part for part, numbers in summary.items() if isinstance(numbers, dict) and "loss" in numbers]
    metrics = list(dict.fromkeys(metric for part in parts for metric in summary[part]))
    table = Table("", *(metric.replace("_", " ") for metric in metrics), box=SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    for part in parts:
        numbers = summary[part]
        table.add_row(part, *(figure(numbers[metric]) if metric in numbers else "" for metric in metrics))
    return table


def _places(folder: RunFolder) -> list[tuple[str, Path]]:
    return [
        ("run", folder.path),
        ("weights", folder.weights),
        ("plots", folder.plots),
        ("history", folder.history),
        ("summary", folder.summary),
    ]
