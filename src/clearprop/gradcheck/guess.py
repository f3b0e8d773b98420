"""Guesses at what is wrong with a gradient: undo a known mistake and see whether the numbers match."""

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Array, Shape, shape_text

CLOSE = 1e-5  # a guess has to fit to five digits


class Evidence(NamedTuple):
    """What is known of one array when its gradient is found wrong."""

    analytic: Array  # as returned, whatever its shape
    x: Array
    places: Array  # the flat indices of the checked coordinates
    numeric: Array  # their numeric derivatives
    ones: Array  # those for an upstream gradient of ones
    y_shape: Shape
    others: Mapping[str, Array]  # the analytic gradients of the other arrays


def guess_cause(case: Evidence) -> str:
    """A sentence on the likeliest cause, or an empty one."""
    if len(case.places) == 0:
        return ""
    if case.analytic.shape != case.x.shape:
        return _guess_shape(case)
    a = case.analytic.ravel()[case.places]
    if not np.all(np.isfinite(a)):
        return f"The analytic gradient is not finite at {int((~np.isfinite(a)).sum())} coordinates."
    if not a.any():
        return "The analytic gradient is zero everywhere: is it ever written?"
    for guess in (_guess_factor, _guess_moved, _guess_swapped, _guess_ones, _guess_part, _guess_term):
        text = guess(case, a)
        if text:
            return text
    return ""


def _fits(candidate: Array, numeric: Array) -> bool:
    """Whether the candidate is the numeric derivative, to five digits of its largest entry."""
    size = float(np.max(np.abs(numeric), initial=0.0))
    return size > 0 and bool(np.all(np.abs(candidate - numeric) <= CLOSE * size))


def _factor(a: Array, n: Array) -> float:
    """The c for which a = c·n, or 0 where there is none, or too few entries to tell."""
    if not n.any():
        return 0.0
    c = float(a @ n) / float(n @ n)
    return c if c != 0 and _fits(a / c, n) else 0.0


def _guess_factor(case: Evidence, a: Array) -> str:
    """A constant factor: the batch's size, an axis, two, a sign."""
    c = _factor(a, case.numeric)
    if c == 0:
        return ""
    if abs(c + 1) < CLOSE:
        return "The sign is flipped."
    flipped = " The sign is flipped, too." if c < 0 else ""
    c = abs(c)
    batch = (case.y_shape or case.x.shape or (1,))[0]
    hints = {1 / n: f"is there a mean over an axis of {n} too many?" for n in case.y_shape + case.x.shape}
    hints |= {float(n): f"is the mean over an axis of {n} missing?" for n in case.y_shape + case.x.shape}
    hints |= {2.0: "is a factor of 1/2 lost, or is it added twice?", 0.5: "is a factor of 2 lost?"}
    hints |= {
        float(batch): "is the mean over the batch missing?",
        1 / batch: "is a mean over the batch taken where none belongs?",
    }
    hint = next((text for value, text in hints.items() if value != 1 and abs(c / value - 1) < CLOSE), "")
    times = f"1/{1 / c:.6g} of" if c < 0.9 and abs(1 / c - round(1 / c)) < CLOSE else f"{c:.8g} times"
    return f"The analytic gradient is {times} the numeric" + (f": {hint}" if hint else ".") + flipped


def _moved(g: Array, shape: Shape) -> Iterator[tuple[str, Array]]:
    """The same numbers in other places, in the given shape."""
    for axes in permutations(range(g.ndim)) if g.ndim <= 4 else ():
        if axes != tuple(range(g.ndim)) and g.transpose(axes).shape == shape:
            name = "The transpose" if g.ndim == 2 else f"The transpose by axes {axes}"
            yield name, g.transpose(axes)
    for axis in range(g.ndim):
        if g.shape == shape and g.shape[axis] > 1:
            yield f"Reversed along axis {axis}, it", np.flip(g, axis)
            for by in (1, -1):
                yield f"Moved by one along axis {axis}, it", np.roll(g, by, axis)
    if g.ndim >= 2 and g.shape == shape:
        yield "Reversed along axes 0 and 1, as a flipped kernel, it", np.flip(g, (0, 1))


def _guess_moved(case: Evidence, a: Array) -> str:
    """A transpose, a reversal, a shift by one."""
    for name, moved in _moved(case.analytic, case.x.shape) if len(a) > 1 else ():
        c = _factor(moved.ravel()[case.places], case.numeric)
        if c:
            return (
                f"{name} matches." if abs(c - 1) < CLOSE else f"{name} matches, but for a factor of {c:.6g}."
            )
    return ""


def _guess_swapped(case: Evidence, a: Array) -> str:
    """Two gradients in each other's place."""
    for name, other in case.others.items():
        if other.shape == case.x.shape and _fits(other.ravel()[case.places], case.numeric):
            return f"The gradient returned for {name} matches: are they returned in the wrong order?"
    return ""


def _guess_ones(case: Evidence, a: Array) -> str:
    """The upstream gradient ignored."""
    return "It matches for an upstream gradient of ones: is dy used?" if _fits(a, case.ones) else ""


def _guess_part(case: Evidence, a: Array) -> str:
    """A part never written, or one that should be masked, or only a few entries off."""
    n, size = case.numeric, float(np.max(np.abs(case.numeric)))
    live = np.abs(n) > CLOSE * size
    unwritten, unmasked = (a == 0) & live, (a != 0) & ~live
    many = len(a)
    if unwritten.any() and _fits(a[~unwritten], n[~unwritten]):
        return f"A part is zero, at {int(unwritten.sum())} of {many} coordinates, and the rest is right."
    if unmasked.any() and live.sum() > 1 and _factor(a[live], n[live]):
        return f"The numeric is zero at {int(unmasked.sum())} of {many} coordinates: is a mask missing?"
    off = np.abs(a - n) > CLOSE * size
    if 0 < off.sum() <= max(1, many // 4):
        return f"Only {int(off.sum())} of {many} checked coordinates are wrong."
    return ""


def _guess_term(case: Evidence, a: Array) -> str:
    """A term missing: the penalty's, or a sum along an axis."""
    missing, x = case.numeric - a, case.x.ravel()[case.places]
    c = _factor(missing, x) if len(a) > 1 else 0.0
    if c:
        return (
            f"Adding {c:.6g} times the array itself, it matches: is an L2 penalty missing or counted twice?"
        )
    c = _factor(missing, np.sign(x)) if len(a) > 1 else 0.0
    if c:
        return (
            f"Adding {c:.6g} times the array's sign, it matches: is an L1 penalty missing or counted twice?"
        )
    if len(a) == case.x.size > 1:  # only where every coordinate was checked
        gap = missing.reshape(case.x.shape)
        for axis in range(gap.ndim):
            mean = np.broadcast_to(gap.mean(axis=axis, keepdims=True), gap.shape)
            if gap.shape[axis] > 1 and _fits(mean.ravel(), missing):
                return f"The difference is the same all along axis {axis}: is a sum or mean over it missing?"
    return ""


def _guess_shape(case: Evidence) -> str:
    """A gradient of another shape than its array."""
    g, shape = case.analytic, case.x.shape
    text = f"Expected a gradient of shape {shape_text(shape)}, got {shape_text(g.shape)}."
    for name, moved in _moved(g, shape):
        if _fits(moved.ravel()[case.places], case.numeric):
            return f"{text} {name} matches."
    if g.size == case.x.size and _fits(g.ravel()[case.places], case.numeric):
        return f"{text} Reshaped, it matches."
    for axis in range(g.ndim):
        for keep in (False, True):
            total = g.sum(axis=axis, keepdims=keep)
            if total.shape == shape and _fits(total.ravel()[case.places], case.numeric):
                return f"{text} Summed over axis {axis}, it matches: is the sum over the batch missing?"
    return text
