"""What went where: a table for the terminal, an error and a notebook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import fill

from clearprop.arrays import Shape, shape_text
from clearprop.interop.torch_weights.turns import Slot
from clearprop.interop.torch_weights.units import Unit

WIDTHS = (16, 17, 25, 17)  # and a space between them: 78
MOST_LEFT = 40  # rows for what found no layer
HEAD = ("here", "shape", "in the file", "shape")
KEPT = "none: kept as it was"
Over = Sequence[tuple[str, Shape, str]]  # tensors that go nowhere, and what is said of each


@dataclass(frozen=True)
class WeightRow:
    """One array of the model, one tensor of the file, or both."""

    name: str
    shape: Shape | None
    tensor: str
    tensor_shape: Shape | None
    remark: str = ""  # why it does not fit

    def cells(self) -> tuple[str, str, str, str]:
        shapes = ("" if s is None else shape_text(s) for s in (self.shape, self.tensor_shape))
        first, second = shapes
        return self.name, first, self.tensor, second


@dataclass(frozen=True, repr=False)
class WeightTable:
    """Which tensor of a PyTorch file went into which parameter, and what is to be said about it.

    Attributes
    ----------
    rows : tuple of WeightRow
        In the model's order; what did not fit stands last.
    notes : tuple of str
        What the file does not tell: settings that the model decides, and layers whose order its names' numbers told.

    Examples
    --------
    >>> print(WeightTable((WeightRow("0.w", (4, 3), "fc.weight", (3, 4)),)))
    here             shape             in the file               shape
    ──────────────── ───────────────── ───────────────────────── ─────────────────
    0.w              (4, 3)            fc.weight                 (3, 4)
    """

    rows: tuple[WeightRow, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [_line(HEAD), _line(["─" * width for width in WIDTHS])]
        for row in self.rows:
            lines.append(_line(row.cells()))
            if row.remark:
                lines.append(f"    ^ {row.remark}")
        said = [fill(note, 78, subsequent_indent="  ") for note in self.notes]
        return "\n".join([*lines, *said])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def cells(kind: str, texts: Sequence[str]) -> str:
            return (
                "<tr>"
                + "".join(f'<{kind} style="text-align:left">{escape(t)}</{kind}>' for t in texts)
                + "</tr>"
            )

        body = "".join(cells("td", (*row.cells(), row.remark)) for row in self.rows)
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"<table><thead>{cells('th', (*HEAD, ''))}</thead><tbody>{body}</tbody></table>" + (
            f"<ul>{notes}</ul>" if notes else ""
        )


def make_table(
    slots: Sequence[Slot],
    ours: Mapping[str, Shape],
    found: Mapping[str, Unit],
    over: Over = (),
    kept: Sequence[Slot] = (),
    by_number: Sequence[Slot] = (),
) -> WeightTable:
    """Rows for every layer, then for what goes nowhere of the file."""
    rows: list[WeightRow] = []
    notes: list[str] = []
    alone = {slot.name for slot in kept}
    for slot in slots:
        if slot.name in alone:
            rows += [WeightRow(name, ours[name], KEPT, None) for name in slot.arrays]
            continue
        unit = found.get(slot.name)
        notes += [f"{slot.name}, {slot.layer}: {note}" for note in slot.notes]
        for name, sources in zip(slot.arrays, slot.sources.values(), strict=True):
            rows += _rows(name, ours[name], slot, sources, unit)
        rows += [] if unit is None else _beyond(slot, unit)
    rows += [WeightRow("", None, *each) for each in over[:MOST_LEFT]]
    if len(over) > MOST_LEFT:
        notes.append(f"{len(over) - MOST_LEFT:,} more tensors were left over.")
    if by_number:
        names = ", ".join(slot.name for slot in by_number[:12]) + ", …" * (len(by_number) > 12)
        notes.append(f"Equal in shapes, so taken in the order of the numbers in the file's names: {names}.")
    return WeightTable(tuple(rows), tuple(notes))


def _rows(name: str, shape: Shape, slot: Slot, sources: Sequence[str], unit: Unit | None) -> list[WeightRow]:
    """One for each tensor of which an array is made."""
    if unit is None:
        wanted = " and ".join(shape_text(slot.shapes[k]) for k in sources[:1])
        return [WeightRow(name, shape, "", None, f"nothing of shape {wanted} is left")]
    rows = []
    for kind in sources:
        if kind in unit.shapes:
            needed, got = slot.shapes[kind], unit.shapes[kind]
            remark = "" if needed == got else f"expected {shape_text(needed)}"
            rows.append(WeightRow(name, shape, unit.tensors[kind], got, remark))
        elif kind in slot.optional:
            rows.append(WeightRow(name, shape, f"none: {'ones' if slot.optional[kind] else 'zeros'}", None))
        else:
            rows.append(WeightRow(name, shape, "", None, f"module {unit.name!r} has no {kind}"))
    return rows


def _beyond(slot: Slot, unit: Unit) -> list[WeightRow]:
    """What the module has and the layer has not."""
    kinds = [kind for kind in unit.shapes if kind not in slot.shapes]
    return [
        WeightRow("", None, unit.tensors[k], unit.shapes[k], f"layer {slot.name} has no {k}") for k in kinds
    ]


def _line(cells: Sequence[str]) -> str:
    return " ".join(_short(c, w).ljust(w) for c, w in zip(cells, WIDTHS, strict=True)).rstrip()


def _short(text: str, width: int) -> str:
    """With the middle left out, where names are alike least."""
    if len(text) <= width:
        return text
    half = (width - 1) // 2
    return text[: width - 1 - half] + "…" + text[-half:]
