"""What from_onnx knows of a tensor: the layers that lead to it, and in which order its axes and numbers stand."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar

from clearprop.arrays import Array, Shape
from clearprop.interop.onnx.write_graph import Order, as_ours
from clearprop.layers import Layer


@dataclass(frozen=True, eq=False)
class Step:
    """A layer behind those before it: the chain from here back to the input is a network."""

    before: "Step | None"
    inner: Layer  # as the node says it
    layer: Layer  # at each time step, where batch and time are one axis
    arrays: Mapping[str, Array]  # its parameters and buffers
    shape: Shape  # of what goes in, and
    out: Shape  # of what comes out; as clearprop has them
    nest: int = 0  # how many Residual layers are inside one another

    @property
    def depth(self) -> int:
        """How many layers lead here."""
        return self._depth

    _depth: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_depth", 1 + (self.before.depth if self.before else 0))


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that depends on the input.

    Its stored shape is that of (batch · fold, *shape) with the axes in this order.
    """

    step: Step | None  # None at the input
    shape: Shape  # of one example, or of one time step, as clearprop has it
    order: Order
    fold: Shape = ()  # numbers of time steps that are one axis with the batch
    places: Array | None = None  # of a row (D,): which of clearprop's numbers stands at each stored place

    def stored(self, batch: int) -> Shape:
        full = (batch * prod(self.fold), *self.shape)
        return tuple(full[axis] for axis in self.order)

    @property
    def full(self) -> Shape:
        """One example's shape."""
        return (*self.fold, *self.shape)

    @property
    def plain(self) -> bool:
        """Whether axes and numbers stand as in clearprop."""
        return self.order == as_ours(len(self.shape) + 1) and self.places is None


@dataclass(frozen=True, eq=False)
class Part:
    """What a node gives that is no layer yet, such as the mean in a layer norm that is written out."""

    kind: str
    base: Value
    data: Any = None


@dataclass(frozen=True, eq=False)
class Function:
    """A function of each of base's numbers that is written out, known by what it makes of some numbers."""

    base: Value
    values: Array


@dataclass(frozen=True, eq=False)
class States(ABC):
    """What a Part of states has: the tensor is known, but not yet which of them are taken."""

    beside: ClassVar[Shape | None] = None  # the transposition that puts the directions' states side by side
    turned: bool = field(default=False, kw_only=True)  # whether they are

    @abstractmethod
    def sizes(self, batch: int) -> Shape:
        """The tensor's shape, as the node gives it."""

    def stored(self, batch: int) -> Shape:
        sizes = self.sizes(batch)
        return tuple(sizes[axis] for axis in self.beside) if self.turned and self.beside else sizes

    def squeezed(self, node: Any, axes: Sequence[int]) -> Any:
        return node.value()  # refuses

    def joined(self, node: Any, target: Sequence[int]) -> Any:
        return node.value()

    def cut(self, node: Any, axis: int, part: range) -> Any:
        return node.value()


def chain(last: Step | None, until: Step | None = None) -> list[Step]:
    """The steps from behind `until` up to the last one, in their order."""
    steps = []
    while last is not None and last is not until:
        steps.append(last)
        last = last.before
    return steps[::-1]


def fork(a: Step | None, b: Step | None) -> Step | None:
    """The last step that both come from; None is the input."""
    while a is not b:
        if b is None or (a is not None and a.depth >= b.depth):
            assert a is not None
            a = a.before
        else:
            b = b.before
    return a
