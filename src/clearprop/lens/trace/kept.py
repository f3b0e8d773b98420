"""What a layer keeps from its forward pass and one would like to see: masks, statistics, gates."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.elman import ElmanCache
from clearprop.kernels.gru import GRUBeforeCache, GRUCache
from clearprop.kernels.lstm import LSTMCache
from clearprop.kernels.norm import batch_norm_moments, batch_norm_statistics
from clearprop.layers import BatchNorm, Cutout, Dropout, GroupNorm, LayerNorm, RandomFlip, RandomShift
from clearprop.lens.trace.record import Call

Kept = tuple[str, str, Array]  # letter in LaTeX, role, array


def kept(call: Call) -> list[Kept]:
    """Everything inside a call that its equations name."""
    layer, cache = call.layer, call.cache
    if isinstance(layer, BatchNorm):
        return list(_batch_norm(layer, call))
    if isinstance(layer, LayerNorm):
        return [(r"\hat{x}", "x with mean 0 and variance 1", cache.xhat.reshape(call.x.shape))]
    if isinstance(layer, GroupNorm):
        return [(r"\frac{1}{\sqrt{v + \epsilon}}", "of each example's channels", cache.inv_std)]
    if isinstance(layer, Dropout) and cache is not None:
        return [("m", "the mask, drawn at random", cache)]
    if isinstance(layer, RandomShift) and cache is not None:
        return [("(a, b)", "pixels down and to the right, drawn at random", cache)]
    if isinstance(layer, RandomFlip) and cache is not None:
        return [("mirrored", "1 for the images that are, drawn at random", cache.astype(int))]
    if isinstance(layer, Cutout) and cache is not None:
        return [("corners", "of the squares, row and column, drawn at random", cache.corners)]
    return list(_gates(cache))


def _batch_norm(layer: BatchNorm, call: Call) -> Iterator[Kept]:
    _, n = call.cache
    mean, var = layer.running_mean, layer.running_var
    if n:
        _, mean, var = batch_norm_statistics(batch_norm_moments(call.x)[0])
    of = f"of each channel's {n:,} numbers" if n else "as training has left it"
    yield r"\mu", f"the mean {of}", mean.astype(call.x.dtype)
    yield "v", f"the variance {of}", var.astype(call.x.dtype)


def _gates(cache: Any) -> Iterator[Kept]:
    """The states and gates of a recurrent layer, (N, T, H)."""
    if isinstance(cache, LSTMCache):
        names = [
            ("i", "the input gate"),
            ("f", "the forget gate"),
            ("g", "what could come in"),
            ("o", "the output gate"),
        ]
        for k, (letter, role) in enumerate(names, 1):
            yield letter, role, _by_example(cache.cells[:-1, k].transpose(1, 0, 2))
        yield "c", "the cell", _by_example(cache.cells[1:, 0].transpose(1, 0, 2))
    if isinstance(cache, GRUCache | GRUBeforeCache):
        names = [
            ("r", "the reset gate"),
            ("z", "the update gate"),
            ("n", "the candidate"),
            ("q", "what h gives it"),
        ]
        for k, (letter, role) in enumerate(names[: cache.gates.shape[1]]):
            yield letter, role, _by_example(cache.gates[:, k].transpose(1, 0, 2))
    if isinstance(cache, ElmanCache | LSTMCache | GRUCache | GRUBeforeCache):
        yield "h", "the state after each step", _by_example(cache.stack[-len(cache.u) :, 1:])


def _by_example(array: Array) -> Array:
    """(H, T, N) -> (N, T, H)"""
    return np.ascontiguousarray(array.transpose(2, 1, 0))
