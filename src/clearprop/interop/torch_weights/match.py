"""Which module's weights go into which layer: by shapes, and among equals by order."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from clearprop.errors import ConfigError
from clearprop.interop.torch_weights.turns import Slot
from clearprop.interop.torch_weights.units import Unit, in_order
from clearprop.names import unknown


def fits(slot: Slot, unit: Unit) -> bool:
    """Whether the module has all that the layer needs, in the right shapes, and nothing else."""
    needed = slot.shapes.keys() - slot.optional.keys()
    return needed <= unit.shapes.keys() and all(slot.shapes.get(k) == s for k, s in unit.shapes.items())


def match(
    slots: Sequence[Slot], units: Sequence[Unit], given: Mapping[str, str]
) -> tuple[dict[str, Unit], list[tuple[Slot, Unit]]]:
    """The module of each layer that has one; and those whose order the names do not tell.

    Modules and layers that could be exchanged are taken in their order.

    Raises
    ------
    ConfigError
        If `given` names what is not there.
    """
    found = named(slots, units, given)
    taken = {unit.name for unit in found.values()}
    left = [slot for slot in slots if slot.name not in found]
    free = [unit for unit in units if unit.name not in taken]
    chosen: list[tuple[Slot, Unit]] = []
    for slot in left:
        able = [unit for unit in free if fits(slot, unit)]
        if able:
            unit = min(able, key=lambda u: sum(fits(other, u) and not _alike(other, slot) for other in left))
            chosen.append((slot, unit))
            free.remove(unit)
    unsure = {
        slot.name: (slot, unit)
        for pair in combinations(chosen, 2)
        if not in_order(pair[0][1], pair[1][1])
        and fits(pair[0][0], pair[1][1])
        and fits(pair[1][0], pair[0][1])
        for slot, unit in pair
    }
    return found | {slot.name: unit for slot, unit in chosen}, [
        pair for pair in chosen if pair[0].name in unsure
    ]


def named(slots: Sequence[Slot], units: Sequence[Unit], given: Mapping[str, str]) -> dict[str, Unit]:
    """What the caller has said: {"0.w": "conv1.weight"}, or of the whole layer {"0": "conv1"}."""
    ours = {
        key: slot for slot in slots for key in (slot.name, *(f"{slot.name}.{own}" for own in slot.sources))
    }
    theirs = {key: unit for unit in units for key in (unit.name, *unit.tensors.values())}
    found: dict[str, Unit] = {}
    for key, value in given.items():
        if key not in ours:
            raise unknown("load_torch_weights", "parameter in names", key, ours)
        if value not in theirs:
            raise unknown("load_torch_weights", "tensor in names", value, theirs)
        slot, unit = ours[key], theirs[value]
        if found.get(slot.name, unit) != unit or unit.name in (
            u.name for k, u in found.items() if k != slot.name
        ):
            raise ConfigError(
                f"load_torch_weights: names gives layer {slot.name} and {unit.name!r} more than one partner. "
                "Name each module once."
            )
        found[slot.name] = unit
    return found


def _alike(a: Slot, b: Slot) -> bool:
    return a.shapes == b.shapes and a.optional == b.optional
