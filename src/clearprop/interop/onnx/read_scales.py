"""A scale and a shift behind a layer, as this layer's own parameters."""

from dataclasses import replace

import numpy as np

from clearprop.arrays import Array
from clearprop.interop.onnx.read_functions import NUMBERS
from clearprop.interop.onnx.read_values import Function, Value
from clearprop.layers import Conv1D, Conv2D, ConvTranspose2D, Dense, Layer
from clearprop.layers.norm import Normalization


def scalable(x: Value) -> tuple[str, str] | None:
    """The names of the last layer's scale and shift, if it has both and gives x as it is."""
    if x.step is None or x.step.out != x.full:
        return None
    if isinstance(x.step.inner, Normalization):
        return "gamma", "beta"
    return ("w", "b") if isinstance(x.step.inner, Dense | Conv1D | Conv2D | ConvTranspose2D) else None


def rescaled(x: Value, scale: Array | float, shift: Array | float) -> Value:
    """x · scale + shift, each a number or one for each of the last layer's outputs; `scalable` has said that it can."""
    names = scalable(x)
    assert names is not None
    assert x.step is not None
    w, b = (x.step.arrays[name] for name in names)
    found = {names[0]: w * _along(x.step.inner, w, scale), names[1]: b * scale + shift}
    return replace(x, step=replace(x.step, arrays={**x.step.arrays, **found}))


def _along(layer: Layer, w: Array, scale: Array | float) -> Array | float:
    """The scale of each output, laid along the weights: their last axis, but for a transposed convolution."""
    if not isinstance(layer, ConvTranspose2D) or np.ndim(scale) == 0:
        return scale
    groups = np.reshape(scale, (layer.groups, -1)).T  # (F / groups, groups), whose channels are side by side
    return groups.repeat(w.shape[-1] // layer.groups, axis=1)


def straight(function: Function) -> tuple[float, float] | None:
    """The scale and the shift, if the function is no more than these."""
    shift = float(np.interp(0.0, NUMBERS[:601], function.values[:601]))
    scale = float(function.values[600] - shift) / float(NUMBERS[600])
    if not np.isfinite([scale, shift]).all():
        return None
    close = np.abs(function.values - (scale * NUMBERS + shift)) <= 1e-9 * (
        abs(scale) * np.abs(NUMBERS) + abs(shift)
    )
    return (scale, shift) if scale and close.all() else None
