"""CMU 10-701, Spring 2021, homework 3, section 5.6: five networks on 3,000 digits, and what tells them apart."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from clearprop.arrays import Array
from clearprop.courses.assignments.experiments import Experiment
from clearprop.courses.assignments.experiments.report import (
    draw_lines,
    markdown_table,
    save_picture,
    text_lines,
    write_csv,
    write_text,
)
from clearprop.courses.cmu10701.hw3_sol import FOLDER, define_network, load_data, train_network
from clearprop.data.sets import load
from clearprop.history import History
from clearprop.lens.curves import plot_epochs

COLUMNS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
EPOCHS = 50


class Setting(NamedTuple):
    """One of the section's networks, and how it is trained."""

    hidden: tuple[int, ...]
    activation: str
    learning_rate: float
    batch_size: int

    def words(self) -> str:
        width = "-".join(str(size) for size in self.hidden)
        return f"{width} {self.activation}, learning rate {self.learning_rate:g}, batch {self.batch_size}"


SETTINGS = {
    "a": Setting((256,), "sigmoid", 0.01, 50),
    "b": Setting((256,), "sigmoid", 0.001, 50),
    "c": Setting((256,), "relu", 0.01, 50),
    "d": Setting((256,), "relu", 0.01, 200),
    "e": Setting((384, 256), "relu", 0.01, 50),
}


def one_network(out: Path, say: Callable[[str], None], letter: str = "a", num_epoch: int = EPOCHS) -> None:
    """One part of 5.6: results.md, epochs.csv, loss.png and accuracy.png."""
    result = _train(letter, _digits(), num_epoch, say)
    _write(out, letter, result)
    head, rows = _table({letter: result})
    text = (
        f"# 5.6 ({letter})\n\n{SETTINGS[letter].words()}; {num_epoch} epochs, seed 10701.\n\n"
        f"{markdown_table(head, rows)}"
        "![Loss](loss.png)\n\n![Accuracy](accuracy.png)\n"
    )
    write_text(out / "results.md", text)
    for line in text_lines(head, rows):
        say(line)


def all_networks(out: Path, say: Callable[[str], None], num_epoch: int = EPOCHS) -> None:
    """The whole of 5.6: a folder for each part, a table, the comparisons, and all of them in two pictures."""
    data, results = _digits(), {}
    for letter in SETTINGS:
        results[letter] = _train(letter, data, num_epoch, say)
        (out / letter).mkdir()
        _write(out / letter, letter, results[letter])
    head, rows = _table(results)
    write_csv(out / "results.csv", head, rows)
    for column in ("train_loss", "test_accuracy"):
        lines = {f"({letter})": results[letter][column] for letter in SETTINGS}
        draw = partial(draw_lines, lines=lines, x="epoch", y=column.replace("_", " "))
        save_picture(out / f"{column}.png", draw, title="5.6 (a) to (e)")
    sentences = _comparisons(results)
    write_text(
        out / "results.md",
        f"# 5.6 (a) to (e)\n\n{num_epoch} epochs, seed 10701.\n\n{markdown_table(head, rows)}"
        + "\n\n".join(sentences)
        + "\n\n![Loss on the training set](train_loss.png)\n\n![Accuracy on the test set](test_accuracy.png)\n",
    )
    for line in [*text_lines(head, rows), *sentences]:
        say(line)


def _digits() -> dict[str, Array]:
    """The course's folder's own data, where it is run in one; else those of the data folder."""
    if Path(FOLDER).is_dir():
        return load_data()
    data = load("cmu-mnist")
    assert data.test is not None
    return {"train_x": data.train.x, "train_y": data.train.y, "test_x": data.test.x, "test_y": data.test.y}


def _train(
    letter: str, data: dict[str, Array], num_epoch: int, say: Callable[[str], None]
) -> dict[str, list[float]]:
    """`train_network`, an epoch at a time, so that its progress is seen: there is no shuffling between them."""
    hidden, activation, learning_rate, batch_size = SETTINGS[letter]
    say(f"({letter}) {SETTINGS[letter].words()}")
    model = define_network(hidden, activation=activation)
    measured: dict[str, list[float]] = {column: [] for column in COLUMNS}
    for epoch in range(1, num_epoch + 1):
        row: dict[str, Any] = train_network(model, data, 1, learning_rate, batch_size)
        for column in COLUMNS:
            measured[column] += row[column]
        if epoch % 10 == 0 or epoch == num_epoch:
            train, test = measured["train_accuracy"][-1], measured["test_accuracy"][-1]
            say(f"    epoch {epoch:2d}  train accuracy {train:.4f}  test accuracy {test:.4f}")
    return measured


def _write(out: Path, letter: str, result: dict[str, list[float]]) -> None:
    """epochs.csv, loss.png and accuracy.png."""
    epochs = range(1, len(result["train_loss"]) + 1)
    write_csv(out / "epochs.csv", ["epoch", *COLUMNS], list(zip(epochs, *result.values(), strict=True)))
    history = History("accuracy")
    history.epochs = [
        {
            "epoch": epoch,
            "loss": loss,
            "test_loss": test_loss,
            "accuracy": accuracy,
            "test_accuracy": test_accuracy,
        }
        for epoch, loss, test_loss, accuracy, test_accuracy in zip(epochs, *result.values(), strict=True)
    ]
    for what in ("loss", "accuracy"):
        draw = partial(plot_epochs, history=history, what=what)
        save_picture(out / f"{what}.png", draw, title=f"5.6 ({letter}): {SETTINGS[letter].words()}")


def _table(results: dict[str, dict[str, list[float]]]) -> tuple[list[str], list[list[str]]]:
    """The final figures, rounded to 4 decimals as the handout asks."""
    rows = [
        [f"({letter})", *(f"{result[column][-1]:.4f}" for column in COLUMNS)]
        for letter, result in results.items()
    ]
    return ["", *(column.replace("_", " ") for column in COLUMNS)], rows


def _comparisons(results: dict[str, dict[str, list[float]]]) -> list[str]:
    """The handout's four comparisons, from the numbers."""
    gaps = {
        name: values["train_accuracy"][-1] - values["test_accuracy"][-1] for name, values in results.items()
    }
    return [
        f"(b) and (a), the learning rate: with a tenth of it, {_change(results, 'a', 'b')} Every step is a tenth "
        "as long, so the same number of epochs goes a shorter way down.",
        f"(c) and (a), the activation: with ReLU, {_change(results, 'a', 'c')} Its slope is 1 wherever it is open, "
        "where the sigmoid's is at most a quarter, so the first layer's gradients are larger.",
        f"(d) and (c), the batch size: with 200 in place of 50, {_change(results, 'c', 'd')} The weights are updated "
        "a quarter as often, so fewer steps are taken in the same epochs.",
        f"(e) and (c), depth: with a second hidden layer, {_change(results, 'c', 'e')} There are more parameters, "
        "and only 3,000 digits to determine them, which is the handout's hint. From training to test accuracy it "
        f"is {gaps['e']:.4f} here and {gaps['c']:.4f} in (c), and the training accuracy tells how far each has come.",
    ]


def _change(results: dict[str, dict[str, list[float]]], before: str, after: str) -> str:
    parts = []
    for column in ("train_accuracy", "test_accuracy", "train_loss"):
        old, new = results[before][column][-1], results[after][column][-1]
        verb = "stays at" if new == old else "rises to" if new > old else "falls to"
        parts.append(f"{column.replace('_', ' ')} {verb} {new:.4f} (from {old:.4f})")
    return f"{parts[0]}, {parts[1]}, and {parts[2]}."


EXPERIMENTS = (
    *(
        Experiment(f"5.6{letter}", f"({letter}) {setting.words()}", partial(one_network, letter=letter))
        for letter, setting in SETTINGS.items()
    ),
    Experiment("5.6", "all five networks of 5.6, and the comparisons", all_networks),
)
