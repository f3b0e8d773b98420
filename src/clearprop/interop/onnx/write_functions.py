"""Activations as nodes: one where ONNX has the function, or some that compute it."""

from math import pi, sqrt

from clearprop.interop.onnx.write_graph import Graph

PLAIN = {
    "identity": "Identity",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "Relu",
    "softplus": "Softplus",
    "arctan": "Atan",
}
WITH_ALPHA = {"leaky_relu": ("LeakyRelu", 0.01), "elu": ("Elu", 1.0)}
OF_ROWS = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}


def write_function(graph: Graph, name: str, alpha: float | None, x: str, last: int) -> str:
    """y = f(x); a function of rows goes along the stored axis `last`."""
    if name in PLAIN:
        return graph.node(PLAIN[name], [x])
    if name in WITH_ALPHA:
        op, usual = WITH_ALPHA[name]
        return graph.node(op, [x], alpha=usual if alpha is None else alpha)
    if name in OF_ROWS:
        return graph.node(OF_ROWS[name], [x], axis=last)
    if name == "swish":
        return _product(graph, x, graph.node("Sigmoid", [x]))  # runtimes lack the Swish that opset 24 has
    if graph.opset >= 20:
        return graph.node("Gelu", [x], approximate="tanh" if name == "gelu_tanh" else "none")
    inner = _cubic(graph, x) if name == "gelu_tanh" else _product(graph, x, graph.scalar("c", sqrt(0.5)))
    bent = graph.node("Tanh" if name == "gelu_tanh" else "Erf", [inner])
    more = graph.node("Add", [bent, graph.scalar("one", 1.0)])
    return _product(graph, _product(graph, x, more), graph.scalar("half", 0.5))


def _cubic(graph: Graph, x: str) -> str:
    """√(2/π) (x + 0.044715 x³) = x (a x² + b)"""
    a, b = 0.044715 * sqrt(2 / pi), sqrt(2 / pi)
    slope = _product(graph, _product(graph, x, x), graph.scalar("a", a))
    return _product(graph, x, graph.node("Add", [slope, graph.scalar("b", b)]))


def _product(graph: Graph, a: str, b: str) -> str:
    return graph.node("Mul", [a, b])
