"""safetensors files from anywhere: the header is checked word for word before a byte of the numbers is read.

The format: eight bytes that tell the header's length, little endian; the header, JSON in UTF-8, with each tensor's
dtype, shape and place; then the numbers, one tensor after the other, without a gap. Nothing in it is ever run.
"""

import json
from math import isfinite, prod
from os import PathLike, fspath, fstat, stat_result
from os.path import isdir
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.errors import DataError, FileError

KINDS = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
LONGEST_HEADER = 2**23  # bytes: some 80,000 tensors, or a state of 50,000 epochs
_LONGEST_NAME = 500
_MOST_AXES = 32
_MOST_DIGITS = 40  # a random generator's state has 39


class TensorFile(NamedTuple):
    """A file whose header is in order."""

    path: Path
    told: dict[str, str]  # the metadata
    spans: dict[str, tuple[str, Shape, int]]  # of each tensor: dtype, shape, first byte in the file
    seal: tuple[int, ...]  # which file it was, and when it was written

    @property
    def shapes(self) -> dict[str, Shape]:
        return {name: shape for name, (_, shape, _) in self.spans.items()}

    def read(self, name: str) -> Array:
        """A tensor's numbers; bfloat16, which NumPy does not have, as float32.

        Raises
        ------
        FileError
            If the file is no longer there.
        DataError
            If it is another one now than when its header was read.
        """
        kind, shape, first = self.spans[name]
        try:
            with self.path.open("rb") as file:
                found = np.fromfile(file, KINDS[kind], prod(shape), offset=first)
                seal = _seal(fstat(file.fileno()))
        except OSError as error:
            raise FileError(f"{self.path}: could not be read any more ({error.strerror}).") from None
        if seal != self.seal or found.size < prod(shape):  # numbers of two files would make no network
            raise DataError(f"{self.path}: was written while it was read. Read it again.")
        if kind == "BF16":
            found = (found.astype("<u4") << 16).view("<f4")
        if kind == "BOOL":
            found = found.view("u1") != 0  # a byte that is neither 0 nor 1 would be no truth value
        return found.astype(found.dtype.newbyteorder("="), copy=False).reshape(shape)

    def read_all(self) -> dict[str, Array]:
        """Every tensor's numbers."""
        return {name: self.read(name) for name in self.spans}


def open_tensors(path: str | PathLike[str], what: str = "safetensors file", remedy: str = "") -> TensorFile:
    """The header of a file; what is read of it is in proportion to the file, whatever it announces.

    Raises
    ------
    FileError
        If there is no such file, or it is a folder, a device or a pipe.
    DataError
        If it is no whole safetensors file; the sentence says why.
    """
    path = Path(fspath(path))
    try:
        if path.exists() and not path.is_file():  # who opens a pipe waits for its other end
            raise OSError(0, "a folder, a pipe or a device")
        with path.open("rb") as file:
            status = fstat(file.fileno())
            told, spans = _header(file, status.st_size)
    except OSError as error:
        such = ", such as weights.safetensors in it" * isdir(path)
        raise FileError(f"{path}: could not be read ({error.strerror}). Expected a {what}{such}.") from None
    except ValueError as error:
        from clearprop.messages.files import other_kind

        raise DataError(
            f"{path}: not a whole {what} ({error}). {remedy or other_kind(path, '.safetensors')}"
        ) from None
    return TensorFile(path, told, spans, _seal(status))


def strict_json(text: str, numbers_only: bool = True) -> Any:
    """JSON without what readers disagree about: keys that stand twice, endless numbers, bottomless nesting.

    Raises
    ------
    ValueError
        If it is anything else; `numbers_only` refuses NaN and Infinity, too.
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for key, value in found:
            if key in table:
                raise ValueError(f"the key {_cut(key)} stands there twice")
            table[key] = value
        return table

    def whole(digits: str) -> int:
        if len(digits) > _MOST_DIGITS:
            raise ValueError(f"a number of {len(digits):,} digits")
        return int(digits)

    def real(word: str) -> float:
        found = float(word)
        if numbers_only and not isfinite(found):  # 1e999 is infinite, too
            raise ValueError(f"{word[:40]} is no number")
        return found

    try:
        return json.loads(
            text, object_pairs_hook=pairs, parse_int=whole, parse_float=real, parse_constant=real
        )
    except RecursionError:
        raise ValueError("tables nested too deeply") from None


def _seal(status: stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _header(file: BinaryIO, size: int) -> tuple[dict[str, str], dict[str, tuple[str, Shape, int]]]:
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, LONGEST_HEADER):
        told = f"a header of {length:,} bytes" if length < 2**48 else "no header"  # texts are numbers, too
        raise ValueError(f"{told} in a file of {size:,}")
    header = strict_json(file.read(length).decode("utf-8"))
    if not isinstance(header, dict):
        raise ValueError("the header is no table")
    told = header.pop("__metadata__", {})
    if not isinstance(told, dict) or not all(isinstance(text, str) for text in told.values()):
        raise ValueError("the header's metadata is no table of texts")
    first, placed, spans = 8 + length, [], {}
    for name, entry in header.items():
        kind, shape, start, end = _entry(name, entry)
        placed.append((start, end, name))
        spans[name] = (kind, shape, first + start)
    _check_places(sorted(placed), size - first)
    return told, spans


def _entry(name: str, entry: Any) -> tuple[str, Shape, int, int]:
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a tensor is called {_cut(name)}")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name}: expected a dtype, a shape and data_offsets")
    kind, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"{name}: the dtype is {_cut(kind)}")
    if not _counts(shape) or len(shape) > _MOST_AXES:
        raise ValueError(f"{name}: the shape is {_cut(shape)}")
    if not _counts(place) or len(place) != 2:
        raise ValueError(f"{name}: the data_offsets are {_cut(place)}")
    start, end = place
    size = np.dtype(KINDS[kind]).itemsize
    # the second: nothing, of sizes that NumPy refuses
    if end - start != prod(shape) * size or prod(filter(None, shape)) >= 2**59:
        raise ValueError(f"{name}: {end - start:,} bytes for {kind} of shape {_cut(tuple(shape))}")
    return kind, tuple(shape), start, end


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**48 for n in value)


def _check_places(placed: list[tuple[int, int, str]], size: int) -> None:
    """Refuse tensors that overlap, leave a gap, or end before the file or behind it."""
    at = 0
    for start, end, name in placed:
        if start != at:
            raise ValueError(f"{name} begins at byte {start:,}, where {at:,} bytes are before it")
        at = end
    if at != size:
        raise ValueError(f"{at:,} bytes of numbers announced, {size:,} in the file")


def _cut(value: Any) -> str:
    text = ascii(value[:100] if isinstance(value, str | list | tuple) else value)
    return text if len(text) <= 100 else text[:100] + "…"
