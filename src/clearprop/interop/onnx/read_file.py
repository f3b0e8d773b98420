"""An ONNX file of unknown origin: read without running anything, its sizes checked before anything is made of them."""

from collections.abc import Iterator, Mapping
from math import prod
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import DataError, FileError
from clearprop.interop.onnx.package import onnx_package
from clearprop.messages.files import other_kind

MOST_AXES = 32
LARGEST = 2**31  # bytes; protobuf holds no more
KINDS = {  # ONNX's numbers: what they are in memory, and the field that holds them where they are not raw
    1: ("<f4", "float_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    9: ("|b1", "int32_data"),
    10: ("<f2", "int32_data"),
    11: ("<f8", "double_data"),
}


class OnnxFile(NamedTuple):
    """What a file holds, before any of it is understood."""

    name: str  # for messages
    graph: Any  # onnx's GraphProto
    opset: int
    ir: int
    tensors: Mapping[str, Array]
    told: Mapping[str, str]  # the metadata
    size: int  # bytes, with those of files beside it


def read_onnx_file(path: str | PathLike[str]) -> OnnxFile:
    """The file's parts.

    Raises
    ------
    FileError, DataError
        If it is missing, no ONNX, or does not hold what it announces.
    """
    path = Path(fspath(path))
    onnx = onnx_package()
    blob = _bytes(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(blob)
    except Exception as error:  # protobuf's own class of it depends on how it was built
        raise DataError(
            f"{path}: not a whole ONNX file ({error}). {other_kind(Path(path), '.onnx')}"
        ) from None
    graph = model.graph
    if not graph.node or not graph.output:
        raise DataError(
            f"{path}: not an ONNX file: it holds no graph. Expected what to_onnx or an exporter wrote."
        )
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    newest = int(onnx.defs.onnx_opset_version())
    if not 9 <= opset <= newest:
        raise DataError(
            f"{path}: expected ONNX operators of version 9 to {newest}, got {opset}. "
            + ("Export it anew." if opset < 9 else "Install a newer onnx, or export it with a lower opset.")
        )
    if graph.sparse_initializer or model.functions:
        what = "sparse weights" if graph.sparse_initializer else "functions of its own"
        raise DataError(f"{path}: holds {what}, which from_onnx does not read. Export it without them.")
    tensors, size = {}, len(blob)
    for proto in graph.initializer:
        tensors[proto.name] = array = read_tensor(proto, path, path.parent)
        size += array.nbytes if proto.data_location else 0
    told = {prop.key: prop.value for prop in model.metadata_props}
    return OnnxFile(str(path), graph, int(opset), int(model.ir_version), tensors, told, size)


def _bytes(path: Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise DataError(f"{path}: {path.stat().st_size:,} bytes, more than an ONNX file can have.")
        if path.exists() and not path.is_file():  # who opens a pipe waits for its other end
            raise OSError(0, "a folder, a pipe or a device")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # the second: a name that no file can have
        why = error.strerror if isinstance(error, OSError) else error
        raise FileError(f"{path}: could not be read ({why}). Expected an ONNX file.") from None


def read_tensor(proto: Any, who: object, folder: Path | None = None) -> Array:
    """A tensor's numbers, once the file is known to hold as many as its shape says."""
    what = f"{who}: tensor {proto.name!r}"
    if proto.data_type not in KINDS:
        raise DataError(f"{what}: expected float or integer numbers, got ONNX's type {proto.data_type}.")
    name, field = KINDS[proto.data_type]
    kind, shape = np.dtype(name), tuple(proto.dims)
    empty_and_large = 0 in shape and prod(filter(None, shape)) > LARGEST
    if any(n < 0 or n > LARGEST for n in shape) or empty_and_large or len(shape) > MOST_AXES:
        raise DataError(f"{what}: expected sizes that a file can have, got {shape}.")
    count = prod(shape)
    if proto.data_location:
        return _beside(proto, what, folder, count * kind.itemsize).view(kind).reshape(shape)
    raw = proto.HasField("raw_data")
    given = len(proto.raw_data) if raw else len(getattr(proto, field))
    if given != (count * kind.itemsize if raw else count):
        unit = "bytes" if raw else "numbers"
        raise DataError(
            f"{what}: its shape {shape} and the {given:,} {unit} in the file disagree. It is damaged."
        )
    if raw:
        return np.frombuffer(proto.raw_data, kind).reshape(shape)
    if kind == np.float16:  # whose bits stand in integers
        return np.array(proto.int32_data, np.uint16).view(np.float16).reshape(shape)
    return np.array(getattr(proto, field), kind).reshape(shape)


def _beside(proto: Any, what: str, folder: Path | None, size: int) -> Array:
    """The bytes of a tensor in another file, which must lie in the same folder."""
    told = {entry.key: entry.value for entry in proto.external_data}
    name = told.get("location", "")
    if folder is None or not name or Path(name).name != name or "\\" in name or name in (".", ".."):
        raise DataError(
            f"{what}: its numbers lie in another file, {name!r}. Only files in the same folder are read: "
            "save the network as one file."
        )
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise DataError(
            f"{what}: its numbers lie in {path}, and there is no such file. Put it beside the other."
        )
    offset, length = (int(told.get(key, usual)) if told.get(key, "0").isdecimal() else -1
                      for key, usual in (("offset", "0"), ("length", str(size))))  # fmt: skip
    if offset < 0 or length != size or offset + size > path.stat().st_size:
        raise DataError(
            f"{what}: {path} does not hold the {size:,} bytes that it needs there. It is damaged."
        )
    return np.fromfile(path, np.uint8, size, offset=offset)


def needed_nodes(file: OnnxFile, output: str) -> Iterator[tuple[int, Any]]:
    """The nodes on whose results the output depends, numbered, in the file's order."""
    wanted, kept = {output}, []
    for i in range(len(file.graph.node) - 1, -1, -1):
        node = file.graph.node[i]
        if wanted & set(node.output) - {""}:
            kept.append((i, node))
            wanted |= set(node.input)
    yield from reversed(kept)
