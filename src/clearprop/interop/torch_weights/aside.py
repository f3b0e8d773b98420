"""What the caller leaves out: layers that keep their own weights, and modules of the file that go nowhere."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from clearprop.errors import ConfigError
from clearprop.interop.torch_weights.calls import LOAD
from clearprop.interop.torch_weights.match import few, named
from clearprop.interop.torch_weights.turns import Slot
from clearprop.interop.torch_weights.units import Unit
from clearprop.names import unknown


class Sides(NamedTuple):
    """What the caller has said, and what is therefore to be matched."""

    names: Mapping[str, str | None]
    skip: Collection[str]
    slots: list[Slot]  # all
    kept: list[Slot]  # of these the ones that are not to be matched
    units: list[Unit]  # to be matched
    strange: list[str]  # tensors that belong to no module
    given: dict[str, Unit]  # the module of each layer that names names
    skipped: list[str]  # tensors

    @property
    def wanted(self) -> list[Slot]:
        """The layers that are to be matched."""
        alone = {slot.name for slot in self.kept}
        return [slot for slot in self.slots if slot.name not in alone]


def set_aside(
    slots: list[Slot],
    units: list[Unit],
    strange: list[str],
    names: Mapping[str, str | None],
    skip: Collection[str],
) -> Sides:
    """Both sides without what `names` gives None and what `skip` names, all of it named to be there.

    Raises
    ------
    ConfigError
        If something is not there or named twice, or PyTorch has no layer like one that is not left out.
    """
    given = named(LOAD, slots, units, {key: name for key, name in names.items() if name is not None})
    kept = _kept(slots, [key for key, name in names.items() if name is None])
    modules, tensors = _skipped(units, strange, skip)
    if twice := kept & given.keys() | modules & {unit.name for unit in given.values()}:
        raise ConfigError(
            f"{LOAD}: {min(twice)!r} is left out, and names says where it goes. Take one of the two away."
        )
    for slot in slots:
        if slot.refusal and slot.name not in kept:
            raise ConfigError(slot.refusal)
    left_out = [name for unit in units if unit.name in modules for name in unit.tensors.values()]
    return Sides(
        names,
        skip,
        slots,
        [slot for slot in slots if slot.name in kept],
        [unit for unit in units if unit.name not in modules],
        [name for name in strange if name not in tensors],
        given,
        left_out + [name for name in strange if name in tensors],
    )


def _kept(slots: Sequence[Slot], keys: Sequence[str]) -> set[str]:
    """The layers of these names, all of a Residual's; a parameter stands for its layer."""
    kept = set()
    for key in keys:
        found = {slot.name for slot in slots if _within(slot.name, key) or key in slot.arrays}
        if not found:
            known = [n for slot in slots for n in (slot.name, *slot.arrays)]
            raise unknown(LOAD, "parameter in names", key, few(key, known))
        kept |= found
    return kept


def _skipped(
    units: Sequence[Unit], strange: Sequence[str], skip: Collection[str]
) -> tuple[set[str], set[str]]:
    """The modules of these names or inside them, and the tensors that belong to no module."""
    modules, tensors = set[str](), set[str]()
    for name in skip:
        found = {u.name for u in units if _within(u.name, name) or name in u.tensors.values()}
        alone = {tensor for tensor in strange if _within(tensor, name)}
        if not found | alone:
            known = [n for u in units for n in (u.name, *u.tensors.values())]
            raise unknown(LOAD, "module in skip", name, few(name, [*known, *strange]))
        modules |= found
        tensors |= alone
    return modules, tensors


def _within(name: str, whole: str) -> bool:
    return name.startswith(whole) and name[len(whole) : len(whole) + 1] in ("", ".")
