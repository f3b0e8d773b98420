"""`clearprop report` and `clearprop compare`: runs as a page, and side by side in a table."""

from itertools import groupby
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clearprop.cli.common import Folder
from clearprop.errors import ConfigError
from clearprop.runs.compare import Column, compare
from clearprop.runs.folder import EXPERIMENTS, find_run
from clearprop.runs.record import find_runs, read_runs

Runs = Annotated[
    list[str],
    typer.Argument(metavar="RUN...", help="Runs by their names or folders; a sweep is all of its runs."),
]
MOST_OF_SWEEP = 20  # runs in a comparison
WIDEST = 36  # columns of a setting's text


def report(
    runs: Runs,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write; without it report.html, in the run's folder if there is one run."
        ),
    ] = None,
    folder: Folder = EXPERIMENTS,
) -> None:
    """Write everything about one or several runs as one HTML file, which needs no network.

    An older report in its place is replaced; a file of another kind never is.
    """
    from clearprop.runs.report.page import check_place, write_report

    alone = find_run(folder, runs[0]) if len(runs) == 1 else None
    if out is None:
        out = (Path() if alone is None else alone.path) / "report.html"
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out {out}: expected a name that ends in .html. Write {out}.html.")
    records = read_runs(folder, runs)
    check_place(out)
    said = "replaced" if out.exists() else "written"
    size = write_report(records, out, alone if alone is not None and alone.sweep.is_file() else None)
    Console(highlight=False, soft_wrap=True).print(f"{out}: {said}, {_size(size)}", markup=False)


def compare_runs(
    runs: Runs,
    every: Annotated[
        bool, typer.Option("--all", help=f"All runs of a sweep, not only the best {MOST_OF_SWEEP}.")
    ] = False,
    folder: Folder = EXPERIMENTS,
) -> None:
    """The settings in which runs differ, and their results, as a table with the best marked."""
    records = read_runs(folder, runs, None if every else MOST_OF_SWEEP)
    comparison = compare(records)
    console = Console(highlight=False)
    for columns in fitting(comparison.runs, [*comparison.settings, *comparison.results], console):
        console.print(_table(columns))
    if any(column.best for column in comparison.results):
        typer.echo("* is the best of its column.")
    if left_out := len(find_runs(folder, runs)) - len(records):
        typer.echo(
            f"and {left_out} more; with all of them: clearprop compare {' '.join(map(quote, runs))} --all"
        )


def fitting(first: Column, others: list[Column], console: Console) -> list[list[Column]]:
    """The columns in tables that are no wider than the screen, each beginning with the first column.

    The results of a part of the data stay together.
    """
    tables: list[list[Column]] = [[first]]
    anyhow = console.options.update(width=10_000)
    for _, group in groupby(others, lambda column: column.name.split()[0] if column.number else column.name):
        columns = list(group)
        wider = [*tables[-1], *columns]
        if len(tables[-1]) > 1 and console.measure(_table(wider), options=anyhow).maximum > console.width:
            tables.append([first, *columns])
        else:
            tables[-1] = wider
    return tables


def _table(columns: list[Column]) -> Table:
    table = Table(box=SIMPLE)
    for column in columns:
        if column.number:
            table.add_column(column.name.replace(" ", "\n"), justify="right", no_wrap=True)
        else:
            table.add_column(column.name, overflow="fold", max_width=WIDEST)
    for row in range(len(columns[0].cells)):
        table.add_row(*(_cell(column, row) for column in columns))
    return table


def _cell(column: Column, row: int) -> str:
    mark = "*" if row in column.best else " " if column.best else ""
    return escape(column.cells[row] + mark)


def _size(n: int) -> str:
    return f"{n / 1e6:.1f} MB" if n >= 1e5 else f"{n / 1e3:.0f} kB"
