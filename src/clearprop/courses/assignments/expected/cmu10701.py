"""CMU 10-701's numbers, from the core's kernels: what `run_tests.py` compares with, and what the checks need."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.activations import (
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
)
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.losses import softmax_cross_entropy

SEED = 10701
KINDS = {"relu": (relu_forward, relu_backward), "sigmoid": (sigmoid_forward, sigmoid_backward)}
Params = list[tuple[Array, Array]]  # of each Linear layer: weights (in, out), biases (1, out)


class Task(NamedTuple):
    """A small training run: a network, two sets of examples, and the settings."""

    params: Params
    kind: str  # the activation after each hidden layer
    dataset: dict[str, Array]
    num_epoch: int
    learning_rate: float
    batch_size: int


def initial(sizes: Sequence[int], rng: np.random.RandomState) -> Params:
    """Uniform in ±1/√out, as the course draws: a layer's weights, then its biases."""
    return [
        (rng.uniform(-(m**-0.5), m**-0.5, (n, m)), rng.uniform(-(m**-0.5), m**-0.5, (1, m)))
        for n, m in pairwise(sizes)
    ]


def linear(x: Array, weights: Array, biases: Array, g: Array) -> dict[str, Array]:
    """out, d_weights and d_biases as means over the batch, and dx, which is no mean."""
    out, cache = affine_forward(x, weights, biases[0])
    dx, dw, db = affine_backward(g, cache)
    assert dx is not None
    return {"out": out, "d_weights": dw / len(x), "d_biases": db[None] / len(x), "dx": dx}


def activation(kind: str, x: Array, g: Array) -> dict[str, Array]:
    """out and dx."""
    forward, backward = KINDS[kind]
    out, cache = forward(x)
    return {"out": out, "dx": backward(g, cache)}


def loss(score: Array, label: Array) -> dict[str, Array]:
    """The mean loss, and each example's own gradient."""
    losses, dscore = softmax_cross_entropy(score, label)
    return {"loss": np.asarray(losses.mean()), "dscore": dscore}


def scores_of(params: Params, kind: str, x: Array) -> Array:
    """The network's scores (N, K)."""
    for weights, biases in params[:-1]:
        x, _ = KINDS[kind][0](affine_forward(x, weights, biases[0])[0])
    return affine_forward(x, params[-1][0], params[-1][1][0])[0]


def gradients(params: Params, kind: str, x: Array, label: Array) -> Params:
    """Of the mean loss, in the parameters' shapes."""
    forward, backward = KINDS[kind]
    caches = []
    for weights, biases in params:
        s, affine = affine_forward(x, weights, biases[0])
        x, active = forward(s)
        caches.append((affine, active))
    _, g = softmax_cross_entropy(s, label)  # the last layer's scores: its activation is not used
    found: Params = []
    for i in range(len(params) - 1, -1, -1):
        affine, active = caches[i]
        if i < len(params) - 1:
            g = backward(g, active)
        dx, dw, db = affine_backward(g, affine)
        assert dx is not None
        g = dx
        found.insert(0, (dw / len(label), db[None] / len(label)))
    return found


def trained(task: Task, order: Array | None = None) -> list[Params]:
    """The parameters before the first epoch and after each; `order` visits the examples in another order."""
    x, y = task.dataset["train_x"], task.dataset["train_y"]
    order = np.arange(len(x)) if order is None else order
    params = task.params
    epochs = [params]
    for _ in range(task.num_epoch):
        for first in range(0, len(order), task.batch_size):
            rows = order[first : first + task.batch_size]
            steps = gradients(params, task.kind, x[rows], y[rows])
            params = [
                (w - task.learning_rate * dw, b - task.learning_rate * db)
                for (w, b), (dw, db) in zip(params, steps, strict=True)
            ]
        epochs.append(params)
    return epochs


def statistics(task: Task, epochs: Sequence[Params]) -> dict[str, Array]:
    """What `train_network` returns when it measures these parameters, one set an epoch."""
    found: dict[str, Array] = {}
    for name in ("train", "test"):
        x, y = task.dataset[f"{name}_x"], task.dataset[f"{name}_y"]
        scores = [scores_of(params, task.kind, x) for params in epochs]
        found[f"{name}_loss"] = np.array([softmax_cross_entropy(s, y)[0].mean() for s in scores])
        found[f"{name}_accuracy"] = np.array([(s.argmax(axis=1) == y).mean() for s in scores])
        found[f"yhat_{name}"] = scores[-1].argmax(axis=1)
    return found


def make_task(
    sizes: Sequence[int],
    kind: str,
    n: int,
    num_epoch: int,
    learning_rate: float,
    batch_size: int,
    seed: int = 0,
) -> Task:
    """Noisy clusters, one a class, for a network of these sizes."""
    rng = np.random.RandomState(SEED + seed)
    centers = rng.normal(size=(sizes[-1], sizes[0]))
    dataset: dict[str, Array] = {}
    for name, count in (("train", n), ("test", n // 2 + 1)):
        label = rng.randint(sizes[-1], size=count)
        dataset[f"{name}_x"] = centers[label] + 0.7 * rng.normal(size=(count, sizes[0]))
        dataset[f"{name}_y"] = label
    return Task(initial(sizes, rng), kind, dataset, num_epoch, learning_rate, batch_size)


def write_cases(folder: Path) -> None:
    """tests/cases.npz: inputs and expected results of each graded part, by the names `part.case.array`."""
    rng = np.random.RandomState(SEED)
    cases: dict[str, Array] = {}

    def add(part: str, number: int, **arrays: Array | float) -> None:
        cases.update({f"{part}.{number}.{name}": np.asarray(array) for name, array in arrays.items()})

    for i, (n, n_in, n_out) in enumerate(((5, 4, 3), (1, 6, 2), (7, 3, 3))):
        x, g = rng.normal(size=(n, n_in)), rng.normal(size=(n, n_out))
        [(weights, biases)] = initial((n_in, n_out), rng)
        add("linear", i, x=x, weights=weights, biases=biases, g=g, **linear(x, weights, biases, g))
    for part in ("sigmoid", "relu"):
        extremes = np.array([[-1000.0, -40.0, -1.0, 0.0], [0.5, 1.0, 40.0, 1000.0]])
        for i, x in enumerate((rng.normal(size=(4, 3)), extremes)):
            g = rng.normal(size=x.shape)
            add(part, i, x=x, g=g, **activation(part, x, g))
    for i, score in enumerate(
        (rng.normal(size=(5, 4)), rng.normal(size=(3, 10)), 1000 + rng.normal(size=(4, 3)))
    ):
        label = rng.randint(score.shape[1], size=len(score))
        add("cross_entropy", i, score=score, label=label, **loss(score, label))
    _add_step(cases, rng)
    for i, task in enumerate((
        make_task((4, 5, 3), "sigmoid", n=12, num_epoch=3, learning_rate=0.1, batch_size=4),
        make_task((6, 7, 5, 3), "relu", n=23, num_epoch=4, learning_rate=0.2, batch_size=5),
    )):  # fmt: skip
        _add_training(cases, i, task)
    target = folder / "tests"
    target.mkdir(exist_ok=True)
    np.savez(target / "cases.npz", **cases)  # type: ignore[arg-type]


def _add_step(cases: dict[str, Array], rng: np.random.RandomState) -> None:
    """Two steps of the optimizer, on two Linear layers with gradients that are given."""
    rate = 0.05
    for layer, (weights, biases) in enumerate(initial((4, 5, 3), rng)):
        for name, before in (("weights", weights), ("biases", biases)):
            d = rng.normal(size=before.shape)
            cases[f"optimizer.{layer}.{name}"], cases[f"optimizer.{layer}.d_{name}"] = before, d
            for steps in (1, 2):
                cases[f"optimizer.{layer}.{name}_after_{steps}"] = before - steps * rate * d
    cases["optimizer.learning_rate"] = np.asarray(rate)


def _add_training(cases: dict[str, Array], number: int, task: Task) -> None:
    start = f"train_network.{number}"
    for layer, (weights, biases) in enumerate(task.params):
        cases[f"{start}.weights_{layer}"], cases[f"{start}.biases_{layer}"] = weights, biases
    settings = {
        "num_epoch": task.num_epoch,
        "learning_rate": task.learning_rate,
        "batch_size": task.batch_size,
    }
    arrays = task.dataset | settings | {"activation": task.kind} | statistics(task, trained(task)[1:])
    cases.update({f"{start}.{name}": np.asarray(array) for name, array in arrays.items()})
