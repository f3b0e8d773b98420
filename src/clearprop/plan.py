"""Plan: a network before any of its numbers exist, where one that cannot be is refused."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from clearprop.arrays import Shape, shape_text
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers import Layer
from clearprop.layers.remedies import check_channels_last, next_shape
from clearprop.names import check_count, shown
from clearprop.params import Layout, numbered


def as_input_shape(shape: Any) -> Shape:
    """One example's shape, or a sentence."""
    if not isinstance(shape, Sequence) or isinstance(shape, str) or not shape:
        raise ShapeError(
            "Sequential: expected input_shape to be a tuple of one example's sizes, such as (784,), got "
            + f"{shown(shape)}."
            + f" Write ({shape},)." * isinstance(shape, int)
            + " Write input_shape=x.shape[1:]." * hasattr(shape, "shape")
        )
    if shape[0] in (None, -1) and len(shape) > 1:
        one = shape_text(shape[1:])
        raise ShapeError(
            f"Sequential: expected one example's input_shape, got {tuple(shape)}. Leave the batch axis out: {one}."
        )
    return tuple(check_count("Sequential", "input_shape", n) for n in shape)


class Plan(NamedTuple):
    """A network before any of its numbers exist."""

    layers: list[Layer]  # after expansion
    shapes: list[Shape]  # between them, and at both ends
    params: Layout
    buffers: Layout


def plan(layers: Any, input_shape: Shape) -> Plan:
    """The expanded layers, the shapes between them, and where parameters and buffers lie; nothing is allocated.

    Raises
    ------
    ShapeError
        If a layer cannot take what the one before it gives.
    """
    expanded = _expand(layers)
    shapes = [input_shape]
    for i, layer in enumerate(expanded):
        if shapes[-1] == input_shape and any(part.on_images for part in layer.parts()):
            check_channels_last(f"layer {i}, {layer}", input_shape)
        shapes.append(next_shape(expanded, shapes, "layer"))
    params = [layer.param_shapes(shape) for layer, shape in zip(expanded, shapes[:-1], strict=True)]
    buffers = [layer.buffer_shapes(shape) for layer, shape in zip(expanded, shapes[:-1], strict=True)]
    return Plan(expanded, shapes, Layout(numbered(params)), Layout(numbered(buffers)))


def _expand(layers: Any) -> list[Layer]:
    if not isinstance(layers, Sequence) or not layers:
        raise ConfigError(f"Sequential: expected a list of at least one layer, got {shown(layers)}.")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            hint = " Put () behind its name." if isinstance(layer, type) and issubclass(layer, Layer) else ""
            raise ConfigError(
                f"Sequential: expected layer {i} to be a Layer such as Dense(10), got {layer!r}.{hint}"
            )
    return [part for layer in layers for part in layer.expand()]
