"""Equations with the numbers put in, for one unit of a layer: what one would write by hand."""

from collections.abc import Callable

from clearprop import layers as L
from clearprop.lens.trace.put_in import activations, dense, moved, norms, recurrent, windows
from clearprop.lens.trace.put_in.words import Look

__all__ = ["WRITERS", "Look", "put_in_backward", "put_in_forward"]

Writer = Callable[[Look], list[str]]
WRITERS: dict[type[L.Layer], tuple[Writer, Writer]] = {
    L.Dense: (dense.forward, dense.backward),
    L.Activation: (activations.forward, activations.backward),
    L.Conv2D: (windows.conv_forward, windows.conv_backward),
    L.Conv1D: (windows.conv_forward, windows.conv_backward),
    L.ConvTranspose2D: (windows.transpose_forward, windows.transpose_backward),
    L.MaxPool2D: (windows.max_forward, windows.max_backward),
    L.MaxPool1D: (windows.max_forward, windows.max_backward),
    L.AvgPool2D: (windows.average_forward, windows.average_backward),
    L.AvgPool1D: (windows.average_forward, windows.average_backward),
    L.GlobalAvgPool: (windows.global_average_forward, windows.global_average_backward),
    L.GlobalMaxPool: (windows.global_max_forward, windows.global_max_backward),
    L.BatchNorm: (norms.forward, norms.backward),
    L.LayerNorm: (norms.forward, norms.backward),
    L.GroupNorm: (norms.forward, norms.backward),
    L.Dropout: (moved.masked, moved.masked_back),
    L.Cutout: (moved.masked, moved.masked_back),
    L.RandomShift: (moved.shifted, moved.shifted_back),
    L.RandomFlip: (moved.flipped, moved.flipped_back),
    L.Flatten: (moved.reshaped, moved.reshaped_back),
    L.Reshape: (moved.reshaped, moved.reshaped_back),
    L.Embedding: (moved.embedded, moved.embedded_back),
    L.Elman: (recurrent.forward, recurrent.backward),
    L.LSTM: (recurrent.forward, recurrent.backward),
    L.GRU: (recurrent.forward, recurrent.backward),
    L.Residual: (moved.added, moved.added_back),
    L.Bidirectional: (moved.both_ways, moved.both_ways_back),
    L.TimeDistributed: (moved.each_step, moved.each_step_back),
}


def put_in_forward(look: Look) -> list[str]:
    """A layer's output for one of its units, from the numbers that went in; none for a layer of one's own."""
    write = WRITERS.get(type(look.call.layer))
    return write[0](look) if write and look.call.y.size else []


def put_in_backward(look: Look) -> list[str]:
    """One number of each of its gradients."""
    write = WRITERS.get(type(look.call.layer))
    return write[1](look) if write and look.call.y.size else []
