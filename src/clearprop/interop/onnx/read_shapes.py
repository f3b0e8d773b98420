"""Nodes that move numbers and compute nothing: Flatten, Reshape, Transpose, Squeeze.

A Transpose makes no layer: a value remembers the order in which its axes stand. Where an image is flattened as
(C, H, W), the row's numbers stand in other places than clearprop's, (H, W, C); the dense layer behind it gets its
rows in clearprop's order.
"""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.interop.onnx.read_functions import UNARY, is_of_each
from clearprop.interop.onnx.read_node import Node
from clearprop.interop.onnx.read_values import Part, States, Step, Value, chain
from clearprop.interop.onnx.write_graph import Order, as_ours, channels_first
from clearprop.layers import BatchNorm, Conv1D, Conv2D, Dense, Dropout, Flatten, Reshape

LARGEST_IMAGE = 2**24  # numbers of an image that is flattened in another order
CHANNELS_FIRST = (
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Pad",
    "BatchNormalization", "GroupNormalization", "InstanceNormalization",
)  # fmt: skip
PASSED = (
    "Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "Softplus", "Gelu", "Atan", "Dropout", "Identity", "Cast",
    "Swish", "Add", "Mul", "Erf", "Div",
)  # fmt: skip


def first_user(node: Node | Any, name: str) -> Any:
    """The first node on the way from this tensor that is not a function of each number; None if there is none."""
    waiting, seen = [name], {name}
    while waiting and len(seen) < 1000:
        for user in node.readers.get(waiting.pop(0), []):
            if user.op_type not in (*PASSED, "Shape"):
                return user
            outputs = () if user.op_type == "Shape" else user.output
            waiting += [out for out in outputs if out not in seen]
            seen |= set(outputs)
    return None


def read_transpose(node: Node) -> Any:
    x, perm = node.get(0), node.ints("perm")
    if isinstance(x, Part) and isinstance(x.data, States) and perm == x.data.beside and not x.data.turned:
        return Part(f"{x.kind}, side by side", x.base, replace(x.data, turned=True))
    x = node.value()
    if x.places is not None:
        node.in_order(x, x.order)
    perm = perm or tuple(reversed(range(len(x.order))))
    if sorted(perm) != list(range(len(x.order))):
        node.refuse(f"expected each of {len(x.order)} axes once, got perm = {perm}.")
    return Value(x.step, x.shape, tuple(x.order[axis] for axis in perm), x.fold)


def read_flatten(node: Node) -> Value:
    x = node.value()
    stored = x.stored(node.batch)
    axis = node.attributes.get("axis", 1) % (len(stored) + 1)
    return to_shape(node, x, (prod(stored[:axis]), prod(stored[axis:])))


def read_reshape(node: Node) -> Any:
    """Reshape; behind a norm of groups or recurrent states it belongs to these."""
    given, target = node.get(0), [int(n) for n in node.array(1).reshape(-1)]
    if isinstance(given, Part) and given.kind == "normalized groups":
        from clearprop.interop.onnx.read_layers import groups_normalized  # which reshapes, too

        if sizes_of(node, target, given.base.stored(node.batch)) != given.base.stored(node.batch):
            node.refuse("expected the shape that there was before the groups.")
        return groups_normalized(node, given.base, *given.data)
    if isinstance(given, Part) and isinstance(given.data, States) and given.data.turned:
        return given.data.joined(node, tuple(target))
    x = node.value()
    sizes = sizes_of(node, target, x.stored(node.batch))
    takers = [user.op_type for user in node.takes(node.outputs[0])]
    rows = len(sizes) == 3 and sizes[0] == node.batch * prod(x.fold) and takers == ["InstanceNormalization"]
    images = x.order == channels_first(len(x.order)) and x.places is None
    if rows and images and x.shape[-1] % sizes[1] == 0:
        return Part("groups of channels", x, sizes[1])
    return to_shape(node, x, sizes)


def sizes_of(node: Node, target: list[int], stored: Shape) -> Shape:
    """The shape that a Reshape asks for: 0 keeps a size, -1 is what remains."""
    if not node.attributes.get("allowzero", 0):
        if any(n == 0 and i >= len(stored) for i, n in enumerate(target)):
            node.refuse(f"asks to keep an axis that is not there, with {node.told(target)}.")
        target = [stored[i] if n == 0 else n for i, n in enumerate(target)]
    rest = prod(n for n in target if n != -1)
    if target.count(-1) > 1 or rest < 1 or prod(stored) % rest:
        node.refuse(f"cannot make {node.told(target)} out of {node.told(stored)}.")
    sizes = tuple(prod(stored) // rest if n == -1 else n for n in target)
    if prod(sizes) != prod(stored) or not sizes:
        node.refuse(f"cannot make {node.told(target)} out of {node.told(stored)}.")
    return sizes


def read_squeeze(node: Node) -> Any:
    """Squeeze and Unsqueeze: axes with one number go or come."""
    given = node.get(0)
    axes = node.array(1).reshape(-1).tolist() if node.has(1) else list(node.ints("axes", ()))
    if isinstance(given, Part) and isinstance(given.data, States) and not given.data.turned:
        return given.data.squeezed(node, axes)
    x = node.value()
    rank = len(x.order)
    if x.places is not None:
        node.in_order(x, x.order)
    if node.op == "Unsqueeze":
        for axis in sorted(axis % (rank + len(axes)) for axis in axes):
            x = _with_axis(node, x, axis)
        return x
    stored = x.stored(node.batch)
    at = {axis % rank for axis in axes} or {i for i, n in enumerate(stored) if n == 1 and x.order[i]}
    if any(stored[i] != 1 or x.order[i] == 0 for i in at):
        node.refuse(f"expected axes of one number, got {axes} of {node.told(stored)}.")
    return _without_axes(node, x, {x.order[i] for i in at})


def _with_axis(node: Node, x: Value, at: int) -> Value:
    """One more stored axis, of one number: where it is channels, they are the last axis here."""
    rank = len(x.order) + 1
    orders = {}  # by where the axis comes here
    for here in range(1, rank):
        order = [axis + (axis >= here) for axis in x.order]
        orders[here] = (*order[:at], here, *order[at:])
    user = first_user(node, node.outputs[0])
    first = x.order != as_ours(rank - 1) or (user is not None and user.op_type in CHANNELS_FIRST)
    wanted = (channels_first(rank), as_ours(rank)) if first else (as_ours(rank), channels_first(rank))
    here = next((h for order in wanted for h in orders if orders[h] == order), 1)
    return reshaped(node, x, (*x.shape[: here - 1], 1, *x.shape[here - 1 :]), orders[here])


def _without_axes(node: Node, x: Value, gone: set[int]) -> Value:
    """Axes of one number gone, wherever they stand."""
    kept = [axis for axis in range(len(x.order)) if axis not in gone]
    if kept == [0]:
        return _single(node, x)
    order = tuple(kept.index(axis) for axis in x.order if axis not in gone)
    found = _along_time(node, x) if gone == {1} else None
    return found or reshaped(node, x, tuple(x.shape[axis - 1] for axis in kept[1:]), order)


def _along_time(node: Node, x: Value) -> Value | None:
    """A convolution of images that are one row high, made of sequences: as Keras exports Conv1D."""
    step = x.step
    if step is None or type(step.layer) is not Conv2D or step.before is None or step.out != x.full:
        return None
    before, conv = step.before, step.layer
    pads = conv.pads(step.shape)
    row = type(before.layer) is Reshape and before.out == (1, *before.shape) == step.shape
    if not row or conv.kernel[0] != 1 or any(pads[0]):
        return None
    padding = conv.padding if isinstance(conv.padding, str) else pads[1:]
    layer = Conv1D(
        conv.filters, conv.kernel[1:], stride=conv.stride[1:], padding=padding, dilation=conv.dilation[1:],
        groups=conv.groups,
    )  # fmt: skip
    sequence = Value(before.before, before.shape, channels_first(3))
    return node.then(sequence, layer, {"w": step.arrays["w"][0], "b": step.arrays["b"]})


def _single(node: Node, x: Value) -> Value:
    """One number for each example, (N,), which is (N, 1) here: at the end alone, or before functions of each number."""
    waiting, seen = [node.outputs[0]], set()
    while waiting:
        name = waiting.pop()
        for user in node.takes(name) if name not in seen else ():
            if user.op_type not in UNARY:
                node.refuse(
                    "makes (N,) out of (N, 1), and goes on with it. clearprop has an axis behind the batch: leave it."
                )
            waiting += user.output
        seen.add(name)
    return reshaped(node, x, (1,), (0, 1))


def to_shape(node: Node, x: Value, sizes: Shape) -> Value:
    """x as stored, in other sizes: the same examples, or batch and time made one axis or several again."""
    batch = node.batch * prod(x.fold)
    if x.order[0] == 0 and sizes:
        for i in range(len(x.fold)):
            if x.plain and sizes == (node.batch * prod(x.fold[:i]), *x.fold[i:], *x.shape):
                return Value(x.step, (*x.fold[i:], *x.shape), as_ours(len(sizes)), x.fold[:i])
        if sizes[0] == batch and prod(sizes[1:]) == prod(x.shape) and len(sizes) > 1:
            return _each_example(node, x, sizes[1:])
        if sizes == (batch,) and prod(x.shape) == 1:
            return _single(node, x)
        for i in range(1, len(x.shape)):
            if x.plain and sizes == (batch * prod(x.shape[:i]), *x.shape[i:]):
                return Value(x.step, x.shape[i:], as_ours(len(sizes)), (*x.fold, *x.shape[:i]))
    return node.refuse(
        f"makes {node.told(sizes)} out of {node.told(x.stored(node.batch))}: examples are mixed, or axes in another "
        "order. clearprop's Reshape keeps the batch as the first axis."
    )


def _each_example(node: Node, x: Value, shape: Shape) -> Value:
    """Each example in another shape, whose channels come first if a convolution or the like takes it."""
    if x.stored(node.batch)[1:] == shape:
        return x
    places = _places(node, x)
    if places is not None:
        if len(shape) > 1:
            node.refuse(
                "expected a row (N, D) out of images whose channels come first. Their numbers stand in another order "
                "than clearprop's, and only a Gemm or MatMul can take them so."
            )
        row = reshaped(node, Value(x.step, x.shape, as_ours(len(x.order)), x.fold), shape, (0, 1))
        return Value(row.step, row.shape, row.order, row.fold, places)
    plain = Value(x.step, x.shape, as_ours(len(x.order)), x.fold)
    user = first_user(node, node.outputs[0])
    if len(shape) < 2 or user is None or user.op_type not in CHANNELS_FIRST:
        return reshaped(node, plain, shape, as_ours(len(shape) + 1))
    ours = (*shape[1:], shape[0])
    if prod(shape[1:]) > 1 and shape[0] > 1:
        _check_size(node, prod(shape))
        at = np.moveaxis(np.arange(prod(shape)).reshape(ours), -1, 0).reshape(-1)
        plain = _permuted(node, plain, at)
    return reshaped(node, plain, ours, channels_first(len(shape) + 1))


def _places(node: Node, x: Value) -> Array | None:
    """Which of an example's numbers, flattened as in clearprop, stands at each stored place; None if all are there."""
    if x.places is not None or x.order == as_ours(len(x.order)):
        return x.places
    _check_size(node, prod(x.shape))
    at = np.arange(prod(x.shape)).reshape(x.shape).transpose([axis - 1 for axis in x.order[1:]]).reshape(-1)
    return None if (at == np.arange(len(at))).all() else at


def _check_size(node: Node, n: int) -> None:
    if n > LARGEST_IMAGE:
        node.refuse(f"expected images of at most {LARGEST_IMAGE:,} numbers, got {n:,}.")


def reshaped(node: Node, x: Value, shape: Shape, order: Order) -> Value:
    """A Flatten or Reshape behind x, in one with those before it; none where nothing changes."""
    step = x.step
    while step is not None and type(step.layer) in (Flatten, Reshape) and not x.fold:
        step = step.before
        x = Value(step, x.step.shape, x.order)  # type: ignore[union-attr]
    if x.shape == shape:
        return Value(x.step, shape, order, x.fold)
    return node.then(x, Flatten() if len(shape) == 1 else Reshape(shape), {}, order)


def _permuted(node: Node, x: Value, at: Array) -> Value:
    """x with its rows' numbers moved, i to at[i], by moving the columns of the dense layer that they come from."""
    moved: list[Step] = []
    for step in reversed(chain(x.step)):
        moved.append(step)
        if isinstance(step.inner, Dense):
            break
        if not (is_of_each(step.inner) or isinstance(step.inner, Dropout | BatchNorm)) or step.out != x.full:
            moved.clear()
            break
    if x.fold or not moved or not isinstance(moved[-1].inner, Dense):
        node.refuse(
            "makes images, channels first, of a row that no Gemm or MatMul gives: clearprop's images have their "
            "channels last, and its numbers would stand in another order."
        )
    y = Value(moved[-1].before, moved[-1].shape, (0, 1))
    for step in reversed(moved):
        arrays = {name: np.empty_like(values) for name, values in step.arrays.items()}
        for name, values in step.arrays.items():
            arrays[name][..., at] = values
        y = node.then(y, step.inner, arrays, (0, 1))
    return y
