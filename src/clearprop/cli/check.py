"""`clearprop check`: the gradient-check table over everything in the library."""

from math import prod
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from clearprop.gradcheck.cases import select
from clearprop.gradcheck.report import WIDTH


def check(
    only: Annotated[
        str, typer.Option(help="A kind (kernel, layer, model), or part of a name: the cases to check.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seeds inputs, upstream gradients and directions.")] = 0,
) -> None:
    """Compare every gradient in the library with finite differences, in float64.

    Exits with status 1 if one is wrong, after a report on each that names the parameter, both numbers and the
    relative error.
    """
    table = Table("kind", "name", "numbers", "kinks", "error", "verdict", title="gradients, float64")
    for column in table.columns[2:5]:
        column.justify, column.no_wrap = "right", True
    failed = []
    for case in select(only):
        report = case.run(seed)
        checked = sum(entry.checked for entry in report.entries)
        size = sum(prod(entry.shape) for entry in report.entries)
        kinks = sum(entry.crossed + entry.on_kink for entry in report.entries)
        verdict = "ok" if report.ok else f"[bold red]{report.failures[0].verdict}[/]"
        table.add_row(
            case.kind, case.name, f"{checked}/{size}", str(kinks or ""), f"{report.error:.0e}", verdict
        )
        failed += [] if report.ok else [report]
    Console(width=WIDTH).print(table)
    for report in failed:
        typer.echo(f"\n{report}")
    if failed:
        typer.echo(f"\n{len(failed)} of {table.row_count} failed.")
        raise typer.Exit(1)
    typer.echo(f"{table.row_count} checked, all right: every relative error is at most 1e-07.")
