"""CS 189's experiments, Spring 2023 and 2020: Iris, HIGGS and sine waves in the course's own package, then pictures."""

import contextlib
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np

from clearprop.courses.assignments import materials
from clearprop.courses.assignments.experiments import Experiment
from clearprop.courses.assignments.experiments.cs189_pictures import cifar, fashion
from clearprop.courses.assignments.experiments.report import (
    draw_lines,
    markdown_table,
    save_picture,
    text_lines,
    write_csv,
    write_text,
)
from clearprop.courses.cs189.datasets import Dataset
from clearprop.courses.cs189.logs import Logger
from clearprop.courses.cs189.losses import L2
from clearprop.courses.cs189.models import NeuralNetwork
from clearprop.data.npy import read_npy
from clearprop.data.sets import Pair
from clearprop.history import History
from clearprop.lens.curves import plot_epochs

Say = Callable[[str], None]
IRIS_RATES, IRIS_WIDTHS = (0.001, 0.003, 0.01), (5, 25, 100)
HIGGS_DEPTHS = (1, 2, 3, 5)
COLUMNS = ("train_loss", "train_error", "validation_loss", "validation_error")
SHORT = ["train loss", "error", "valid. loss", "error"]  # of the same, where lines are short


class Trained(NamedTuple):
    """A network and what was measured after each of its epochs."""

    model: NeuralNetwork
    curves: dict[str, list[float]]  # COLUMNS

    def last(self, column: str) -> float:
        return self.curves[column][-1]


class Parts(NamedTuple):
    """A data set's arrays. Of HIGGS the test labels are not known."""

    train: Pair
    validation: Pair
    test: Pair
    batch_size: int

    def dataset(self) -> Dataset:
        """In the data's own order: a Dataset that was trained on keeps the order that it was shuffled into."""
        labels = self.test.y if len(self.test.y) else None
        return Dataset(*self.train, self.batch_size, *self.validation, self.test.x, labels)


def read_parts(
    name: str, write: Callable[[Path], None], batch_size: int, scaled: bool = False, first: int | None = None
) -> Parts:
    """A data set as the assignment's folder has it; `scaled` by the training part; of that the `first` rows."""
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch))
        files = {path.stem: read_npy(path) for path in Path(scratch, "datasets", name).glob("*.npy")}
    arrays = {stem.removeprefix(f"{name}_"): array.astype(np.float64) for stem, array in files.items()}
    if scaled:
        mean, std = arrays["train_data"].mean(axis=0), arrays["train_data"].std(axis=0)
        for part in ("train_data", "val_data", "test_data"):
            arrays[part] = (arrays[part] - mean) / std
    return Parts(
        Pair(arrays["train_data"][:first], arrays["train_labels"][:first]),
        Pair(arrays["val_data"], arrays["val_labels"]),
        Pair(arrays["test_data"], arrays.get("test_labels", np.empty(0))),
        batch_size,
    )


def train_network(
    parts: Parts,
    layers: Sequence[Mapping[str, Any]],
    optimizer: Mapping[str, Any],
    epochs: int,
    seed: int,
    loss: str = "cross_entropy",
) -> Trained:
    """Train the course's network, in silence."""
    logger = Logger("experiment", {}, {})
    model = NeuralNetwork(loss, layers, {"name": "SGD", **optimizer}, logger, seed)
    if isinstance(model.loss, L2):
        model.loss.half = False  # the mean squared error of the 2020 edition, which has this experiment
    with contextlib.redirect_stdout(io.StringIO()):
        model.train(parts.dataset(), epochs)
    curves = {
        f"{name}_{what}": [log[what][part] for log in logger.log]
        for part, name in (("train", "train"), ("validate", "validation"))
        for what in ("loss", "error")
    }
    return Trained(model, curves)


def measured(trained: Trained, part: Pair) -> tuple[float, float]:
    """Loss and error on a whole part."""
    out = trained.model.forward(part.x)
    return trained.model.loss(part.y, out), trained.model.error(part.y, out)


def history_of(trained: Trained) -> History:
    """The same numbers as the plots want them."""
    history = History("error")
    names = dict(zip(COLUMNS, ("loss", "error", "validation_loss", "validation_error"), strict=True))
    for epoch in range(len(trained.curves["train_loss"])):
        row = {name: trained.curves[column][epoch] for column, name in names.items()}
        history.epochs.append({"epoch": epoch + 1, **row})
    return history


def save_curves(out: Path, trained: Trained, title: str, pictures: Sequence[str] = ("loss", "error")) -> None:
    """epochs.csv, loss.png and error.png of one network."""
    epochs = range(1, len(trained.curves["train_loss"]) + 1)
    rows = list(zip(epochs, *(trained.curves[column] for column in COLUMNS), strict=True))
    write_csv(out / "epochs.csv", ["epoch", *COLUMNS], rows)
    history = history_of(trained)
    for what in pictures:
        save_picture(out / f"{what}.png", partial(plot_epochs, history=history, what=what), title=title)


def iris(
    out: Path,
    say: Say,
    rates: Sequence[float] = IRIS_RATES,
    widths: Sequence[int] = IRIS_WIDTHS,
    epochs: int = 100,
    seed: int = 0,
) -> None:
    """Learning rates and widths: results.md, results.csv, and of the best network epochs.csv and its curves."""
    parts = read_parts("iris", materials.iris, batch_size=25)
    runs, rows = {}, []
    for rate in rates:
        for width in widths:
            layers: list[Mapping[str, Any]] = [
                {"name": "fully_connected", "activation": "relu", "n_out": width},
                {"name": "fully_connected", "activation": "softmax"},
            ]
            optimizer = {"lr": rate, "momentum": 0.9, "clip_norm": 1.0}
            trained = train_network(parts, layers, optimizer, epochs, seed)
            loss, error = measured(trained, parts.test)
            runs[rate, width] = (error, loss, trained)
            rows.append([rate, width, *(trained.last(c) for c in COLUMNS), loss, error])
            say(f"learning rate {rate:g}, width {width}: test error {error:.4f}")
    (rate, width), (error, loss, best) = min(runs.items(), key=lambda item: item[1][:2])
    head = ["rate", "width", *SHORT, "test loss", "error"]
    write_csv(out / "results.csv", ["learning_rate", "width", *COLUMNS, "test_loss", "test_error"], rows)
    title = f"Iris, learning rate {rate:g}, width {width}"
    save_curves(out, best, title)
    table = [[f"{row[0]:g}", row[1], *(f"{value:.4f}" for value in row[2:])] for row in rows]
    sentence = (
        f"The best test error, {error:.4f}, is that of learning rate {rate:g} and {width} hidden units; of equal "
        f"errors the smaller test loss decides, here {loss:.4f}. One flower of {len(parts.test.x)} is "
        f"{1 / len(parts.test.x):.4f}, so that small differences say little."
    )
    page = (
        f"# Iris: learning rate and width\n\n4-width-3, ReLU and softmax, momentum 0.9, clip_norm 1, batch 25, "
        f"{epochs} epochs of {ceil(len(parts.train.x) / parts.batch_size)} iterations, seed {seed}.\n\n"
        f"{markdown_table(head, table)}{sentence}\n\n![Loss of the best network](loss.png)\n\n![Its error](error.png)\n"
    )
    _finish(out, page, text_lines(head, table), sentence, say)


def higgs(
    out: Path,
    say: Say,
    depths: Sequence[int] = HIGGS_DEPTHS,
    width: int = 64,
    epochs: int = 15,
    seed: int = 0,
    collisions: int | None = None,
) -> None:
    """Several depths: tables, validation_error.png, the best one's curves and kaggle_predictions.csv."""
    parts = read_parts("higgs", materials.higgs, batch_size=100, scaled=True, first=collisions)
    runs, rows = {}, []
    for depth in depths:
        layers = [{"name": "fully_connected", "activation": "relu", "n_out": width}] * depth
        layers = [*layers, {"name": "fully_connected", "activation": "softmax"}]
        optimizer = {
            "lr": 0.1, "momentum": 0.9, "clip_norm": 1.0,
            "lr_scheduler": "exponential", "lr_decay": 0.01, "stage_length": epochs,
        }  # fmt: skip
        trained = train_network(parts, layers, optimizer, epochs, seed)
        weights = sum(p.size for layer in trained.model.layers for p in layer.parameters.values())
        errors = trained.curves["validation_error"]
        rows.append(
            [depth, weights, *(trained.last(c) for c in COLUMNS), min(errors), 1 + int(np.argmin(errors))]
        )
        runs[depth] = trained
        say(f"{depth} hidden layers: validation accuracy {1 - errors[-1]:.4f}")
    depth, best = min(runs.items(), key=lambda item: item[1].last("validation_error"))
    head = ["hidden", "parameters", *SHORT, "least", "in epoch"]
    columns = ["hidden_layers", "parameters", *COLUMNS, "least_validation_error", "in_epoch"]
    write_csv(out / "results.csv", columns, rows)
    save_curves(out, best, f"HIGGS, {depth} hidden layers of {width}")
    lines = {f"{d} hidden": run.curves["validation_error"] for d, run in runs.items()}
    draw = partial(draw_lines, lines=lines, x="epoch", y="validation error")
    save_picture(out / "validation_error.png", draw, title=f"HIGGS, hidden layers of {width}")
    with contextlib.chdir(out), contextlib.redirect_stdout(io.StringIO()):
        best.model.test_kaggle(parts.dataset())
    table = [[row[0], f"{row[1]:,}", *(f"{v:.4f}" for v in row[2:7]), row[7]] for row in rows]
    sentence = (
        f"{depth} hidden layer{'s are' if depth > 1 else ' is'} best on the validation part: "
        f"{1 - best.last('validation_error'):.2%} of {len(parts.validation.x):,} collisions are right. "
        "kaggle_predictions.csv holds this network's classes of the test part. These are "
        f"{len(parts.train.x):,} rows of the 500,000 that the course had."
    )
    page = (
        f"# HIGGS: deeper networks\n\n28-({width} × depth)-2, ReLU and softmax; the 28 numbers scaled by the training "
        f"part's mean and deviation; SGD, lr 0.1 falling to a hundredth, momentum 0.9, clip_norm 1, batch 100, "
        f"{epochs} epochs, seed {seed}.\n\n{markdown_table(head, table)}{sentence}\n\n"
        "![Validation error](validation_error.png)\n\n![Loss of the best network](loss.png)\n\n"
        "![Its error](error.png)\n"
    )
    _finish(out, page, text_lines(head, table), sentence, say)


def sine(
    out: Path, say: Say, width: int = 25, epochs: int = 20, seed: int = 0, waves: int | None = None
) -> None:
    """Elman, then fully connected: results.md, results.csv, epochs.csv and loss.png; `waves` to train on."""
    parts = read_parts("sinewave", materials.sine_waves, batch_size=50, first=waves)
    layers: list[Mapping[str, Any]] = [
        {"name": "elman", "activation": "tanh", "n_out": width},
        {"name": "fully_connected", "activation": "linear"},
    ]
    optimizer = {
        "lr": 0.01, "momentum": 0.9, "clip_norm": 1.0,
        "lr_scheduler": "exponential", "lr_decay": 0.99, "stage_length": 1000,
    }  # fmt: skip
    trained = train_network(parts, layers, optimizer, epochs, seed, loss="l2")
    X, Y = parts.test
    loss, _ = measured(trained, parts.test)
    save_curves(out, trained, f"sine waves, Elman {width}, then fully connected", ["loss"])
    worst = float(np.abs(trained.model.forward(X) - Y).max())
    head = ["part", "mean squared error"]
    table = [
        ["train, last epoch", f"{trained.last('train_loss'):.3g}"],
        ["validation", f"{trained.last('validation_loss'):.3g}"],
        ["test", f"{loss:.3g}"],
    ]
    sentence = (
        f"The next value of {len(parts.test.x):,} test waves is predicted with a mean squared error of "
        f"{loss:.3g}; the largest difference is {worst:.3g}. The waves' own mean square is {float(np.mean(Y**2)):.3g}."
    )
    page = (
        f"# Sine waves: what comes next\n\nElman {width} (tanh), fully connected 1 (linear); SGD, lr 0.01, momentum "
        f"0.9, clip_norm 1, decay 0.99 per 1000 epochs, batch 50, {epochs} epochs of {len(parts.train.x):,} waves, "
        f"seed {seed}.\n\n{markdown_table(head, table)}{sentence}\n\n![Training and validation loss](loss.png)\n"
    )
    write_csv(out / "results.csv", head, table)
    _finish(out, page, text_lines(head, table), sentence, say)


def _finish(out: Path, page: str, table: Sequence[str], sentence: str, say: Say) -> None:
    write_text(out / "results.md", page)
    for line in [*table, *wrap(sentence, 80)]:
        say(line)


_IRIS = Experiment("iris", "Iris: three learning rates and three widths, the best one's curves", iris)
_HIGGS = Experiment("higgs", "HIGGS: networks of 1, 2, 3 and 5 hidden layers; predictions", higgs)
_SINE = Experiment("sine", "sine waves: Elman, then fully connected; curves and test score", sine)
_FASHION = Experiment("fashion", "Fashion-MNIST: a multi-layer perceptron, 8 epochs, curves", fashion)
_CIFAR = Experiment(
    "cifar", "CIFAR-10: a convolutional network, curves, predictions (30 to 60 minutes)", cifar
)
EXPERIMENTS_BY_COURSE = {"cs189-sp23": (_IRIS, _FASHION, _CIFAR), "cs189-sp20": (_IRIS, _HIGGS, _SINE)}
EXPERIMENTS = (_IRIS, _HIGGS, _SINE, _FASHION, _CIFAR)
