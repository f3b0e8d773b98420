"""CS 189's checks of the Fall 2022 homework: section 1.2, with its points; a part of several functions is divided.

The expected numbers are those of `clearprop.courses.cs189_functions`, which are the core's.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from clearprop.arrays import shape_text
from clearprop.courses import cs189_functions as right
from clearprop.courses.assignments.check.case import Case, Check
from clearprop.courses.assignments.check.cs189_functions_gradients import (
    Arrays,
    Network,
    check_backward_pass,
    check_differences,
    hw2_of_student,
    network,
    two,
)
from clearprop.courses.assignments.check.cs189_functions_training import check_train

LARGEST_CLIP = 1e-6  # the document asks for "a small number such as 1e-15"

_STABLE = (
    "Use 1 / (1 + exp(-s)) for s >= 0 alone and exp(s) / (1 + exp(s)) for the others; np.where computes both for all, "
    "so take exp(-|s|), or exp with where= and out=."
)


def check_sigmoid() -> None:
    """Values and slopes of any shape, whole numbers, ±1000 without a warning, the clip."""
    rng = np.random.default_rng(1)
    for s in (
        2 * rng.normal(size=(3, 4)),
        2 * rng.normal(size=5),
        np.array([1, 0, -1]),
        rng.normal(size=(2, 3, 2)),
    ):
        case = Case(f"s {s.shape} of {s.dtype}, from {s.min():.3g} to {s.max():.3g}")
        with case.untouched(s=s), case.quiet("sigmoid_activation(s)", _STABLE):
            out, slope = two(
                case, "sigmoid_activation", hw2_of_student().sigmoid_activation(s), "out and its derivative"
            )
        y, dy = right.sigmoid_activation(s)
        case.expect("out", out, y, {
            "Whole numbers come out: the result was given s's dtype, which is int here.": np.trunc(y),
            "It is the sigmoid of -s.": 1 - y,
        }, not_finite=_STABLE)  # fmt: skip
        case.expect("the derivative", slope, dy, {
            "Whole numbers come out: the result was given s's dtype, which is int here.": np.trunc(dy),
            "s (1 - s) is taken for the derivative: it is out (1 - out).": s * (1 - s),
            "The sigmoid was applied once too often: the derivative is out (1 - out).": right.sigmoid_activation(y)[1],
            "It is out itself: the derivative is out (1 - out).": y,
        }, not_finite=_STABLE)  # fmt: skip
    _check_large()


def _check_large() -> None:
    s = np.asarray([-1000, 1000])
    case = Case("s = np.asarray([-1000, 1000])")
    with case.quiet("sigmoid_activation(s)", _STABLE):
        out, slope = two(
            case, "sigmoid_activation", hw2_of_student().sigmoid_activation(s), "out and its derivative"
        )
    case.expect("out", np.round(np.asarray(out, dtype=float), 5), np.array([0.0, 1.0]), not_finite=_STABLE)
    low, high = (float(v) for v in out)
    if not (0 < low <= LARGEST_CLIP and 1 - LARGEST_CLIP <= high < 1):
        case.refuse(
            f"out is [{low:g}, {high:.17g}]: it is not clipped to (eps, 1 - eps), so that the loss takes the log of 0. "
            "With eps = 1e-15 both ends stay off 0 and 1; 1 - 1e-17 is 1 in float64."
        )
    case.expect("the derivative", slope, np.zeros(2), not_finite=_STABLE)


def check_relu() -> None:
    """Values and slopes, which are 0 at 0; s stays as it is."""
    rng = np.random.default_rng(2)
    for s in (
        rng.normal(size=(4, 3)),
        np.array([[0.0, -2.0, 3.0], [1.5, 0.0, -0.5]]),
        np.array([[-2, 0, 3]]),
    ):
        case = Case(f"s {s.shape} of {s.dtype}, {int((s == 0).sum())} zeros")
        with case.untouched(s=s):
            out, slope = two(
                case, "relu_activation", hw2_of_student().relu_activation(s), "out and its derivative"
            )
        y, dy = right.relu_activation(s)
        case.expect("out", out, y, {"It is s itself: negative numbers become 0.": s, "It is |s|.": abs(s)})
        case.expect("the derivative", slope, dy, {
            "The derivative at 0 is taken as 1; it counts as 0.": 1.0 * (s >= 0),
            "The derivative at 0 is taken as 1/2; it counts as 0.": 0.5 * (s > 0) + 0.5 * (s >= 0),
            "It is the activation itself: the derivative is 1 where s > 0.": y,
        })  # fmt: skip


def check_logistic_loss() -> None:
    """One loss and one derivative an example, finite at the clip; shapes that would broadcast are no surprise."""
    hw2, rng = hw2_of_student(), np.random.default_rng(3)
    for n, kind in ((6, float), (1, float), (5, int)):
        g, y = rng.uniform(0.05, 0.95, size=n), rng.integers(2, size=n).astype(kind)
        case = Case(f"g ({n},), y ({n},) of {y.dtype}: {y.tolist()}")
        with case.untouched(g=g, y=y):
            loss, dL_dg = two(case, "logistic_loss", hw2.logistic_loss(g, y), "loss and dL_dg")
        losses, slopes = right.logistic_loss(g, y)
        case.expect("loss", loss, losses, {
            "It is the mean: the loss is one number an example, not averaged.": losses.mean(),
            "0 and 1 are mixed up: y log g + (1 - y) log(1 - g).": right.logistic_loss(1 - g, y)[0],
            "The sign is flipped: the loss is minus the logarithm.": -losses,
            "The part for y = 0 is missing.": y * losses,
        }, batch=n)  # fmt: skip
        case.expect("dL_dg", dL_dg, slopes, {
            "It is g - y, the derivative with respect to s: with respect to g, divide by g (1 - g).": g - y,
            "It is divided by n: the mean is taken in backward_pass, so 1/n would be taken twice.": slopes / n,
            "The sign is flipped.": -slopes,
            "The part for y = 0 is missing.": y * slopes,
        }, batch=n)  # fmt: skip
    _check_ends(hw2)
    _check_broadcast(hw2)


def _check_ends(hw2: Any) -> None:
    """Wrong with certainty, and still finite."""
    g, _ = right.sigmoid_activation(np.array([-1000.0, 1000.0]))
    case = Case("g = [1e-15, 1 - 1e-15], y = [1, 0]")
    loss, dL_dg = two(case, "logistic_loss", hw2.logistic_loss(g, np.array([1.0, 0.0])), "loss and dL_dg")
    if not (np.all(np.isfinite(loss)) and np.all(np.isfinite(dL_dg)) and np.min(loss) > 10):
        case.refuse(f"loss is {loss}, dL_dg {dL_dg}: expected about 34.5 each, and -1e15 and 1e15.")


def _check_broadcast(hw2: Any) -> None:
    g, y = np.full((3, 1), 0.5), np.array([1.0, 0.0, 0.0])
    for shapes, arguments in (("g (3, 1), y (3,)", (g, y)), ("g (3,), y (3, 1)", (g[:, 0], y[:, None]))):
        case = Case(shapes)
        try:
            loss, _ = two(case, "logistic_loss", hw2.logistic_loss(*arguments), "loss and dL_dg")
        except NotImplementedError:
            raise
        except Exception:
            continue  # refused, as it should be
        if np.size(loss) != 3:
            case.refuse(
                f"loss has shape {shape_text(np.shape(loss))}: (3, 1) and (3,) broadcast in silence to one number for "
                "each pair. Assert the shapes first."
            )


def check_layer_forward() -> None:
    """A layer with either activation."""
    hw2, rng = hw2_of_student(), np.random.default_rng(4)
    for (n, d_prev, d), name in (
        ((5, 4, 3), "relu"),
        ((5, 4, 3), "sigmoid"),
        ((1, 3, 3), "relu"),
        ((4, 3, 1), "sigmoid"),
    ):
        x, W, b = rng.normal(size=(n, d_prev)), rng.normal(size=(d_prev, d)), rng.normal(size=(1, d))
        case = Case(f"x {x.shape}, W {W.shape}, b {b.shape}, {name}_activation")
        with case.untouched(x=x, W=W, b=b):
            result = hw2.layer_forward(x, W, b, getattr(hw2, f"{name}_activation"))
        out, _ = two(case, "layer_forward", result, "out and cache")
        fn = getattr(right, f"{name}_activation")
        case.expect("out", out, right.layer_forward(x, W, b, fn)[0], {
            "b is not added.": fn(x @ W)[0],
            "It is x W + b: the activation is missing.": x @ W + b,
            "It is the activation's derivative: activation_fn returns out first.": fn(x @ W + b)[1],
        })  # fmt: skip


def check_weights() -> None:
    """Shapes, and numbers that look like N(0, 0.01²)."""
    dims = [300, 200, 50, 1]
    case = Case(f"layer_dims {dims}")
    Ws = list(hw2_of_student().create_weight_matrices(dims))
    _same_shapes(case, "create_weight_matrices", Ws, list(pairwise(dims)))
    W = np.asarray(Ws[0], dtype=float)
    mean, std = float(W.mean()), float(W.std())
    if not np.isfinite(std) or std == 0:
        case.refuse(
            f"All {W.size} weights of the first layer are {W.flat[0]:g}: draw them from the normal distribution."
        )
    if len(np.unique(W)) < 0.9 * W.size:
        case.refuse(
            f"Only {len(np.unique(W))} of the first layer's {W.size} weights differ: draw each of its own."
        )
    hint = {
        0.1: "it is ten times too large",
        1e-4: "0.01 is the deviation, not the variance",
        1.0: "scale=0.01 is missing",
    }
    if abs(std - 0.01) > 3e-4:
        hints = [text for value, text in hint.items() if abs(std / value - 1) < 0.03]
        case.refuse(
            f"The weights' standard deviation is {std:.3g}, expected 0.01{''.join(': ' + t for t in hints)}."
        )
    if abs(mean) > 3e-4:
        case.refuse(f"The weights' mean is {mean:.3g}, expected 0.")
    peak = float(((W - mean) ** 4).mean()) / std**4  # 3 for the normal distribution, 1.8 for the uniform one
    if abs(peak - 3) > 0.3:
        which = "the uniform distribution" if abs(peak - 1.8) < 0.1 else "another distribution"
        case.refuse(
            f"The weights come from {which}: E(w^4) / E(w^2)^2 is {peak:.2f}, and 3 for the normal one."
        )


def check_biases() -> None:
    """Shapes, and small numbers: the document is silent on how to draw them, so zeros will do."""
    dims = [300, 200, 50, 1]
    case = Case(f"layer_dims {dims}")
    bs = list(hw2_of_student().create_bias_vectors(dims))
    _same_shapes(case, "create_bias_vectors", bs, [(1, d) for d in dims[1:]])
    largest = max(float(np.abs(b).max()) for b in bs)
    if not largest < 0.2:
        case.refuse(
            f"The largest bias is {largest:g}: expected zeros, or numbers of deviation 0.01 as the weights."
        )


def _same_shapes(case: Case, what: str, arrays: Arrays, shapes: Sequence[tuple[int, ...]]) -> None:
    found = [np.shape(array) for array in arrays]
    if found != list(shapes):
        case.refuse(f"{what} returned shapes {found}: expected {list(shapes)}.")


def check_forward_pass() -> None:
    """Networks of one, two and three layers."""
    hw2 = hw2_of_student()
    toy = right.load_toy_batch()
    nets = [Network(*toy), network((4, 1), 3, 5), network((5, 4, 3, 1), 6, 6), network((3, 3, 1), 1, 7)]
    for net in nets:
        case = Case(net.about)
        with case.untouched(X_batch=net.X, **net.named()):
            result = hw2.forward_pass(net.X, net.Ws, net.bs, net.activations(hw2))
        output, caches = two(case, "forward_pass", result, "the outputs and the list of caches")
        expected, _ = right.forward_pass(net.X, net.Ws, net.bs, net.activations(right))
        case.expect("output", output, expected, {
            "It is a column: the loss expects (n,), and with (n, 1) it would broadcast.": expected[:, None],
            "The biases are not added.": right.forward_pass(
                net.X, net.Ws, [0 * b for b in net.bs], net.activations(right)
            )[0],
        })  # fmt: skip
        if len(caches) != len(net.Ws):
            case.refuse(
                f"forward_pass returned {len(caches)} caches: expected one for each of the {len(net.Ws)} layers."
            )


CHECKS = (
    Check("1.2 (a) my_nn_finite_difference_checker", check_differences),
    Check("1.2 (b) sigmoid_activation", check_sigmoid, 2),
    Check("1.2 (b) logistic_loss", check_logistic_loss, 2),
    Check("1.2 (b) relu_activation", check_relu, 2),
    Check("1.2 (b) layer_forward", check_layer_forward, 2),
    Check("1.2 (c) create_weight_matrices", check_weights, 2),
    Check("1.2 (c) create_bias_vectors", check_biases, 2),
    Check("1.2 (c) forward_pass", check_forward_pass, 4),
    Check("1.2 (d) backward_pass", check_backward_pass, 6),
    Check("1.2 (e) train", check_train, 6),
)
