"""What two processes of a sweep do at once, and what a trial's value is that did not go to its end."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest

from clearprop.runs.config import make_config
from clearprop.runs.database import address_of
from clearprop.runs.folder import RunFolder
from clearprop.runs.share import Share
from clearprop.runs.space import make_search
from clearprop.runs.study import Study

RATE = {"optimizer.lr": {"low": 1e-4, "high": 1.0, "log": True}}
ENDED = {"status": "finished", "validation": {"loss": 0.5}}


def study(folder: Path, trials: int) -> Study:
    search = make_search(RATE, "random", "none", trials, metric="validation_loss")
    return Study(address_of(folder / "sweep.db"), "s", search, 0, folder)


def test_a_trial_too_many_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with study(tmp_path, 1) as first, study(tmp_path, 1) as second:
        claim = first.claim()
        assert claim is not None
        with monkeypatch.context() as patch:
            patch.setattr(second, "_trials", list)  # as if both had looked before one began
            assert second.claim() is None
        first.settle(claim, ENDED)
        assert second.begun() == 1
    with study(tmp_path, 2) as more:
        found = more.claim()
    assert found is not None
    assert found.number == 1


def test_a_dead_process_has_one_heir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with study(tmp_path, 1) as dead, study(tmp_path, 1) as heir, study(tmp_path, 1) as late:
        claim = dead.claim()
        before = copy.deepcopy(late._trials())
        dead.presence._mark.close()  # type: ignore[union-attr]  # as when it is killed
        assert heir.claim() == claim
        monkeypatch.setattr(late, "_trials", lambda: before)  # it had looked before
        assert late.claim() is None


@pytest.mark.parametrize(
    ("status", "told", "value"),
    [("pruned", 0.25, 0.25), ("pruned", math.inf, None), ("pruned", None, None), ("diverged", 0.25, None)],
)
def test_the_value_of_a_trial_that_was_given_up(
    tmp_path: Path, status: str, told: float | None, value: float | None
) -> None:
    summary: dict[str, Any] = {"status": status, "validation": {"loss": 9.0}}
    with study(tmp_path, 1) as own:
        claim = own.claim()
        assert claim is not None
        if told is not None:
            own.storage.set_trial_intermediate_value(claim.id, 3, told)
        own.settle(claim, summary)
        (entry,) = own.entries()
        assert (entry.summary, entry.value) == (summary, value)
        assert own.claim() is None  # it does not wait again


def test_a_process_that_is_killed_is_replaced_twice(tmp_path: Path) -> None:
    table = make_config(
        {
            "data": {"name": "iris"},
            "model": {"layers": [{"type": "Dense", "units": 3}]},
            "training": {"epochs": 1, "batch_size": 25},
            "sweep": {"seed": [1]},
        },
        "test",
    )
    said: list[str] = []
    with study(tmp_path, 1) as own:
        share = Share(RunFolder(tmp_path), table, own, said.append, None, None)
        for _ in range(2):
            claim = own.claim()
            assert claim is not None
            share._after_a_kill(claim)
            assert not said
        claim = own.claim()
        assert claim is not None
        share._after_a_kill(claim)
        assert said[0].endswith("failed: its process was killed 3 times.")
        assert own.claim() is None
