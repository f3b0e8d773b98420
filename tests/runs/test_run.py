"""Runs in process: their numbers against NumPy by hand, the same seed twice, and where a loss is lost."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import clearprop as cp
from clearprop.cli.presets import read_preset_or_file
from clearprop.data import Pair
from clearprop.errors import ClearpropError, ConfigError, DataError, DivergedError, ShapeError
from clearprop.losses import make_loss
from clearprop.ranks import Ranks
from clearprop.runs.checkpoint import latest, load_state
from clearprop.runs.config import RunConfig, make_config
from clearprop.runs.folder import RunFolder, new_folder
from clearprop.runs.predictions import predictions_csv
from clearprop.runs.prepare import prepare
from clearprop.runs.run import _fit, measure, start

Make = Callable[..., RunConfig]
New = Callable[[str], RunFolder]


def preset(name: str, *changes: str) -> RunConfig:
    return make_config(copy.deepcopy(read_preset_or_file(name)[0]), name, changes)


def test_the_summary_by_hand(folder: New) -> None:
    result = start(folder("iris"), preset("iris"))
    w = load_file(result.folder.weights)
    known = json.loads(result.folder.preprocessing.read_text())
    shift, scale = (np.array(known["scaling"][key]) for key in ("shift", "scale"))
    for name, part in prepare(preset("iris").data, 0).raw.items():
        x = (part.x - shift) / scale
        scores = np.maximum(x @ w["0.w"].astype(float) + w["0.b"], 0) @ w["2.w"].astype(float) + w["2.b"]
        probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        loss = -np.log(probs[np.arange(len(x)), part.y]).mean()
        summary = json.loads(result.folder.summary.read_text())[name]
        assert summary["loss"] == pytest.approx(loss, rel=1e-5)
        assert summary["accuracy"] == pytest.approx((scores.argmax(axis=1) == part.y).mean())


def test_iris_over_ten_seeds(tmp_path: Path) -> None:
    runs = [start(new_folder(tmp_path, "iris"), preset("iris", f"seed={seed}")) for seed in range(10)]
    accuracies = sorted(run.summary["test"]["accuracy"] for run in runs)
    assert np.median(accuracies) >= 0.95
    assert accuracies[0] >= 0.86


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_seed_twice(iris: Make, folder: New, numbers: Any, workers: int) -> None:
    changes = (f"training.workers={workers}", "seed=4")
    a, b = (start(folder(name), iris(*changes)).folder for name in "ab")
    assert numbers(a) == numbers(b)
    other = start(folder("c"), iris(f"training.workers={workers}", "seed=5")).folder
    assert other.weights.read_bytes() != a.weights.read_bytes()


def test_workers_are_pinned(iris: Make, folder: New) -> None:
    run = start(folder("a"), iris()).folder
    assert run.read_config().training.workers is not None


@pytest.mark.parametrize(
    ("given", "blas", "threads", "each"),
    [
        (4, None, 2, (2, None)),
        (1, 8, 3, (1, 3)),
        (2, 2, 8, (2, 2)),
        (4, 4, 3, (3, 1)),
        (None, None, 1, (None, None)),
    ],
)
def test_a_rank_takes_no_more_threads_than_it_may(
    iris: Make, monkeypatch: pytest.MonkeyPatch, given: int | None, blas: int | None, threads: int, each: Any
) -> None:
    """What was meant for one process would be too many for each of several on one machine."""
    told: dict[str, Any] = {}
    monkeypatch.setattr("clearprop.runs.run.fit", lambda *_, **settings: told.update(settings))
    config = iris()
    training = config.training.model_copy(update={"workers": given, "blas_threads": blas})
    config = config.model_copy(update={"training": training})
    ranks = Ranks()
    for size, expected in ((1, (given, blas)), (2, each)):
        ranks.size, ranks.threads = size, threads
        prepared = prepare(config.data, 0)
        model, loss = cp.Sequential([cp.Dense(3)], (4,)), make_loss("softmax_cross_entropy")
        _fit(config, prepared, model, loss, None, [], ranks)
        assert (told["workers"], told["blas_threads"]) == expected


def test_best_weights_are_the_best_epochs(iris: Make, folder: New) -> None:
    result = start(folder("a"), iris("training.epochs=40", "optimizer.lr=0.3"))
    best = min(row["validation_loss"] for row in result.history.epochs)
    assert result.history.epochs[-1]["validation_loss"] > best  # or the test would show nothing
    assert result.summary["validation"]["loss"] == pytest.approx(best, rel=1e-6)
    state = load_state(latest(result.folder.checkpoints) or Path())
    assert not np.array_equal(state["params"], cp.load(result.folder.weights).params)  # of the last step


def test_watched_between_epochs_goes_into_the_log(iris: Make, folder: New) -> None:
    run = start(folder("a"), iris("training.evaluate_every=3")).folder
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "watched"] == [3, 6, 9, 12, 15]
    assert all("test_accuracy" in line for line in lines if line["kind"] == "watched")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "training.best_weights=validation_acuracy",
            r"training.best_weights: unknown column 'validation_acuracy'. Did you mean 'validation_accuracy'\?",
        ),
        ("data.validation=0", r"training.best_weights: 'validation_loss' needs a validation part"),
        (
            "training.early_stopping.monitor=lost",
            r"training.early_stopping.monitor: unknown column 'lost'. Did you mean",
        ),
    ],
)
def test_a_column_that_is_not_there_is_refused_before_the_first_step(
    iris: Make, folder: New, change: str, words: str
) -> None:
    run = folder("a")
    with pytest.raises(ConfigError, match=words):
        start(run, iris(change))
    assert not run.path.exists()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (["data.name=irs"], ConfigError),
        (["data.name=mnist"], DataError),
        (["model.layers.2.units=2"], DataError),
        (['loss="squared_error"', "training.best_weights=loss"], ConfigError),
        (['model.layers=[{type = "Reshape", shape = [3, 3]}]'], ShapeError),
    ],
)
def test_a_refused_start_leaves_no_folder(
    iris: Make, folder: New, changes: list[str], error: type[ClearpropError]
) -> None:
    run = folder("a")
    with pytest.raises(error):
        start(run, iris(*changes))
    assert not run.path.exists()


def test_a_refused_start_leaves_the_old_run(iris: Make, tmp_path: Path, folder: New) -> None:
    old = start(folder("a"), iris()).folder
    before = {path: path.read_bytes() for path in old.path.rglob("*") if path.is_file()}
    for change in ("data.name=mnist", "model.layers.2.units=2", "training.best_weights=x"):
        with pytest.raises(ClearpropError):
            start(new_folder(old.path.parent, "a", overwrite=True), iris(change), overwrite=True)
    assert {path: path.read_bytes() for path in old.path.rglob("*") if path.is_file()} == before
    (old.path / "of-the-old-run.txt").write_text("")
    new = start(new_folder(old.path.parent, "a", overwrite=True), iris("seed=8"), overwrite=True).folder
    assert new.path == old.path
    assert new.read_config().seed == 8
    assert not (new.path / "of-the-old-run.txt").exists()
    assert [path.name for path in new.path.parent.iterdir()] == ["a"]


def diverging(iris: Make, *changes: str) -> RunConfig:
    return iris(
        "optimizer.name=sgd", "optimizer.lr=1e30", "checkpoints.seconds=0", "checkpoints.keep=50", *changes
    )


def test_divergence(iris: Make, folder: New) -> None:
    run = folder("a")
    with pytest.raises(DivergedError) as caught:
        start(run, diverging(iris))
    text = str(caught.value)
    assert "step " in text
    assert "layer " in text
    assert "largest" in text
    assert "Lower the learning rate (now 1e+30)" in text
    kept = latest(run.checkpoints)
    assert kept is not None
    assert text.endswith(f"The last good checkpoint is {kept}.")
    for path in run.checkpoints.iterdir():
        assert np.isfinite(load_state(path)["params"]).all()
    summary = run.read_summary()
    assert summary["status"] == "diverged"
    assert summary["reason"] in text
    assert not run.weights.exists()


def test_divergence_before_the_first_checkpoint(iris: Make, folder: New) -> None:
    with pytest.raises(DivergedError, match=r"It came before the first checkpoint\.$"):
        start(folder("a"), iris("optimizer.name=sgd", "optimizer.lr=1e30"))


@pytest.mark.parametrize("lr", ["1e40", "1e38"])
def test_the_last_update_can_go_too_far(iris: Make, folder: New, lr: str) -> None:
    """One step: at 1e40 it makes parameters infinite, at 1e38 finite ones whose scores are not."""
    run = folder("a")
    config = iris("optimizer.name=sgd", f"optimizer.lr={lr}", "training.batch_size=200", "training.epochs=1")
    with pytest.raises(DivergedError, match=r"step 1.*(layer|largest)"):
        start(run, config)
    assert run.read_summary()["status"] == "diverged"
    assert not run.weights.exists()


def test_numbers_can_be_predicted(folder: New, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = x @ [1.0, -2.0, 0.5] + 0.3
    np.savez(tmp_path / "line.npz", x=x, y=y)
    config = make_config(
        {
            "data": {"file": str(tmp_path / "line.npz"), "test": 0.25},
            "model": {"layers": [{"type": "Dense", "units": 1}], "dtype": "float64"},
            "loss": "squared_error",
            "optimizer": {"name": "sgd", "lr": 0.1},
            "training": {"epochs": 60, "batch_size": 25},
        },
        "line",
    )
    result = start(folder("line"), config)
    assert result.summary["test"].keys() == {"loss", "mean_squared_error"}
    assert result.summary["test"]["mean_squared_error"] < 1e-10
    np.testing.assert_allclose(load_file(result.folder.weights)["0.w"][:, 0], [1, -2, 0.5], atol=1e-5)


@pytest.mark.parametrize(
    ("loss", "units"), [("hinge", 2), ("softmax_cross_entropy", 2), ("sigmoid_cross_entropy", 1)]
)
def test_the_auc_of_two_classes(folder: New, tmp_path: Path, loss: str, units: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    np.savez(tmp_path / "two.npz", x=x, y=(x[:, 0] + rng.normal(size=80) > 0).astype(int))
    tables = {
        "data": {"file": str(tmp_path / "two.npz"), "test": 0.5}, "loss": loss,
        "model": {"layers": [{"type": "Dense", "units": units}]}, "training": {"epochs": 2, "batch_size": 10},
    }  # fmt: skip
    result = start(folder("two"), make_config(tables, "two"))
    for name, part in prepare(result.folder.read_config().data, 0).parts.items():
        scores = result.folder.load_model().scores(np.asarray(part.x))
        ahead = scores[:, -1] - (scores[:, 0] if units == 2 else 0)
        assert result.summary[name]["auc"] == pytest.approx(metrics.roc_auc_score(part.y, ahead), abs=1e-9)


def test_a_part_that_lacks_a_class_is_not_one_of_two_classes(tmp_path: Path) -> None:
    model = cp.Sequential([cp.Dense(3)], input_shape=(2,))
    part = Pair(np.ones((4, 2), "f4"), np.array([0, 1, 0, 1]))
    assert set(measure(model, {"test": part}, cp.make_loss("softmax_cross_entropy"))["test"]) == {
        "loss",
        "accuracy",
    }


def test_predictions_as_csv() -> None:
    assert predictions_csv(np.array([2, 0], np.intp)) == "Id,Category\n0,2\n1,0\n"
    assert predictions_csv(np.array([0.5, -1.0])) == "Id,Category\n0,0.5\n1,-1.0\n"
    assert predictions_csv(np.array([[1, 0], [0, 1]])) == "Id,Category0,Category1\n0,1,0\n1,0,1\n"
