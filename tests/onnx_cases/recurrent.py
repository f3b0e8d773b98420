"""Recurrent networks: time is the first axis, where ours is the second; gates have an order of their own; and what
runs backward, or both ways, is run by our kernels on sequences turned around. Every sequence has the whole length.
"""

import numpy as np

from clearprop.kernels import activations as act
from clearprop.kernels.elman import elman_forward
from clearprop.kernels.gru import gru_before_forward, gru_forward
from clearprop.kernels.lstm import lstm_forward

WAYS = {"forward": [1], "reverse": [-1], "bidirectional": [1, -1]}


def rnn(attributes, x, w, r, b=None, _lengths=None, h0=None):
    names = attributes.get("activations", ["Tanh"] * len(w))
    forwards = [{"Tanh": act.tanh_forward, "Relu": act.relu_forward}[name] for name in names]

    def run(k, x, w, u, b, h0):
        hs, _ = elman_forward(x, w, u, b.sum(axis=0), h0, forwards[k])
        return hs, hs[:, -1]

    return each_way(attributes, x, w, r, b, [h0], [0], run)


def lstm(attributes, x, w, r, b=None, _lengths=None, h0=None, c0=None):
    def run(k, x, w, u, b, h0, c0):
        hs, cache = lstm_forward(x, w, u, b.sum(axis=0), h0, c0)
        return hs, hs[:, -1], cache.cells[-1, 0].T

    return each_way(attributes, x, w, r, b, [h0, c0], [0, 2, 3, 1], run)  # i, o, f, c; ours are i, f, g, o


def gru(attributes, x, w, r, b=None, _lengths=None, h0=None):
    """linear_before_reset is our gru; without it, the state is reset before it is read."""

    def run(k, x, w, u, b, h0):
        if not attributes.get("linear_before_reset", 0):
            hs, _ = gru_before_forward(x, w, u, b.sum(axis=0), h0)
            return hs, hs[:, -1]
        H = len(u)
        of_x, of_h = b  # the state's own bias is told apart for the last gate alone
        of_x = np.concatenate([of_x[: 2 * H] + of_h[: 2 * H], of_x[2 * H :]])
        hs, _ = gru_forward(x, w, u, of_x, of_h[2 * H :], h0)
        return hs, hs[:, -1]

    return each_way(attributes, x, w, r, b, [h0], [1, 0, 2], run)  # z, r, h; ours are r, z, n


def each_way(attributes, x, w, r, b, states, order, run):
    """All states (T, ways, N, H), and the last ones (ways, N, H); with layout 1, N comes first in all of them.

    `run(k, x, w, u, b, *states) -> states at all times, last states` in our layouts and our order of gates; b has
    a row that goes with x and one that goes with the state.
    """
    batch_first = attributes.get("layout", 0)
    x = x if batch_first else x.swapaxes(0, 1)  # (N, T, D)
    ways, H = len(w), r.shape[2]
    b = np.zeros((ways, 2 * r.shape[1]), x.dtype) if b is None else b
    states = [
        np.zeros((ways, len(x), H), x.dtype) if s is None else s.swapaxes(0, batch_first) for s in states
    ]

    def sorted_gates(a):
        parts = np.split(a, len(order))
        return np.concatenate([parts[i] for i in order])

    found = []
    for k, step in enumerate(WAYS[attributes.get("direction", "forward")]):
        biases = np.stack([sorted_gates(half) for half in np.split(b[k], 2)])
        weights = sorted_gates(w[k]).T, sorted_gates(r[k]).T
        hs, *last = run(k, x[:, ::step], *weights, biases, *(s[k] for s in states))
        found.append([hs[:, ::step], *last])
    hs, *last = (np.stack(each) for each in zip(*found, strict=True))  # (ways, N, T, H), (ways, N, H)
    hs = hs.transpose(1, 2, 0, 3) if batch_first else hs.transpose(2, 0, 1, 3)
    return [hs, *(a.swapaxes(0, batch_first) for a in last)]
