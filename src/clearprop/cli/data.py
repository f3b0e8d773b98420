"""`clearprop data`: the data sets, where they lie, and whether they are as published."""

from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from clearprop.cli.convert import convert
from clearprop.data import registry
from clearprop.data.download import fetch as fetch_files
from clearprop.errors import DataError

app = typer.Typer(no_args_is_help=True, help="Data sets: list, fetch, verify, where they lie; and convert.")
app.command()(convert)

Name = Annotated[str, typer.Argument(help="A data set's name, as `clearprop data list` prints it.")]


@app.command("list")
def list_sets() -> None:
    """The data sets that clearprop knows, and which are in place."""
    table = Table("name", "what", "licence", "size", "state", box=SIMPLE)
    table.columns[3].justify = "right"
    for name, source in registry.SOURCES.items():
        size = sum(file.size for file in source.files)
        shown = _size(size) if size else ""
        table.add_row(name, source.description, source.licence, shown, _state(source))
    Console().print(table)
    typer.echo(f"The data folder: {registry.data_folder()}")


@app.command()
def fetch(name: Name) -> None:
    """Download a data set, check it by its SHA-256, and put it into the data folder."""
    source = registry.source(name)
    if not source.files:
        typer.echo(f"{name}: generated, there is nothing to fetch.")
        return
    for path in fetch_files(name):
        typer.echo(path)
    typer.echo(f"{name}: in place. Licence: {source.licence}. Cite {source.citation}.")


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="A data set; without it, all of them.")] = None,
) -> None:
    """Compare the files in the data folder with what was published."""
    names = [name] if name else [each for each, source in registry.SOURCES.items() if source.files]
    if not registry.source(names[0]).files:
        typer.echo(f"{name}: generated, there is nothing to verify.")
        return
    statuses = {each: registry.verify(each) for each in names}
    table = Table("file", "size", "state", box=SIMPLE)
    table.columns[1].justify = "right"
    for status in dict.fromkeys(status for found in statuses.values() for status in found):
        path = status.path.relative_to(registry.data_folder()).as_posix()
        table.add_row(path, _size(status.size) if status.size else "", status.state)
    Console().print(table)
    for each, found in statuses.items():
        wrong = [s for s in found if s.state == "altered" or (name and s.state == "missing")]
        if wrong:
            raise DataError(" ".join([*(status.sentence for status in wrong), registry.remedy(each)]))


@app.command()
def where() -> None:
    """The data folder: what CLEARPROP_DATA names, or else the user's cache folder."""
    typer.echo(registry.data_folder())


def _state(source: registry.Source) -> str:
    """From the files' sizes alone; `verify` reads them whole."""
    if source.packaged:
        return "in the package"
    if not source.files:
        return "generated"
    there = [_has_size(file) for file in source.files]
    return (
        "in place"
        if all(there)
        else "partly"
        if any(there)
        else "by hand"
        if _by_hand(source)
        else "to fetch"
    )


def _has_size(file: registry.SourceFile) -> bool:
    path = registry.place(file)
    if path != registry.data_folder() / file.path:
        return True  # an archive in another form
    return path.is_file() and path.stat().st_size == file.size


def _by_hand(source: registry.Source) -> bool:
    return not all(file.urls for file in source.files)


def _size(count: int) -> str:
    if count >= 1e8:
        return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
