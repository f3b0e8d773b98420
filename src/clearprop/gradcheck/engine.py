"""The check itself: which coordinates and directions of which array, and the verdict on each array."""

from collections.abc import Callable, Mapping
from math import nan
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.errors import ConfigError, DataError, GradientError, ShapeError
from clearprop.gradcheck.guess import Evidence, guess_cause
from clearprop.gradcheck.probe import Line, Probe, compare
from clearprop.gradcheck.report import GradientEntry, GradientReport, Verdict

Arrays = Mapping[str, Array]


class Effort(NamedTuple):
    """How much is checked, and how strictly."""

    seed: int = 0
    coordinates: int = 64
    directions: int = 3
    tolerance: float = 1e-7
    strict: bool = False  # whether a slope on a kink must lie between those of its two sides


class Subject(NamedTuple):
    """What is checked: a function of arrays that are moved in place, at one point and for one dy."""

    title: str
    f: Callable[[], Any]  # the value at the arrays' present contents
    backward: Callable[[Array], Mapping[str, Any]]  # dy -> the arrays' gradients
    arrays: Arrays
    y: Array
    dy: Array
    grads: Arrays
    effort: Effort
    rng: np.random.Generator
    size: Array | float

    def value(self) -> Array:
        """f as a vector of its own; outside its domain it may hold NaN."""
        with np.errstate(all="ignore"):
            return as_float64(self.title, "the output", self.f()).ravel()

    def upstream(self, dy: Array) -> "Subject":
        """The same with another upstream gradient."""
        given = dy.copy()
        found = self.backward(given)
        if not np.array_equal(given, dy):
            raise GradientError(
                f"{self.title}: expected dy unchanged, but backward wrote to it. Work on a copy."
            )
        if missing := [key for key in self.arrays if found.get(key) is None]:
            raise ShapeError(
                f"{self.title}: expected a gradient for each of {', '.join(self.arrays)}, "
                f"got none for {missing[0]}."
            )
        grads = {key: as_float64(self.title, f"the gradient of {key}", found[key]) for key in self.arrays}
        return self._replace(dy=dy, grads=grads)


def check_arrays(
    title: str,
    f: Callable[[], Any],
    backward: Callable[[Array], Mapping[str, Any]],
    arrays: Arrays,
    effort: Effort,
    size: Array | float = 0.0,
) -> GradientReport:
    """Check backward(dy), the gradients of Σ dy ⊙ f(), for arrays that f reads; they are moved in place.

    A small output that is the difference of large numbers is rounded as these are: `size` is theirs, in y's shape.
    """
    rng = np.random.default_rng(effort.seed)
    before = {key: x.copy() for key, x in arrays.items()}
    y = as_float64(title, "the output", f())
    if not np.all(np.isfinite(y)):
        raise DataError(f"{title}: expected a finite output, got NaN or infinity. Check it at another x.")
    dy = rng.standard_normal(y.shape)
    size = np.broadcast_to(size, y.shape).ravel()
    subject = Subject(title, f, backward, arrays, y, dy, {}, effort, rng, size).upstream(dy)
    if changed := [key for key in arrays if not np.array_equal(arrays[key], before[key])]:
        raise GradientError(
            f"{title}: expected its inputs unchanged, but {changed[0]} was written to. Work on a copy."
        )
    if not np.allclose(subject.value(), y.ravel(), rtol=1e-12, atol=0):
        raise GradientError(
            f"{title}: expected the same output for the same input, got another one. "
            "Draw its random numbers once, outside, and pass them in."
        )
    entries = tuple(_check_array(subject, key) for key in arrays)
    return GradientReport(title, entries, effort.tolerance, _only(entries))


def _check_array(subject: Subject, name: str) -> GradientEntry:
    """One array's gradient: chosen coordinates, then random directions over all of it."""
    x, g, effort = subject.arrays[name], subject.grads[name], subject.effort
    fits = g.shape == x.shape
    places = _coordinates(g.ravel() if fits else np.zeros(x.size), effort.coordinates, subject.rng)
    probes = [_coordinate(subject, name, i) for i in places.tolist()]
    everywhere = np.arange(x.size)
    directions = effort.directions if fits and np.all(np.isfinite(g)) else 0
    lines = [_direction(subject, name, everywhere) for _ in range(directions)]
    if all(p.state != "wrong" for p in probes) and any(p.state == "wrong" for p in lines):
        culprit = _locate(subject, name)
        places, probes = np.append(places, culprit), [*probes, _coordinate(subject, name, culprit)]
    smooth = np.array([p.state != "on a kink" for p in probes], bool)
    settled = probes if smooth.all() else _leave_out_kinks(subject, name, places, probes)
    guess = ""
    if any(p.state == "wrong" for p in (*settled, *lines)):
        numeric, ones = np.array([(p.numeric, p.ones) for p in probes]).reshape(-1, 2)[smooth].T
        others = {key: other for key, other in subject.grads.items() if key != name}
        guess = guess_cause(Evidence(g, x, places[smooth], numeric, ones, subject.y.shape, others))
    return _entry(name, x, places, settled, lines, int((~smooth).sum()), guess)


def _leave_out_kinks(subject: Subject, name: str, places: Array, probes: list[Probe]) -> list[Probe]:
    """The coordinates on a kink compared again, for a dy that is zero where the output bends.

    What stays "on a kink" are those that no other output element depends on.
    """
    bent = np.any([p.bent for p in probes if p.bent is not None], axis=0)
    rest = subject.upstream(np.where(bent.reshape(subject.dy.shape), 0.0, subject.dy))
    settled = list(probes)
    for k, probe in enumerate(probes):
        if probe.state == "on a kink":
            again = _coordinate(rest, name, int(places[k]))
            settled[k] = probe if again.state != "wrong" and again.numeric == 0 else again
    return settled


def _entry(
    name: str, x: Array, places: Array, probes: list[Probe], lines: list[Probe], on_kink: int, guess: str
) -> GradientEntry:
    """The verdict on one array, and its worst place."""
    both = [*zip(probes, places.tolist(), strict=True), *((probe, None) for probe in lines)]
    wrong = [pair for pair in both if pair[0].state == "wrong"]
    smooth = [pair for pair in both if pair[0].state != "on a kink"]
    unproved = sum(p.state == "on a kink" for p in probes)
    verdict: Verdict = "wrong" if wrong else "unproved" if 2 * unproved > len(probes) else "ok"
    nowhere = (Probe(nan, nan, 0.0, "ok"), None)
    probe, place = max(wrong or smooth, key=lambda pair: pair[0].error, default=nowhere)
    return GradientEntry(
        name,
        x.shape,
        checked=len(probes),
        directions=len(lines),
        index=None if place is None else tuple(int(k) for k in np.unravel_index(place, x.shape)),
        analytic=probe.analytic,
        numeric=probe.numeric,
        error=probe.error,
        crossed=sum(pair[0].state == "crossed" for pair in both),
        on_kink=on_kink,
        unproved=unproved,
        verdict=verdict,
        guess=guess,
    )


def _coordinates(g: Array, count: int, rng: np.random.Generator) -> Array:
    """The flat indices to check: all, or the largest in the gradient and others at random."""
    if g.size <= count:
        return np.arange(g.size)
    largest = np.argpartition(-np.abs(g), count // 2)[: count // 2]
    others = np.setdiff1d(np.arange(g.size), largest)
    return np.concatenate([largest, rng.choice(others, count - len(largest), replace=False)])


def _coordinate(subject: Subject, name: str, i: int) -> Probe:
    """Compare one coordinate."""
    x, g = subject.arrays[name], subject.grads[name]
    flat = x.reshape(-1)  # a view: arrays are contiguous
    value = float(flat[i])

    def at(t: float) -> Array:
        flat[i] = value + t
        try:
            return subject.value()
        finally:
            flat[i] = value

    fits = g.shape == x.shape
    scale = float(np.max(np.abs(g), initial=0.0, where=np.isfinite(g)))
    line = Line(
        at,
        subject.y.ravel(),
        subject.dy.ravel(),
        float(g.ravel()[i]) if fits else nan,
        scale,
        max(1.0, abs(value)),
        subject.size,
    )
    return compare(line, subject.effort.tolerance, subject.effort.strict)


def _direction(subject: Subject, name: str, support: Array) -> Probe:
    """Compare along a random direction over the coordinates in `support`, of length about max(1, |x|)."""
    x, g = subject.arrays[name], subject.grads[name]
    start = x.copy()
    d = np.zeros(x.size)
    d[support] = subject.rng.standard_normal(len(support)) / np.sqrt(len(support))
    d *= np.maximum(1.0, np.abs(start).ravel())

    def at(t: float) -> Array:
        x[...] = start + t * d.reshape(x.shape)
        try:
            return subject.value()
        finally:
            x[...] = start

    along = g.ravel() * d
    total, scale = float(along.sum()), float(np.linalg.norm(along))
    line = Line(at, subject.y.ravel(), subject.dy.ravel(), total, scale, size=subject.size)
    return compare(line, subject.effort.tolerance, subject.effort.strict)


def _locate(subject: Subject, name: str) -> int:
    """A wrong coordinate that was not among those checked, found by halving the directions."""
    support = subject.rng.permutation(subject.arrays[name].size)
    while len(support) > 1:
        half = support[: len(support) // 2]
        wrong = _direction(subject, name, half).state == "wrong"
        support = half if wrong else support[len(half) :]
    return int(support[0])


def _only(entries: tuple[GradientEntry, ...]) -> str:
    """A note where a single one of several arrays failed."""
    failed = [entry.name for entry in entries if entry.verdict == "wrong"]
    if len(failed) != 1 or len(entries) == 1:
        return ""
    right = ", ".join(entry.name for entry in entries if entry.name != failed[0])
    hint = " Is the sum over the batch right?" if failed[0].rpartition(".")[2] == "b" else ""
    return f"Only {failed[0]} is wrong, not {right}.{hint}"


def as_float64(title: str, what: str, value: Any) -> Array:
    """A copy of a float64 result; others are refused, for their rounding would drown the differences."""
    found = np.asarray(value)
    if found.dtype != np.float64:
        raise ConfigError(
            f"{title}: expected {what} in float64, as its inputs are, got {found.dtype} of shape "
            f"{shape_text(found.shape)}. Keep the inputs' dtype."
        )
    return found.copy()
