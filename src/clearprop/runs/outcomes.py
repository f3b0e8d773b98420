"""What a sweep's trials came to: their runs' names, their order, and comparison.csv."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from clearprop.files import replace_file
from clearprop.runs.config import make_config, read_toml
from clearprop.runs.figures import figure
from clearprop.runs.folder import COMPARISON, RunFolder, all_runs
from clearprop.runs.space import Choice, Grid, Search

if TYPE_CHECKING:
    from clearprop.runs.study import Entry

PARTS = ("train", "validation", "test")
PRUNED = "pruned"  # how the reason begins for which a trial was given up
RUNNING = "running"  # a trial's status, for another process
LONGEST = 100  # bytes of a run's name


@dataclass(frozen=True)
class Outcome:
    """What one trial came to: its number, its values, its run, the run's summary, and its value of the metric."""

    number: int
    choice: Choice
    folder: RunFolder
    summary: dict[str, Any]
    value: float | None = None


def outcome_of(folder: RunFolder, search: Search, entry: "Entry") -> Outcome:
    """A trial as the storage tells of it, with its run below the sweep's folder."""
    run = RunFolder(folder.path / run_name(search, entry.number, entry.choice))
    return Outcome(entry.number, entry.choice, run, entry.summary, entry.value)


def selection_part(summary: dict[str, Any]) -> str:
    """The part by which runs are compared: the validation part, where there is one."""
    return "validation" if "validation" in summary else "train"


def best_first(found: Sequence[Outcome], search: Search) -> list[Outcome]:
    """Finished trials by their value, then those that were pruned, then the others; the first of equals first."""
    order = {"finished": 0, "pruned": 1}
    sign = -1 if search.maximize else 1

    def place(outcome: Outcome) -> tuple[int, float]:
        value = outcome.value
        return order.get(outcome.summary["status"], 2), float("inf") if value is None else sign * value

    return sorted(found, key=place)


def value_of(summary: Mapping[str, Any], column: str) -> float | None:
    """The number that a column such as "validation_loss" has at a run's end; None if there is none."""
    part, key = _part_and_measure(column)
    value = summary.get(part, {}).get(key)
    return value if isinstance(value, int | float) and isfinite(value) else None


def _part_and_measure(column: str) -> tuple[str, str]:
    part, _, key = column.partition("_")
    return (part, key) if part in PARTS else ("train", column)


def state_of(summary: Mapping[str, Any]) -> str:
    """How a run stands, by its summary: finished, pruned, interrupted, diverged, or not finished."""
    status = str(summary.get("status", RUNNING))
    if status == "finished" and str(summary.get("stopped") or "").startswith(PRUNED):
        return PRUNED
    return "not finished" if status == RUNNING else status


def runs_of_sweep(sweep: RunFolder) -> list[RunFolder]:
    """The runs that have begun in a sweep's folder, the best first, without its storage."""
    return [one.folder for one in _read_here(sweep)]


def best_run(sweep: RunFolder) -> RunFolder | None:
    """The best finished run that lies in a sweep's folder, without its storage; None if there is none."""
    best = _read_here(sweep)[:1]
    return best[0].folder if best and best[0].summary["status"] == "finished" else None


def _read_here(sweep: RunFolder) -> list[Outcome]:
    search = make_config(read_toml(sweep.sweep), str(sweep.sweep)).make_search()
    found: list[Outcome] = []
    for run in all_runs(sweep.path):
        summary = run.read_summary() if run.summary.is_file() else {}
        value = value_of(summary, search.metric or "loss")
        found.append(Outcome(len(found), {}, run, summary | {"status": state_of(summary)}, value))
    return best_first(found, search)


def run_name(search: Search, number: int, choice: Choice) -> str:
    """What a trial's run is called: by its values, and where these are drawn by its number, too."""
    name = name_of(choice)
    if not isinstance(search.sampler, Grid):
        name = f"{number:03d},{name}"
    return name if len(name.encode()) <= LONGEST else f"{number:03d}"


def name_of(choice: Choice) -> str:
    """Keys and values, as they stand in a folder's name."""
    return ",".join(f"{key.split('.')[-1]}={value}" for key, value in choice.items()).replace("/", "_")


def in_words(summary: dict[str, Any], metric: str | None = None) -> str:
    """What a run came to, in a line: the part and the measure that are searched by `metric` lead."""
    if "train" not in summary:
        reason = summary.get("reason")
        return f"{summary['status']}: {reason}" if reason else str(summary["status"])
    part, first = _part_and_measure(metric or "")
    if part not in summary or metric is None:
        part = selection_part(summary)
    numbers = sorted(summary[part].items(), key=lambda item: item[0] != first)
    words = f"{part} " + ", ".join(f"{key} {figure(value)}" for key, value in numbers)
    return words if summary["status"] == "finished" else f"{words}, {summary['status']}"


def write_comparison(folder: RunFolder, found: Sequence[Outcome]) -> None:
    """A row for each trial: its number, its run, its values, its state, its epochs, its numbers."""
    rows = []
    for outcome in found:
        numbers = {
            f"{part}_{key}": value for part in PARTS for key, value in outcome.summary.get(part, {}).items()
        }
        summary = outcome.summary
        which = {"trial": outcome.number, "run": outcome.folder.name}
        state = {"status": summary["status"], "epochs": summary.get("epochs", "")}
        rows.append({**which, **outcome.choice, **state, **numbers})
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_file(folder.path / COMPARISON, lambda file: file.write(text.getvalue().encode()))
