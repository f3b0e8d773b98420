"""What a layer keeps from its forward pass and one would like to see: masks, statistics, gates."""

from collections.abc import Iterator
from typing import Any

from clearprop.arrays import Array
from clearprop.kernels.elman import ElmanCache
from clearprop.kernels.gru import GRUBeforeCache, GRUCache
from clearprop.kernels.lstm import LSTMCache
from clearprop.layers import BatchNorm, Cutout, Dropout, GroupNorm, LayerNorm, RandomFlip, RandomShift
from clearprop.lens.trace.put_in.norms import normalized, statistics
from clearprop.lens.trace.record import Call
from clearprop.lens.trace.through_time import gates, states, way_back

Kept = tuple[str, str, Array]  # letter in LaTeX, role, array


def kept(call: Call) -> list[Kept]:
    """Everything inside a call that its equations name."""
    layer, cache = call.layer, call.cache
    if isinstance(layer, BatchNorm | LayerNorm | GroupNorm):
        return list(_norm(call))
    if isinstance(layer, Dropout) and cache is not None:
        return [("m", "the mask, drawn at random", cache)]
    if isinstance(layer, RandomShift) and cache is not None:
        return [("(a, b)", "pixels down and to the right, drawn at random", cache)]
    if isinstance(layer, RandomFlip) and cache is not None:
        return [("mirrored", "1 for the images that are, drawn at random", cache.astype(int))]
    if isinstance(layer, Cutout) and cache is not None:
        return [("corners", "of the squares, row and column, drawn at random", cache.corners)]
    return list(_gates(cache))


def _norm(call: Call) -> Iterator[Kept]:
    """Mean, variance and x̂ of a normalization."""
    layer, dtype = call.layer, call.x.dtype
    of = "of each row"
    if isinstance(layer, BatchNorm):
        n = call.cache[1]
        of = f"of each channel's {n:,} numbers" if n else "as training has left it"
    elif isinstance(layer, GroupNorm):
        of = f"of each example's {layer.groups} group{'s' if layer.groups > 1 else ''}"
    mu, v = statistics(call)
    yield r"\mu", f"the mean {of}", mu.astype(dtype)
    yield "v", f"the variance {of}", v.astype(dtype)
    yield r"\hat{x}", "x with mean 0 and variance 1", normalized(call).astype(dtype)


def _gates(cache: Any) -> Iterator[Kept]:
    """The states and gates of a recurrent layer, (N, T, H)."""
    if isinstance(cache, LSTMCache):
        roles = ("the input gate", "the forget gate", "what could come in", "the output gate")
        *own, _, after = gates(cache)
        yield from zip("ifgo", roles, own, strict=True)
        yield "c", "the cell", after
    if isinstance(cache, GRUCache | GRUBeforeCache):
        roles = ("the reset gate", "the update gate", "the candidate", "what h gives it")
        yield from zip("rznq", roles, gates(cache), strict=False)
    if isinstance(cache, ElmanCache | LSTMCache | GRUCache | GRUBeforeCache):
        yield "h", "the state after each step", states(cache)[1]


def kept_back(call: Call, dy: Array) -> list[Kept]:
    """What the way back through a recurrent layer comes by, (N, T, …)."""
    cache = call.cache
    if not isinstance(cache, ElmanCache | LSTMCache | GRUCache | GRUBeforeCache):
        return []
    blocks = "z^i, z^f, z^g, z^o" if isinstance(cache, LSTMCache) else "r, z, n"
    roles = {
        "dh": "the gradient of the state after each step",
        "dc": "the gradient of the cell",
        "ds": r"the gradient of $r \odot h_{t-1}$",
        "dz": "the gradient of $z_t$"
        if isinstance(cache, ElmanCache)
        else f"the gradients of ${blocks}$, side by side",
        "da": f"the gradients of what stands inside ${blocks}$, side by side",
    }
    return [(letter, roles[letter], array) for letter, array in way_back(call, dy).items()]
