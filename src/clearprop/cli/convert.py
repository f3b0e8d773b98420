"""`clearprop data convert`: a table of text, however long, becomes a folder that is read where it lies."""

from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from clearprop.data.convert import convert_csv

REFRESH = 0.1  # seconds between two drawings
PACKED = (".gz", ".xz")


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV table, plain or packed (.gz, .xz).")],
    label: Annotated[str, typer.Option(metavar="first|last", help="The column of the labels.")] = "last",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The folder to make; by default the file's name.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64: of the features.")] = "float32",
    shuffle: Annotated[
        bool, typer.Option("--shuffle/--no-shuffle", help="Whether the rows are put into a random order.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seeds that order.")] = 0,
) -> None:
    """Convert a CSV table once, so that training reads it from the disk however many rows it has."""
    folder = (
        Path(Path(file.stem if file.suffix.lower() in PACKED else file.name).stem) if out is None else out
    )
    with StageBars(Console()) as bars:
        found = convert_csv(
            file, folder, cast(Literal["first", "last"], label), "auto", dtype, shuffle, seed, bars.progress
        )
    typer.echo(f"{found.rows:,} rows of {found.features} features in {found.folder}")
    if found.class_names is not None:
        typer.echo(", ".join(f"{k} = {name}" for k, name in enumerate(found.class_names)))


class StageBars:
    """On a terminal a bar for each stage of a long work; elsewhere nothing."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TimeRemainingColumn(compact=True),
        )
        self._bars = Progress(*columns, console=console, transient=True, auto_refresh=False)
        self._moving = console.is_terminal
        self._tasks: dict[str, TaskID] = {}
        self._drawn = 0.0

    def __enter__(self) -> "StageBars":
        if self._moving:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._moving:  # elsewhere stopping would print an empty line
            self._bars.stop()

    def progress(self, stage: str, done: int, total: int) -> None:
        """As `convert_csv` tells it."""
        now = perf_counter()
        if self._moving and (now - self._drawn >= REFRESH or done == total):
            self._drawn = now
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage, total=total)
            self._bars.update(self._tasks[stage], completed=done, refresh=True)
