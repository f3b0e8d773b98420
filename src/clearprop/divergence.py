"""Where a loss that is not finite came from."""

from collections.abc import Sequence

import numpy as np

from clearprop.arrays import Array
from clearprop.losses import Loss
from clearprop.model import Sequential


def where_not_finite(model: Sequential, loss: Loss, x: Array, noise: Sequence[Array | None]) -> str:
    """The first layer whose output is not finite on this batch, and the largest value before it, in a sentence."""
    if place := params_not_finite(model):
        return place
    largest, place = float(np.abs(x).max(initial=0)), "x"
    twin = model.copy()  # so that no running statistics move
    for i, (layer, drawn) in enumerate(zip(twin.layers, noise, strict=True)):
        x, _ = layer.forward(x, True, drawn)
        if not np.isfinite(x).all():
            return (
                f"the first output that is not finite is that of layer {i}, {layer}; "
                f"the largest value before it was {largest:.3g}, in {place}"
            )
        top = float(np.abs(x).max(initial=0))
        if top > largest:
            largest, place = top, f"the output of layer {i}, {layer}"
    return f"every layer's output is finite, the largest value being {largest:.3g}, in {place}; {loss.name} is not"


def params_not_finite(model: Sequential) -> str:
    """The first parameter that is not finite, its layer, and the largest one that still is; "" if all are."""
    finite = np.isfinite(model.params)
    if finite.all():
        return ""
    first = model.layout.name_at(int(np.argmin(finite)))
    layer, largest = int(first.partition(".")[0]), np.abs(model.params[finite]).max(initial=0)
    return (
        f"{first} is not finite since the last update, "
        f"so the first output that is not finite is that of layer {layer}, {model.layers[layer]}; "
        f"the largest finite parameter is {float(largest):.3g}"
    )
