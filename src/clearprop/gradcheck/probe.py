"""One derivative along one line: analytic against differences, and a kink told from an error."""

from collections.abc import Callable
from math import inf, isfinite, nan
from typing import Literal, NamedTuple

import numpy as np

from clearprop.arrays import Array

EPS = float(np.finfo(np.float64).eps)

# The first step is small enough to cross few kinks, and large enough that rounding, EPS / step, costs four
# digits of sixteen. Smaller ones are tried where it disagrees: next to a kink or to the edge of log's domain.
STEPS = tuple(2.0**-k for k in range(13, 46, 4))
FINE_STEP = 2.0**-29  # below it a step counts only where the slope is so large that rounding does not matter
WIDE_STEP = 2.0**-9  # tried last: where f rounds more than its output shows, a large step has less noise

State = Literal["ok", "crossed", "on a kink", "wrong"]


class Probe(NamedTuple):
    """One comparison: both slopes, their relative error, and what follows."""

    analytic: float
    numeric: float
    error: float
    state: State
    ones: float = nan  # the numeric slope for an upstream gradient of ones
    noise: float = 0.0  # the rounding error to expect of the numeric slope
    bent: Array | None = None  # on a kink: which output elements bend there


class Slopes(NamedTuple):
    """What five values along a line say about every output element's slope at its middle."""

    best: Array  # Richardson's combination of the next two, error O(h⁴)
    wide: Array  # central difference over ±h
    near: Array  # central difference over ±h/2
    right: Array  # one-sided, error O(h²)
    left: Array


class Line(NamedTuple):
    """A line through x: what lies on it, and what the analytic gradient claims for it."""

    at: Callable[[float], Array]  # t -> f(x + t·d) as a vector
    y: Array  # f(x) as a vector
    dy: Array  # the upstream gradient as a vector
    analytic: float  # <dx, d>
    scale: float  # the largest slope to expect along such lines
    unit: float = 1.0  # the step's unit: max(1, |x|)
    size: Array | float = (
        0.0  # of what the output elements are rounded like, where that is more than themselves
    )


def slopes(line: Line, h: float) -> Slopes:
    """Slopes of every output element along the line, from f at 0, ±h/2 and ±h."""
    up, down, half_up, half_down = line.at(h), line.at(-h), line.at(h / 2), line.at(-h / 2)
    wide = (up - down) / (2 * h)
    near = (half_up - half_down) / h
    return Slopes(
        best=(4 * near - wide) / 3,
        wide=wide,
        near=near,
        right=(4 * (half_up - line.y) - (up - line.y)) / h,
        left=(4 * (line.y - half_down) - (line.y - down)) / h,
    )


def relative_error(a: float, n: float, scale: float, noise: float, tolerance: float) -> float:
    """|a − n| / max(|a| + |n|, scale / 1000, noise / tolerance)

    The floors keep entries near rounding from accusing: `scale` is the largest slope around, `noise` the
    rounding error of the difference quotient, so a difference below the noise never exceeds the tolerance.
    """
    if a == n:
        return 0.0
    return abs(a - n) / max(abs(a) + abs(n), scale / 1000, noise / tolerance) if isfinite(a) else inf


def compare(line: Line, tolerance: float, strict: bool = False) -> Probe:
    """Compare the analytic slope with the numeric one; what agrees at any step is right."""
    found = _narrow(line, tolerance, strict)
    if found.state == "wrong" and isfinite(found.analytic):
        wide = _at_step(line, slopes(line, WIDE_STEP * line.unit), WIDE_STEP, tolerance)
        found = wide if wide.state == "ok" else found
    return found


def _at_step(line: Line, now: Slopes, step: float, tolerance: float) -> Probe:
    """The comparison at one step alone."""
    numeric = float(line.dy @ now.best)
    if not isfinite(numeric):  # the step left the function's domain
        return Probe(line.analytic, nan, inf, "wrong", nan, inf)
    rounded = line.dy * np.maximum(np.abs(line.y), line.size)
    output = 10 * EPS * float(np.linalg.norm(rounded)) / (step * line.unit)
    noise = output + 10 * EPS * line.scale / step
    drowned = step < FINE_STEP and output > tolerance * abs(numeric)
    floor = noise if step >= FINE_STEP else 0.0
    error = relative_error(line.analytic, numeric, line.scale, floor, tolerance)
    state: State = "ok" if error <= tolerance and not drowned else "wrong"
    return Probe(line.analytic, numeric, error, state, float(now.best.sum()), noise)


def _narrow(line: Line, tolerance: float, strict: bool) -> Probe:
    """Compare at smaller and smaller steps, until one agrees or two agree with each other.

    A smaller step that agrees clears the analytic slope: the larger one had crossed a kink. Where two steps
    agree with each other but not with it, it is wrong, unless x lies on a kink (the one-sided slopes differ,
    whatever the step). With `strict` it must lie between the two sides there; inside a network, whose kinks
    follow one another, it may lie as far outside as the bending outputs' slopes reach.
    """
    first = before = None
    last = Probe(line.analytic, nan, inf, "wrong")
    for step in STEPS:
        now = slopes(line, step * line.unit)
        found = _at_step(line, now, step, tolerance)
        if not isfinite(found.numeric):
            continue
        last, first = found, first or now
        slack = found.noise + tolerance * max(abs(found.numeric), line.scale)
        if found.state == "ok":
            return _agreed(line, first, now, step, found, slack)
        if before is not None and abs(found.numeric - float(line.dy @ before.best)) <= slack:
            if _lasting_jump(line, now, before, slack) == 0:
                return found
            bent = _bent(now, before)
            slack += 0.0 if strict else float((np.abs(line.dy) * _steepness(now))[bent].sum())
            return found._replace(state="on a kink", bent=bent) if _between(line, now, slack) else found
        before = now
    return last


def _agreed(line: Line, first: Slopes, now: Slopes, step: float, found: Probe, slack: float) -> Probe:
    """What else is to be said where both slopes agree: a kink crossed by the first step, or right under x."""
    if first is not now:  # a smooth function's error shrinks fourfold at half the step
        wide, near = (float(line.dy @ slope) - found.numeric for slope in (first.wide, first.near))
        smooth = max(abs(wide), abs(near)) <= found.noise or 3 * abs(near) < abs(wide) < 5 * abs(near)
        return found if smooth else found._replace(state="crossed")
    weight = np.abs(line.dy)
    steep = float(weight @ _steepness(now))
    if float(weight @ np.abs(now.right - now.left)) <= 0.001 * steep:
        return found
    closer = slopes(line, step / 16 * line.unit)
    on_kink = _lasting_jump(line, closer, now, slack) > 0.001 * steep
    return found._replace(state="on a kink", bent=_bent(closer, now)) if on_kink else found


def _lasting_jump(line: Line, now: Slopes, before: Slopes, slack: float) -> float:
    """The one-sided slopes' difference, or 0 where it shrinks with the step, which is curvature."""
    jump, last = (float(np.abs(line.dy) @ np.abs(s.right - s.left)) for s in (now, before))
    return jump if jump > max(16 * slack, 0.5 * last) else 0.0


def _steepness(now: Slopes) -> Array:
    """How steep the output elements are on both sides together."""
    steep: Array = np.abs(now.right) + np.abs(now.left)
    return steep


def _bent(now: Slopes, before: Slopes) -> Array:
    """The output elements whose one-sided slopes differ, whatever the step."""
    jump, last = np.abs(now.right - now.left), np.abs(before.right - before.left)
    bent: Array = jump > np.maximum(0.5 * last, 1e-4 * jump.max())
    return bent


def _between(line: Line, now: Slopes, slack: float) -> bool:
    """Whether the analytic slope lies between those of the kink's two sides."""
    right, left = line.dy * now.right, line.dy * now.left
    low, high = float(np.minimum(right, left).sum()), float(np.maximum(right, left).sum())
    return low - slack <= line.analytic <= high + slack
