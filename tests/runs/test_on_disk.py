"""A run on converted data: cut, scaled and trained as in memory, without being loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearprop.callbacks import Callback
from clearprop.data import convert_csv
from clearprop.errors import ConfigError, DataError, DivergedError
from clearprop.evaluation import evaluate
from clearprop.loop import Training
from clearprop.metrics import roc_auc
from clearprop.runs import plots as plots_room
from clearprop.runs.config import DataTable, RunConfig, make_config
from clearprop.runs.folder import RunFolder
from clearprop.runs.prepare import prepare
from clearprop.runs.run import resume, start

New = Callable[[str], RunFolder]
Numbers = Callable[[RunFolder], dict[str, Any]]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearprop.sources.BLOCK_BYTES", 160)
    monkeypatch.setattr("clearprop.feed.WINDOW_BLOCKS", 3)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """400 rows of four features and one of two classes, by their names, as they were measured."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=400)
    x = rng.normal(5 * y[:, None], [1, 10, 3, 2], size=(400, 4))
    path = tmp_path / "table.csv"
    rows = (",".join(map(str, row)) + f",{'ab'[label]}" for row, label in zip(x.tolist(), y, strict=True))
    path.write_text("u,v,w,x,kind\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def converted(table: Path) -> Path:
    convert_csv(table, table.with_name("data"))
    return table.with_name("data")


def config_of(folder: Path, *changes: str) -> RunConfig:
    tables = {
        "data": {"file": str(folder), "validation": 0.1, "test": 0.2, "scale": "standardize"},
        "model": {
            "layers": [{"type": "Dense", "units": 6, "activation": "relu"}, {"type": "Dense", "units": 2}]
        },
        "optimizer": {"name": "adam", "lr": 0.01},
        "training": {"epochs": 4, "batch_size": 30},
        "checkpoints": {"seconds": 0},
    }
    return make_config(tables, "test", changes)


def test_parts_are_consecutive_and_scaled_by_the_first(converted: Path) -> None:
    x, y = np.load(converted / "x.npy"), np.load(converted / "y.npy")
    prepared = prepare(DataTable(file=str(converted), validation=0.1, test=0.2, scale="standardize"), 0)
    assert {name: len(part.x) for name, part in prepared.parts.items()} == {
        "train": 280,
        "validation": 40,
        "test": 80,
    }
    mean, std = x[:280].mean(axis=0, dtype=np.float64), x[:280].std(axis=0, dtype=np.float64)
    for name, rows in (("train", slice(0, 280)), ("validation", slice(280, 320)), ("test", slice(320, 400))):
        part, raw = prepared.parts[name], prepared.raw[name]
        n = len(part.x)
        np.testing.assert_allclose(part.x.read(0, n), (x[rows] - mean) / std, rtol=1e-4, atol=1e-5)  # type: ignore[union-attr]
        np.testing.assert_array_equal(part.y.read(0, n), y[rows])  # type: ignore[union-attr]
        np.testing.assert_array_equal(raw.x.read(0, n), x[rows])  # type: ignore[union-attr]
    known = prepared.preprocessing
    assert (known.class_names, known.feature_names) == (("a", "b"), ("u", "v", "w", "x"))


@pytest.mark.parametrize("scale", ["none", "minmax"])
def test_the_training_part_is_known_by_the_same_hash_as_in_memory(tmp_path: Path, scale: str) -> None:
    x, y = np.random.default_rng(0).normal(size=(300, 4)), np.arange(300) % 3
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "whole.npz", x=x, y=y)
    on_disk = prepare(DataTable(file=str(tmp_path), scale=scale), 0)  # type: ignore[arg-type]
    in_memory = prepare(DataTable(file=str(tmp_path / "whole.npz"), scale=scale), 0)  # type: ignore[arg-type]
    assert on_disk.preprocessing.train_sha256 == in_memory.preprocessing.train_sha256
    if scale == "minmax":
        np.testing.assert_array_equal(
            on_disk.preprocessing.scaling.shift,  # type: ignore[union-attr]
            in_memory.preprocessing.scaling.shift,  # type: ignore[union-attr]
        )


def test_a_run_learns_and_says_so(converted: Path, folder: New) -> None:
    result = start(folder("disk"), config_of(converted))
    assert result.summary["status"] == "finished"
    assert result.summary["test"]["accuracy"] > 0.9
    assert "auc" not in result.summary["train"]
    model, run = result.folder.load_model(), result.folder
    x, y = np.load(converted / "x.npy")[320:], np.load(converted / "y.npy")[320:]
    scaled = run.read_preprocessing().apply(x)
    found = evaluate(model, scaled, y, "softmax_cross_entropy")
    assert result.summary["test"]["loss"] == pytest.approx(found["loss"], rel=1e-5)
    assert result.summary["test"]["auc"] == pytest.approx(roc_auc(y, model.probabilities(scaled)[:, 1]))


class Killed(BaseException):
    pass


class KillAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, training: Training) -> None:
        if training.step == self.step:
            raise Killed


@pytest.mark.parametrize("step", [1, 7, 10, 13])
def test_killed_and_resumed_it_is_the_run_that_was_never_stopped(
    converted: Path, folder: New, numbers: Numbers, step: int
) -> None:
    expected = numbers(start(folder("whole"), config_of(converted)).folder)
    run = folder("killed")
    with pytest.raises(Killed):
        start(run, config_of(converted), [KillAt(step)])
    assert numbers(resume(run, run.read_config()).folder) == expected


def test_data_that_have_changed_are_refused(converted: Path, folder: New) -> None:
    run = folder("changed")
    with pytest.raises(Killed):
        start(run, config_of(converted), [KillAt(3)])
    x = np.load(converted / "x.npy")
    x[200, 1] += 1
    np.save(converted / "x.npy", x)
    with pytest.raises(DataError, match="expected the training data that the run began with"):
        resume(run, run.read_config())


def test_pictures_are_of_the_first_rows(
    converted: Path, folder: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearprop.runs.prepare.LOOKED_AT", 30)
    seen = []
    monkeypatch.setattr(plots_room, "save_run_plots", lambda *args, **named: seen.append(args[2]))
    monkeypatch.setattr("clearprop.runs.run.save_plots", plots_room.save_plots)
    start(folder("pictures"), config_of(converted))
    np.testing.assert_array_equal(seen[0].x, np.load(converted / "x.npy")[320:350])
    np.testing.assert_array_equal(seen[0].y_true, np.load(converted / "y.npy")[320:350])


def test_a_last_step_that_goes_too_far(converted: Path, folder: New) -> None:
    with pytest.raises(DivergedError):
        start(folder("hot"), config_of(converted, "optimizer.name=sgd", "optimizer.lr=1e30"))


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"stratify": True}, ConfigError, r"data\.stratify: rows on the disk are cut into consecutive parts"),
        ({"validation": 0.6, "test": 0.5}, DataError, "into parts that are not empty, got"),
        ({"validation": 0.0001}, DataError, "expected validation and test to cut the 400 rows"),
    ],
)
def test_what_cannot_be_cut(
    converted: Path, changes: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        prepare(DataTable(file=str(converted), **changes), 0)
