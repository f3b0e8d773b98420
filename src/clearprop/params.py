"""Layout: named arrays laid end to end in one flat vector."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import TypeVar

from clearprop.arrays import Array, Shape, check_shape

T = TypeVar("T")


class Layout:
    """Where each named array lies in one flat vector: a name <-> a span.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        The arrays' names and shapes, in the order in which they lie.

    Examples
    --------
    >>> import numpy as np
    >>> layout = Layout({"w": (2, 3), "b": (3,)})
    >>> layout.size, layout.spans["b"]
    (9, slice(6, 9, None))
    >>> layout.views(np.arange(9.0))["b"]
    array([6., 7., 8.])
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = dict(shapes)
        self.spans: dict[str, slice] = {}
        self.size = 0
        for name, shape in self.shapes.items():
            end = self.size + prod(shape)
            self.spans[name] = slice(self.size, end)
            self.size = end

    def views(self, vector: Array) -> dict[str, Array]:
        """The named arrays as views into the vector of shape (size,): writing one writes the other."""
        check_shape("Layout.views", "vector", vector.shape, (self.size,))
        return {name: vector[span].reshape(self.shapes[name]) for name, span in self.spans.items()}

    def name_at(self, index: int) -> str:
        """The name of the array that holds the vector's element `index`."""
        for name, span in self.spans.items():
            if span.start <= index < span.stop:
                return name
        raise IndexError(f"Layout: element {index} lies outside a vector of {self.size} elements.")


def numbered(owned: Sequence[Mapping[str, T]]) -> dict[str, T]:
    """What each of several layers owns, under the layer's number.

    >>> numbered([{"w": 1}, {}, {"w": 2}])
    {'0.w': 1, '2.w': 2}
    """
    return {f"{i}.{name}": thing for i, own in enumerate(owned) for name, thing in own.items()}


def by_number(named: Mapping[str, T], n: int) -> list[dict[str, T]]:
    """The way back, for n layers.

    >>> by_number({"0.w": 1, "2.w": 2}, 3)
    [{'w': 1}, {}, {'w': 2}]
    """
    owned: list[dict[str, T]] = [{} for _ in range(n)]
    for name, thing in named.items():
        number, _, rest = name.partition(".")
        owned[int(number)][rest] = thing
    return owned
