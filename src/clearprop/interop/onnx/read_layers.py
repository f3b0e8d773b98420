"""Nodes with weights, and pools: dense, convolutional, normalizing and embedding layers."""

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.interop.onnx.read_functions import NUMBERS
from clearprop.interop.onnx.read_node import Node, at_each_step, row_last
from clearprop.interop.onnx.read_shapes import reshaped
from clearprop.interop.onnx.read_values import Function, Part, Value
from clearprop.interop.onnx.write_graph import channels_first
from clearprop.layers import (
    AvgPool1D,
    AvgPool2D,
    BatchNorm,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Embedding,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    LayerNorm,
    MaxPool1D,
    MaxPool2D,
)
from clearprop.layers.windows import Pairs, pad_pairs

WIDEST, WIDEST_FRAME = (
    2**20,
    2**10,
)  # of what pools slide over: each window is looked at when a network is built


def read_gemm(node: Node) -> Value:
    """y = alpha x B + beta C"""
    if node.attributes.get("transA", 0):
        node.refuse("expected transA = 0: the batch is the first axis of x.")
    w = node.array(1).T if node.attributes.get("transB", 0) else node.array(1)
    w = node.number("alpha", 1.0) * w
    b = node.number("beta", 1.0) * node.array(2) if node.has(2) else np.zeros(1, w.dtype)
    return _dense(node, node.value(), w, b)


def read_matmul(node: Node) -> Value:
    """x w on each row of x, however many axes stand before it."""
    return _dense(node, node.value(), node.array(1), np.zeros(1, node.array(1).dtype))


def _dense(node: Node, x: Value, w: Array, b: Array) -> Value:
    if w.ndim != 2 or b.size not in (1, w.shape[-1]):
        node.refuse(f"expected weights (D, M) and a number for each output, got {w.shape} and {b.shape}.")
    if not row_last(x):
        node.in_order(x, tuple(range(len(x.order))))
    if x.places is not None:
        if len(x.places) != len(w):
            node.refuse(f"expected weights of {len(x.places)} rows, got {len(w)}.")
        turned = np.empty_like(w)
        turned[x.places] = w  # the rows as clearprop flattens an image: (H, W, C)
        w = turned
    arrays = {"w": w, "b": np.broadcast_to(b.reshape(-1), w.shape[1:])}
    return at_each_step(node, x, Dense(w.shape[1]), arrays)


def read_conv(node: Node) -> Value:
    """Conv over one axis or two."""
    x, pads, _ = _unpadded(node, 0.0)
    w = node.array(1)
    axes = len(x.shape) - 1
    if w.ndim != axes + 2 or axes > 2:
        node.refuse(f"expected a convolution along one axis or two, got weights of shape {w.shape}.")
    kernel = w.shape[2:]
    stride, dilation = node.ints("strides", (1,) * axes), node.ints("dilations", (1,) * axes)
    pairs = _pairs(node, x, kernel, stride, dilation, pads)
    kind = Conv1D if axes == 1 else Conv2D
    words = ("valid", "same", "causal")[: 4 - axes]
    padding = _word(words, pairs, x.shape[:-1], kernel, stride, dilation)
    groups = node.attributes.get("group", 1)
    layer = kind(w.shape[0], kernel, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return node.then(x, layer, {"w": _turned(w), "b": _bias(node, w.shape[0], w)})


def read_conv_transpose(node: Node) -> Value:
    """ConvTranspose over two axes."""
    x, w = node.images(), node.array(1)
    if len(x.shape) != 3 or w.ndim != 4:
        node.refuse(f"expected a transposed convolution along two axes, got weights of shape {w.shape}.")
    if "output_shape" in node.attributes or node.word("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        node.refuse("expected its pads in numbers, got output_shape or auto_pad. Export it with pads.")
    kernel, groups = w.shape[2:], node.attributes.get("group", 1)
    stride, dilation = node.ints("strides", (1, 1)), node.ints("dilations", (1, 1))
    pairs = _pairs(node, x, kernel, stride, dilation, None)
    filters, more = w.shape[1] * groups, node.ints("output_padding", (0, 0))
    make = partial(ConvTranspose2D, filters, kernel, stride=stride, dilation=dilation, groups=groups)
    layer, same = make(padding=pairs, output_padding=more), make(padding="same")
    if any(map(any, pairs)) and same.pads(x.shape) == pairs:
        if same.output_shape(x.shape, "") == layer.output_shape(x.shape, node.who):
            layer = same
    elif not any(map(any, pairs)):
        layer = make(padding="valid", output_padding=more)
    return node.then(x, layer, {"w": _turned(w), "b": _bias(node, filters, w)})


def _turned(w: Array) -> Array:
    """(F, C, …) -> (…, C, F)"""
    return np.moveaxis(w, (0, 1), (-1, -2))


def _bias(node: Node, filters: int, w: Array) -> Array:
    return node.array(2) if node.has(2) else np.zeros(filters, w.dtype)


def _unpadded(node: Node, fill: float) -> tuple[Value, Pairs | None, float]:
    """x, and what a Pad before it puts around it."""
    part = node.get(0)
    if not isinstance(part, Part) or part.kind != "padded numbers":
        return node.images(), None, fill
    pairs, value = part.data
    if value != fill:
        node.refuse(f"expected a Pad of {fill:g} before it, got one of {value:g}.")
    return node.in_order(part.base, channels_first(len(part.base.shape) + 1)), pairs, value


def _pairs(node: Node, x: Value, kernel: Shape, stride: Shape, dilation: Shape, more: Pairs | None) -> Pairs:
    """The padding before and after on each axis, with that of a Pad before the node."""
    axes = len(kernel)
    if not len(stride) == len(dilation) == axes == len(x.shape) - 1 or min(*kernel, *stride, *dilation) < 1:
        node.refuse(
            f"expected sizes >= 1 for each of {axes} axes, got strides {stride}, dilations {dilation}."
        )
    auto, pads = node.word("auto_pad", "NOTSET"), node.ints("pads", (0,) * (2 * axes))
    if auto.startswith("SAME"):
        found = pad_pairs("same", x.shape[:-1], kernel, stride, dilation)
        if auto == "SAME_LOWER":
            found = tuple((b, a) for a, b in found)
    elif len(pads) != 2 * axes or min(pads) < 0:
        node.refuse(f"expected {2 * axes} pads, none below 0, got {pads}.")
    else:
        found = tuple(zip(pads[:axes], pads[axes:], strict=True))
    return (
        found if more is None else tuple((a + c, b + d) for (a, b), (c, d) in zip(found, more, strict=True))
    )


def _word(
    words: Sequence[str], pairs: Pairs, spatial: Shape, window: Shape, stride: Shape, dilation: Shape
) -> Any:
    """Padding as one writes it: the word for these pairs, if there is one."""
    for word in words:
        if pad_pairs(word, spatial, window, stride, dilation) == pairs:
            return word
    return pairs


def read_pool(node: Node) -> Value:
    """MaxPool and AveragePool over one axis or two."""
    largest = node.op == "MaxPool"
    counts = bool(node.attributes.get("count_include_pad", 0))
    x, pads, _ = _unpadded(node, -inf if largest else 0.0)
    axes, window = len(x.shape) - 1, node.ints("kernel_shape")
    if axes > 2:
        node.refuse(f"expected a pool along one axis or two, got {axes}.")
    stride, dilation = node.ints("strides", (1,) * axes), node.ints("dilations", (1,) * axes)
    pairs = _pairs(node, x, window, stride, dilation, pads)
    if node.attributes.get("ceil_mode", 0):
        grown = _rounded_up(x.shape[:-1], window, stride, dilation, pairs)
        if grown != pairs and counts:
            node.refuse(
                "expected ceil_mode = 0 where padding is counted. Export it with count_include_pad = 0."
            )
        pairs = grown
    if max(x.shape) > WIDEST or max(map(max, pairs)) > WIDEST_FRAME:
        node.refuse(f"expected a pool of at most {WIDEST:,} places and {WIDEST_FRAME:,} of padding.")
    padding = _word(("valid", "same"), pairs, x.shape[:-1], window, stride, dilation)
    if largest:
        return node.then(
            x,
            (MaxPool1D if axes == 1 else MaxPool2D)(
                window, stride=stride, padding=padding, dilation=dilation
            ),
            {},
        )
    if max(dilation) > 1 or (pads is not None and not counts and any(map(any, pads))):
        node.refuse(
            "expected a mean of neighbours, and padding of its own. clearprop's AvgPool has no dilation."
        )
    return node.then(
        x,
        (AvgPool1D if axes == 1 else AvgPool2D)(window, stride=stride, padding=padding, count_padding=counts),
        {},
    )


def _rounded_up(spatial: Shape, window: Shape, stride: Shape, dilation: Shape, pairs: Pairs) -> Pairs:
    """Padding with which a last window that is not whole counts; one that would begin behind x does not."""
    found = []
    for n, k, s, d, (before, after) in zip(spatial, window, stride, dilation, pairs, strict=True):
        reach = d * (k - 1) + 1
        windows = -(-(n + before + after - reach) // s) + 1
        windows -= (windows - 1) * s >= n + before
        found.append((before, max(after, (windows - 1) * s + reach - n - before)))
    return tuple(found)


def read_pad(node: Node) -> Any:
    """Padding around images, which the next node takes in."""
    x = node.images()
    axes = len(x.order)
    pads = node.array(1).tolist() if node.has(1) else list(node.ints("pads", ()))
    value = float(node.array(2).item()) if node.has(2) else node.number("value", 0.0)
    pairs = tuple(zip(pads[:axes], pads[axes:], strict=True))
    if node.word("mode", "constant") != "constant" or node.has(3) or any(map(any, pairs[:2])):
        node.refuse("expected a constant frame around images. clearprop's layers pad with zeros alone.")
    return Part("padded numbers", x, (pairs[2:], value)) if any(map(any, pairs)) else x


def read_global_pool(node: Node) -> Value:
    """The axes of the places stay, with one number each."""
    x = node.images()
    y = node.then(x, GlobalAvgPool() if node.op == "GlobalAveragePool" else GlobalMaxPool(), {}, (0, 1))
    return reshaped(node, y, (*[1] * (len(x.shape) - 1), *y.shape), x.order)


def read_batch_norm(node: Node) -> Value:
    """BatchNormalization as it is in prediction."""
    if node.attributes.get("training_mode", 0):
        node.refuse(
            "expected training_mode = 0. Export the network in evaluation mode, such as model.eval()."
        )
    x = node.value()
    parts = {
        name: node.array(i + 1) for i, name in enumerate(("gamma", "beta", "running_mean", "running_var"))
    }
    layer = BatchNorm(momentum=node.number("momentum", 0.9), eps=node.number("epsilon", 1e-5))
    if x.places is not None:
        return _of_places(node, x, layer, parts)
    return node.then(node.in_order(x, channels_first(len(x.order))), layer, parts)


def _of_places(node: Node, x: Value, layer: BatchNorm | LayerNorm, parts: dict[str, Array]) -> Value:
    """A norm of rows whose numbers stand in another order than clearprop's."""
    assert x.places is not None
    turned = {name: np.empty_like(values) for name, values in parts.items()}
    for name, values in parts.items():
        if values.shape != x.places.shape:
            node.refuse(f"expected {len(x.places)} numbers of each kind, got {values.shape}.")
        turned[name][x.places] = values
    return node.keeping(x, layer, turned)


def read_layer_norm(node: Node) -> Value:
    """LayerNormalization over the last axes."""
    x = node.value()
    axis = node.attributes.get("axis", -1)
    axes = -axis if axis < 0 else len(x.order) - axis
    layer = LayerNorm(eps=node.number("epsilon", 1e-5), axes=axes)
    shape = x.shape[-axes:]
    gamma = np.broadcast_to(node.array(1), shape)
    beta = (
        np.broadcast_to(node.array(2), shape)
        if node.has(2)
        else np.zeros(1).repeat(gamma.size).reshape(shape)
    )
    if x.places is not None:
        return _of_places(node, x, layer, {"gamma": gamma, "beta": beta})
    if not (axes == 1 and row_last(x)):
        node.in_order(x, tuple(range(len(x.order))))
    return node.then(x, layer, {"gamma": gamma, "beta": beta})


def read_group_norm(node: Node) -> Any:
    """GroupNormalization; InstanceNormalization with a group for each channel, or for rows that are groups."""
    given, eps = node.get(0), node.number("epsilon", 1e-5)
    if isinstance(given, Part) and given.kind == "groups of channels":
        return Part("normalized groups", given.base, (given.data, eps, node.array(1), node.array(2)))
    x = node.images()
    groups = x.shape[-1] if node.op == "InstanceNormalization" else node.attributes["num_groups"]
    return groups_normalized(node, x, groups, eps, node.array(1), node.array(2))


def groups_normalized(node: Node, x: Value, groups: int, eps: float, gamma: Array, beta: Array) -> Value:
    """A GroupNorm with a gamma and beta for each channel, or for each group."""
    layer, channels = GroupNorm(groups, eps=eps), x.shape[-1]
    if channels % len(gamma) or channels % len(beta):
        node.refuse(f"expected scales for {channels} channels, got {len(gamma)} and {len(beta)}.")
    each = {"gamma": gamma.repeat(channels // len(gamma)), "beta": beta.repeat(channels // len(beta))}
    return node.then(x, layer, each)


def read_dropout(node: Node) -> Value:
    """Dropout, which does nothing in prediction."""
    if node.has(2) and node.array(2).any():
        node.refuse("expected no training_mode. Export the network in evaluation mode, such as model.eval().")
    x = node.value()
    rate = node.array(1).item() if node.has(1) else node.attributes.get("ratio", 0.5)
    return node.keeping(x, Dropout(float(str(np.float32(rate)))))


def read_embedding(node: Node) -> Value:
    """Gather: rows of a table, by the numbers that come in."""
    table, given = node.array(0), node.get(1)
    from_end = isinstance(given, Function) and (given.values == NUMBERS)[NUMBERS >= 0].all()
    x = (
        given.base if from_end else node.value(1)
    )  # numbers below 0, which count from the table's end, do not come in
    if table.ndim != 2 or node.attributes.get("axis", 0) != 0 or not x.plain:
        node.refuse(
            f"expected rows of a table (V, M), got {table.shape}. An Embedding is a Gather along axis 0."
        )
    y = node.then(x, Embedding(*table.shape), {"w": table})
    return Value(y.step, y.shape, tuple(range(len(y.shape) + 1)), y.fold)
