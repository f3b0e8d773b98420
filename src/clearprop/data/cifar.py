"""CIFAR-10's binary version: one record a picture, its label in one byte, then its red, green and blue plane.

(A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; www.cs.toronto.edu/~kriz/cifar.html,
"Binary version".)
"""

from pathlib import Path

import numpy as np

from clearprop.arrays import Array
from clearprop.data.streams import open_bytes
from clearprop.errors import DataError

SHAPE = (32, 32, 3)
RECORD = 1 + 32 * 32 * 3  # bytes
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_cifar(path: str | Path) -> tuple[Array, Array]:
    """The pictures and labels in a file of CIFAR-10's binary version, packed with gzip or xz, or plain.

    Parameters
    ----------
    path : str or Path
        One of the `.bin` files.

    Returns
    -------
    array of shape (N, 32, 32, 3), uint8
        Height, width, and red, green and blue.
    array of shape (N,), int64
        Labels from 0 to 9.

    Raises
    ------
    DataError
        For a file that is no whole number of records, or has a label above 9.

    Examples
    --------
    >>> x, y = read_cifar("test_batch.bin")  # doctest: +SKIP
    >>> x.shape  # doctest: +SKIP
    (10000, 32, 32, 3)
    """
    with open_bytes(path) as stream:
        x, y = records(stream.read(), str(path))
    return np.ascontiguousarray(x), y


def records(content: bytes | bytearray, who: str) -> tuple[Array, Array]:
    """`read_cifar` of a file's content; the pictures are a view of it."""
    if not content or len(content) % RECORD:
        raise DataError(
            f"{who}: expected records of {RECORD:,} bytes, a label and 32×32 pixels in three planes, got "
            f"{len(content):,} bytes, which is no whole number of them. The file is truncated, or another format."
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    y = rows[:, 0].astype(np.int64)
    if y.max() >= len(CLASSES):
        row = int(np.argmax(y >= len(CLASSES)))
        raise DataError(
            f"{who}: expected labels from 0 to 9, got {y[row]} in record {row}, counted from 0. "
            "The file is damaged, or not of CIFAR-10's binary version."
        )
    planes = rows[:, 1:].reshape(-1, 3, 32, 32)  # (N, C, H, W)
    return planes.transpose(0, 2, 3, 1), y
