"""Which module's weights go into which layer: by shapes, and among equals by order."""

from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from itertools import combinations
from typing import NamedTuple

from clearprop.errors import ConfigError
from clearprop.interop.torch_weights.turns import Slot
from clearprop.interop.torch_weights.units import Unit, in_order
from clearprop.names import unknown

Key = tuple[tuple[str, object], ...]


def fits(slot: Slot, unit: Unit) -> bool:
    """Whether the module has all that the layer needs, in the right shapes, and nothing else."""
    needed = slot.shapes.keys() - slot.optional.keys()
    return needed <= unit.shapes.keys() and all(slot.shapes.get(k) == s for k, s in unit.shapes.items())


class Match(NamedTuple):
    """The module of each layer that has one, and among which of them the names decided."""

    found: dict[str, Unit]
    unsure: list[tuple[Slot, Unit]]  # whose order the names do not tell
    by_number: list[Slot]  # which could be exchanged, but for the numbers in the names


def match(slots: Sequence[Slot], units: Sequence[Unit], given: Mapping[str, Unit]) -> Match:
    """Beyond what is given, each layer's module by shapes; those that could be exchanged are taken in their order."""
    found = dict(given)
    taken = {unit.name for unit in found.values()}
    left = [slot for slot in slots if slot.name not in found]
    chosen = _choose(left, [unit for unit in units if unit.name not in taken])
    paired = {slot.name for slot, _ in chosen}
    without = [
        slot for slot in left if slot.name not in paired and slot.shapes.keys() == slot.optional.keys()
    ]
    by_number = set[str]()
    unsure = {slot.name for slot, unit in chosen if any(fits(bare, unit) for bare in without)}
    for (slot, unit), (other, its) in combinations(chosen, 2):
        if fits(slot, its) and fits(other, unit):
            both = {slot.name, other.name}
            if in_order(unit, its):
                by_number |= both
            else:
                unsure |= both
    found |= {slot.name: unit for slot, unit in chosen} | {
        slot.name: Unit(f"none for {slot.name}", {}, {}) for slot in without
    }
    return Match(
        found,
        [pair for pair in chosen if pair[0].name in unsure],
        [slot for slot, _ in chosen if slot.name in by_number],
    )


def _choose(slots: Sequence[Slot], units: Sequence[Unit]) -> list[tuple[Slot, Unit]]:
    """For each layer the first free module that fits it, of those that fit the fewest layers of other shapes."""
    queues: dict[Key, deque[tuple[int, Unit]]] = {}
    for i, unit in enumerate(units):
        queues.setdefault(_key(unit.shapes), deque()).append((i, unit))
    alike: dict[Key, list[Slot]] = {}
    for slot in slots:
        alike.setdefault(_key(slot.shapes) + _key(slot.optional), []).append(slot)
    able = {
        key: [k for k, queue in queues.items() if fits(same[0], queue[0][1])] for key, same in alike.items()
    }
    wanted: Counter[Key] = Counter()
    for key, keys in able.items():
        wanted.update(dict.fromkeys(keys, len(alike[key])))
    chosen = []
    for slot in slots:
        free = [k for k in able[_key(slot.shapes) + _key(slot.optional)] if queues[k]]
        if free:  # layers of the slot's own shapes want all of these alike
            best = min(free, key=lambda k: (wanted[k], queues[k][0][0]))
            chosen.append((slot, queues[best].popleft()[1]))
    return chosen


def _key(shapes: Mapping[str, object]) -> Key:
    return tuple(sorted(shapes.items()))


def few(name: str, known: Collection[str]) -> list[str]:
    """The known names, or of hundreds those that are like this one: a file may have any number."""
    if len(known) <= 400:
        return list(known)
    return [*get_close_matches(name, known, n=10, cutoff=0.3), "…"]


def named(
    who: str, slots: Sequence[Slot], units: Sequence[Unit], given: Mapping[str, str]
) -> dict[str, Unit]:
    """What the caller has said: {"0.w": "conv1.weight"}, or of the whole layer {"0": "conv1"}."""
    ours = {key: slot for slot in slots for key in (slot.name, *slot.arrays)}
    theirs = {key: unit for unit in units for key in (unit.name, *unit.tensors.values())}
    found: dict[str, Unit] = {}
    for key, value in given.items():
        if key not in ours:
            raise unknown(who, "parameter in names", key, few(key, ours))
        if value not in theirs:
            raise unknown(who, "tensor in names", value, few(value, theirs))
        slot, unit = ours[key], theirs[value]
        if found.get(slot.name, unit) != unit or unit.name in (
            u.name for k, u in found.items() if k != slot.name
        ):
            raise ConfigError(
                f"{who}: names gives layer {slot.name} and {unit.name!r} more than one partner. "
                "Name each module once."
            )
        found[slot.name] = unit
    return found
