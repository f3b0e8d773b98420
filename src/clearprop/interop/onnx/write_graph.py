"""A graph that grows node by node, and the values between its nodes in whatever order of axes they have."""

from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.interop.onnx.package import onnx_package

Order = tuple[int, ...]  # the stored axes, as numbers of clearprop's: (0, 3, 1, 2) is (N, C, H, W)


def as_ours(axes: int) -> Order:
    """clearprop's own order: (N, H, W, C).

    >>> as_ours(4)
    (0, 1, 2, 3)
    """
    return tuple(range(axes))


def channels_first(axes: int) -> Order:
    """(N, C, H, W), where clearprop has (N, H, W, C).

    >>> channels_first(4), channels_first(2)
    ((0, 3, 1, 2), (0, 1))
    """
    return (0, axes - 1, *range(1, axes - 1))


class Value:
    """What goes from layer to layer: the same array in each of the forms that nodes have asked for so far.

    So two transpositions that undo each other are never written, and two branches share one.

    Parameters
    ----------
    shape : tuple of int
        As clearprop has it, without the batch axis.
    forms : mapping of order to str
        The names of tensors that hold it.
    folded : Value, optional
        The same numbers with batch and time as one axis, (N·T, …), if that is what there is.
    whole : bool
        Whether the tensors hold integers.
    """

    def __init__(
        self, shape: Shape, forms: dict[Order, str], folded: "Value | None" = None, whole: bool = False
    ) -> None:
        self.shape, self.forms, self.folded, self.whole = shape, forms, folded, whole

    @property
    def axes(self) -> int:
        return len(self.shape) + 1


class Graph:
    """Nodes and constants, named after the layers that they stand for.

    Attributes
    ----------
    scope : str
        The layer that is being written, "3" or "3.1" inside another; names begin with it.
    """

    def __init__(self, opset: int, dtype: np.dtype[Any]) -> None:
        self.opset, self.dtype = opset, dtype
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.scope = ""
        self._used: set[str] = set()

    def node(self, op: str, inputs: list[str], output: int = 0, **attributes: Any) -> str:
        """Put a node in; the name of its output number `output`, the only one that is used."""
        name = self._name(op)
        made = onnx_package().helper.make_node(
            op,
            inputs,
            [""] * output + [name],
            name=name,
            **{k: v for k, v in attributes.items() if v is not None},
        )
        self.nodes.append(made)
        return name

    def constant(self, name: str, values: Any, dtype: Any = None) -> str:
        """Put an array in, in the network's dtype if no other is given."""
        name = self._name(name)
        self.constants[name] = np.array(values, dtype or self.dtype, order="C")
        return name

    def integers(self, name: str, *values: int) -> str:
        return self.constant(name, values, np.int64)

    def scalar(self, name: str, value: float) -> str:
        return self.constant(name, value)

    def form(self, x: Value, order: Order) -> str:
        """The tensor that holds x in this order of axes; made of another form where there is none yet."""
        if order in x.forms:
            return x.forms[order]
        if not x.forms:
            assert x.folded is not None
            inner = self.form(x.folded, as_ours(x.folded.axes))
            x.forms[as_ours(x.axes)] = self._reshape(inner, -1, *x.shape)
            return self.form(x, order)
        given, name = next(iter(x.forms.items()))
        x.forms[order] = self.node("Transpose", [name], perm=[given.index(axis) for axis in order])
        return x.forms[order]

    def ours(self, x: Value) -> str:
        """The tensor that holds x as clearprop has it."""
        return self.form(x, as_ours(x.axes))

    def any(self, x: Value) -> tuple[Order, str]:
        """Some form of x, for what does not care about the order of axes."""
        if not x.forms:
            self.ours(x)
        return next(iter(x.forms.items()))

    def reshaped(self, x: Value, shape: Shape) -> Value:
        return Value(shape, {as_ours(len(shape) + 1): self._reshape(self.ours(x), 0, *shape)})

    def fold(self, x: Value) -> Value:
        """Batch and time as one axis: (N, T, …) -> (N·T, …)."""
        if x.folded is None:
            inner = x.shape[1:]
            x.folded = Value(inner, {as_ours(x.axes - 1): self._reshape(self.ours(x), -1, *inner)})
        return x.folded

    def _reshape(self, name: str, *sizes: int) -> str:
        """0 keeps a size, and -1 is what remains."""
        return self.node("Reshape", [name, self.integers("shape", *sizes)])

    def _name(self, what: str) -> str:
        plain = f"{self.scope}.{what}" if self.scope else what
        name, number = plain, 1
        while name in self._used:
            number += 1
            name = f"{plain}_{number}"
        self._used.add(name)
        return name
