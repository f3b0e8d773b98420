"""Shapes below a refusal's sentence, with marks where they differ."""

from collections.abc import Collection
from typing import Any, TypeVar

from clearprop.arrays import ShapePattern, fits_axis, shape_text

E = TypeVar("E", bound=Exception)

AXES: dict[Any, str] = {
    "N": "examples", "T": "time steps", "D": "numbers", "H": "rows", "W": "columns", "C": "channels", "K": "classes",
}  # fmt: skip


def differing(shape: ShapePattern, pattern: ShapePattern) -> tuple[set[int], set[int]]:
    """Which axes of the shape, and which of the pattern, have no counterpart in the other one.

    The shorter one is laid beside the longer one's two ends, where most of its axes find their like. Of too many axes
    none is like a mere letter, but for the batch.

    >>> differing((32, 28, 28, 1), ("N", 784)), differing((4,), ("N", 4))
    (({1, 2, 3}, {1}), (set(), {0}))
    """
    too_many = len(shape) > len(pattern)
    short, best, off = min(len(shape), len(pattern)), -1, (set[int](), set[int]())
    for front in range(short, -1, -1):
        pairs = [(i, i) for i in range(front)]
        pairs += [(len(shape) - k, len(pattern) - k) for k in range(short - front, 0, -1)]
        alike = [
            (i, j)
            for i, j in pairs
            if shape[i] == pattern[j] or ((j == 0 or not too_many) and fits_axis(shape[i], pattern[j]))
        ]
        score = len(alike) + sum(shape[i] == pattern[j] for i, j in alike)
        if score > best:
            best = score
            off = {*range(len(shape))} - {i for i, _ in alike}, {*range(len(pattern))} - {j for _, j in alike}
    return off


def pictured(error: E, *rows: tuple[str, ShapePattern, Collection[int]]) -> E:
    """The error with shapes below its sentence: what each is of, and its axes to be marked.

    It is a note, which tracebacks, notebooks and tests show and `str(error)`, and so the command line, leaves out.

    >>> print(*pictured(ValueError("…"), ("x", (5, 3), {1}), ("w", (4, 2), {0})).__notes__, sep="\\n")
        x  (5, 3)
               ^
        w  (4, 2)
            ^
    """
    width = max(len(what) for what, *_ in rows)
    for what, shape, off in rows:
        letters = [f"{n} {AXES[n]}" for n in shape if n in AXES]
        meaning = "   " + ", ".join(letters) if len(letters) > 1 else ""
        error.add_note(f"    {what:<{width}}  {shape_text(shape)}{meaning}")
        marks = "  ".join((" ", "^")[i in off] * len(str(n)) for i, n in enumerate(shape))
        if off:
            error.add_note(" " * (width + 7) + marks.rstrip())
    return error
