"""The experiments of CMU 10-701 and of CS 189's Fall 2022: what they write is what the training gives."""

import csv
from pathlib import Path

import numpy as np
import pytest

from clearprop.courses.assignments.experiments import cmu10701, cs189_functions
from clearprop.courses.assignments.experiments.report import draw_lines, save_picture, write_csv
from clearprop.courses.cmu10701.hw3_sol import define_network, train_network
from clearprop.courses.cs189_functions import get_mnist_threes_nines, train
from clearprop.data import load
from clearprop.errors import DataError


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pictures(folder: Path) -> set[str]:
    """The PNG files that begin as a PNG does and are no mere frames."""
    found = list(folder.rglob("*.png"))
    assert all(
        path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and path.stat().st_size > 8000 for path in found
    )
    return {str(path.relative_to(folder)) for path in found}


def named(module, name):
    return next(experiment for experiment in module.EXPERIMENTS if experiment.name == name)


def test_the_catalogues():
    assert [e.name for e in cmu10701.EXPERIMENTS] == ["5.6a", "5.6b", "5.6c", "5.6d", "5.6e", "5.6"]
    assert [e.name for e in cs189_functions.EXPERIMENTS] == ["e", "e-step10", "f"]
    for experiment in (*cmu10701.EXPERIMENTS, *cs189_functions.EXPERIMENTS):
        assert 10 < len(experiment.summary) < 90


# --- CMU ---


@pytest.mark.data("cmu-mnist")
def test_one_network_is_trained_as_in_one_go(tmp_path):
    said: list[str] = []
    named(cmu10701, "5.6d").run(tmp_path, said.append, num_epoch=3)
    data = load("cmu-mnist")
    sets = {"train_x": data.train.x, "train_y": data.train.y, "test_x": data.test.x, "test_y": data.test.y}
    result = train_network(define_network(256, activation="relu"), sets, 3, 0.01, 200)
    rows = table(tmp_path / "epochs.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for column in cmu10701.COLUMNS:
        assert [float(row[column]) for row in rows] == result[column]
    last = " | ".join(f"{result[column][-1]:.4f}" for column in cmu10701.COLUMNS)
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert f"| (d) | {last} |" in page
    assert "256 relu, learning rate 0.01, batch 200; 3 epochs, seed 10701." in page
    assert said[-1].split() == ["(d)", *last.split(" | ")]
    assert pictures(tmp_path) == {"loss.png", "accuracy.png"}


@pytest.mark.data("cmu-mnist")
def test_all_networks_are_compared(tmp_path):
    said: list[str] = []
    named(cmu10701, "5.6").run(tmp_path, said.append, num_epoch=1)
    rows = table(tmp_path / "results.csv")
    assert [row[""] for row in rows] == ["(a)", "(b)", "(c)", "(d)", "(e)"]
    for row in rows:
        (epoch,) = table(tmp_path / row[""][1] / "epochs.csv")
        assert row["test accuracy"] == f"{float(epoch['test_accuracy']):.4f}"
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    by_name = {row[""]: row for row in rows}
    old, new = by_name["(a)"]["train loss"], by_name["(c)"]["train loss"]
    verb = "rises" if float(new) > float(old) else "falls"
    sentence = next(line for line in page.splitlines() if line.startswith("(c) and (a), the activation"))
    assert f"train loss {verb} to {new} (from {old})" in sentence
    assert sentence in said
    assert pictures(tmp_path) == {"train_loss.png", "test_accuracy.png"} | {
        f"{letter}/{what}.png" for letter in "abcde" for what in ("loss", "accuracy")
    }


@pytest.mark.parametrize(
    ("after", "words"), [([0.5], "stays at 0.5000"), ([0.6], "rises to"), ([0.4], "falls to")]
)
def test_a_change_in_words(after, words):
    before = {column: [0.5] for column in cmu10701.COLUMNS}
    results = {"a": before, "b": dict.fromkeys(cmu10701.COLUMNS, after)}
    assert cmu10701._change(results, "a", "b").count(words) == 3


def test_a_course_folders_own_data_come_first(tmp_path, monkeypatch):
    """In the course's folder its own files are read; here there is one too few."""
    (tmp_path / "training_data_student").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"train\.csv: there is no such file"):
        named(cmu10701, "5.6a").run(tmp_path / "out", print)


def test_without_data_the_sentence_says_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"put train\.csv\.xz and test\.csv\.xz into"):
        named(cmu10701, "5.6").run(tmp_path, print)


# --- Fall 2022 ---


@pytest.fixture
def few_digits(monkeypatch):
    """The real digits, of the test set the first 300, so that a step is quick."""
    train_set, (X_test, y_test) = get_mnist_threes_nines()
    digits = train_set, (X_test[:300], y_test[:300])
    monkeypatch.setattr(cs189_functions, "get_mnist_threes_nines", lambda: digits)
    return digits


@pytest.mark.data("mnist")
def test_threes_and_nines_are_trained_as_in_one_go(tmp_path, few_digits):
    (X, y), (X_test, y_test) = few_digits
    said: list[str] = []
    named(cs189_functions, "e").run(tmp_path, said.append, seed=3, num_epochs=2)
    np.random.seed(3)
    run = train(X, y, X_test, y_test, num_epochs=2)
    rows = table(tmp_path / "steps.csv")
    assert len(rows) == 242
    for column, values in zip(cs189_functions.COLUMNS, run[:4], strict=True):
        assert [float(row[column]) for row in rows] == values
    w1, w2, b1, b2 = *run.weight_matrices, *run.biases
    score = (np.maximum(X_test.reshape(-1, 784).dot(w1) + b1, 0).dot(w2) + b2)[:, 0]
    wrong = np.flatnonzero((score > 0) != y_test)
    listed = table(tmp_path / "misclassified.csv")
    assert {int(row["test image"]) for row in listed} == set(wrong.tolist())
    assert len(wrong) > 0
    for row in listed:
        k = int(row["test image"])
        assert row["is"] == "39"[y_test[k]] != row["said"]
        assert float(row["output"]) == pytest.approx(1 / (1 + np.exp(-score[k])), rel=1e-9)
    losses = [float(row["loss"]) for row in listed]
    assert losses == sorted(losses, reverse=True)
    threes = int((y_test[wrong] == 0).sum())
    assert f"{len(wrong)} of 300 test images are misclassified: {threes} threes taken for nines" in said[-1]
    assert said[-1] in (tmp_path / "results.md").read_text(encoding="utf-8")
    assert pictures(tmp_path) == {"loss.png", "accuracy.png", "misclassified.png"}


@pytest.mark.data("mnist")
def test_a_step_size_of_10_kills_the_hidden_layer(tmp_path, few_digits):
    said: list[str] = []
    named(cs189_functions, "e-step10").run(tmp_path, said.append, num_epochs=1)
    rows = table(tmp_path / "steps.csv")
    assert len(rows) == 121
    y_test = few_digits[1][1]
    share = max(y_test.mean(), 1 - y_test.mean())
    last = float(rows[-1]["test_accuracy"])
    assert last == pytest.approx(share) or last == pytest.approx(1 - share)  # it names one digit always
    assert "and 200 of the 200 hidden neurons are 0 for every test image." in said[-1]
    better = sum(float(row["test_accuracy"]) > share + 0.01 for row in rows)
    assert f"After {better} of the 121 steps the test accuracy is better" in said[-1]
    largest = max(float(row["test_loss"]) for row in rows)
    assert largest > 10
    assert f"The test loss is {largest:.4f} at its largest" in said[-1]
    assert f"has an accuracy of {share:.4f}." in said[-1]
    assert pictures(tmp_path) == {"loss.png", "accuracy.png"}


@pytest.mark.data("mnist")
def test_100_random_inputs_are_learned_in_one_step(tmp_path, monkeypatch):
    monkeypatch.setattr(cs189_functions, "get_mnist_threes_nines", digits := get_digits())
    said: list[str] = []
    named(cs189_functions, "f").run(tmp_path, said.append, seeds=2, most=70)
    rows = table(tmp_path / "iterations.csv")
    assert len(rows) == 2 * len(cs189_functions.WAYS)
    sparse = [row for row in rows if row["way"] == "sparse hidden layer"]
    assert [(row["iterations"], row["accuracy"]) for row in sparse] == [("1", "1.0")] * 2
    assert said[-1] == "Fewest: sparse hidden layer."
    others = [int(row["iterations"]) for row in rows if row["way"] == "homework's own"]
    assert min(others) > 10
    assert pictures(tmp_path) == {"accuracy.png"}
    check_one_step_by_hand(digits()[0][1][:100])


def get_digits():
    digits = get_mnist_threes_nines()
    return lambda: digits


def check_one_step_by_hand(y, seed=1):
    """The sparse network's one step of gradient descent, written out: the output layer alone moves."""
    stream = np.random.RandomState(seed)
    X = stream.random_sample((100, 784))
    w = stream.normal(0, np.sqrt(12 / 784), (784, 4000))
    h = np.maximum((X - 0.5).dot(w) - 1.5, 0)
    assert 0.05 < (h > 0).mean() < 0.09  # "about 7 %"
    step = (0.5 - y) / 100
    score = h.dot(-h.T.dot(step)) - step.sum()
    assert ((score > 0) == y).all()


@pytest.mark.data("mnist")
def test_memorization_that_takes_too_long_says_so(tmp_path):
    said: list[str] = []
    named(cs189_functions, "f").run(tmp_path, said.append, seeds=1, most=3)
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| homework's own | 200 | 100 | 0.1 | 0/1 | more than 3 | more than 3 | more than 3 |" in page
    assert "| sparse hidden layer | 4000 | 100 | 1 | 1/1 | 1 | 1 | 1 |" in page


# --- tables and pictures ---


def test_a_table_keeps_all_digits_and_quotes(tmp_path):
    write_csv(tmp_path / "t.csv", ["a", "b, c"], [[1 / 3, "x"], [2, 'say "y"']])
    assert (tmp_path / "t.csv").read_bytes() == b'a,"b, c"\n0.3333333333333333,x\n2,"say ""y"""\n'


def test_seven_lines_have_seven_looks(tmp_path):
    lines = {f"line {k}": [0.1 * k, 0.5, 0.9] for k in range(7)}
    drawn = []
    save_picture(tmp_path / "p.png", lambda ax: drawn.append((ax, draw_lines(ax, lines, "x", "y"))))
    ax = drawn[0][0]
    assert len({(line.get_color(), line.get_marker()) for line in ax.get_lines()}) == 7
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(lines)
    assert pictures(tmp_path) == {"p.png"}
