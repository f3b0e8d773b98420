"""The modules whose weights a PyTorch file holds, known by their tensors' names."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from clearprop.arrays import Shape

_PLAIN = re.compile(r"(?:(.*)\.)?(weight|bias|running_mean|running_var|num_batches_tracked)")
_RECURRENT = re.compile(r"(?:(.*)\.)?((?:weight|bias)_(?:ih|hh))(_l\d{1,4})?(_reverse)?")
_SHORTCUT = re.compile(r"(.*?)(?:^|\.)(?:downsample|shortcut|skip|identity|residual|proj)\w*(?:\.|$)")
IGNORED = "num_batches_tracked"  # counts steps, for a momentum that we do not have


class Unit(NamedTuple):
    """A module, or a layer of a recurrent one."""

    name: str  # "features.0", "lstm.l1"
    shapes: Mapping[str, Shape]  # by the last part of the name
    tensors: Mapping[str, str]  # the same, and the whole names


def units_of(shapes: Mapping[str, Shape]) -> tuple[list[Unit], list[str]]:
    """The modules in the order of their names, numbers as numbers, and the tensors that belong to none.

    >>> [unit.name for unit in units_of({"f.10.weight": (2, 2), "f.2.weight": (2, 2), "f.2.bias": (2,)})[0]]
    ['f.2', 'f.10']
    """
    found: dict[str, dict[str, str]] = {}
    strange = []
    for whole in shapes:
        if plain := _PLAIN.fullmatch(whole):
            name, kind = plain[1] or "", plain[2]
        elif part := _RECURRENT.fullmatch(whole):
            name, kind = ".".join(filter(None, (part[1], (part[3] or "")[1:]))), part[2] + (part[4] or "")
        else:
            strange.append(whole)
            continue
        if kind != IGNORED:
            found.setdefault(name, {})[kind] = whole
    units = [Unit(name, {k: shapes[whole] for k, whole in own.items()}, own) for name, own in found.items()]
    return sorted(units, key=lambda unit: _place(unit.name)), strange


def tensor_name(unit: str, kind: str) -> str:
    """The whole name of a module's tensor: the way back from `units_of`.

    >>> tensor_name("lstm.l1", "weight_ih_reverse"), tensor_name("cell", "weight_ih"), tensor_name("fc", "bias")
    ('lstm.weight_ih_l1_reverse', 'cell.weight_ih', 'fc.bias')
    """
    path, _, last = unit.rpartition(".")
    part = re.fullmatch(r"(\w+_[ih]h)(_reverse)?", kind)
    if part and re.fullmatch(r"l\d+", last):
        return ".".join(filter(None, (path, f"{part[1]}_{last}{part[2] or ''}")))
    return ".".join(filter(None, (unit, kind)))


def in_order(a: Unit, b: Unit) -> bool:
    """Whether the names tell which module comes first: they differ in numbers alone, or one is a block's shortcut."""
    if _pattern(a.name) == _pattern(b.name):
        return True
    for one, other in ((a, b), (b, a)):
        around = _SHORTCUT.match(one.name)
        if (
            around
            and _pattern(other.name).startswith(_pattern(around[1]))
            and not _SHORTCUT.match(other.name)
        ):
            return True
    return False


@lru_cache(1000)
def _pattern(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _place(name: str) -> list[tuple[bool, list[tuple[int, str]]]]:
    """To sort by: numbers as numbers; a shortcut stands behind the block that it leads around."""
    return [(bool(_SHORTCUT.match(part)), _numbers_apart(part)) for part in name.split(".")]


def _numbers_apart(part: str) -> list[tuple[int, str]]:
    return [(int(t), "") if t.isdecimal() else (-1, t) for t in re.split(r"(\d+)", part) if t]
