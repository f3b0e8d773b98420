"""Weights as pictures."""

from math import isqrt

import numpy as np

from clearprop.arrays import Array, check_shape

__all__ = ["visualize_grid"]


def visualize_grid(Xs: Array, ubound: float = 255.0, padding: int = 1) -> Array:
    """Images side by side in a square grid, each stretched to the range from 0 to ubound.

    Parameters
    ----------
    Xs : array of shape (N, H, W, C)
    ubound : float
        Each image's largest number becomes this, its smallest 0; an image of one colour becomes 0.
    padding : int
        Zeros between two images.

    Returns
    -------
    array of shape (n H + (n − 1) padding, n W + (n − 1) padding, C), n = ⌈√N⌉
        Zeros where there is no image.

    Examples
    --------
    >>> visualize_grid(np.arange(8.0).reshape(2, 2, 2, 1))[:, :, 0]
    array([[  0.,  85.,   0.,   0.,  85.],
           [170., 255.,   0., 170., 255.],
           [  0.,   0.,   0.,   0.,   0.],
           [  0.,   0.,   0.,   0.,   0.],
           [  0.,   0.,   0.,   0.,   0.]])
    """
    check_shape("visualize_grid", "Xs", Xs.shape, ("N", "H", "W", "C"))
    n, height, width, channels = Xs.shape
    side = isqrt(n - 1) + 1 if n else 0
    grid = np.zeros((*(max(side * (k + padding) - padding, 0) for k in (height, width)), channels))
    for i, image in enumerate(Xs):
        top, left = (i // side) * (height + padding), (i % side) * (width + padding)
        low, high = float(image.min()), float(image.max())
        grid[top : top + height, left : left + width] = (image - low) * (ubound / (high - low or 1.0))
    return grid
