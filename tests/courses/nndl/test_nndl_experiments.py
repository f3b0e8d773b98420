"""C147's experiments on a few made-up images: what they write, what they say, and that the numbers are the run's."""

import csv
import re

import nndl_references as plain
import numpy as np
import pytest

from clearprop.courses.assignments.experiments import nndl as experiments
from clearprop.courses.nndl.neural_net import TwoLayerNet


def images(n, rng):
    """Noise around a mean image for each class, as different from each other as CIFAR-10's are."""
    y = np.arange(n) % 10
    means = np.random.default_rng(9).normal(scale=20, size=(10, 3, 32, 32))
    return means[y] + rng.normal(scale=40, size=(n, 3, 32, 32)), y


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return {
        f"{letter}_{part}": value
        for part, n in (("train", 400), ("val", 60), ("test", 60))
        for letter, value in zip("Xy", images(n, rng), strict=True)
    }


@pytest.fixture(scope="module")
def rows(data):
    channels_last = {
        name: x.transpose(0, 2, 3, 1).reshape(len(x), -1) for name, x in data.items() if x.ndim == 4
    }
    return experiments.Rows(**(data | channels_last))


def table(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def png_size(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


CURVES = {"accuracy.csv", "accuracy.png", "loss.csv", "loss.png", "results.md"}


def test_the_names_of_the_documents_experiments():
    assert [each.name for each in experiments.EXPERIMENTS] == ["default-run", "grid", "solver", "overfit"]
    assert all(each.run.__doc__ and each.summary for each in experiments.EXPERIMENTS)


def test_default_run(tmp_path, rows):
    said = []
    plain.seed(77)
    experiments.default_run(tmp_path, said.append, rows=rows, num_iters=150, seed=3)
    follows = np.random.rand()
    assert follows == np.random.RandomState(77).rand()  # the global stream is where it was
    plain.seed(3)
    net = TwoLayerNet(3072, 50, 10)
    stats = net.train(*rows[:4], 1e-4, 0.95, 0.25, 150, batch_size=200)
    assert {path.name for path in tmp_path.iterdir()} == CURVES
    losses = table(tmp_path / "loss.csv")
    assert losses[0] == ["iteration", "loss"]
    assert [float(loss) for _, loss in losses[1:]] == stats["loss_history"]
    val = (net.predict(rows.X_val) == rows.y_val).mean()
    assert f"| {val:.3f} |" in (tmp_path / "results.md").read_text(encoding="utf-8")
    assert said[-1] == f"Validation accuracy: {val:.3f}"
    assert said[0] == f"iteration 0 / 150: loss {stats['loss_history'][0]}"
    assert png_size(tmp_path / "loss.png") == (864, 504)


def test_grid(tmp_path, rows):
    said = []
    experiments.grid(
        tmp_path, said.append, rows=rows, rates=(1e-4, 1e-3), decays=(0.9,), regs=(0.0, 0.1), num_iters=30,
        default_iters=5,
    )  # fmt: skip
    more = {"grid.csv", "grid.png", "weights_best.png", "weights_default.png"}
    assert {path.name for path in tmp_path.iterdir()} == CURVES | more
    tried = table(tmp_path / "grid.csv")
    assert tried[0] == ["rate", "decay", "reg", "last loss, mean of 50", "validation accuracy"]
    points = [(1e-4, 0.9, 0.0), (1e-4, 0.9, 0.1), (1e-3, 0.9, 0.0), (1e-3, 0.9, 0.1)]
    assert [tuple(map(float, row[:3])) for row in tried[1:]] == points
    best = max(tried[1:], key=lambda row: float(row[4]))
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert f"Best: rate {float(best[0]):g}, decay 0.9, reg {float(best[2]):g}: " in page
    assert f"validation accuracy {float(best[4]):.3f}, test accuracy" in page
    assert float(best[4]) > 0.5  # means that far apart are learned
    assert re.fullmatch(r"Best validation accuracy: 0\.\d{3}\. Test accuracy: 0\.\d{3}", said[-1])
    assert png_size(tmp_path / "weights_best.png") == (720, 720)


def test_solver(tmp_path, data, capsys):
    said = []
    experiments.solver(tmp_path, said.append, data=data, hidden_dims=20, num_epochs=3)
    assert capsys.readouterr().out == ""
    assert said[0].startswith("(Iteration 1 / 6) loss: 2.3")
    assert [line for line in said if line.startswith("(Epoch 3 / 3) train acc: ")]
    assert {path.name for path in tmp_path.iterdir()} == CURVES
    epochs = table(tmp_path / "accuracy.csv")
    assert [row[0] for row in epochs] == ["epoch", "0", "1", "2", "3"]
    assert len(table(tmp_path / "loss.csv")) == 7
    best = max(float(row[2]) for row in epochs[1:])
    assert f"Best validation accuracy {best:.3f}" in (tmp_path / "results.md").read_text(encoding="utf-8")


def test_overfit(tmp_path, data):
    said = []
    experiments.overfit(tmp_path, said.append, data=data)
    assert re.match(r"All 50 are right from epoch \d+ on", said[-1])
    assert float(table(tmp_path / "accuracy.csv")[-1][1]) == 1.0
    assert len(table(tmp_path / "loss.csv")) == 41  # two batches of 25 an epoch


def test_what_is_said_may_be_printed(tmp_path, data, capsys):
    experiments.solver(tmp_path, print, data=data, hidden_dims=5, num_epochs=1)
    assert capsys.readouterr().out.startswith("(Iteration 1 / 2) loss: ")
