"""Runs side by side: the settings in which they differ, and what each came to, with the best marked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from clearprop.layers.spec import layer_spec
from clearprop.runs.config import RunConfig
from clearprop.runs.figures import figure, high_is_good
from clearprop.runs.outcomes import PARTS
from clearprop.runs.record import Record

Settings = dict[str, list[Any]]  # "optimizer.lr" -> [0.1, 0.01], a value for each run

NOT_SET = "–"
NOT_COMPARED = ("description",)  # a title
THREADS = ("training.workers", "training.blas_threads", "training.shard_size")  # chosen by the size of a step
NOT_SAID = ("type", "name", "init")  # of what is told in a few words


@dataclass(frozen=True)
class Column:
    """A setting's or a result's cells, one a run; `best` are the rows that did best in it."""

    name: str
    cells: tuple[str, ...]
    best: frozenset[int] = frozenset()
    number: bool = False


@dataclass(frozen=True)
class Comparison:
    """The runs' names, the settings in which they differ, and their results."""

    runs: Column
    settings: tuple[Column, ...]
    results: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        return (self.runs, *self.settings, *self.results)


def compare(records: Sequence[Record]) -> Comparison:
    """How the runs differ and what they came to, in their order."""
    settings = settings_of([record.config for record in records])
    settings["ranks"] = [record.summary.get("ranks", 1) for record in records]
    keys = [key for key in differing(settings) if key not in NOT_COMPARED]
    chosen = [key for key in keys if key not in THREADS] or keys
    columns = [
        Column(name, tuple(map(setting_text, settings[key])))
        for key, name in zip(chosen, short_names(chosen), strict=True)
    ]
    return Comparison(
        Column("run", tuple(record.name for record in records)), tuple(columns), tuple(_results(records))
    )


def settings_of(configs: Sequence[RunConfig]) -> Settings:
    """Each setting's values, one a configuration, by its key: {"optimizer.lr": [0.1, 0.01]}; None where it has none.

    What was left to the defaults is written out. Where two are of different kinds, optimizers, layers or schedules,
    they are one setting as a whole: their own settings would not be comparable.
    """
    settings: Settings = {}
    plain = []
    for config in configs:
        own = config.plain()
        own["optimizer"], own["loss"] = config.make_optimizer().settings(), config.make_loss().spec()
        own["model"]["layers"] = [layer_spec(layer) for layer in config.make_layers()]
        plain.append(own)
    _gather("", plain, settings)
    return settings


def differing(settings: Settings) -> list[str]:
    """The keys whose values are not the same in all runs.

    >>> differing({"seed": [0, 0], "lr": [0.1, 0.2], "momentum": [None, 0.9]})
    ['lr', 'momentum']
    """
    return [key for key, values in settings.items() if any(value != values[0] for value in values)]


def short_names(keys: Sequence[str]) -> list[str]:
    """Each key's last words, as many as tell it from the others.

    >>> short_names(["optimizer.lr", "model.layers.0.units", "model.layers.1.units"])
    ['lr', 'layers.0.units', 'layers.1.units']
    """

    def shorten(key: str) -> str:
        words = key.split(".")
        for n in range(1, len(words)):
            end = ".".join(words[-n:])
            alone = sum(f".{other}".endswith(f".{end}") for other in keys) == 1
            if alone and not words[-n].isdecimal():
                return end
        return key

    return [shorten(key) for key in keys]


def setting_text(value: Any) -> str:
    """A setting in words; a dash for one that is not set.

    >>> [setting_text(value) for value in (None, True, 0.01, [0.9, 0.999])]
    ['–', 'true', '0.01', '[0.9, 0.999]']
    >>> setting_text([{"type": "Dense", "units": 25, "activation": "relu"}, {"type": "Flatten"}])
    'Dense(units=25, activation=relu), Flatten'
    """
    if value is None:
        return NOT_SET
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        few = {key: float(f"{item:.4g}") if isinstance(item, float) else item for key, item in value.items()}
        given = [f"{key}={setting_text(item)}" for key, item in few.items() if not key.endswith(NOT_SAID)]
        return _kind(value) + (f"({', '.join(given)})" if given else "")
    if isinstance(value, list | tuple):
        words = ", ".join(setting_text(item) for item in value)
        return words if any(isinstance(item, Mapping) for item in value) else f"[{words}]"
    return str(value)


def _gather(key: str, values: Sequence[Any], into: Settings) -> None:
    """One setting, or those below it where they are tables, or lists of tables, of the same kinds."""
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, Mapping) for value in given):
        kinds = {_kind(value) for value in given} if key != "data" else {""}
        if len(kinds) == 1 and (len(given) == len(values) or kinds == {""}):
            for name in dict.fromkeys(name for value in given for name in value):
                below = [None if value is None else value.get(name) for value in values]
                _gather(f"{key}.{name}".lstrip("."), below, into)
            return
    if len(given) == len(values) and len({_kinds(value) for value in given}) == 1 and _kinds(given[0]):
        for i, items in enumerate(zip(*given, strict=True)):
            _gather(f"{key}.{i}", items, into)
        return
    if given:
        into[key] = list(values)


def _kind(table: Mapping[str, Any]) -> str:
    return str(table.get("type", table.get("name", "")))


def _kinds(value: Any) -> tuple[str, ...]:
    """Of a list of tables the kind of each."""
    of_tables = isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value)
    return tuple(map(_kind, value)) if of_tables else ()


def _results(records: Sequence[Record]) -> list[Column]:
    """The state, where not all are finished; loss and metrics of each part, the best of those that are comparable."""
    states = tuple(record.state for record in records)
    columns = [] if set(states) == {"finished"} else [Column("state", states)]
    one_data = len({(record.config.data.name, record.config.data.file) for record in records}) == 1
    one_loss = len({record.loss.name for record in records}) == 1
    for part in PARTS:
        names = dict.fromkeys(name for record in records for name in record.results.get(part, {}))
        for name in names:
            values = [record.results.get(part, {}).get(name, _MISSING) for record in records]
            cells = tuple("" if value is _MISSING else figure(value) for value in values)
            choose = max if high_is_good(name) else min
            best = _best(values, choose) if one_data and (one_loss or name != "loss") else frozenset[int]()
            columns.append(Column(f"{part} {name.replace('_', ' ')}", cells, best, number=True))
    return columns


_MISSING: Any = object()


def _best(values: Sequence[Any], choose: Callable[..., float]) -> frozenset[int]:
    """The rows with the best number; none where there is nothing to choose."""
    numbers = {
        row: value for row, value in enumerate(values) if isinstance(value, float | int) and isfinite(value)
    }
    if len(set(numbers.values())) < 2:
        return frozenset()
    best = choose(numbers.values())
    return frozenset(row for row, value in numbers.items() if value == best)
