"""`clearprop train`: a run from a preset or a TOML file, or the rest of one that was stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clearprop.callbacks import Callback
from clearprop.cli.common import Folder, say, take_notice_as_ctrl_c
from clearprop.cli.presets import read_preset_or_file
from clearprop.cli.sweep import begin_sweep, go_on_with_sweep, refuse_ranks
from clearprop.errors import ConfigError, DivergedError
from clearprop.history import INTERRUPTED
from clearprop.interop.mpi import ranks_here
from clearprop.ranks import Ranks
from clearprop.runs.config import RunConfig, make_config
from clearprop.runs.figures import figure
from clearprop.runs.folder import EXPERIMENTS, RunFolder, find_run, new_folder
from clearprop.runs.progress import Progress
from clearprop.runs.run import Result, resume, start


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
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard", help="Write event files for TensorBoard, too, into the run's own folder."
        ),
    ] = False,
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Record the run in MLflow, too, where MLFLOW_TRACKING_URI says.")
    ] = False,
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
    Under [bold]mpiexec -n N[/] so many processes share every mini-batch.
    """
    all_changes = list(changes or [])
    all_changes += [] if seed is None else [f"seed={seed}"]
    all_changes += [] if workers is None else [f"training.workers={workers}"]
    all_changes += ["tracking.tensorboard=true"] if tensorboard else []
    all_changes += ["tracking.mlflow=true"] if mlflow else []
    ranks = ranks_here()  # what rank 0 finds on its disk it tells the others, which may have another one
    console = Console(quiet=ranks.rank > 0)
    try:
        with ranks.together():
            if resume_run is None:
                trained = _start(folder, what, name, all_changes, overwrite, console, ranks)
            elif what is not None or name is not None or overwrite:
                raise ConfigError(
                    "train: --resume takes a run's name alone; leave the preset, --name and --overwrite out."
                )
            else:
                trained = _resume(folder, resume_run, all_changes, console, ranks)
    except DivergedError:
        if ranks.rank == 0:
            raise
        raise typer.Exit(2) from None  # all ranks have found it, and one says it
    if trained is not None:
        _finish(*trained, console)


def _start(
    folder: Path,
    what: str | None,
    name: str | None,
    changes: list[str],
    overwrite: bool,
    console: Console,
    ranks: Ranks,
) -> tuple[Result, RunConfig] | None:
    """A new run and what it came to; a sweep tells everything by itself."""

    def begin() -> tuple[RunFolder | None, RunConfig, str]:
        if what is None:
            raise ConfigError("train: expected a preset or a TOML file, such as: clearprop train iris")
        tables, default_name = read_preset_or_file(what)
        config, wanted = make_config(tables, what, changes), name or default_name
        if config.sweep is not None:
            refuse_ranks("train", ranks)
            return None, config, wanted
        run = new_folder(folder, wanted, overwrite)
        if run.name != wanted:
            say(console, f"{folder / wanted} exists; this run is {run.name}.")
        return run, config, wanted

    run, config, wanted = ranks.given(begin() if ranks.rank == 0 else None)
    take_notice_as_ctrl_c()  # not before: with it MPI ends the ranks that wait for one that was refused
    if run is None:
        begin_sweep(folder, config, wanted, overwrite, console)
        return None
    result = _with_bar(console, run, ranks, lambda callbacks: start(run, config, callbacks, overwrite, ranks))
    return result, config


def _resume(
    folder: Path, name: str, changes: list[str], console: Console, ranks: Ranks
) -> tuple[Result, RunConfig] | None:
    def find() -> tuple[RunFolder, RunConfig | None]:
        run = find_run(folder, name)
        if run.config.is_file():
            return run, run.read_config(tuple(changes))
        refuse_ranks("train", ranks)
        if changes:
            raise ConfigError(
                f"{run.path}: a sweep goes on as it began; leave --set, --seed and --workers out, or start a new one."
            )
        return run, None

    run, config = ranks.given(find() if ranks.rank == 0 else None)
    take_notice_as_ctrl_c()
    if config is None:
        go_on_with_sweep(run, console)
        return None
    result = _with_bar(console, run, ranks, lambda callbacks: resume(run, config, callbacks, ranks))
    return result, config


def _with_bar(
    console: Console, run: RunFolder, ranks: Ranks, work: Callable[[list[Callback]], Result]
) -> Result:
    bar = Progress(console)
    try:
        return work([bar] if ranks.rank == 0 else [])
    except KeyboardInterrupt:  # before the first step, after the last one, or for the second time
        bar.close()
        say(console, "Interrupted; the run is not finished.")
        if run.config.is_file():
            say(console, f"Continue with: clearprop train --resume {run.handle}")
        if ranks.size > 1:
            raise
        raise typer.Exit(130) from None
    finally:
        bar.close()


def _finish(result: Result, config: RunConfig, console: Console) -> None:
    """The table at the end, and where things are."""
    summary, folder = result.summary, result.folder
    if result.history.stopped == INTERRUPTED:
        say(console, f"Interrupted after {summary['steps']} steps. Continue with:")
        say(console, f"clearprop train --resume {folder.handle}")
        raise typer.Exit(130)
    console.print(
        f"[bold]{escape(config.description or folder.name)}, seed {config.seed}[/]", highlight=False
    )
    console.print(results_table(summary))
    if summary["stopped"]:
        console.print(summary["stopped"])
    console.print(
        f"{summary['parameters']:,} parameters, {_epochs(summary['epochs'])} in {summary['seconds']:.2f} s",
        highlight=False,
    )
    for what, path in _places(folder):
        say(console, f"{what:<10}{path}")


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"


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
