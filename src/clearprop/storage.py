"""A network as one file: safetensors, with the architecture as JSON in its header. Loading never runs code."""

import json
from collections.abc import Collection, Mapping
from math import prod
from os import PathLike, fspath
from os.path import getsize, isfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.arrays import Array, Shape, as_dtype
from clearprop.errors import ClearpropError, DataError, FileError, ShapeError
from clearprop.files import replace_file
from clearprop.layers.spec import layer_from, layer_spec
from clearprop.names import check_count
from clearprop.tensors import TensorFile, open_tensors, strict_json

if TYPE_CHECKING:
    from clearprop.model import Sequential

_KEY = "clearprop"
_REMEDY = "Build the network that the file was saved from, or read both with load(path)."
LINKS = ("softmax", "sigmoid", "probs", "argmax", "identity", "exp")
LARGEST, MOST_AXES = 2**31, 32  # numbers of one example between two layers, and its axes


def save_model(model: "Sequential", path: str | PathLike[str]) -> None:
    """Write architecture and parameters to one safetensors file, whole or not at all.

    Raises
    ------
    FileError
        If it cannot be written, or what lies there is no such file: it is then left as it was.
    """
    from safetensors.numpy import save

    path = Path(fspath(path))
    if isfile(path) and getsize(path):  # an older network may be replaced, and a temporary file's empty place
        try:
            read_header(path)
        except ClearpropError:
            raise FileError(
                f"{path}: what lies there is no network that model.save wrote, so it is not replaced. "
                "Remove it, or choose another name."
            ) from None
    description = {
        "format": 1,
        "layers": [layer_spec(layer) for layer in model.layers],
        "input_shape": list(model.input_shape),
        "dtype": model.dtype.name,
        "link": model.link,
    }
    # safetensors would sort names its own way; contiguous copies keep their shapes
    arrays = {name: np.ascontiguousarray(view) for name, view in _named(model).items()}
    blob = save(arrays, {_KEY: json.dumps(description)})
    replace_file(path, lambda file: file.write(blob))


def read_header(path: str | PathLike[str]) -> tuple[dict[str, Any], TensorFile]:
    """The description in a file that `save_model` wrote, and its arrays, none of which is read yet."""
    file = open_tensors(path)
    if _KEY not in file.told:
        raise DataError(
            f"{path}: its header names no layers. Weights of PyTorch are read with cp.load_torch_weights."
        )
    try:
        description = strict_json(file.told[_KEY])
    except ValueError as error:
        raise DataError(f"{path}: the architecture in the header is not valid JSON ({error}).") from None
    if not isinstance(description, dict) or description.get("format") != 1:
        raise DataError(f"{path}: written in a format that this version does not know. Expected format 1.")
    return description, file


def load(path: str | PathLike[str]) -> "Sequential":
    """The network that `model.save` wrote.

    Raises
    ------
    FileError, DataError, ConfigError
        If the file is missing, damaged, or describes no network that clearprop knows.

    Examples
    --------
    >>> import tempfile, pathlib, clearprop as cp
    >>> model = cp.Sequential([cp.Dense(3)], input_shape=(4,))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "net.safetensors"
    >>> model.save(path)
    >>> bool((cp.load(path).params == model.params).all())
    True
    """
    from clearprop.model import Sequential
    from clearprop.plan import plan

    description, file = read_header(path)
    specs, shape, link = (description.get(key) for key in ("layers", "input_shape", "link"))
    if not isinstance(specs, list) or not isinstance(shape, list) or link not in LINKS:
        raise DataError(f"{path}: the header's layers, input_shape or link are missing or malformed.")
    try:
        layers = [layer_from(spec, f"layer {i}") for i, spec in enumerate(specs)]
        sizes = tuple(check_count("load", "input_shape", n) for n in shape)
        dtype, planned = as_dtype(description.get("dtype", "")), plan(layers, sizes)
    except (ClearpropError, RecursionError) as error:
        told = "layers nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"{path}: {told if len(told) < 2000 else told[:2000] + ' …'}") from None
    check_names(planned.params.shapes | planned.buffers.shapes, file.shapes, str(path))  # nothing is made yet
    if max(len(s) for s in planned.shapes) > MOST_AXES or max(map(prod, planned.shapes)) > LARGEST:
        raise DataError(
            f"{path}: describes a network that is too large to compute: one example has the shapes "
            f"{str(planned.shapes)[:200]} between its layers."
        )
    try:
        model = Sequential(layers, sizes, dtype=dtype)
        fill_params(model, file.read_all(), str(path))
    except MemoryError:
        raise DataError(f"{path}: not enough memory for {planned.params.size:,} parameters.") from None
    model.link = link
    return model


def load_weights(model: "Sequential", path: str | PathLike[str]) -> None:
    """Fill a network that stands with the parameters of a file, which must be of the same architecture.

    Raises
    ------
    ShapeError
        If the file is of another network: the first name or shape that differs is named, and the network is
        left as it was.
    """
    _, file = read_header(path)
    check_names(_shapes(model), file.shapes, str(path))
    fill_params(model, file.read_all(), str(path))


def check_names(shapes: Mapping[str, Shape], given: Mapping[str, Shape], who: str) -> None:
    """Refuse arrays that are not of these names and shapes."""
    for name, shape in shapes.items():
        if given.get(name) != shape:
            got = f"{name} of shape {given[name]}" if name in given else f"only {_names(given)}"
            raise ShapeError(
                f"{who}: weights of another network: expected {name} of shape {shape}, got {got}. {_REMEDY}"
            )
    if extra := given.keys() - shapes.keys():
        raise ShapeError(
            f"{who}: weights of another network: this one has no {_names(sorted(extra))}. {_REMEDY}"
        )


def fill_params(model: "Sequential", arrays: dict[str, Array], who: str) -> None:
    """Copy named arrays into the parameters and buffers, once all names, shapes and values are right."""
    check_names(_shapes(model), {name: np.shape(array) for name, array in arrays.items()}, who)
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        with np.errstate(over="ignore"):  # what the dtype cannot hold becomes infinite
            found[name] = array.astype(model.dtype, copy=False) if array.dtype.kind == "f" else array
        if array.dtype.kind != "f" or not np.isfinite(found[name]).all():
            raise DataError(
                f"{who}: {name} holds values that are not finite numbers in {model.dtype}. Take another checkpoint."
            )
        if name.endswith("running_var") and (found[name] < 0).any():  # whose root would be NaN
            raise DataError(f"{who}: {name} holds variances below 0. Take another checkpoint.")
    for name, view in _named(model).items():
        view[...] = found[name]


def _named(model: "Sequential") -> dict[str, Array]:
    return model.named_params() | model.named_buffers()


def _shapes(model: "Sequential") -> dict[str, Shape]:
    return {name: view.shape for name, view in _named(model).items()}


def _names(names: Collection[str]) -> str:
    """Names in a row, the first twenty of them."""
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return (", ".join(list(names)[:20]) or "nothing") + more
