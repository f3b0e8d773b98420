"""NumPy's own files, `.npy` and `.npz`, without pickled objects, which could run code when they are read."""

import io
import lzma
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, BinaryIO, cast

import numpy as np
from numpy.lib import format as npy_format

from clearprop.arrays import Array, Shape, shape_text
from clearprop.data.streams import open_bytes, read_upto
from clearprop.errors import ClearpropError, DataError

_HEADER = 1 << 16  # bytes: NumPy's own headers are shorter than this
_BAD_HEADER = (ValueError, TypeError, SyntaxError, EOFError, MemoryError, RecursionError, tokenize.TokenError)
_BAD_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, ValueError, NotImplementedError, RuntimeError, OverflowError, KeyError,
)  # fmt: skip


def read_npy(path: str | Path) -> Array:
    """The array in an `.npy` file.

    Raises
    ------
    DataError
        For a file that is not `.npy`, holds pickled objects, or is shorter than its header announces.

    Examples
    --------
    >>> read_npy("features.npy").shape  # doctest: +SKIP
    (105, 4)
    """
    with open_bytes(path) as stream:
        return _read_array(stream, str(path))


def read_npz(path: str | Path) -> dict[str, Array]:
    """The arrays in an `.npz` file by their names, in the file's order.

    Raises
    ------
    DataError
        For a file that is not `.npz`, or in which an array is damaged or holds pickled objects.

    Examples
    --------
    >>> sorted(read_npz("flowers.npz"))  # doctest: +SKIP
    ['x', 'y']
    """
    with open_bytes(path) as stream, _zip_in_a_sentence(path), zipfile.ZipFile(stream) as archive:
        arrays = {}
        for member in archive.infolist():
            with archive.open(member) as inner:
                name = member.filename.removesuffix(".npy")
                arrays[name] = _read_array(inner, f"{path}, array {name!r}")
        return arrays


@contextmanager
def _zip_in_a_sentence(path: str | Path) -> Iterator[None]:
    try:
        yield
    except ClearpropError:
        raise
    except _BAD_ZIP as err:
        raise DataError(
            f"{path}: this is not a whole .npz file ({err}). Save it again with np.savez."
        ) from err


def _read_array(stream: IO[bytes], who: str) -> Array:
    head = io.BytesIO(bytes(read_upto(cast(BinaryIO, stream), _HEADER)))
    shape, fortran, dtype = _read_header(head, who)
    if dtype.hasobject:
        raise DataError(
            f"{who}: expected plain numbers, got pickled Python objects, which could run code. "
            "Save the array with a numeric dtype."
        )
    size = prod(shape) * dtype.itemsize
    content = bytearray(head.read(min(size, _HEADER)))
    content += read_upto(cast(BinaryIO, stream), size - len(content))
    if len(content) < size:
        raise DataError(
            f"{who}: the header announces {dtype} of shape {shape_text(shape)}, {size:,} bytes, but only "
            f"{len(content):,} follow it. The file is truncated: get it again."
        )
    try:
        flat = np.frombuffer(content, dtype) if size else np.empty(prod(shape), dtype)
        return flat.reshape(shape, order="F" if fortran else "C")
    except ValueError as err:  # too many axes, a length below zero, an item of no bytes
        raise DataError(f"{who}: the header announces {dtype} of shape {shape_text(shape)}: {err}.") from err


def _read_header(head: io.BytesIO, who: str) -> tuple[Shape, bool, np.dtype[np.generic]]:
    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    try:
        version = npy_format.read_magic(head)
        if version not in readers:
            raise ValueError(f"format version {version[0]}.{version[1]}, expected 1.0 or 2.0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers of Python 2, which are read all the same
            shape, fortran, dtype = readers[version](head)
        if min(shape, default=0) < 0:
            raise ValueError(f"shape {shape_text(shape)}")
        return shape, fortran, dtype
    except _BAD_HEADER as err:
        reason = str(err).splitlines()[0].rstrip(".") if str(err) else type(err).__name__
        raise DataError(f"{who}: this is not an .npy array ({reason}). Save it again with np.save.") from err
