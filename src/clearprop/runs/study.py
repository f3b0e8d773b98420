"""A sweep's study: trials in an Optuna storage, shared out among processes, none lost and none done twice.

A trial waits, runs, and ends. One whose run was interrupted, failed or killed waits again, under its number: the run in
its folder then goes on from its checkpoint. Trials are counted by their numbers, so that processes that share a storage
stop at the total.
"""

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.exceptions import OptunaError, StorageInternalError, UpdateFinishedTrialError
from optuna.storages import get_storage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from clearprop.errors import ConfigError, DataError, FileError
from clearprop.history import INTERRUPTED
from clearprop.runs.database import lock_of, open_storage, reason_of, without_password
from clearprop.runs.outcomes import RUNNING, value_of
from clearprop.runs.presence import Presence, alone
from clearprop.runs.space import TPE, Choice, Grid, Random, Search

BEAT = 10.0  # seconds between two signs of life
SILENCE = 60.0  # seconds without one, after which a process elsewhere is taken for dead


@dataclass(frozen=True)
class Claim:
    """A trial that this process is to train."""

    id: int
    number: int
    choice: Choice


@dataclass(frozen=True)
class Entry:
    """A trial as the storage tells of it; `summary` is what its run came to, or empty."""

    number: int
    choice: Choice
    summary: dict[str, Any]
    value: float | None


class Heard(NamedTuple):
    """A process's last sign of life, since when it is known here, and whether it is the first."""

    sign: Any
    since: float
    first: bool


_LOUD = Heard(None, 0.0, False)


class Combination(optuna.samplers.BaseSampler):
    """The sampler of a grid: a trial's number says what it is."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.stored = stored

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        return self.stored[param_name]


class Study:
    """The trials of one sweep, as this process sees them.

    Parameters
    ----------
    address : str
        An Optuna storage.
    name : str
        The study's name there; it is made if there is none.
    search : Search
        With its metric.
    seed : int
        Draws the trials, where the sampler has no seed of its own.
    folder : Path
        The sweep's, where processes on this machine leave their marks.
    """

    def __init__(self, address: str, name: str, search: Search, seed: int, folder: Path) -> None:
        self.address, self.name, self.search, self.seed = address, name, search, seed
        self._database = open_storage(address)
        self.storage = get_storage(self._database)
        with _quiet():
            self.study = optuna.create_study(
                storage=self.storage,
                study_name=name,
                load_if_exists=True,
                direction="maximize" if search.maximize else "minimize",
            )
        self.id = self.storage.get_study_id_from_name(name)
        self.presence = Presence(folder)
        self._claims = lock_of(address)
        self._mine: set[int] = set()  # ids of the trials that run for this process
        self._tried: set[int] = set()  # numbers that have failed here
        self._heard: dict[int, Heard] = {}  # of the trials that run elsewhere
        self._done = threading.Event()
        self._pulse = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Study":
        self.presence.begin()
        self._pulse.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._pulse.join()
        keep: set[str] | None = None
        with suppress(OptunaError, SQLAlchemyError):  # a storage that is away
            for trial_id in list(self._mine):
                self._put_back(trial_id)
            keep = {trial.user_attrs.get("owner", "") for trial in self._running()}
        self.presence.end(keep)
        self.close()

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """A storage that is lost on the way, as a sentence."""
        try:
            yield
        except (StorageInternalError, SQLAlchemyError) as error:
            raise FileError(
                f"sweep.storage {without_password(self.address)}: was lost on the way ({reason_of(error)}). "
                "Go on with --resume when it is back; what has been trained is kept."
            ) from None

    def close(self) -> None:
        """Close the connections; they open again when they are needed."""
        self._database.engine.dispose()

    def agree(self, settings: str) -> None:
        """Refuse a study that was made with other settings."""
        if "clearprop" not in self.study.user_attrs:
            with suppress(StorageInternalError):  # another process was quicker
                self.study.set_user_attr("clearprop", settings)
        if self.study.user_attrs.get("clearprop", settings) != settings:
            raise ConfigError(
                f"sweep: the study {self.name!r} in the storage was begun with other settings. "
                "Take the same settings, or start a sweep with another --name."
            )

    def claim(self) -> Claim | None:
        """The next trial to train, which is then this process's own; None if there is none now."""
        with alone(self._claims):
            trial_id = self._take_waiting() or self._take_new()
            if trial_id is None:
                return None
            self._mine.add(trial_id)
            self.storage.set_trial_user_attr(trial_id, "owner", self.presence.name)
        number = self.storage.get_trial_number_from_id(trial_id)
        return Claim(trial_id, number, self._draw(trial_id, number))

    def _take_waiting(self) -> int | None:
        for trial in self._trials():
            if trial.state == TrialState.RUNNING and self._is_dead(trial):
                now = self.storage.get_trial(trial._trial_id)
                if now.user_attrs.get("owner") != trial.user_attrs.get("owner"):
                    continue  # another process was quicker
                self._put_back(trial._trial_id)
            elif trial.state != TrialState.WAITING or trial.number in self._tried:
                continue
            with suppress(UpdateFinishedTrialError):
                if self.storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                    return trial._trial_id
        return None

    def _take_new(self) -> int | None:
        if len(self._trials()) >= self.search.trials:
            return None
        trial_id = self.storage.create_new_trial(self.id)
        if self.storage.get_trial_number_from_id(trial_id) < self.search.trials:
            return trial_id
        self._put_back(trial_id)  # another process was quicker; who asks for more trials will take it up
        return None

    def _draw(self, trial_id: int, number: int) -> Choice:
        """A trial's values. Its number seeds the sampler, so that resuming or sharing a sweep draws the same."""
        sampler = self._sampler(number)
        study = optuna.load_study(
            study_name=self.name, storage=self.storage, sampler=sampler
        )  # sees all trials
        trial = optuna.trial.Trial(study, trial_id)
        for key, values in self.search.space.items():
            values.suggest(trial, key)
        return self._choice(trial.params)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        search, kind = self.search, self.search.sampler
        if isinstance(kind, Grid):
            chosen = search.combinations[number].items()
            return Combination({key: search.space[key].stored(value) for key, value in chosen})
        seeds = np.random.SeedSequence([self.seed if kind.seed is None else kind.seed, number])
        seed = int(seeds.generate_state(1)[0])
        if isinstance(kind, Random):
            return optuna.samplers.RandomSampler(seed=seed)
        assert isinstance(kind, TPE)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=kind.startup)

    def _choice(self, params: Mapping[str, Any]) -> Choice:
        return {key: values.read(params[key]) for key, values in self.search.space.items() if key in params}

    def settle(self, claim: Claim, summary: Mapping[str, Any]) -> None:
        """What a trial came to. One that was interrupted or has failed waits again.

        A trial that diverged counts as pruned: so TPE learns where not to look.
        """
        self._mine.discard(claim.id)
        trial = self.storage.get_trial(claim.id)
        if trial.state != TrialState.RUNNING or trial.user_attrs.get("owner") != self.presence.name:
            return  # taken for dead, and trained by another
        self.storage.set_trial_user_attr(claim.id, "summary", dict(summary))
        status, value = summary["status"], value_of(summary, self.search.metric or "loss")
        if status == "finished" and value is not None:
            self.storage.set_trial_state_values(claim.id, TrialState.COMPLETE, [value])
        elif status in ("finished", "pruned", "diverged"):
            last = [trial.intermediate_values[trial.last_step]] if trial.last_step is not None else []
            known = last if status == "pruned" and all(map(isfinite, last)) else []
            self.storage.set_trial_state_values(claim.id, TrialState.PRUNED, known or None)
        else:
            if status == "failed":
                self._tried.add(claim.number)
            self._put_back(claim.id)

    def put_back(self, claim: Claim) -> None:
        """Let a trial wait again, as if it had not been claimed; its run keeps what it has."""
        self._mine.discard(claim.id)
        self._put_back(claim.id)

    def _put_back(self, trial_id: int) -> None:
        with suppress(UpdateFinishedTrialError):
            self.storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def entries(self) -> list[Entry]:
        """Every trial that has come to something, or runs for another process, by number."""
        found = []
        for trial in sorted(self._trials(), key=lambda trial: trial.number):
            summary = trial.user_attrs.get("summary")
            if trial.state == TrialState.RUNNING and trial._trial_id not in self._mine:
                summary = {"status": INTERRUPTED if self._is_dead(trial) else RUNNING}
            if summary is not None:
                found.append(Entry(trial.number, self._choice(trial.params), summary, trial.value))
        return found

    def drawn(self) -> list[tuple[int, Choice]]:
        """The numbers and values of the trials that have them, and are trained nowhere."""
        return [
            (trial.number, self._choice(trial.params))
            for trial in self._trials()
            if len(trial.params) == len(self.search.space)
            and (trial.state != TrialState.RUNNING or self._is_dead(trial))
        ]

    def begun(self) -> int:
        """How many trials there must be for none to be left out that is trained or has come to something."""
        every = self.storage.get_all_trials(self.id, deepcopy=False)
        known = [
            trial.number
            for trial in every
            if trial.state == TrialState.RUNNING or "summary" in trial.user_attrs
        ]
        return max(known, default=-1) + 1

    def importances(self) -> dict[str, float]:
        """The share of the variance among finished trials that each key explains (fANOVA, Hutter et al. 2014).

        Raises
        ------
        DataError
            If there is no variance.
        """
        if len({trial.value for trial in self._trials() if trial.state == TrialState.COMPLETE}) < 2:
            raise DataError("sweep: expected finished trials with different results, got none that differ.")
        try:
            import sklearn  # noqa: F401
        except ImportError:
            raise ConfigError(
                "sweep: importances need scikit-learn. Install it: pip install 'clearprop[sweep]'"
            ) from None
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        shares = optuna.importance.get_param_importances(self.study, evaluator=evaluator)
        self.close()
        return {key: float(share) for key, share in shares.items()}

    def unsure(self) -> bool:
        """Whether some process elsewhere may be dead, and it is too early to tell."""
        others = [trial for trial in self._running() if trial._trial_id not in self._mine]
        return any(self._is_dead(trial) or self._heard.get(trial._trial_id, _LOUD).first for trial in others)

    def _is_dead(self, trial: FrozenTrial) -> bool:
        """Whether the process that trains it is gone: a mark on this machine says so, or a long silence."""
        if trial._trial_id in self._mine:
            return False
        alive = self.presence.is_alive(trial.user_attrs.get("owner"))
        if alive is not None:
            self._heard.pop(trial._trial_id, None)
            return not alive
        sign = (trial.user_attrs.get("owner"), trial.user_attrs.get("beat"))
        known = self._heard.get(trial._trial_id)
        if known is None or known.sign != sign:
            known = self._heard[trial._trial_id] = Heard(sign, monotonic(), first=known is None)
        return monotonic() - known.since > SILENCE

    def _running(self) -> list[FrozenTrial]:
        return [trial for trial in self._trials() if trial.state == TrialState.RUNNING]

    def _trials(self) -> list[FrozenTrial]:
        every = self.storage.get_all_trials(self.id, deepcopy=False)
        return [trial for trial in every if trial.number < self.search.trials]

    def _beat(self) -> None:
        """A sign of life for each trial, now and then: another value than before."""
        count = 0
        while not self._done.wait(BEAT):
            count += 1
            for trial_id in list(self._mine):
                with suppress(OptunaError, SQLAlchemyError):  # a storage that is away for a moment
                    self.storage.set_trial_user_attr(trial_id, "beat", f"{self.presence.name} {count}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's line about every new study."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
