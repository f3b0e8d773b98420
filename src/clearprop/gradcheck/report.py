"""What a gradient check found: an entry per array, a table, an error that names the culprit."""

from dataclasses import dataclass
from math import isfinite, prod
from textwrap import fill
from typing import Literal

from clearprop.arrays import Shape, shape_text
from clearprop.errors import GradientError

WIDTH = 80

Verdict = Literal["ok", "wrong", "unproved"]


@dataclass(frozen=True)
class GradientEntry:
    """One array's gradient: where it was checked, its worst place, the verdict and a guess at the cause.

    `index` is None where the worst place is a random direction. `crossed` counts the lines whose first step
    crossed a kink and that a smaller step then cleared; `on_kink` the coordinates where x itself lies on one,
    of which `unproved` move no smooth output. With most coordinates unproved, so is the gradient: a failure.
    """

    name: str
    shape: Shape
    checked: int
    directions: int
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    error: float
    crossed: int = 0
    on_kink: int = 0
    unproved: int = 0
    verdict: Verdict = "ok"
    guess: str = ""

    @property
    def where(self) -> str:
        """The worst place, in words."""
        return "along a random direction" if self.index is None else f"at {shape_text(self.index)}"

    @property
    def finding(self) -> str:
        """What is to be said about this array beyond its row in the table; empty if nothing."""
        said = []
        if self.verdict == "wrong":
            said.append(
                f"the gradient of {self.name} is wrong {self.where}: analytic {self.analytic:.8g}, "
                f"numeric {self.numeric:.8g}, relative error {self.error:.1e}."
            )
        elif self.verdict == "unproved":
            said.append(
                f"the gradient of {self.name} is not proved: it lies on a kink at {self.unproved} of "
                f"{self.checked} coordinates, where any slope between its two sides passes. Move off it: add a "
                "little noise to x, such as 0.01 * rng.standard_normal(x.shape), or train for a step."
            )
        if self.guess:
            said.append(self.guess)
        if self.crossed:
            said.append(
                f"{self.name}: the step crossed a kink on {self.crossed} lines; a smaller one agrees."
            )
        if self.on_kink and self.verdict != "unproved":
            proved = f"; {self.on_kink - self.unproved} of them are right beside it"
            said.append(
                f"{self.name}: x lies on a kink at {self.on_kink} of {self.checked} coordinates{proved}."
            )
        return " ".join(said)


@dataclass(frozen=True, repr=False)
class GradientReport:
    """The outcome of a gradient check: printable, and a failure where one entry is one.

    The relative error of analytic a and numeric n is |a − n| / max(|a| + |n|, s / 1000, r / tolerance), with s
    the largest slope in the array and r the rounding error to expect of a difference quotient.

    Examples
    --------
    >>> from clearprop.gradcheck import check_function
    >>> import numpy as np
    >>> report = check_function(np.sin, lambda dy, x: dy * np.cos(x), np.array([0.5, 2.0]))
    >>> report.ok, report.error < 1e-9
    (True, True)
    """

    title: str
    entries: tuple[GradientEntry, ...]
    tolerance: float
    note: str = ""

    @property
    def failures(self) -> tuple[GradientEntry, ...]:
        """The entries that are wrong or unproved."""
        return tuple(entry for entry in self.entries if entry.verdict != "ok")

    @property
    def ok(self) -> bool:
        """Whether every array's gradient is right."""
        return not self.failures

    @property
    def error(self) -> float:
        """The largest relative error."""
        return max((entry.error for entry in self.entries), default=0.0)

    def raise_on_failure(self) -> None:
        """Raise GradientError, naming the culprit, unless every gradient is right."""
        if self.ok:
            return
        worst = next((e for e in self.failures if e.verdict == "wrong"), self.failures[0])
        # With a note, the culprit is the failure nearest to the loss: the others may follow from it.
        worst = self.failures[-1] if self.note and self.failures[-1].verdict == "wrong" else worst
        said = f"{worst.finding} {self.note}".rstrip()
        raise GradientError(f"{self.title}: {said}\n\n{self}")

    def __repr__(self) -> str:
        """The table: what a notebook and an interactive Python show."""
        heads = ("array", "shape", "checked", "analytic", "numeric", "error", "verdict")
        rows = [heads, *(_row(entry) for entry in self.entries)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
        for column in (1, 0):  # what can be shortened without losing a number
            widths[column] = max(6, min(widths[column], WIDTH - sum(widths) - 2 * 6 + widths[column]))
        state = "all right" if self.ok else f"{len(self.failures)} of {len(self.entries)} failed"
        state = f": {state}, tolerance {self.tolerance:g}"
        lines = [_cut(self.title, WIDTH - len(state)) + state]
        for row in rows:
            cells = [_cut(cell, width) for cell, width in zip(row, widths, strict=True)]
            left = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
            right = [cell.rjust(width) for cell, width in zip(cells[2:6], widths[2:6], strict=True)]
            lines.append("  ".join([*left, *right, cells[6]]))
        found = [text for text in (*(entry.finding for entry in self.entries), self.note) if text]
        return "\n".join([*lines, *(fill(text, WIDTH, subsequent_indent="  ") for text in found)])


def _row(entry: GradientEntry) -> tuple[str, ...]:
    """An entry's cells."""
    checked = f"{entry.checked}/{prod(entry.shape)}+{entry.directions}"
    numbers = (f"{entry.analytic:.3e}", f"{entry.numeric:.3e}")
    error = f"{entry.error:.0e}" if isfinite(entry.error) else "-"
    return entry.name, shape_text(entry.shape), checked, *numbers, error, entry.verdict


def _cut(text: str, width: int) -> str:
    """The text, shortened by an ellipsis to the width."""
    return text if len(text) <= width else text[: width - 1] + "…"
