"""IDX, the format in which MNIST is kept: a short header of big-endian numbers, then one array.

The header is two zero bytes, a type code, the number of axes, and each axis' length in four bytes.
(Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", 1998, "File formats".)
"""

from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from clearprop.arrays import Array, Shape, shape_text
from clearprop.data.streams import count_rest, open_bytes, read_upto
from clearprop.errors import DataError

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 64  # NumPy's own limit


def read_idx(path: str | Path) -> Array:
    """The array in an IDX file, packed with gzip or not, in the shape and type that its header tells.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    array
        Of the file's shape; integers and floats in this machine's byte order.

    Raises
    ------
    DataError
        For a file that is not IDX, or that holds fewer or more bytes than its header announces.

    Examples
    --------
    >>> read_idx("train-labels-idx1-ubyte.gz").shape  # doctest: +SKIP
    (60000,)
    """
    with open_bytes(path) as stream:
        dtype, shape = _read_header(stream, path)
        size = prod(shape) * dtype.itemsize
        content = read_upto(stream, size)
        announced = (
            f"{path}: the header announces {dtype.newbyteorder('=').name} of shape {shape_text(shape)}"
        )
        if len(content) < size:
            raise DataError(
                f"{announced}, {size:,} bytes, but only {len(content):,} follow it. "
                "The file is truncated: get it again."
            )
        extra = count_rest(stream)
    if extra:
        raise DataError(
            f"{announced}, {size:,} bytes, but {size + extra:,} follow it. The file is damaged: get it again."
        )
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: BinaryIO, path: str | Path) -> tuple[np.dtype[np.generic], Shape]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] > _MOST_AXES:
        codes = ", ".join(f"{code:02x}" for code in TYPES)
        raise DataError(
            f"{path}: this is not an IDX file. Expected it to start with 00 00, a type code ({codes}) and "
            f"the number of axes, got {magic.hex(' ') or 'an empty file'}."
        )
    lengths = stream.read(4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        raise DataError(
            f"{path}: expected an IDX header of {4 + 4 * magic[3]} bytes, got {4 + len(lengths)}. "
            "The file is truncated: get it again."
        )
    shape = tuple(int(n) for n in np.frombuffer(lengths, ">u4"))
    dtype = np.dtype(TYPES[magic[2]])
    if prod(max(n, 1) for n in shape) * dtype.itemsize > np.iinfo(np.intp).max:
        raise DataError(f"{path}: the header announces shape {shape_text(shape)}, which fits no memory.")
    return dtype, shape
