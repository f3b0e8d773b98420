"""One row of the kernels' table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One row of the table: a kernel, one way of calling it, and the loop it must agree with."""

    kernel: str  # the public name in clearprop.kernels: a forward function, a loss or a penalty
    inputs: Callable[[np.random.Generator, int], tuple[Any, ...]]  # rng, n -> forward's inputs, in float64
    forward: Callable[..., tuple[Any, Any]]  # inputs -> output, cache
    backward: Callable[[Any, Any], tuple[Any, ...]]  # dy, cache -> gradients
    naive: Callable[..., Any]  # inputs -> output
    n_grads: int = 1  # the first so many inputs have gradients
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.kernel}-{self.variant}" if self.variant else self.kernel
