"""Sine waves whose next value is to be predicted: sequences that need no file."""

from math import tau

import numpy as np

from clearprop.arrays import Array
from clearprop.names import check_count

STEP = 0.5  # radians from one time to the next: 12.6 times a period


def sine_waves(n: int, steps: int = 20, seed: int = 0) -> tuple[Array, Array]:
    """x_t = sin(φ + t / 2) for t = 0 … steps − 1, and y = sin(φ + steps / 2), the shift φ uniform in [0, 2π).

    The task of Berkeley CS 189, Spring 2020, HW6, part 4: "Each data sample is a randomly shifted sinewave that
    extends for t timesteps. The labels are scalar values—the next value in each sinewave." There is no noise, so
    that the error can come as near to 0 as the network can.

    Parameters
    ----------
    n : int
        How many waves.
    steps : int
        How many times T each of them is seen.
    seed : int
        The same seed gives the same shifts.

    Returns
    -------
    x : array of shape (N, T, 1), float64
    y : array of shape (N, 1), float64

    Examples
    --------
    >>> x, y = sine_waves(3, steps=4)
    >>> x.shape, y.shape
    ((3, 4, 1), (3, 1))
    """
    n, steps = check_count("sine_waves", "n", n), check_count("sine_waves", "steps", steps)
    shifts = np.random.default_rng(seed).uniform(0, tau, size=(n, 1))
    waves = np.sin(shifts + STEP * np.arange(steps + 1))  # (N, T + 1)
    return waves[:, :-1, np.newaxis], waves[:, -1:]
