"""`clearprop course`: the five courses' assignments, to start from, check, hand in, answer and run."""

from pathlib import Path
from textwrap import wrap
from typing import Annotated, Literal

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

app = typer.Typer(
    no_args_is_help=True, help="Five courses' assignments: start, check, submit, answers, experiments."
)

Key = Annotated[str, typer.Argument(metavar="COURSE", help="A course, as `clearprop course list` prints it.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The assignment's folder.")]
CourseOption = Annotated[str, typer.Option("--course", help="The course, where the folder does not say it.")]


@app.command("list")
def list_courses() -> None:
    """The courses, with what is built in them."""
    from clearprop.courses.assignments.catalog import COURSES

    table = Table("course", "what", box=SIMPLE)
    table.columns[0].no_wrap = True
    for course in COURSES.values():
        table.add_row(course.key, f"{course.title}: {course.about}")
    Console().print(table)
    typer.echo("Start one with:  clearprop course start COURSE DIR")


@app.command()
def start(
    course: Key,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that does not exist yet.")],
    solution: Annotated[
        bool, typer.Option("--solution", help="Complete, instead of with parts to write.")
    ] = False,
    data: Annotated[bool, typer.Option("--data/--no-data", help="Bring the data sets, too.")] = True,
) -> None:
    """Lay out an assignment's folder: code with the parts to write left out, tests, data."""
    from clearprop.courses.assignments import catalog
    from clearprop.courses.assignments.start import start as lay_out

    which = catalog.course(course)
    files = lay_out(which, folder, solution, data, typer.echo)
    typer.echo(f"{folder}: {len(files)} files of {which.title}{', complete' if solution else ''}. Next:")
    typer.echo(f"  cd {folder}")
    for command in which.commands:
        typer.echo(f"  {command}")
    if not data:
        typer.echo(f"The data come with:  clearprop course data {folder}")
    if not solution:
        typer.echo(f"Check what you wrote with:  clearprop course check {folder}")


@app.command()
def data(folder: Folder, course: CourseOption = "") -> None:
    """Bring the data sets into a folder that was started without them."""
    from clearprop.courses.assignments.start import bring_data, course_of

    bring_data(course_of(folder, course), folder, typer.echo)


@app.command()
def check(
    folder: Folder,
    only: Annotated[str, typer.Option(help="Part of a check's name: run these alone.")] = "",
    seconds: Annotated[float | None, typer.Option(min=0.1, help="The time limit of each check.")] = None,
    course: CourseOption = "",
) -> None:
    """Check a student's folder: each check in a process of its own, on a copy, with a time limit.

    Exits with status 1 unless all checks pass.
    """
    from clearprop.courses.assignments.check.runner import run_checks
    from clearprop.courses.assignments.start import course_of

    which = course_of(folder, course)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{which.title}: {escape(str(folder))}")
    looks = {"passed": "green", "failed": "bold red", "to write": "yellow"}
    outcomes = []
    for outcome in run_checks(which, folder, only, seconds):
        outcomes.append(outcome)
        given = outcome.check.points
        points = f"  {outcome.points:g}/{given:g} points" if given is not None else ""
        console.print(
            f"[{looks[outcome.status]}]{outcome.status:<8}[/]  {escape(outcome.check.name)}{points}"
        )
        for line in outcome.text.splitlines():
            indent = " " * (10 + len(line) - len(line.lstrip()))
            for part in wrap(line, 70, break_long_words=False, break_on_hyphens=False) or [""]:
                console.print(f"{indent}{escape(part.lstrip())}", overflow="ignore")
    passed = sum(outcome.status == "passed" for outcome in outcomes)
    total = sum(outcome.check.points or 0 for outcome in outcomes)
    points = f", {sum(outcome.points for outcome in outcomes):g} of {total:g} points" if total else ""
    console.print(f"{passed} of {len(outcomes)} passed{points}.")
    if passed < len(outcomes):
        raise typer.Exit(1)


@app.command()
def submit(
    folder: Folder,
    form: Annotated[
        Literal["markdown", "latex"], typer.Option("--format", help="The appendix's form.")
    ] = "markdown",
    out: Annotated[Path | None, typer.Option(help="Where to; without it DIR/submission.")] = None,
    course: CourseOption = "",
) -> None:
    """Make the hand-in: a zip of the code without data, and the code as an appendix."""
    from clearprop.courses.assignments.start import course_of
    from clearprop.courses.assignments.submit import submit as hand_in
    from clearprop.courses.assignments.submit import unwritten

    which = course_of(folder, course)
    for path in hand_in(which, folder, out or folder / "submission", form):
        typer.echo(path)
    if lacking := unwritten(which, folder):
        typer.echo(f"Parts are still to be written in {', '.join(lacking)}.", err=True)


@app.command()
def answers(
    course: Key,
    form: Annotated[
        Literal["text", "markdown", "latex"], typer.Option("--format", help="How to write them.")
    ] = "text",
    out: Annotated[Path | None, typer.Option(help="A file to write, instead of the screen.")] = None,
) -> None:
    """The written questions, with answers computed by the library."""
    from clearprop.courses.assignments import catalog
    from clearprop.courses.assignments.answers.families import answers_of
    from clearprop.files import replace_file

    document = answers_of(catalog.course(course).key, lambda line: typer.echo(line, err=True))
    text = {"text": document.text, "markdown": document.markdown, "latex": document.latex}[form]()
    if out is None:
        typer.echo(text)
    else:
        replace_file(out, lambda file: file.write(text.encode("utf-8")))
        typer.echo(out)


@app.command()
def run(
    course: Key,
    experiment: Annotated[
        str,
        typer.Argument(
            metavar="[EXPERIMENT]", help="One of the document's experiments; without it, the list."
        ),
    ] = "",
    out: Annotated[Path | None, typer.Option(help="A new folder for tables and pictures.")] = None,
) -> None:
    """Run one of a document's experiments, with the plots and tables that it asks for."""
    from clearprop.courses.assignments import catalog
    from clearprop.courses.assignments.experiments.families import experiments_of, run_experiment

    which = catalog.course(course)
    if not experiment:
        table = Table("experiment", "what", box=SIMPLE)
        table.columns[0].no_wrap = True
        for each in experiments_of(which):
            table.add_row(each.name, each.summary)
        Console().print(table)
        return
    folder = run_experiment(which, experiment, out, typer.echo)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        typer.echo(path)
