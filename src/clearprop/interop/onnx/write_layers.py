"""Each layer as nodes: what ONNX calls it, and its weights in ONNX's layouts."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.errors import ConfigError
from clearprop.interop.onnx.write_functions import write_function
from clearprop.interop.onnx.write_graph import Graph, Value, as_ours, channels_first
from clearprop.interop.onnx.write_recurrent import write_bidirectional, write_recurrent
from clearprop.layers import (
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
from clearprop.layers.windows import Pairs, pad_pairs

Writer = Callable[[Graph, Any, Value, Shape], Value]  # graph, layer, x, y's shape -> y


def write_layers(graph: Graph, layers: Sequence[Layer], x: Value, first: int = 0) -> Value:
    """One layer after the other; they are numbered from `first` on."""
    outside = graph.scope
    for i, layer in enumerate(layers, first):
        graph.scope = f"{outside}.{i}" if outside else str(i)
        x = write_layer(graph, layer, x)
    graph.scope = outside
    return x


def write_layer(graph: Graph, layer: Layer, x: Value) -> Value:
    if type(layer) not in WRITERS:
        raise ConfigError(
            f"to_onnx: layer {graph.scope}, {layer}: expected one of clearprop's own layers, got "
            f"{type(layer).__name__}, for which ONNX has no node. Build it from layers that there are, or leave it out."
        )
    return WRITERS[type(layer)](graph, layer, x, layer.output_shape(x.shape, str(layer)))


def _left_out(graph: Graph, layer: Layer, x: Value, shape: Shape) -> Value:
    """What does something in training alone."""
    return x


def _dense(graph: Graph, layer: Dense, x: Value, shape: Shape) -> Value:
    weights = [graph.constant("w", layer.w), graph.constant("b", layer.b)]
    return Value(shape, {(0, 1): graph.node("Gemm", [graph.ours(x), *weights])})


def _activation(graph: Graph, layer: Activation, x: Value, shape: Shape) -> Value:
    order, name = graph.any(x)
    last = order.index(x.axes - 1)  # along which softmax goes
    return Value(shape, {order: write_function(graph, layer.name, layer.alpha, name, last)})


def _conv(graph: Graph, layer: Conv1D | Conv2D | ConvTranspose2D, x: Value, shape: Shape) -> Value:
    pads, more = layer.pads(x.shape), None
    op = "ConvTranspose" if isinstance(layer, ConvTranspose2D) else "Conv"
    if op == "ConvTranspose":
        full = [
            (n - 1) * s + d * (k - 1) + 1 - a - b
            for n, s, d, k, (a, b) in zip(
                x.shape[:-1], layer.stride, layer.dilation, layer.kernel, pads, strict=True
            )
        ]
        more = [n - m for n, m in zip(shape[:-1], full, strict=True)]
    w = graph.constant(
        "w", np.moveaxis(layer.w, (-1, -2), (0, 1))
    )  # (…, C, F) -> (F, C, …); transposed (C, F, …)
    order = channels_first(x.axes)
    y = graph.node(
        op, [graph.form(x, order), w, graph.constant("b", layer.b)], kernel_shape=layer.kernel,
        strides=layer.stride, dilations=layer.dilation, group=layer.groups, pads=_ends(pads),
        output_padding=more if more and any(more) else None,
    )  # fmt: skip
    return Value(shape, {order: y})


def _ends(pads: Sequence[Sequence[int]]) -> list[int]:
    """ONNX's pads: all that come before, then all that come after."""
    return [a for a, _ in pads] + [b for _, b in pads]


def _pool(
    graph: Graph, layer: MaxPool1D | MaxPool2D | AvgPool1D | AvgPool2D, x: Value, shape: Shape
) -> Value:
    order = channels_first(x.axes)
    name = graph.form(x, order)
    pads = pad_pairs(layer.padding, x.shape[:-1], layer.window, layer.stride, layer.dilation)
    if _too_wide(pads, layer.window):
        pads = tuple(  # without what no window reaches
            (before, max(0, (m - 1) * s + d * (k - 1) + 1 - n - before))
            for m, n, s, d, k, (before, _) in zip(
                shape[:-1], x.shape[:-1], layer.stride, layer.dilation, layer.window, pads, strict=True
            )
        )
    if _too_wide(pads, layer.window):
        frame = graph.integers("frame", *_ends(((0, 0), (0, 0), *pads)))
        name = graph.node("Pad", [name, frame, graph.scalar("lowest", -inf)])
        pads = ((0, 0),) * len(pads)
    sizes: dict[str, Any] = {"kernel_shape": layer.window, "strides": layer.stride, "pads": _ends(pads)}
    if isinstance(layer, AvgPool1D | AvgPool2D):
        y = graph.node("AveragePool", [name], **sizes, count_include_pad=int(layer.count_padding))
    else:
        y = graph.node("MaxPool", [name], **sizes, dilations=layer.dilation)
    return Value(shape, {order: y})


def _too_wide(pads: Pairs, window: Shape) -> bool:
    """Whether runtimes refuse it: padding that is as wide as the window."""
    return any(max(pair) >= k for pair, k in zip(pads, window, strict=True))


def _global_pool(graph: Graph, layer: GlobalAvgPool | GlobalMaxPool, x: Value, shape: Shape) -> Value:
    order, name = graph.any(x)
    places = sorted(order.index(axis) for axis in range(1, x.axes - 1))
    op = "ReduceMean" if isinstance(layer, GlobalAvgPool) else "ReduceMax"
    return Value(shape, {(0, 1): reduce(graph, op, name, places, keepdims=0)})


def reduce(graph: Graph, op: str, name: str, axes: list[int], keepdims: int) -> str:
    """ReduceMean or ReduceMax: the axes are an attribute up to opset 17, then an input."""
    if graph.opset < 18:
        return graph.node(op, [name], axes=axes, keepdims=keepdims)
    return graph.node(op, [name, graph.integers("axes", *axes)], keepdims=keepdims)


def _batch_norm(graph: Graph, layer: BatchNorm, x: Value, shape: Shape) -> Value:
    order = channels_first(x.axes)
    parts = ("gamma", "beta", "running_mean", "running_var")
    inputs = [graph.form(x, order), *(graph.constant(part, getattr(layer, part)) for part in parts)]
    y = graph.node("BatchNormalization", inputs, epsilon=layer.eps, momentum=layer.momentum)
    return Value(shape, {order: y})


def _layer_norm(graph: Graph, layer: LayerNorm, x: Value, shape: Shape) -> Value:
    name = graph.ours(x)
    gamma, beta = graph.constant("gamma", layer.gamma), graph.constant("beta", layer.beta)
    if graph.opset >= 17 and graph.dtype == np.float32:  # the node may take its statistics in float32
        inputs = [name, gamma, beta]
        y = graph.node("LayerNormalization", inputs, axis=-layer.axes, epsilon=layer.eps)
        return Value(shape, {as_ours(x.axes): y})
    axes = list(range(-layer.axes, 0))
    centred = graph.node("Sub", [name, reduce(graph, "ReduceMean", name, axes, keepdims=1)])
    squares = graph.node("Mul", [centred, centred])
    var = graph.node(
        "Add", [reduce(graph, "ReduceMean", squares, axes, keepdims=1), graph.scalar("eps", layer.eps)]
    )
    xhat = graph.node("Div", [centred, graph.node("Sqrt", [var])])
    y = graph.node("Add", [graph.node("Mul", [xhat, gamma]), beta])
    return Value(shape, {as_ours(x.axes): y})


def _group_norm(graph: Graph, layer: GroupNorm, x: Value, shape: Shape) -> Value:
    order = channels_first(x.axes)
    name = graph.form(x, order)
    if graph.opset >= 21 and x.axes > 2 and graph.dtype == np.float32:
        inputs = [name, graph.constant("gamma", layer.gamma), graph.constant("beta", layer.beta)]
        y = graph.node("GroupNormalization", inputs, num_groups=layer.groups, epsilon=layer.eps)
        return Value(shape, {order: y})
    rows = graph.node("Reshape", [name, graph.integers("shape", 0, layer.groups, -1)])
    ones, zeros = np.ones(layer.groups), np.zeros(layer.groups)
    rows = graph.node(
        "InstanceNormalization",
        [rows, graph.constant("ones", ones), graph.constant("zeros", zeros)],
        epsilon=layer.eps,
    )
    sizes = [(0, *x.shape)[axis] for axis in order]
    xhat = graph.node("Reshape", [rows, graph.integers("shape", *sizes)])

    def of_channels(values: Array) -> Array:
        return values.reshape(-1, *[1] * (x.axes - 2))

    y = graph.node("Mul", [xhat, graph.constant("gamma", of_channels(layer.gamma))])
    return Value(shape, {order: graph.node("Add", [y, graph.constant("beta", of_channels(layer.beta))])})


def _dropout(graph: Graph, layer: Dropout, x: Value, shape: Shape) -> Value:
    if layer.channels:  # ONNX's Dropout draws a number for each place
        return x
    order, name = graph.any(x)
    return Value(
        shape, {order: graph.node("Dropout", [name, graph.constant("ratio", layer.rate, np.float32)])}
    )


def _flatten(graph: Graph, layer: Flatten, x: Value, shape: Shape) -> Value:
    return Value(shape, {(0, 1): graph.node("Flatten", [graph.ours(x)])})


def _reshape(graph: Graph, layer: Reshape, x: Value, shape: Shape) -> Value:
    return graph.reshaped(x, shape)


def _embedding(graph: Graph, layer: Embedding, x: Value, shape: Shape) -> Value:
    name = graph.ours(x)
    if not x.whole:
        name = graph.node("Cast", [name], to=7)  # int64
    return Value(shape, {as_ours(len(shape) + 1): graph.node("Gather", [graph.constant("w", layer.w), name])})


def _residual(graph: Graph, layer: Residual, x: Value, shape: Shape) -> Value:
    y = write_layers(graph, layer.layers, x)
    past = write_layers(graph, layer.shortcut, x, first=len(layer.layers))
    order, name = graph.any(y)
    return Value(shape, {order: graph.node("Add", [name, graph.form(past, order)])})


def _time_distributed(graph: Graph, layer: TimeDistributed, x: Value, shape: Shape) -> Value:
    return Value(shape, {}, folded=write_layer(graph, layer.layer, graph.fold(x)))


WRITERS: dict[type[Layer], Writer] = {
    Activation: _activation,
    AvgPool1D: _pool,
    AvgPool2D: _pool,
    BatchNorm: _batch_norm,
    Bidirectional: write_bidirectional,
    Conv1D: _conv,
    Conv2D: _conv,
    ConvTranspose2D: _conv,
    Cutout: _left_out,
    Dense: _dense,
    Dropout: _dropout,
    Elman: write_recurrent,
    Embedding: _embedding,
    Flatten: _flatten,
    GRU: write_recurrent,
    GlobalAvgPool: _global_pool,
    GlobalMaxPool: _global_pool,
    GroupNorm: _group_norm,
    LSTM: write_recurrent,
    LayerNorm: _layer_norm,
    MaxPool1D: _pool,
    MaxPool2D: _pool,
    RandomFlip: _left_out,
    RandomShift: _left_out,
    Reshape: _reshape,
    Residual: _residual,
    TimeDistributed: _time_distributed,
}
