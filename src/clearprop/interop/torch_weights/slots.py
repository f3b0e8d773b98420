"""A network's layers with weights, each with the order in which PyTorch has the numbers that come to it.

Images are (H, W, C) here and (C, H, W) there. Where an image is flattened, what follows sees its numbers in another
order; where a row is made an image, what comes before must give them in another one.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Shape
from clearprop.interop.torch_weights import turns
from clearprop.interop.torch_weights.turns import Order, Slot
from clearprop.layers import (
    Activation,
    AvgPool1D,
    BatchNorm,
    Bidirectional,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GroupNorm,
    Layer,
    LayerNorm,
    MaxPool1D,
    Reshape,
    Residual,
    TimeDistributed,
)
from clearprop.layers.norm import Normalization
from clearprop.layers.recurrent import Recurrent
from clearprop.model import Sequential


class Here(NamedTuple):
    """What goes into a layer."""

    shape: Shape
    turned: bool | None = None  # of (T, C): whether it is (C, T) in PyTorch; None where nothing has told yet
    order: Order = None  # of the features of a row or of (T, D)
    doubt: str = (
        ""  # why PyTorch may have the numbers in another order, for the next layer with weights to say
    )


def slots_of(model: Sequential) -> list[Slot]:
    """The layers that want weights, in their order; one that PyTorch does not have says why."""
    names = [str(i) for i in range(len(model.layers))]
    return list(_walk(model.layers, names, Here(model.input_shape)))


def _walk(
    layers: Sequence[Layer], names: Sequence[str], here: Here, at_end: Order = None
) -> Generator[Slot, None, Here]:
    """`at_end` is the order in which the last row has to come out; returns what does come out."""
    for i, (layer, name) in enumerate(zip(layers, names, strict=True)):
        rest = layers[i + 1 :]
        if isinstance(layer, Residual):
            here = yield from _residual(layer, name, here, _wanted(rest, at_end))
        elif isinstance(layer, TimeDistributed):
            wanted = _wanted(_at_each_step(rest), None)
            end = yield from _walk([layer.layer], [name], here._replace(shape=here.shape[1:]), wanted)
            here = Here((here.shape[0], *end.shape), False, end.order, end.doubt)
        else:
            after = _wanted(rest, at_end) if isinstance(layer, Dense) else None
            if layer.param_shapes(here.shape):
                slot = _slot(name, layer, here, after)
                yield replace(slot, notes=(here.doubt, *slot.notes)) if here.doubt else slot
                here = here._replace(doubt="")
            here = _next(layer, here, after, rest)
    return here


def _residual(layer: Residual, name: str, here: Here, after: Order) -> Generator[Slot, None, Here]:
    """Two ways whose rows are added, so that both must come out in one order."""
    n, names = len(layer.layers), [f"{name}.{i}" for i in range(len(layer.inner))]
    same = after if layer.shortcut else here.order
    end = yield from _walk(layer.layers, names[:n], here, same)
    past = yield from _walk(layer.shortcut, names[n:], here._replace(doubt=""), same)
    doubt = end.doubt or ("" if _equal(end.order, past.order) else _doubt(layer))
    return end._replace(turned=end.turned or past.turned, doubt=doubt)


def _at_each_step(layers: Sequence[Layer]) -> list[Layer]:
    """What the next layers do at a time step, as long as they are TimeDistributed."""
    found = []
    for layer in layers:
        if not isinstance(layer, TimeDistributed):
            break
        found.append(layer.layer)
    return found


def _slot(name: str, layer: Layer, here: Here, after: Order) -> Slot:
    shape = here.shape
    if isinstance(layer, Dense):
        return turns.dense(name, layer, shape, here.order, after)
    if isinstance(layer, Recurrent | Bidirectional):
        return turns.recurrent(name, layer, shape, here.order)
    if isinstance(layer, LayerNorm) and layer.axes == len(shape) > 1:
        return turns.norm(name, layer, shape, _theirs(here), _flat(here))
    if isinstance(layer, BatchNorm | LayerNorm):
        return turns.norm(name, layer, shape, layer.param_shapes(shape)["gamma"], here.order)
    if here.order is None and isinstance(layer, GroupNorm):
        return turns.norm(name, layer, shape, shape[-1:], None)
    if here.order is None and isinstance(layer, Conv1D | Conv2D | ConvTranspose2D):
        return turns.conv(name, layer, shape)
    if here.order is None and isinstance(layer, Embedding):
        return turns.embedding(name, layer)
    return turns.nothing(name, layer, shape, "PyTorch has nothing like it at this place.")


def _next(layer: Layer, here: Here, after: Order, rest: Sequence[Layer]) -> Here:
    shape = layer.output_shape(here.shape, "")
    if isinstance(layer, Flatten | Reshape):
        return _reshaped(layer, here, shape, rest)
    if isinstance(layer, Dense):
        return Here(shape, order=after)
    if isinstance(layer, BatchNorm | GroupNorm) and here.turned is None:
        return here._replace(turned=True)
    if isinstance(layer, Activation | Dropout | Normalization):
        return here
    along = isinstance(layer, Conv1D | MaxPool1D | AvgPool1D)
    fresh = isinstance(layer, Recurrent | Bidirectional | Embedding | Conv1D)
    return Here(shape, along, None if fresh else here.order, here.doubt)


def _reshaped(layer: Layer, here: Here, shape: Shape, rest: Sequence[Layer]) -> Here:
    """Each side keeps its own order of numbers; they agree, or what follows cannot be known."""
    flat = _flat(here)
    if len(shape) == 1:
        return Here(shape, order=flat, doubt=here.doubt)
    likely = _is_turned(rest)
    for turned in (likely, not likely):
        if _equal(flat, _flat(Here(shape, turned))):
            return Here(shape, turned, doubt=here.doubt)
    return Here(shape, doubt=_doubt(layer))


def _doubt(layer: Layer) -> str:
    return f"{layer} before it takes numbers whose channels are last; in PyTorch they must be so there, too."


def _wanted(rest: Sequence[Layer], at_end: Order) -> Order:
    """The order in which a row must come out, for the image that is made of it."""
    for i, layer in enumerate(rest):
        if isinstance(layer, Reshape) and len(layer.shape) > 1:
            return _flat(Here(layer.shape, _is_turned(rest[i + 1 :])))
        keeps = isinstance(layer, Activation | Dropout | BatchNorm | LayerNorm | Flatten | Reshape)
        if not keeps and not (isinstance(layer, Residual) and not layer.shortcut):
            return None
    return at_end


def _is_turned(rest: Sequence[Layer]) -> bool:
    """Whether (T, C) is (C, T) in PyTorch, by the first layer that tells."""
    for layer in rest:
        if isinstance(layer, Residual):
            return _is_turned(layer.layers)
        if not isinstance(layer, Activation | Dropout):
            return isinstance(layer, Conv1D | MaxPool1D | AvgPool1D | BatchNorm | GroupNorm)
    return False


def _theirs(here: Here) -> Shape:
    """PyTorch's shape of the same numbers."""
    *places, channels = here.shape
    at = _channels_at(here)
    return (*places[:at], channels, *places[at:])


def _channels_at(here: Here) -> int:
    """The axis of the channels in PyTorch: of images, alone or along time, before the last two."""
    n = len(here.shape)
    return 0 if n == 2 and here.turned else n - 1 if n < 3 else n - 3


def _flat(here: Here) -> Order:
    """Where each number of ours stands in PyTorch's order."""
    places = np.arange(prod(here.shape)).reshape(_theirs(here))
    ours = np.moveaxis(places, _channels_at(here), -1)
    flat = (ours if here.order is None else ours[..., here.order]).reshape(-1)
    return None if (flat[1:] > flat[:-1]).all() else flat


def _equal(a: Order, b: Order) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))
