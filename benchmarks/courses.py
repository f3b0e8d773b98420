"""The courses' names beside the core that they stand on: the same steps of training, in float64, on one batch.

One function a dialect gives its rows. A ratio is what the names cost; it may be 1.3 at most.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import clearprop as cp
from benchmarks.rows import Row, Run, Scale, repeated, timed
from clearprop.kernels.losses import (
    cross_entropy,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_error,
)

LR, MOMENTUM = 0.01, 0.9
Loss = Callable[[Any, Any], tuple[Any, Any]]


def core_steps(
    layers: Sequence[cp.Layer], x: Any, y: Any, loss: Loss, momentum: float = MOMENTUM
) -> Callable[[], object]:
    """Forward, the loss and its gradient's mean, backward, the optimizer's step."""
    model = cp.Sequential(list(layers), input_shape=x.shape[1:], seed=0, dtype="float64")
    optimizer = cp.SGD(lr=LR, momentum=momentum)

    def step() -> None:
        scores, caches = model.forward(x, training=True)
        _, dscores = loss(scores, y)
        dscores /= len(x)
        model.backward(dscores, caches)
        optimizer.step(model.params, model.grads)

    return step


def cs189_rows() -> list[Row]:
    """CS 189's layers: a dense network, a convolutional one, a recurrent one."""
    return [
        Row(
            family="courses",
            name=f"cs189, {name}",
            ours=partial(_cs189_ours, make=make),
            rivals={"core": partial(_cs189_core, make=make)},
        )
        for name, make in {
            "784-256-10, batch 100": partial(_cs189_dense, sizes=(784, 256, 10), n=100),
            "4-25-3, batch 25": partial(_cs189_dense, sizes=(4, 25, 3), n=25),
            "conv 3→16→32, 64 images": _cs189_images,
            "Elman 1-32-1, 20 steps": _cs189_waves,
        }.items()
    ]


class _Problem:
    """A network in both languages: the course's layer_args, the core's layers, and a batch for each."""

    def __init__(
        self, loss: str, layer_args: list[dict[str, Any]], layers: list[cp.Layer], x: Any, y: Any
    ) -> None:
        self.loss, self.layer_args, self.layers, self.x, self.y = loss, layer_args, layers, x, y


def _cs189_ours(scale: Scale, make: Callable[[Scale], _Problem]) -> Run:
    from clearprop.courses.cs189.models import NeuralNetwork

    problem = make(scale)
    model = NeuralNetwork(
        problem.loss, problem.layer_args, {"name": "SGD", "lr": LR, "momentum": MOMENTUM}, seed=0
    )
    x = problem.x.transpose(0, 2, 1) if problem.x.ndim == 3 else problem.x  # the course has time last

    def step() -> None:
        model.backward(problem.y, model.forward(x))
        model.update(0)

    return repeated(step, scale.of(_times(x), 1))


def _cs189_core(scale: Scale, make: Callable[[Scale], _Problem]) -> Run:
    problem = make(scale)
    loss = cross_entropy if problem.loss == "cross_entropy" else squared_error
    step = core_steps(problem.layers, problem.x, problem.y, loss)
    return repeated(step, scale.of(_times(problem.x), 1))


def _times(x: Any) -> int:
    """So many steps that a turn takes some tenths of a second."""
    return max(3, min(2000, 4_000_000 // x.size))


def _cs189_dense(scale: Scale, sizes: tuple[int, int, int], n: int) -> _Problem:
    rng = np.random.default_rng(0)
    n_in, hidden, classes = sizes
    y = np.eye(classes)[rng.integers(0, classes, n)]
    args = [
        {"name": "fully_connected", "activation": "relu", "n_out": hidden},
        {"name": "fully_connected", "activation": "softmax", "n_out": classes},
    ]
    layers = [cp.Dense(hidden, activation="relu"), cp.Dense(classes, activation="softmax")]
    return _Problem("cross_entropy", args, layers, rng.standard_normal((n, n_in)), y)


def _cs189_images(scale: Scale) -> _Problem:
    rng = np.random.default_rng(0)
    n = scale.of(64, 2)
    y = np.eye(10)[rng.integers(0, 10, n)]
    kernel = {"kernel_shape": (3, 3), "pad": "same"}
    args: list[dict[str, Any]] = [
        {"name": "conv2d", "activation": "relu", "n_out": 16, **kernel},
        {"name": "pool2d", "kernel_shape": (2, 2), "stride": 2},
        {"name": "conv2d", "activation": "tanh", "n_out": 32, **kernel},
        {"name": "flatten"},
        {"name": "fully_connected", "activation": "softmax", "n_out": 10},
    ]
    layers = [
        cp.Conv2D(16, 3, padding="same", activation="relu"),
        cp.MaxPool2D(2),
        cp.Conv2D(32, 3, padding="same", activation="tanh"),
        cp.Flatten(),
        cp.Dense(10, activation="softmax"),
    ]
    return _Problem("cross_entropy", args, layers, rng.standard_normal((n, 32, 32, 3)), y)


def _cs189_waves(scale: Scale) -> _Problem:
    rng = np.random.default_rng(0)
    args = [
        {"name": "elman", "activation": "tanh", "n_out": 32},
        {"name": "fully_connected", "activation": "linear", "n_out": 1},
    ]
    layers = [cp.Elman(32), cp.Dense(1)]
    return _Problem("l2", args, layers, rng.standard_normal((50, 20, 1)), rng.standard_normal((50, 1)))


def nndl_rows() -> list[Row]:
    """C147's networks beside the core; its Solver beside the loop that a student would write in NumPy."""
    rows = [
        Row(
            family="courses",
            name=f"nndl, {name}",
            ours=partial(_nndl_ours, make=make),
            rivals={"core": partial(_nndl_core, make=make)},
        )
        for name, make in {
            "3072-100-10, 200 images": partial(_nndl_dense, sizes=(3072, 100, 10), n=200),
            "4-25-3, 25 flowers": partial(_nndl_dense, sizes=(4, 25, 3), n=25),
            "ThreeLayerConvNet, 50 images": _nndl_images,
        }.items()
    ]
    solver = Row("courses", "nndl, Solver, 200 steps", _nndl_solver, {"NumPy": _nndl_student}, rounds=5)
    return [*rows, solver]


def _nndl_ours(scale: Scale, make: Callable[[Scale], tuple[Any, list[cp.Layer], Any, Any]]) -> Run:
    from clearprop.courses.nndl.optim import sgd

    model, _, x, y = make(scale)
    config = {"learning_rate": LR}

    def step() -> None:
        _, grads = model.loss(x, y)
        for name, w in model.params.items():
            model.params[name], _ = sgd(w, grads[name], config)

    return repeated(step, scale.of(_times(x), 1))


def _nndl_core(scale: Scale, make: Callable[[Scale], tuple[Any, list[cp.Layer], Any, Any]]) -> Run:
    _, layers, x, y = make(scale)
    images = np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x
    return repeated(
        core_steps(layers, images, y, softmax_cross_entropy, momentum=0.0), scale.of(_times(x), 1)
    )


def _nndl_dense(scale: Scale, sizes: tuple[int, int, int], n: int) -> tuple[Any, list[cp.Layer], Any, Any]:
    from clearprop.courses.nndl.fc_net import TwoLayerNet

    rng = np.random.default_rng(0)
    layers: list[cp.Layer] = [cp.Dense(sizes[1], activation="relu"), cp.Dense(sizes[2])]
    x, y = rng.standard_normal((n, sizes[0])), rng.integers(0, sizes[2], n)
    return TwoLayerNet(*sizes, weight_scale=0.1), layers, x, y


def _nndl_images(scale: Scale) -> tuple[Any, list[cp.Layer], Any, Any]:
    from clearprop.courses.nndl.cnn import ThreeLayerConvNet

    rng, n = np.random.default_rng(0), scale.of(50, 2)
    layers: list[cp.Layer] = [
        cp.Conv2D(32, 7, padding="same", activation="relu"), cp.MaxPool2D(2), cp.Flatten(),
        cp.Dense(100, activation="relu"), cp.Dense(10),
    ]  # fmt: skip
    x, y = rng.standard_normal((n, 3, 32, 32)), rng.integers(0, 10, n)
    return ThreeLayerConvNet(dtype=np.float64), layers, x, y


def _nndl_data(scale: Scale) -> dict[str, Any]:
    """As many rows as make 25 batches, as large as CIFAR-10's images are."""
    rng, n = np.random.default_rng(0), scale.of(5000, 400)
    x, y = 50 * rng.standard_normal((n, 3, 32, 32)), rng.integers(0, 10, n)
    return {"X_train": x, "y_train": y, "X_val": x[:1000], "y_val": y[:1000]}


def _nndl_solver(scale: Scale) -> Run:
    from clearprop.courses.nndl.fc_net import TwoLayerNet
    from clearprop.courses.nndl.utils.solver import Solver

    data, epochs = _nndl_data(scale), scale.of(8, 1)

    def work() -> None:
        config = {"learning_rate": 1e-3}
        Solver(TwoLayerNet(), data, "sgd", config, 0.95, 200, epochs, verbose=False).train()

    return timed(work)


def _nndl_student(scale: Scale) -> Run:
    """The same run, its layers and its loop written out in NumPy, step by step as the notebook goes."""
    data, epochs = _nndl_data(scale), scale.of(8, 1)
    x_train, y_train = data["X_train"], data["y_train"]
    rng = np.random.default_rng(0)

    def forward(p: dict[str, Any], x: Any) -> tuple[Any, Any, Any]:
        before = x.reshape(len(x), -1) @ p["W1"] + p["b1"]
        hidden = np.maximum(0, before)
        return before, hidden, hidden @ p["W2"] + p["b2"]

    def accuracy(p: dict[str, Any], x: Any, y: Any) -> float:
        if len(x) > 1000:
            rows = rng.choice(len(x), 1000)
            x, y = x[rows], y[rows]
        labels = [forward(p, x[i : i + 100])[2].argmax(axis=1) for i in range(0, len(x), 100)]
        return float(np.mean(np.concatenate(labels) == y))

    def gradients(p: dict[str, Any], x: Any, y: Any) -> dict[str, Any]:
        before, hidden, scores = forward(p, x)
        probs = np.exp(scores - scores.max(axis=1, keepdims=True))
        probs /= probs.sum(axis=1, keepdims=True)
        float(-np.log(probs[np.arange(len(y)), y]).mean())
        probs[np.arange(len(y)), y] -= 1
        probs /= len(y)
        dbefore = (probs @ p["W2"].T) * (before > 0)
        (dbefore @ p["W1"].T).reshape(x.shape)  # each layer's backward gives its dx, the first one's too
        dw1 = x.reshape(len(x), -1).T @ dbefore
        return {"W1": dw1, "b1": dbefore.sum(axis=0), "W2": hidden.T @ probs, "b2": probs.sum(axis=0)}

    def work() -> None:
        p = {"W1": 1e-3 * rng.standard_normal((3072, 100)), "b1": np.zeros(100)}
        p |= {"W2": 1e-3 * rng.standard_normal((100, 10)), "b2": np.zeros(10)}
        lr, per_epoch, best = 1e-3, len(x_train) // 200, -1.0
        for t in range(epochs * per_epoch):
            rows = rng.choice(len(x_train), 200)
            for name, grad in gradients(p, x_train[rows], y_train[rows]).items():
                p[name] -= lr * grad
            epoch_end = (t + 1) % per_epoch == 0
            if epoch_end:
                lr *= 0.95
            if t == 0 or epoch_end:
                accuracy(p, x_train, y_train)
                val = accuracy(p, data["X_val"], data["y_val"])
                if val > best:
                    best, _ = val, {name: w.copy() for name, w in p.items()}

    return timed(work)


def cmu10701_rows() -> list[Row]:
    """CMU's networks of 5.6 (c), (d) and (e): a step on a batch of digits."""
    return [
        Row(
            family="courses",
            name=f"cmu10701, 784-{'-'.join(map(str, hidden))}-10, batch {n}",
            ours=partial(_cmu10701_ours, hidden=hidden, n=n),
            rivals={"core": partial(_cmu10701_core, hidden=hidden, n=n)},
        )
        for hidden, n in (((256,), 50), ((256,), 200), ((384, 256), 50))
    ]


def _cmu10701_ours(scale: Scale, hidden: tuple[int, ...], n: int) -> Run:
    from clearprop.courses.cmu10701.hw3_lib import CrossEntropyLoss, GradientDescentOptimizer
    from clearprop.courses.cmu10701.hw3_sol import define_network

    x, y = _digits(n, classes=10)
    model, criterion = define_network(hidden, activation="relu"), CrossEntropyLoss()
    optimizer = GradientDescentOptimizer(model, LR)

    def step() -> None:
        criterion(model.forward(x), y)
        model.backward(criterion)
        optimizer.step()

    return repeated(step, scale.of(_times(x), 1))


def _cmu10701_core(scale: Scale, hidden: tuple[int, ...], n: int) -> Run:
    x, y = _digits(n, classes=10)
    layers: list[cp.Layer] = [*(cp.Dense(size, activation="relu") for size in hidden), cp.Dense(10)]
    step = core_steps(layers, x, y, softmax_cross_entropy, momentum=0.0)
    return repeated(step, scale.of(_times(x), 1))


def cs189_functions_rows() -> list[Row]:
    """The plain functions of CS 189's Fall 2022: a step on a batch of digits."""
    return [
        Row(
            family="courses",
            name=f"cs189_functions, 784-200-1, batch {n}",
            ours=partial(_functions_ours, n=n),
            rivals={"core": partial(_functions_core, n=n)},
        )
        for n in (100, 2000)
    ]


def _functions_ours(scale: Scale, n: int) -> Run:
    from clearprop.courses import cs189_functions as c

    x, y = _digits(n, classes=2)
    Ws, bs = c.create_weight_matrices([784, 200, 1]), c.create_bias_vectors([784, 200, 1])

    def step() -> None:
        output, caches = c.forward_pass(x, Ws, bs, [c.relu_activation, c.sigmoid_activation])
        _, dL_dg = c.logistic_loss(output, y)
        for params, gradients in zip((Ws, bs), c.backward_pass(dL_dg, caches), strict=True):
            for p, gradient in zip(params, gradients, strict=True):
                gradient *= LR
                p -= gradient

    return repeated(step, scale.of(_times(x), 1))


def _functions_core(scale: Scale, n: int) -> Run:
    x, y = _digits(n, classes=2)
    layers = [cp.Dense(200, activation="relu"), cp.Dense(1)]
    step = core_steps(layers, x, y[:, None].astype(float), sigmoid_cross_entropy, momentum=0.0)
    return repeated(step, scale.of(_times(x), 1))


def _digits(n: int, classes: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.random((n, 784)), rng.integers(0, classes, n)


ROWS = [*cs189_rows(), *nndl_rows(), *cmu10701_rows(), *cs189_functions_rows()]
