"""One process's part in a sweep: it claims trials, has them trained, and writes down what has come of them."""

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from copy import deepcopy
from time import sleep
from typing import TYPE_CHECKING, Any

from clearprop.errors import ClearpropError
from clearprop.history import INTERRUPTED
from clearprop.runs.config import RunConfig, make_config, set_key
from clearprop.runs.crew import Crew
from clearprop.runs.folder import RunFolder
from clearprop.runs.outcomes import (
    PARTS,
    RUNNING,
    Outcome,
    in_words,
    name_of,
    outcome_of,
    run_name,
    write_comparison,
)
from clearprop.runs.space import Choice, NoPruner
from clearprop.runs.trial import Judge, Task, train_trial

if TYPE_CHECKING:
    from clearprop.runs.study import Claim, Study

Say = Callable[[str], None]
Now = Callable[[list[str]], None]
KILLED = 3  # times that a trial's process may be killed


def own_config(config: RunConfig, choice: Choice) -> RunConfig:
    """A trial's own configuration."""
    tables = config.plain()
    tables.pop("sweep")
    for key, value in choice.items():
        set_key(tables, key.split("."), deepcopy(value), f"sweep.{key}")
    return make_config(tables, f"sweep, {name_of(choice)}")


class Share:
    """One process's part in a sweep."""

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        study: "Study",
        say: Say,
        now: Now | None,
        executor: Executor | None,
    ) -> None:
        self.folder, self.config, self.study, self.say, self.now = folder, config, study, say, now
        self.search = config.make_search()
        self.crew = Crew(self.search.jobs, executor)
        self.futures: dict[Future[dict[str, Any]], Claim] = {}
        self.killed: dict[int, int] = {}
        self.stopping = self.broken = False
        self.error: BaseException | None = None

    def run(self) -> list[Outcome]:
        try:
            with self.study:
                while self._goes_on():
                    pass
                found = self._write_comparison()
                running = sum(one.summary["status"] == RUNNING for one in found)
                if running:
                    self.say(f"{running} of {self.search.trials} are still trained by other processes.")
        except BaseException:
            self.crew.interrupt()  # what they have trained is kept
            raise
        finally:
            self.crew.close()
        if self.error is not None:
            raise self.error
        return found

    def _goes_on(self) -> bool:
        """One round: give out trials, wait, write down what has come of some."""
        try:
            if self.broken and not self.futures:
                self.crew.renew()
                self.broken = False
            while len(self.futures) < self.search.jobs and self._give_out():
                pass
            if self.futures:
                self._tell()
                for future in self.crew.wait(self.futures):
                    self._settle(future, self.futures.pop(future))
            elif self.stopping or not (self.broken or self.study.unsure()):
                return False
            else:
                sleep(0.2)  # a process elsewhere may be dead
        except KeyboardInterrupt:
            self._stop()
        return True

    def _give_out(self) -> bool:
        """A trial to the crew, if there is one to do."""
        if self.stopping or self.broken or (claim := self.study.claim()) is None:
            return False
        self._tell(claim)  # a crew of one returns when the trial is done
        try:
            self.futures[self.crew.submit(train_trial, self._task(claim))] = claim
        except ClearpropError as error:  # drawn values that are not valid together
            self._write_down(claim, {"status": "failed", "reason": str(error)})
        except BrokenExecutor:
            self.study.put_back(claim)
            self.broken = True
        return True

    def _tell(self, *more: "Claim") -> None:
        """What is trained now."""
        claims = [*(claim for future, claim in self.futures.items() if not future.done()), *more]
        if self.now is not None and claims:
            self.now([run_name(self.search, claim.number, claim.choice) for claim in claims])

    def _stop(self) -> None:
        self.stopping = True
        self.crew.interrupt()

    def _task(self, claim: "Claim") -> Task:
        name, search = run_name(self.search, claim.number, claim.choice), self.search
        judge = None
        if not isinstance(search.pruner, NoPruner):
            judge = Judge(
                self.study.address, self.study.name, claim.id, search.metric or "loss", search.pruner
            )
        own = own_config(self.config, claim.choice)
        return Task(RunFolder(self.folder.path / name), own, search.jobs, judge)

    def _settle(self, future: "Future[dict[str, Any]]", claim: "Claim") -> None:
        error = future.exception()
        if error is None:
            self._write_down(claim, future.result())
            return
        if isinstance(error, BrokenExecutor) and not self.crew.given:
            self._after_a_kill(claim)
            return
        self.study.put_back(claim)
        if not isinstance(error, KeyboardInterrupt):
            self.error = self.error or error
        self._stop()

    def _write_down(self, claim: "Claim", summary: dict[str, Any]) -> None:
        kept = {
            key: summary[key] for key in ("status", "reason", "epochs", "seconds", *PARTS) if key in summary
        }
        self.study.settle(claim, kept)
        self._write_comparison()
        open_still = (INTERRUPTED, RUNNING)
        done = sum(entry.summary["status"] not in open_still for entry in self.study.entries())
        name = run_name(self.search, claim.number, claim.choice)
        self.say(f"{done}/{self.search.trials}  {name}  {in_words(kept, self.search.metric)}")
        if kept["status"] == INTERRUPTED:
            self._stop()

    def _after_a_kill(self, claim: "Claim") -> None:
        """One process is gone, and with it the others: new ones go on from the checkpoints."""
        self.broken = True
        self.killed[claim.number] = self.killed.get(claim.number, 0) + 1
        if self.killed[claim.number] < KILLED or self.stopping:
            self.study.put_back(claim)
        else:
            self._write_down(claim, {"status": "failed", "reason": f"its process was killed {KILLED} times."})

    def _write_comparison(self) -> list[Outcome]:
        found = [outcome_of(self.folder, self.search, entry) for entry in self.study.entries()]
        if found:
            write_comparison(self.folder, found)
        return found
