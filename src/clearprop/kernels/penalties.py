"""Penalties on weights, added to a loss, and their gradients, added to the loss's own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def l2_gradient(w: Array, strength: float) -> Array:
    """dw = strength w"""
    return strength * w


def l1_gradient(w: Array, strength: float) -> Array:
    """dw = strength sign(w)"""
    return strength * np.sign(w)


def l2_penalty(w: Array, strength: float) -> tuple[float, Array]:
    """value = ½ strength Σ w²,  dw = strength w

    w: any shape  ->  value: a number, dw: same shape

    >>> l2_penalty(np.array([3.0, -4.0]), 0.1)
    (1.25, array([ 0.3, -0.4]))
    """
    return 0.5 * strength * float(np.sum(w * w)), l2_gradient(w, strength)


def l1_penalty(w: Array, strength: float) -> tuple[float, Array]:
    """value = strength Σ |w|,  dw = strength sign(w), so the slope at w = 0 is 0

    w: any shape  ->  value: a number, dw: same shape

    >>> l1_penalty(np.array([3.0, -4.0]), 0.5)
    (3.5, array([ 0.5, -0.5]))
    """
    return strength * float(np.sum(np.abs(w))), l1_gradient(w, strength)
