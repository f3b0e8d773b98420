"""A node of a file as its reader sees it: what goes in, its attributes, and the layers that it may add."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from clearprop.arrays import Array, Shape, shape_text
from clearprop.errors import ClearpropError, DataError
from clearprop.interop.onnx.read_file import OnnxFile
from clearprop.interop.onnx.read_scales import rescaled, scalable, straight
from clearprop.interop.onnx.read_values import Function, Part, Step, Value
from clearprop.interop.onnx.write_graph import Order, as_ours, channels_first
from clearprop.layers import Layer, TimeDistributed

ANY = 10_007  # stands for any number of examples, where sizes are computed: a prime that no other axis has
WITHOUT_IT = "Export the network without it, or let the graph end before it: from_onnx(path, output=…)."
ROOM = 2**16  # numbers that may be computed from a file beside those that stand in it


@dataclass(frozen=True)
class Node:
    """One node and what is known where it stands.

    Attributes
    ----------
    who : str
        "net.onnx: node 'conv1' (Conv)", which opens every sentence.
    given : list
        What the inputs are: an array, a Value, a Part or a Function, or None where one is left out.
    batch : int
        How many examples stand for any number of them, where sizes are computed.
    readers : mapping of str to list
        The nodes that take each tensor.
    """

    who: str
    op: str
    given: list[Any]
    attributes: Mapping[str, Any]
    outputs: list[str]
    batch: int
    file: OnnxFile
    readers: Mapping[str, list[Any]]

    def refuse(self, why: str) -> NoReturn:
        """Raise the error; a reason of one sentence gets what can always be done."""
        remedy = "" if ". " in why else f" {WITHOUT_IT}"
        raise DataError(f"{self.who}: {why}{remedy}")

    def told(self, sizes: Sequence[int]) -> str:
        """Stored sizes as one reads them, with N for the batch."""
        if self.batch != ANY:
            return shape_text(sizes)
        many = {n: f"{n // ANY}·N" if n > ANY else "N" for n in sizes if n and n % ANY == 0}
        return shape_text([many.get(n, n) for n in sizes])

    def has(self, i: int) -> bool:
        return i < len(self.given) and self.given[i] is not None

    def get(self, i: int) -> Any:
        return self.given[i] if self.has(i) else None

    def value(self, i: int = 0) -> Value:
        """An input that depends on the network's input, and is what a layer gives."""
        found = self.get(i)
        if isinstance(found, Function):
            return self._settled(found)
        if isinstance(found, Part):
            self.refuse(f"takes {found.kind}, with which clearprop has no layer that goes on like this.")
        if not isinstance(found, Value):
            self.refuse(
                f"expected input {i} to depend on the network's input, got constants. Fold constants first."
            )
        return found

    def _settled(self, found: Function) -> Value:
        """A function that ends here: no more than a scale and a shift, which the layer before it takes in."""
        line = straight(found)
        if line is None:
            self.refuse(
                "what comes in is a function of each number that no activation of clearprop is. "
                "Take one of these, such as relu or gelu."
            )
        if scalable(found.base) is None:
            self.refuse(
                f"what comes in is scaled by {line[0]:.6g} and shifted by {line[1]:.6g}, and no layer stands before it "
                "whose weights could do this. Scale inputs before the network."
            )
        return rescaled(found.base, *line)

    def array(self, i: int) -> Array:
        """An input that is constant."""
        found = self.get(i)
        if not isinstance(found, np.ndarray):
            self.refuse(
                f"expected input {i} to be constant, got what is computed from the network's input. "
                "clearprop's layers have weights of their own: export with the weights as constants."
            )
        return found

    def ints(self, name: str, default: Any = None) -> Any:
        found = self.attributes.get(name, default)
        return tuple(int(n) for n in found) if isinstance(found, list | tuple) else found

    def number(self, name: str, default: float) -> float:
        """A float: the shortest decimal number that is the same in float32, in which ONNX keeps it."""
        return shortest(self.attributes.get(name, default))

    def word(self, name: str, default: str) -> str:
        found = self.attributes.get(name, default)
        return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)

    def in_order(self, x: Value, order: Order) -> Value:
        """Refuse x if its axes stand in another order, or its numbers in that of another flattening."""
        if x.order != order or x.places is not None:
            axes = shape_text(["N", *map(str, x.shape)])
            self.refuse(
                f"works along another axis than clearprop's layer does, for an x of shape {axes} here. "
                "Images are (N, C, H, W) in ONNX, sequences (N, C, T): put a Transpose before it."
            )
        return x

    def images(self, i: int = 0) -> Value:
        """An input whose channels are the axis behind the batch."""
        x = self.value(i)
        if len(x.shape) > 3:
            self.refuse(
                f"expected images (N, C, H, W) or sequences (N, C, T), got an x of {len(x.order)} axes. clearprop's "
                "layers slide along one axis or two."
            )
        return self.in_order(x, channels_first(len(x.shape) + 1))

    def then(
        self, x: Value, layer: Layer, arrays: Mapping[str, Array], order: Order | None = None, nest: int = 0
    ) -> Value:
        """x behind one more layer, at each time step if batch and time are one axis."""
        if x.places is not None:
            self.in_order(x, x.order)
        wrapped = layer
        for _ in x.fold:
            wrapped = TimeDistributed(wrapped)
        try:
            out = wrapped.output_shape(x.full, str(layer))
            shapes = wrapped.param_shapes(x.full) | wrapped.buffer_shapes(x.full)
        except ClearpropError as error:
            self.refuse(str(error))
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                self.refuse(
                    f"expected {name} of shape {shape}, in clearprop's layout, got {arrays[name].shape}."
                )
        step = Step(x.step, layer, wrapped, dict(arrays), x.full, out, nest)
        shape = out[len(x.fold) :]
        return Value(step, shape, x.order if order is None else order, x.fold)

    def keeping(self, x: Value, layer: Layer, arrays: Mapping[str, Array] = MappingProxyType({})) -> Value:
        """x behind a layer that leaves each number in its place."""
        y = self.then(replace(x, places=None), layer, arrays)
        return replace(y, places=x.places)

    def room(self, *shape: int) -> None:
        """Refuse to compute constants of this size, if the file is much smaller."""
        if prod(shape) > self.file.size + ROOM:
            self.refuse(
                f"would give constants of shape {shape_text([*map(str, shape)])}, out of a file of "
                f"{self.file.size:,} bytes. That is no network's."
            )

    def takes(self, output: str) -> list[Any]:
        return self.readers.get(output, [])


def shortest(value: Any) -> float:
    """0.1 where float32 has 0.10000000149.

    >>> shortest(np.float32(0.1)), shortest(1e-5)
    (0.1, 1e-05)
    """
    number = np.float32(value)
    return float(str(number)) if float(np.float32(float(str(number)))) == float(number) else float(value)


def row_last(x: Value) -> bool:
    """Whether x's last axis is the stored one's, too."""
    return x.order[-1] == len(x.shape) and x.order[0] in (0, 1)


def at_each_step(node: Node, x: Value, layer: Layer, arrays: Mapping[str, Array]) -> Value:
    """A layer on rows (N, D), laid along whatever axes x has before its last one."""
    more = x.shape[:-1]
    rows = Value(x.step, x.shape[-1:], (0, 1), (*x.fold, *more))
    y = node.then(rows, layer, arrays)
    return Value(y.step, (*more, *y.shape), x.order, x.fold)


def of_channels(x: Value, constant: Array, shape: Shape) -> Array | None:
    """A constant that broadcasts against x as stored, as an array over x's last axes here; None if it is no such."""
    axes = len(x.order)
    if constant.ndim > axes:
        return None
    aligned = constant.reshape(*[1] * (axes - constant.ndim), *constant.shape)
    ours = aligned.transpose([x.order.index(axis) for axis in as_ours(axes)])
    lead = axes - len(shape)
    if any(n != 1 for n in ours.shape[:lead]):
        return None
    inner: Array = ours.reshape(ours.shape[lead:])
    if any(n not in (1, m) for n, m in zip(inner.shape, shape, strict=True)):
        return None
    vector = np.broadcast_to(inner, shape)
    if x.places is None:
        return vector
    turned = np.empty_like(vector)
    turned[x.places] = vector
    return turned
