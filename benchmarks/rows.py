"""What a row of the table is. Each family of rows has a file of its own; `families.py` lists them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple


class Scale(NamedTuple):
    """How much work a row is: all of it, or just enough to see that it runs."""

    threads: int
    tiny: bool = False

    def of(self, full: int, tiny: int) -> int:
        """The number for this scale."""
        return tiny if self.tiny else full


Run = Callable[[], float]  # does the work once and gives what was measured, in the row's unit
Contender = Callable[[Scale], Run]  # prepares the work; imports its library here, so that it may be missing


@dataclass(frozen=True)
class Row:
    """A workload, and who does it.

    `ours` and each rival prepare the same work in their own library. `unit` is "s" or "B". `threaded` rows are
    measured for each number of threads, the others once. `rounds` limits the number of rounds, for work that takes
    long or numbers that hardly vary.
    """

    family: str
    name: str
    ours: Contender
    rivals: Mapping[str, Contender]
    unit: str = "s"
    threaded: bool = True
    rounds: int | None = None


def timed(work: Callable[[], object], count: int = 1) -> Run:
    """A Run that measures the seconds that `work` takes, divided by the `count` of things that it does."""

    def run() -> float:
        start = perf_counter()
        work()
        return (perf_counter() - start) / count

    return run


def repeated(call: Callable[[], object], times: int) -> Run:
    """A Run that measures the seconds of one call, over many."""

    def work() -> None:
        for _ in range(times):
            call()

    return timed(work, times)
