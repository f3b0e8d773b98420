"""Functions of single numbers: ONNX's activations, and those that an exporter has written out in several nodes.

What is written out is not compared with patterns. It is computed at some numbers, and is the activation that gives
the same there.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.arrays import Array
from clearprop.interop.onnx.read_values import Function, Value
from clearprop.kernels.erf import erf
from clearprop.layers import Activation
from clearprop.layers.activation import ACTIVATIONS

if TYPE_CHECKING:
    from clearprop.interop.onnx.read_node import Node

NUMBERS = np.concatenate([np.linspace(-12, 12, 601), [-40.0, -0.001, 0.001, 40.0]])
CLOSE = 1e-6  # constants in files are float32

PLAIN = {
    "Atan": "arctan",
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Tanh": "tanh",
}
OF_ROWS = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}
UNARY: dict[str, Callable[[Array], Array]] = {
    "Abs": np.abs,
    "Atan": np.arctan,
    "Erf": erf,
    "Exp": np.exp,
    "Log": np.log,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Softplus": lambda x: np.logaddexp(0, x),
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
}
BINARY: dict[str, Callable[[Any, Any], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
}
CHOICES: dict[str, Callable[..., Any]] = {
    "And": np.logical_and,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mod": np.mod,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Where": np.where,
}


@cache
def _known() -> dict[str, Array]:
    """What each activation makes of the numbers."""
    names = [name for name in ACTIVATIONS if name not in OF_ROWS.values()]
    return {name: Activation(name).forward(NUMBERS)[0] for name in names}


def recognised(node: "Node", function: Function) -> Value | Function:
    """The layer that gives these values, or the function as it is."""
    with np.errstate(all="ignore"):
        for name, y in _known().items():
            if (np.abs(function.values - y) <= CLOSE * (1 + np.abs(NUMBERS))).all():
                return function.base if name == "identity" else node.keeping(function.base, Activation(name))
    return function


def as_function(x: Value | Function, base: Value) -> Function | None:
    """x as a function of base: base itself, an activation behind it, or what is written out from it."""
    if isinstance(x, Function):
        return x if same(x.base, base) else None
    if same(x, base):
        return Function(base, NUMBERS)
    step = x.step
    if step is None or step.before is not base.step or not is_of_each(step.inner) or x.order != base.order:
        return None
    return Function(base, step.inner.forward(NUMBERS)[0])


def same(a: Value, b: Value) -> bool:
    return a is b or (a.step is b.step and a.order == b.order and a.shape == b.shape and a.places is b.places)


def is_of_each(layer: object) -> bool:
    """Whether it is a function of each number by itself."""
    return isinstance(layer, Activation) and layer.name not in OF_ROWS.values()


def read_function(node: "Node") -> Any:
    """Sigmoid, Relu and the like: a layer; a part of what is written out, where that has begun."""
    given = node.get(0)
    if isinstance(given, Function):
        return recognised(node, _compute(given.base, UNARY[node.op], given.values))
    x = node.value()
    if node.op not in PLAIN:
        return _compute(x, UNARY[node.op], NUMBERS)
    return node.keeping(x, Activation(PLAIN[node.op]))


def read_with_settings(node: "Node") -> Value:
    """The activations with an attribute."""
    x, name = node.value(), node.op
    if name == "Gelu":
        layer = Activation("gelu_tanh" if node.word("approximate", "none") == "tanh" else "gelu")
    elif name == "Swish":
        if node.number("alpha", 1.0) != 1:
            node.refuse("expected alpha = 1, for which clearprop has swish.")
        layer = Activation("swish")
    else:
        alpha = node.number("alpha", {"LeakyRelu": 0.01, "Elu": 1.0}[name])
        usual = {"LeakyRelu": 0.01, "Elu": 1.0}[name]
        layer = Activation(
            {"LeakyRelu": "leaky_relu", "Elu": "elu"}[name], alpha=None if alpha == usual else alpha
        )
    return node.keeping(x, layer)


def read_rows(node: "Node") -> Value:
    """Softmax and LogSoftmax, along the axis that is clearprop's last."""
    x = node.value()
    axes = len(x.order)
    axis = int(node.attributes.get("axis", -1 if node.file.opset >= 13 else 1))
    if x.order[axis % axes] != axes - 1 or (node.file.opset < 13 and axis % axes != axes - 1):
        node.refuse(
            f"expected it along the channels, got axis {axis}. Use it along the last axis, or the channels'."
        )
    return node.keeping(x, Activation(OF_ROWS[node.op]))


def read_choice(node: "Node") -> Value | Function:
    """A comparison, or a choice by one: a part of a function that is written out."""
    found = combine(node.op, *node.given)
    if found is None:
        node.refuse("compares numbers, or chooses among them, as no activation of clearprop does.")
    return recognised(node, found)


def combine(op: str, *operands: Any) -> Function | None:
    """Operands of which each is a function of one's base, or a single constant number."""
    if any(isinstance(x, np.ndarray) and x.size != 1 for x in operands):
        return None
    found = [x for x in operands if isinstance(x, Value | Function)]
    for base in (x.base if isinstance(x, Function) else x for x in found):
        values = [float(x.item()) if isinstance(x, np.ndarray) else as_function(x, base) for x in operands]
        if all(x is not None for x in values):
            each = (x.values if isinstance(x, Function) else x for x in values)
            return _compute(base, (BINARY | CHOICES)[op], *each)
    return None


def _compute(base: Value, function: Callable[..., Array], *values: Any) -> Function:
    with np.errstate(all="ignore"):
        return Function(base, np.asarray(function(*values), np.float64))
