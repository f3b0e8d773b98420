"""save_torch_weights: the way back, on which the turns of the way here are asked where each number went."""

import re
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import ConfigError, ShapeError
from clearprop.files import replace_file
from clearprop.interop.torch_weights.calls import SAVE, check_call
from clearprop.interop.torch_weights.match import fits, named
from clearprop.interop.torch_weights.slots import slots_of
from clearprop.interop.torch_weights.table import KEPT, WeightTable, make_table
from clearprop.interop.torch_weights.turns import Slot
from clearprop.interop.torch_weights.units import Unit, tensor_name, units_of
from clearprop.model import Sequential
from clearprop.names import unknown


def save_torch_weights(
    model: Sequential, path: str | PathLike[str], names: WeightTable | Mapping[str, str] | None = None
) -> WeightTable:
    """Write a network's weights as PyTorch keeps them, for `load_state_dict` of a module of the same layers.

    Parameters
    ----------
    model : Sequential
    path : str or path
        The safetensors file to write, whole or not at all.
    names : mapping of str to str, or WeightTable, optional
        What the layers are called in PyTorch, {"0": "conv1", "4": "fc"}; those left out have their numbers, as in
        an `nn.Sequential` of the same layers one by one. Or what `load_torch_weights` has returned: then the file has
        the tensors which that one had, and layers that were kept have their numbers.

    Returns
    -------
    WeightTable
        What went where; printable.

    Raises
    ------
    ConfigError
        If `names` names what is not there, PyTorch has no such layer, or a module without a bias would need one.
    ShapeError
        If the table is of another network.

    Examples
    --------
    >>> import tempfile, pathlib, clearprop as cp
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "net.safetensors"
    >>> print(cp.save_torch_weights(cp.Sequential([cp.Dense(3)], input_shape=(4,)), path, {"0": "fc"}))
    here             shape             in the file               shape
    ──────────────── ───────────────── ───────────────────────── ─────────────────
    0.w              (4, 3)            fc.weight                 (3, 4)
    0.b              (3,)              fc.bias                   (3,)
    """
    from safetensors.numpy import save

    check_call(SAVE, model, path, names)
    slots, ours = slots_of(model), model.named_params() | model.named_buffers()
    for slot in slots:
        if slot.refusal:
            raise ConfigError(slot.refusal)
    units = _of_table(slots, names) if isinstance(names, WeightTable) else _of_names(slots, names or {})
    tensors: dict[str, Array] = {}
    for slot in slots:
        own = {name: ours[f"{slot.name}.{name}"] for name in slot.sources}
        for kind, array in _turn_back(slot, own, units[slot.name]).items():
            name = units[slot.name].tensors[kind]
            if name in tensors:
                raise ConfigError(f"{SAVE}: two layers would be {name}. Name each module once.")
            tensors[name] = array
    blob = save(tensors)
    replace_file(Path(fspath(path)), lambda file: file.write(blob))
    return make_table(slots, {name: array.shape for name, array in ours.items()}, units)


def _turn_back(slot: Slot, ours: Mapping[str, Array], unit: Unit) -> dict[str, Array]:
    """PyTorch's arrays of a layer: a tensor whose numbers are their own places shows by its turn where each goes."""
    dtype = next(iter(ours.values())).dtype
    theirs = {kind: np.full(shape, slot.optional.get(kind, 0), dtype) for kind, shape in slot.shapes.items()}
    written = {name: np.zeros(array.shape, bool) for name, array in ours.items()}
    for kind in unit.tensors:
        places = {k: np.zeros(shape, np.int64) for k, shape in slot.shapes.items()}
        places[kind] += np.arange(1, theirs[kind].size + 1).reshape(theirs[kind].shape)
        for name, found in slot.turn(places).items():
            new = (found > 0) & ~written[name]  # of two biases that are added, the second stays 0
            theirs[kind].reshape(-1)[found[new] - 1] = ours[name][new]
            written[name] |= new
    for name, array in slot.turn(theirs).items():
        source = slot.sources[name][0]
        if not np.array_equal(array, ours[name], equal_nan=True):
            raise ConfigError(
                f"{SAVE}: layer {slot.name}, {slot.layer}: PyTorch's module has no {source}, so "
                f"{slot.name}.{name} would have to be {slot.optional[source]:g} everywhere. Give the module one, or "
                "set it so here."
            )
    return {kind: theirs[kind] for kind in unit.tensors}


def _of_names(slots: Sequence[Slot], names: Mapping[str, str]) -> dict[str, Unit]:
    by_name = {key: slot for slot in slots for key in (slot.name, *slot.arrays)}
    called: dict[str, str] = {}
    for key, value in names.items():
        if key not in by_name:
            raise unknown(SAVE, "parameter in names", key, by_name)
        name = _called(by_name[key], value)
        if called.setdefault(by_name[key].name, name) != name:
            raise ConfigError(f"{SAVE}: names gives layer {by_name[key].name} more than one partner.")
    return {slot.name: _whole(slot, called.get(slot.name)) for slot in slots}


def _whole(slot: Slot, name: str | None = None) -> Unit:
    """A module with all that the layer has, by default under the layer's number."""
    name = _called(slot, slot.name) if name is None else name
    return Unit(name, slot.shapes, {kind: tensor_name(name, kind) for kind in slot.shapes})


def _called(slot: Slot, value: str) -> str:
    """The module, by its name or by one of its tensors'; of nn.LSTM and its like the first layer, if none is said."""
    whole, _ = units_of({value: ()})
    if whole:
        return whole[0].name
    said = "weight_ih" not in slot.shapes or re.search(r"(^|\.)l\d+$", value)
    return value if said else f"{value}.l0"


def _of_table(slots: Sequence[Slot], table: WeightTable) -> dict[str, Unit]:
    rows = [row for row in table.rows if row.name and row.tensor_shape is not None]
    kept = {row.name for row in table.rows if row.tensor == KEPT}
    units, _ = units_of({row.tensor: row.tensor_shape for row in rows if row.tensor_shape is not None})
    found = named(SAVE, slots, units, {row.name: row.tensor for row in rows})
    for slot in slots:
        unit = found.setdefault(slot.name, _whole(slot) if kept & {*slot.arrays} else Unit(slot.name, {}, {}))
        if not fits(slot, unit):
            raise ShapeError(
                f"{SAVE}: layer {slot.name}, {slot.layer}: the table is of another network. Give the one "
                "that load_torch_weights has returned for this, or names."
            )
    return found
