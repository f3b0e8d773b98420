"""Nodes that move numbers and compute nothing: Flatten, Reshape, Transpose, Squeeze.

A Transpose makes no layer: a value remembers the order in which its axes stand. Where an image is flattened as
(C, H, W), the row's numbers stand in other places than clearprop's, (H, W, C); the dense layer behind it gets its
rows in clearprop's order.
"""

from math import prod
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.interop.onnx.read_functions import is_of_each
from clearprop.interop.onnx.read_node import Node
from clearprop.interop.onnx.read_values import Part, Step, Value, chain
from clearprop.interop.onnx.write_graph import Order, as_ours, channels_first
from clearprop.layers import BatchNorm, Dense, Dropout, Flatten, Reshape

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
    if isinstance(x, Part) and perm == x.data.beside:
        return Part(f"{x.kind}, side by side", x.base, x.data)
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
    if isinstance(given, Part) and given.kind.endswith("side by side"):
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
    if isinstance(given, Part):
        return given.data.squeezed(node, axes)
    x = node.value()
    stored = list(x.stored(node.batch))
    if node.op == "Unsqueeze":
        for axis in sorted(axis % (len(stored) + len(axes)) for axis in axes):
            stored.insert(axis, 1)
    else:
        at = {axis % len(stored) for axis in axes} or {i for i, n in enumerate(stored) if n == 1 and i}
        if any(stored[i] != 1 for i in at):
            node.refuse(f"expected axes of one number, got {axes} of {node.told(stored)}.")
        stored = [n for i, n in enumerate(stored) if i not in at]
    return to_shape(node, x, tuple(stored))


def to_shape(node: Node, x: Value, sizes: Shape) -> Value:
    """x as stored, in other sizes: the same examples, or batch and time made one axis or two again."""
    batch = node.batch * prod(x.fold)
    if x.order[0] == 0 and sizes:
        if x.fold and x.plain and sizes == (batch // x.fold[-1], x.fold[-1], *x.shape):
            return Value(x.step, (x.fold[-1], *x.shape), as_ours(len(sizes)), x.fold[:-1])
        if sizes[0] == batch and prod(sizes[1:]) == prod(x.shape) and len(sizes) > 1:
            return _each_example(node, x, sizes[1:])
        if len(x.shape) > 1 and x.plain and sizes == (batch * x.shape[0], *x.shape[1:]):
            return Value(x.step, x.shape[1:], as_ours(len(sizes)), (*x.fold, x.shape[0]))
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
    while step is not None and type(step.layer) in (Flatten, Reshape):
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
