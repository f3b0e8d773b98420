"""Everything in the library that has a gradient, for `clearprop check`: a new kernel is one line more."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.gradcheck.check import check_function, check_kernel, check_loss
from clearprop.gradcheck.networks import check_gradients, check_layer
from clearprop.gradcheck.report import GradientReport
from clearprop.kernels import losses as k
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.dropout import dropout_backward, dropout_forward
from clearprop.kernels.penalties import l1_penalty, l2_penalty
from clearprop.layers import ACTIVATIONS, Activation, Dense, Dropout, Flatten, Layer, Reshape
from clearprop.model import Sequential
from clearprop.names import unknown

N, K = 7, 4  # examples and classes of every case
Draw = Callable[[np.random.Generator], Array]
Run = Callable[[int], GradientReport]


class Case(NamedTuple):
    """One row of the table: a kernel, a layer or a model, and how to check it with a seed."""

    kind: str
    name: str
    run: Run


def normal(*shape: int, size: float = 1.0) -> Draw:
    """Normal numbers of a standard deviation."""
    return lambda rng: size * rng.standard_normal(shape)


def labels(rng: np.random.Generator) -> Array:
    """Labels (N,)"""
    return rng.integers(0, K, N)


def rows(rng: np.random.Generator) -> Array:
    """Rows of probabilities (N, K)"""
    return rng.dirichlet(np.ones(K), N)


def counts(rng: np.random.Generator) -> Array:
    """Counts (N, K)"""
    return rng.poisson(2.0, (N, K)).astype(np.float64)


def bits(rng: np.random.Generator) -> Array:
    """Zeros and ones (N, 1)"""
    return rng.integers(0, 2, (N, 1)).astype(np.float64)


def mask(rng: np.random.Generator) -> Array:
    """A mask (N, K) of dropout with rate 0.4"""
    return (rng.random((N, K)) >= 0.4) / 0.6


def kernel(
    name: str,
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: dict[str, Draw],
    fixed: str = "",
) -> Case:
    """A pair, with its inputs' names and how they are drawn."""

    def run(seed: int) -> GradientReport:
        rng = np.random.default_rng(seed)
        drawn = {key: draw(rng) for key, draw in inputs.items()}
        return check_kernel(
            forward, backward, drawn, fixed=fixed.split(), name=name, seed=seed, raise_on_failure=False
        )

    return Case("kernel", name, run)


def loss(name: str, function: Callable[[Array, Array], tuple[Array, Array]], scores: Draw, y: Draw) -> Case:
    """A loss, with how scores and targets are drawn."""

    def run(seed: int) -> GradientReport:
        rng = np.random.default_rng(seed)
        return check_loss(function, scores(rng), y(rng), name=name, seed=seed, raise_on_failure=False)

    return Case("kernel", name, run)


def penalty(name: str, function: Callable[[Array, float], tuple[float, Array]]) -> Case:
    """A penalty on weights."""

    def run(seed: int) -> GradientReport:
        w = np.random.default_rng(seed).standard_normal((5, 3))
        dw = function(w, 0.3)[1]
        return check_function(
            lambda at: function(at["w"], 0.3)[0],
            {"w": dw},
            {"w": w},
            name=name,
            seed=seed,
            raise_on_failure=False,
        )

    return Case("kernel", name, run)


def layer(what: Layer, input_shape: Shape) -> Case:
    """A layer alone, with one example's shape."""
    return Case(
        "layer", repr(what), lambda seed: check_layer(what, input_shape, seed=seed, raise_on_failure=False)
    )


def model(
    name: str, layers: Sequence[Layer], input_shape: Shape, loss: str | dict[str, Any], y: Draw
) -> Case:
    """A whole network with its loss."""

    def run(seed: int) -> GradientReport:
        rng = np.random.default_rng(seed)
        network = Sequential(layers, input_shape, seed=seed)
        x = rng.standard_normal((N, *input_shape))
        return check_gradients(network, x, y(rng), loss, seed=seed, raise_on_failure=False)

    return Case("model", name, run)


def kernels() -> list[Case]:
    """The pairs, the losses and the penalties."""
    x, z, t = {"x": normal(N, 6, size=2)}, normal(N, K, size=2), normal(N, K)
    elu, leaky, sce = ACTIVATIONS["elu"], ACTIVATIONS["leaky_relu"], k.softmax_cross_entropy
    weighted = partial(sce, class_weights=np.linspace(0.5, 2.0, K))
    xwb = {"x": normal(N, 6), "w": normal(6, K), "b": normal(K)}
    return [
        kernel("affine", affine_forward, affine_backward, xwb),
        *(kernel(name, *pair, x) for name, pair in ACTIVATIONS.items()),
        kernel("elu, alpha=0.3", partial(elu[0], alpha=0.3), elu[1], x),
        kernel("leaky_relu, alpha=0.3", partial(leaky[0], alpha=0.3), leaky[1], x),
        kernel("dropout", dropout_forward, dropout_backward, {"x": t, "mask": mask}, fixed="mask"),
        loss("softmax_cross_entropy", sce, z, labels),
        loss("softmax_cross_entropy, rows", sce, z, rows),
        loss("softmax_cross_entropy, smoothed", partial(sce, label_smoothing=0.1), z, labels),
        loss("softmax_cross_entropy, weighted", weighted, z, labels),
        loss("sigmoid_cross_entropy", k.sigmoid_cross_entropy, z, rows),
        loss("cross_entropy", k.cross_entropy, rows, labels),
        loss("cross_entropy, rows", k.cross_entropy, rows, rows),
        loss("squared_error", k.squared_error, z, t),
        loss("absolute_error", k.absolute_error, z, t),
        loss("huber", k.huber, z, t),
        loss("hinge", k.hinge, z, labels),
        loss("poisson", k.poisson, t, counts),
        penalty("l2_penalty", l2_penalty),
        penalty("l1_penalty", l1_penalty),
    ]


def layers() -> list[Case]:
    """The layers, one by one."""
    return [
        layer(Dense(K), (6,)),
        *(layer(Activation(name), (6,)) for name in ACTIVATIONS),
        layer(Dropout(0.4), (6,)),
        layer(Flatten(), (3, 2, 1)),
        layer(Reshape((3, 2)), (6,)),
    ]


def models() -> list[Case]:
    """Whole networks with their losses."""
    relu, elu, out = Dense(30, activation="relu"), Dense(9, activation="elu"), Dense(K)
    deep = [Flatten(), Dense(9, activation="gelu"), Dense(8, activation="swish"), out]
    probs = Dense(K, activation="softmax")
    return [
        model(
            "tanh, cross-entropy", [Dense(9, activation="tanh"), out], (6,), "softmax_cross_entropy", labels
        ),
        model("relu, dropout, hinge", [relu, Dropout(0.5), out], (6,), "hinge", labels),
        model("images, gelu, swish, Huber", deep, (4, 4, 1), "huber", normal(N, K)),
        model("elu, softmax, cross-entropy", [elu, probs], (6,), "cross_entropy", labels),
        model("relu, one sigmoid output", [relu, Dense(1)], (6,), "sigmoid_cross_entropy", bits),
    ]


def all_cases() -> list[Case]:
    """Every case, kernels first."""
    return [*kernels(), *layers(), *models()]


def select(only: str) -> list[Case]:
    """The cases of a kind ("layer"), or those whose name contains the text; all for an empty one.

    >>> [case.name for case in select("gelu_tanh")]
    ['gelu_tanh', "Activation('gelu_tanh')"]
    """
    found = all_cases()
    chosen = [case for case in found if only == case.kind or only.lower() in case.name.lower()]
    if not chosen:
        raise unknown("check", "case", only, [case.name for case in found if "," not in case.name])
    return chosen
