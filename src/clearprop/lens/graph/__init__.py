"""Computational graphs of array expressions: written in Python, drawn with values and gradients, checked.

>>> W = Variable("W", [[0.5, 1.0]])
>>> x = Variable("x", [2.0, 1.0])
>>> loss = 0.5 * squared_norm(W.T @ (W @ x) - x)
>>> loss.backward()["W"]
array([[-1. ,  2.5]])

`draw` gives a picture as SVG, `tikz` for LaTeX documents, `save_png` a file, `text` a listing in 80 columns, `latex`
the equations of both passes. `check` compares every gradient with differences.
"""

from clearprop.gradcheck.check import check_function
from clearprop.gradcheck.report import GradientReport
from clearprop.lens.graph.backward import Gradients, Share, gradients, replayed
from clearprop.lens.graph.drawing import draw, save_png, tikz
from clearprop.lens.graph.listing import latex, text
from clearprop.lens.graph.names import equation, names_of, ordered
from clearprop.lens.graph.nodes import Constant, Node, Variable, apply

__all__ = [
    "Constant", "Gradients", "Node", "Share", "Variable", "check", "draw", "equation", "exp", "gradients", "inverse",
    "latex", "log", "logdet", "mean", "names_of", "ordered", "relu", "save_png", "sigmoid", "softmax",
    "softmax_cross_entropy", "squared_norm", "swish", "tanh", "text", "tikz", "total", "trace",
]  # fmt: skip


def total(a: Node) -> Node:
    """The sum of all numbers in an array, of shape ()."""
    return apply("total", a)


def mean(a: Node) -> Node:
    """The mean of all numbers in an array, of shape ()."""
    return apply("mean", a)


def squared_norm(a: Node) -> Node:
    """The sum of all squares, ‖a‖², of shape ()."""
    return apply("squared_norm", a)


def inverse(a: Node) -> Node:
    """The inverse of a square matrix."""
    return apply("inverse", a)


def logdet(a: Node) -> Node:
    """log |a|, the logarithm of a square matrix's determinant, of shape ()."""
    return apply("logdet", a)


def trace(a: Node) -> Node:
    """The sum of a square matrix's diagonal, of shape ()."""
    return apply("trace", a)


def exp(a: Node) -> Node:
    """exp of each number."""
    return apply("exp", a)


def log(a: Node) -> Node:
    """The natural logarithm of each number."""
    return apply("log", a)


def sigmoid(a: Node) -> Node:
    """σ(a) = 1 / (1 + exp(−a)), of each number."""
    return apply("sigmoid", a)


def tanh(a: Node) -> Node:
    """tanh of each number."""
    return apply("tanh", a)


def relu(a: Node) -> Node:
    """max(a, 0) of each number."""
    return apply("relu", a)


def swish(a: Node) -> Node:
    """a σ(a) of each number."""
    return apply("swish", a)


def softmax(a: Node) -> Node:
    """exp(aₖ) / Σⱼ exp(aⱼ), over the last axis."""
    return apply("softmax", a)


def softmax_cross_entropy(scores: Node, y: Node) -> Node:
    """Each example's −log p of its label, p = softmax(scores); `mean` makes a loss of them.

    Parameters
    ----------
    scores : node of shape (N, K), or (K,) for one example
    y : Constant
        Labels of shape (N,), or () for one example, or target rows of scores' shape.

    Returns
    -------
    node of shape (N,), or ()

    Examples
    --------
    >>> scores = Variable("s", [[0.0, 0.0]])
    >>> softmax_cross_entropy(scores, Constant("y", [1])).value.round(4)
    array([0.6931])
    """
    return apply("softmax_cross_entropy", scores, y)


def check(
    loss: Node, *, seed: int = 0, tolerance: float = 1e-7, raise_on_failure: bool = True
) -> GradientReport:
    """Compare the gradient by every Variable with central differences.

    Parameters
    ----------
    loss : Node
        Of shape ().
    seed, tolerance, raise_on_failure
        As in `clearprop.check_function`.

    Returns
    -------
    GradientReport
        A line for each Variable; it prints as a table.

    Raises
    ------
    GradientError
        If a gradient is wrong.

    Examples
    --------
    >>> x = Variable("x", [0.5, 2.0])
    >>> check(total(tanh(x) * x)).ok
    True
    """
    found = gradients(loss)
    variables = {node.name: node for node in ordered(loss) if isinstance(node, Variable)}
    return check_function(
        lambda values: replayed(loss, values),
        {name: found[node] for name, node in variables.items()},
        {name: node.value for name, node in variables.items()},
        name=f"graph of {names_of(loss)[loss]}", seed=seed, tolerance=tolerance, raise_on_failure=raise_on_failure,
    )  # fmt: skip
