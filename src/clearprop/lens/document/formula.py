r"""A formula in LaTeX, as a terminal shows it.

>>> plain(r"\frac{\partial L}{\partial W} = X^\top \hat{y} - \beta_{2,1}")
'∂L/∂W = Xᵀ ŷ − β₂,₁'
"""

import re
import unicodedata

_TOKEN = re.compile(r"\\text\{[^{}]*\}|\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)
_SYMBOLS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ", "lambda": "λ",
    "mu": "μ", "pi": "π", "rho": "ρ", "sigma": "σ", "phi": "ϕ", "varphi": "φ", "omega": "ω", "Delta": "Δ", "Phi": "Φ",
    "sum": "Σ", "prod": "Π",
    "partial": "∂", "nabla": "∇", "ell": "ℓ", "infty": "∞", "odot": "⊙", "pm": "±", "cdot": "·",
    "times": "×", "le": "≤", "ge": "≥", "ne": "≠", "approx": "≈", "to": "→", "leftarrow": "←", "Rightarrow": "⇒",
    "in": "∈", "ast": "∗", "top": "ᵀ", "lVert": "‖", "rVert": "‖",
    "lvert": "|", "rvert": "|", "lbrace": "{", "rbrace": "}", "dots": "…", "cdots": "…", "ldots": "…",
    **{name: name for name in ("exp", "log", "ln", "max", "min", "tanh", "arctan", "det", "arg", "lim")},
}  # fmt: skip
_ACCENTS = {
    "hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "overrightarrow": "\u20d7", "overleftarrow": "\u20d6",
}  # fmt: skip
_FONTS = {"mathbf", "mathrm"}
_SPACES = {"quad": "   ", "qquad": "      ", "!": "", ",": " ", ";": " ", " ": " "}
_RELATIONS = set("=≈≠≤≥<>→←⇒∈")
_BINARY = _RELATIONS | set("+−±·×⊙∗/:")
_SPACED = _BINARY - {"/"}
_SUB = dict(
    zip("0123456789+−=()aehijklmnoprstuvxβγρϕ,", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩ,", strict=True)
)
_SUPER = dict(
    zip(
        "0123456789+−=()abcdefghijklmnoprstuvwxyzᵀ∗′",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀ*′",
        strict=True,
    )
)


def plain(latex: str) -> str:
    """A formula on one line; ValueError for a command that this reader does not know."""
    return " ".join(plain_lines(latex))


def plain_lines(latex: str) -> list[str]:
    """A formula's lines: those of `aligned`, set under one another, or a single one."""
    rows = plain_rows(latex)
    if len(rows) == 1:
        return [" ".join(filter(None, rows[0]))]
    width = max(len(left) for left, right in rows if right)
    return [f"{left:>{width}} {right}".rstrip() for left, right in rows]


def plain_rows(latex: str) -> list[tuple[str, str]]:
    """What stands to the left of the mark in each line of `aligned`, and to the right; else a single line."""
    inside = latex.strip().removeprefix(r"\begin{aligned}").removesuffix(r"\end{aligned}")
    if inside == latex.strip():
        return [(_Reader(inside).sequence(), "")]
    rows = ([cell.strip() for cell in row] for row in _Reader(inside.strip()).rows())
    return [(left, " ".join(right)) for left, *right in rows]


class _Reader:
    """Reads a formula from left to right and writes it plainly."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens: list[str] = _TOKEN.findall(latex)
        self.at = 0

    def rows(self) -> list[list[str]]:
        """The cells between `&` of the rows between a double backslash, up to `\\end` or the formula's end."""
        rows = [[self.sequence()]]
        while self.at < len(self.tokens) and (mark := self.tokens[self.at]) in ("&", r"\\"):
            self.at += 1
            if mark == "&":
                rows[-1].append(self.sequence())
            else:
                rows.append([self.sequence()])
        return rows

    def sequence(self) -> str:
        """All atoms up to a closing brace, a cell's end or the formula's end, with the right spaces between them."""
        text, before = "", ""  # before: the last sign that is no space
        gap = False
        while self.at < len(self.tokens) and self.tokens[self.at] not in ("}", "&", r"\\", r"\end"):
            if self.tokens[self.at].isspace():
                gap, self.at = True, self.at + 1
                continue
            gap = gap and self.tokens[self.at] not in (r"\rVert", r"\rvert", r"\right")
            atom = self.scripted()
            if not atom.strip():
                text, gap = text + atom, False
                continue
            binary = atom in _RELATIONS or (atom in _BINARY and before not in {"", "(", "[", ","} | _BINARY)
            if atom in _SPACED and binary:
                text = f"{text.rstrip()} {atom} "
            elif (
                gap
                and before not in ("", "(", "[", "|", "/")
                and atom not in ")],;/"
                and not text.endswith(" ")
            ):
                text += f" {atom}" if before not in _BINARY and before not in "∂∇" else atom
            else:
                text += atom
            before = atom if binary or len(atom) == 1 else atom[-1] if atom[-1] in "([" else "x"
            gap = False
        return text.strip()

    def scripted(self) -> str:
        """An atom with its indices and exponents."""
        atom = self.atom()
        while self.at < len(self.tokens) and self.tokens[self.at] in ("_", "^", "'"):
            mark = self.tokens[self.at]
            self.at += 1
            if mark == "'":
                atom += "′"
            else:
                atom += _script(self.atom(), *((_SUB, "_") if mark == "_" else (_SUPER, "^")))
        return atom

    def atom(self) -> str:
        """One sign, one group or one command with what belongs to it."""
        token = self.tokens[self.at]
        self.at += 1
        if token == "{":
            inside = self.sequence()
            self.at += 1
            return inside
        if not token.startswith("\\"):
            return {"-": "−", "*": "∗"}.get(token, token)
        if token.startswith(r"\text{"):
            return token[6:-1]
        return self.command(token[1:])

    def command(self, name: str) -> str:
        if name in _SPACES:
            return _SPACES[name]
        self.skip_space()
        if name == "frac":
            over, under = self.argument(), self.argument()
            return f"{_bracketed(over, over=True)}/{_bracketed(under)}"
        if name == "sqrt":
            return f"√{_bracketed(self.argument())}"
        if name in _ACCENTS:
            base = self.argument()
            return unicodedata.normalize("NFC", base[0] + _ACCENTS[name]) + base[1:]
        if name in _FONTS:
            return self.argument()
        if name == "mathbb":
            return {"R": "ℝ", "E": "𝔼"}[self.argument()]
        if name in ("left", "right", "big", "Big"):
            return self.argument().replace(".", "")
        if name == "begin":
            return self.environment()
        if name in _SYMBOLS:
            if name not in ("partial", "nabla", "lVert", "lvert") and self.tokens[self.at - 1].isspace():
                self.at -= 1  # the space counts as one between factors
            return _SYMBOLS[name]
        raise ValueError(f"\\{name} in {self.latex!r}: this reader does not know it.")

    def environment(self) -> str:
        kind = self.argument()
        rows = self.rows()
        self.at += 1  # \end
        if self.argument() != kind:
            raise ValueError(f"{kind} in {self.latex!r} is not closed.")
        if kind == "cases":
            return "{ " + ";  ".join("  ".join(cell for cell in row if cell) for row in rows)
        if kind == "bmatrix":
            return "[" + "; ".join(" ".join(row) for row in rows) + "]"
        raise ValueError(f"{kind} in {self.latex!r}: this reader does not know it.")

    def argument(self) -> str:
        self.skip_space()
        return self.atom()

    def skip_space(self) -> None:
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1


def _script(text: str, table: dict[str, str], mark: str) -> str:
    bare = text.replace(" ", "")
    if all(sign in table for sign in bare):
        return "".join(table[sign] for sign in bare)
    if len(bare) == 1 or (mark == "_" and bare.isalnum()):
        return f"{mark}{bare}"
    return f"_{{{text}}}" if mark == "_" else f"^({text})"


def _bracketed(text: str, over: bool = False) -> str:
    """What stands over or under a fraction's bar, in brackets unless it is one thing."""
    depth, parts = 0, ""
    for sign in text:
        depth += (sign in "([") - (sign in ")]")
        parts += sign if depth == 0 else ""
    several = any(sign in parts[1:] for sign in ("+", "−", "/"))  # the first one may be a sign
    product = " " in parts.strip() or re.match(r"\d+(\.\d+)?[^\W\d]", parts)
    return f"({text})" if several or (product and not over) else text
