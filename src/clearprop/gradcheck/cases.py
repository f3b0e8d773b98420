"""Everything in the library that has a gradient, for `clearprop check`: a new kernel is one line more."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.gradcheck.check import check_function, check_kernel, check_loss
from clearprop.gradcheck.networks import check_gradients, check_layer
from clearprop.gradcheck.report import GradientReport
from clearprop.kernels import augment, conv, norm, pool
from clearprop.kernels import losses as k
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.dropout import dropout_backward, dropout_forward
from clearprop.kernels.elman import elman_backward, elman_forward
from clearprop.kernels.embedding import embedding_backward, embedding_forward
from clearprop.kernels.gru import gru_backward, gru_before_backward, gru_before_forward, gru_forward
from clearprop.kernels.lstm import lstm_backward, lstm_forward
from clearprop.kernels.penalties import l1_penalty, l2_penalty
from clearprop.layers import (
    ACTIVATIONS,
    GRU,
    LSTM,
    Activation,
    AvgPool1D,
    AvgPool2D,
    BatchNorm,
    Bidirectional,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Cutout,
    Dense,
    Dropout,
    Elman,
    Embedding,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Layer,
    LayerNorm,
    MaxPool1D,
    MaxPool2D,
    RandomFlip,
    RandomShift,
    Reshape,
    Residual,
    TimeDistributed,
)
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


def tokens(rng: np.random.Generator) -> Array:
    """Five numbers of a vocabulary of nine in each example (N, 5)"""
    return rng.integers(0, 9, (N, 5))


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


def layer(what: Layer, input_shape: Shape, x: Draw | None = None) -> Case:
    """A layer alone, with one example's shape, and how x is drawn where it cannot be any numbers."""

    def run(seed: int) -> GradientReport:
        drawn = None if x is None else x(np.random.default_rng(seed))
        return check_layer(what, input_shape, x=drawn, seed=seed, raise_on_failure=False)

    return Case("layer", repr(what), run)


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


def convolution() -> list[Case]:
    """With stride 1, where dx is a convolution, too; with all settings; and in groups."""
    rough: dict[str, Any] = {"stride": (2, 1), "padding": ((1, 2), (0, 1)), "dilation": (1, 2)}
    conv2d, back = conv.conv2d_forward, conv.conv2d_backward
    conv1d, back1d = conv.conv1d_forward, conv.conv1d_backward
    spread, gather = conv.conv_transpose2d_forward, conv.conv_transpose2d_backward
    x, b = normal(2, 5, 6, 4), normal(6)
    xwb, grouped = {"x": x, "w": normal(3, 2, 4, 6), "b": b}, {"x": x, "w": normal(3, 2, 2, 6), "b": b}
    turned, turned_grouped = xwb | {"w": normal(3, 2, 6, 4)}, xwb | {"w": normal(3, 2, 3, 4)}
    sequence = {"x": normal(2, 7, 4), "w": normal(3, 2, 6), "b": b}
    causal = partial(conv1d, padding=(4, 0), dilation=2, groups=2)
    return [
        kernel("conv2d", partial(conv2d, padding=((1, 1), (0, 1))), back, xwb),
        kernel("conv2d, strided", partial(conv2d, **rough), back, xwb),
        kernel("conv2d, groups", partial(conv2d, **rough, groups=2), back, grouped),
        kernel("conv1d, causal", causal, back1d, sequence),
        kernel("conv1d, stride", partial(conv1d, stride=2, groups=2), back1d, sequence),
        kernel("conv_transpose2d", spread, gather, turned),
        kernel("conv_transpose2d, strided", partial(spread, **rough, output_padding=(1, 0)), gather, turned),
        kernel("conv_transpose2d, groups", partial(spread, **rough, groups=2), gather, turned_grouped),
    ]


def pooling() -> list[Case]:
    """Windows that tile the image, and others that overlap, with padding."""
    x = {"x": normal(2, 5, 6, 3)}
    tiles: dict[str, Any] = {"window": (2, 3), "stride": (2, 3)}
    rough: dict[str, Any] = {"window": (3, 2), "stride": (2, 1), "padding": ((1, 2), (0, 1))}
    largest, mean = pool.max_pool2d_forward, pool.avg_pool2d_forward
    return [
        kernel("max_pool2d", partial(largest, **tiles), pool.max_pool2d_backward, x),
        kernel("max_pool2d, overlapping", partial(largest, **rough), pool.max_pool2d_backward, x),
        kernel("avg_pool2d", partial(mean, **tiles), pool.avg_pool2d_backward, x),
        kernel("avg_pool2d, overlapping", partial(mean, **rough), pool.avg_pool2d_backward, x),
        kernel("global_max_pool", pool.global_max_pool_forward, pool.global_max_pool_backward, x),
        kernel("global_avg_pool", pool.global_avg_pool_forward, pool.global_avg_pool_backward, x),
    ]


def augmentation() -> list[Case]:
    """Images that move, are mirrored and cut."""
    x, cut = normal(4, 5, 6, 2), partial(augment.cutout_forward, size=3)
    places = {"x": x, "places": lambda rng: rng.integers(-2, 3, (4, 2))}
    flips = {"x": x, "flips": lambda rng: rng.random(4) < 0.5}
    return [
        kernel("shift", augment.shift_forward, augment.shift_backward, places),
        kernel("flip", augment.flip_forward, augment.flip_backward, flips),
        kernel("cutout", cut, augment.cutout_backward, places),
    ]


def recurrence() -> list[Case]:
    """Sequences of five steps, and numbers that stand for words."""

    def inputs(gates: int) -> dict[str, Draw]:
        return {
            "x": normal(3, 5, 2),
            "w": normal(2, 3 * gates),
            "u": normal(3, 3 * gates),
            "b": normal(3 * gates),
        }

    h0 = {"h0": normal(3, 3)}
    relu, relu_back = ACTIVATIONS["relu"]
    with_relu = partial(elman_forward, activation=relu), partial(elman_backward, derivative=relu_back)
    words = {"w": normal(9, 3), "tokens": tokens}
    return [
        kernel("elman", elman_forward, elman_backward, inputs(1) | h0),
        kernel("elman, relu", *with_relu, inputs(1) | h0),
        kernel("lstm", lstm_forward, lstm_backward, inputs(4) | h0 | {"c0": normal(3, 3)}),
        kernel("gru", gru_forward, gru_backward, inputs(3) | {"bu": normal(3)} | h0),
        kernel("gru_before", gru_before_forward, gru_before_backward, inputs(3) | h0),
        kernel("embedding", embedding_forward, embedding_backward, words, fixed="tokens"),
    ]


def batch_norm_forward(x: Array, gamma: Array, beta: Array) -> tuple[Array, Any]:
    """Batch norm in training, of a mini-batch in one piece."""
    sums, centred, m = norm.batch_norm_moments(x)
    n, mean, var = norm.batch_norm_statistics(sums)
    y, cache = norm.batch_norm_forward(centred, gamma, beta, mean - m, var)
    return y, (cache, n)


def batch_norm_backward(dy: Array, cache: Any) -> tuple[Array, Array, Array]:
    """dx, dgamma, dbeta"""
    kept, n = cache
    sums = norm.batch_norm_sums(dy, kept)
    return norm.batch_norm_backward(dy, kept, sums, n), *sums


def kernels() -> list[Case]:
    """The pairs, the losses and the penalties."""
    x, z, t = {"x": normal(N, 6, size=2)}, normal(N, K, size=2), normal(N, K)
    elu, leaky, sce = ACTIVATIONS["elu"], ACTIVATIONS["leaky_relu"], k.softmax_cross_entropy
    weighted = partial(sce, class_weights=np.linspace(0.5, 2.0, K))
    xwb = {"x": normal(N, 6), "w": normal(6, K), "b": normal(K)}
    xgb = {"x": normal(N, 2, 4), "gamma": normal(4), "beta": normal(4)}
    group_norm = partial(norm.group_norm_forward, groups=2)
    return [
        kernel("affine", affine_forward, affine_backward, xwb),
        *(kernel(name, *pair, x) for name, pair in ACTIVATIONS.items()),
        kernel("elu, alpha=0.3", partial(elu[0], alpha=0.3), elu[1], x),
        kernel("leaky_relu, alpha=0.3", partial(leaky[0], alpha=0.3), leaky[1], x),
        kernel("dropout", dropout_forward, dropout_backward, {"x": t, "mask": mask}, fixed="mask"),
        *convolution(),
        *pooling(),
        *augmentation(),
        *recurrence(),
        kernel("batch_norm", batch_norm_forward, batch_norm_backward, xgb),
        kernel("layer_norm", norm.layer_norm_forward, norm.layer_norm_backward, xgb),
        kernel("group_norm", group_norm, norm.group_norm_backward, xgb),
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
        layer(Conv2D(3, 3), (5, 6, 2)),
        layer(Conv2D(4, (3, 2), stride=2, padding="same", dilation=(2, 1), groups=2), (5, 6, 2)),
        layer(Conv1D(3, 2, padding="causal", dilation=2), (7, 2)),
        layer(ConvTranspose2D(3, 3, stride=2, padding="same"), (3, 4, 2)),
        layer(Residual([Dense(5), Activation("tanh"), Dense(6)]), (6,)),
        layer(Residual([Conv2D(3, 3, stride=2, padding=1)], [Conv2D(3, 1, stride=2)]), (5, 4, 2)),
        layer(Dropout(0.4), (6,)),
        layer(Dropout(0.4, channels=True), (3, 2, 4)),
        layer(MaxPool2D(2), (4, 6, 2)),
        layer(MaxPool2D(3, stride=2, padding="same"), (5, 6, 2)),
        layer(MaxPool1D(3, stride=1, dilation=2), (8, 2)),
        layer(AvgPool2D(2, padding=1), (4, 5, 2)),
        layer(AvgPool1D(3, stride=2, padding="same", count_padding=True), (7, 2)),
        layer(GlobalAvgPool(), (3, 4, 2)),
        layer(GlobalMaxPool(), (6, 2)),
        layer(RandomShift(2), (4, 5, 2)),
        layer(RandomFlip(), (4, 5, 2)),
        layer(Cutout(3), (4, 5, 2)),
        layer(BatchNorm(), (6,)),
        layer(BatchNorm(eps=0.1), (3, 2, 4)),
        layer(LayerNorm(), (6,)),
        layer(LayerNorm(axes=2), (3, 2, 4)),
        layer(GroupNorm(2), (3, 2, 4)),
        layer(Elman(3), (5, 2)),
        layer(Elman(3, activation="sigmoid", return_sequences=True), (5, 2)),
        layer(LSTM(3), (5, 2)),
        layer(LSTM(3, return_sequences=True), (5, 2)),
        layer(GRU(3), (5, 2)),
        layer(GRU(3, return_sequences=True, reset="before"), (5, 2)),
        layer(Bidirectional(LSTM(3, return_sequences=True)), (5, 2)),
        layer(TimeDistributed(Dense(3)), (5, 2)),
        layer(Embedding(9, 3), (5,), tokens),
        layer(Flatten(), (3, 2, 1)),
        layer(Reshape((3, 2)), (6,)),
    ]


def models() -> list[Case]:
    """Whole networks with their losses."""
    relu, elu, out = Dense(30, activation="relu"), Dense(9, activation="elu"), Dense(K)
    deep = [Flatten(), Dense(9, activation="gelu"), Dense(8, activation="swish"), out]
    probs = Dense(K, activation="softmax")
    both = Bidirectional(LSTM(3, return_sequences=True))
    images = [
        Conv2D(3, 3, padding="same", activation="relu"),
        MaxPool2D(2),
        Residual([Conv2D(3, 1)]),
        Flatten(),
    ]
    return [
        model(
            "tanh, cross-entropy", [Dense(9, activation="tanh"), out], (6,), "softmax_cross_entropy", labels
        ),
        model("relu, dropout, hinge", [relu, Dropout(0.5), out], (6,), "hinge", labels),
        model("images, gelu, swish, Huber", deep, (4, 4, 1), "huber", normal(N, K)),
        model(
            "tanh, batch norm", [Dense(9), BatchNorm(), Activation("tanh"), out], (6,), "huber", normal(N, K)
        ),
        model("conv, pool, residual", [*images, out], (6, 6, 2), "softmax_cross_entropy", labels),
        model("LSTM both ways, GRU", [both, GRU(4), out], (5, 2), "softmax_cross_entropy", labels),
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
