"""Layer: what every layer is. It holds settings and parameters and leaves the mathematics to its kernel."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.messages.calls import in_a_sentence


class Layer(ABC):
    """The base of all layers.

    A layer is described by its settings alone. `Sequential` copies it, asks for `param_shapes`, and binds it to
    views of the model's flat vectors: parameter "w" becomes the attributes `w` and `dw`.
    Shapes leave out the batch axis.

    Attributes
    ----------
    by_shards : bool
        Whether the layer is best computed on a few examples at a time, whose numbers stay in the cache. Dense
        layers are not: their products are the faster the more rows they have.
    on_images : bool
        Whether the layer looks at x as images (N, H, W, C).
    over_batch : bool
        Whether an example's output depends on the others in its mini-batch. `total` then adds an array up over
        all shards of the mini-batch; it is set by whoever cuts the batch.
    """

    by_shards: bool = True
    on_images: ClassVar[bool] = False
    over_batch: bool = False
    total: Callable[[Array], Array] = staticmethod(lambda sums: sums)

    @in_a_sentence
    def __init__(self) -> None:
        """Without settings."""
        return

    def __init_subclass__(cls) -> None:
        if "__init__" in vars(cls):
            cls.__init__ = in_a_sentence(cls.__init__)  # type: ignore[method-assign]

    _bound: Mapping[str, Array] = MappingProxyType({})  # the views, which a copy gets from its own network

    @abstractmethod
    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        """The shape that comes out for a shape that goes in; `who` opens the sentence when it cannot."""

    @abstractmethod
    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Any]:
        """y, cache of a batch x of shape (N, *input_shape). `noise` is what `draw_noise` has drawn."""

    @abstractmethod
    def backward(self, dy: Array, cache: Any, need_dx: bool = True) -> Array | None:
        """dx, from dy in y's shape; writes the parameters' gradients. Without need_dx, None where that saves work."""

    def check_input(self, x: Array, who: str, first: int = 0) -> None:
        """Refuse, before anything is computed, an x that cannot go in; `first` is the number of its first row."""
        return

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments as plain values that make the same layer; defaults may be left out."""
        return {}

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """The parameters' names and shapes, in their order in the flat vector."""
        return {}

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Names and shapes of what is learned without a gradient, such as running statistics."""
        return {}

    def init_params(self, rng: np.random.Generator) -> None:
        """Draw the bound parameters, and set the buffers."""
        return

    def draw_noise(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Any:
        """What a training pass over an input of this shape (N, …) draws at random, if it does.

        An array with N rows, or a list of such and None.
        """
        return None

    def multiply_adds(self, input_shape: Shape) -> int:
        """Multiply-add operations of one example's forward pass, matrix products alone."""
        return 0

    def expand(self) -> list["Layer"]:
        """The layers that this one stands for: itself, or itself and its activation."""
        return [copy(self)]

    def leaves(self, input_shape: Shape) -> "Iterator[tuple[Layer, Shape]]":
        """Where the work is done: this layer, or those inside it, each with what goes into it."""
        yield self, input_shape

    def parts(self) -> "Iterator[Layer]":
        """This layer, and those inside it."""
        yield self

    def bind(
        self,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        buffers: Mapping[str, Array] = MappingProxyType({}),
    ) -> None:
        """Take views of the parameters, their gradients and the buffers, to be read and written in place."""
        self._bound = dict(params) | {"d" + n: view for n, view in grads.items()} | dict(buffers)
        self.__dict__ |= self._bound

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in self._bound and name != "_bound"
        }

    def __repr__(self) -> str:
        given = self.settings()
        words = [
            repr(value) if i == 0 else f"{key}={value!r}" for i, (key, value) in enumerate(given.items())
        ]
        return f"{type(self).__name__}({', '.join(words)})"


def leaves_of(layers: Sequence[Layer], shapes: Sequence[Shape]) -> list[tuple[Layer, Shape]]:
    """The leaves of a network's layers, each with what goes into it; shapes as `Sequential` has them."""
    return [leaf for layer, shape in zip(layers, shapes, strict=False) for leaf in layer.leaves(shape)]


def multiply_adds(layers: Sequence[Layer], shapes: Sequence[Shape]) -> int:
    """Of one example's way forward through a network's layers."""
    return sum(layer.multiply_adds(shape) for layer, shape in zip(layers, shapes, strict=False))
