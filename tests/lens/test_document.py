"""The document of answers: its formulas as plain signs, its three forms, what a claim that fails looks like."""

import unicodedata

import numpy as np
import pytest

from clearprop.courses.assignments.answers.confirm import by_comparison, by_differences
from clearprop.kernels.activations import tanh_forward
from clearprop.lens.document import (
    Code,
    Confirmation,
    Document,
    Equation,
    Fold,
    Heading,
    Items,
    Paragraph,
    Picture,
    Remark,
    Table,
    Value,
    literal,
    number,
    recorded,
    run_code,
)
from clearprop.lens.document.as_text import columns, wrapped
from clearprop.lens.document.formula import plain, plain_lines


@pytest.mark.parametrize(
    ("latex", "signs"),
    [
        (r"\frac{\partial L}{\partial W} = X^\top \hat{y} - \beta_{2,1}", "∂L/∂W = Xᵀ ŷ − β₂,₁"),
        (r"\frac{1}{1 + \exp(-a)}", "1/(1 + exp(−a))"),
        (r"\frac{y}{2m}", "y/(2m)"),
        (r"\frac{a + b}{c}", "(a + b)/c"),
        (r"-\frac{D}{2} \log \lvert K \rvert", "−D/2 log |K|"),
        (r"\frac{1}{2} \lVert W^\top W x - x \rVert^2", "1/2 ‖Wᵀ W x − x‖²"),
        (r"\sum_{d_1,d_2} Z[d_1 - i,d_2]", "Σ_{d₁,d₂} Z[d₁ − i,d₂]"),
        (r"x^{(1)} \in \mathbb{R}^{7}", "x⁽¹⁾ ∈ ℝ⁷"),
        (r"\alpha^\ast_{j,i} \ge -3", "α*ⱼ,ᵢ ≥ −3"),
        (r"e^{s_i} / S", "e^(sᵢ)/S"),
        (r"\sigma'(z_t)", "σ′(zₜ)"),
        (r"\left( a \right)^2 \quad \text{for } a", "(a)²   for a"),
        (r"y = \begin{cases} 1 & x > 0 \\ 0 & \text{else} \end{cases}", "y = { 1  x > 0;  0  else"),
        (r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}", "[1 2; 3 4]"),
        (r"10^{-15}", "10⁻¹⁵"),
        (r"\sqrt{x + 1}", "√(x + 1)"),
    ],
)
def test_a_formula_in_plain_signs(latex: str, signs: str) -> None:
    assert plain(latex) == signs


def test_equations_stand_under_one_another() -> None:
    assert plain_lines("\\begin{aligned}\na + b &= c \\\\\nd &= -e\n\\end{aligned}") == [
        "a + b = c",
        "    d = −e",
    ]


@pytest.mark.parametrize("latex", [r"\unknown{x}", r"\begin{tikzcd} a \end{tikzcd}"])
def test_an_unknown_command_is_no_guess(latex: str) -> None:
    with pytest.raises(ValueError, match="does not know"):
        plain(latex)


def test_wide_and_combining_signs_count_as_a_terminal_shows_them() -> None:
    assert columns("漢字") == 4
    assert columns(unicodedata.normalize("NFD", "ŷ")) == 1
    lines = wrapped(" ".join(["漢字漢字"] * 30)).splitlines()
    assert len(lines) > 3
    assert max(columns(line) for line in lines) <= 80


def test_a_word_that_no_line_holds_is_cut() -> None:
    path = "experiments/" + "x" * 200
    lines = wrapped(f"see {path} there", "  - ", "    ").splitlines()
    assert max(columns(line) for line in lines) == 80
    assert "".join(lines).removeprefix("  - ").replace(" ", "") == f"see{path}there"
    assert wrapped("漢" * 50, width=41).splitlines() == ["漢" * 20, "漢" * 20, "漢" * 10]


FOUND = Remark(
    "warning", "Dead ReLUs in layer 1", ("12 % of $a_1$ is 0.", "They rest."), "Begin with `bias=0`."
)


def test_what_was_found_in_every_form() -> None:
    table = Table(("looked at", "seen"), (("loss", "1.1"),))
    document = Document("A network", (FOUND, Fold("All that was seen", (table,))))
    assert document.text() == (
        "A network\n=========\n\n"
        "WARNING  Dead ReLUs in layer 1\n  12 % of a₁ is 0.\n  They rest.\n  → Begin with `bias=0`.\n\n"
        "  looked at  seen\n  ---------  ----\n  loss       1.1\n"
    )
    markdown = document.markdown()
    assert (
        "- **warning: Dead ReLUs in layer 1.** 12 % of $a_ 1$ is 0. They rest. *Begin with `bias=0`.*"
        in markdown
    )
    assert "| loss | 1.1 |" in markdown
    latex = document.latex()
    assert r"\textbf{Warning: Dead ReLUs in layer 1.} 12 \% of $a_1$ is 0. They rest." in latex
    assert r"$\rightarrow$ \emph{Begin with \texttt{bias=0}.}" in latex
    assert r"loss & 1.1 \\" in latex
    for html in (document.html(), document.fragment()):
        assert '<div class="remark" style="border-left:4px solid var(--warning,#b35806)' in html
        assert ">warning</span> Dead ReLUs in layer 1</strong>" in html
        assert "<p>→ <em>Begin with <code>bias=0</code>.</em></p>" in html
        assert "<details><summary>All that was seen</summary>" in html
    assert document.fragment().startswith("<div><p><strong>A network</strong></p>")


def test_text_from_elsewhere_is_neither_formula_nor_code() -> None:
    wild = "costs $5 to $7 `now` \\$ <b> 100% a_b"
    document = Document("T", (Paragraph(literal(wild)),))
    assert wild in document.text()
    assert "costs \\$5 to \\$7 \\`now\\` \\\\\\$ \\<b> 100% a\\_b" in document.markdown()
    assert r"costs \$5 to \$7 `now` \textbackslash{}\$ <b> 100\% a\_b" in document.latex()
    assert "costs $5 to $7 `now` \\$ &lt;b&gt; 100% a_b" in document.html()


def test_rounding() -> None:
    assert [number(v) for v in (0.54769, 2.00004, -0.00001, 3.0, float("nan"))] == [
        "0.5477",
        "2",
        "0",
        "3",
        "nan",
    ]
    text = Document("t", (Value("W", [[1.0, -0.5], [0.0, 2.0]], digits=2),)).text()
    assert "    W = [  1.00  -0.50 ]\n        [  0.00   2.00 ]\n" in text
    assert "b = [ 1  2 ]" in Document("t", (Value("b", [1.0, 2.0]),)).text()


class Line:
    """A drawing of one line."""

    def text(self) -> str:
        return "a → b"

    def mermaid(self) -> str:
        return "flowchart LR\n    a --> b"

    def tikz(self) -> tuple[str, ...]:
        return (r"\begin{tikzpicture}\draw (0,0) -- (1,0);\end{tikzpicture}",)


EVERYTHING = Document(
    "All & everything, 100%",
    (
        Heading("One_1", 1),
        Heading("Of $x^2$"),
        Paragraph("A * in 50% of `a_b` & $x_{1}$ < {2}, a|b, [c], #1, x^2 ~ \\ end."),
        Items(("first", "second $y$")),
        Equation(r"y = x_{1} W"),
        Value(r"\hat{y}", np.eye(2)),
        Value("a_1", 2.0),
        Table(("name", "$x$"), (("a_b", "$y_1$"), ("long " * 20, "1"))),
        Code("print('x_1 & 2')", "x_1 & 2"),
        Picture(Line(), "The line."),
        recorded("It reached 98 %.", "clearprop course run x"),
    ),
)


def test_markdown() -> None:
    assert EVERYTHING.markdown() == (
        "# All & everything, 100%\n\n## One\\_1\n\n### Of $x^2$\n\n"
        "A \\* in 50% of `a_b` & $x_ {1}$ \\< {2}, a\\|b, \\[c\\], #1, x^2 ~ \\\\ end.\n\n"
        "- first\n- second $y$\n\n$$\ny = x_ {1} W\n$$\n\n"
        "$$\n\\hat{y} =\n\\begin{bmatrix}\n1 & 0 \\\\\n0 & 1\n\\end{bmatrix}\n$$\n\n$$\na_ 1 = 2\n$$\n\n"
        f"| name | $x$ |\n| --- | --- |\n| a\\_b | $y_ 1$ |\n| {'long ' * 20} | 1 |\n\n"
        "```python\nprint('x_1 & 2')\n```\n\nprints\n\n```text\nx_1 & 2\n```\n\n"
        "```mermaid\nflowchart LR\n    a --> b\n```\n\nThe line.\n\n```text\na → b\n```\n\n"
        "**Recorded, not computed now.** It reached 98 %. Run it again with `clearprop course run x`.\n"
    )


def test_latex() -> None:
    latex = EVERYTHING.latex()
    assert r"\usepackage{tikz}" in latex
    assert r"All \& everything, 100\%" in latex
    assert (
        r"A * in 50\% of \texttt{a\_b} \& $x_{1}$ < \{2\}, a|b, [c], \#1, x\textasciicircum{}2 \textasciitilde{} "
        r"\textbackslash{} end." in latex
    )
    assert "\\begin{verbatim}\nprint('x_1 & 2')\n\\end{verbatim}" in latex
    assert r"\DeclareUnicodeCharacter" not in latex  # the arrow is drawn, and Mermaid's signs are not in it
    assert r"\usepackage{tikz}" not in Document("t", (Paragraph("x"),)).latex()


def test_a_latex_tables_columns_follow_what_is_shown() -> None:
    formula = r"$\frac{\partial L}{\partial W_{1}}$ and more"  # long in the source alone
    narrow, wide = (
        Document("t", (Table(("a", "b"), ((cell, "1"),)),)).latex() for cell in (formula, "long " * 20)
    )
    assert r"\begin{tabular}{ll}" in narrow
    assert r"\begin{tabular}{p{0.60\linewidth}l}" in wide


def test_only_a_formula_wider_than_a_line_is_broken() -> None:
    short = " + ".join([r"\frac{\partial L}{\partial W_{ij}}"] * 6)  # long in the source alone
    assert f"\\[\n{short}\n\\]" in Document("t", (Equation(short),)).latex()
    broken = Document("t", (Equation(" + ".join([short] * 3)),)).latex()
    assert r"\raggedright" in broken
    assert r"\[" not in broken


def test_signs_in_latex() -> None:
    sentence = "`--data` xₜ yᵀ β₂ → é “quoted” 漢 \x1b \x85 \ufffd ŧ"
    latex = Document("t", (Paragraph(sentence),)).latex()
    assert r"\texttt{-{}-data}" in latex  # in T1, -- is a dash
    meanings = {
        "ₜ": r"\ensuremath{{}_{t}}", "ᵀ": r"\ensuremath{{}^{T}}", "₂": r"\ensuremath{{}_{2}}",
        "β": r"\ensuremath{\beta}", "→": r"\ensuremath{\rightarrow}", "漢": "[U+6F22]", "ŧ": "[U+0167]",
    }  # fmt: skip
    for sign, meaning in meanings.items():
        assert f"\\DeclareUnicodeCharacter{{{ord(sign):04X}}}{{{meaning}}}\n" in latex
        assert f"\\newunicodechar{{{sign}}}{{{meaning}}}\n" in latex
    assert latex.count("DeclareUnicodeCharacter") == len(meanings)  # T1 has é and the quotation marks
    assert "[U+001B] [U+0085] [U+FFFD]" in latex  # no engine takes them


def test_text() -> None:
    text = EVERYTHING.text()
    assert max(columns(line) for line in text.splitlines()) <= 80
    assert "\n    ŷ = [ 1  0 ]\n        [ 0  1 ]\n" in text
    assert "\n    a₁ = 2\n" in text
    assert "  prints\n\n    x_1 & 2\n" in text
    assert "Recorded, not computed now. It reached 98 %. Run it again with\n`clearprop course run x`." in text


def test_code_is_really_run() -> None:
    assert run_code("print(sum([1, 2, 39]))") == Code("print(sum([1, 2, 39]))", "42")


def test_a_right_gradient_is_confirmed() -> None:
    x = {"x": np.linspace(-1, 1, 5)}
    found = by_differences(
        lambda at: tanh_forward(at["x"])[0], lambda dy, at: {"x": dy / np.cosh(at["x"]) ** 2}, x, {"x": "dx"}
    )
    assert found.ok
    assert found.errors["dx"] < 1e-9
    assert Document("t", (found,)).unconfirmed == ()


def test_a_wrong_gradient_is_not() -> None:
    x = {"x": np.linspace(-1, 1, 5)}
    found = by_differences(
        lambda at: tanh_forward(at["x"])[0],
        lambda dy, at: {"x": 2 * dy / np.cosh(at["x"]) ** 2},
        x,
        {"x": "dx"},
    )
    document = Document("t", (found,))
    assert document.unconfirmed == (found,)
    for form in (document.text(), document.markdown(), document.latex()):
        assert "NOT CONFIRMED." in form
        assert "Confirmed now" not in form
    assert "2 times" in document.text()  # the gradient checker's guess


@pytest.mark.parametrize("wrong", [np.ones((3, 2)), np.ones((2, 3)) + 1e-5, np.full((2, 3), np.nan)])
def test_arrays_that_differ_are_not_confirmed(wrong: np.ndarray) -> None:
    assert not by_comparison("a against b", {"a": (wrong, np.ones((2, 3)))}).ok


def test_nan_is_never_below_a_tolerance() -> None:
    assert not Confirmation("", {"a": float("nan")}).ok
