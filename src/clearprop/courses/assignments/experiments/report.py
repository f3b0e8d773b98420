"""What experiments write: tables as CSV, as Markdown and as lines on the screen, pictures in the house's style."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearprop.files import replace_file
from clearprop.lens.style import DPI, LOOKS, OTHERS, legend_above, new_axes, plain, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Sequence[object]


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8, whole or not at all."""
    replace_file(path, lambda file: file.write(text.encode()))


def write_csv(path: Path, head: Sequence[str], rows: Sequence[Row]) -> None:
    """A table with a header line; floats with all their digits."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    write_text(path, text.getvalue())


def markdown_table(head: Sequence[str], rows: Sequence[Row]) -> str:
    """A table for a Markdown page, ending in an empty line.

    >>> print(markdown_table(["run", "accuracy"], [["(a)", 0.82]]), end="")
    | run | accuracy |
    |---|---|
    | (a) | 0.82 |
    <BLANKLINE>
    """
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
    return text.replace("| --- ", "|---").replace("--- |", "---|") + "\n\n"


def text_lines(head: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The same table for the screen: words to the left, numbers to the right.

    >>> text_lines(["run", "accuracy"], [["(a)", 0.82], ["(b)", 1]])
    ['run  accuracy', '(a)      0.82', '(b)         1']
    """
    table = [[str(cell) for cell in line] for line in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for cells in table:
        first, *rest = zip(cells, widths, strict=True)
        lines.append(
            "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()
        )
    return lines


def save_picture(
    path: Path, draw: Callable[["Axes"], object], size: tuple[float, float] = (7.2, 4.2), title: str = ""
) -> None:
    """A PNG of what `draw` draws into Axes of that size in inches."""
    with styled():
        ax = new_axes(*size)
        draw(ax)
        figure: Any = ax.get_figure()
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        replace_file(path, lambda file: figure.savefig(file, format="png", dpi=DPI))


def draw_lines(ax: "Axes", lines: Mapping[str, Sequence[float]], x: str, y: str) -> None:
    """One line each, from 1 on, every line in a look of its own; at most seven."""
    for (name, values), look in zip(lines.items(), (*LOOKS.values(), *OTHERS), strict=False):
        ax.plot(
            range(1, len(values) + 1), values, color=look.color, linestyle=look.dashes, linewidth=1.8, label=name,
            marker=look.marker, markersize=5, markevery=max(1, len(values) // 10),
        )  # fmt: skip
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    legend_above(ax)
    plain(ax)
