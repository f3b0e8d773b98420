"""Saturation: the values of sigmoids and tanhs, and of the gates that consist of them, that stand at their ends."""

from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.gru import GRUBeforeCache, GRUCache
from clearprop.kernels.lstm import LSTMCache
from clearprop.lens.doctor.thresholds import FLAT

END = (
    1 - (1 - FLAT) ** 0.5
) / 2  # 4 σ (1 − σ), a sigmoid's slope beside its steepest, is below FLAT for σ < END


class Gate(NamedTuple):
    """A gate, or a tanh beside the gates: its name, and the share of its values that are at an end."""

    name: str
    saturated: float


def gates_of(cache: Any) -> list[Gate]:
    """The gates in what an LSTM or a GRU keeps of its forward pass, at all time steps; none of another layer.

    A forget or update gate at 1 holds the state, and the state's gradient goes by it whole: only those at 0 count.
    """
    if isinstance(cache, LSTMCache):
        c, (i, f, g, o) = cache.cells[1:, 0], cache.cells[:-1, 1:].swapaxes(0, 1)
        return [
            Gate("input gate", sigmoid_at_ends(i)), Gate("forget gate at 0", _at_zero(f)),
            Gate("cell input", tanh_at_ends(g)), Gate("tanh of the cell", tanh_at_ends(np.tanh(c))),
            Gate("output gate", sigmoid_at_ends(o)),
        ]  # fmt: skip
    if isinstance(cache, GRUCache | GRUBeforeCache):
        r, z, n = cache.gates[:, :3].swapaxes(0, 1)
        return [
            Gate("reset gate", sigmoid_at_ends(r)), Gate("update gate at 0", _at_zero(z)),
            Gate("candidate", tanh_at_ends(n)),
        ]  # fmt: skip
    return []


def tanh_at_ends(y: Array) -> float:
    """The share of a tanh's outputs near −1 or 1, where its slope 1 − y² is small."""
    return float((y * y > 1 - FLAT).mean())


def sigmoid_at_ends(y: Array) -> float:
    """The share of a sigmoid's outputs near 0 or 1, where its slope y (1 − y) is small."""
    return float((4 * y * (1 - y) < FLAT).mean())


def _at_zero(y: Array) -> float:
    return float((y < END).mean())
