"""`clearprop runs`, `eval` and `predict`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.callbacks import Callback
from clearprop.data import load
from clearprop.history import INTERRUPTED
from clearprop.loop import Training
from clearprop.runs.config import make_config, read_toml
from clearprop.runs.folder import RunFolder
from clearprop.runs.prepare import prepare
from clearprop.runs.run import resume

Clearprop = Callable[..., Any]
SPECIES = ("setosa", "versicolor", "virginica")


@pytest.fixture
def run(clearprop: Clearprop, small: Path, home: Path) -> Path:
    clearprop("train", small, "--set", "training.epochs=30")
    return home / "experiments" / "small"


def iris_csv(path: Path, rows: list[int], names: bool = True) -> Path:
    x, y = load("iris").train
    text = [",".join(map(str, x[i])) + (f",{SPECIES[y[i]]}" if names else "") + "\n" for i in rows]
    path.write_text("".join(text))
    return path


# --- runs ---


def test_no_runs(clearprop: Clearprop) -> None:
    assert clearprop("runs").out == "No runs in experiments yet. Start one with: clearprop train iris\n"


def test_runs_of_every_kind(clearprop: Clearprop, run: Path, small: Path, home: Path) -> None:
    clearprop(
        "train", small, "--name", "lost", "--set", "optimizer.name=sgd", "--set", "optimizer.lr=1e30", code=2
    )
    clearprop("train", "iris-sweep", "--set", "training.epochs=1", "--set", "description=x")
    for name, summary in (("killed", '{"status": "running"}'), ("torn", '{"stat'), ("odd", "[]")):
        folder = home / "experiments" / name
        folder.mkdir()
        (folder / "config.toml").write_text("")
        (folder / "summary.json").write_text(summary)
    (home / "experiments" / "bare").mkdir()
    (home / "experiments" / "bare" / "config.toml").write_text("")
    out = clearprop("runs").out
    states = {line.split()[0]: line.split()[1] for line in out.splitlines() if len(line.split()) > 1}
    assert {name: states[name] for name in ("small", "lost", "killed", "torn", "odd", "bare")} == {
        "small": "finished", "lost": "diverged", "killed": "not", "torn": "no", "odd": "no", "bare": "no",
    }  # fmt: skip
    accuracy = json.loads((run / "summary.json").read_text())["test"]["accuracy"]
    assert f"{accuracy:.4f}" in next(line for line in out.splitlines() if line.split()[:1] == ["small"])
    assert max(map(len, out.splitlines())) <= 80
    (line,) = [line for line in out.splitlines() if line.startswith("  iris-sweep ")]
    assert line.split()[1] == "sweep,"
    assert "lr=" not in out
    assert "all 6 trials of the sweep: clearprop compare iris-sweep" in out


# --- eval ---


def test_eval_says_what_the_summary_says(clearprop: Clearprop, run: Path) -> None:
    out = clearprop("eval", "small").out
    summary = json.loads((run / "summary.json").read_text())
    for part in ("train", "validation", "test"):
        line = next(line for line in out.splitlines() if line.strip().startswith(part))
        assert line.split()[1:] == [f"{summary[part][key]:.4f}" for key in ("loss", "accuracy")]


def test_eval_goes_by_the_names(clearprop: Clearprop, run: Path, home: Path) -> None:
    """A file with two of the species only, so that its own numbers for them are 0 and 1, not 1 and 2."""
    rows = [149, 60, 51, 101, 130]
    iris_csv(home / "two.csv", rows)
    x, y = load("iris").train
    config = make_config(read_toml(run / "config.toml"), "x")
    known = prepare(config.data, config.seed).preprocessing
    model = cp.load(run / "weights.safetensors")
    loss, accuracy = cp.evaluate(model, known.apply(x[rows]), y[rows], "softmax_cross_entropy").values()
    line = next(
        line for line in clearprop("eval", "small", "--data", "two.csv").out.splitlines() if "two.csv" in line
    )
    assert line.split()[1:] == [f"{loss:.4f}", f"{accuracy:.4f}"]


def test_eval_of_numbered_labels(clearprop: Clearprop, run: Path, home: Path) -> None:
    x, y = load("iris").train
    np.savez(home / "iris.npz", x=x, y=y)
    iris_csv(home / "iris.csv", list(range(150)))
    by_name, by_number = (clearprop("eval", "small", "--data", f"iris.{kind}").out for kind in ("csv", "npz"))
    assert by_number.replace("npz", "csv") == by_name


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("5,3,1,.2,rose\n", "expected the classes setosa, versicolor, virginica, got rose, too."),
        ("5,3,1,.2,7\n", "expected labels from 0 to 2, got 7"),
        (
            "5,3,1,setosa\n",
            "expected 4 features for each example, as the run was trained on, got 3. For predict",
        ),
        ("", "the file is empty"),
        ("5,3,1,.2,setosa\n5,3,1,setosa\n", "line 2: expected 5 cells as in the first line, got 4"),
        ("5,3,1,x,setosa\n", "line 1, column 4: expected a number, got 'x'"),
    ],
)
def test_eval_of_another_kind_of_file(
    clearprop: Clearprop, run: Path, home: Path, content: str, words: str
) -> None:
    (home / "file.csv").write_text(content)
    assert words in clearprop("eval", "small", "--data", "file.csv", code=2).err


def test_eval_of_data_that_have_changed(clearprop: Clearprop, small: Path, home: Path) -> None:
    iris_csv(home / "iris.csv", list(range(150)))
    clearprop("train", small, "--set", 'data={file = "iris.csv", validation = 0.2, scale = "minmax"}')
    clearprop("eval", "small")
    iris_csv(home / "iris.csv", list(range(1, 150)))
    err = clearprop("eval", "small", code=2).err
    assert "experiments/small: expected the training data that the run began with, got others" in err
    assert "iris.csv" in clearprop("eval", "small", "--data", "iris.csv").out


def test_a_number_that_was_not_finite(clearprop: Clearprop, run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    summary["test"]["accuracy"] = None
    (run / "summary.json").write_text(json.dumps(summary))
    assert " ".join(clearprop("runs").out.split()).count("not finite") == 1


# --- predict ---


def test_predictions(clearprop: Clearprop, run: Path, home: Path) -> None:
    rows = [149, 0, 60, 51, 3, 101]
    iris_csv(home / "x.csv", rows, names=False)
    assert "6 predictions in predictions.csv" in clearprop("predict", "small", "x.csv").out
    known = json.loads((run / "preprocessing.json").read_text())["scaling"]
    w = cp.load(run / "weights.safetensors").named_params()
    x = (load("iris").train.x[rows] - known["shift"]) / known["scale"]
    scores = np.maximum(x @ w["0.w"] + w["0.b"], 0) @ w["3.w"] + w["3.b"]
    lines = ["Id,Category", *(f"{i},{k}" for i, k in enumerate(scores.argmax(axis=1)))]
    assert (home / "predictions.csv").read_text().splitlines() == lines
    clearprop("predict", run, "x.csv", "--out", "other.csv")  # by its folder
    assert (home / "other.csv").read_bytes() == (home / "predictions.csv").read_bytes()


def test_a_file_with_the_labels_is_refused(clearprop: Clearprop, run: Path, home: Path) -> None:
    (home / "predictions.csv").write_text("Id,Category\n0,9\n")
    iris_csv(home / "named.csv", [1, 2])
    (home / "five.csv").write_text("1,2,3,4,5\n")
    assert "expected a number, got 'setosa'" in clearprop("predict", "small", "named.csv", code=2).err
    err = clearprop("predict", "small", "five.csv", code=2).err
    assert "five.csv: expected 4 features for each example, as the run was trained on, got 5." in err
    assert "For predict the file holds the features alone, for eval the label, too." in err
    assert (home / "predictions.csv").read_text() == "Id,Category\n0,9\n"


def test_a_failed_write_keeps_the_old_predictions(
    clearprop: Clearprop, run: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iris_csv(home / "x.csv", [1, 2], names=False)
    clearprop("predict", "small", "x.csv")
    before = (home / "predictions.csv").read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    iris_csv(home / "x.csv", [1, 2, 3], names=False)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        err = clearprop("predict", "small", "x.csv", code=2).err
    assert (
        "predictions.csv: could not be written, the file there is as it was (No space left on device)." in err
    )
    assert (home / "predictions.csv").read_bytes() == before
    assert not list(home.glob(".*.part"))
    assert (
        "no-folder/p.csv: could not be written"
        in clearprop("predict", "small", "x.csv", "--out", "no-folder/p.csv", code=2).err
    )


def test_weights_that_are_gone_or_another_networks(clearprop: Clearprop, run: Path, home: Path) -> None:
    iris_csv(home / "x.csv", [1], names=False)
    weights = run / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-20])
    assert "not a whole safetensors file" in clearprop("predict", "small", "x.csv", code=2).err
    weights.unlink()
    err = clearprop("predict", "small", "x.csv", code=2).err
    assert "the run has no weights yet. Finish it with: clearprop train --resume small" in err
    cp.Sequential([cp.Dense(3)], input_shape=(7,)).save(weights)
    assert "expected 7 features" in clearprop("predict", "small", "x.csv", code=2).err


def test_a_run_that_is_not_there(clearprop: Clearprop, run: Path) -> None:
    for words in (["eval", "smal"], ["predict", "smal", "x.csv"]):
        assert "no run 'smal' in experiments. Did you mean 'small'?" in clearprop(*words, code=2).err
    assert "gone.csv" in clearprop("predict", "small", "gone.csv", code=2).err


def test_predictions_replace_predictions_and_nothing_else(
    clearprop: Clearprop, run: Path, home: Path
) -> None:
    (home / "x.csv").write_text("5.1,3.5,1.4,0.2\n")
    for out in ("x.csv", "notes.csv"):
        (home / "notes.csv").write_text("precious\n")
        before = (home / out).read_text()
        assert (
            "what lies there are no predictions"
            in clearprop("predict", "small", "x.csv", "--out", out, code=2).err
        )
        assert (home / out).read_text() == before
    (home / "old.csv").write_text("Id,Category\n0,9\n")
    said = clearprop("predict", "small", "x.csv", "--out", "old.csv").out
    assert (home / "old.csv").read_text() != "Id,Category\n0,9\n"
    assert "0 = setosa, 1 = versicolor, 2 = virginica" in said


def test_named_columns_are_put_in_the_order_of_training(clearprop: Clearprop, run: Path, home: Path) -> None:
    rows, names = load("iris").train.x[::10], load("iris").feature_names
    assert names is not None

    def predicted(order: list[int], head: list[str]) -> str:
        lines = [",".join(head), *(",".join(f"{row[k]}" for k in order) for row in rows)]
        (home / "x.csv").write_text("\n".join(lines) + "\n")
        clearprop("predict", "small", "x.csv")
        return (home / "predictions.csv").read_text()

    straight = predicted([0, 1, 2, 3], list(names))
    assert predicted([3, 1, 0, 2], [names[k] for k in (3, 1, 0, 2)]) == straight
    (home / "x.csv").write_text("a,b,c,d\n1,2,3,4\n")
    err = clearprop("predict", "small", "x.csv", code=2).err
    assert f"expected the columns {', '.join(names)}, as in training, got a, b, c, d" in err


def test_a_file_that_is_meant_by_its_name_alone(clearprop: Clearprop, home: Path) -> None:
    (home / "toy.toml").write_text("seed = 1\n")
    assert "no preset 'toy', but a file toy.toml" in clearprop("train", "toy", code=2).err


def test_eval_of_a_file_with_parts_measures_each(clearprop: Clearprop, run: Path, home: Path) -> None:
    x, y = load("iris").train
    np.savez(home / "parts.npz", x_train=x[:100], y_train=y[:100], x_test=x[100:], y_test=y[100:])
    np.savez(home / "test.npz", x=x[100:], y=y[100:])
    shown = clearprop("eval", "small", "--data", "parts.npz").out
    assert "parts.npz, train" in shown
    alone = clearprop("eval", "small", "--data", "test.npz").out.split()
    row = next(line for line in shown.splitlines() if "parts.npz, test" in line).split()
    assert row[2:] == alone[alone.index("test.npz") + 1 :][: len(row) - 2]


def test_one_example_without_its_axis(clearprop: Clearprop, home: Path) -> None:
    (home / "pictures.toml").write_text(
        """
        data = { file = "pictures.npz" }
        training = { epochs = 1, batch_size = 10 }
        [model]
        layers = [
            { type = "Conv2D", filters = 2, kernel = 3 },
            { type = "Flatten" },
            { type = "Dense", units = 2 },
        ]
        """
    )
    x = np.random.default_rng(0).normal(size=(20, 5, 5, 1))
    np.savez(home / "pictures.npz", x=x, y=np.arange(20) % 2)
    clearprop("train", "pictures.toml")
    np.save(home / "one.npy", x[0])
    refused = clearprop("predict", "pictures", "one.npy", code=2).err
    assert "one.npy: one example, without the axis of examples. Save x[None]" in refused


# --- which network ---


class StopAfter(Callback):
    """Ends a run as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, training: Training) -> None:
        if training.step > self.step:
            training.stop(INTERRUPTED)


def test_a_run_that_goes_on_and_stops_is_used_as_it_last_finished_and_says_so(
    clearprop: Clearprop, run: Path
) -> None:
    rows = iris_csv(Path("rows.csv"), list(range(0, 150, 10)), names=False)
    commands = [
        ("eval", "small"),
        ("predict", "small", rows),
        ("export", "small", "new.safetensors", "--overwrite"),
    ]
    before = [clearprop(*command) for command in commands]
    assert [outcome.err for outcome in before] == ["", "", ""]
    weights = (run / "weights.safetensors").read_bytes()
    folder = RunFolder(run)
    resume(folder, folder.read_config(("training.epochs=60",)), [StopAfter(folder.read_summary()["steps"])])
    assert folder.read_summary()["status"] == INTERRUPTED
    assert (run / "weights.safetensors").read_bytes() == weights
    for command, known in zip(commands, before, strict=True):
        now = clearprop(*command)
        assert now.out == known.out
        assert now.err == (
            "note: experiments/small is interrupted; this is the network that it last finished with. "
            "Finish it with: clearprop train --resume small\n"
        )
    clearprop("train", "--resume", "small")
    assert clearprop("eval", "small").err == ""


@pytest.mark.parametrize(
    ("summary", "state"), [('{"status": "running"}', "not finished"), ("", "not finished")]
)
def test_a_run_whose_summary_tells_of_no_end_is_said_to_be_unfinished(
    clearprop: Clearprop, run: Path, summary: str, state: str
) -> None:
    (run / "summary.json").write_text(summary)
    assert clearprop("eval", "small").err.startswith(f"note: {run.relative_to(Path.cwd())} is {state}; ")
