"""What stands first in a report, of one run or of several: results, curves, and the settings that differ."""

from collections.abc import Sequence

from clearprop.lens.curves import plot_epochs, plot_runs, plot_steps
from clearprop.lens.style import new_axes, styled
from clearprop.runs.compare import Column, compare, differing, setting_text, settings_of
from clearprop.runs.figures import figure
from clearprop.runs.outcomes import PARTS, selection_part
from clearprop.runs.record import Record
from clearprop.runs.report.figure import HEIGHT, WIDTH, Figures
from clearprop.runs.report.html import Markup, element, joined, more, paragraphs, table
from clearprop.runs.report.section import Section

MOST_CURVES = 10  # that can be told apart in one picture


def results_of_one(record: Record) -> Section:
    """Loss and metric of each part."""
    results = record.results
    if not results:
        return Section("results", "Results", paragraphs(f"There are no results: the run is {record.status}."))
    metrics = list(dict.fromkeys(name for numbers in results.values() for name in numbers))
    rows = [
        [part, *(figure(numbers[name]) if name in numbers else "" for name in metrics)]
        for part, numbers in results.items()
    ]
    head = ["part", *(name.replace("_", " ") for name in metrics)]
    return Section("results", "Results", table(head, rows, says="Results of each part", numbers=1))


def how_it_ended(record: Record) -> str:
    """In a sentence, why a run has come to no more."""
    if record.status == "diverged":
        return str(record.summary.get("reason", "the loss was no longer a finite number."))
    if record.status == "finished":
        return f"{record.summary.get('stopped') or 'all epochs are done'}."
    return f"the run is {record.status}. Go on with: clearprop train --resume {record.folder.handle}"


def results_of_several(records: Sequence[Record]) -> Section:
    """The table of `clearprop compare`, with links to the runs."""
    comparison = compare(records)
    columns = comparison.columns
    rows = [[_cell(column, row) for column in columns] for row in range(len(records))]
    head = [column.name for column in columns]
    first = 1 + sum(not column.number for column in columns[1:])
    marked = any(column.best for column in columns)
    note = paragraphs("★ is the best of its column." if marked else "")
    shown = table(head, rows, says="Settings that differ, and results", numbers=first)
    return Section("results", "Results", joined([shown, note]))


def _cell(column: Column, row: int) -> Markup:
    text = column.cells[row]
    return element("strong", f"★ {text}") if row in column.best else joined(text)


def curves_of_one(record: Record, figures: Figures) -> Section:
    """Loss and metric, by epoch and by step."""
    metric, drawn = record.history.metric, []
    with styled():
        for what in ("loss", metric):
            for by, plot in (("epoch", plot_epochs), ("step", plot_steps)):
                words = what.replace("_", " ").capitalize()
                drawn.append(
                    figures.figure(plot(new_axes(WIDTH, HEIGHT), record.history, what), f"{words} by {by}")
                )
    return Section("curves", "Curves", element("div", drawn, class_="figures"))


def curves_of_several(records: Sequence[Record], ranked: Sequence[Record], figures: Figures) -> Section:
    """Each measure with a curve for every run; losses of different kinds are never in one picture."""
    best = ranked[:MOST_CURVES]
    shown = [record for record in records if record in best]  # in the order of the table
    kinds: dict[str, list[Record]] = {}
    for record in shown:
        kinds.setdefault(record.loss.name, []).append(record)
    drawn = []
    with styled():
        for name, group in kinds.items():
            drawn += _group(group, f" ({name})" if len(kinds) > 1 else "", figures)
    left_out = len(records) - len(shown)
    note = f"The {len(shown)} best of {len(records)} runs are drawn." if left_out else ""
    return Section("curves", "Curves", joined([paragraphs(note), element("div", drawn, class_="figures")]))


def _group(records: Sequence[Record], kind: str, figures: Figures) -> list[Markup]:
    histories = {record.name: record.history for record in records}
    columns = {column for record in records for row in record.history.epochs for column in row}
    wanted = [
        (f"{part}_{what}" if part != "train" else what, f"{part} {what}".replace("_", " "))
        for what in ("loss", records[0].history.metric)
        for part in PARTS
    ]
    drawn = [
        figures.figure(
            plot_runs(new_axes(WIDTH, HEIGHT), histories, column), f"{words.capitalize()} by epoch{kind}"
        )
        for column, words in wanted
        if column in columns
    ]
    steps = plot_runs(new_axes(WIDTH, HEIGHT), histories, "loss", by="step")
    return [*drawn, figures.figure(steps, f"Train loss by step{kind}, a moving mean")]


def best_first(records: Sequence[Record]) -> list[Record]:
    """By the loss on the part by which runs are chosen; those without results come last."""

    def loss(record: Record) -> float:
        numbers = record.results.get(selection_part(record.summary), {})
        value = numbers.get("loss")
        return float("inf") if value is None else value

    return sorted(records, key=loss)


def settings_of_several(records: Sequence[Record]) -> Section:
    """Every setting of every run: those that differ first, each marked; the others folded away."""
    settings = settings_of([record.config for record in records])
    other = differing(settings)
    same = [key for key in settings if key not in other]
    head = ["setting", *(record.name for record in records)]
    rows = [[f"≠ {key}", *map(setting_text, settings[key])] for key in other]
    body = [table(head, rows, says="Settings that differ", class_="differ")] if rows else []
    said = (
        "≠ marks a setting that is not the same in all runs."
        if rows
        else "All runs have the same configuration."
    )
    rest = table(
        ["setting", "all runs"], [[key, setting_text(settings[key][0])] for key in same], says="Settings"
    )
    body += [more(f"{len(same)} settings that are the same in all runs", rest)]
    return Section("settings", "Configuration", joined([paragraphs(said), *body]))
