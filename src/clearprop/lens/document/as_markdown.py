r"""A document in Markdown, with formulas as GitHub, Jupyter and Pandoc read them.

Inside formulas a space follows each `_`, so that no reader takes two of them for emphasis.
"""

import re
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
    number,
    numbers,
    scalar,
    spans,
)

_MARKS = re.compile(r"([\\`$*_<\[\]|])")


def markdown(document: Document) -> str:
    """The document's text, with a newline at the end."""
    return "\n\n".join([f"# {inline(document.title)}", *(_block(block) for block in document.blocks)]) + "\n"


def inline(sentence: str) -> str:
    """A sentence, with what Markdown would read as a mark made plain."""
    written: dict[Kind, Callable[[str], str]] = {
        "text": lambda piece: _MARKS.sub(r"\\\1", piece),
        "math": lambda piece: f"${formula(piece)}$",
        "code": lambda piece: f"`{piece}`",
    }
    return "".join(written[kind](piece) for kind, piece in spans(sentence))


def formula(latex: str) -> str:
    """A formula in which no reader of Markdown finds a mark of its own."""
    return latex.replace("_", "_ ")


def _block(block: Block) -> str:
    match block:
        case Heading(title, level):
            return f"{'#' * (level + 1)} {inline(title)}"
        case Paragraph(sentence, lead):
            return f"**{lead}** {inline(sentence)}" if lead else inline(sentence)
        case Confirmation():
            return _block(block.paragraph())
        case Items(items):
            return "\n".join(f"- {inline(item)}" for item in items)
        case Equation(latex):
            return f"$$\n{formula(latex)}\n$$"
        case Value():
            return f"$$\n{formula(equality(block))}\n$$"
        case Tensor():
            said = "" if block.whole else f"\n\n{inline(f'{block.shape}: {block.statistics()}.')}"
            return "\n\n".join(f"$$\n{formula(part)}\n$$" for part in equalities(block)) + said
        case Table(head, rows):
            ruler = ("---",) * len(head)
            lines = [
                [inline(cell) for cell in head],
                ruler,
                *([inline(cell) for cell in row] for row in rows),
            ]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Remark(severity, title, sentences, remedy):
            seen = "".join(f" {inline(sentence)}" for sentence in sentences)
            return f"- **{severity}: {inline(title)}.**{seen}" + (f" *{inline(remedy)}*" if remedy else "")
        case Fold(_, blocks):
            return "\n\n".join(map(_block, blocks))
        case Code(source, output):
            return _fenced(source, "python") + (f"\n\nprints\n\n{_fenced(output, 'text')}" if output else "")
        case Picture(drawing, caption):
            chart, listing = _fenced(drawing.mermaid(), "mermaid"), _fenced(drawing.text().rstrip(), "text")
            return f"{chart}\n\n{inline(caption)}\n\n{listing}"


def _fenced(lines: str, language: str) -> str:
    return f"```{language}\n{lines}\n```"


def equality(block: Value) -> str:
    """`name = value` in LaTeX, for Markdown and LaTeX alike."""
    rows = numbers(block.value, block.digits)
    if rows == [[rows[0][0]]]:
        return f"{block.name} = {number(float(rows[0][0]), block.digits)}"
    matrix = " \\\\\n".join(" & ".join(row) for row in rows)
    return f"{block.name} =\n\\begin{{bmatrix}}\n{matrix}\n\\end{{bmatrix}}"


def equalities(block: Tensor) -> list[str]:
    """`name[…] = part` in LaTeX, for each part that is shown."""
    if block.value.ndim == 0:
        return [f"{block.name} = {scalar(block.value.item(), block.digits)}"]
    scale = block.scale()
    times = f"10^{{{scale}}} \\cdot\n" if scale else ""
    each = []
    for part in block.parts():
        rows = numbers(block.scaled(part.rows), block.digits)
        matrix = " \\\\\n".join(" & ".join(row) for row in rows)
        each.append(f"{block.name}{part.where} =\n{times}\\begin{{bmatrix}}\n{matrix}\n\\end{{bmatrix}}")
    return each
