"""A document in LaTeX: amsmath for the formulas, TikZ where something is drawn."""

from collections.abc import Callable

from clearprop.lens.document import (
    Block,
    Code,
    Confirmation,
    Document,
    Equation,
    Fold,
    Heading,
    Items,
    Kind,
    Paragraph,
    Picture,
    Remark,
    Table,
    Tensor,
    Value,
    spans,
)
from clearprop.lens.document.as_markdown import equalities, equality
from clearprop.lens.document.as_text import columns, said
from clearprop.lens.document.formula import plain
from clearprop.lens.document.latex import latex_document, latex_escaped, latex_verbatim

_FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"  # TikZ loads graphicx
_LINE = 85  # columns of a table's row, as a terminal shows it, that need no line breaks
_NARROW = 30  # and of a cell, where the row does
_LONG = 90  # columns of a formula: about a line


def latex(document: Document) -> str:
    """A whole document that compiles by itself."""
    drawn = any(isinstance(block, Picture) for block in document.blocks)
    body = [f"\\begin{{center}}\\Large\\bfseries {inline(document.title)}\\end{{center}}\n"]
    body += [_block(block) for block in document.blocks]
    return latex_document("\n".join(body), ("amsmath", "amssymb", *(("tikz",) if drawn else ())))


def inline(sentence: str) -> str:
    """A sentence, with LaTeX's signs made harmless outside of formulas."""
    written: dict[Kind, Callable[[str], str]] = {
        "text": latex_escaped,
        "math": lambda piece: f"${piece}$",
        "code": lambda piece: f"\\texttt{{{latex_escaped(piece)}}}",
    }
    return "".join(written[kind](piece) for kind, piece in spans(sentence))


def _block(block: Block) -> str:
    match block:
        case Heading(title, level):
            return f"\\{'section' if level == 1 else 'subsection'}*{{{inline(title)}}}\n"
        case Paragraph(sentence, lead):
            return (f"\\textbf{{{latex_escaped(lead)}}} " if lead else "") + f"{inline(sentence)}\n"
        case Confirmation():
            return _block(block.paragraph())
        case Items(items):
            listed = "\n".join(f"\\item {inline(item)}" for item in items)
            return f"\\begin{{itemize}}\n{listed}\n\\end{{itemize}}\n"
        case Equation(formula) if r"\begin" not in formula and columns(plain(formula)) > _LONG:
            # within a line TeX breaks it
            return f"\\begin{{quote}}\\raggedright\n$\\displaystyle {formula}$\n\\end{{quote}}\n"
        case Equation(formula):
            return f"\\[\n{formula}\n\\]\n"
        case Value():
            return f"\\[\n{equality(block)}\n\\]\n"
        case Tensor():
            said = "" if block.whole else f"\n{inline(f'{block.shape}: {block.statistics()}.')}\n"
            return "".join(f"\\[\n{part}\n\\]\n" for part in equalities(block)) + said
        case Table():
            return _table(block)
        case Remark(severity, title, sentences, remedy):
            seen = "".join(f" {inline(sentence)}" for sentence in sentences)
            what = f"\\textbf{{{severity.capitalize()}: {inline(title)}.}}{seen}\n"
            return what + (f"\n$\\rightarrow$ \\emph{{{inline(remedy)}}}\n" if remedy else "")
        case Fold(_, blocks):
            return "\n".join(map(_block, blocks))
        case Code(source, output):
            return latex_verbatim(source) + (f"\nprints\n\n{latex_verbatim(output)}" if output else "")
        case Picture(drawing, caption):
            pictures = "\n\n\\bigskip\n".join(f"{_FITTED}{{%\n{tikz.strip()}}}" for tikz in drawing.tikz())
            return f"\\begin{{center}}\n{pictures}\n\\end{{center}}\n\n{inline(caption)}\n"


def _table(table: Table) -> str:
    lengths = [
        max(columns(said(cell)) for cell in column) for column in zip(table.head, *table.rows, strict=True)
    ]
    wide = sum(length > _NARROW for length in lengths) if sum(lengths) > _LINE else 0
    kinds = [f"p{{{0.6 / wide:.2f}\\linewidth}}" if wide and length > _NARROW else "l" for length in lengths]
    head, *rows = [" & ".join(inline(cell) for cell in row) + r" \\" for row in (table.head, *table.rows)]
    lines = "\n".join([head, r"\hline", *rows])
    tabular = f"\\begin{{tabular}}{{{''.join(kinds)}}}\n{lines}\n\\end{{tabular}}"
    return f"\\begin{{center}}\n\\renewcommand{{\\arraystretch}}{{1.3}}\n{tabular}\n\\end{{center}}\n"
