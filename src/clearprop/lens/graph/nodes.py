"""The nodes of a computational graph: what an expression of arrays remembers."""

from collections.abc import Iterable
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clearprop.arrays import Array, Shape, shape_text
from clearprop.errors import ConfigError, DataError
from clearprop.lens.graph.fit import Operand, check_fits, check_result
from clearprop.lens.graph.names import checked_name, equation, merged, ordered
from clearprop.lens.graph.ops import OPS
from clearprop.names import unknown

if TYPE_CHECKING:
    from clearprop.lens.graph.backward import Gradients


class Node:
    """An array in a graph: given, or made by an operation from other nodes.

    Attributes
    ----------
    value : array
        In float64; it cannot be written to.
    grad : array or None
        The loss's gradient, after `loss.backward()`.
    """

    __array_ufunc__ = None  # so that array @ node is asked of the node

    def __init__(self, value: Array, name: str = "", inputs: "tuple[Node, ...]" = ()) -> None:
        self.value = value
        self.value.flags.writeable = False
        self.name = name
        self.inputs = inputs
        self.op = ""  # what made it: a key of OPS
        self.number: float | None = None  # the plain number of an operation that has one
        self.has_gradient: bool = any(node.has_gradient for node in inputs)
        self.cache: Any = None  # what its backward needs
        self.grad: Array | None = None
        self._known: dict[str, Node] = merged(
            [*(node._known for node in inputs), {name: self} if name else {}]
        )

    @property
    def shape(self) -> Shape:
        """The value's shape."""
        return self.value.shape

    @property
    def T(self) -> "Node":
        """The transpose."""
        return apply("transpose", self)

    def named(self, name: str) -> "Node":
        """Give the result a name, for pictures and texts; gives the node itself back.

        >>> x = Variable("x", [1.0, 2.0])
        >>> (2 * x).named("z").name
        'z'
        """
        if self.name:
            raise ConfigError(
                f"{self.name}: expected a node without a name, got one to call {name!r}. Keep its name."
            )
        name = checked_name(name)
        self._known = merged([self._known, {name: self}])
        self.name = name
        return self

    def describe(self) -> str:
        """The name, or the expression, cut where it is long."""
        said = self.name or self._expression(4)
        return said if self.name or " " not in said else f"({said})" if len(said) <= 40 else f"({said[:36]}…)"

    def _expression(self, depth: int) -> str:
        """The name, or what made it out of what has names, so many operations deep."""
        if self.name or not depth:
            return self.name or "…"
        return equation(self, {node: node._expression(depth - 1) for node in self.inputs})

    def backward(self) -> "Gradients":
        """Write `grad` into every node that this number depends on, and give all gradients."""
        from clearprop.lens.graph.backward import gradients  # which needs the nodes, and so comes later

        found = gradients(self)
        for node in ordered(self):
            node.grad = found.totals.get(node)
        return found

    def __matmul__(self, other: "Node") -> "Node":
        return apply("matmul", self, other)

    def __rmatmul__(self, other: Any) -> "Node":
        return apply("matmul", other, self)

    def __add__(self, other: "Node | float") -> "Node":
        return _with_number("add", "shift", self, other)

    def __radd__(self, other: float) -> "Node":
        return self + other

    def __sub__(self, other: "Node | float") -> "Node":
        number = _number(other)
        return _with_number("subtract", "shift", self, other if number is None else -number)

    def __rsub__(self, other: float) -> "Node":
        return _with_number("subtract", "take_from", self, other)

    def __mul__(self, other: "Node | float") -> "Node":
        return _with_number("multiply", "scale", self, other)

    def __rmul__(self, other: float) -> "Node":
        return self * other

    def __truediv__(self, other: "Node | float") -> "Node":
        number = _number(other)
        if number == 0:
            raise DataError(
                f"divide: expected a number other than 0 below {self.describe()}, got 0. Change it."
            )
        return _with_number("divide", "scale", self, other if number is None else 1 / number)

    def __rtruediv__(self, other: float) -> "Node":
        return _with_number("divide", "divide_number", self, other)

    def __pow__(self, power: float) -> "Node":
        return _with_number("power", "power", self, power)

    def __neg__(self) -> "Node":
        return apply("negate", self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.describe()} {shape_text(self.shape)}>"

    def _repr_html_(self) -> str:
        # a notebook asks; nothing else needs it here
        from clearprop.lens.graph.drawing import draw, draw_values
        from clearprop.lens.notebook import image_html

        picture = draw(self) if not self.shape and self.has_gradient else draw_values(self)
        return image_html(picture, f"Graph of {self.describe()}")


class Variable(Node):
    """A named array whose gradient is wanted.

    Parameters
    ----------
    name : str
        How it is called in pictures and texts: "W1" gets an index, "alpha" its letter.
    value : array
        Copied, in float64.

    Examples
    --------
    >>> W, x = Variable("W", np.eye(2)), Variable("x", [1.0, 2.0])
    >>> (W @ x).value
    array([1., 2.])
    """

    def __init__(self, name: str, value: npt.ArrayLike) -> None:
        super().__init__(_as_value(name, value), checked_name(name))
        self.has_gradient = True


class Constant(Node):
    """A named array that is held fixed: data, labels, an identity.

    Parameters
    ----------
    name : str
    value : array
        Copied, in float64.
    """

    def __init__(self, name: str, value: npt.ArrayLike) -> None:
        super().__init__(_as_value(name, value), checked_name(name))


def apply(op: str, *inputs: Any, number: float | None = None) -> Node:
    """The node that an operation makes, its value computed.

    Parameters
    ----------
    op : str
        A key of `clearprop.lens.graph.ops.OPS`.
    inputs : nodes
    number : float, optional
        The plain number of an operation that has one, such as a factor.

    Raises
    ------
    ShapeError, DataError
        If the operands do not fit, or the result is not finite.
    ConfigError
        If an operand is no node, or a name stands for two of them.
    """
    if op not in OPS:
        raise unknown("graph", "operation", op, OPS)
    for x in inputs:
        if not isinstance(x, Node):
            raise ConfigError(
                f"{op}: expected a Variable, a Constant or what is made of them, got {kind_of(x)}. "
                'Give it a name: Constant("c", array).'
            )
    if op == "softmax_cross_entropy" and inputs[1].has_gradient:
        raise ConfigError(
            f"{op}: expected labels that are held fixed, got {inputs[1]!r}. Make them a Constant."
        )
    operands = [Operand(node.describe, node.value) for node in inputs]
    check_fits(op, *operands)
    with np.errstate(all="ignore"):  # a result that is not finite gets a sentence
        y, cache = recomputed(op, [node.value for node in inputs], number)
    check_result(op, OPS[op].needs, y, *operands)
    node = Node(y, inputs=inputs)
    node.op, node.number, node.cache = op, number, cache
    return node


def recomputed(op: str, values: Iterable[Array], number: float | None) -> tuple[Array, Any]:
    """An operation's result and cache."""
    y, cache = OPS[op].forward(*values, *(() if number is None else (number,)))
    return np.array(y, np.float64), cache


def _number(x: object) -> float | None:
    """A plain number as a float; None if it is something else."""
    return float(x) if isinstance(x, Real) else None


def _with_number(op: str, with_number: str, node: Node, other: Any) -> Node:
    """The operation of two nodes, or the one of a node and a plain number."""
    number = _number(other)
    if number is None:
        if op == with_number:
            raise ConfigError(
                f"{op}: expected a number as the exponent, got {kind_of(other)}. Use exp and log."
            )
        return apply(op, node, other)
    if not np.isfinite(number):
        raise DataError(
            f"{with_number}: expected a finite number beside {node.describe()}, got {other}. Change it."
        )
    return apply(with_number, node, number=number)


def kind_of(x: object) -> str:
    """What something is that is no node, for messages."""
    return (
        f"an array of shape {shape_text(x.shape)}"
        if isinstance(x, np.ndarray)
        else f"{type(x).__name__} {x!r:.40}"
    )


def _as_value(name: str, value: npt.ArrayLike) -> Array:
    try:
        array = np.array(value)
    except (TypeError, ValueError):
        array = np.array("")
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"{name}: expected an array of numbers, got {value!r:.60}. Give rows of equal length."
        )
    array = array.astype(np.float64)
    if not (finite := np.isfinite(array)).all():
        bad = float(array[~finite][0])
        raise DataError(
            f"{name}: expected finite numbers, got {bad}, {int((~finite).sum())} in all. Replace them."
        )
    return array
