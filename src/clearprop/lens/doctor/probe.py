"""One pass forward and backward on a copy of the network, with what each layer gives measured on the way."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.layers import Activation, Bidirectional, Elman, Layer
from clearprop.layers.recurrent import Recurrent
from clearprop.layers.sequences import SIDES
from clearprop.lens.doctor.gates import Gate, gates_of, sigmoid_at_ends, tanh_at_ends
from clearprop.losses import Loss
from clearprop.model import Sequential

RECTIFIED = ("relu",)
SQUASHED = ("sigmoid", "tanh")


@dataclass
class Seen:
    """One layer in the pass. Shares are of its units (dead, always_on) or of its outputs (saturated)."""

    index: int
    place: str  # "layer 1, Activation('relu')"
    layer: Layer
    last: bool  # whether its output is the network's
    kind: str = ""  # relu, sigmoid or tanh, where the layer is one of them
    x_largest: float = 0.0
    y_largest: float = 0.0  # NaN or infinite, if any output is
    units: int = 0
    dead: float = 0.0
    always_on: float = 0.0
    saturated: float = 0.0
    gates: list[Gate] = field(default_factory=list)  # of an LSTM or a GRU
    steps: int = 0  # in time, of a recurrent layer
    dy_largest: float = 0.0
    dx_largest: float = 0.0
    through_time: list[float] = field(default_factory=list)  # norm of dx at each time step


class Pass(NamedTuple):
    """What a pass has shown."""

    scores: Array
    losses: Array  # one a row
    loss: float
    seen: list[Seen]
    params: Mapping[str, Array]
    grads: Mapping[str, Array]  # of the mean loss
    dscores_largest: float


def without_noise(model: Sequential) -> Sequential:
    """A copy in which nothing is drawn at random in training: no dropout, no shifted pictures."""
    twin = model.copy()
    for layer in twin.layers:
        for part in layer.parts():
            part.draw_noise = _silence  # type: ignore[method-assign,assignment]
    return twin


def _silence(*_: Any) -> None:
    return None


def look(model: Sequential, loss: Loss, x: Array, y: Array, training: bool = True) -> Pass:
    """Forward and backward on these rows, without noise; the network itself stays as it is."""
    twin = without_noise(model)
    seen = [one for i in range(len(twin.layers)) for one in _watched(twin, i)]
    with np.errstate(all="ignore"):
        scores, caches = twin.forward(x, training=training)
        losses, dscores = loss(scores, y)
        dscores *= 1 / len(x)
        largest = largest_size(dscores)
        twin.backward(dscores, caches, need_dx=True)
    return Pass(
        scores, losses, float(losses.mean()), seen, twin.named_params(), twin.named_grads(), largest
    )  # fmt: skip


def _watched(twin: Sequential, index: int) -> list[Seen]:
    """The records of a layer, or of those inside it, which fill themselves in as the pass goes through."""
    layer = twin.layers[index]
    leaves = _leaves(layer)
    records = list[Seen]()
    for inside, leaf in leaves.items():
        last = index == len(twin.layers) - 1 and len(records) == len(leaves) - 1
        seen = Seen(index, f"layer {index}, {layer}{inside}", leaf, last, _kind(leaf))
        _watch(leaf, seen)
        records.append(seen)
    return records


def _leaves(layer: Layer) -> dict[str, Layer]:
    """A layer by "", or those inside it by their place: ", its Dense(8)", ", its LSTM(8) forward"."""
    leaves = [part for part in layer.parts() if len(list(part.parts())) == 1]
    if leaves == [layer]:
        return {"": layer}
    sides = {
        id(side): f" {name}"
        for part in layer.parts()
        if isinstance(part, Bidirectional)
        for side, name in zip(part.sides, SIDES, strict=True)
    }
    names = [f", its {leaf}{sides.get(id(leaf), '')}" for leaf in leaves]
    of, met, found = Counter(names), Counter[str](), {}
    for name, leaf in zip(names, leaves, strict=True):
        met[name] += 1
        found[f"{name}, {met[name]} of {of[name]}" if of[name] > 1 else name] = leaf
    return found


def _kind(layer: Layer) -> str:
    name = (
        layer.name if isinstance(layer, Activation) else layer.activation if isinstance(layer, Elman) else ""
    )
    return name if name in (*RECTIFIED, *SQUASHED) else ""


def _watch(layer: Layer, seen: Seen) -> None:
    """Put measuring around the layer's own forward and backward; the layer is a copy that nobody else has."""
    forward, backward = layer.forward, layer.backward

    def forward_seen(x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Any]:
        y, cache = forward(x, training, noise)
        seen.x_largest, seen.y_largest = largest_size(x), largest_size(y)
        if seen.kind and not isinstance(layer, Recurrent):
            measure_units(seen, y)
        seen.gates = gates_of(cache)
        seen.steps = x.shape[1] if isinstance(layer, Recurrent) else 0
        return y, cache

    def backward_seen(dy: Array, cache: Any, need_dx: bool = True) -> Array | None:
        seen.dy_largest = largest_size(dy)
        dx = backward(dy, cache, need_dx)
        if dx is not None:
            seen.dx_largest = largest_size(dx)
            if isinstance(layer, Recurrent):
                seen.through_time = [float(np.linalg.norm(dx[:, t])) for t in range(dx.shape[1])]
        return dx

    layer.forward, layer.backward = forward_seen, backward_seen  # type: ignore[method-assign]
    if isinstance(layer, Elman):
        layer.run = _states_seen(layer.run, seen)  # type: ignore[method-assign]


def _states_seen(run: Callable[..., tuple[Array, Any]], seen: Seen) -> Callable[..., tuple[Array, Any]]:
    """An Elman layer's states are its activation's outputs, at every time step."""

    def states(x: Array, h0: Array) -> tuple[Array, Any]:
        hs, cache = run(x, h0)
        if seen.kind:
            measure_units(seen, hs)
        return hs, cache

    return states


def measure_units(seen: Seen, y: Array) -> None:
    """The shares of dead, always active and saturated units in an activation's output, y: (…, units)."""
    rows = y.reshape(-1, y.shape[-1])
    seen.units = rows.shape[1]
    if seen.kind in RECTIFIED:
        on = rows > 0
        seen.dead = 1 - float(on.any(axis=0).mean())
        seen.always_on = float(on.all(axis=0).mean())
    elif seen.kind == "tanh":
        seen.saturated = tanh_at_ends(rows)
    else:
        seen.saturated = sigmoid_at_ends(rows)


def largest_size(values: Array) -> float:
    """The largest absolute value; NaN if one is not finite."""
    if not values.size:
        return 0.0
    low, high = float(values.min()), float(values.max())
    return max(abs(low), abs(high)) if isfinite(low) and isfinite(high) else float("nan")
