"""Scratch: memory that is written anew at every use, kept because fresh pages cost more than the copy into them."""

import threading
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

_local = threading.local()


def scratch(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of this shape for what is done with before the next call; each thread has its own."""
    wanted = prod(shape) * dtype.itemsize
    memory: NDArray[Any] | None = getattr(_local, "memory", None)
    if memory is None or memory.size < wanted:
        memory = _local.memory = np.empty(wanted, np.uint8)
    return memory[:wanted].view(dtype).reshape(shape)
