"""C147's TwoLayerNet.train: the steps and the rate, whatever the way in which the student draws the batches."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.courses.assignments.check.case import Case
from clearprop.courses.assignments.check.nndl_core import network, student
from clearprop.kernels.penalties import l2_penalty

RATE, DECAY, REG, STEPS = 0.5, 0.4, 0.1, 8
PER_EPOCH = 2.5  # ten examples in batches of four


class Way(NamedTuple):
    """A way to train: when the rate decays, before the step or after it, and how a step is taken."""

    before: Callable[[int], bool] = lambda it: False
    after: Callable[[int], bool] = lambda it: it % PER_EPOCH == 0
    sign: float = 1.0
    moved: tuple[str, ...] = ("W1", "b1", "W2", "b2")


WAYS = {
    "The rate never decays: it is multiplied by learning_rate_decay after a step where "
    "it % iterations_per_epoch == 0.": Way(after=lambda it: False),
    "The rate decays before the step; it belongs after it.": Way(
        before=lambda it: it % PER_EPOCH == 0, after=lambda it: False
    ),
    "The rate decays at every step; it belongs where it % iterations_per_epoch == 0.": Way(after=lambda it: True),
    "The rate does not decay after the first step, where it = 0; the course has it decay there.": Way(
        after=lambda it: it > 0 and it % PER_EPOCH == 0
    ),
    "The rate decays where it + 1 is a multiple of the epoch; the course asks it % iterations_per_epoch == 0.": Way(
        after=lambda it: (it + 1) % PER_EPOCH == 0
    ),
    "iterations_per_epoch is rounded down; it is num_train / batch_size, a float.": Way(after=lambda it: it % 2 == 0),
    "The steps go uphill: subtract learning_rate times the gradient.": Way(sign=-1.0),
    "The biases stay as they are: all four parameters take a step.": Way(moved=("W1", "W2")),
    "Only the second layer learns: all four parameters take a step.": Way(moved=("W2", "b2")),
    "Only the first layer learns: all four parameters take a step.": Way(moved=("W1", "b1")),
}  # fmt: skip


def check_train() -> None:
    """All examples alike, so that any batch gives the same step; then different ones, to see what is drawn."""
    _steps()
    _batches()
    _toy()


def _trained(params: dict[str, Array], x: Array, y: Array, way: Way) -> tuple[Array, dict[str, Array]]:
    """The losses of all steps and the last parameters; weights (outputs, inputs)."""
    params, rate, losses = dict(params), RATE, []
    for it in range(STEPS):
        run = network(x, y, [(params["W1"].T, params["b1"]), (params["W2"].T, params["b2"])])
        losses.append(run.losses.mean() + sum(l2_penalty(params[name], REG)[0] for name in ("W1", "W2")))
        rate *= DECAY if way.before(it) else 1.0
        steps = {}
        for i, (dw, db) in enumerate(run.grads, 1):
            steps[f"W{i}"] = dw.T + l2_penalty(params[f"W{i}"], REG)[1]
            steps[f"b{i}"] = db
        params |= {name: params[name] - way.sign * rate * steps[name] for name in way.moved}
        rate *= DECAY if way.after(it) else 1.0
    return np.array(losses), params


def _net(sizes: tuple[int, int, int], seed: int) -> tuple[Any, dict[str, Array]]:
    D, H, C = sizes
    rng = np.random.default_rng(seed)
    params = {
        "W1": rng.normal(size=(H, D)) / 2, "b1": rng.normal(size=H) / 2,
        "W2": rng.normal(size=(C, H)) / 2, "b2": rng.normal(size=C) / 2,
    }  # fmt: skip
    net = student("nndl.neural_net", "TwoLayerNet")(D, H, C)
    net.params = {name: values.copy() for name, values in params.items()}
    return net, params


def _steps() -> None:
    net, params = _net((5, 6, 3), 20)
    x = np.tile(np.random.default_rng(21).normal(size=5), (10, 1))
    y = np.ones(10, dtype=int)
    case = Case(
        f"ten equal examples, batches of 4, rate {RATE:g}, decay {DECAY:g}, reg {REG:g}, {STEPS} steps",
        rtol=1e-5,
    )
    with case.untouched(X=x, y=y):
        stats = net.train(
            x, y, x, y, learning_rate=RATE, learning_rate_decay=DECAY, reg=REG, num_iters=STEPS, batch_size=4
        )
    if not isinstance(stats, dict) or "loss_history" not in stats:
        case.refuse('train: expected a dict with "loss_history" as its result.')
    losses, last = _trained(params, x, y, Way())
    ways = {sentence: _trained(params, x, y, way) for sentence, way in WAYS.items()}
    case.expect(
        'the result\'s "loss_history"', stats["loss_history"], losses, {s: w[0] for s, w in ways.items()}
    )
    for name, values in last.items():
        case.expect(
            f'params["{name}"] after train',
            net.params[name],
            values,
            {s: w[1][name] for s, w in ways.items()},
        )


def _batches() -> None:
    """What `loss` is given; a student who does not call it in training is not asked."""
    net, _ = _net((2, 3, 3), 22)
    X = np.arange(24.0).reshape(12, 2) / 24
    y = np.arange(12) % 3
    case, seen = Case("12 examples, batches of 20, 40 steps"), list[tuple[Array, Array]]()
    loss = net.loss

    def watched(X: Array, y: Array | None = None, reg: float = 0.0) -> Any:
        if y is not None:
            seen.append((np.array(X), np.array(y)))
        return loss(X, y, reg)

    net.loss = watched
    np.random.seed(0)
    net.train(X, y, X, y, learning_rate=1e-3, num_iters=40, batch_size=20)
    for batch, classes in seen:
        if batch.shape != (20, 2) or classes.shape != (20,):
            case.refuse(
                f"train: expected batches of 20 examples, also where there are only 12: draw with replacement. Got X "
                f"of shape {batch.shape} and y of shape {classes.shape}."
            )
        rows = np.abs(batch[:, None] - X).sum(axis=2).argmin(axis=1)
        if not (np.array_equal(X[rows], batch) and np.array_equal(y[rows], classes)):
            case.refuse(
                "train: a batch's examples and classes do not belong together: take X[rows] and y[rows], the same rows."
            )
    batches = {batch.tobytes() for batch, _ in seen}
    if seen and (
        len(batches) < len(seen) // 2 or len(np.unique(np.concatenate([b for b, _ in seen]), axis=0)) < 12
    ):
        case.refuse("train: the batches are not drawn at random from all examples, anew at every step.")


def _toy() -> None:
    """The document's run: 0.0145 at its end, with the batches of any honest draw."""
    np.random.seed(0)
    net = student("nndl.neural_net", "TwoLayerNet")(4, 10, 3, std=1e-1)
    np.random.seed(1)
    X, y = 10 * np.random.randn(5, 4), np.array([0, 1, 2, 2, 1])
    stats = net.train(X, y, X, y, learning_rate=1e-1, reg=5e-6, num_iters=100, verbose=False)
    last = float(stats["loss_history"][-1])
    if not last < 0.02:
        Case("the document's toy data, rate 0.1, reg 5e-6, 100 steps").refuse(
            f"train: expected a last loss of about 0.0145, got {last:.4g}."
        )
