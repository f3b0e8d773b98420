"""The command `clearprop`."""

import inspect
import re
import sys
import warnings
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import clearprop
from clearprop.cli import course, data
from clearprop.cli.check import check
from clearprop.cli.doctor import doctor
from clearprop.cli.explain import explain
from clearprop.cli.export import export
from clearprop.cli.report import compare_runs, report
from clearprop.cli.runs import eval_run, predict, presets, runs
from clearprop.cli.sweep import sweep
from clearprop.cli.train import train
from clearprop.errors import ClearpropError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Neural networks in plain NumPy, with every gradient in the open.",
    epilog="Start with:  clearprop train iris",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clearprop {clearprop.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """The options that stand before a command."""


app.command()(train)
app.command()(sweep)
app.command()(presets)
app.command()(runs)
app.command("eval")(eval_run)
app.command()(predict)
app.command()(report)
app.command("compare")(compare_runs)
app.command()(check)
app.command()(doctor)
app.command()(explain)
app.command()(export)
app.add_typer(data.app, name="data")
app.add_typer(course.app, name="course")
for group in (app, data.app, course.app):
    for command in group.registered_commands:
        # Typer keeps the source's line ends in all paragraphs but the first
        command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(command.callback) or "")


def main() -> None:
    """Run the command line; what clearprop refuses is a sentence on standard error and the exit code 2.

    A terminal gets it in lines of its width; a file or a pipe in one, to be searched and copied.
    """
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"  # without a line of our source
    try:
        app(prog_name="clearprop")
    except ClearpropError as error:
        console, said = Console(stderr=True), f"[bold red]error:[/] {escape(str(error))}"
        console.print(said, highlight=False, soft_wrap=not console.is_terminal)
        sys.exit(2)
