"""Nodes that compute constants: shapes, mostly. Nothing large is made of a small file."""

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.interop.onnx.read_file import KINDS, read_tensor
from clearprop.interop.onnx.read_functions import BINARY, CHOICES, UNARY
from clearprop.interop.onnx.read_node import Node
from clearprop.interop.onnx.read_values import Function, Part, States, Value


def read_constant(node: Node) -> Array:
    """Constant, whatever attribute holds it."""
    for name, kind in (
        ("value_float", "f4"),
        ("value_floats", "f4"),
        ("value_int", "i8"),
        ("value_ints", "i8"),
    ):
        if name in node.attributes:
            return np.array(node.attributes[name], kind)
    if "value" not in node.attributes:
        node.refuse(f"expected a tensor, got {', '.join(node.attributes)}.")
    return read_tensor(node.attributes["value"], node.who)


def read_shape(node: Node) -> Array:
    """Shape of what comes in: the batch stands in it as `node.batch`."""
    given = node.get(0)
    if isinstance(given, Part) and isinstance(given.data, States):
        given = given.data
    elif not isinstance(given, np.ndarray):
        given = node.value()
    sizes = given.shape if isinstance(given, np.ndarray) else given.stored(node.batch)
    return np.array(sizes[node.attributes.get("start", 0) : node.attributes.get("end")], np.int64)


def constant_of_shape(node: Node) -> Array:
    """The same number everywhere, kept once."""
    value = (
        read_tensor(node.attributes["value"], node.who)
        if "value" in node.attributes
        else np.zeros(1, np.float32)
    )
    return np.broadcast_to(value.reshape(()), _sizes(node, 0))


def _sizes(node: Node, i: int) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in node.array(i).reshape(-1))
    if any(not 0 <= n < 2**31 for n in sizes) or len(sizes) > 16:
        node.refuse(f"expected a shape, got {sizes[:16]}.")
    return sizes


def _expand(node: Node) -> Array:
    a, sizes = node.array(0), _sizes(node, 1)
    return np.broadcast_to(a, np.broadcast_shapes(a.shape, sizes))


def _gather(node: Node) -> Array:
    a, index, axis = node.array(0), node.array(1), node.attributes.get("axis", 0)
    node.room(index.size, a.size // max(a.shape[axis], 1))
    return np.asarray(np.take(a, index.astype(np.int64), axis))


def _concat(node: Node) -> Array:
    arrays, axis = [node.array(i) for i in range(len(node.given))], node.attributes["axis"]
    if all(a.size and not any(a.strides) for a in arrays) and len({a.flat[0].item() for a in arrays}) == 1:
        ends = np.concatenate(
            [np.empty((*a.shape, 0)) for a in arrays], axis % arrays[0].ndim
        )  # takes no room
        return np.broadcast_to(arrays[0].flat[0], ends.shape[:-1])
    node.room(sum(a.size for a in arrays))
    return np.concatenate(arrays, axis)


def slices(node: Node) -> list[tuple[int, slice]]:
    """What a Slice takes: axes and what of them, as attributes up to opset 9, then as inputs."""
    if not node.has(1):
        starts, ends, axes = (node.ints(name) for name in ("starts", "ends", "axes"))
    else:
        starts, ends = node.array(1).tolist(), node.array(2).tolist()
        axes = node.array(3).tolist() if node.has(3) else None
    steps = node.array(4).tolist() if node.has(4) else [1] * len(starts)
    parts = (slice(*part) for part in zip(starts, ends, steps, strict=True))
    return list(zip(axes or range(len(starts)), parts, strict=True))


def _slice(node: Node) -> Array:
    a = node.array(0)
    cut = [slice(None)] * a.ndim
    for axis, part in slices(node):
        whole = part.step < 0 and part.stop < -a.shape[axis]  # down to the first one
        cut[axis] = slice(part.start, None, part.step) if whole else part
    return a[tuple(cut)]


def _axes(node: Node) -> tuple[int, ...]:
    return tuple(node.array(1).reshape(-1).tolist()) if node.has(1) else tuple(node.ints("axes", ()))


def _reshape(node: Node) -> Array:
    a, target = node.array(0), node.array(1).reshape(-1).tolist()
    node.room(*a.shape)
    return a.reshape([a.shape[i] if n == 0 else n for i, n in enumerate(target)])


def _cast(node: Node) -> Array:
    a, kind = node.array(0), KINDS.get(node.attributes["to"])
    if kind is None:
        node.refuse(f"expected float or integer numbers, got ONNX's type {node.attributes['to']}.")
    node.room(*a.shape)
    return a.astype(kind[0])


def _chosen(node: Node) -> Array:
    """Comparisons and choices among shapes."""
    arrays = [node.array(i) for i in range(len(node.given))]
    node.room(*np.broadcast_shapes(*(a.shape for a in arrays)))
    return np.asarray(CHOICES[node.op](*arrays))


def _computed(node: Node) -> Array:
    """Arithmetic, number by number."""
    a = node.array(0)
    if node.op in UNARY:
        node.room(*a.shape)
        return np.asarray(UNARY[node.op](a), a.dtype)
    b = node.array(1)
    node.room(*np.broadcast_shapes(a.shape, b.shape))
    if node.op == "Div" and a.dtype.kind == "i":
        return np.asarray(a // np.where(b == 0, 1, b), a.dtype)
    return np.asarray(BINARY[node.op](a, b), a.dtype)


def _product(node: Node) -> Array:
    keep = bool(node.attributes.get("keepdims", 1))
    return np.asarray(node.array(0).prod(_axes(node) or None, keepdims=keep))


FOLDED: dict[str, Callable[[Node], Any]] = {
    "Cast": _cast,
    "Concat": _concat,
    "ConstantOfShape": constant_of_shape,
    "Expand": _expand,
    "Gather": _gather,
    "Identity": lambda node: node.array(0),
    "ReduceProd": _product,
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": lambda node: np.squeeze(node.array(0), _axes(node) or None),
    "Transpose": lambda node: node.array(0).transpose(node.ints("perm")),
    "Unsqueeze": lambda node: np.expand_dims(node.array(0), _axes(node)),
    **dict.fromkeys([*UNARY, *BINARY], _computed),
    **dict.fromkeys(CHOICES, _chosen),
}


def read_cast(node: Node) -> Value | Function:
    """A Cast of what comes in: between floats, from integers, or to integers that choose rows of a table."""
    given, to = node.get(0), node.attributes["to"]
    if isinstance(given, Function):
        whole = (given.values == np.rint(given.values)).all()
        if to in (1, 11) or (to in (6, 7) and whole):
            return given
    x = node.value()
    takers = {user.op_type for user in node.takes(node.outputs[0])}
    if to not in (1, 11) and not (to in (6, 7) and takers <= {"Gather"}):
        node.refuse("rounds, or makes numbers less exact, which no layer of clearprop does.")
    return x
