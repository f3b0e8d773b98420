"""LaTeX documents that compile by themselves, and text made harmless for them."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

_COLUMNS = 112  # of a line of code that fits, at \footnotesize, on letter paper and on A4
_REFUSED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd-\uffff]"
)  # one engine or another stops at each of them
_LIGATURE = re.compile(r"(?<=[-<>,`'!?])(?=[-<>,`'])")  # -- would be a dash, << a quotation mark
_PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage[margin=2cm]{geometry}
\usepackage{iftex}
"""
_LOOK = r"""\IfFileExists{upquote.sty}{\usepackage{upquote}}{}
\setlength{\parindent}{0pt}
\setlength{\parskip}{5pt plus 2pt}
\setlength{\jot}{6pt}
\setlength{\emergencystretch}{4em}
"""
# T1 without its scalable fonts is bitmaps; Latin Modern has them.
_PDFTEX = r"""\ifPDFTeX
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
"""


def latex_document(body: str, packages: Sequence[str] = ()) -> str:
    """A whole document around a body, for pdfLaTeX, XeLaTeX and LuaLaTeX."""
    body = _REFUSED.sub(lambda found: _code_point(found[0]), body)
    signs = list(_declared(body))
    named = "".join(f"\\DeclareUnicodeCharacter{{{ord(sign):04X}}}{{{meaning}}}\n" for sign, meaning in signs)
    drawn = "".join(f"\\newunicodechar{{{sign}}}{{{meaning}}}\n" for sign, meaning in signs)
    return (
        _PREAMBLE
        + "".join(f"\\usepackage{{{name}}}\n" for name in packages)
        + f"{_PDFTEX}{named}"
        + (f"\\else\n\\usepackage{{newunicodechar}}\n{drawn}" if drawn else "")
        + f"\\fi\n{_LOOK}\\begin{{document}}\n{body}\\end{{document}}\n"
    )


def latex_verbatim(text: str) -> str:
    """Source text as LaTeX prints it, line by line.

    A line that is wider than the page goes on in the next, after an arrow; one that would end the environment is cut
    in two.
    """
    text = text.expandtabs(4).rstrip().replace("\\end{verbatim}", "\\end {verbatim}")
    lines = "\n".join(piece for line in text.split("\n") for piece in _folded(line))
    return f"{{\\footnotesize\n\\begin{{verbatim}}\n{lines}\n\\end{{verbatim}}}}\n"


def latex_escaped(text: str) -> str:
    """Text with LaTeX's signs made harmless.

    >>> latex_escaped("a_b & 50%")
    'a\\\\_b \\\\& 50\\\\%'
    >>> latex_escaped("--help")
    '-{}-help'
    """
    signs = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
    signs |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
    return _LIGATURE.sub("{}", "".join(signs.get(sign, sign) for sign in text))


def _folded(line: str) -> Iterator[str]:
    """A line in pieces that fit on the page."""
    piece, room = "", _COLUMNS
    for sign in line:
        width = 1 if _known(sign) else 3 if _meaning(sign).startswith("\\") else len(_code_point(sign))
        if width > room:
            yield piece
            piece, room = "↪ ", _COLUMNS - 4
        piece += sign
        room -= width
    yield piece


_GREEK = dict(zip("αβγδεζηθικλμνξπρςστυφχψωϕϵΓΔΘΛΞΠΣΦΨΩµ", [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "varphi", "chi", "psi", "omega", "phi", "epsilon", "Gamma",
    "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega", "mu",
], strict=True))  # fmt: skip
_SIGNS = _GREEK | {
    "·": "cdot", "⋅": "cdot", "×": "times", "÷": "div", "±": "pm", "∓": "mp", "−": "mathord{-}", "≤": "leq",
    "≥": "geq", "≠": "neq", "≈": "approx", "≡": "equiv", "∝": "propto", "≪": "ll", "≫": "gg", "∂": "partial",
    "∇": "nabla", "∑": "sum", "∏": "prod", "√": "surd", "∫": "int", "∞": "infty", "∈": "in", "∉": "notin",
    "∀": "forall", "∃": "exists", "∪": "cup", "∩": "cap", "⊂": "subset", "∅": "emptyset", "¬": "neg", "∧": "wedge",
    "∨": "vee", "⊙": "odot", "⊗": "otimes", "⊕": "oplus", "∘": "circ", "∗": "ast", "•": "bullet",
    "°": "mathord{^\\circ}", "→": "rightarrow", "←": "leftarrow", "↔": "leftrightarrow", "↑": "uparrow",
    "↓": "downarrow", "⇒": "Rightarrow", "⇔": "Leftrightarrow", "↦": "mapsto", "↪": "hookrightarrow", "…": "ldots",
    "′": "mathord{^\\prime}", "‖": "Vert",
    "⟨": "langle", "⟩": "rangle", "⌊": "lfloor", "⌋": "rfloor", "⌈": "lceil", "⌉": "rceil", "ℓ": "ell",
    "½": "mathord{^1\\!/_2}", "¼": "mathord{^1\\!/_4}", "¾": "mathord{^3\\!/_4}", "ℝ": "mathbf{R}", "𝔼": "mathbf{E}",
}  # fmt: skip
_QUOTES = "¡¿«»–—‘’‚“”„"  # T1 has these, besides most letters
_NO_LETTERS = "ĦħĲĳĸĿŀŉŦŧſ"  # and neither T1 nor Latin Modern these


def _declared(text: str) -> Iterator[tuple[str, str]]:
    """Each sign that LaTeX has to be told, with what it means there."""
    for sign in sorted(set(text)):
        if not _known(sign):
            yield sign, _meaning(sign)


def _known(sign: str) -> bool:
    letter = sign <= "\u017f" and "LATIN" in unicodedata.name(sign, "") and sign not in _NO_LETTERS
    return (sign.isascii() and not _REFUSED.match(sign)) or letter or sign in _QUOTES


def _meaning(sign: str) -> str:
    """A sign in LaTeX: a formula, an index or exponent, or the sign's number where LaTeX has nothing for it."""
    if sign in _SIGNS:
        return f"\\ensuremath{{\\{_SIGNS[sign]}}}"
    place, *of = unicodedata.decomposition(sign).split() or [""]
    if place in ("<sub>", "<super>") and len(of) == 1:
        base = chr(int(of[0], 16))
        base = f"\\{_SIGNS[base]}" if base in _SIGNS else base
        if base.isascii():
            return f"\\ensuremath{{{{}}{'_' if place == '<sub>' else '^'}{{{base}}}}}"
    return _code_point(sign)


def _code_point(sign: str) -> str:
    return f"[U+{ord(sign):04X}]"
