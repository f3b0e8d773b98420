"""A written answer as a small document: blocks, which are written as text, as Markdown, LaTeX or HTML.

Inside a sentence `$…$` is a formula in LaTeX and a pair of backticks holds code; the rest is plain. A backslash
before a dollar sign or a backtick makes it plain, too: see `literal`.
"""

import contextlib
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from clearprop.lens.document.tensor import Tensor

__all__ = [
    "Block", "Code", "Confirmation", "Document", "Drawing", "Equation", "Fold", "Heading", "Items", "Kind", "Paragraph",
    "Picture", "Remark", "Table", "Tensor", "Value", "Written", "joined", "literal", "number", "numbers",
    "power_of_ten", "recorded", "run_code", "scalar", "small", "spans",
]  # fmt: skip

Kind = Literal["text", "math", "code"]
_SPAN = re.compile(r"\$([^$]+)\$|`([^`]+)`|\\([$`])")


class Drawing(Protocol):
    """What can be drawn with signs, in Mermaid and in TikZ."""

    def text(self) -> str:
        """Drawn with signs, within 80 columns."""

    def mermaid(self) -> str:
        """A chart that GitHub draws from its source."""

    def tikz(self) -> tuple[str, ...]:
        """As one or more `tikzpicture`s."""


@dataclass(frozen=True)
class Heading:
    """A title over what follows: level 1 a section, level 2 a question."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Sentences; `lead` is a word or two before them that stand out."""

    text: str
    lead: str = ""


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Equation:
    """A formula on a line of its own; several with `aligned`."""

    latex: str


@dataclass(frozen=True)
class Value:
    """A name, a formula in LaTeX, and the number or the array (at most 2-D) that was computed for it."""

    name: str
    value: npt.ArrayLike
    digits: int = 4


@dataclass(frozen=True)
class Table:
    """Rows of short cells under their heads."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Remark:
    """Something that was found: how grave it is ("serious", "warning", "note"), what, and what to do about it."""

    severity: str
    title: str
    sentences: tuple[str, ...]
    remedy: str = ""


@dataclass(frozen=True)
class Fold:
    """Blocks that a page in HTML shows when one opens them by their title; elsewhere they stand open, without it."""

    title: str
    blocks: "tuple[Block, ...]"


@dataclass(frozen=True)
class Code:
    """Source text and what it printed when it was run."""

    source: str
    output: str = ""


@dataclass(frozen=True)
class Picture:
    """A drawing and the sentence under it."""

    drawing: Drawing
    caption: str


@dataclass(frozen=True)
class Confirmation:
    """Whether a claim held when it was computed: the largest relative error of each thing compared.

    Attributes
    ----------
    how : str
        What was compared with what, as the rest of a sentence.
    errors : mapping of str to float
        A formula in LaTeX and its relative error.
    tolerance : float
        What each must stay below.
    guess : str
        What may be wrong, where something is.
    """

    how: str
    errors: Mapping[str, float]
    tolerance: float = 1e-7
    guess: str = ""

    @property
    def ok(self) -> bool:
        """Whether every error is below the tolerance; a NaN is not."""
        return all(error < self.tolerance for error in self.errors.values())

    def paragraph(self) -> Paragraph:
        """The sentence that reports it."""
        several = "relative errors" if len(self.errors) > 1 else "relative error"
        errors = ", ".join(f"{small(error)} in ${name}$" for name, error in self.errors.items())
        limit = small(self.tolerance)
        if self.ok:
            return Paragraph(f"{self.how}: {several} {errors}, below {limit}.", "Confirmed now.")
        wrong = ", ".join(f"${name}$" for name, error in self.errors.items() if not error < self.tolerance)
        text = f"{self.how}: {several} {errors}. Not below {limit}: {wrong}. {self.guess}"
        return Paragraph(text.rstrip(), "NOT CONFIRMED.")


Block = (
    Heading
    | Paragraph
    | Items
    | Equation
    | Value
    | Tensor
    | Table
    | Remark
    | Fold
    | Code
    | Picture
    | Confirmation
)


@dataclass(frozen=True)
class Document:
    """A title and its blocks.

    >>> print(Document("Sums", (Paragraph("As $a_1 = 2$ says:"), Value("a_1", 2.0))).text(), end="")
    Sums
    ====
    <BLANKLINE>
    As a₁ = 2 says:
    <BLANKLINE>
        a₁ = 2
    """

    title: str
    blocks: tuple[Block, ...]

    def text(self) -> str:
        """For a terminal, within 80 columns."""
        from clearprop.lens.document.as_text import text

        return text(self)

    def markdown(self) -> str:
        """As GitHub and Jupyter show it, formulas included."""
        from clearprop.lens.document.as_markdown import markdown

        return markdown(self)

    def latex(self) -> str:
        """A whole document for pdfLaTeX, XeLaTeX or LuaLaTeX."""
        from clearprop.lens.document.as_latex import latex

        return latex(self)

    def html(self) -> str:
        """A page that needs nothing else, with arrays as heat maps."""
        from clearprop.lens.document.as_html import html

        return html(self)

    def fragment(self) -> str:
        """The same without a page around it, for a notebook."""
        from clearprop.lens.document.as_html import fragment

        return fragment(self)

    @property
    def unconfirmed(self) -> tuple[Confirmation, ...]:
        """The claims that did not hold."""
        return tuple(block for block in self.blocks if isinstance(block, Confirmation) and not block.ok)


class Written(ABC):
    """What can be written as a document, in every form that a document has."""

    @abstractmethod
    def document(self) -> Document:
        """The blocks that all the forms are written from."""

    def text(self) -> str:
        """For a terminal, within 80 columns."""
        return self.document().text()

    def markdown(self) -> str:
        """As GitHub and Jupyter show it, formulas included."""
        return self.document().markdown()

    def latex(self) -> str:
        """A whole document for pdfLaTeX, XeLaTeX or LuaLaTeX."""
        return self.document().latex()

    def html(self) -> str:
        """A page that needs nothing else."""
        return self.document().html()


def recorded(text: str, command: str) -> Paragraph:
    """Figures of an earlier run, marked as such, with the command that repeats it."""
    return Paragraph(f"{text} Run it again with `{command}`.", "Recorded, not computed now.")


def run_code(source: str) -> Code:
    """Run the source, which is ours, and keep what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "<answer>", "exec"), {"__name__": "answer"})
    return Code(source.strip(), printed.getvalue().rstrip())


def spans(text: str) -> Iterator[tuple[Kind, str]]:
    """A sentence's pieces: plain text, formulas, code.

    >>> list(spans("If $x > 0$, call `relu`."))
    [('text', 'If '), ('math', 'x > 0'), ('text', ', call '), ('code', 'relu'), ('text', '.')]
    """
    at = 0
    for found in _SPAN.finditer(text):
        if found.start() > at:
            yield "text", text[at : found.start()]
        yield ("math", found[1]) if found[1] else ("code", found[2]) if found[2] else ("text", found[3])
        at = found.end()
    if at < len(text):
        yield "text", text[at:]


def literal(text: str) -> str:
    """Text from elsewhere, such as a path, as a sentence in which nothing is a formula or code.

    >>> list(spans(literal("$HOME/`x`")))
    [('text', '$'), ('text', 'HOME/'), ('text', '`'), ('text', 'x'), ('text', '`')]
    """
    return re.sub(r"[$`]", r"\\\g<0>", text)


def number(value: float, digits: int = 4) -> str:
    """Rounded to so many decimals; a whole number without any.

    >>> number(0.54769), number(-1e-9), number(3.0)
    ('0.5477', '0', '3')
    """
    text = f"{value:.{digits}f}"
    if not isfinite(float(text)) or float(text) != int(float(text)):
        return text
    return str(int(float(text)))


def scalar(value: float, digits: int = 4) -> str:
    r"""A number on its own, in LaTeX: with so many decimals or, if it is very small or very large, so many digits.

    >>> scalar(0.54769), scalar(0.0012345), scalar(-6.1e-08), scalar(2.0)
    ('0.5477', '0.001234', '-6.1 \\cdot 10^{-8}', '2')
    """
    if not isfinite(value) or value == 0 or 1e-2 <= abs(value) < 1e6:
        return number(value, digits)
    text = f"{value:.{digits}g}"
    return power_of_ten(value, digits) if "e" in text else text


def power_of_ten(value: float, digits: int) -> str:
    r"""A number times a power of ten, in LaTeX; without the number where that is 1.

    >>> power_of_ten(-0.0000123456, 3), power_of_ten(1e9, 3)
    ('-1.23 \\cdot 10^{-5}', '10^{9}')
    """
    times, _, power = f"{value:.{digits - 1}e}".partition("e")
    times = times.rstrip("0").rstrip(".") if "." in times else times
    return (
        f"{times[:-1]}10^{{{int(power)}}}" if times in ("1", "-1") else rf"{times} \cdot 10^{{{int(power)}}}"
    )


def small(error: float) -> str:
    """A relative error's size.

    >>> small(3.4e-09), small(0.0)
    ('3e-9', '0')
    """
    return f"{error:.0e}".replace("e-0", "e-") if error else "0"


def numbers(value: npt.ArrayLike, digits: int = 4) -> list[list[str]]:
    """An array's rows, rounded; with decimals everywhere or, where all are whole, nowhere."""
    array = np.atleast_2d(np.asarray(value, dtype=np.float64))
    rounded = np.round(array, digits) + 0.0  # no −0
    places = 0 if np.all(rounded == np.round(rounded)) else digits
    return [[f"{entry:.{places}f}" for entry in row] for row in rounded]


def joined(*parts: Block | Sequence[Block]) -> list[Block]:
    """Blocks and lists of blocks, one after the other."""
    return [block for part in parts for block in (part if isinstance(part, Sequence) else (part,))]
