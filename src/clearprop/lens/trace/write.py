"""A trace as a document: for each step its equations, its arrays, and one unit's numbers."""

from collections.abc import Sequence

from clearprop.arrays import shape_text
from clearprop.lens.document import Block, Document, Equation, Heading, Paragraph, Table, joined, scalar
from clearprop.lens.document.tensor import WHOLE
from clearprop.lens.trace import Trace
from clearprop.lens.trace.step import Quantity, TraceStep

PHASES = {"forward": "Forward", "loss": "The loss", "backward": "Backward", "update": "The update"}


def document(trace: Trace) -> Document:
    """The whole of it, each array written once."""
    blocks: list[Block] = [Paragraph(introduction(trace))]
    phase = ""
    for step in trace.steps:
        if step.phase != phase:
            phase = step.phase
            blocks.append(Heading(PHASES[phase], 1))
        blocks += [Heading(step.title), *step_blocks(step, arrays(step))]
    return Document(trace.title, tuple(blocks))


def introduction(trace: Trace) -> str:
    """What is to be seen, in a few sentences."""
    n = "one example" if trace.examples == 1 else f"{trace.examples:,} examples"
    dtype = trace.scores.dtype
    said = f"On {n}, in {dtype}; the loss is ${scalar(trace.loss)}$. A gradient is called d and its variable's name."
    if trace.origin:
        said += f" {trace.origin}"
    if not all(map(small, trace.steps)):
        said += f" Arrays of more than {WHOLE} numbers are cut: shown is the part around the number that is largest in "
        said += "size, and what can be said of all of them."
    return said


def arrays(step: TraceStep) -> list[Quantity]:
    """What a step shows that none before it has shown; of an update no more than small arrays."""
    found = [quantity for quantity in (*step.inputs, *step.outputs) if not quantity.shown]
    return [] if step.phase == "update" and not small(step) else found


def small(step: TraceStep) -> bool:
    """Whether all of a step's arrays can be written down."""
    return all(quantity.tensor().whole for quantity in (*step.inputs, *step.outputs))


def step_blocks(step: TraceStep, shown: Sequence[Quantity]) -> list[Block]:
    """A step's blocks, without its heading."""
    table = [_shapes(step)] if step.inputs else []
    return joined(said(step), table, [quantity.tensor() for quantity in shown], put_in(step))


def said(step: TraceStep) -> list[Block]:
    """Equations, sentences and table."""
    return joined(
        Equation(aligned(step.equations)),
        [Paragraph(" ".join(step.notes))] if step.notes else [],
        [Table(step.rows[0], step.rows[1:])] if step.rows else [],
    )


def put_in(step: TraceStep) -> list[Block]:
    """One unit's numbers."""
    return joined(Paragraph("With numbers put in:"), [*map(Equation, step.put_in)]) if step.put_in else []


def aligned(equations: Sequence[str]) -> str:
    """Equations under one another, at their signs of equality."""
    if len(equations) == 1:
        return equations[0]
    rows = []
    for latex in equations:
        sign = min((s for s in (" = ", r" \leftarrow ") if s in latex), key=latex.index, default="")
        left, _, right = latex.partition(sign) if sign else (latex, "", "")
        rows.append(f"{left} &{sign}{right}")
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def _shapes(step: TraceStep) -> Table:
    rows = tuple((f"${q.letter}$", shape_text(q.value.shape), q.role) for q in (*step.inputs, *step.outputs))
    return Table(("array", "shape", "what it is"), rows)
