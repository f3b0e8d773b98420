"""Elman, LSTM and GRU as ONNX's RNN, LSTM and GRU, whose sequences are (T, N, D)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from clearprop.arrays import Shape
from clearprop.errors import ConfigError
from clearprop.interop.onnx.gates import RNN_FUNCTIONS, to_onnx
from clearprop.interop.onnx.write_graph import Graph, Order, Value
from clearprop.layers import GRU, Bidirectional, Elman
from clearprop.layers.recurrent import Recurrent
from clearprop.names import nearest

TIME_FIRST: Order = (1, 0, 2)


def write_recurrent(graph: Graph, layer: Recurrent, x: Value, shape: Shape) -> Value:
    """All states Y come as (T, 1, N, H), the last ones Y_h as (1, N, H)."""
    y = _node(graph, layer, [layer], x)
    axis = graph.integers("axis", 1 if layer.return_sequences else 0)
    order = TIME_FIRST if layer.return_sequences else (0, 1)
    return Value(shape, {order: graph.node("Squeeze", [y, axis])})


def write_bidirectional(graph: Graph, layer: Bidirectional, x: Value, shape: Shape) -> Value:
    """Two directions, (T, 2, N, H) or (2, N, H), whose states are put side by side."""
    y, sequences = _node(graph, layer.layer, layer.sides, x), layer.layer.return_sequences
    beside = graph.node("Transpose", [y], perm=[0, 2, 1, 3] if sequences else [1, 0, 2])
    sizes = graph.integers("shape", *[0] * (2 if sequences else 1), shape[-1])
    return Value(shape, {TIME_FIRST if sequences else (0, 1): graph.node("Reshape", [beside, sizes])})


def _node(graph: Graph, like: Recurrent, sides: Sequence[Recurrent], x: Value) -> str:
    """The node, for one direction or two with settings alike; the name of Y or of Y_h."""
    kind = "RNN" if isinstance(like, Elman) else type(like).__name__
    each = [to_onnx(kind, _params(side)) for side in sides]
    names = [graph.constant(n, np.stack(a)) for n, a in zip("WRB", zip(*each, strict=True), strict=True)]
    more: dict[str, Any] = (
        {"linear_before_reset": int(like.reset == "after")} if isinstance(like, GRU) else {}
    )
    if isinstance(like, Elman):
        more = _function(graph, like, len(sides))
    direction = "bidirectional" if len(sides) > 1 else "forward"
    output = 0 if like.return_sequences else 1
    inputs = [graph.form(x, TIME_FIRST), *names]
    return graph.node(kind, inputs, output=output, hidden_size=like.units, direction=direction, **more)


def _params(layer: Recurrent) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in ("w", "u", "b", "bu") if hasattr(layer, name)}


def _function(graph: Graph, layer: Elman, sides: int) -> dict[str, Any]:
    if layer.activation not in RNN_FUNCTIONS:
        near = nearest(layer.activation, RNN_FUNCTIONS) or "tanh"
        raise ConfigError(
            f"to_onnx: layer {graph.scope}, {layer}: expected an activation that ONNX's RNN has, "
            f"{', '.join(RNN_FUNCTIONS)}, got {layer.activation!r}. Train with one of these, such as {near!r}."
        )
    name, alpha, beta = RNN_FUNCTIONS[layer.activation]
    given: dict[str, Any] = {"activations": [name] * sides}
    if alpha is not None:
        given["activation_alpha"] = [alpha] * sides
    if beta is not None:
        given["activation_beta"] = [beta] * sides
    return given
