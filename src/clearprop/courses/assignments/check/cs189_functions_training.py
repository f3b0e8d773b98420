"""CS 189's check of 1.2 (e): a training run on two clusters, watched from the outside."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.courses import cs189_functions as right
from clearprop.courses.assignments.check.case import Case

DIMS, N, N_TEST = (10, 8, 1), 200, 100
BATCH, EPOCHS, STEP = 20, 20, 0.1
ENOUGH = 0.95  # of the test set; solutions reach 0.98 to 1
SERIES = ("train_losses", "train_accuracies", "test_losses", "test_accuracies")


def clusters(seed: int = 3) -> tuple[Array, Array, Array, Array]:
    """X (N, 10), y and the same to test with: two clusters, a few of whose examples lie on the wrong side."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=N + N_TEST)
    X = np.where(y == 1, 1.0, -1.0)[:, None] + 1.2 * rng.normal(size=(N + N_TEST, DIMS[0]))
    return X[:N], y[:N], X[N:], y[N:]


class Watch:
    """Which training examples went through `forward_pass`, in which order, and with which labels into the loss."""

    def __init__(self, module: Any, X: Array, y: Array) -> None:
        self.batches: list[tuple[int, ...]] = []
        self.wrong_labels = 0
        self._row = {row.tobytes(): i for i, row in enumerate(np.ascontiguousarray(X))}
        self._y = y
        self._last: tuple[int, ...] = ()
        module.forward_pass = self._forward(module.forward_pass)
        module.logistic_loss = self._loss(module.logistic_loss)

    def _forward(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **named: Any) -> Any:
            X = args[0] if args else named["X_batch"]
            found = [self._row.get(row.tobytes(), -1) for row in np.ascontiguousarray(X, dtype=float)]
            self._last = tuple(found) if len(found) == BATCH and min(found) >= 0 else ()
            if self._last and self.batches[-1:] != [self._last]:
                self.batches.append(self._last)
            return forward(*args, **named)

        return watched

    def _loss(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **named: Any) -> Any:
            y = args[1] if len(args) > 1 else named["y"]
            if self._last and np.shape(y) == (BATCH,):
                self.wrong_labels += not np.array_equal(y, self._y[list(self._last)])
            return loss(*args, **named)

        return watched


def check_train() -> None:
    """The four lists, the order of the examples, and what was learned."""
    hw2 = import_module("hw2")
    X, y, X_test, y_test = clusters()
    case = Case(
        f"two clusters, X_train {X.shape}, layer_dims {list(DIMS)}, batch_size {BATCH}, {EPOCHS} epochs"
    )
    watch = Watch(hw2, X, y)
    np.random.seed(0)
    with case.untouched(X_train=X, y_train=y, X_test=X_test, y_test=y_test):
        result = hw2.train(
            X, y, X_test, y_test, layer_dims=list(DIMS), batch_size=BATCH, step_size=STEP, num_epochs=EPOCHS
        )
    if not isinstance(result, tuple | list) or len(result) != 6:
        case.refuse(
            f"train returned {type(result).__name__}: expected a Training, which is four lists, the weight matrices "
            "and the biases."
        )
    series = dict(zip(SERIES, result, strict=False))
    for name, numbers in series.items():
        if np.shape(numbers) != (EPOCHS * N // BATCH,):
            case.refuse(
                f"{name} has shape {np.shape(numbers)}: expected {EPOCHS * N // BATCH} numbers, one a step, for "
                f"{EPOCHS} epochs of {N // BATCH} batches."
            )
    _check_order(case, watch)
    _check_learned(case, series, list(result[4]), list(result[5]), X_test, y_test)


def _check_order(case: Case, watch: Watch) -> None:
    """Every epoch all examples, in an order of its own; nothing is said where the batches cannot be seen."""
    if watch.wrong_labels:
        case.refuse(
            f"In {watch.wrong_labels} batches the labels are not those of the examples: X and y have to be shuffled by "
            "the same order."
        )
    if len(watch.batches) != EPOCHS * N // BATCH:
        return
    order = np.array(watch.batches).reshape(EPOCHS, N)
    if any(len(np.unique(epoch)) < N for epoch in order):
        case.refuse(
            "An epoch does not visit each example once: shuffle the training data and cut it into batches."
        )
    if (order[0] == order[1]).all():
        plain = " of the data set" if (order[0] == np.arange(N)).all() else ""
        case.refuse(f"Every epoch visits the examples in the same order{plain}: shuffle again in each epoch.")


def _check_learned(
    case: Case, series: dict[str, Any], Ws: list[Array], bs: list[Array], X_test: Array, y_test: Array
) -> None:
    """The test set's numbers, as reported and with the parameters that were returned."""
    losses, accuracies = series["test_losses"], series["test_accuracies"]
    output, _ = right.forward_pass(X_test, Ws, bs, [right.relu_activation, right.sigmoid_activation])
    loss = float(right.logistic_loss(output, y_test)[0].mean())
    accuracy = float(((output > 0.5) == y_test).mean())
    if accuracy < ENOUGH:
        if losses[-1] > losses[0] + 0.05:
            why = " The loss has grown: is the gradient added instead of subtracted?"
        elif abs(losses[-1] - losses[0]) < 0.02:
            why = (
                " The loss is where it began: are all weights and biases updated, in place or in their lists?"
            )
        else:
            why = ""
        case.refuse(
            f"After the training {accuracy:.0%} of the test set are right, expected {ENOUGH:.0%} or more.{why}"
        )
    for what, told, is_so in (("loss", losses[-1], loss), ("accuracy", accuracies[-1], accuracy)):
        if not abs(told - is_so) <= 0.03:  # before or after the last update
            case.refuse(
                f"The last test {what} is reported as {told:.4g}, and with the returned parameters it is {is_so:.4g}: "
                "measure the whole test set at each step, and take the mean."
            )
    first, last = np.mean(series["train_losses"][:5]), np.mean(series["train_losses"][-20:])
    if not (0.5 < first < 0.9 and last < first):
        case.refuse(
            f"The training losses go from {first:.4g} to {last:.4g}: expected to fall from about log 2, 0.69."
        )
    if not 0.8 < np.mean(series["train_accuracies"][-20:]) <= 1:
        case.refuse(
            f"The last training accuracies are {series['train_accuracies'][-3:]}: expected shares near 1."
        )
