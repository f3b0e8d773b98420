"""The recurrent layers' weights in ONNX's layout and order of gates, there and back."""

from collections.abc import Mapping

import numpy as np

from clearprop.arrays import Array

# Which of our gates' blocks stands first in ONNX, and so on: i, o, f, g of our i, f, g, o; z, r, n of our r, z, n.
ORDER = {"RNN": (0,), "LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}

# Elman's functions that ONNX's RNN has, with its alpha and beta.
RNN_FUNCTIONS: dict[str, tuple[str, float | None, float | None]] = {
    "tanh": ("Tanh", None, None),
    "relu": ("Relu", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "softplus": ("Softplus", None, None),
    "leaky_relu": ("LeakyRelu", 0.01, None),
    "elu": ("Elu", 1.0, None),
    "identity": ("Affine", 1.0, 0.0),
}


def to_onnx(kind: str, params: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """w (D, G·H), u (H, G·H), b (G·H,) and GRU's bu (H,)  ->  W (G·H, D), R (G·H, H), B (2·G·H,)"""
    order = ORDER[kind]
    b = params["b"]
    second = np.zeros_like(b)
    if "bu" in params:
        second[-len(params["bu"]) :] = params["bu"]
    w, u, first, second = (_blocks(a, order) for a in (params["w"], params["u"], b, second))
    return w.T, u.T, np.concatenate((first, second))


def from_onnx(kind: str, w: Array, r: Array, b: Array | None, second_bias: bool) -> dict[str, Array]:
    """The way back; with `second_bias` GRU's candidate keeps a bias of its own beside the state's product."""
    back = tuple(int(i) for i in np.argsort(ORDER[kind]))
    first, second = np.split(b, 2) if b is not None else np.zeros((2, len(w)), w.dtype)
    first, second = _blocks(first, back), _blocks(second, back)
    found = {"w": _blocks(w.T, back), "u": _blocks(r.T, back)}
    if not second_bias:
        return found | {"b": first + second}
    last = len(first) - len(first) // len(back)
    return found | {"b": first + np.where(np.arange(len(first)) < last, second, 0), "bu": second[last:]}


def _blocks(a: Array, order: tuple[int, ...]) -> Array:
    """The last axis's blocks, one a gate, in another order."""
    parts = np.split(a, len(order), axis=-1)
    return np.concatenate([parts[i] for i in order], axis=-1)
