"""Weights as the course draws them, laid out as the core multiplies with them; and their penalty."""

from collections.abc import Mapping

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.kernels.penalties import l2_penalty

Arrays = dict[str, Array]


def draw(scale: float, shape: Shape, axes: tuple[int, ...] = ()) -> Array:
    """scale · np.random.randn(*shape), a view of memory in which the axes stand in the order of the core's kernel.

    >>> draw(0.1, (50, 3072), axes=(1, 0)).T.flags.c_contiguous
    True
    """
    drawn = scale * np.random.randn(*shape)
    return np.ascontiguousarray(drawn.transpose(axes)).transpose(np.argsort(axes)) if axes else drawn


def add_penalty(params: Mapping[str, Array], grads: Arrays, reg: float) -> float:
    """½ reg Σ W² over the weights W1, W2, … alone; reg W is added to their gradients.

    All squares are added up before reg multiplies them, as in the course, which prints gradient errors that are made
    of the loss's last digits.
    """
    if not reg:
        return 0.0
    half = 0.0
    for name in sorted(grads):
        if name.startswith("W"):
            value, dw = l2_penalty(params[name], 1.0)
            dw *= float(reg)
            grads[name] += dw
            half += value
    return float(reg) * half
