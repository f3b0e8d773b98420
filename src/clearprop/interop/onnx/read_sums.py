"""Sums and products: of two branches, with a bias or a scale, and in norms and functions that are written out."""

from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.interop.onnx.read_functions import combine, recognised, same
from clearprop.interop.onnx.read_node import Node, of_channels, row_last
from clearprop.interop.onnx.read_scales import rescaled, scalable
from clearprop.interop.onnx.read_shapes import reshaped
from clearprop.interop.onnx.read_values import Function, Part, Value, chain, fork
from clearprop.layers import GlobalAvgPool, GlobalMaxPool, LayerNorm, Residual

DEEPEST = 16  # Residual layers inside one another
MEAN, CENTRED, SQUARES, VAR, STD = (
    "a mean", "numbers less their mean", "squares of these", "a variance", "a standard deviation",
)  # fmt: skip


def read_binary(node: Node) -> Any:
    """Add, Sub, Mul, Div and Pow."""
    a, b = node.get(0), node.get(1)
    if isinstance(a, Part) or isinstance(b, Part):
        found = _norm(node, a, b)
        return node.value(0 if isinstance(a, Part) else 1) if found is None else found
    if node.op == "Add" and isinstance(a, Value) and isinstance(b, Value):
        return _residual(node, a, b)
    constant = next((x for x in (a, b) if isinstance(x, np.ndarray)), None)
    if constant is not None and not (constant.size == 1 and node.op in ("Mul", "Div")):
        found = _into_layer(node, 1 if constant is a else 0, constant)
        if found is not None:
            return found
    if constant is None or constant.size == 1:
        found = combine(node.op, a, b)
        if found is not None:
            return recognised(node, found)
    what = "two branches" if constant is None else f"numbers of shape {constant.shape}"
    return node.refuse(
        f"computes with {what} what no layer of clearprop does: a bias or a scale stands behind a dense or "
        "convolutional layer or a norm, and branches are added, in the same order of axes. Scale inputs before the "
        "network."
    )


def _into_layer(node: Node, i: int, constant: Array) -> Value | None:
    """A bias or a scale as the parameters of the layer before it."""
    if isinstance(node.get(i), Function):
        return None
    x = node.value(i)
    names = scalable(x)
    if names is None or x.step is None or (node.op in ("Sub", "Div") and i == 1):
        return None
    vector = of_channels(x, constant, x.step.arrays[names[1]].shape)
    if vector is None:
        return None
    if node.op in ("Add", "Sub"):
        return rescaled(x, 1.0, vector if node.op == "Add" else -vector)
    return rescaled(x, vector if node.op == "Mul" else 1 / vector, 0.0) if node.op in ("Mul", "Div") else None


def _residual(node: Node, a: Value, b: Value) -> Value:
    """Two branches from the last step that both come from."""
    start = fork(a.step, b.step)
    branch, shortcut = chain(a.step, start), chain(b.step, start)
    if not branch:
        branch, shortcut = shortcut, branch
    nest = 1 + max((step.nest for step in (*branch, *shortcut)), default=0)
    alike = a.shape == b.shape and a.order == b.order and a.fold == b.fold and a.places is b.places
    if not branch or not alike or nest > DEEPEST:
        node.refuse(
            f"adds {a.full} and {b.full}, which is no Residual: two branches give the same shape, with the axes in "
            f"the same order, one of them at least through a layer, and lie at most {DEEPEST} deep in others."
        )
    arrays = {
        f"{i}.{name}": v for i, step in enumerate((*branch, *shortcut)) for name, v in step.arrays.items()
    }
    layer = Residual([step.layer for step in branch], [step.layer for step in shortcut])
    x = Value(start, branch[0].shape, tuple(range(len(branch[0].shape) + 1)))
    y = node.then(x, layer, arrays, nest=nest)
    return Value(y.step, a.shape, a.order, a.fold, a.places)


def read_reduce(node: Node) -> Any:
    """ReduceMean and ReduceMax: over all places, a global pool; over the last axes, the mean in a layer norm."""
    given = node.get(0)
    squares = isinstance(given, Part) and given.kind == SQUARES
    x = given.base if squares else node.value()
    axes = node.array(1).reshape(-1).tolist() if node.has(1) else list(node.ints("axes", ()))
    rank, keep = len(x.order), node.attributes.get("keepdims", 1)
    at = sorted({x.order[axis % rank] for axis in axes})
    if at == list(range(1, rank - 1)) and at and not squares:
        y = node.then(x, GlobalAvgPool() if node.op == "ReduceMean" else GlobalMaxPool(), {}, (0, 1))
        return reshaped(node, y, (*[1] * len(at), *y.shape), x.order) if keep else y
    last = at == list(range(rank - len(at), rank)) and at and (x.plain or (len(at) == 1 and row_last(x)))
    if node.op == "ReduceMean" and keep and last:
        if not squares:
            return Part(MEAN, x, len(at))
        if given.data == len(at):
            return Part(VAR, x, (len(at), 0.0))
    return node.refuse(
        "expected it over all places of an image or a sequence, as clearprop's global pools go."
    )


def _norm(node: Node, a: Any, b: Any) -> Any:
    """A layer norm that is written out: (x − mean) / √(mean((x − mean)²) + eps)."""
    kinds = tuple(x.kind if isinstance(x, Part) else type(x) for x in (a, b))
    op = node.op
    if op == "Sub" and kinds == (Value, MEAN) and same(a, b.base):
        return Part(CENTRED, a, b.data)
    if kinds[0] == CENTRED and (
        (op == "Mul" and a is b)
        or (op == "Pow" and isinstance(b, np.ndarray) and b.size == 1 and b.item() == 2)
    ):
        return Part(SQUARES, a.base, a.data)
    if op == "Add" and VAR in kinds and np.ndarray in kinds:
        part, eps = (a, b) if isinstance(a, Part) else (b, a)
        return Part(VAR, part.base, (part.data[0], float(str(np.float32(eps.item())))))
    if op == "Div" and kinds == (CENTRED, STD) and same(a.base, b.base) and a.data == b.data[0]:
        shape = a.base.shape[len(a.base.shape) - a.data :]
        node.room(*shape)
        return node.keeping(
            a.base, LayerNorm(eps=b.data[1], axes=a.data), {"gamma": np.ones(shape), "beta": np.zeros(shape)}
        )
    return None


def read_sqrt(node: Node) -> Any:
    """The square root of a variance, or a part of a function that is written out."""
    given = node.get(0)
    if isinstance(given, Part) and given.kind == VAR:
        return Part(STD, given.base, given.data)
    return None
