"""CS 189/289A, Fall 2022, homework 2: threes and nines, a step that is too large, and 100 random inputs by heart."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

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
from clearprop.courses.cs189_functions import (
    Training,
    create_bias_vectors,
    create_weight_matrices,
    forward_pass,
    get_mnist_threes_nines,
    logistic_loss,
    relu_activation,
    sigmoid_activation,
    train,
)
from clearprop.history import History
from clearprop.lens.cells import plot_worst, worst_size
from clearprop.lens.curves import plot_steps

DIMS = (784, 200, 1)
ACTIVATIONS = (relu_activation, sigmoid_activation)
COLUMNS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
MOST_SHOWN = 60  # pictures

Digits = tuple[tuple[Array, Array], tuple[Array, Array]]
Params = tuple[list[Array], list[Array]]  # matrices, biases


# --- (e) threes and nines ---


def threes_and_nines(out: Path, say: Callable[[str], None], seed: int = 0, num_epochs: int = 5) -> None:
    """1.3 (e) i to iii: results.md, steps.csv, loss.png, accuracy.png, misclassified.csv and misclassified.png."""
    digits = get_mnist_threes_nines()
    run = _train(digits, 0.1, seed, num_epochs, say)
    _write_steps(out, run)
    X_test, y_test = digits[1]
    output, _ = forward_pass(X_test.reshape(len(X_test), -1), run.weight_matrices, run.biases, ACTIVATIONS)
    losses, _ = logistic_loss(output, y_test)
    said = (output > 0.5).astype(np.int64)
    wrong = np.flatnonzero(said != y_test)
    wrong = wrong[np.argsort(-losses[wrong])]  # the worst first
    names = ("3", "9")
    write_csv(
        out / "misclassified.csv",
        ["test image", "is", "said", "output", "loss"],
        [[row, names[y_test[row]], names[said[row]], output[row], losses[row]] for row in wrong],
    )
    shown = wrong[:MOST_SHOWN]
    pictures, sure = X_test[shown][..., None], np.where(said == 1, output, 1 - output)[shown]
    draw = partial(
        plot_worst, x=pictures, y_true=y_test[shown], y_pred=said[shown], probability=sure, class_names=names
    )
    save_picture(
        out / "misclassified.png", draw, worst_size(pictures), "misclassified test images, worst first"
    )
    head = ["", "loss", "accuracy"]
    rows = [
        ["train, last epoch's batches", *_last_epoch(run, num_epochs)],
        ["test, at the end", f"{run.test_losses[-1]:.4f}", f"{run.test_accuracies[-1]:.4f}"],
    ]
    threes = int((y_test[wrong] == 0).sum())
    sure_wrong = int((np.abs(output[wrong] - 0.5) > 0.4).sum())
    sentence = (
        f"{len(wrong)} of {len(y_test):,} test images are misclassified: {threes} threes taken for nines, "
        f"{len(wrong) - threes} nines taken for threes. Of {sure_wrong} of them the network is more than 90 % sure."
    )
    text = (
        f"# 1.3 (e): threes and nines\n\n784-200-1, ReLU and sigmoid, batch 100, step size 0.1, {num_epochs} epochs, "
        f"seed {seed}.\n\n{markdown_table(head, rows)}{sentence}\n\n![Loss](loss.png)\n\n![Accuracy](accuracy.png)\n\n"
        "![Misclassified images](misclassified.png)\n"
    )
    write_text(out / "results.md", text)
    for line in [*text_lines(head, rows), sentence]:
        say(line)


def too_large_a_step(
    out: Path, say: Callable[[str], None], step_size: float = 10.0, seed: int = 0, num_epochs: int = 5
) -> None:
    """1.3 (e) iv: results.md, steps.csv, loss.png and accuracy.png."""
    digits = get_mnist_threes_nines()
    run = _train(digits, step_size, seed, num_epochs, say)
    _write_steps(out, run)
    X_test, y_test = digits[1]
    _, caches = forward_pass(X_test.reshape(len(X_test), -1), run.weight_matrices, run.biases, ACTIVATIONS)
    dead = int((caches[0].slope == 0).all(axis=0).sum())
    steps = [step for step in (1, 2, 3, 4, 5, 10, 20, 50, 100, 200, 400) if step < len(run.test_losses)]
    head = ["step", *(column.replace("_", " ") for column in COLUMNS)]
    rows = [
        [step, *(f"{values[step - 1]:.4f}" for values in run[:4])] for step in (*steps, len(run.test_losses))
    ]
    share = max(y_test.mean(), 1 - y_test.mean())
    better = [step for step, value in enumerate(run.test_accuracies, 1) if value > share + 0.01]
    largest, best = int(np.argmax(run.test_losses)), int(np.argmax(run.test_accuracies))
    sentence = (
        f"Naming the commoner digit always has an accuracy of {share:.4f}. After {len(better)} of the "
        f"{len(run.test_losses)} steps the test accuracy is better, at best {run.test_accuracies[best]:.4f} after step "
        f"{best + 1}; in the end it is {run.test_accuracies[-1]:.4f}, and {dead} of the "
        f"{caches[0].slope.shape[1]} hidden neurons are 0 for every test image. The test loss is "
        f"{run.test_losses[largest]:.4f} at its largest, after step "
        f"{largest + 1}, and {run.test_losses[-1]:.4f} in the end; a coin's is {np.log(2):.4f}."
    )
    text = (
        f"# 1.3 (e) iv: a step size of {step_size:g}\n\n784-200-1, batch 100, {num_epochs} epochs, seed {seed}.\n\n"
        f"{markdown_table(head, rows)}{sentence}\n\n![Loss](loss.png)\n\n![Accuracy](accuracy.png)\n"
    )
    write_text(out / "results.md", text)
    for line in [*text_lines(head, rows), sentence]:
        say(line)


def _train(
    digits: Digits, step_size: float, seed: int, num_epochs: int, say: Callable[[str], None]
) -> Training:
    """`train`, an epoch at a time, so that its progress is seen: the stream of random numbers goes on."""
    (X, y), (X_test, y_test) = digits
    np.random.seed(seed)
    params: Params = create_weight_matrices(DIMS), create_bias_vectors(DIMS)
    run = Training([], [], [], [], *params)
    for epoch in range(1, num_epochs + 1):
        part = train(
            X, y, X_test, y_test, step_size=step_size, num_epochs=1,
            weight_matrices=run.weight_matrices, biases=run.biases,
        )  # fmt: skip
        for old, new in zip(run[:4], part[:4], strict=True):
            old += new
        run = run._replace(weight_matrices=part.weight_matrices, biases=part.biases)
        say(
            f"epoch {epoch}  test loss {run.test_losses[-1]:.4f}  test accuracy {run.test_accuracies[-1]:.4f}"
        )
    return run


def _write_steps(out: Path, run: Training) -> None:
    """steps.csv, loss.png and accuracy.png."""
    steps = range(1, len(run.train_losses) + 1)
    write_csv(out / "steps.csv", ["step", *COLUMNS], list(zip(steps, *run[:4], strict=True)))
    history = History("accuracy")
    history.steps |= {"loss": run.train_losses, "accuracy": run.train_accuracies}
    history.watched = [
        {"step": step, "test_loss": loss, "test_accuracy": accuracy}
        for step, loss, accuracy in zip(steps, run.test_losses, run.test_accuracies, strict=True)
    ]
    for what in ("loss", "accuracy"):
        save_picture(out / f"{what}.png", partial(plot_steps, history=history, what=what))


def _last_epoch(run: Training, num_epochs: int) -> list[str]:
    last = slice(-(len(run.train_losses) // num_epochs), None)
    return [f"{np.mean(values[last]):.4f}" for values in (run.train_losses, run.train_accuracies)]


# --- (f) memorization ---


def _scaled(dims: tuple[int, int, int]) -> Params:
    """Weights from N(0, 2 / d_prev), biases 0: a ReLU layer's output is then as large as its input."""
    Ws = [np.random.normal(0, (2 / a) ** 0.5, (a, b)) for a, b in pairwise(dims)]
    return Ws, [np.zeros((1, b)) for b in dims[1:]]


def _sparse(dims: tuple[int, int, int]) -> Params:
    """A hidden layer in which each input opens about 7 % of the neurons, and an output layer of zeros.

    The inputs have mean 1/2 and variance 1/12. So the pre-activations are centred by the biases and have variance 1,
    and a neuron opens where its own is above 1.5.
    """
    d, hidden, _ = dims
    W = np.random.normal(0, (12 / d) ** 0.5, (d, hidden))
    return [W, np.zeros((hidden, 1))], [-1.5 - W.sum(axis=0, keepdims=True) / 2, np.zeros((1, 1))]


class Way(NamedTuple):
    """A configuration for (f)."""

    name: str
    start: Callable[[tuple[int, int, int]], Params]
    hidden: int
    batch_size: int
    step_size: float


def _homework(dims: tuple[int, int, int]) -> Params:
    return create_weight_matrices(dims), create_bias_vectors(dims)


WAYS = (
    Way("homework's own", _homework, 200, 100, 0.1),
    Way("batches of 10", _homework, 200, 10, 0.1),
    Way("scaled weights", _scaled, 200, 100, 0.1),
    Way("sparse hidden layer", _sparse, 4000, 100, 1.0),
)


def memorization(out: Path, say: Callable[[str], None], seeds: int = 10, most: int = 500) -> None:
    """1.3 (f): results.md, iterations.csv and accuracy.png."""
    (_, labels), _ = get_mnist_threes_nines()
    y = labels[:100]
    table: list[list[object]] = []
    found: list[tuple[str, int, int, float]] = []
    curves: dict[str, list[float]] = {}
    for way in WAYS:
        runs = [_memorize(way, y, seed, most) for seed in range(seeds)]
        curves[way.name] = runs[0]
        found += [(way.name, seed, len(run), run[-1]) for seed, run in enumerate(runs)]
        counts = [len(run) if run[-1] == 1 else most + 1 for run in runs]
        done = sum(int(run[-1] == 1) for run in runs)
        three = (median(counts), min(counts), max(counts))
        numbers = [f"more than {most}" if count > most else f"{count:g}" for count in three]
        table.append(
            [way.name, way.hidden, way.batch_size, f"{way.step_size:g}", f"{done}/{seeds}", *numbers]
        )
        say(f"{way.name}: {', '.join(str(len(run)) for run in runs)} iterations")
    write_csv(out / "iterations.csv", ["way", "seed", "iterations", "accuracy"], found)
    lines = partial(draw_lines, lines=curves, x="iteration", y="accuracy on the 100 inputs")
    save_picture(out / "accuracy.png", lines, (8.4, 4.2), title="memorizing 100 random inputs, seed 0")
    head = ["", "hidden", "batch", "step", "learned", "median", "fewest", "most"]
    least = min(WAYS, key=lambda way: sum(row[2] for row in found if row[0] == way.name))
    text = (
        f"# 1.3 (f): 100 random inputs by heart\n\n100 inputs of 784 numbers from `np.random.rand`, with the first 100 "
        f"labels of the threes and nines ({int(y.sum())} nines). Iterations until all 100 are right, {seeds} seeds.\n\n"
        f"{markdown_table(head, table)}Fewest: {least.name}.\n\n{WHY}\n\n![Accuracy](accuracy.png)\n"
    )
    write_text(out / "results.md", text)
    for line in [*text_lines(head, table), f"Fewest: {least.name}."]:
        say(line)


WHY = """Why one step can be enough: in the sparse network the output layer starts at 0, so every output is 1/2, and the
first step of the whole batch makes each input's score the sum over all inputs of ±(h·h'), where h and h' are two
inputs' hidden values and the sign is the other one's label. An input is right if its own h·h outweighs what the 99
others add. So the hidden values of different inputs should have as little in common as possible: each input opens few
of many neurons, about 7 %, and others open others. The hidden biases centre the inputs, for else their common mean
would open the same neurons for all."""


def _memorize(way: Way, y: Array, seed: int, most: int) -> list[float]:
    """The accuracy on the 100 inputs after each iteration, until it is 1 or there have been too many."""
    np.random.seed(seed)
    X = np.random.rand(len(y), 784)
    dims = (784, way.hidden, 1)
    Ws, bs = way.start(dims)
    accuracies: list[float] = []
    while len(accuracies) < most:
        run = train(X, y, X, y, dims, ACTIVATIONS, way.batch_size, way.step_size, 1, Ws, bs)
        Ws, bs = run.weight_matrices, run.biases
        for accuracy in run.test_accuracies:
            accuracies.append(accuracy)
            if accuracy == 1 or len(accuracies) == most:
                return accuracies
    return accuracies


EXPERIMENTS = (
    Experiment(
        "e", "threes and nines: curves per step, misclassified images, test accuracy", threes_and_nines
    ),
    Experiment("e-step10", "the same with a step size of 10", too_large_a_step),
    Experiment("f", "100 random inputs memorized in as few iterations as possible", memorization),
)
