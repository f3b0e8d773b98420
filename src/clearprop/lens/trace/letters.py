"""What a step's arrays are called, and how single numbers of them are written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import floor, isfinite, log10

from clearprop.lens.document import number, power_of_ten

_COMMAND = re.compile(r"\\text\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z]+")
HOUSE = {"gamma": r"\gamma", "beta": r"\beta", "bu": "b_u", "dbu": "db_u"}
PARAMETERS = ("w", "u", "b", "bu", "gamma", "beta")  # their first index counts no examples
DIGITS = 4  # decimals of a number in a formula; significant digits of a small one
SMALL = 0.1  # below it, as many decimals say too little


@dataclass(frozen=True)
class Letters:
    """The letters of one step: the house's, or in their place a user's.

    With letters of the user's own, numbers are counted as by hand: from 1, and without the example where there is only
    one. Else they are counted as in NumPy.
    """

    given: Mapping[str, str] = field(default_factory=dict)  # the house's letter -> the user's
    by_hand: bool = False
    alone: bool = False  # whether there is one example

    def __call__(self, letter: str) -> str:
        """An array's name in LaTeX."""
        if letter in self.given:
            return self.given[letter]
        if letter.startswith("d") and letter[1:] in self.given:
            return f"d{self.given[letter[1:]]}"
        if letter in HOUSE:
            return HOUSE[letter]
        return f"d{HOUSE[letter[1:]]}" if letter.startswith("d") and letter[1:] in HOUSE else letter

    def equality(self, letter: str, index: tuple[int, ...], words: str, value: float) -> str:
        """`dw[0,1] = 2 · 3 = 6`; without the end where that would say the same again."""
        end = figure(value)
        return f"{self.entry(letter, *index)} = {words}" + (f" = {end}" if words != end else "")

    def equation(self, latex: str) -> str:
        r"""An equation of the table, in these letters.

        >>> print(Letters({"x": "z", "w": r"\beta"}).equation(r"dx = dy \, w^\top + x"))
        dz = dy \, {\beta}^\top + z
        """
        if not self.given:
            return latex

        def change(found: re.Match[str]) -> str:
            word = found[0]
            if word.startswith("\\") or self(word) == word or word in HOUSE:
                return word
            new = self(word)
            return (
                new
                if len(new) < 2 or latex[found.end() : found.end() + 1] not in ("^", "_")
                else f"{{{new}}}"
            )

        return _COMMAND.sub(change, latex)

    def entry(self, letter: str, *index: int) -> str:
        """One number of an array: `y[0,2]`, or by hand `y_3`."""
        name = self(letter)
        if not self.by_hand:
            return f"{name}[{','.join(map(str, index))}]"
        if self.alone and letter.removeprefix("d") not in PARAMETERS and len(index) > 1:
            index = index[1:]
        counted = ",".join(str(i + 1) for i in index)
        name, mark, script = name.partition("_")
        return f"{name}_{{{script.strip('{}')},{counted}}}" if mark else f"{name}_{{{counted}}}"


def figure(value: float) -> str:
    """A number in a formula: to four decimals; below 0.1 to four digits, very small or large with a power of ten.

    >>> figure(0.52346), figure(-0.00053081), figure(-0.0000123456), figure(3.0)
    ('0.5235', '-0.0005308', '-1.235 \\\\cdot 10^{-5}', '3')
    """
    value = float(value)
    if not isfinite(value):
        return r"\text{nan}" if value != value else r"\infty" if value > 0 else r"-\infty"
    if value and not 5e-4 <= abs(value) < 1e6:
        return power_of_ten(value, DIGITS)
    if abs(value) < SMALL:
        return f"{value:.{DIGITS}g}"
    text = number(value, DIGITS)
    return text.rstrip("0") if "." in text else text


def fine(value: float) -> str:
    """The same with four digits wherever the point is: what stands under a root has to be known well.

    >>> fine(0.00123456), fine(2.0)
    ('0.001235', '2')
    """
    text = f"{float(value):.{DIGITS}g}"
    if "n" in text:
        return figure(value)
    return power_of_ten(value, DIGITS) if "e" in text else text


def near(value: float, gap: float) -> str:
    """A number that is part of a difference: as exact as four digits of the difference, `gap`, need it.

    >>> near(0.99061234, -0.00026571), near(1.0, -0.00026571), near(0.99061234, 0.5)
    ('0.9906123', '1', '0.9906')
    """
    value, gap = float(value), abs(float(gap))
    if not (0 < gap < SMALL and gap < abs(value) < 1e6):
        return figure(value)
    digits = min(DIGITS + floor(log10(abs(value))) - floor(log10(gap)), 17)  # float64 has no more
    return power_of_ten(value, digits) if abs(value) < 5e-4 else f"{value:.{digits}g}"


def difference(a: float, b: float) -> str:
    """`a - b`, both as exact as their difference needs them."""
    gap = float(a) - float(b)
    return f"{near(a, gap)} - {bracketed(near(b, gap))}"


def below_one(value: float) -> str:
    """A factor v of which 1 - v or 1 - v² is taken, too."""
    return bracketed(near(value, 1 - abs(float(value))))


def factor(value: float) -> str:
    """A figure as a factor or under an exponent."""
    return bracketed(figure(value))


def bracketed(text: str) -> str:
    """A number's text, in brackets where it has a sign, a power of ten or a difference."""
    return f"({text})" if text.startswith("-") or "10^" in text or " - " in text else text
