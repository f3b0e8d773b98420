"""A computational graph in words: a listing in 80 columns, and its equations for LaTeX."""

from collections.abc import Iterator, Mapping
from textwrap import wrap

from clearprop.arrays import Array, shape_text
from clearprop.lens.document.as_text import columns
from clearprop.lens.graph.backward import Gradients, check_loss_node, gradients
from clearprop.lens.graph.labels import (
    cells_of,
    gradient_latex,
    latex_of,
    norm_text,
    number_text,
    plain,
)
from clearprop.lens.graph.names import equation, names_of, ordered
from clearprop.lens.graph.nodes import Constant, Node

WIDTH = 80
INDENT = 4
ROWS, COLUMNS = 6, 6  # the largest array that the listing shows whole


def text(loss: Node) -> str:
    """A listing of the graph in 80 columns: each node with its equation, shape, value and gradient.

    A node that several paths lead to has each path's share listed. A node's inputs stand above it, the loss last.

    Parameters
    ----------
    loss : Node
        Of shape ().

    Examples
    --------
    >>> from clearprop.lens.graph import Variable, text
    >>> x = Variable("x", 3.0)
    >>> print(text(x * x))
    L = 9, a graph of 2 nodes; ∂a stands for ∂L/∂a
    <BLANKLINE>
    x: variable, shape ()
        value  3
        ∂x     6
        the sum of 2 paths:
        through L, ∂L ⊙ x  3
        through L, ∂L ⊙ x  3
    L = x ⊙ x, shape ()
        value  9
        ∂L     1
    """
    check_loss_node(loss)
    names, found = names_of(loss), gradients(loss)
    nodes = ordered(loss)
    loss_name = names[loss]
    heading = (
        f"{loss_name} = {number_text(float(loss.value))}, a graph of {len(nodes)} nodes; ∂a stands for "
        f"∂{loss_name}/∂a"
    )
    lines = [*wrap(heading, WIDTH), ""]
    for node in nodes:
        lines += _entry(node, names, found)
    return "\n".join(lines)


def _entry(node: Node, names: Mapping[Node, str], found: Gradients) -> Iterator[str]:
    """A node's lines."""
    kind = "constant" if isinstance(node, Constant) else "variable"
    made = equation(node, names)
    head = (
        f"{names[node]} = {made}" if node.op and made != names[node] else f"{names[node]}: {node.op or kind}"
    )
    yield from wrap(f"{head}, shape {shape_text(node.shape)}", WIDTH, subsequent_indent="  ")
    gradient = f"∂{names[node]}"
    wide = max(len("value"), columns(gradient))
    yield from _array("value", wide, node.value)
    if node in found.totals:
        yield from _array(gradient, wide, found.totals[node])
    shares = found.shares(node) if node in found.totals else []
    if len(shares) > 1:
        yield " " * INDENT + f"the sum of {len(shares)} paths:"
        labels = [f"through {names[share.through]}, {plain(share.formula(names))}" for share in shares]
        wide = min(max(columns(label) for label in labels), 44)
        for label, share in zip(labels, shares, strict=True):
            yield from _array(label, wide, share.gradient)


def _array(label: str, wide: int, x: Array) -> Iterator[str]:
    """A label, then the array beside it, or below where the label is long."""
    rows = _rows(x)
    space = wide + 2
    if columns(label) > wide or INDENT + space + max(map(len, rows)) > WIDTH:
        yield from wrap(
            label, WIDTH - INDENT, initial_indent=" " * INDENT, subsequent_indent=" " * (INDENT + 2)
        )
        yield from (" " * (INDENT + 2) + row for row in rows)
        return
    for i, row in enumerate(rows):
        head = label if i == 0 else ""
        yield f"{' ' * INDENT}{head}{' ' * (space - columns(head))}{row}"


def _rows(x: Array) -> list[str]:
    """A small array's rows in brackets, a vector in one row; a large one's norm and range."""
    cells = cells_of(x[None] if x.ndim == 1 else x, ROWS, COLUMNS)
    if not x.size:
        return ["empty"]
    if cells is None:
        return [f"{norm_text(x)}, from {number_text(x.min())} to {number_text(x.max())}"]
    if not x.ndim:
        return cells[0]
    wide = max(len(cell) for row in cells for cell in row)
    return [f"[{' '.join(cell.rjust(wide) for cell in row)}]" for row in cells]


def latex(loss: Node) -> str:
    r"""The equations of both passes, as the lines of a LaTeX array.

    Parameters
    ----------
    loss : Node
        Of shape ().

    Examples
    --------
    >>> from clearprop.lens.graph import Variable, latex
    >>> x = Variable("x", 3.0)
    >>> print(latex(x * x))
    \[\begin{array}{l}
    L = x\,\odot\,x \\[1ex]
    \frac{\partial L}{\partial x} = \frac{\partial L}{\partial L}\,\odot\,x + \frac{\partial L}{\partial L}\,\odot\,x
    \end{array}\]
    """
    names, found = names_of(loss), gradients(loss)
    name = names[loss]
    nodes = ordered(loss)
    made = {node: equation(node, names) for node in nodes}
    lines = [f"{latex_of(names[x])} = {latex_of(made[x])}" for x in nodes if x.op and made[x] != names[x]]
    for node in reversed(nodes[:-1]):
        if node in found.totals:
            shares = [gradient_latex(share.formula(names), name) for share in found.shares(node)]
            total = " + ".join(shares).replace("+ -", "- ")
            lines.append(f"{gradient_latex(f'∂⟨{names[node]}⟩', name)} = {total}")
    return "\\[\\begin{array}{l}\n" + " \\\\[1ex]\n".join(lines) + "\n\\end{array}\\]"
