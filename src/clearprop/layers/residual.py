"""Residual: layers whose output is added to their input."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np

from clearprop.arrays import Array, Shape, shape_text
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers.base import Layer
from clearprop.layers.remedies import next_shape
from clearprop.layers.spec import layer_from, layer_spec
from clearprop.messages.shapes import differing, pictured
from clearprop.params import by_number, numbered


class ResidualCache(NamedTuple):
    branch: list[Any]  # one a layer
    shortcut: list[Any]


class Residual(Layer):
    """y = layers(x) + x, or layers(x) + shortcut(x); He et al. (2016).

    Parameters
    ----------
    layers : sequence of Layer or mapping
        One after the other; as a mapping as in a configuration, {"type": "Dense", "units": 8}.
    shortcut : sequence of Layer or mapping
        What x passes on the way past them; by default nothing, and the layers must keep x's shape.

    Raises
    ------
    ShapeError
        When the network is built, if the two do not give the same shape.

    Examples
    --------
    >>> from clearprop.layers import Dense
    >>> Residual([Dense(8, activation="relu"), Dense(4)]).output_shape((4,), "layer 0")
    (4,)
    """

    def __init__(self, layers: Sequence[Any], shortcut: Sequence[Any] = ()) -> None:
        if not isinstance(layers, Sequence) or not layers:
            raise ConfigError(f"Residual: expected a list of at least one layer, got {layers!r}.")
        if not isinstance(shortcut, Sequence):
            raise ConfigError(f"Residual: expected shortcut to be a list of layers, got {shortcut!r}.")
        self.layers = [layer_from(spec, f"Residual, layer {i}") for i, spec in enumerate(layers)]
        self.shortcut = [layer_from(spec, f"Residual, shortcut {i}") for i, spec in enumerate(shortcut)]

    @property
    def inner(self) -> list[Layer]:
        """The branch's layers, then the shortcut's: the number of each is the first part of its names."""
        return [*self.layers, *self.shortcut]

    def settings(self) -> dict[str, Any]:
        given = {"layers": [layer_spec(layer) for layer in self.layers]}
        return given | ({"shortcut": [layer_spec(layer) for layer in self.shortcut]} if self.shortcut else {})

    def __repr__(self) -> str:
        n = len(self.layers)
        return f"Residual({n} layer{'s' if n > 1 else ''}{', a shortcut' if self.shortcut else ''})"

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__ |= self.__dict__
        twin.layers, twin.shortcut = (
            [copy(layer) for layer in self.layers],
            [copy(layer) for layer in self.shortcut],
        )
        return twin

    def expand(self) -> list[Layer]:
        twin = copy(self)
        twin.layers = [part for layer in self.layers for part in layer.expand()]
        twin.shortcut = [part for layer in self.shortcut for part in layer.expand()]
        return [twin]

    def leaves(self, input_shape: Shape) -> Iterator[tuple[Layer, Shape]]:
        for layer, shape in zip(self.inner, self._inputs(input_shape), strict=True):
            yield from layer.leaves(shape)

    def parts(self) -> Iterator[Layer]:
        yield self
        for layer in self.inner:
            yield from layer.parts()

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        y = _shapes(self.layers, input_shape, who)[-1]
        past = _shapes(self.shortcut, input_shape, f"{who}, shortcut")[-1]
        if y != past:
            same = " (padding='same' keeps an image's size)" if len(y) > 1 else ""
            error = ShapeError(
                f"{who}: expected the layers to give the shape {shape_text(past)} that is added to theirs, "
                f"got {shape_text(y)}. Change them{same}{_shortcut(input_shape, y)}."
            )
            raise pictured(
                error,
                ("shortcut" if self.shortcut else "x", ("N", *past), {i + 1 for i in differing(past, y)[0]}),
                ("layers", ("N", *y), {i + 1 for i in differing(y, past)[0]}),
            )
        return y

    def _inputs(self, input_shape: Shape) -> list[Shape]:
        """What goes into each of the inner layers."""
        return [*_shapes(self.layers, input_shape, "")[:-1], *_shapes(self.shortcut, input_shape, "")[:-1]]

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        each = zip(self.inner, self._inputs(input_shape), strict=True)
        return numbered([layer.param_shapes(shape) for layer, shape in each])

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        each = zip(self.inner, self._inputs(input_shape), strict=True)
        return numbered([layer.buffer_shapes(shape) for layer, shape in each])

    def multiply_adds(self, input_shape: Shape) -> int:
        each = zip(self.inner, self._inputs(input_shape), strict=True)
        return sum(layer.multiply_adds(shape) for layer, shape in each)

    def bind(
        self,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        buffers: Mapping[str, Array] = MappingProxyType({}),
    ) -> None:
        each = [by_number(views, len(self.inner)) for views in (params, grads, buffers)]
        for layer, *own in zip(self.inner, *each, strict=True):
            layer.bind(*own)

    def init_params(self, rng: np.random.Generator) -> None:
        for layer in self.inner:
            layer.init_params(rng)

    def draw_noise(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> list[Any] | None:
        each = zip(self.inner, self._inputs(shape[1:]), strict=True)
        drawn = [layer.draw_noise((shape[0], *inner), rng, dtype) for layer, inner in each]
        return None if all(one is None for one in drawn) else drawn

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, ResidualCache]:
        noise = noise or [None] * len(self.inner)
        y, branch = _forward(self.layers, x, training, noise[: len(self.layers)])
        past, shortcut = _forward(self.shortcut, x, training, noise[len(self.layers) :])
        return y + past, ResidualCache(branch, shortcut)

    def backward(self, dy: Array, cache: ResidualCache, need_dx: bool = True) -> Array | None:
        dx = _backward(self.layers, dy, cache.branch, need_dx)
        past = _backward(self.shortcut, dy, cache.shortcut, need_dx)
        return dx + past if need_dx else None  # type: ignore[operator]


def _shapes(layers: Sequence[Layer], input_shape: Shape, who: str) -> list[Shape]:
    shapes = [input_shape]
    for _ in layers:
        shapes.append(next_shape(layers, shapes, f"{who}, its layer"))
    return shapes


def _shortcut(input_shape: Shape, y: Shape) -> str:
    """A layer that leads from one shape to the other, found by trying."""
    ways = [{"type": "Dense", "units": y[-1]}]
    if 1 < len(y) == len(input_shape) < 4:
        conv: dict[str, Any] = {"type": f"Conv{len(y) - 1}D", "filters": y[-1]}
        steps = [-(-n // max(m, 1)) for n, m in zip(input_shape, y[:-1], strict=False)]
        window = [max(n - m + 1, 1) for n, m in zip(input_shape, y[:-1], strict=False)]
        ways = [conv | {"kernel": 1, "stride": steps}, conv | {"kernel": window}]
    for spec in ways:
        layer = layer_from(spec, "")
        try:
            if layer.output_shape(input_shape, "") == y:
                return f", or give a shortcut to that shape, such as [{layer}]"
        except ShapeError:
            pass
    return ""


def _forward(
    layers: Sequence[Layer], x: Array, training: bool, noise: Sequence[Any]
) -> tuple[Array, list[Any]]:
    caches = []
    for layer, drawn in zip(layers, noise, strict=True):
        x, cache = layer.forward(x, training, drawn)
        caches.append(cache)
    return x, caches


def _backward(layers: Sequence[Layer], dy: Array, caches: Sequence[Any], need_dx: bool) -> Array | None:
    dx: Array | None = dy
    for i in range(len(layers) - 1, -1, -1):
        dx = layers[i].backward(dx, caches[i], need_dx or i > 0)  # type: ignore[arg-type]
    return dx
