"""How PyTorch keeps what a layer of ours keeps: names, shapes, and the way from its arrays to ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.layers import GRU, Bidirectional, Conv1D, Conv2D, ConvTranspose2D, Elman, Embedding, Layer
from clearprop.layers.norm import BatchNorm, Normalization
from clearprop.layers.recurrent import Recurrent
from clearprop.layers.sequences import SIDES

Arrays = dict[str, Array]
Order = (
    Array | None
)  # which of PyTorch's features stands at each place of ours; None where the order is the same
EPS, MOMENTUM = 1e-5, 0.1  # PyTorch's defaults


@dataclass(frozen=True)
class Slot:
    """A layer that wants weights, as PyTorch would keep them."""

    name: str  # "3", or "3.0" inside a Residual
    layer: Layer
    shapes: Mapping[str, Shape]  # PyTorch's, by its names
    sources: Mapping[str, tuple[str, ...]]  # our arrays, and what each is made of
    turn: Callable[[Arrays], Arrays]  # PyTorch's arrays -> ours
    optional: Mapping[str, float] = field(default_factory=dict)  # what may be absent, and what stands for it
    notes: tuple[str, ...] = ()
    refusal: str = ""  # why PyTorch has no such layer

    @property
    def arrays(self) -> list[str]:
        """Our arrays by their whole names."""
        return [f"{self.name}.{own}" for own in self.sources]


def nothing(name: str, layer: Layer, shape: Shape, why: str) -> Slot:
    """A layer that PyTorch does not have: it may keep its own weights, and no more."""
    sources = dict.fromkeys(layer.param_shapes(shape), ("",))
    return Slot(name, layer, {}, sources, dict, refusal=f"PyTorch's weights: layer {name}, {layer}: {why}")


def dense(name: str, layer: Layer, shape: Shape, before: Order, after: Order) -> Slot:
    """(out, in) -> (in, out), the features in our order."""
    n_in, n_out = layer.param_shapes(shape)["w"]

    def turn(given: Arrays) -> Arrays:
        return {"w": _take(_take(given["weight"], after).T, before), "b": _take(given["bias"], after)}

    shapes = {"weight": (n_out, n_in), "bias": (n_out,)}
    return Slot(name, layer, shapes, {"w": ("weight",), "b": ("bias",)}, turn, {"bias": 0.0})


def embedding(name: str, layer: Embedding) -> Slot:
    """As it is."""
    shapes = {"weight": (layer.vocabulary, layer.units)}
    return Slot(name, layer, shapes, {"w": ("weight",)}, lambda given: {"w": given["weight"]})


def conv(name: str, layer: Conv1D | Conv2D | ConvTranspose2D, shape: Shape) -> Slot:
    """(F, C / groups, KH, KW) -> (KH, KW, C / groups, F); of a transposed one, (C, F / groups, KH, KW)."""
    *kernel, one, last = layer.param_shapes(shape)["w"]

    def turn(given: Arrays) -> Arrays:
        w = given["weight"]
        return {"w": w.transpose(*range(2, w.ndim), 1, 0), "b": given["bias"]}

    notes = []
    pads = layer.pads(shape)
    if any(a != b for a, b in pads):
        notes.append(f"pads {pads} here, while PyTorch's convolutions pad both sides alike.")
    shapes = {"weight": (last, one, *kernel), "bias": (layer.filters,)}
    sources = {"w": ("weight",), "b": ("bias",)}
    return Slot(name, layer, shapes, sources, turn, {"bias": 0.0}, tuple(notes))


def norm(name: str, layer: Normalization, shape: Shape, theirs: Shape, order: Order) -> Slot:
    """gamma and beta of PyTorch's shape `theirs`; a batch norm's running statistics, too."""
    ours = layer.param_shapes(shape)["gamma"]
    sources = {"gamma": ("weight",), "beta": ("bias",)}
    notes = []
    if layer.eps != EPS:
        notes.append(f"eps is {layer.eps:g} here; PyTorch's default is {EPS:g}, and the file does not tell.")
    if isinstance(layer, BatchNorm):
        sources |= {"running_mean": ("running_mean",), "running_var": ("running_var",)}
        if round(1 - layer.momentum, 9) != MOMENTUM:
            notes.append(
                f"momentum {layer.momentum:g} is PyTorch's {1 - layer.momentum:g}; its default is {MOMENTUM}. "
                "It matters for training alone."
            )

    def turn(given: Arrays) -> Arrays:
        return {
            own: _take(given[source[0]].reshape(-1), order).reshape(ours) for own, source in sources.items()
        }

    shapes = {source[0]: theirs for source in sources.values()}
    return Slot(name, layer, shapes, sources, turn, {"weight": 1.0, "bias": 0.0}, tuple(notes))


def recurrent(name: str, layer: Recurrent | Bidirectional, shape: Shape, before: Order) -> Slot:
    """Gates in PyTorch's order are ours; its two biases are one, but for the candidate of a GRU."""
    one = layer.layer if isinstance(layer, Bidirectional) else layer
    assert isinstance(one, Recurrent)
    if isinstance(one, GRU) and one.reset == "before":
        why = 'PyTorch\'s GRU resets after the product. Build the layer with reset="after".'
        return nothing(name, layer, shape, why)
    n_in, columns = one.param_shapes(shape)["w"]
    each = {"weight_ih": (columns, n_in), "weight_hh": (columns, one.units)} | dict.fromkeys(
        ("bias_ih", "bias_hh"), (columns,)
    )
    own = {"w": ("weight_ih",), "u": ("weight_hh",), "b": ("bias_ih", "bias_hh")}
    own |= {"bu": ("bias_hh",)} if isinstance(one, GRU) else {}
    ways = {f"{side}.": end for side, end in zip(SIDES, ("", "_reverse"), strict=True)}
    ways = ways if isinstance(layer, Bidirectional) else {"": ""}

    def turn(given: Arrays) -> Arrays:
        found: Arrays = {}
        for way, end in ways.items():
            w, u, b, bh = (given[kept + end] for kept in each)
            here = {"w": _take(w.T, before), "u": u.T}
            if isinstance(one, GRU):  # n = tanh(x w + b + r ⊙ (h u + bu))
                here["bu"] = bh[-one.units :]
                bh = np.concatenate((bh[: -one.units], np.zeros_like(here["bu"])))
            found |= {way + k: a for k, a in (here | {"b": b + bh}).items()}
        return found

    notes: tuple[str, ...] = ()
    if isinstance(one, Elman) and one.activation not in ("tanh", "relu"):
        notes = (f"computes {one.activation}, while PyTorch's RNN has tanh and relu.",)
    return Slot(
        name,
        layer,
        {kept + end: s for end in ways.values() for kept, s in each.items()},
        {way + k: tuple(kept + end for kept in made) for way, end in ways.items() for k, made in own.items()},
        turn,
        {f"bias_{part}{end}": 0.0 for end in ways.values() for part in ("ih", "hh")},
        notes,
    )


def _take(a: Array, order: Order) -> Array:
    return a if order is None else a[order]
