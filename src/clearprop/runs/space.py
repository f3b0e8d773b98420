"""What a sweep searches and how: the values or the range of each key, the sampler, the pruner."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import ceil, isfinite, log, log10, prod
from typing import TYPE_CHECKING, Any

from clearprop.errors import ConfigError
from clearprop.names import Named, build, check_count, check_number, unknown

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import Trial

Choice = dict[str, Any]  # a value for each key: {"optimizer.lr": 0.1}

EXPECTED = "a list of values, or a range such as { low = 1e-4, high = 1.0, log = true }"
FINE = 1000  # parts of a range that a drawn number tells apart
MOST = 10_000  # combinations of a grid


@dataclass(frozen=True)
class Choices:
    """One of these values, of whatever kind. Optuna knows them by their labels.

    >>> Choices((0.1, "adam", {"name": "sgd"})).labels
    ['0.1', 'adam', '{"name": "sgd"}']
    """

    values: tuple[Any, ...]

    @property
    def labels(self) -> list[str]:
        return [self.stored(value) for value in self.values]

    def suggest(self, trial: "Trial", key: str) -> None:
        trial.suggest_categorical(key, self.labels)

    def count(self) -> int:
        return len(self.values)

    def all(self) -> list[Any]:
        return list(self.values)

    def stored(self, value: Any) -> Any:
        """A value as Optuna keeps it."""
        return value if isinstance(value, str) else json.dumps(value, default=str)

    def read(self, stored: Any) -> Any:
        """The value that Optuna keeps so."""
        return self.values[self.labels.index(stored)]

    def ends(self) -> list[Any]:
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """A number from low to high, both included: whole where both are, by its logarithm with `log`, in steps.

    >>> Range(4, 16, step=4).all(), Range(0.0, 1.0).all()
    ([4, 8, 12, 16], None)
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def suggest(self, trial: "Trial", key: str) -> None:
        if self.whole:
            trial.suggest_int(key, int(self.low), int(self.last), step=int(self.step or 1), log=self.log)
        else:
            trial.suggest_float(key, self.low, self.last, step=self.step, log=self.log)

    def read(self, stored: float) -> float:
        """Rounded to a thousandth of the range at that place: what tables show is what was trained."""
        if self.whole:
            return stored
        return self._short(stored)

    def _short(self, value: float) -> float:
        fine = (value * log(self.high / self.low) if self.log else self.high - self.low) / FINE
        if self.step is not None:
            fine = self.step / FINE
        digits = max(0, ceil(-log10(fine))) if fine > 0 else 15
        return min(max(round(value, digits), self.low), self.high)

    def all(self) -> list[Any] | None:
        """Every value in order; None if they cannot be counted."""
        if self.count() is None:
            return None
        values = [self.low + k * (self.step or 1) for k in range(self.count() or 0)]
        return values if self.whole else [self._short(value) for value in values]

    def count(self) -> int | None:
        """How many values there are; None if they cannot be counted."""
        if self.log or (self.step is None and not self.whole):
            return None
        return int((self.high - self.low) / (self.step or 1) + 1e-9) + 1

    @property
    def last(self) -> float:
        """The greatest value: the steps need not meet the end."""
        values = self.all() if self.step is not None else None
        return values[-1] if values else self.high

    def stored(self, value: Any) -> Any:
        return value

    def ends(self) -> list[Any]:
        return [self.low, self.last]


Values = Choices | Range


def read_values(given: Any) -> Values:
    """What stands at a key of [sweep].

    Raises
    ------
    ValueError
        Saying what was expected; whoever knows the key completes the sentence.
    """
    if isinstance(given, list):
        if not given:
            raise ValueError("expected at least one value")
        return Choices(tuple(given))
    if not isinstance(given, Mapping) or not {"low", "high"} <= given.keys():
        raise ValueError(f"expected {EXPECTED}, the key in quotes")
    for name in given:
        if name not in ("low", "high", "log", "step"):
            raise ValueError(f"expected a range of low, high, log and step, without {name!r}")
    return _range(**given)


def _range(low: Any, high: Any, log: Any = False, step: Any = None) -> Range:
    for name, value in (("low", low), ("high", high), *([] if step is None else [("step", step)])):
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ValueError(f"expected {name} to be a number")
    if not isinstance(log, bool):
        raise ValueError("expected log to be true or false")
    if low >= high:
        raise ValueError("expected low to be less than high")
    if log and low <= 0:
        raise ValueError("expected low to be greater than 0 in a range by logarithm")
    if step is not None and (log or step <= 0 or step > high - low):
        raise ValueError("expected step to be greater than 0, no more than the range, and without log")
    if isinstance(low, int) and isinstance(high, int):
        if step is not None and not isinstance(step, int):
            raise ValueError("expected a whole step between whole numbers; write low = 0.0 for others")
        return Range(low, high, log, step)
    return Range(float(low), float(high), log, None if step is None else float(step))


@dataclass(frozen=True)
class Grid(Named):
    """Every combination, the last key changing fastest."""

    name = "grid"


@dataclass(frozen=True)
class Random(Named):
    """Each trial is drawn for itself. Without a seed it is the run's."""

    seed: int | None = None
    name = "random"

    def __post_init__(self) -> None:
        _check_seed("random", self.seed)


@dataclass(frozen=True)
class TPE(Named):
    """Tree-structured Parzen estimator (Bergstra et al. 2011): after `startup` random trials, near the good ones."""

    seed: int | None = None
    startup: int = 10
    name = "tpe"

    def __post_init__(self) -> None:
        _check_seed("tpe", self.seed)
        check_count("sweep.sampler 'tpe'", "startup", self.startup, least=0)


@dataclass(frozen=True)
class NoPruner(Named):
    """Every trial runs to its end."""

    name = "none"

    def make(self) -> "BasePruner | None":
        return None


@dataclass(frozen=True)
class Median(Named):
    """Stop a trial that at an epoch has done worse than half of the others had there.

    The first `startup` trials and each one's first `warmup` epochs are left alone.
    """

    startup: int = 5
    warmup: int = 0
    name = "median"

    def __post_init__(self) -> None:
        for what in ("startup", "warmup"):
            check_count(f"sweep.pruner {self.name!r}", what, getattr(self, what), least=0)

    @property
    def _first_judged(self) -> int:
        """The epoch, counted from one; Optuna counts its steps from zero."""
        return self.warmup + 1

    def make(self) -> "BasePruner | None":
        from optuna.pruners import MedianPruner

        return MedianPruner(n_startup_trials=self.startup, n_warmup_steps=self._first_judged)


@dataclass(frozen=True)
class Percentile(Median):
    """The same, keeping the best so many per cent."""

    keep: float = 25.0
    name = "percentile"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("sweep.pruner 'percentile'", "keep", self.keep, "in (0, 100)", lambda k: 0 < k < 100)

    def make(self) -> "BasePruner | None":
        from optuna.pruners import PercentilePruner

        return PercentilePruner(self.keep, n_startup_trials=self.startup, n_warmup_steps=self._first_judged)


@dataclass(frozen=True)
class Halving(Named):
    """Successive halving, asynchronous (Li et al. 2020): after `epochs`, `factor` times as many, and so on,
    one of `factor` trials goes on."""

    epochs: int = 1
    factor: int = 4
    name = "halving"

    def __post_init__(self) -> None:
        check_count("sweep.pruner 'halving'", "epochs", self.epochs)
        check_count("sweep.pruner 'halving'", "factor", self.factor, least=2)

    def make(self) -> "BasePruner | None":
        from optuna.pruners import SuccessiveHalvingPruner

        return SuccessiveHalvingPruner(min_resource=self.epochs, reduction_factor=self.factor)


Sampler = Grid | Random | TPE
Pruner = NoPruner | Median | Halving
SAMPLERS: dict[str, Callable[..., Sampler]] = {"grid": Grid, "random": Random, "tpe": TPE}
PRUNERS: dict[str, Callable[..., Pruner]] = {
    "none": NoPruner,
    "median": Median,
    "percentile": Percentile,
    "halving": Halving,
}


@dataclass(frozen=True)
class Search:
    """A checked [sweep]: how many trials, drawn how, from what.

    Raises
    ------
    ConfigError
        If sampler, trials and keys do not fit together.
    """

    space: dict[str, Values]
    sampler: Sampler
    pruner: Pruner
    trials: int
    jobs: int = 1
    metric: str | None = None
    direction: str | None = None
    storage: str | None = None
    combinations: list[Choice] = field(default_factory=list, repr=False)  # of a grid

    @property
    def maximize(self) -> bool:
        """Losses and errors are best when low, all else when high, unless the direction is given."""
        if self.direction is not None:
            return self.direction == "maximize"
        return self.metric is not None and not self.metric.endswith(("loss", "error"))


def make_search(
    space: Mapping[str, Any], sampler: Any, pruner: Any, trials: int | None, **others: Any
) -> Search:
    """From the keys of [sweep], each checked for itself already: first lists, then ranges, for that is how TOML keeps
    them, and trials are drawn, numbered and named in this order.
    """
    read = {key: read_values(given) for key, given in space.items()}
    values = dict(sorted(read.items(), key=lambda item: isinstance(item[1], Range)))
    if not values:
        raise ConfigError('sweep: expected keys to search, got none. Write "optimizer.lr" = [0.1, 0.01].')
    made = build("sweep.sampler", sampler, SAMPLERS)
    stops = build("sweep.pruner", pruner, PRUNERS)
    if not isinstance(made, Grid):
        if trials is None:
            raise ConfigError(
                f"sweep: expected how many trials to draw with the sampler {made.name!r}. Write trials = 20."
            )
        return Search(values, made, stops, trials, **others)
    _check_countable(values)
    combinations = [
        dict(zip(values, chosen, strict=True))
        for chosen in product(*(v.all() or [] for v in values.values()))
    ]
    if trials is not None:
        raise ConfigError(
            f"sweep: expected no number of trials with the sampler 'grid', which trains all {len(combinations)} "
            f'combinations, got {trials}. Leave it out, or take sampler = "random".'
        )
    return Search(values, made, stops, len(combinations), combinations=combinations, **others)


def _check_countable(values: Mapping[str, Values]) -> None:
    for key, of in values.items():
        if of.count() is None:
            by_log = isinstance(of, Range) and of.log
            kind, remedy = (
                ("by logarithm", "Write the values out") if by_log else ("without a step", "Give it a step")
            )
            raise ConfigError(
                f"sweep.{key}: expected values that can be counted for the sampler 'grid', got a range {kind}. "
                f'{remedy}, or take sampler = "random" or "tpe" and trials = 20.'
            )
    count = prod(of.count() or 0 for of in values.values())
    if count > MOST:
        raise ConfigError(
            f"sweep: expected at most {MOST:,} combinations for the sampler 'grid', got {count:,}. Give fewer values, "
            'or take sampler = "random" or "tpe" and trials = 20.'
        )


def _check_seed(name: str, seed: int | None) -> None:
    if seed is not None:
        check_count(f"sweep.sampler {name!r}", "seed", seed, least=0)


def check_metric(metric: str | None, columns: list[str]) -> str:
    """The column that is searched for its best; without a name the validation part's loss, if there is one."""
    if metric is None:
        return "validation_loss" if "validation_loss" in columns else "loss"
    if metric not in columns:
        raise unknown("sweep", "metric", metric, columns)
    return metric
