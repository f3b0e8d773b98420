"""What one looks at in a layer, and sums in words: written out where they are short, else in part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clearprop.arrays import Array
from clearprop.lens.trace.letters import Letters, factor, figure
from clearprop.lens.trace.record import BackCall, Call

WRITTEN = 12  # products that are all written down
LARGEST = 4  # of more products: so many, and the sum of the rest

WIDE = 60  # signs of LaTeX over a fraction's bar, at most: no line can be broken there

Index = tuple[int, ...]
Params = dict[str, Array]


@dataclass(frozen=True, eq=False)
class Look:
    """A layer's pass forward and its pass backward, and the unit whose numbers are written out."""

    call: Call
    back: BackCall
    params: Params
    letters: Letters
    unit: int

    @property
    def at(self) -> Index:
        """The number of y that is looked at."""
        return place(self.call.y, self.unit)

    def line(self, letter: str, index: Index, words: str, value: float) -> str:
        """`y[0,1] = 2 · 3 = 6`."""
        return self.letters.equality(letter, index, words, value)

    def dx_line(self, index: Index, words: str) -> list[str]:
        """The same for dx, where there is one."""
        dx = self.back.dx
        return [] if dx is None else [self.line("dx", index, words, dx[index])]


def place(array: Array, unit: int) -> Index:
    """Where to look in (N, …): the unit of the first row; in images and sequences where the number is largest."""
    if array.ndim <= 2:
        return (0, *([min(unit, array.shape[1] - 1)] * (array.ndim - 1)))
    return (0, *largest(array[0]))


def largest(array: Array) -> Index:
    """Where the number is that is largest in size."""
    sizes = np.abs(np.nan_to_num(array.astype(np.float64)))
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(sizes)), sizes.shape))


def products(a: Array, b: Array, plus: float | None = None) -> str:
    """a₁·b₁ + a₂·b₂ + … written out; of many, the largest and the sum of the rest."""
    a, b = np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64)
    each = a * b
    chosen = np.arange(len(each))
    if len(each) > WRITTEN:
        chosen = np.sort(np.argsort(-np.abs(each), kind="stable")[:LARGEST])
    terms = [rf"{factor(a[i])} \cdot {factor(b[i])}" for i in chosen]
    if len(chosen) < len(each):
        rest = np.delete(each, chosen)
        terms.append(rf"\text{{{len(rest):,} more products: }} {factor(rest.sum())}")
    if plus is not None:
        terms.append(factor(plus))
    return " + ".join(terms) or "0"


def total(values: Array, write: Callable[[int], str] | None = None, written: int = WRITTEN) -> str:
    """v₁ + v₂ + …, each as `write` writes it; of many the first and the sum of the rest."""
    values = np.ravel(values).astype(np.float64)
    few = len(values) if len(values) <= written else LARGEST
    terms = [write(i) if write else (factor if i else figure)(values[i]) for i in range(few)]
    if few < len(values):
        terms.append(rf"\text{{{len(values) - few:,} more: }} {factor(values[few:].sum())}")
    return " + ".join(terms) or "0"


def over(words: str, n: int) -> str:
    """A sum over n: as a fraction, or, where that would be too wide for a line, as 1/n times the sum."""
    return rf"\frac{{{words}}}{{{n}}}" if len(words) <= WIDE else rf"\frac{{1}}{{{n}}} \cdot ({words})"


def mean(values: Array) -> str:
    """Their sum over their number."""
    return over(total(values), np.size(values)) if np.size(values) > 1 else total(values)


def quotients(over: Sequence[float], under: Sequence[float]) -> str:
    """a₁/n₁ + a₂/n₂ + …"""
    each = np.divide(over, under)
    return total(each, lambda i: rf"\frac{{{figure(over[i])}}}{{{figure(under[i])}}}")


def softmax_words(row: Array, k: int, log: bool = False) -> str:
    """exp(x₁) / (exp(x₀) + exp(x₁) + …) for a row of numbers."""
    over = rf"\exp({figure(row[k])})"
    all_of_them = total(np.exp(row.astype(np.float64)), lambda i: rf"\exp({figure(row[i])})", written=6)
    if log:
        return rf"{figure(row[k])} - \log({all_of_them})"
    return rf"\frac{{{over}}}{{{all_of_them}}}"
