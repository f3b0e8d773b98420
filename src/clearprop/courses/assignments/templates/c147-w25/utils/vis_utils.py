"""Pictures of weights and images."""

from math import ceil, sqrt

import numpy as np


def visualize_grid(Xs, ubound=255.0, padding=1):
    """Many images as one, in rows and columns.

    Parameters
    ----------
    Xs : array of shape (N, H, W, C)
        Each image is stretched by itself, from its smallest to its largest number.
    ubound : float
        The largest number of the result; the smallest is 0.
    padding : int
        Pixels between two images.

    Returns
    -------
    array of shape (rows * (H + padding) - padding, columns * (W + padding) - padding, C)
    """
    N, H, W, C = Xs.shape
    size = ceil(sqrt(N))
    grid = np.zeros((size * (H + padding) - padding, size * (W + padding) - padding, C))
    for n, image in enumerate(Xs):
        low, high = image.min(), image.max()
        top, left = n // size * (H + padding), n % size * (W + padding)
        if high > low:  # an image of one colour stays black
            grid[top : top + H, left : left + W] = ubound * (image - low) / (high - low)
    return grid
