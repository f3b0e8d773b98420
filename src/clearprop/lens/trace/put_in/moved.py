"""The numbers of layers that do no more than move numbers, drop some, or add two."""

import numpy as np

from clearprop.arrays import Array
from clearprop.layers import Bidirectional, Residual
from clearprop.lens.trace.letters import factor, figure
from clearprop.lens.trace.put_in.words import Index, Look, largest, place, total


def reshaped(look: Look) -> list[str]:
    """The same number, in another place."""
    at, x = look.at, look.call.x
    return [look.line("y", at, look.letters.entry("x", *_elsewhere(at, look.call.y, x)), look.call.y[at])]


def reshaped_back(look: Look) -> list[str]:
    """And back."""
    dy, dx = look.back.dy, look.back.dx
    if dx is None:
        return []
    at = place(dx, look.unit)
    return look.dx_line(at, look.letters.entry("dy", *_elsewhere(at, dx, dy)))


def masked(look: Look) -> list[str]:
    """A number times its mask."""
    at, x = look.at, look.call.x
    if look.call.cache is None:
        return []
    return [look.line("y", at, rf"{factor(x[at])} \cdot {factor(_mask(look)[at])}", look.call.y[at])]


def masked_back(look: Look) -> list[str]:
    """The same mask for the gradient."""
    if look.call.cache is None:
        return []
    return look.dx_line(look.at, rf"{factor(look.back.dy[look.at])} \cdot {factor(_mask(look)[look.at])}")


def shifted(look: Look) -> list[str]:
    """The number that stood there before the image was moved."""
    if look.call.cache is None:
        return []
    a, b = (int(offset) for offset in look.call.cache[look.at[0]])
    return [look.line("y", look.at, _from(look, "x", look.call.x, -a, -b), look.call.y[look.at])]


def shifted_back(look: Look) -> list[str]:
    """The gradient of where it has gone."""
    if look.call.cache is None:
        return []
    a, b = (int(offset) for offset in look.call.cache[look.at[0]])
    return look.dx_line(look.at, _from(look, "dy", look.back.dy, a, b))


def flipped(look: Look) -> list[str]:
    """The number from the other side, or the same one."""
    return (
        [] if look.call.cache is None else [look.line("y", look.at, _mirror(look, "x"), look.call.y[look.at])]
    )


def flipped_back(look: Look) -> list[str]:
    """The gradient from the other side, or the same one."""
    return [] if look.call.cache is None else look.dx_line(look.at, _mirror(look, "dy"))


def embedded(look: Look) -> list[str]:
    """A number of the row of weights that x names."""
    at = look.at
    words = look.letters.entry("w", int(look.call.x[at[:-1]]), at[-1])
    return [look.line("y", at, words, look.call.y[at])]


def embedded_back(look: Look) -> list[str]:
    """The largest dw: the sum of what came back to all places that have read its row."""
    dw = look.back.grads["w"]
    row, m = at = largest(dw)
    return [look.line("dw", at, total(look.back.dy[look.call.x == row][..., m]), dw[at])]


def added(look: Look) -> list[str]:
    """What the layers give, and what has gone past them."""
    layer, at, inside = look.call.layer, look.at, look.call.inside
    assert isinstance(layer, Residual)
    past = inside[-1].y if layer.shortcut else look.call.x
    words = f"{figure(inside[len(layer.layers) - 1].y[at])} + {factor(past[at])}"
    return [look.line("y", at, words, look.call.y[at])]


def added_back(look: Look) -> list[str]:
    """What comes back through the layers, and past them."""
    layer, inside = look.call.layer, look.back.inside
    assert isinstance(layer, Residual)
    through = inside[len(layer.layers) - 1].dx
    past = inside[-1].dx if layer.shortcut else look.back.dy
    if look.back.dx is None or through is None or past is None:
        return []
    at = place(look.back.dx, look.unit)
    return look.dx_line(at, f"{figure(through[at])} + {factor(past[at])}")


def both_ways(look: Look) -> list[str]:
    """A state of the direction that the unit belongs to."""
    at, y = look.at, look.call.y
    layer = look.call.layer
    assert isinstance(layer, Bidirectional)
    H, turned = layer.layer.units, at[-1] >= layer.layer.units
    words = "backward" if turned else "forward"
    when = _turned(at[1:-1], y.shape[1:-1]) if turned else at[1:-1]
    entry = look.letters.entry("y", at[0], *when, at[-1] % H)
    return [look.line("y", at, rf"\text{{{words}: }} {entry}", y[at])]


def both_ways_back(look: Look) -> list[str]:
    """What both directions send back to a number of x; the one against time sees it from the end."""
    first, second = (inner.dx for inner in look.back.inside)
    if look.back.dx is None or first is None or second is None:
        return []
    n, t, d = at = place(look.back.dx, look.unit)
    return look.dx_line(at, f"{figure(first[at])} + {factor(second[n, second.shape[1] - 1 - t, d])}")


def each_step(look: Look) -> list[str]:
    """The number of the layer inside, whose rows are examples and time steps."""
    inner = look.call.inside[-1].y
    return [look.line("y", look.at, _inside(look, "y", inner, look.at), look.call.y[look.at])]


def each_step_back(look: Look) -> list[str]:
    """The same for the gradient."""
    inner = look.back.inside[-1].dx
    if look.back.dx is None or inner is None:
        return []
    at = place(look.back.dx, look.unit)
    return look.dx_line(at, _inside(look, "dx", inner, at))


def _inside(look: Look, letter: str, inner: Array, at: Index) -> str:
    row = at[0] * look.call.x.shape[1] + at[1]
    return rf"\text{{inside: }} {look.letters.entry(letter, row, *at[2:])}"


def _elsewhere(at: Index, array: Array, other: Array) -> Index:
    """The place of the same number in another shape."""
    flat = np.ravel_multi_index(at, array.shape)
    return tuple(int(i) for i in np.unravel_index(flat, other.shape))


def _turned(when: Index, shape: tuple[int, ...]) -> Index:
    """The same moment, counted against time; a last state alone stays where it is."""
    return tuple(count - 1 - t for t, count in zip(when, shape, strict=True))


def _mask(look: Look) -> Array:
    """The numbers that x was multiplied by: what a layer of ones would give."""
    x = look.call.x
    if isinstance(look.call.cache, np.ndarray):
        return np.broadcast_to(look.call.cache, x.shape)
    layer = look.call.layer
    ones = type(layer).backward(layer, np.ones_like(x), look.call.cache)  # not the recorded one
    assert ones is not None
    return ones


def _from(look: Look, letter: str, array: Array, down: int, right: int) -> str:
    n, i, j, c = look.at
    H, W = array.shape[1:3]
    inside = 0 <= i + down < H and 0 <= j + right < W
    return look.letters.entry(letter, n, i + down, j + right, c) if inside else "0"


def _mirror(look: Look, letter: str) -> str:
    n, i, j, c = look.at
    return look.letters.entry(letter, n, i, look.call.x.shape[2] - 1 - j if look.call.cache[n] else j, c)
