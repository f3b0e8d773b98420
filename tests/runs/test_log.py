"""A run's log: a line a step and an epoch, whole again after a resumed start, and a full disk in a sentence."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import FileError
from clearprop.history import History
from clearprop.loop import Training
from clearprop.runs.log import MetricsLog, to_json, write_history


class Opens(cp.Callback):
    def __init__(self, log: MetricsLog) -> None:
        self.log = log

    def on_fit_start(self, training: Training) -> None:
        self.log.open(training.history)


def train(log: MetricsLog, **settings: Any) -> cp.History:
    rng = np.random.default_rng(0)
    model = cp.Sequential([cp.Dense(2)], input_shape=(3,))
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    return cp.fit(model, x, y, epochs=2, batch_size=10, callbacks=[Opens(log), log], **settings)


def test_what_is_written_is_the_history(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m.jsonl")
    history = train(log, validation=0.5, evaluate_every=1)
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    expected = []
    for i, (watched, epoch) in enumerate(zip(history.watched, history.epochs, strict=True)):  # a step each
        step = {name: values[i] for name, values in history.steps.items()}
        expected.append({"kind": "step", "step": i + 1, **step})
        expected += [{"kind": "watched", **watched}, {"kind": "epoch", **epoch}]
    assert lines == expected


def test_history_as_csv(tmp_path: Path) -> None:
    history = History("accuracy")
    write_history(tmp_path / "h.csv", history)
    assert (tmp_path / "h.csv").read_text() == "epoch\n"
    history.epochs = [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-30}]
    write_history(tmp_path / "h.csv", history)
    assert (tmp_path / "h.csv").read_text() == "epoch,loss\n1,0.30000000000000004\n2,1e-30\n"


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").mkdir()
    with pytest.raises(FileError, match=r"m.jsonl: the log could not be opened \(Is a directory\)"):
        train(MetricsLog(tmp_path / "m.jsonl"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk() -> None:
    log = MetricsLog(Path("/dev/full"))
    with pytest.raises(
        FileError, match=r"the log could not be written \(No space left on device\)\. Free some"
    ):
        train(log)
    log.close()  # does not complain once more


def test_closing_twice() -> None:
    log = MetricsLog(Path("x"))
    log._file = io.StringIO()
    log.close()
    log.close()


def test_a_log_that_cannot_be_opened_again_stays(tmp_path: Path) -> None:
    """A history whose columns do not fit together is found out before the old lines are gone."""
    (tmp_path / "m.jsonl").write_text("old\n")
    history = History("accuracy")
    history.steps["loss"].append(0.5)
    with pytest.raises(IndexError):
        MetricsLog(tmp_path / "m.jsonl").open(history)
    assert (tmp_path / "m.jsonl").read_text() == "old\n"


def test_json_without_infinity() -> None:
    content = {"a": [1, float("nan")], "b": {"c": -float("inf"), "d": (0.1, True, "x", None)}}
    expected = {"a": [1, None], "b": {"c": None, "d": [0.1, True, "x", None]}}
    assert json.loads(to_json(content), parse_constant=pytest.fail) == expected
    assert json.loads(to_json(content, indent=2), parse_constant=pytest.fail) == expected
