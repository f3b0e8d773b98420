"""A sweep: one run for every combination of the values in [sweep], and a table that compares them."""

import csv
import io
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from typing import Any

from clearprop.errors import ClearpropError, ConfigError, DivergedError
from clearprop.files import make_folder, replace_file
from clearprop.history import INTERRUPTED
from clearprop.runs.config import RunConfig, make_config, read_toml, set_key
from clearprop.runs.folder import COMPARISON, RunFolder, figure
from clearprop.runs.prepare import Prepared, prepare
from clearprop.runs.run import build, resume, start

Choice = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What one combination came to: its run, and the run's summary."""

    choice: Choice
    folder: RunFolder
    summary: dict[str, Any]


def combinations(config: RunConfig) -> list[Choice]:
    """Every choice of one value a key, the last key changing fastest.

    >>> from clearprop.runs.config import make_config
    >>> config = make_config({
    ...     "data": {"name": "iris"}, "model": {"layers": [{"type": "Dense", "units": 3}]},
    ...     "training": {"epochs": 1, "batch_size": 25}, "sweep": {"optimizer.lr": [0.1, 0.2]}}, "example")
    >>> combinations(config)
    [{'optimizer.lr': 0.1}, {'optimizer.lr': 0.2}]
    """
    return [dict(zip(config.sweep, values, strict=True)) for values in product(*config.sweep.values())]


def configurations(config: RunConfig) -> list[tuple[Choice, RunConfig]]:
    """Each combination's own configuration, all of them checked before the first run begins.

    Raises
    ------
    ConfigError
        If a combination is not valid, or two of them would be runs of the same name.
    """
    made: dict[str, tuple[Choice, RunConfig]] = {}
    for choice in combinations(config):
        name = _name(choice)
        if name in made:
            raise ConfigError(
                f"sweep: expected different combinations, got {name} twice. Take one of them out."
            )
        tables = config.plain()
        tables.pop("sweep")
        for key, value in choice.items():
            set_key(tables, key, deepcopy(value), f"sweep.{key}")
        made[name] = choice, make_config(tables, f"sweep, {name}")
    return list(made.values())


def run_sweep(folder: RunFolder, config: RunConfig, say: Callable[[str], None]) -> list[Outcome]:
    """Train every one of `configurations` in a run of its own below the folder, and keep comparison.csv up to date.

    A combination that diverges or fails is said, and stands in the comparison without numbers; the others go on.
    What lies in the folder is removed first, once nothing can be refused any more.
    """
    with folder.locked():
        try:
            config = config.anchored()
            todo = configurations(config)
            _check_with_data([own for _, own in todo])
            folder.clear()
        except BaseException:
            folder.remove_if_empty()
            raise
        folder.write_config(config, folder.sweep)
        return _train_all(folder, todo, say)


def resume_sweep(folder: RunFolder, say: Callable[[str], None]) -> list[Outcome]:
    """Go on with a sweep that was stopped: what is done stays, what had begun is resumed, the rest is trained."""
    with folder.locked():
        todo = configurations(make_config(read_toml(folder.sweep), str(folder.sweep)))
        _check_with_data([own for _, own in todo])
        folder.remove_torn()
        return _train_all(folder, todo, say)


def _train_all(
    folder: RunFolder, todo: list[tuple[Choice, RunConfig]], say: Callable[[str], None]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for number, (choice, own) in enumerate(todo, 1):
        run = RunFolder(folder.path / _name(choice))
        outcome = Outcome(choice, run, _train(run, own))
        outcomes.append(outcome)
        _write_comparison(folder, outcomes)
        say(f"{number}/{len(todo)}  {run.name}  {_in_words(outcome.summary)}")
        if outcome.summary["status"] == INTERRUPTED:
            break
    return outcomes


def _train(run: RunFolder, own: RunConfig) -> dict[str, Any]:
    """The summary of a combination's run, from wherever it stands: not begun, begun, or done."""
    try:
        if not run.config.is_file():
            make_folder(run.path)
            return start(run, own).summary
        summary = run.read_summary() if run.summary.is_file() else {}
        done = summary.get("status") in ("finished", "diverged")
        return summary if done else resume(run, run.read_config()).summary
    except DivergedError as error:
        return {"status": "diverged", "reason": str(error)}
    except ClearpropError as error:
        return {"status": "failed", "reason": str(error)}


def _in_words(summary: dict[str, Any]) -> str:
    if "train" not in summary:
        reason = summary.get("reason")
        return f"{summary['status']}: {reason}" if reason else str(summary["status"])
    part = selection_part(summary)
    return f"{part} " + ", ".join(f"{key} {figure(value)}" for key, value in summary[part].items())


def _check_with_data(todo: list[RunConfig]) -> None:
    """Build each network for its data once, so that nothing is refused after an old sweep has gone."""
    known: dict[str, Prepared] = {}
    for own in todo:
        key = own.data.model_dump_json()
        if key not in known:
            known[key] = prepare(own.data, own.seed)
        build(own, known[key])


def runs_of_sweep(folder: RunFolder) -> list[RunFolder]:
    """The runs of a sweep that have begun, in the order of its combinations."""
    config = make_config(read_toml(folder.sweep), str(folder.sweep))
    runs = [RunFolder(folder.path / _name(choice)) for choice in combinations(config)]
    return [run for run in runs if run.config.is_file()]


def selection_part(summary: dict[str, Any]) -> str:
    """The part by which runs are compared: the validation part, where there is one."""
    return "validation" if "validation" in summary else "train"


def best(outcomes: list[Outcome]) -> Outcome | None:
    """The finished combination with the lowest loss on the validation part; the first of equals."""
    finished = [outcome for outcome in outcomes if outcome.summary["status"] == "finished"]
    return min(finished, key=lambda one: one.summary[selection_part(one.summary)]["loss"], default=None)


def _name(choice: Choice) -> str:
    return ",".join(f"{key.split('.')[-1]}={value}" for key, value in choice.items()).replace("/", "_")


def _write_comparison(folder: RunFolder, outcomes: list[Outcome]) -> None:
    rows = []
    for outcome in outcomes:
        numbers = {
            f"{part}_{key}": value
            for part in ("train", "validation", "test")
            for key, value in outcome.summary.get(part, {}).items()
        }
        rows.append({**outcome.choice, "status": outcome.summary["status"], **numbers})
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_file(folder.path / COMPARISON, lambda file: file.write(text.getvalue().encode()))
