"""What a graph's pictures and texts say: names, formulas and numbers, as text, as runs of letters, as LaTeX.

A formula is written as one reads it: W1 is W with an index, Kᵀ a transpose, a word of Greek its letter. Inside
it, ∂⟨h⟩ is the loss's gradient by h, and ⟪words⟫ are words; `plain` takes the brackets away.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from math import floor, log10
from typing import NamedTuple

import numpy as np

from clearprop.arrays import Array

UPRIGHT = {"log", "exp", "tanh", "tr", "relu", "swish", "mean", "softmax", "onehot", "CE", "norm", "det"}
_GREEK_WORDS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
GREEK = dict(zip(_GREEK_WORDS.split(), "αβγδεζηθικλμνξπρστφχψωΓΔΘΛΞΠΣΦΨΩ", strict=True))
SUPERSCRIPTS = dict(zip("ᵀ⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "T−0123456789", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
MARKS = "⟨⟩⟪⟫"
FRACTIONS = {0.5: "½", 0.25: "¼", 0.75: "¾"}
_LATEX = {
    "−": "-", "⊙": r"\odot ", "⊘": r"\oslash ", "·": r"\cdot ", "×": r"\times ", "‖": r"\Vert ", "|": r"\vert ",
    "∂": r"\partial ", "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", " ": r"\,", ",": "{,}",
    "…": r"\ldots ", "\\": r"\backslash ", '"': "{''}", "`": "'", "~": r"\sim ", "^": r"\wedge ",
} | {letter: rf"\{word} " for word, letter in GREEK.items()} | {c: rf"\{c} " for c in "#$%&_{}"}  # fmt: skip

_RAISED, _LOWERED = "".join(SUPERSCRIPTS), "".join(SUBSCRIPTS)
_PIECE = re.compile(
    rf"∂⟨(?P<gradient>[^⟩]*)⟩|⟪(?P<prose>[^⟫]*)⟫|(?P<sup>[{_RAISED}]+)|\^(?P<power>−?[\d.]+)"
    rf"|(?P<sub>[{_LOWERED}]+)|(?P<word>[^\W\d_{_RAISED}{_LOWERED}]+)(?:_?(?P<index>\d+)|_(?P<tail>[^\W_]+))?"
    r"|(?P<number>\d[\d.]*(?:e−?\d+)?)|(?P<sign>.)"
)


class Run(NamedTuple):
    """Letters of one kind: "it" slanted, "up" upright, "sub" or "sup"."""

    text: str
    style: str


def runs_of(formula: str) -> list[Run]:
    """A formula's letters, kind by kind.

    >>> runs_of("W1ᵀ")
    [Run(text='W', style='it'), Run(text='1', style='sub'), Run(text='T', style='sup')]
    """
    return list(_runs(formula))


def _runs(formula: str) -> Iterator[Run]:
    for piece in _PIECE.finditer(formula):
        part = piece.groupdict()
        if part["gradient"] is not None:
            yield Run("∂", "up")
            yield from _runs(part["gradient"])
        elif part["prose"]:
            yield Run(part["prose"], "up")
        elif part["sup"]:
            yield Run("".join(SUPERSCRIPTS[c] for c in part["sup"]), "sup")
        elif part["power"]:
            yield Run(part["power"], "sup")
        elif part["sub"]:
            yield Run("".join(SUBSCRIPTS[c] for c in part["sub"]), "sub")
        elif part["word"]:
            word = GREEK.get(part["word"], part["word"])
            yield Run(word, "up" if word in UPRIGHT or word in "ΣI" else "it")
            if index := part["index"] or part["tail"]:
                yield Run(GREEK.get(index, index), "sub")
        else:
            yield Run(part["number"] or part["sign"], "up")


def latex_of(formula: str) -> str:
    r"""A formula for LaTeX's mathematics mode, in plain LaTeX without packages.

    >>> print(latex_of("W1ᵀ dy"), latex_of("log |K|"))
    W_{1}^{\top}\,\mathit{dy} \log\,\vert K\vert
    """
    said: list[str] = []
    before = ""
    for run in _runs(formula):
        letters = "".join(_LATEX.get(c, c) for c in run.text).replace(
            r"\,", "\\ " if len(run.text) > 1 else r"\,"
        )
        if run.style in ("sub", "sup"):
            again = "{}" if before == run.style else ""  # two indices in a row are an error in TeX
            letters = letters.replace("T", r"\top ").rstrip() if run.style == "sup" else letters
            said.append(f"{again}{'_' if run.style == 'sub' else '^'}{{{letters.strip()}}}")
        elif run.text in ("log", "exp", "tanh", "det"):
            said.append(rf"\{run.text} ")
        elif re.fullmatch(r"\d[\d.]*e−?\d+", run.text):
            said.append(
                letters.replace("e", r"\mathrm{e}").replace("-", "{-}")
            )  # 8.5e−3: no difference of two
        elif len(run.text) > 1 and any(c.isalpha() for c in run.text):
            said.append(rf"\math{'rm' if run.style == 'up' else 'it'}{{{letters}}}")
        else:
            said.append(letters)
        before = run.style
    return re.sub(r" (?=[\\^_{}()\[\].,+\-=/]|$)", "", "".join(said)).strip()


def gradient_latex(formula: str, loss: str) -> str:
    r"""A formula for LaTeX in which ∂⟨h⟩ is written out as a fraction.

    >>> print(gradient_latex("∂⟨h⟩ xᵀ", "L"))
    \frac{\partial L}{\partial h}\,x^{\top}
    """
    parts = re.split(r"∂⟨([^⟩]*)⟩", formula)
    parts[1::2] = [
        rf"\frac{{\partial {latex_of(loss)}}}{{\partial {latex_of(name)}}}" for name in parts[1::2]
    ]
    parts[::2] = [re.sub(r"^([_^])", r"{}\1", latex_of(part)) if part else "" for part in parts[::2]]
    return "".join(parts)


def plain(formula: str) -> str:
    """A formula without the brackets that only say how it is to be read."""
    return "".join(c for c in formula if c not in MARKS)


def filled(template: str, letters: Mapping[str, str]) -> str:
    """An entry's formula with the names of what stands there; (Wᵀ)ᵀ is W, and (K⁻¹)ᵀ is K⁻ᵀ.

    >>> filled("aᵀ dy", {"a": "Wᵀ", "dy": "∂⟨r⟩"})
    'W ∂⟨r⟩'
    """
    said, at = "", 0
    for token in re.finditer(r"(?<![A-Za-z])(dy|[abycent])(?![A-Za-z])", template):
        said += template[at : token.start()]
        at = token.end()
        name = letters.get(token[0], token[0])
        rest = template[at:]
        if rest.startswith("ᵀ") and re.fullmatch(r"[^\W\d_]\d*(ᵀ|⁻¹)", name):
            name, at = f"{name[:-1]}ᵀ" if name.endswith("¹") else name[:-1], at + 1
        elif (rest[:1] in (*SUPERSCRIPTS, "^") and not re.fullmatch(rf"[^\W{_RAISED}{_LOWERED}]+", name)) or (
            token[0] in "aby" and re.search(r"[\s+−*/⊙-]", name) and template != token[0]
        ):
            name = f"({name})"
        said += name
    return (said + template[at:]).replace("+ −", "− ").replace("− −", "+ ").replace("−−", "")


def width_of(formula: str) -> float:
    """How wide a formula is, in units of its letters' size: an estimate on the safe side."""
    return sum(
        (0.72 if run.style in ("sub", "sup") else 1.0) * sum(_width(c) for c in run.text)
        for run in _runs(formula)
    )


def _width(c: str) -> float:
    if c in " .,:;|'ijlI()[]":
        return 0.38
    if unicodedata.east_asian_width(c) in "WF" or c in "mwMW":
        return 1.0
    if c in "ftrs⁻":
        return 0.5
    return 0.62 if c.isdigit() or c.islower() else 0.8


def number_text(x: float) -> str:
    """A number in a formula: ½, −2, 0.125.

    >>> number_text(-0.5), number_text(3.0), number_text(1 / 3)
    ('−½', '3', '0.3333')
    """
    x = float(x)
    if abs(x) in FRACTIONS:
        return ("−" if x < 0 else "") + FRACTIONS[abs(x)]
    return f"{x:.4g}".replace("-", "−")


def cells_of(x: Array, rows: int = 4, columns: int = 3) -> list[list[str]] | None:
    """A small array's numbers with a few digits, row by row, a vector as a column; None if it is large.

    >>> cells_of(np.array([[1.0, -0.25]])), cells_of(np.array(0.123456))
    ([['1.00', '−0.25']], [['0.1235']])
    """
    if x.ndim == 0:
        return [[_scalar(float(x))]]
    if x.ndim > 2 or not x.size:
        return None
    table = x[:, None] if x.ndim == 1 else x
    if table.shape[0] > rows or table.shape[1] > columns:
        return None
    form = _form(float(np.abs(table).max()), bool((table == np.round(table)).all()))
    return [[_text(v, form) for v in row] for row in table.tolist()]


def norm_text(x: Array) -> str:
    """A large array in a word.

    >>> norm_text(np.ones(100))
    'norm 10'
    """
    return f"norm {_scalar(float(np.sqrt((x * x).sum())))}"


def _scalar(v: float) -> str:
    return _text(v, ".4g" if v == 0 or 1e-3 <= abs(v) < 1e5 else ".2e")


def _form(largest: float, whole: bool) -> str:
    if whole and largest < 1e4:
        return ".0f"
    if not 1e-3 <= largest < 1e4:
        return ".1e"
    if 0.1 <= largest < 10:
        return ".2f"
    return (
        f".{min(max(1 - floor(log10(largest)), 0), 4)}f"
        if largest < 0.1
        else ".1f"
        if largest < 100
        else ".0f"
    )


def _text(v: float, form: str) -> str:
    said = format(v, form)
    said = re.sub(r"e([+-])0*(\d+)", lambda m: f"e{m[1] if m[1] == '-' else ''}{m[2]}", said)
    said = said.removeprefix("-") if not float(said) else said  # no −0.00
    return said.replace("-", "−")
