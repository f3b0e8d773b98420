"""A sweep: one run for every combination of the values in [sweep], and a table that compares them."""

import csv
import io
from collections.abc import Callable
from copy import deepcopy
from itertools import product
from typing import Any

from clearprop.errors import DivergedError
from clearprop.files import make_folder, replace_file
from clearprop.runs.config import RunConfig, make_config, set_key
from clearprop.runs.folder import COMPARISON, RunFolder
from clearprop.runs.prepare import Prepared, prepare
from clearprop.runs.run import Result, build, start


def combinations(config: RunConfig) -> list[dict[str, Any]]:
    """Every choice of one value a key, the last key changing fastest.

    >>> from clearprop.runs.config import make_config
    >>> config = make_config({
    ...     "data": {"name": "iris"}, "model": {"layers": [{"type": "Dense", "units": 3}]},
    ...     "training": {"epochs": 1, "batch_size": 25}, "sweep": {"optimizer.lr": [0.1, 0.2]}}, "example")
    >>> combinations(config)
    [{'optimizer.lr': 0.1}, {'optimizer.lr': 0.2}]
    """
    return [dict(zip(config.sweep, values, strict=True)) for values in product(*config.sweep.values())]


def configurations(config: RunConfig) -> list[tuple[dict[str, Any], RunConfig]]:
    """Each combination's own configuration, all of them checked before the first run begins."""
    made = []
    for choice in combinations(config):
        tables = config.plain()
        tables.pop("sweep")
        for key, value in choice.items():
            set_key(tables, key, deepcopy(value), f"sweep.{key}")
        made.append((choice, make_config(tables, f"sweep, {_name(choice)}")))
    return made


def run_sweep(
    folder: RunFolder, todo: list[tuple[dict[str, Any], RunConfig]], say: Callable[[str], None]
) -> list[tuple[dict[str, Any], Result | None]]:
    """Train every one of `configurations` in a run of its own below the folder, and write comparison.csv.

    A combination that diverges is said, and stands in the comparison without numbers; the others go on. What
    lies in the folder is removed first.
    """
    results: list[tuple[dict[str, Any], Result | None]] = []
    try:
        _check_with_data([own for _, own in todo])
        folder.clear()
    except BaseException:
        folder.remove_if_empty()
        raise
    for number, (choice, own) in enumerate(todo, 1):
        path = make_folder(folder.path / _name(choice))
        try:
            result = start(RunFolder(path), own)
        except DivergedError as error:
            say(f"{number}/{len(todo)}  {_name(choice)}  diverged: {error}")
            results.append((choice, None))
            continue
        results.append((choice, result))
        if result.history.stopped == "interrupted":
            say(f"{number}/{len(todo)}  {_name(choice)}  interrupted")
            break
        part = selection_part(result.summary)
        numbers = ", ".join(f"{key} {value:.4f}" for key, value in result.summary[part].items())
        say(f"{number}/{len(todo)}  {_name(choice)}  {part} {numbers}")
    _write_comparison(folder, results)
    return results


def _check_with_data(todo: list[RunConfig]) -> None:
    """Build each network for its data once, so that nothing is refused after an old sweep has gone."""
    known: dict[str, Prepared] = {}
    for own in todo:
        key = own.data.model_dump_json()
        if key not in known:
            known[key] = prepare(own.data, own.seed)
        build(own, known[key])


def selection_part(summary: dict[str, Any]) -> str:
    """The part by which runs are compared: the validation part, where there is one."""
    return "validation" if "validation" in summary else "train"


def best(results: list[tuple[dict[str, Any], Result | None]]) -> tuple[dict[str, Any], Result] | None:
    """The combination with the lowest loss on the validation part; the first of equals."""
    finished = [
        (choice, result) for choice, result in results if result is not None and "train" in result.summary
    ]
    return min(
        finished, key=lambda pair: pair[1].summary[selection_part(pair[1].summary)]["loss"], default=None
    )


def _name(choice: dict[str, Any]) -> str:
    return ",".join(f"{key.split('.')[-1]}={value}" for key, value in choice.items()).replace("/", "_")


def _write_comparison(folder: RunFolder, results: list[tuple[dict[str, Any], Result | None]]) -> None:
    rows = []
    for choice, result in results:
        parts = {} if result is None else result.summary
        numbers = {
            f"{part}_{key}": value
            for part in ("train", "validation", "test")
            for key, value in parts.get(part, {}).items()
        }
        rows.append({**choice, "status": parts.get("status", "diverged"), **numbers})
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_file(folder.path / COMPARISON, lambda file: file.write(text.getvalue().encode()))
