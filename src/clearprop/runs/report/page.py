"""The whole page, and the file that holds it."""

from collections.abc import Sequence
from pathlib import Path

import clearprop
from clearprop.errors import ConfigError, FileError
from clearprop.files import replace_file
from clearprop.runs.folder import RunFolder
from clearprop.runs.record import Record
from clearprop.runs.report.chapter import chapter, ending, key_figures, names_of
from clearprop.runs.report.figure import Figures
from clearprop.runs.report.html import Markup, element, joined, paragraphs
from clearprop.runs.report.overview import (
    best_first,
    curves_of_one,
    curves_of_several,
    results_of_one,
    results_of_several,
    settings_of_several,
)
from clearprop.runs.report.section import Section, contents
from clearprop.runs.report.sweep import sweep_section

MOST_CHAPTERS = 6  # of more runs, the best so many are shown in full
MARK = '<meta name="generator" content="clearprop report'
_STYLE = Path(__file__).with_name("page.css")
_PRINT = 'addEventListener("beforeprint",()=>document.querySelectorAll("details").forEach(d=>d.open=true))'


def report(records: Sequence[Record], sweep: RunFolder | None = None) -> str:
    """One or several runs as a whole HTML document, which loads nothing from anywhere.

    With `sweep` it begins with the trials of which they are the runs, the best first.
    """
    figures = Figures()
    if len(records) == 1:
        record = records[0]
        sections = _one(record, figures)
        title, below = record.title, f"run {record.name}"
        top = joined([key_figures(record), ending(record)])
    else:
        sections = _several(records, best_first(records) if sweep is None else records, figures)
        title, below = f"{len(records)} runs compared", names_of(records)
        top = Markup("")
    if sweep is not None:
        sections.insert(0, sweep_section(sweep, figures))
        title, below = f"Sweep {sweep.path.resolve().name}", "its run" if len(records) == 1 else title
    head = [element("p", "clearprop report", class_="kind"), element("h1", title), element("p", below), top]
    foot = f"Written by clearprop {clearprop.__version__}. This file needs nothing but itself."
    body = [
        element("a", "Skip to the results", href="#results", class_="skip"),
        element("header", head),
        element("nav", [element("h2", "Contents"), contents(sections)], aria_label="Contents"),
        element("main", [section.html() for section in sections]),
        element("footer", paragraphs(foot)),
        element("script", Markup(_PRINT)),
    ]
    return _document(f"{title}: {below}", body)


def _document(title: str, body: Sequence[Markup]) -> str:
    """Head and body; light and dark are the reader's choice."""
    head = [
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        Markup(f'{MARK} {clearprop.__version__}">'),
        element("title", title),
        element("style", Markup(_STYLE.read_text(encoding="utf-8"))),
    ]
    page = element("html", [element("head", head), element("body", body)], lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def _one(record: Record, figures: Figures) -> list[Section]:
    return [results_of_one(record), curves_of_one(record, figures), *chapter(record, figures, "")]


def _several(records: Sequence[Record], ranked: Sequence[Record], figures: Figures) -> list[Section]:
    sections = [
        results_of_several(records),
        curves_of_several(records, ranked, figures),
        settings_of_several(records),
    ]
    shown = ranked[:MOST_CHAPTERS]
    for number, record in enumerate(shown, 1):
        prefix = f"run{number}-"
        top = joined([paragraphs(record.config.description), key_figures(record), ending(record)])
        title = f"Run {record.name}"
        sections.append(Section(f"run{number}", title, top, chapter(record, figures, prefix)))
    if len(records) > len(shown):
        said = (
            f"Above, the {len(shown)} best of {len(records)} runs are shown in full. For another one: "
            "clearprop report with its name alone."
        )
        sections.append(Section("others", "The other runs", paragraphs(said)))
    return sections


def write_report(records: Sequence[Record], path: Path, sweep: RunFolder | None = None) -> int:
    """Write the page, whole or not at all; its size in bytes.

    Raises
    ------
    ConfigError
        If something else than an older report lies there: it is not replaced.
    FileError
        If the file cannot be written.
    """
    check_place(path)
    page = report(records, sweep).encode("utf-8")
    replace_file(path, lambda file: file.write(page))
    return len(page)


def check_place(path: Path) -> None:
    """Old reports may be replaced; nothing else."""
    if not path.parent.is_dir():
        raise FileError(f"--out {path}: its folder does not exist. Make it first.")
    if not path.exists() or (path.is_file() and _is_report(path)):
        return
    raise ConfigError(
        f"--out {path}: what lies there is no clearprop report, so it is not replaced. Choose another name."
    )


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(2000)
