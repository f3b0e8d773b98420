"""A sweep: a run for each trial of [sweep], shared out among processes, and a table that compares them."""

import json
from concurrent.futures import Executor
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import import_module
from math import ceil
from types import ModuleType
from typing import TYPE_CHECKING

from clearprop.errors import ConfigError, FileError
from clearprop.runs.config import RunConfig, make_config, read_toml
from clearprop.runs.folder import RunFolder, all_runs
from clearprop.runs.outcomes import Outcome, name_of, outcome_of, run_name
from clearprop.runs.prepare import Prepared, prepare
from clearprop.runs.run import build
from clearprop.runs.share import Now, Say, Share, own_config
from clearprop.runs.space import Choice, Grid, Range, Search, check_metric

if TYPE_CHECKING:
    from clearprop.runs.study import Study

DATABASE = "sweep.db"  # in the sweep's folder, where no other storage is asked for
OWN = "sweep"  # the study's name there


def combinations(config: RunConfig) -> list[Choice]:
    """Every choice of one value a key, the last key changing fastest; of a sweep that draws its trials, the ends.

    >>> from clearprop.runs.config import make_config
    >>> config = make_config({
    ...     "data": {"name": "iris"}, "model": {"layers": [{"type": "Dense", "units": 3}]},
    ...     "training": {"epochs": 1, "batch_size": 25}, "sweep": {"optimizer.lr": [0.1, 0.2]}}, "example")
    >>> combinations(config)
    [{'optimizer.lr': 0.1}, {'optimizer.lr': 0.2}]
    """
    search = config.make_search()
    if isinstance(search.sampler, Grid):
        return search.combinations
    ends = {key: values.ends() for key, values in search.space.items()}
    first = {key: values[0] for key, values in ends.items()}
    return [first, *(first | {key: value} for key, values in ends.items() for value in values[1:])]


def configurations(config: RunConfig) -> list[tuple[Choice, RunConfig]]:
    """Each of the `combinations` with its own configuration, all of them checked before the first run begins.

    Raises
    ------
    ConfigError
        If a combination is not valid, or two of them would be runs of the same name.
    """
    made: dict[str, tuple[Choice, RunConfig]] = {}
    for choice in combinations(config):
        name = name_of(choice)
        if name in made:
            raise ConfigError(
                f"sweep: expected different combinations, got {name} twice. Take one of them out."
            )
        try:
            made[name] = choice, own_config(config, choice)
        except ConfigError as error:
            raise ConfigError(f"{error}{_whole_ends(config, choice)}") from None
    return list(made.values())


def _whole_ends(config: RunConfig, choice: Choice) -> str:
    """What to write where a range has numbers that are not whole, and its key takes no others."""
    for key, values in config.make_search().space.items():
        if not isinstance(values, Range) or values.whole or ceil(values.low) >= int(values.high):
            continue
        near = ceil(choice[key])
        if _is_valid(config, choice | {key: near}) and not _is_valid(config, choice | {key: near + 0.5}):
            low, high = ceil(values.low), int(values.high)
            return f' Whole ends give whole numbers: "{key}" = {{ low = {low}, high = {high} }}.'
    return ""


def _is_valid(config: RunConfig, choice: Choice) -> bool:
    with suppress(ConfigError):
        own_config(config, choice)
        return True
    return False


def run_sweep(
    folder: RunFolder,
    config: RunConfig,
    say: Say,
    *,
    now: Now | None = None,
    executor: Executor | None = None,
    join: bool = False,
) -> list[Outcome]:
    """Train the trials of [sweep], each in a run of its own below the folder, and keep comparison.csv up to date.

    A trial that diverges or fails is said, and stands in the comparison without numbers; the others go on.
    What lies in the folder is removed first, once nothing can be refused any more.

    Parameters
    ----------
    folder : RunFolder
        Its name is the study's in a storage that is given.
    config : RunConfig
    say : callable
        Is given a line when something has happened.
    now : callable, optional
        Is given the names of the runs that are trained here, each time that they change.
    executor : Executor, optional
        Trains `jobs` trials at a time: threads, processes, or another machine's; by default processes of its own.
    join : bool
        Whether to share the work, if the sweep has begun already, in the folder or in the storage.

    Raises
    ------
    ClearpropError
        Whatever is wrong, before anything is written.
    """
    try:
        config = _checked(_anchored(config))
    except BaseException:
        folder.remove_if_empty()
        raise
    if join:
        with folder.locked(shared=True):
            _refuse_another(folder, config)
            _check_storage(folder, config, begun=True)
            _write(folder, config)
            return _share(folder, config, say, now, executor)
    with folder.locked():
        _check_storage(folder, config)
        folder.clear()
        _write(folder, config)
    with folder.locked(shared=True):
        return _share(folder, config, say, now, executor)


def resume_sweep(
    folder: RunFolder,
    say: Say,
    *,
    changes: tuple[str, ...] = (),
    now: Now | None = None,
    executor: Executor | None = None,
) -> list[Outcome]:
    """Go on with a sweep that was stopped, or share one that others are at.

    What is done stays, what had begun is resumed, the rest is trained. `changes` may be "sweep.trials=40",
    "sweep.jobs=2" and the storage's address.
    """
    config = _checked(_anchored(make_config(read_toml(folder.sweep), str(folder.sweep), changes)))
    with folder.locked(shared=True):
        _check_storage(folder, config, begun=True)
        if changes:
            _write(folder, config)
        return _share(folder, config, say, now, executor)


def _share(
    folder: RunFolder, config: RunConfig, say: Say, now: Now | None, executor: Executor | None
) -> list[Outcome]:
    study = _study(folder, config)
    with study.reachable():
        study.agree(_settings(config))
        _name_anew(folder, study)
        return Share(folder, config, study, say, now, executor).run()


def _name_anew(folder: RunFolder, study: "Study") -> None:
    """Runs of which the names have their keys in another order, as older versions wrote them, are gone on with."""
    search = study.search
    old = {_parts(run.name): run.path for run in all_runs(folder.path)}
    for number, choice in study.drawn():
        if isinstance(search.sampler, Grid) and choice != search.combinations[number]:
            expected = name_of(search.combinations[number])
            raise ConfigError(
                f"{folder.path}: expected {expected} as trial {number}, got {name_of(choice)}: an older clearprop "
                "counted the combinations in another order. Start a new sweep."
            )
        name = run_name(search, number, choice)
        path = old.get(_parts(name))
        if path is not None and path.name != name:
            path.rename(folder.path / name)


def _parts(name: str) -> tuple[str, ...]:
    return tuple(sorted(name.split(",")))


@dataclass(frozen=True)
class Sweep:
    """A sweep read back: its settings, what its trials have come to, and their study."""

    search: Search
    outcomes: list[Outcome]
    study: "Study"

    def importances(self) -> dict[str, float]:
        """How much each key matters: the share of the variance among finished trials that it explains.

        Raises
        ------
        ConfigError
            If scikit-learn, whose random forest is fitted to them, is not installed.
        DataError
            If their results do not differ.
        """
        return self.study.importances()


def read_sweep(folder: RunFolder) -> Sweep:
    """A sweep from its folder and its storage.

    Raises
    ------
    ConfigError
        If its settings have changed since its trials were begun.
    FileError
        If it has no trials yet, or its storage cannot be reached.
    """
    config = _read(folder)
    search = config.make_search()
    if search.storage is None and not (folder.path / DATABASE).is_file():
        raise FileError(
            f"{folder.path / DATABASE}: there are no trials yet. Go on with: clearprop sweep --resume {folder.handle}"
        )
    with closing(_study(folder, config)) as study, study.reachable():
        study.agree(_settings(config))
        return Sweep(search, [outcome_of(folder, search, entry) for entry in study.entries()], study)


def search_of(folder: RunFolder) -> Search:
    """A sweep's settings, by its folder."""
    return _read(folder).make_search()


def _anchored(config: RunConfig) -> RunConfig:
    """With files by their absolute paths, which hold wherever the sweep is resumed from."""
    database, config = _room("database"), config.anchored()
    table = config.sweep
    if table is None or table.storage is None:
        return config
    own = table.model_copy(update={"storage": database.anchored(table.storage)})
    return config.model_copy(update={"sweep": own})


def _checked(config: RunConfig) -> RunConfig:
    """With the metric by its name; each network is built for its data once, so that nothing is refused later."""
    table, search = config.sweep, config.make_search()
    known: dict[str, Prepared] = {}
    columns: list[str] = []
    for _, own in configurations(config):
        key = own.data.model_dump_json()
        if key not in known:
            known[key] = prepare(own.data, own.seed)
        build(own, known[key])
        columns = _columns(own, known[key])
    metric = check_metric(search.metric, columns)
    return config.model_copy(update={"sweep": table and table.model_copy(update={"metric": metric})})


def _columns(config: RunConfig, prepared: Prepared) -> list[str]:
    names = ("loss", config.make_loss().metric)
    return [*names, *(f"{part}_{name}" for part in prepared.parts if part != "train" for name in names)]


def _settings(config: RunConfig) -> str:
    """What all processes of a sweep must agree in: not how it is carried out, nor where the data lie."""
    tables = config.plain()
    for table, key in (("sweep", "jobs"), ("sweep", "trials"), ("sweep", "storage"), ("data", "file")):
        tables[table].pop(key, None)
    return json.dumps(tables, sort_keys=True, default=str)


def _refuse_another(folder: RunFolder, config: RunConfig) -> None:
    if folder.config.is_file():
        raise ConfigError(f"{folder.path}: holds a run, not a sweep. Choose another --name.")
    if folder.sweep.is_file() and _settings(_read(folder)) != _settings(config):
        raise ConfigError(
            f"{folder.path}: holds a sweep with other settings. Take the same file, or choose another --name."
        )


def _check_storage(folder: RunFolder, config: RunConfig, *, begun: bool = False) -> None:
    """Refuse what cannot be used, before anything is written: also in the folder, if the sweep may have begun there."""
    try:
        if config.make_search().storage is not None or (begun and (folder.path / DATABASE).is_file()):
            with closing(_study(folder, config)) as study, study.reachable():
                study.agree(_settings(config))
                _check_trials(study)
    except BaseException:
        folder.remove_if_empty()
        raise


def _check_trials(study: "Study") -> None:
    """No fewer than there are: they would be missing in the table."""
    begun, trials = study.begun(), study.search.trials
    if trials < begun:
        raise ConfigError(
            f"sweep.trials: expected at least {begun}, for so many have been begun, got {trials}. Ask for more, or "
            "leave it as it is."
        )


def _room(name: str) -> ModuleType:
    """The modules that need Optuna."""
    try:
        return import_module(f"clearprop.runs.{name}")
    except ImportError as error:
        raise ConfigError(
            f"sweep: needs Optuna, which is not installed ({error}). Install it: pip install 'clearprop[sweep]'"
        ) from None


def _study(folder: RunFolder, config: RunConfig) -> "Study":
    search = config.make_search()
    address = search.storage or _room("database").address_of(folder.path / DATABASE)
    name = folder.name if search.storage else OWN  # a folder may be moved
    study: Study = _room("study").Study(address, name, search, config.seed, folder.path)
    return study


def _write(folder: RunFolder, config: RunConfig) -> None:
    """sweep.toml; a password in the storage's address is left out."""
    table = config.sweep
    if table is not None and table.storage is not None:
        table = table.model_copy(update={"storage": _room("database").without_password(table.storage)})
    folder.write_config(config.model_copy(update={"sweep": table}), folder.sweep)


def _read(folder: RunFolder) -> RunConfig:
    return make_config(read_toml(folder.sweep), str(folder.sweep))
