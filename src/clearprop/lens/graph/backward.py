"""Gradients backwards through a computational graph, and the shares that each one is the sum of."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.lens.graph.labels import filled
from clearprop.lens.graph.names import letters_of, names_of, ordered
from clearprop.lens.graph.nodes import Node, Variable, kind_of, recomputed
from clearprop.lens.graph.ops import OPS
from clearprop.names import unknown

ELEMENTWISE = ("add", "subtract", "multiply", "divide")


class Share(NamedTuple):
    """One path's part of a gradient: what reaches a node through one operation that uses it."""

    through: Node  # what the operation makes
    position: int  # which of its operands the node is
    gradient: Array

    def formula(self, names: Mapping[Node, str]) -> str:
        """The rule, in names, with ∂⟨h⟩ for the loss's gradient by h."""
        made = self.through
        rule = OPS[made.op].rules[self.position]
        said = filled(rule, {**letters_of(made, names), "y": names[made], "dy": f"∂⟨{names[made]}⟩"})
        repeated = (
            made.inputs[self.position].shape != made.shape
            and len(made.inputs) == 2
            and made.op in ELEMENTWISE
        )
        return f"Σ {f'({said})' if ' ' in said else said}" if repeated else said


class Gradients:
    """A loss's gradient by every node, and the shares that each is the sum of.

    Examples
    --------
    >>> x = Variable("x", 3.0)
    >>> found = gradients(x * x + 2 * x)
    >>> float(found["x"]), [float(share.gradient) for share in found.shares("x")]
    (8.0, [3.0, 3.0, 2.0])
    """

    def __init__(self, loss: Node, totals: dict[Node, Array], shares: dict[Node, list[Share]]) -> None:
        self.loss = loss
        self.totals = totals
        self._shares = shares

    def __repr__(self) -> str:
        names = names_of(self.loss)
        shapes = [f"{names[node]} {node.shape}" for node in self.totals if isinstance(node, Variable)]
        more = [f"and {len(shapes) - 5} more"] if len(shapes) > 5 else []
        return f"Gradients of {names[self.loss]} by {'; '.join(shapes[:5] + more) or 'nothing'}"

    def _node(self, key: "Node | str") -> Node:
        if isinstance(key, str):
            known = {name: node for node, name in names_of(self.loss).items() if node in self.totals}
            if key not in known:
                raise unknown("gradients", "node", key, known)
            return known[key]
        if key not in self.totals:
            raise ConfigError(
                f"gradients: expected a node that the loss depends on, got {key!r}. Use it in the loss."
            )
        return key

    def __getitem__(self, key: "Node | str") -> Array:
        return self.totals[self._node(key)]

    def shares(self, key: "Node | str") -> list[Share]:
        """The parts that add up to a node's gradient, in the order of the graph."""
        return list(self._shares.get(self._node(key), []))


def gradients(loss: Node) -> Gradients:
    """The gradient of a number by every node that it depends on, backwards through the graph.

    Parameters
    ----------
    loss : Node
        Of shape ().

    Returns
    -------
    Gradients

    Raises
    ------
    ShapeError
        If the loss is not a single number.
    ConfigError
        If it depends on no Variable.
    """
    check_loss_node(loss)
    shares: dict[Node, list[Share]] = {}
    totals = {loss: np.ones(())}
    nodes = ordered(loss)
    place = {node: i for i, node in enumerate(nodes)}
    for node in reversed(nodes):
        if not node.has_gradient:
            continue
        if node is not loss:
            shares[node].sort(key=lambda share: (place[share.through], share.position))
            totals[node] = sum((share.gradient for share in shares[node]), np.zeros(node.shape))
        for position, (x, share) in enumerate(_shares_of_inputs(node, totals[node])):
            if x.has_gradient:
                shares.setdefault(x, []).append(Share(node, position, share))
    return Gradients(loss, totals, shares)


def _shares_of_inputs(node: Node, dy: Array) -> list[tuple[Node, Array]]:
    if not node.op:
        return []
    with np.errstate(all="ignore"):  # a gradient that is not finite gets a sentence
        found = OPS[node.op].backward(dy, node.cache)
    shares = [np.zeros(0) if share is None else np.asarray(share) for share in found]
    pairs = list(zip(node.inputs, shares, strict=True))
    for x, share in pairs:
        if x.has_gradient and share.shape != x.shape:
            raise ShapeError(
                f"{node.op}'s backward: expected a gradient of shape {shape_text(x.shape)} for {x.describe()}, "
                f"got {shape_text(share.shape)}. Its entry in OPS is wrong."
            )
        if x.has_gradient and not np.isfinite(share).all():
            raise DataError(
                f"{node.op}'s backward: expected finite gradients for {x.describe()}, got NaN or infinity. "
                "There is no slope at this point; move the numbers away from it."
            )
    return pairs


def check_loss_node(loss: Node) -> None:
    """Refuse what has no gradient: an array, or a number that depends on nothing."""
    if not isinstance(loss, Node):
        raise ConfigError(
            f"graph: expected a loss made of Variables, got {kind_of(loss)}. Build it from them."
        )
    if loss.shape:
        raise ShapeError(
            f"graph: expected a loss that is a single number, of shape (), got {loss.describe()} of shape "
            f"{shape_text(loss.shape)}. Make it one: total(…), mean(…) or squared_norm(…)."
        )
    if not loss.has_gradient:
        raise ConfigError(
            f"graph: expected a loss that depends on a Variable, got {loss!r}. Make one of its arrays one."
        )


def replayed(loss: Node, values: Mapping[str, Array]) -> Array:
    """The loss with other values for the Variables, by their names."""
    now: dict[Node, Array] = {}
    for node in ordered(loss):
        if node.op:
            with np.errstate(all="ignore"):  # the other values may lie where an operation has none
                now[node] = recomputed(node.op, [now[x] for x in node.inputs], node.number)[0]
        else:
            now[node] = values.get(node.name, node.value) if isinstance(node, Variable) else node.value
    return now[loss]
