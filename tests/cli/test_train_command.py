"""`clearprop train`: Iris as a user runs it, names that are taken, sweeps, files of one's own."""

import csv
import json
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.callbacks import Callback
from clearprop.errors import DataError
from clearprop.runs.config import RunConfig
from clearprop.runs.folder import RunFolder
from clearprop.runs.run import Result, start

Clearprop = Callable[..., Any]


def test_iris_as_a_process(process: Callable[..., Any], home: Path) -> None:
    child = process("train", "iris")
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    run = home / "experiments" / "iris"
    assert {path.name for path in run.iterdir()} >= {
        "config.toml", "metrics.jsonl", "history.csv", "weights.safetensors", "preprocessing.json",
        "checkpoints", "summary.json",
    }  # fmt: skip
    assert not list(home.rglob("*.part"))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "step"] == list(range(1, 501))
    assert [line["epoch"] for line in lines if line["kind"] == "epoch"] == list(range(1, 101))
    assert {"loss", "accuracy", "lr", "grad_norm"} < lines[0].keys()
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [line["loss"] for line in lines if line["kind"] == "epoch"]
    summary = json.loads((run / "summary.json").read_text())
    for part in ("train", "validation", "test"):
        assert summary[part].keys() == {"loss", "accuracy"}
    assert summary["seed"] == 0
    assert summary["versions"].keys() >= {"clearprop", "numpy", "python"}
    assert summary["versions"]["clearprop"] == cp.__version__
    assert summary["seconds"] > 0
    assert summary["time"].startswith("20")
    assert (summary["epochs"], summary["steps"], summary["parameters"]) == (100, 500, 203)
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["checkpoints"] == {"seconds": 10.0, "keep": 2}  # what was not said stands there, too
    assert config["training"]["workers"] >= 1
    assert f"{summary['test']['accuracy']:.4f}" in out
    for name in ("weights.safetensors", "history.csv", "summary.json"):
        assert f"experiments/iris/{name}" in out
    assert len(out.splitlines()) < 40
    assert max(map(len, out.splitlines())) <= 80


def test_its_configuration_is_a_run_again(clearprop: Clearprop, small: Path, home: Path) -> None:
    clearprop("train", small, "--seed", 3)
    clearprop("train", "experiments/small/config.toml")  # is called small, too
    a, b = (home / "experiments" / name for name in ("small", "small-2"))
    assert (a / "weights.safetensors").read_bytes() == (b / "weights.safetensors").read_bytes()
    assert (a / "config.toml").read_bytes() == (b / "config.toml").read_bytes()
    summaries = [json.loads((run / "summary.json").read_text()) for run in (a, b)]
    assert summaries[0]["test"] == summaries[1]["test"]
    assert summaries[0]["seed"] == 3


def test_a_taken_name(clearprop: Clearprop, small: Path, home: Path) -> None:
    clearprop("train", small, "--name", "a")
    before = (home / "experiments/a/weights.safetensors").read_bytes()
    out = clearprop("train", small, "--name", "a", "--seed", 1).out
    assert "experiments/a exists; this run is a-2." in out
    assert (home / "experiments/a/weights.safetensors").read_bytes() == before
    assert "exists" not in clearprop("train", small, "--name", "a", "--seed", 1, "--overwrite").out
    assert (home / "experiments/a/weights.safetensors").read_bytes() != before
    assert sorted(path.name for path in (home / "experiments").iterdir()) == ["a", "a-2"]


def test_options_are_changes(clearprop: Clearprop, small: Path, home: Path) -> None:
    clearprop(
        "train", small, "--seed", 5, "--workers", 2, "--folder", "elsewhere",
        "--set", "optimizer.lr=.05", "--set", "model.layers.0.units=4", "--set", "description=mine",
    )  # fmt: skip
    config = tomllib.loads((home / "elsewhere/small/config.toml").read_text())
    assert (config["seed"], config["training"]["workers"], config["description"]) == (5, 2, "mine")
    assert (config["optimizer"]["lr"], config["model"]["layers"][0]["units"]) == (0.05, 4)
    assert cp.load(home / "elsewhere/small/weights.safetensors").named_params()["0.w"].shape == (4, 4)


def test_the_folder_of_the_environment(
    clearprop: Clearprop, small: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARPROP_EXPERIMENTS", str(home / "from-environment"))
    clearprop("train", small)
    assert (home / "from-environment/small/summary.json").is_file()


def test_early_stopping_is_said(clearprop: Clearprop, small: Path) -> None:
    out = clearprop(
        "train", small, "--set", "optimizer.lr=0.3", "--set", "training.epochs=99",
        "--set", "training.early_stopping.patience=2",
    ).out  # fmt: skip
    assert "early stopping: validation_loss was best in epoch" in out


def test_a_sweep(clearprop: Clearprop, home: Path) -> None:
    out = clearprop("train", "iris-sweep", "--set", "training.epochs=2").out
    assert "1/6  lr=0.001,units=5  validation loss" in out
    assert "best validation loss: lr=" in out
    assert "comparison  experiments/iris-sweep/comparison.csv" in out
    with (home / "experiments/iris-sweep/comparison.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 6
    assert (home / "experiments/iris-sweep/lr=0.1,units=25/weights.safetensors").is_file()
    assert all(len(line) <= 80 for line in out.splitlines())
    clearprop("train", "iris-sweep", "--set", "training.epochs=1", "--overwrite")
    assert [path.name for path in (home / "experiments").iterdir()] == ["iris-sweep"]


def test_an_interrupted_sweep(clearprop: Clearprop, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(folder: RunFolder, config: RunConfig, callbacks: Sequence[Callback]) -> Result:
        result = start(folder, config, callbacks)
        result.summary["status"] = "interrupted"
        return result

    monkeypatch.setattr("clearprop.runs.trial.start", interrupted)
    out = clearprop("train", "iris-sweep", "--set", "training.epochs=1", code=130).out
    assert "0/6  lr=0.001,units=5  " in out
    assert "/6  lr=0.001,units=25  " not in out
    assert out.endswith("Go on with what is not finished:\nclearprop sweep --resume iris-sweep\n")


def test_a_sweep_in_which_one_fails(
    clearprop: Clearprop, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(folder: RunFolder, config: RunConfig, callbacks: Sequence[Callback]) -> Result:
        if config.model.layers[0]["units"] == 5:
            raise DataError("x: no room.")
        return start(folder, config, callbacks)

    monkeypatch.setattr("clearprop.runs.trial.start", fails)
    out = clearprop("train", "iris-sweep", "--set", "training.epochs=1", code=2).out
    assert "5/6  lr=0.1,units=5  failed: x: no room." in out
    assert "6/6  lr=0.1,units=25  validation loss" in out
    assert "clearprop sweep --resume iris-sweep" in out


def test_an_interrupt_before_the_first_step_leaves_nothing(
    clearprop: Clearprop, small: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clearprop.runs.run.prepare_together", interrupt)
    assert "Traceback" not in clearprop("train", small, code=130).err
    assert list((home / "experiments").iterdir()) == []


def flowers(path: Path, rows: int = 90, seed: int = 0) -> np.ndarray:
    """Three clouds of points with names."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 3
    x = rng.normal(size=(rows, 2)) * 0.3 + np.array([[0, 0], [3, 0], [0, 3]])[labels]
    names = np.array(["rose", "aster", "lily"])[labels]
    path.write_text("".join(f"{a:.3f},{b:.3f},{name}\n" for (a, b), name in zip(x, names, strict=True)))
    return names


def of_a_file(path: str, **tables: str) -> str:
    return f"""
        {tables.get("top", "")}
        [data]
        file = "{path}"
        test = 0.2
        scale = "standardize"
        [model]
        layers = [{{ type = "Dense", units = {tables.get("units", "3")} }}]
        [optimizer]
        name = "adam"
        lr = 0.1
        [training]
        epochs = 30
        batch_size = 20
    """


def test_classes_of_a_file_from_end_to_end(clearprop: Clearprop, home: Path) -> None:
    flowers(home / "flowers.csv")
    (home / "f.toml").write_text(of_a_file("flowers.csv"))
    assert " 1.0000" in clearprop("train", "f.toml").out
    names = flowers(home / "more.csv", seed=1)
    result = clearprop("eval", "f", "--data", "more.csv").out
    assert "1.0000" in result
    rows = [line.rpartition(",")[0] for line in (home / "more.csv").read_text().splitlines()]
    (home / "unknown.csv").write_text("\n".join(rows) + "\n")
    assert "90 predictions in p.csv" in clearprop("predict", "f", "unknown.csv", "--out", "p.csv").out
    with (home / "p.csv").open(newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == ["Id", "Category"]
    assert [int(row[0]) for row in table[1:]] == list(range(90))
    assert [("aster", "lily", "rose")[int(row[1])] for row in table[1:]] == names.tolist()


def test_numbers_of_a_file_from_end_to_end(clearprop: Clearprop, home: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3))
    y = x @ [1, -2, 3] + 0.25
    np.savetxt(home / "line.csv", np.column_stack([y, x]), delimiter=",")
    text = of_a_file("line.csv", units="1", top='loss = "squared_error"').replace(
        "epochs = 30", "epochs = 200"
    )
    (home / "line.toml").write_text(text)
    out = clearprop("train", "line.toml", "--set", "data.label=first").out
    assert "mean squared error" in out
    summary = json.loads((home / "experiments/line/summary.json").read_text())
    assert summary["test"].keys() == {"loss", "mean_squared_error"}
    np.savetxt(home / "x.csv", x, delimiter=",")
    clearprop("predict", "line", "x.csv")
    predicted = np.loadtxt(home / "predictions.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(predicted[:, 0], np.arange(100))
    np.testing.assert_allclose(predicted[:, 1], y, atol=0.02)


def test_images_of_a_file(clearprop: Clearprop, home: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = (rng.random((60, 6, 5, 1)) * 0.3 + 0.7 * y[:, None, None, None]).astype(np.float32)
    np.savez(home / "images.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    text = (
        of_a_file("images.npz", units="2")
        .replace("test = 0.2", "")
        .replace("layers = [", 'layers = [{ type = "Flatten" }, ')
    )
    (home / "images.toml").write_text(text)
    clearprop("train", "images.toml")
    summary = json.loads((home / "experiments/images/summary.json").read_text())
    assert summary["test"]["accuracy"] == 1
    np.savez(home / "x.npz", x=x)
    clearprop("predict", "images", "x.npz")
    flat = home / "predictions.csv"
    assert np.loadtxt(flat, delimiter=",", skiprows=1)[:, 1].tolist() == y.tolist()
    before = flat.read_bytes()
    np.save(home / "x.npy", x.reshape(60, -1))
    clearprop("predict", "images", "x.npy")  # rows of as many pixels do, too
    assert flat.read_bytes() == before


def test_divergence(clearprop: Clearprop, home: Path, small: Path) -> None:
    result = clearprop(
        "train", small, "--set", "optimizer.name=sgd", "--set", "optimizer.lr=1e30",
        "--set", "checkpoints.seconds=0", code=2,
    )  # fmt: skip
    assert "error: step " in result.err
    assert "layer " in result.err
    assert "largest" in result.err
    assert "The last good checkpoint is experiments/small/checkpoints/step-" in result.err
    assert json.loads((home / "experiments/small/summary.json").read_text())["status"] == "diverged"


@pytest.mark.data("mnist-3v9")
def test_threes_and_nines_at_rate_ten(clearprop: Clearprop, home: Path) -> None:
    """The assignment's (e)(iv): the run ends in the message, or at chance."""
    result = clearprop("train", "mnist-3v9", "--set", "optimizer.lr=10.0", code=None)
    summary = json.loads((home / "experiments/mnist-3v9/summary.json").read_text())
    if result.code == 2:
        assert "error: step " in result.err
        assert summary["status"] == "diverged"
    else:
        assert summary["test"]["accuracy"] < 0.7


@pytest.mark.data("cmu-mnist")
def test_the_cmu_subset(clearprop: Clearprop, home: Path) -> None:
    clearprop("train", "cmu-mnist")
    summary = json.loads((home / "experiments/cmu-mnist/summary.json").read_text())
    assert 0.86 <= summary["test"]["accuracy"] <= 0.89


@pytest.mark.parametrize(
    ("preset", "least"),
    [
        pytest.param("mnist-mlp", 0.85, marks=pytest.mark.data("mnist")),
        pytest.param("fashion-mlp", 0.75, marks=pytest.mark.data("fashion-mnist")),
    ],
)
def test_one_epoch_on_a_fifth(clearprop: Clearprop, home: Path, preset: str, least: float) -> None:
    clearprop("train", preset, "--set", "training.epochs=1", "--set", "data.validation=0.8")
    summary = json.loads((home / f"experiments/{preset}/summary.json").read_text())
    assert summary["validation"]["accuracy"] >= least


def test_one_epoch_is_said_as_one(clearprop: Clearprop) -> None:
    assert "parameters, 1 epoch in " in clearprop("train", "iris", "--set", "training.epochs=1").out
    assert "parameters, 2 epochs in " in clearprop("train", "iris", "--set", "training.epochs=2").out
