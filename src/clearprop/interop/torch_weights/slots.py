"""A network's layers with weights, each with the order in which PyTorch has the numbers that come to it.

Images are (H, W, C) here and (C, H, W) there. Where an image is flattened, what follows sees its numbers in another
order; where a row is made an image, what comes before must give them in another one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Shape
from clearprop.errors import ConfigError
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
    turned: bool = False  # of (T, C): whether it is (C, T) in PyTorch
    order: Order = None  # of a row


def slots_of(model: Sequential) -> list[Slot]:
    """The layers that want weights, in their order.

    Raises
    ------
    ConfigError
        For a layer that PyTorch does not have.
    """
    return list(_walk(model.layers, Here(model.input_shape), ""))


def _walk(layers: Sequence[Layer], here: Here, prefix: str, at_end: Order = None) -> Iterator[Slot]:
    """`at_end` is the order in which the last row has to come out."""
    for i, layer in enumerate(layers):
        name = f"{prefix}{i}"
        after = _wanted(layers[i + 1 :], at_end) if isinstance(layer, Dense) else None
        if isinstance(layer, Residual):
            n, same = len(layer.layers), here.order if not layer.shortcut else None
            yield from _walk(layer.layers, here, f"{name}.", same)
            for slot in _walk(layer.shortcut, here, f"{name}."):
                inner, _, rest = slot.name.removeprefix(f"{name}.").partition(".")
                yield replace(slot, name=f"{name}.{int(inner) + n}{'.' * bool(rest)}{rest}")
        elif isinstance(layer, TimeDistributed):
            for slot in _walk([layer.layer], Here(here.shape[1:]), ""):
                yield replace(slot, name=name)
        elif layer.param_shapes(here.shape):
            yield _slot(name, layer, here, after)
        here = _next(layer, here, after)


def _slot(name: str, layer: Layer, here: Here, after: Order) -> Slot:
    shape = here.shape
    if isinstance(layer, Dense):
        return turns.dense(name, layer, shape, here.order, after)
    if isinstance(layer, Conv1D | Conv2D | ConvTranspose2D):
        return turns.conv(name, layer, shape)
    if isinstance(layer, Embedding):
        return turns.embedding(name, layer)
    if isinstance(layer, Recurrent | Bidirectional):
        return turns.recurrent(name, layer, shape)
    if isinstance(layer, Normalization) and not (isinstance(layer, GroupNorm) and here.order is not None):
        if isinstance(layer, LayerNorm) and layer.axes == len(shape) > 1:
            return turns.norm(name, layer, shape, _theirs(here), _order(here))
        return turns.norm(name, layer, shape, layer.param_shapes(shape)["gamma"], here.order)
    raise ConfigError(
        f"load_torch_weights: layer {name}, {layer}: PyTorch has nothing like it at this place."
    )


def _next(layer: Layer, here: Here, after: Order) -> Here:
    shape = layer.output_shape(here.shape, "")
    if isinstance(layer, Flatten) or (isinstance(layer, Reshape) and len(shape) == 1 < len(here.shape)):
        return Here(shape, order=_order(here) if len(here.shape) > 1 else here.order)
    if isinstance(layer, Dense):
        return Here(shape, order=after)
    if isinstance(layer, Activation | Dropout | Normalization | Residual):
        return here._replace(shape=shape, order=here.order if shape == here.shape else None)
    return Here(shape, turned=isinstance(layer, Conv1D | MaxPool1D | AvgPool1D))


def _wanted(rest: Sequence[Layer], at_end: Order) -> Order:
    """The order in which a row must come out, for the image that is made of it."""
    for layer in rest:
        if isinstance(layer, Reshape) and len(layer.shape) > 2:
            return _order(Here(layer.shape))
        if not isinstance(layer, Activation | Dropout | BatchNorm | LayerNorm):
            return None
    return at_end


def _theirs(here: Here) -> Shape:
    """PyTorch's shape of the same numbers."""
    *places, channels = here.shape
    if len(places) > 2:  # images along time
        return (*places[:-2], channels, *places[-2:])
    return (channels, *places) if len(places) == 2 or here.turned else here.shape


def _order(here: Here) -> Order:
    """Where each number of ours stands in PyTorch's order."""
    theirs = _theirs(here)
    if theirs == here.shape or here.shape[-1] == 1 or prod(here.shape[-3:-1]) == 1:
        return None
    places = np.arange(prod(theirs)).reshape(theirs)
    return np.moveaxis(places, max(len(theirs) - 3, 0), -1).reshape(-1)
