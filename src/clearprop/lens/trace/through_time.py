"""The way back through time, step by step: what the recurrent kernels compute on the way, and do not keep.

A gradient at step t is dh, of the state, and dz or da, of what stands inside the gates; the kernels add up their
products. Here they are (N, T, …), as one wants to look at them.
"""

import numpy as np

from clearprop.arrays import Array
from clearprop.kernels.elman import ElmanCache
from clearprop.kernels.gru import GRUBeforeCache, GRUCache
from clearprop.kernels.lstm import LSTMCache
from clearprop.kernels.recurrent import steps_back
from clearprop.layers import ACTIVATIONS, Elman
from clearprop.layers.recurrent import Recurrent
from clearprop.lens.trace.record import Call

RecurrentCache = ElmanCache | LSTMCache | GRUCache | GRUBeforeCache


def states(cache: RecurrentCache) -> tuple[Array, Array]:
    """The states before and after each step: (N, T, H), (N, T, H)."""
    h = by_example(cache.stack[-len(cache.u) :])
    return h[:, :-1], h[:, 1:]


def gates(cache: LSTMCache | GRUCache | GRUBeforeCache) -> list[Array]:
    """i, f, g, o, the cell before, the cell after; or r, z, n and perhaps q: (N, T, H) each."""
    if isinstance(cache, LSTMCache):
        cells = [by_example(cache.cells[:, k].transpose(1, 0, 2)) for k in range(5)]
        return [*(gate[:, :-1] for gate in cells[1:]), cells[0][:, :-1], cells[0][:, 1:]]
    return [by_example(cache.gates[:, k].transpose(1, 0, 2)) for k in range(cache.gates.shape[1])]


def by_example(array: Array) -> Array:
    """(H, T, N) -> (N, T, H)"""
    return np.ascontiguousarray(array.transpose(2, 1, 0))


def way_back(call: Call, dy: Array) -> dict[str, Array]:
    """dh and, by the layer, dz; dc and dz; or da and what goes on to u."""
    layer, cache = call.layer, call.cache
    assert isinstance(layer, Recurrent)
    given = dy
    if dy.ndim == 2:  # of the last state alone
        given = np.zeros((len(dy), call.x.shape[1], dy.shape[1]), dy.dtype)
        given[:, -1] = dy
    if isinstance(cache, ElmanCache):
        return _elman(layer, cache, given)
    if isinstance(cache, LSTMCache):
        return _lstm(layer, cache, given)
    return _gru(layer, cache, given)


def _elman(layer: Recurrent, cache: ElmanCache, given: Array) -> dict[str, Array]:
    assert isinstance(layer, Elman)
    derivative = ACTIVATIONS[layer.activation][1]
    dh, dz = np.zeros_like(given), np.zeros_like(given)
    later = np.zeros_like(given[:, 0])
    for t, goes_on in steps_back(given.shape[1], layer.truncate):
        dh[:, t] = given[:, t] + later
        dz[:, t] = derivative(dh[:, t], cache.kept[t])
        later = dz[:, t] @ cache.u.T * goes_on
    return {"dh": dh, "dz": dz}


def _lstm(layer: Recurrent, cache: LSTMCache, given: Array) -> dict[str, Array]:
    i, f, g, o, before, after = gates(cache)
    dh, dc = np.zeros_like(given), np.zeros_like(given)
    dz = np.zeros((*given.shape[:2], 4 * given.shape[2]), given.dtype)
    later, cell = np.zeros_like(given[:, 0]), np.zeros_like(given[:, 0])
    for t, goes_on in steps_back(given.shape[1], layer.truncate):
        dh[:, t] = given[:, t] + later
        shown = np.tanh(after[:, t])
        dc[:, t] = dh[:, t] * o[:, t] * (1 - shown**2) + cell
        parts = (
            dc[:, t] * g[:, t] * i[:, t] * (1 - i[:, t]),
            dc[:, t] * before[:, t] * f[:, t] * (1 - f[:, t]),
            dc[:, t] * i[:, t] * (1 - g[:, t] ** 2),
            dh[:, t] * shown * o[:, t] * (1 - o[:, t]),
        )
        dz[:, t] = np.concatenate(parts, axis=1)
        later, cell = dz[:, t] @ cache.u.T * goes_on, dc[:, t] * f[:, t] * goes_on
    return {"dh": dh, "dc": dc, "dz": dz}


def _gru(layer: Recurrent, cache: GRUCache | GRUBeforeCache, given: Array) -> dict[str, Array]:
    r, z, n, *q = gates(cache)
    before, H = states(cache)[0], given.shape[2]
    dh, ds = np.zeros_like(given), np.zeros_like(given)
    da = np.zeros((*given.shape[:2], 3 * H), given.dtype)
    later = np.zeros_like(given[:, 0])
    for t, goes_on in steps_back(given.shape[1], layer.truncate):
        dh[:, t] = given[:, t] + later
        dan = dh[:, t] * (1 - z[:, t]) * (1 - n[:, t] ** 2)
        daz = dh[:, t] * (before[:, t] - n[:, t]) * z[:, t] * (1 - z[:, t])
        if q:  # r scales what u has read
            dar = dan * q[0][:, t] * r[:, t] * (1 - r[:, t])
            past = np.concatenate((dar, daz, dan * r[:, t]), axis=1) @ cache.u.T
        else:  # r scales the state that u reads
            ds[:, t] = dan @ cache.u[:, 2 * H :].T
            dar = ds[:, t] * before[:, t] * r[:, t] * (1 - r[:, t])
            past = np.concatenate((dar, daz), axis=1) @ cache.u[:, : 2 * H].T + ds[:, t] * r[:, t]
        da[:, t] = np.concatenate((dar, daz, dan), axis=1)
        later = (dh[:, t] * z[:, t] + past) * goes_on
    return {"dh": dh, "da": da} if q else {"dh": dh, "ds": ds, "da": da}
