"""A network's own forward and backward pass, with every layer's arrays noted down, also of layers inside others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from clearprop.arrays import Array
from clearprop.layers import Bidirectional, Layer, Residual, TimeDistributed
from clearprop.model import Sequential


@dataclass(eq=False)
class Call:
    """One call of a layer's `forward`."""

    layer: Layer
    path: str  # as parameters' names begin: "3", or "3.0" inside layer 3
    x: Array
    y: Array
    cache: Any
    inside: list["Call"] = field(default_factory=list)


@dataclass(eq=False)
class BackCall:
    """One call of a layer's `backward`, and what it wrote."""

    layer: Layer
    path: str
    dy: Array
    dx: Array | None
    grads: dict[str, Array]
    inside: list["BackCall"] = field(default_factory=list)


class Recorder:
    """A copy of a network, whose passes are noted down; of the network itself nothing changes."""

    def __init__(self, model: Sequential) -> None:
        self.model = model.copy()
        self.calls: list[Call] = []
        self.back_calls: list[BackCall] = []
        self.forward_of: dict[int, Call] = {}  # by the layer's id
        self.back_of: dict[int, BackCall] = {}
        for i, layer in enumerate(self.model.layers):
            self._watch(layer, str(i))

    def _watch(self, layer: Layer, path: str) -> None:
        for inner_path, inner in insides(layer, path):
            self._watch(inner, inner_path)
        forward, backward = layer.forward, layer.backward

        def run(x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Any]:
            outside, self.calls = self.calls, []
            y, cache = forward(x, training, noise)
            call = Call(layer, path, x, y, cache, self.calls)
            self.calls = [*outside, call]
            self.forward_of[id(layer)] = call
            return y, cache

        def run_back(dy: Array, cache: Any, need_dx: bool = True) -> Array | None:
            outside, self.back_calls = self.back_calls, []
            dx = backward(dy, cache, need_dx)
            grads = {name: gradient.copy() for name, gradient in self._own(layer, path).items()}
            call = BackCall(layer, path, dy, dx, grads, self.back_calls)
            self.back_calls = [*outside, call]
            self.back_of[id(layer)] = call
            return dx

        layer.__dict__ |= {"forward": run, "backward": run_back}

    def _own(self, layer: Layer, path: str) -> dict[str, Array]:
        """The gradients that the layer itself, not one inside it, has written."""
        if any(insides(layer, path)):
            return {}
        return own(self.model.named_grads(), path)


def own(named: Mapping[str, Array], path: str) -> dict[str, Array]:
    """A layer's arrays out of a network's, by their own names.

    >>> import numpy as np
    >>> list(own({"0.w": np.ones(1), "1.w": np.ones(1), "1.0.w": np.ones(1)}, "1"))
    ['w']
    """
    parts = ((name.rpartition("."), array) for name, array in named.items())
    return {name: array for (where, _, name), array in parts if where == path}


def insides(layer: Layer, path: str) -> Iterator[tuple[str, Layer]]:
    """The layers that a layer holds, each with what its parameters' names begin with."""
    if isinstance(layer, Residual):
        yield from ((f"{path}.{i}", inner) for i, inner in enumerate(layer.inner))
    elif isinstance(layer, Bidirectional):
        yield from (
            (f"{path}.{side}", inner)
            for side, inner in zip(("forward", "backward"), layer.sides, strict=True)
        )
    elif isinstance(layer, TimeDistributed):
        yield path, layer.layer
