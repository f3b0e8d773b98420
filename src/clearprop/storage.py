"""A network as one file: safetensors, with the architecture as JSON in its header. Loading never runs code."""

import json
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.arrays import Array, Shape, as_dtype
from clearprop.errors import ClearpropError, DataError, FileError, ShapeError
from clearprop.files import replace_file
from clearprop.layers.spec import layer_from, layer_spec
from clearprop.names import check_count

if TYPE_CHECKING:
    from clearprop.model import Sequential

_KEY = "clearprop"
_LINKS = ("softmax", "sigmoid", "probs", "argmax", "identity", "exp")


def save_model(model: "Sequential", path: str | PathLike[str]) -> None:
    """Write architecture and parameters to one safetensors file, whole or not at all."""
    from safetensors.numpy import save

    description = {
        "format": 1,
        "layers": [layer_spec(layer) for layer in model.layers],
        "input_shape": list(model.input_shape),
        "dtype": model.dtype.name,
        "link": model.link,
    }
    # safetensors would sort names its own way; contiguous copies keep their shapes
    blob = save(
        {k: np.ascontiguousarray(v) for k, v in _named(model).items()}, {_KEY: json.dumps(description)}
    )
    replace_file(Path(fspath(path)), lambda file: file.write(blob))


def read_file(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """The description and the named arrays of a file that `save_model` wrote."""
    from safetensors import SafetensorError, safe_open

    path = Path(fspath(path))
    if path.is_dir():
        raise FileError(
            f"{path}: a folder. Expected a file that model.save wrote, such as weights.safetensors in it."
        )
    if not path.is_file():
        raise FileError(f"{path}: no such file. Expected a network that model.save wrote.")
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a whole safetensors file ({error}). Take an undamaged copy.") from None
    if _KEY not in header:
        raise DataError(
            f"{path}: a safetensors file, but not one that model.save wrote: its header names no layers."
        )
    try:
        description = json.loads(header[_KEY])
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}: the architecture in the header is not valid JSON ({error}).") from None
    if not isinstance(description, dict) or description.get("format") != 1:
        raise DataError(f"{path}: written in a format that this version does not know. Expected format 1.")
    return description, arrays


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
    from clearprop.model import Sequential, plan

    description, arrays = read_file(path)
    specs, shape = description.get("layers"), description.get("input_shape")
    if not isinstance(specs, list) or not isinstance(shape, list) or description.get("link") not in _LINKS:
        raise DataError(f"{path}: the header's layers, input_shape or link are missing or malformed.")
    try:
        layers = [layer_from(spec, f"layer {i}") for i, spec in enumerate(specs)]
        sizes = tuple(check_count("load", "input_shape", n) for n in shape)
        dtype, planned = as_dtype(description.get("dtype", "")), plan(layers, sizes)
    except ClearpropError as error:
        raise DataError(f"{path}: {error}") from None
    shapes = planned.params.shapes | planned.buffers.shapes
    check_arrays(shapes, arrays, str(path))  # before anything of that size is made
    model = Sequential(layers, sizes, dtype=dtype)
    model.link = description["link"]
    fill_params(model, arrays, str(path))
    return model


def load_weights(model: "Sequential", path: str | PathLike[str]) -> None:
    """Fill a network that stands with the parameters of a file, which must be of the same architecture.

    Raises
    ------
    ShapeError
        If the file is of another network: the first name or shape that differs is named, and the network is
        left as it was.
    """
    _, arrays = read_file(path)
    fill_params(model, arrays, str(path))


def check_arrays(shapes: Mapping[str, Shape], arrays: dict[str, Array], who: str) -> None:
    """Refuse named arrays that are not of these names and shapes."""
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape:
            got = (
                f"{name} of shape {arrays[name].shape}"
                if name in arrays
                else f"only {', '.join(arrays) or 'nothing'}"
            )
            raise ShapeError(
                f"{who}: weights of another network: expected {name} of shape {shape}, got {got}. "
                "Build the network that the file was saved from, or read both with load(path)."
            )
    extra = arrays.keys() - shapes.keys()
    if extra:
        raise ShapeError(
            f"{who}: weights of another network: this one has no {', '.join(sorted(extra))}. "
            "Build the network that the file was saved from, or read both with load(path)."
        )


def fill_params(model: "Sequential", arrays: dict[str, Array], who: str) -> None:
    """Copy named arrays into the parameters and buffers, once all names, shapes and values are right."""
    check_arrays({name: view.shape for name, view in _named(model).items()}, arrays, who)
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        with np.errstate(over="ignore"):  # what the dtype cannot hold becomes infinite
            found[name] = array.astype(model.dtype) if array.dtype.kind == "f" else array
        if array.dtype.kind != "f" or not np.isfinite(found[name]).all():
            raise DataError(
                f"{who}: {name} holds values that are not finite numbers in {model.dtype}. Take another checkpoint."
            )
    for name, view in _named(model).items():
        view[...] = found[name]


def _named(model: "Sequential") -> dict[str, Array]:
    return model.named_params() | model.named_buffers()
