"""What the tests of CS 189's folder compare with: random cases, and clearprop's kernels' results for them.

The results are computed in float64 from the stored inputs, and stored as float32, the tests' tolerance being 1.5e-4.
A smaller batch of an activation is the first rows of the largest, since all of them work row by row. Where it does
no harm the inputs are small fractions: their sums have few digits, and the file is half as large.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.files import make_folder
from clearprop.kernels import activations
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.conv import conv2d_backward, conv2d_forward
from clearprop.kernels.losses import cross_entropy, squared_error
from clearprop.kernels.pool import (
    avg_pool2d_backward,
    avg_pool2d_forward,
    max_pool2d_backward,
    max_pool2d_forward,
)

ACTIVATIONS: dict[str, tuple[Callable[[Array], tuple[Array, Any]], Callable[[Array, Any], Array]]] = {
    "linear": (activations.identity_forward, activations.identity_backward),
    "sigmoid": (activations.sigmoid_forward, activations.sigmoid_backward),
    "tanh": (activations.tanh_forward, activations.tanh_backward),
    "relu": (activations.relu_forward, activations.relu_backward),
    "softmax": (activations.softmax_forward, activations.softmax_backward),
    "arctan": (activations.arctan_forward, activations.arctan_backward),
}
BATCH, WIDTHS = 223, (61, 311)
DENSE = ((72, 61, 128, "relu"), (128, 311, 37, "tanh"), (223, 61, 256, "tanh"))  # m, d, n, activation
IMAGES = {"small": (16, 16, 16, 3), "large": (16, 32, 24, 21)}
CONV = (
    (32, (3, 3), 1, "relu"),
    (32, (3, 5), 1, "relu"),
    (7, (5, 5), 1, "relu"),
    (7, (5, 5), 2, "relu"),
    (18, (3, 3), 3, "tanh"),
)  # n, kernel, stride, activation; "same" padding
POOLED = {"small": (24, 12, 12, 8), "large": (24, 44, 48, 4)}
POOL = (
    ((3, 3), "max", 2, 0),
    ((2, 2), "max", 2, 0),
    ((2, 2), "average", 1, 0),
    ((3, 5), "max", 4, 0),
    ((5, 5), "average", 1, 2),
)  # window, mode, stride, padding
LOSSES = ((72, 3), (128, 10), (223, 61))  # m, k


def write_tests_data(folder: Path) -> None:
    """tests/data/{activations,fully_connected,conv2d,pool2d,losses}.npz"""
    target = make_folder(folder / "tests" / "data")
    for seed, (name, numbers) in enumerate(
        {
            "activations": _activations,
            "fully_connected": _fully_connected,
            "conv2d": _conv2d,
            "pool2d": _pool2d,
            "losses": _losses,
        }.items()
    ):
        arrays: dict[str, Any] = numbers(np.random.RandomState(seed))
        np.savez_compressed(target / f"{name}.npz", **arrays)


def _drawn(rng: np.random.RandomState, *shape: int, scale: float = 1.0) -> Array:
    """Normal numbers that float32 stores exactly, in float64."""
    return (scale * rng.normal(size=shape)).astype(np.float32).astype(np.float64)


def _fractions(rng: np.random.RandomState, shape: tuple[int, ...], of: int = 8, scale: float = 1.0) -> Array:
    """Normal numbers rounded to multiples of 1/of, which take little room."""
    return np.round(of * scale * rng.normal(size=shape)) / of


def _stored(**arrays: Array) -> dict[str, Array]:
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _activations(rng: np.random.RandomState) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for width in WIDTHS:
        Z = _fractions(rng, (BATCH, width), 256, 2.0) + 1 / 512  # never 0, where ReLU has no slope
        dY = _fractions(rng, (BATCH, width))
        found |= _stored(**{f"{width}_Z": Z, f"{width}_dY": dY})
        for name, (forward, backward) in ACTIVATIONS.items():
            Y, cache = forward(Z)
            found |= _stored(**{f"{name}_{width}_Y": Y, f"{name}_{width}_dZ": backward(dY, cache)})
    return found


def _fully_connected(rng: np.random.RandomState) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for i, (m, d, n, name) in enumerate(DENSE):
        forward, backward = ACTIVATIONS[name]
        X, W, b = _drawn(rng, m, d), _drawn(rng, d, n, scale=d**-0.5), _drawn(rng, n)
        dY = _drawn(rng, m, n)
        Z, cache = affine_forward(X, W, b)
        Y, kept = forward(Z)
        dX, dW, db = affine_backward(backward(dY, kept), cache)
        arrays = {"X": X, "W": W, "b": b[None], "dY": dY, "Y": Y, "dX": dX, "dW": dW, "db": db[None]}
        found |= _stored(**{f"{i}_{key}": np.asarray(array) for key, array in arrays.items()})
    return found


def _conv2d(rng: np.random.RandomState) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for size, shape in IMAGES.items():
        X = _fractions(rng, shape)
        found |= _stored(**{f"{size}_X": X})
        for i, (n, (kh, kw), stride, name) in enumerate(CONV):
            forward, backward = ACTIVATIONS[name]
            W = _fractions(rng, (kh, kw, shape[3], n), 64, (kh * kw * shape[3]) ** -0.5)
            b = _fractions(rng, (n,), 512) + 1 / 1024  # so that no sum is 0, where ReLU has no slope
            p, q = (kh - 1) // 2, (kw - 1) // 2
            Z, cache = conv2d_forward(X, W, b, (stride, stride), ((p, p), (q, q)))
            Y, kept = forward(Z)
            dY = _fractions(rng, Y.shape)
            dX, dW, db = conv2d_backward(backward(dY, kept), cache)
            arrays = {"W": W, "b": b[None], "dY": dY, "Y": Y, "dX": dX, "dW": dW, "db": db[None]}
            found |= _stored(**{f"{size}_{i}_{key}": np.asarray(array) for key, array in arrays.items()})
    return found


def _pool2d(rng: np.random.RandomState) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for size, shape in POOLED.items():
        X = _drawn(rng, *shape)
        found |= _stored(**{f"{size}_X": X})
        for i, (window, mode, stride, p) in enumerate(POOL):
            pads = ((p, p), (p, p))
            dX: Array
            if mode == "max":  # none of these is padded: the kernel's padding is −∞, the course's 0
                Y, kept = max_pool2d_forward(X, window, (stride, stride), pads)
                dY = _fractions(rng, Y.shape)
                dX = max_pool2d_backward(dY, kept)
            else:
                Y, cache = avg_pool2d_forward(X, window, (stride, stride), pads, count_padding=True)
                dY = _fractions(rng, Y.shape)
                dX = avg_pool2d_backward(dY, cache)
            case = f"{size}_{i}"
            found |= _stored(**{f"{case}_Y": Y, f"{case}_dY": dY, f"{case}_dX": dX})
    return found


def _losses(rng: np.random.RandomState) -> dict[str, Array]:
    """In both editions' conventions of L2: half of the sum over m, and the sum over m."""
    found: dict[str, Array] = {}
    for m, k in LOSSES:
        onehot = np.eye(k)[rng.randint(k, size=m)]
        probs, _ = activations.softmax_forward(rng.normal(size=(m, k)))
        probs = probs.astype(np.float32).astype(np.float64)
        losses, dprobs = cross_entropy(probs, onehot)
        outputs, targets = _drawn(rng, m, k), _drawn(rng, m, k)
        squares, doutputs = squared_error(outputs, targets)
        arrays = {
            "onehot": onehot,
            "probs": probs,
            "cross_entropy": losses.sum() / m,
            "cross_entropy_dY_hat": dprobs / m,
            "outputs": outputs,
            "targets": targets,
            "l2_half": squares.sum() / (2 * m),
            "l2_half_dY_hat": doutputs / (2 * m),
            "l2_mean": squares.sum() / m,
            "l2_mean_dY_hat": doutputs / m,
        }
        found |= _stored(**{f"{m}_{key}": np.asarray(array) for key, array in arrays.items()})
    return found
