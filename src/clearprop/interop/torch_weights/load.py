"""load_torch_weights: the file's names and shapes first, then its numbers, then the model."""

from collections.abc import Collection, Mapping
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import DataError, ShapeError
from clearprop.interop.torch_weights.aside import set_aside
from clearprop.interop.torch_weights.calls import LOAD, check_call
from clearprop.interop.torch_weights.match import fits, match
from clearprop.interop.torch_weights.mismatch import LEFT_OUT, as_call, mismatch
from clearprop.interop.torch_weights.slots import slots_of
from clearprop.interop.torch_weights.table import WeightTable, make_table
from clearprop.interop.torch_weights.turns import Slot
from clearprop.interop.torch_weights.units import Unit, units_of
from clearprop.messages.calls import in_a_sentence
from clearprop.model import Sequential
from clearprop.storage import fill_params
from clearprop.tensors import TensorFile, open_tensors


@in_a_sentence
def load_torch_weights(
    model: Sequential,
    path: str | PathLike[str],
    names: Mapping[str, str | None] | None = None,
    *,
    skip: Collection[str] = (),
) -> WeightTable:
    """Fill a network with the weights of a PyTorch one of the same layers, but for those that are left out.

    Modules are matched with layers by their shapes, and among equal ones by the numbers in their names; weights are
    turned to our layouts, and where an image is flattened the rows behind it are put into our order.

    Parameters
    ----------
    model : Sequential
    path : str or path
        What `safetensors.torch.save_file(net.state_dict(), path)` has written.
    names : mapping of str to str or None, optional
        Which tensor goes where, {"0.w": "conv1.weight"}, for layers that shapes and numbers do not tell apart. It
        holds for the whole layer. None keeps the layer's own weights, {"4": None}: a new head.
    skip : collection of str, optional
        The modules of the file that go nowhere, ["fc"], each with all that is in it.

    Returns
    -------
    WeightTable
        What went where, what was kept, and what was left out; printable.

    Raises
    ------
    FileError, DataError
        If the file is missing, damaged, a pickle, or holds numbers that are not finite.
    ShapeError
        If it is of another network; its message holds the table. The model is then as it was.
    ConfigError
        If `names` or `skip` names what is not there, or PyTorch has no such layer.

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
    check_call(LOAD, model, path, names, skip)
    slots, file = slots_of(model), open_tensors(Path(fspath(path)))
    sides = set_aside(slots, *units_of(file.shapes), names or {}, skip)
    found, unsure, by_number = match(sides.wanted, sides.units, sides.given)
    whole = all(slot.name in found and fits(slot, found[slot.name]) for slot in sides.wanted)
    if sides.strange or not whole or {unit.name for unit in sides.units} - {u.name for u in found.values()}:
        raise ShapeError(mismatch(model, file, sides, found))
    if unsure:
        said = as_call({**sides.names, **{slot.name: unit.name for slot, unit in unsure}})
        raise ShapeError(
            f"{file.path}: {len(unsure)} modules of the same shapes have names that do not tell their order, and the "
            f"file has lost it. If this is right, pass {said}; otherwise exchange them."
        )
    ours = model.named_params() | model.named_buffers()
    arrays: dict[str, Array] = {name: ours[name] for slot in sides.kept for name in slot.arrays}
    for slot in sides.wanted:
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # two biases without a finite sum are refused below
            turned = slot.turn(_read(file, slot, found[slot.name]))
        arrays |= {f"{slot.name}.{own}": array for own, array in turned.items()}
    fill_params(model, arrays, str(file.path))
    over = [(name, file.shapes[name], LEFT_OUT) for name in sides.skipped]
    shapes = {name: array.shape for name, array in ours.items()}
    return make_table(slots, shapes, found, over, sides.kept, by_number)


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
