"""A document for a terminal: 80 columns, formulas with the signs that Unicode has."""

import unicodedata
from collections.abc import Callable, Iterator

from clearprop.arrays import Array
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
from clearprop.lens.document.formula import plain, plain_lines
from clearprop.lens.document.tensor import COLUMNS

WIDTH = 80
_HARD = "\u00a0"  # a space at which no line ends
_SHORT = 30  # formulas up to this width stay on one line


def text(document: Document) -> str:
    """The document's text, with a newline at the end."""
    parts = [_underlined(document.title, "=")]
    parts += [as_text(block) for block in document.blocks]
    return "\n\n".join(parts) + "\n"


def columns(line: str) -> int:
    """How many columns of a terminal a line takes: wide signs two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line
    )


def wrapped(sentence: str, first: str = "", rest: str = "", width: int = WIDTH) -> str:
    """A sentence broken into lines; `first` and `rest` are their beginnings. A word is cut where no line holds it."""
    lines, line = [], first
    room = width - max(columns(first), columns(rest))
    for word in (piece for whole in sentence.split(" ") for piece in _cut(whole, room)):
        begun = line in (first, rest)
        if not begun and columns(line) + 1 + columns(word) > width:
            lines.append(line)
            line, begun = rest, True
        line += word if begun else f" {word}"
    return "\n".join([*lines, line]).replace(_HARD, " ")


def _cut(word: str, room: int) -> Iterator[str]:
    """A word in pieces that a line holds, cut at hard spaces if it has any."""
    while columns(word) > room:
        end = max(i for i in range(1, len(word)) if i == 1 or columns(word[:i]) <= room)
        at = max(word.rfind(_HARD, 1, end + 1), 0) or end
        yield word[:at]
        word = word[at:].lstrip(_HARD)
    yield word


def said(sentence: str) -> str:
    """A sentence with its formulas in plain signs."""
    written: dict[Kind, Callable[[str], str]] = {
        "text": lambda piece: piece.replace(" %", f"{_HARD}%"),
        "math": _formula,
        "code": lambda piece: f"`{piece.replace(' ', _HARD)}`",
    }
    return "".join(written[kind](piece) for kind, piece in spans(sentence))


def _formula(latex: str) -> str:
    line = plain(latex)
    return line.replace(" ", _HARD) if columns(line) <= _SHORT else line


def _underlined(title: str, sign: str) -> str:
    lines = wrapped(said(title))
    return f"{lines}\n{sign * max(columns(line) for line in lines.splitlines())}"


def as_text(block: Block) -> str:
    """One block."""
    match block:
        case Heading(title, level):
            return _underlined(title, "=" if level == 1 else "-")
        case Paragraph(sentence, lead):
            return wrapped(said(f"{lead} {sentence}" if lead else sentence))
        case Confirmation():
            return as_text(block.paragraph())
        case Items(items):
            return "\n".join(wrapped(said(item), "  - ", "    ") for item in items)
        case Equation(latex):
            return "\n".join(_line(line) for line in plain_lines(latex))
        case Value():
            return _value(block)
        case Tensor():
            return _tensor(block)
        case Table():
            return _table(block)
        case Remark():
            return _remark(block)
        case Fold(_, blocks):
            return "\n\n".join(map(as_text, blocks))
        case Code(source, output):
            printed = f"\n\n  prints\n\n{_indented(output)}" if output else ""
            return _indented(source) + printed
        case Picture(drawing, caption):
            return f"{drawing.text().rstrip()}\n\n{wrapped(said(caption))}"


def _indented(lines: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in lines.splitlines())


def _line(line: str) -> str:
    """A formula's line, which keeps its spaces where it is short enough."""
    if columns(line) <= WIDTH - 4:
        return f"    {line}"
    return wrapped(
        line.replace(" · 10", f"{_HARD}·{_HARD}10"), "    ", "        "
    )  # a power of ten stays whole


def _value(block: Value) -> str:
    name = f"    {plain(block.name)} = "
    rows = numbers(block.value, block.digits)
    if rows == [[rows[0][0]]]:
        return name + number(float(rows[0][0]), block.digits)
    width = max(len(entry) for row in rows for entry in row)
    lines = [f"[ {'  '.join(entry.rjust(width) for entry in row)} ]" for row in rows]
    return "\n".join((" " * columns(name) if i else name) + line for i, line in enumerate(lines))


def _tensor(tensor: Tensor) -> str:
    """Its parts, in as many columns as there is room for, and its statistics where they are not all of it."""
    if tensor.value.ndim == 0:
        return f"    {plain(tensor.name)} = {plain(scalar(tensor.value.item(), tensor.digits))}"
    for across in range(COLUMNS, 0, -1):
        lines = _parts(tensor, across)
        if max(map(columns, lines)) <= WIDTH:
            break
    if not tensor.whole:
        words = f"{tensor.shape}: {tensor.statistics()}".replace(" %", f"{_HARD}%")
        lines.append(wrapped(words, "    ", "      "))
    return "\n".join(lines)


def _parts(tensor: Tensor, across: int) -> list[str]:
    """The lines of its parts, each so many numbers wide."""
    scale, lines = tensor.scale(), []
    times = f"{plain(f'10^{{{scale}}}')} × " if scale else ""
    parts = [(part.where, _words(tensor, part.rows)) for part in tensor.parts(across)]
    widest = max((len(word) for _, rows in parts for row in rows for word in row), default=0)
    for where, rows in parts:
        name = f"    {plain(tensor.name)}{where} = {times}"
        brackets = [f"[ {'  '.join(word.rjust(widest) for word in row)} ]" for row in rows]
        lines += [(" " * columns(name) if i else name) + row for i, row in enumerate(brackets)]
    return lines


def _words(tensor: Tensor, rows: Array) -> list[list[str]]:
    return numbers(tensor.scaled(rows), tensor.digits)


def _remark(remark: Remark) -> str:
    """What was found; what was seen, indented; the remedy behind an arrow."""
    lines = [wrapped(said(remark.title), f"{remark.severity.upper():<9}", " " * 9)]
    lines += [wrapped(said(sentence), "  ", "  ") for sentence in remark.sentences]
    return "\n".join([*lines, wrapped(said(remark.remedy), "  → ", "    ")] if remark.remedy else lines)


def _table(table: Table) -> str:
    rows = [[said(cell).replace(_HARD, " ") for cell in row] for row in (table.head, *table.rows)]
    widths = [max(columns(row[i]) for row in rows) for i in range(len(table.head))]
    widest = widths.index(max(widths))
    widths[widest] = min(widths[widest], WIDTH - 2 * len(widths) - sum(widths) + widths[widest])
    lines = [line for row in rows for line in _row(row, widths)]
    head = len(_row(rows[0], widths))
    return "\n".join([*lines[:head], "  " + "  ".join("-" * width for width in widths), *lines[head:]])


def _row(cells: list[str], widths: list[int]) -> list[str]:
    """A row's lines: a cell that is too wide goes on under itself."""
    parts = [
        wrapped(cell, width=width).splitlines() or [""] for cell, width in zip(cells, widths, strict=True)
    ]
    lines = []
    for i in range(max(len(part) for part in parts)):
        here = [part[i] if i < len(part) else "" for part in parts]
        padded = [cell + " " * (width - columns(cell)) for cell, width in zip(here, widths, strict=True)]
        lines.append(("  " + "  ".join(padded)).rstrip())
    return lines
