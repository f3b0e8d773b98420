"""C147/C247, Winter 2025, homework 3: what is checked of the student's `nndl` folder.

The document gives 30 points to the notebook of the two-layer net and 20 to that of the layers, each as a whole. How
they are split here is ours. What the course's readers look at in the notebooks, the accuracy on CIFAR-10 and the
written answers, is not checked. The later homeworks' parts of the same files are in nndl_later.py, without points.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.courses.assignments.check.case import Case, Check
from clearprop.courses.assignments.check.nndl_core import (
    DIVIDES,
    MASKS,
    bias_suspects,
    check_grads,
    check_loss,
    network,
    pair,
    relu_like,
    student,
)
from clearprop.courses.assignments.check.nndl_later import LATER
from clearprop.courses.assignments.check.nndl_training import check_train
from clearprop.kernels.activations import relu_backward, relu_forward
from clearprop.kernels.affine import affine_backward, affine_forward

Params = dict[str, Array]


class _Toy:
    """A two-layer net of the student's with parameters of ours, and the same net in the core's form."""

    def __init__(
        self, N: int = 6, D: int = 5, H: int = 7, C: int = 4, seed: int = 0, high: float = 0.0
    ) -> None:
        rng = np.random.default_rng(seed)
        self.X, self.y = rng.normal(size=(N, D)), rng.integers(C, size=N)
        self.params = {
            "W1": rng.normal(size=(H, D)), "b1": rng.normal(size=H),
            "W2": rng.normal(size=(C, H)), "b2": rng.normal(size=C) + high,
        }  # fmt: skip
        self.about = f"X {shape_text((N, D))}, W1 {shape_text((H, D))}, W2 {shape_text((C, H))}"
        self.sizes = D, H, C

    def net(self) -> Any:
        net = student("nndl.neural_net", "TwoLayerNet")(*self.sizes)
        net.params = {name: values.copy() for name, values in self.params.items()}
        return net

    @property
    def layers(self) -> list[tuple[Array, Array]]:
        return [(self.params[f"W{i}"].T, self.params[f"b{i}"]) for i in (1, 2)]


def _scores() -> None:
    for toy in (_Toy(), _Toy(N=1, D=3, seed=1)):
        case, net, p = Case(f"{toy.about}, no y"), toy.net(), toy.params
        with case.untouched(X=toy.X, **net.params):
            got = net.loss(toy.X)
        right = network(toy.X, toy.y, toy.layers).scores
        z = toy.X @ p["W1"].T + p["b1"]
        suspects = {
            "There is no relu between the two layers.": z @ p["W2"].T + p["b2"],
            "There is a relu after the second layer; the scores have none.": np.maximum(right, 0),
            "The biases are missing.": np.maximum(toy.X @ p["W1"].T, 0) @ p["W2"].T,
            "The first layer's bias is missing.": np.maximum(toy.X @ p["W1"].T, 0) @ p["W2"].T + p["b2"],
            "The second layer's bias is missing.": right - p["b2"],
        }
        case.expect("loss(X)", got, right, suspects)


def _loss() -> None:
    for toy, reg in ((_Toy(), 0.0), (_Toy(), 0.3), (_Toy(high=2000.0, seed=2), 0.1)):
        high = ", scores near 2000" if toy.params["b2"].max() > 1000 else ""
        case, net = Case(f"{toy.about}, reg {reg:g}{high}"), toy.net()
        loss, _ = pair(
            case, "loss(X, y, reg)", net.loss(toy.X, toy.y, reg=reg), ("the loss", "the gradients")
        )
        weights, biases = zip(*toy.layers, strict=True)
        check_loss(case, "loss(X, y, reg)", loss, network(toy.X, toy.y, toy.layers), weights, biases, reg)


def _gradients() -> None:
    dead = _Toy(seed=4)
    dead.X[1] = 0
    dead.params["b1"][:] = 0  # so the hidden units of that row are exactly 0
    dead.about += ", with a row of zeros and b1 = 0"
    for toy, reg in ((_Toy(seed=3), 0.0), (_Toy(seed=3), 0.3), (dead, 0.1), (_Toy(high=2000.0, seed=2), 0.1)):
        case, net = Case(f"{toy.about}, reg {reg:g}"), toy.net()
        with case.untouched(X=toy.X, y=toy.y, **net.params):
            got = net.loss(toy.X, toy.y, reg=reg)
        _, grads = pair(case, "loss(X, y, reg)", got, ("the loss", "the gradients"))
        check_grads(case, grads, toy.X, toy.y, toy.layers, reg, turned=True)


def _predict() -> None:
    toy = _Toy(N=40, seed=5)
    case, net, p = Case(toy.about), toy.net(), toy.params
    z = toy.X @ p["W1"].T + p["b1"]
    suspects = {
        "There is no relu between the two layers.": (z @ p["W2"].T + p["b2"]).argmax(axis=1),
        "The biases are missing.": (np.maximum(toy.X @ p["W1"].T, 0) @ p["W2"].T).argmax(axis=1),
        "It is the class with the smallest score.": network(toy.X, toy.y, toy.layers).scores.argmin(axis=1),
    }
    with case.untouched(X=toy.X, **net.params):
        got = net.predict(toy.X)
    case.expect("predict(X)", got, network(toy.X, toy.y, toy.layers).scores.argmax(axis=1), suspects)


def _affine_forward() -> None:
    rng = np.random.default_rng(6)
    for shape in ((4, 6), (3, 2, 3), (1, 2, 2, 3)):
        D = int(np.prod(shape[1:]))
        x, w, b = rng.normal(size=shape), rng.normal(size=(D, 5)), rng.normal(size=5)
        case = Case(f"x {shape_text(shape)}, w {shape_text(w.shape)}, b (5,)")
        with case.untouched(x=x, w=w, b=b):
            out, _ = pair(
                case, "affine_forward", student("nndl.layers", "affine_forward")(x, w, b), ("out", "cache")
            )
        rows = x.reshape(len(x), -1)
        suspects = {
            "The bias is missing.": rows @ w,
            "x's numbers are read in another order: take x.reshape(N, -1).": x.reshape(len(x), -1, order="F") @ w + b,
        }  # fmt: skip
        case.expect("out", out, affine_forward(rows, w, b)[0], suspects)


def _affine_backward() -> None:
    rng = np.random.default_rng(7)
    for shape in ((4, 6), (3, 2, 3), (5, 5)):
        D = int(np.prod(shape[1:]))
        x, w, b = rng.normal(size=shape), rng.normal(size=(D, 5)), rng.normal(size=5)
        dout, N = rng.normal(size=(len(x), 5)), len(x)
        case = Case(f"x {shape_text(shape)}, w {shape_text(w.shape)}, dout {shape_text(dout.shape)}")
        _, cache = student("nndl.layers", "affine_forward")(x, w, b)
        with case.untouched(x=x, w=w, b=b, dout=dout):
            got = student("nndl.layers", "affine_backward")(dout, cache)
        dx, dw, db = pair(case, "affine_backward", got, ("dx", "dw", "db"))
        right_dx, right_dw, right_db = affine_backward(dout, affine_forward(x.reshape(N, -1), w, b)[1])
        assert right_dx is not None
        mean = "It is divided by N: the mean belongs to the loss, and dout has it already."
        case.expect("dx", dx, right_dx.reshape(shape), {mean: right_dx.reshape(shape) / N})
        case.expect("dw", dw, right_dw, {mean: right_dw / N, "Its transpose matches: xᵀ dout.": right_dw.T})
        case.expect("db", db, right_db, bias_suspects(right_db, b, 0.0, {mean: right_db / N}, 1))


def _relu_forward() -> None:
    rng = np.random.default_rng(8)
    for shape in ((4, 6), (2, 3, 4)):
        x = relu_like(rng, *shape)
        case = Case(f"x {shape_text(shape)}, with zeros")
        with case.untouched(x=x):
            out, _ = pair(case, "relu_forward", student("nndl.layers", "relu_forward")(x), ("out", "cache"))
        case.expect(
            "out", out, relu_forward(x)[0], {"It is the absolute value.": np.abs(x)}, not_finite=DIVIDES
        )


def _relu_backward() -> None:
    rng = np.random.default_rng(9)
    for shape in ((4, 6), (2, 3, 4)):
        x, dout = relu_like(rng, *shape), rng.normal(size=shape)
        case = Case(f"x and dout {shape_text(shape)}, x with zeros")
        _, cache = student("nndl.layers", "relu_forward")(x)
        with case.untouched(dout=dout):
            dx = student("nndl.layers", "relu_backward")(dout, cache)
        suspects = {sentence: mask(dout, x) for sentence, mask in MASKS.items()}
        case.expect("dx", dx, relu_backward(dout, relu_forward(x)[0]), suspects, not_finite=DIVIDES)


def _filled(net: Any, params: Params) -> Any:
    net.params = {name: values.copy() for name, values in params.items()}
    return net


def _layers_of(params: Params, L: int) -> list[tuple[Array, Array]]:
    return [(params[f"W{i}"], params[f"b{i}"]) for i in range(1, L + 1)]


def _params(sizes: tuple[int, ...], seed: int) -> Params:
    """Weights of about 1 / √inputs, so that the scores stay small; biases that matter."""
    rng = np.random.default_rng(seed)
    params: Params = {}
    for i, (D, M) in enumerate(pairwise(sizes), 1):
        params[f"W{i}"] = rng.normal(size=(D, M)) / np.sqrt(D)
        params[f"b{i}"] = rng.normal(size=M) / 2
    return params


def check_drawn(case: Case, params: Any, shapes: Mapping[str, tuple[int, ...]], scale: float) -> None:
    """Fresh parameters: names and shapes, zeros for biases, normal weights of the wanted deviation."""
    if not isinstance(params, Mapping) or set(params) != set(shapes):
        found = ", ".join(sorted(map(str, params))) if isinstance(params, Mapping) else type(params).__name__
        case.refuse(f"params: expected the keys {', '.join(sorted(shapes))}, got {found or 'none'}.")
    for name, shape in shapes.items():
        values = np.asarray(params[name])
        if name.startswith(("b", "g")):
            case.expect(f'params["{name}"]', values, np.full(shape, float(name.startswith("g"))))
            continue
        if values.shape != shape:
            turned = " It is the transpose: inputs come first here." if values.shape == shape[::-1] else ""
            case.refuse(
                f'params["{name}"]: expected shape {shape_text(shape)}, got {shape_text(values.shape)}.{turned}'
            )
        deviation, mean = float(values.std()), float(values.mean())
        if not 0.9 * scale < deviation < 1.1 * scale or abs(mean) > 0.1 * scale:
            hint = " Is weight_scale left out?" if 0.9 < deviation < 1.1 else ""
            case.refuse(
                f'params["{name}"]: expected numbers drawn with mean 0 and deviation {scale:g}, got mean {mean:.3g} '
                f"and deviation {deviation:.3g}.{hint}"
            )


def _two_layer_init() -> None:
    case = Case("TwoLayerNet(input_dim=120, hidden_dims=80, num_classes=50, weight_scale=0.02)")
    cls = student("nndl.fc_net", "TwoLayerNet")
    net = cls(input_dim=120, hidden_dims=80, num_classes=50, weight_scale=0.02)
    check_drawn(case, net.params, {"W1": (120, 80), "b1": (80,), "W2": (80, 50), "b2": (50,)}, 0.02)


def _two_layer_loss() -> None:
    rng = np.random.default_rng(10)
    X, y, params = rng.normal(size=(6, 2, 4)), rng.integers(5, size=6), _params((8, 7, 5), 11)
    for reg in (0.0, 0.4):
        case = Case(f"X (6, 2, 4), W1 (8, 7), W2 (7, 5), reg {reg:g}")
        net = student("nndl.fc_net", "TwoLayerNet")(input_dim=8, hidden_dims=7, num_classes=5, reg=reg)
        _compare_net(case, _filled(net, params), X, y, params, 2, reg)


def _compare_net(case: Case, net: Any, X: Array, y: Array, params: Params, L: int, reg: float) -> None:
    layers = _layers_of(params, L)
    run = network(X, y, layers)
    weights, biases = zip(*layers, strict=True)
    with case.untouched(X=X, y=y, **net.params):
        scores, got = net.loss(X), net.loss(X, y)
    clipped = {"There is a relu after the last layer; the scores have none.": np.maximum(run.scores, 0)}
    case.expect("loss(X), the scores", scores, run.scores, clipped)
    loss, grads = pair(case, "loss(X, y)", got, ("the loss", "the gradients"))
    check_loss(case, "loss(X, y)", loss, run, weights, biases, reg)
    check_grads(case, grads, X, y, layers, reg)


def _deep_init() -> None:
    case = Case("FullyConnectedNet([80, 70], input_dim=120, num_classes=60, weight_scale=0.03)")
    net = student("nndl.fc_net", "FullyConnectedNet")(
        [80, 70], input_dim=120, num_classes=60, weight_scale=0.03
    )
    shapes = {"W1": (120, 80), "b1": (80,), "W2": (80, 70), "b2": (70,), "W3": (70, 60), "b3": (60,)}
    check_drawn(case, net.params, shapes, 0.03)


def _deep_loss() -> None:
    rng = np.random.default_rng(12)
    for hidden, reg in (([7, 6], 0.0), ([7, 6], 0.3), ([6, 5, 4], 0.2), ([], 0.1)):
        sizes = (8, *hidden, 5)
        X, y, params = rng.normal(size=(5, 2, 4)), rng.integers(5, size=5), _params(sizes, 13)
        case = Case(f"X (5, 2, 4), layers {' → '.join(map(str, sizes))}, reg {reg:g}, float64")
        cls = student("nndl.fc_net", "FullyConnectedNet")
        net = cls(hidden, input_dim=8, num_classes=5, reg=reg, dtype=np.float64)
        _compare_net(case, _filled(net, params), X, y, params, len(sizes) - 1, reg)


def _solver() -> None:
    """Thirty examples with classes at random: nothing but memory helps."""
    rng = np.random.default_rng(14)
    X, y = rng.normal(size=(30, 2, 10)), rng.integers(4, size=30)
    case = Case("30 examples at random, 4 classes, two hidden layers of 50, 60 epochs of sgd")
    np.random.seed(0)
    net = student("nndl.fc_net", "FullyConnectedNet")(
        [50, 50], input_dim=20, num_classes=4, weight_scale=0.1, dtype=np.float64
    )
    solver = student("utils.solver", "Solver")(
        net, {"X_train": X, "y_train": y, "X_val": X, "y_val": y}, update_rule="sgd",
        optim_config={"learning_rate": 0.3}, num_epochs=60, batch_size=15, verbose=False,
    )  # fmt: skip
    solver.train()
    first, last, accuracy = solver.loss_history[0], solver.loss_history[-1], solver.best_val_acc
    if accuracy < 1:
        case.refuse(
            f"The Solver cannot teach the net 30 examples by heart: the accuracy on them is {accuracy:.2f} at best; "
            f"the loss went from {first:.4f} to {last:.4f}. Are the gradients those of the loss?"
        )


CHECKS: tuple[Check, ...] = (
    Check("two-layer net: scores", _scores, 5),
    Check("two-layer net: loss", _loss, 5),
    Check("two-layer net: gradients", _gradients, 8),
    Check("two-layer net: training", check_train, 8),
    Check("two-layer net: predict", _predict, 4),
    Check("affine_forward", _affine_forward, 2),
    Check("affine_backward", _affine_backward, 3),
    Check("relu_forward", _relu_forward, 1),
    Check("relu_backward", _relu_backward, 2),
    Check("TwoLayerNet of layers: initialization", _two_layer_init, 1),
    Check("TwoLayerNet of layers: scores, loss, gradients", _two_layer_loss, 3),
    Check("FullyConnectedNet: initialization", _deep_init, 2),
    Check("FullyConnectedNet: scores, loss, gradients", _deep_loss, 4),
    Check("FullyConnectedNet: trained by the Solver", _solver, 2),
    *LATER,
)
