"""Bidirectional and TimeDistributed: layers that lay another one along time."""

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from clearprop.arrays import Array, Shape, check_shape
from clearprop.errors import ConfigError
from clearprop.layers.base import Layer
from clearprop.layers.recurrent import Recurrent
from clearprop.layers.spec import layer_from, layer_spec

SIDES = ("forward", "backward")


class Bidirectional(Layer):
    """Two recurrent layers, one through time and one against it, their outputs side by side (Schuster & Paliwal 1997).

    With `return_sequences` the two states of each time step stand together; without it, the last state of the one
    and the other's state at the first time step, which is its last.

    Parameters
    ----------
    layer : Elman, LSTM, GRU or mapping
        Both directions have its settings, and parameters of their own: "forward.w", "backward.w", …

    Raises
    ------
    ConfigError
        If it is another layer.

    Examples
    --------
    >>> from clearprop.layers import LSTM
    >>> Bidirectional(LSTM(8)).output_shape((50, 3), "layer 0")
    (16,)
    """

    by_shards = False

    def __init__(self, layer: Recurrent | Mapping[str, Any]) -> None:
        found = layer_from(layer, "Bidirectional")
        if not isinstance(found, Recurrent):
            raise ConfigError(f"Bidirectional: expected a layer such as LSTM(8), Elman or GRU, got {found}.")
        self.layer = found
        self.sides = [copy(found), copy(found)]

    def settings(self) -> dict[str, Any]:
        return {"layer": layer_spec(self.layer)}

    def __repr__(self) -> str:
        return f"Bidirectional({self.layer})"

    def __copy__(self) -> Self:
        return type(self)(self.layer)

    def parts(self) -> Iterator[Layer]:
        yield self
        yield from self.sides

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        *time, units = self.layer.output_shape(input_shape, who)
        return (*time, 2 * units)

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        own = self.layer.param_shapes(input_shape)
        return {f"{side}.{name}": shape for side in SIDES for name, shape in own.items()}

    def bind(
        self,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        buffers: Mapping[str, Array] = MappingProxyType({}),
    ) -> None:
        for side, layer in zip(SIDES, self.sides, strict=True):
            layer.bind(_of_side(side, params), _of_side(side, grads))

    def init_params(self, rng: np.random.Generator) -> None:
        for layer in self.sides:
            layer.init_params(rng)

    def multiply_adds(self, input_shape: Shape) -> int:
        return 2 * self.layer.multiply_adds(input_shape)

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, tuple[Any, Any]]:
        y, cache = self.sides[0].forward(x)
        y_back, cache_back = self.sides[1].forward(x[:, ::-1])
        return np.concatenate((y, self._turn(y_back)), axis=-1), (cache, cache_back)

    def backward(self, dy: Array, cache: tuple[Any, Any], need_dx: bool = True) -> Array | None:
        units = self.layer.units
        dx = self.sides[0].backward(dy[..., :units], cache[0], need_dx)
        dx_back = self.sides[1].backward(self._turn(dy[..., units:]), cache[1], need_dx)
        return None if dx is None or dx_back is None else dx + dx_back[:, ::-1]

    def _turn(self, y: Array) -> Array:
        """All states the other way around in time; the last state as it is."""
        return y[:, ::-1] if self.layer.return_sequences else y


class TimeDistributed(Layer):
    """The same layer at every time step: (N, T, …) -> (N, T, …), with N and T as one axis inside.

    Parameters
    ----------
    layer : Layer or mapping

    Examples
    --------
    >>> from clearprop.layers import Dense
    >>> TimeDistributed(Dense(5)).output_shape((50, 10), "layer 1")
    (50, 5)
    """

    def __init__(self, layer: Layer | Mapping[str, Any]) -> None:
        self.layer = layer_from(layer, "TimeDistributed")
        self.by_shards = self.layer.by_shards

    def settings(self) -> dict[str, Any]:
        return {"layer": layer_spec(self.layer)}

    def __repr__(self) -> str:
        return f"TimeDistributed({self.layer})"

    def __copy__(self) -> Self:
        return type(self)(copy(self.layer))

    def expand(self) -> list[Layer]:
        return [TimeDistributed(part) for part in self.layer.expand()]

    def parts(self) -> Iterator[Layer]:
        yield self
        yield from self.layer.parts()

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        check_shape(who, "x", ("N", *input_shape), ("N", "T", "…"), "Leave TimeDistributed out.")
        return (input_shape[0], *self.layer.output_shape(input_shape[1:], f"{who}, its layer {self.layer}"))

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return self.layer.param_shapes(input_shape[1:])

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return self.layer.buffer_shapes(input_shape[1:])

    def bind(
        self,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        buffers: Mapping[str, Array] = MappingProxyType({}),
    ) -> None:
        self.layer.bind(params, grads, buffers)

    def init_params(self, rng: np.random.Generator) -> None:
        self.layer.init_params(rng)

    def draw_noise(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Any:
        N, T, *rest = shape
        drawn = self.layer.draw_noise((N * T, *rest), rng, dtype)
        return _each(drawn, lambda noise: noise.reshape(N, T, *noise.shape[1:]))

    def multiply_adds(self, input_shape: Shape) -> int:
        return input_shape[0] * self.layer.multiply_adds(input_shape[1:])

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Any]:
        y, cache = self.layer.forward(_fold(x), training, _each(noise, _fold))
        return y.reshape(*x.shape[:2], *y.shape[1:]), cache

    def backward(self, dy: Array, cache: Any, need_dx: bool = True) -> Array | None:
        dx = self.layer.backward(_fold(dy), cache, need_dx)
        return None if dx is None else dx.reshape(*dy.shape[:2], *dx.shape[1:])


def _of_side(side: str, views: Mapping[str, Array]) -> dict[str, Array]:
    return {name.partition(".")[2]: view for name, view in views.items() if name.startswith(f"{side}.")}


def _fold(x: Array) -> Array:
    """(N, T, …) -> (N·T, …)"""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _each(noise: Any, change: Callable[[Array], Array]) -> Any:
    """The change made to each array of what a layer has drawn."""
    if isinstance(noise, list):
        return [_each(part, change) for part in noise]
    return None if noise is None else change(noise)
