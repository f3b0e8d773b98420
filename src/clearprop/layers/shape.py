"""Flatten and Reshape: the same numbers in another shape."""

from collections.abc import Sequence
from math import prod
from typing import Any

from clearprop.arrays import Array, Shape, shape_text
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers.base import Layer
from clearprop.messages.shapes import pictured
from clearprop.names import check_count


class Flatten(Layer):
    """(N, …) -> (N, D): each example becomes one row.

    Examples
    --------
    >>> Flatten().output_shape((28, 28, 1), "layer 0")
    (784,)
    """

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        return (prod(input_shape),)

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Shape]:
        return x.reshape(len(x), prod(x.shape[1:])), x.shape

    def backward(self, dy: Array, cache: Shape, need_dx: bool = True) -> Array:
        return dy.reshape(cache)


class Reshape(Layer):
    """(N, …) -> (N, *shape): each example in another shape with as many numbers.

    Parameters
    ----------
    shape : sequence of int
        The new shape, without the batch axis.

    Raises
    ------
    ShapeError
        When the network is built, if the numbers of elements differ.

    Examples
    --------
    >>> Reshape((28, 28, 1)).output_shape((784,), "layer 0")
    (28, 28, 1)
    """

    def __init__(self, shape: Sequence[int]) -> None:
        if not isinstance(shape, Sequence):
            raise ConfigError(f"Reshape: expected a tuple of sizes such as (28, 28, 1), got {shape!r}.")
        self.shape = tuple(check_count("Reshape", "shape", n) for n in shape)

    def settings(self) -> dict[str, Any]:
        return {"shape": list(self.shape)}

    def __repr__(self) -> str:
        return f"Reshape({shape_text(self.shape)})"

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        if prod(input_shape) != prod(self.shape):
            error = ShapeError(
                f"{who}: expected {prod(self.shape)} numbers for each example, to fill {shape_text(self.shape)}, "
                f"got x of shape {shape_text(('N', *input_shape))}, which has {prod(input_shape)}. "
                f"Give Reshape a shape with as many numbers{_as_many(self.shape, prod(input_shape))}."
            )
            raise pictured(
                error,
                ("x", ("N", *input_shape), {*range(1, len(input_shape) + 1)}),
                ("y", ("N", *self.shape), {*range(1, len(self.shape) + 1)}),
            )
        return self.shape

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Shape]:
        return x.reshape(len(x), *self.shape), x.shape

    def backward(self, dy: Array, cache: Shape, need_dx: bool = True) -> Array:
        return dy.reshape(cache)


def _as_many(shape: Shape, n: int) -> str:
    """A shape with n numbers that is like this one: without its batch axis, or with one axis changed."""
    if prod(shape[1:]) == n and len(shape) > 1:
        return f" and no batch axis: Reshape({shape_text(shape[1:])})"
    for i in reversed(range(len(shape))):
        others = prod(shape[:i]) * prod(shape[i + 1 :])
        if n % others == 0:
            return f", such as Reshape({shape_text((*shape[:i], n // others, *shape[i + 1 :]))})"
    return ""
