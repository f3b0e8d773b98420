"""The same dense network in three libraries, and one epoch of training it by SGD with momentum 0.9 in float32.

Each library's loop is the one that its own documentation shows: PyTorch's with batches by shuffled indices held
in one tensor, which costs it less than a DataLoader; scikit-learn's through `partial_fit`, one call an epoch.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import clearprop as cp

LR, MOMENTUM = 0.01, 0.9


class Problem(NamedTuple):
    """A network's sizes, from the inputs to the classes, and data to train it on."""

    sizes: tuple[int, ...]
    x: Any  # (N, D), float32
    y: Any  # (N,), labels


def make_problem(sizes: tuple[int, ...], n: int) -> Problem:
    """Random rows, with the labels that a random linear map gives them."""
    rng = np.random.default_rng(0)
    x = 0.3 * rng.standard_normal((n, sizes[0]), dtype=np.float32)
    labels = (x @ rng.standard_normal((sizes[0], sizes[-1]), dtype=np.float32)).argmax(axis=1)
    labels[: sizes[-1]] = np.arange(sizes[-1])[:n]  # every class occurs
    return Problem(sizes, x, labels)


def our_model(sizes: tuple[int, ...]) -> cp.Sequential:
    """Dense layers with ReLU between them."""
    hidden = [cp.Dense(units, activation="relu") for units in sizes[1:-1]]
    return cp.Sequential([*hidden, cp.Dense(sizes[-1])], input_shape=sizes[:1], seed=0)


def our_epochs(problem: Problem, batch_size: int, epochs: int, threads: int) -> Callable[[], object]:
    """`fit`, with what it takes by itself of the BLAS threads that the environment gives it."""
    model = our_model(problem.sizes)
    optimizer = cp.SGD(lr=LR, momentum=MOMENTUM)
    return lambda: cp.fit(
        model,
        problem.x,
        problem.y,
        optimizer=optimizer,
        batch_size=batch_size,
        epochs=epochs,
    )


def torch_model(sizes: tuple[int, ...]) -> Any:
    """nn.Sequential of Linear and ReLU."""
    import torch

    torch.manual_seed(0)
    layers: list[Any] = []
    for n_in, n_out in pairwise(sizes):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_epochs(problem: Problem, batch_size: int, epochs: int, threads: int) -> Callable[[], object]:
    """PyTorch eager, with its intra-op threads."""
    import torch

    torch.set_num_threads(threads)
    x, y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
    model = torch_model(problem.sizes)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    loss_fn = torch.nn.CrossEntropyLoss()

    def work() -> None:
        model.train()
        for _ in range(epochs):
            order = torch.randperm(len(x))
            for start in range(0, len(x), batch_size):
                rows = order[start : start + batch_size]
                optimizer.zero_grad()
                loss = loss_fn(model(x[rows]), y[rows])
                loss.backward()
                optimizer.step()

    return work


def sklearn_model(sizes: tuple[int, ...], batch_size: int) -> Any:
    """MLPClassifier with the same solver, without its penalty."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        sizes[1:-1], activation="relu", solver="sgd", alpha=0.0, batch_size=batch_size,
        learning_rate_init=LR, momentum=MOMENTUM, nesterovs_momentum=False, random_state=0,
    )  # fmt: skip


def sklearn_epochs(problem: Problem, batch_size: int, epochs: int, threads: int) -> Callable[[], object]:
    """scikit-learn, with as many BLAS threads as the environment gives it."""
    model = sklearn_model(problem.sizes, batch_size)
    classes = np.arange(problem.sizes[-1])

    def work() -> None:
        for _ in range(epochs):
            model.partial_fit(problem.x, problem.y, classes=classes)

    return work
