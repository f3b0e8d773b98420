"""Augmentation against SciPy and NumPy, and backward as the transpose of forward."""

import numpy as np
import pytest
from scipy import ndimage

from clearprop.kernels import augment

RNG = np.random.default_rng(0)
X = RNG.normal(size=(9, 6, 5, 2))


def test_a_shift_is_scipys():
    offsets = RNG.integers(-8, 9, (9, 2))
    y, _ = augment.shift_forward(X, offsets)
    for image, moved, (a, b) in zip(X, y, offsets, strict=True):
        np.testing.assert_array_equal(moved, ndimage.shift(image, (a, b, 0), order=0, cval=0))


def test_a_shift_is_a_crop_of_the_padded_image():
    framed = np.pad(X, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for a in range(-2, 3):
        for b in range(-2, 3):
            y, _ = augment.shift_forward(X, np.tile([a, b], (9, 1)))
            np.testing.assert_array_equal(y, framed[:, 2 - a : 8 - a, 2 - b : 7 - b])


def test_a_flip_is_numpys():
    flips = np.arange(9) % 3 == 0
    y, _ = augment.flip_forward(X, flips)
    np.testing.assert_array_equal(y[flips], np.flip(X[flips], axis=2))
    np.testing.assert_array_equal(y[~flips], X[~flips])


@pytest.mark.parametrize("corner", [(-1, 2), (4, -2), (5, 4), (0, 0), (-3, 0), (6, 1)])
def test_a_hole_may_hang_over_the_edge(corner):
    y, _ = augment.cutout_forward(np.ones((1, 6, 5, 2)), np.array([corner]), 3)
    rows = [i for i in range(corner[0], corner[0] + 3) if 0 <= i < 6]
    columns = [j for j in range(corner[1], corner[1] + 3) if 0 <= j < 5]
    holes = {(0, i, j, c) for i in rows for j in columns for c in range(2)}
    assert {tuple(place) for place in np.argwhere(y == 0).tolist()} == holes


OFFSETS, FLIPS = RNG.integers(-7, 8, (9, 2)), RNG.random(9) < 0.5
PAIRS = {
    "shift": (augment.shift_forward, augment.shift_backward, (OFFSETS,)),
    "flip": (augment.flip_forward, augment.flip_backward, (FLIPS,)),
    "cutout": (augment.cutout_forward, augment.cutout_backward, (OFFSETS, 4)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_backward_is_forwards_transpose(name):
    forward, backward, drawn = PAIRS[name]
    dy = RNG.normal(size=X.shape)
    y, cache = forward(X, *drawn)
    assert np.vdot(dy, y) == pytest.approx(np.vdot(backward(dy, cache), X), rel=1e-12)
