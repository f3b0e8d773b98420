"""What is said of a file that does not fit: the table, and what to write."""

from collections.abc import Mapping, Sequence
from json import dumps

from clearprop.arrays import shape_text
from clearprop.interop.torch_weights.aside import Sides
from clearprop.interop.torch_weights.match import fits
from clearprop.interop.torch_weights.table import make_table
from clearprop.interop.torch_weights.turns import Slot
from clearprop.interop.torch_weights.units import Unit
from clearprop.layers import Dense
from clearprop.model import Sequential
from clearprop.tensors import TensorFile

LEFT_OUT = "left out"
FEW = 6  # layers or modules that one may want to leave out; more of them are another network


def mismatch(model: Sequential, file: TensorFile, sides: Sides, found: Mapping[str, Unit]) -> str:
    """The message: how much does not fit, the remedy, and the table with neighbours side by side."""
    slots = [s for s in sides.wanted if s.name not in found or not fits(s, found[s.name])]
    fit = {unit.name for name, unit in found.items() if name not in {slot.name for slot in slots}}
    units = [unit for unit in sides.units if unit.name not in fit]
    paired = {unit.name for unit in found.values()}
    alone = [unit for unit in units if unit.name not in paired]
    shown = {**found, **_neighbours([slot for slot in slots if slot.name not in found], alone[:400])}
    names = {unit.name for unit in shown.values()}
    over = [
        (whole, unit.shapes[kind], "no layer takes it")
        for unit in alone
        if unit.name not in names
        for kind, whole in unit.tensors.items()
    ]
    over += [(name, file.shapes[name], "no module has such a tensor") for name in sides.strange]
    resized = not over and all(slot.name in shown and _other_rows(slot, shown[slot.name]) for slot in slots)
    remedies = ["Build the same network, or say what goes where with names."]
    if resized and len(model.input_shape) > 1:
        remedies.append(f"Is input_shape {shape_text(model.input_shape)} right?")
    if (
        len(slots) <= FEW
        and len(units) + len(sides.strange) <= FEW
        and any(u.tensors for u in _all(found, fit))
    ):
        remedies.append(f"To load the rest alone, pass {_without(sides, slots, units)}.")
    over += [(name, file.shapes[name], LEFT_OUT) for name in sides.skipped]
    shapes = {name: view.shape for name, view in (model.named_params() | model.named_buffers()).items()}
    table = make_table(sides.slots, shapes, shown, over, sides.kept)
    return (
        f"{file.path}: {_count(len(slots), len(units) + len(sides.strange))}. {' '.join(remedies)}\n{table}"
    )


def as_call(names: Mapping[str, str | None], skip: Sequence[str] = ()) -> str:
    """The settings as they are written.

    >>> as_call({"0": "fc", "1": None}, ["head"])
    'names={"0": "fc", "1": None}, skip=["head"]'
    """
    pairs = ", ".join(f"{dumps(k)}: {'None' if v is None else dumps(v)}" for k, v in names.items())
    modules = ", ".join(map(dumps, skip))
    return ", ".join([f"names={{{pairs}}}"] * bool(names) + [f"skip=[{modules}]"] * bool(skip))


def _without(sides: Sides, slots: Sequence[Slot], units: Sequence[Unit]) -> str:
    """What the caller has said, and that these are left out."""
    told = {name for slot in slots for name in (slot.name, *slot.arrays)}
    names = {name: module for name, module in sides.names.items() if name not in told}
    skip = [*sides.skip, *(unit.name for unit in units), *sides.strange]
    return as_call(names | {slot.name: None for slot in slots}, skip)


def _all(found: Mapping[str, Unit], names: set[str]) -> list[Unit]:
    return [unit for unit in found.values() if unit.name in names]


def _neighbours(slots: Sequence[Slot], units: Sequence[Unit]) -> dict[str, Unit]:
    """What probably belongs together, side by side in the table: it differs in shapes, or else lacks a tensor."""
    found: dict[str, Unit] = {}
    left = list(units)
    for alike in (_of_other_shapes, _in_part):
        for slot in (slot for slot in slots if slot.name not in found):
            for unit in left:
                if alike(slot, unit):
                    found[slot.name] = unit
                    left.remove(unit)
                    break
    return found


def _of_other_shapes(slot: Slot, unit: Unit) -> bool:
    needed = slot.shapes.keys() - slot.optional.keys()
    same = needed <= unit.shapes.keys() <= slot.shapes.keys()
    return same and all(len(slot.shapes[kind]) == len(shape) for kind, shape in unit.shapes.items())


def _in_part(slot: Slot, unit: Unit) -> bool:
    return all(slot.shapes.get(kind) == shape for kind, shape in unit.shapes.items())


def _other_rows(slot: Slot, unit: Unit) -> bool:
    """Whether as many numbers come out, and another number goes in."""
    weight = unit.shapes.get("weight", ())
    return isinstance(slot.layer, Dense) and len(weight) == 2 and weight[0] == slot.shapes["weight"][0]


def _count(layers: int, tensors: int) -> str:
    said = []
    if layers:
        said.append(f"{layers} layer{'s' * (layers > 1)} of the model found no weights that fit")
    if tensors:
        modules = "1 module or tensor" if tensors == 1 else f"{tensors:,} modules or tensors"
        said.append(f"{modules} of the file found no layer")
    return " and ".join(said)
