"""Measuring: everybody in turn, within one process, after a warm-up."""

import gc
import time
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from benchmarks.rows import Row, Run, Scale

PAUSE = 0.1  # seconds between two contenders, so that the last one's waiting threads have gone to sleep


@dataclass(frozen=True)
class Measured:
    """One contender's numbers in a row, in the row's unit, in the order in which they were taken."""

    values: list[float]
    missing: str = ""  # why there are none

    @property
    def middle(self) -> float:
        return median(self.values)

    @property
    def spread(self) -> float:
        """Half of the distance between the quartiles, as a share of the median."""
        if len(self.values) < 2 or not self.middle:
            return 0.0
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return (high - low) / 2 / self.middle


@dataclass(frozen=True)
class Result:
    """A row as measured."""

    family: str
    name: str
    unit: str
    threads: int | None  # None where they do not matter
    ours: Measured
    rivals: dict[str, Measured]

    def ratio(self, rival: str) -> float:
        """Our median over the rival's: below 1 we need less."""
        return self.ours.middle / self.rivals[rival].middle

    def as_dict(self) -> dict[str, Any]:
        ratios = {name: self.ratio(name) for name, rival in self.rivals.items() if not rival.missing}
        return {**asdict(self), "ratios": ratios}


def result_from(given: dict[str, Any]) -> Result:
    """The inverse of `Result.as_dict`."""
    parts = {key: value for key, value in given.items() if key != "ratios"}
    parts["ours"] = Measured(**parts["ours"])
    parts["rivals"] = {name: Measured(**each) for name, each in parts["rivals"].items()}
    return Result(**parts)


def measure(row: Row, scale: Scale, repeats: int) -> Result:
    """Everybody once to warm up, then `repeats` rounds of one turn each; a trial has the rounds alone."""
    runs: dict[str, Run] = {"": row.ours(scale)}
    missing: dict[str, str] = {}
    for name, prepare in row.rivals.items():
        try:
            runs[name] = prepare(scale)
        except ImportError as err:
            missing[name] = str(err)
    values: dict[str, list[float]] = {name: [] for name in runs}
    rounds = repeats if row.rounds is None else min(repeats, row.rounds)
    for round_number in range(1 if scale.tiny else 0, rounds + 1):
        for name, run in runs.items():
            value = run() if scale.tiny else _undisturbed(run)
            if round_number:
                values[name].append(value)
    taken = {name: Measured(each) for name, each in values.items()}
    taken |= {name: Measured([], why) for name, why in missing.items()}
    rivals = {name: taken[name] for name in row.rivals}
    return Result(row.family, row.name, row.unit, scale.threads if row.threaded else None, taken[""], rivals)


def _undisturbed(run: Run) -> float:
    """After a pause, and without collecting objects that others have left, as `timeit` does it."""
    gc.collect()
    time.sleep(PAUSE)
    gc.disable()
    try:
        return run()
    finally:
        gc.enable()
