"""load_torch_weights: the file's names and shapes first, then its numbers, then the model."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import DataError, ShapeError
from clearprop.interop.torch_weights.match import fits, match
from clearprop.interop.torch_weights.slots import slots_of
from clearprop.interop.torch_weights.table import WeightTable, make_table
from clearprop.interop.torch_weights.turns import Slot
from clearprop.interop.torch_weights.units import Unit, units_of
from clearprop.model import Sequential
from clearprop.storage import fill_params
from clearprop.tensors import TensorFile, open_tensors

PICKLES = (b"PK\x03\x04", b"\x80", b"\x1f\x8b")


def load_torch_weights(
    model: Sequential, path: str | PathLike[str], names: Mapping[str, str] | None = None
) -> WeightTable:
    """Fill a network with the weights of a PyTorch one of the same layers.

    Modules are matched with layers by their shapes, and among equal ones by the numbers in their names; weights are
    turned to our layouts, and where an image is flattened the rows behind it are put into our order.

    Parameters
    ----------
    model : Sequential
    path : str or path
        What `safetensors.torch.save_file(net.state_dict(), path)` has written.
    names : mapping of str to str, optional
        Which tensor goes where, {"0.w": "conv1.weight"}, for layers that shapes and numbers do not tell apart. It
        holds for the whole layer.

    Returns
    -------
    WeightTable
        What went where; printable.

    Raises
    ------
    FileError, DataError
        If the file is missing, damaged, a pickle, or holds numbers that are not finite.
    ShapeError
        If it is of another network; its message holds the table. The model is then as it was.
    ConfigError
        If `names` names what is not there, or PyTorch has no such layer.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, clearprop as cp
    >>> from safetensors.numpy import save_file
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "net.safetensors"
    >>> save_file({"fc.weight": np.ones((3, 4), "f4"), "fc.bias": np.zeros(3, "f4")}, path)
    >>> print(cp.load_torch_weights(cp.Sequential([cp.Dense(3)], input_shape=(4,)), path))
    here             shape             in the file               shape
    ──────────────── ───────────────── ───────────────────────── ─────────────────
    0.w              (4, 3)            fc.weight                 (3, 4)
    0.b              (3,)              fc.bias                   (3,)
    """
    path = Path(fspath(path))
    slots = slots_of(model)
    _refuse_pickles(path)
    file = open_tensors(path)
    units, strange = units_of(file.shapes)
    found, unsure = match(slots, units, names or {})
    ours = {name: view.shape for name, view in (model.named_params() | model.named_buffers()).items()}
    missing = [slot for slot in slots if slot.name not in found]
    used = {unit.name for unit in found.values()}
    left = [unit for unit in units if unit.name not in used]
    wrong = [slot for slot in slots if slot.name in found and not fits(slot, found[slot.name])]
    if missing or left or wrong or strange:
        said = _count(len(missing) + len(wrong), len(left) + len(wrong) + len(strange))
        shown = found | _neighbours(missing, left)
        left = [unit for unit in left if unit not in shown.values()]
        table = make_table(slots, ours, shown, left, strange, file.shapes)
        raise ShapeError(f"{path}: {said}\n{table}")
    if unsure:
        said = ", ".join(f'"{slot.name}": "{unit.name}"' for slot, unit in unsure)
        raise ShapeError(
            f"{path}: {len(unsure)} modules of the same shapes have names that do not tell their order, and the file "
            f"has lost it. If this is right, pass names={{{said}}}; otherwise exchange them."
        )
    arrays: dict[str, Array] = {}
    for slot in slots:
        with np.errstate(over="ignore"):  # two biases whose sum is beyond the dtype: infinite, and refused below
            turned = slot.turn(_read(file, slot, found[slot.name]))
        arrays |= {f"{slot.name}.{own}": array for own, array in turned.items()}
    fill_params(model, arrays, str(path))
    return make_table(slots, ours, found)


def _refuse_pickles(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return  # open_tensors says it
    if head.startswith(PICKLES) and head[4:] != bytes(4):
        raise DataError(
            f"{path}: a pickle, which could run code when it is read. Write safetensors, in PyTorch: "
            'from safetensors.torch import save_file; save_file(net.state_dict(), "net.safetensors").'
        )


def _read(file: TensorFile, slot: Slot, unit: Unit) -> dict[str, Array]:
    """A module's tensors; for one that may be absent, what stands for it."""
    arrays = {}
    for kind, shape in slot.shapes.items():
        if kind not in unit.tensors:
            arrays[kind] = np.full(shape, slot.optional[kind], np.float32)
            continue
        arrays[kind] = file.read(unit.tensors[kind])
        if arrays[kind].dtype.kind != "f":
            raise DataError(
                f"{file.path}: {unit.tensors[kind]}: expected floating-point numbers, got {arrays[kind].dtype}. "
                "Save the network's weights before they are quantized."
            )
    return arrays


def _neighbours(slots: Sequence[Slot], units: Sequence[Unit]) -> dict[str, Unit]:
    """What probably belongs together and differs in shapes alone, side by side in the table."""
    found: dict[str, Unit] = {}
    left = list(units)
    for slot in slots:
        for unit in left:
            needed = slot.shapes.keys() - slot.optional.keys()
            same = needed <= unit.shapes.keys() <= slot.shapes.keys()
            if same and all(len(slot.shapes[k]) == len(s) for k, s in unit.shapes.items()):
                found[slot.name] = unit
                left.remove(unit)
                break
    return found


def _count(layers: int, tensors: int) -> str:
    said = []
    if layers:
        said.append(f"{layers} layer{'s' * (layers > 1)} of the model found no weights that fit")
    if tensors:
        said.append(f"{tensors} module{'s' * (tensors > 1)} or tensors of the file found no layer")
    return f"{' and '.join(said)}. Build the same network, or say what goes where with names."
