"""safetensors files from anywhere: the header is checked word for word before a byte of the numbers is read.

The format: eight bytes that tell the header's length, little endian; the header, JSON in UTF-8, with each tensor's
dtype, shape and place; then the numbers, one tensor after the other, without a gap. Nothing in it is ever run.
"""

import json
from math import prod
from os import PathLike, fspath
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

    @property
    def shapes(self) -> dict[str, Shape]:
        return {name: shape for name, (_, shape, _) in self.spans.items()}

    def read(self, name: str) -> Array:
        """A tensor's numbers; bfloat16, which NumPy does not have, as float32."""
        kind, shape, first = self.spans[name]
        found = np.fromfile(self.path, KINDS[kind], prod(shape), offset=first)
        if found.size < prod(shape):
            raise DataError(f"{self.path}: became shorter while it was read. Take an undamaged copy.")
        if kind == "BF16":
            found = (found.astype("<u4") << 16).view("<f4")
        if kind == "BOOL":
            found = found.view("u1") != 0  # a byte that is neither 0 nor 1 would be no truth value
        return found.astype(found.dtype.newbyteorder("="), copy=False).reshape(shape)

    def read_all(self) -> dict[str, Array]:
        """Every tensor's numbers."""
        return {name: self.read(name) for name in self.spans}


def open_tensors(
    path: str | PathLike[str],
    what: str = "safetensors file",
    remedy: str = "",
) -> TensorFile:
    """The header of a file; what is read of it is in proportion to the file, whatever it announces.

    Raises
    ------
    FileError
        If there is no such file.
    DataError
        If it is no whole safetensors file; the sentence says why.
    """
    path = Path(fspath(path))
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            told, spans = _header(file, size)
    except OSError as error:
        raise FileError(f"{path}: could not be read ({error.strerror}). Expected a {what}.") from None
    except ValueError as error:
        from clearprop.messages.files import other_kind

        raise DataError(
            f"{path}: not a whole {what} ({error}). {remedy or other_kind(path, '.safetensors')}"
        ) from None
    return TensorFile(path, told, spans)


def strict_json(text: str, numbers_only: bool = True) -> Any:
    """JSON without what readers disagree about: keys that stand twice, endless numbers, bottomless nesting.

    Raises
    ------
    ValueError
        If it is anything else; `numbers_only` refuses NaN and Infinity, too.
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(found)
        if len(table) < len(found):
            twice = next(key for i, (key, _) in enumerate(found) if key in dict(found[:i]))
            raise ValueError(f"the key {_cut(twice)} stands there twice")
        return table

    def whole(digits: str) -> int:
        if len(digits) > _MOST_DIGITS:
            raise ValueError(f"a number of {len(digits):,} digits")
        return int(digits)

    def constant(word: str) -> float:
        if numbers_only:
            raise ValueError(f"{word} is no number")
        return float(word.replace("Infinity", "inf"))

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_int=whole, parse_constant=constant)
    except RecursionError:
        raise ValueError("tables nested too deeply") from None


def _header(file: BinaryIO, size: int) -> tuple[dict[str, str], dict[str, tuple[str, Shape, int]]]:
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, LONGEST_HEADER):
        raise ValueError(f"a header of {length:,} bytes in a file of {size:,}")
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
    if end - start != prod(shape) * np.dtype(KINDS[kind]).itemsize:
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
