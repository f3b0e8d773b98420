"""Recurrent networks and embeddings, written out: one example, one time step, one unit after another.

`held` gives the states that some steps begin with, whatever came before: {t: the state of every example}. So the
derivative of such a network is that of backpropagation through time which is truncated before these steps.
"""

import math

import numpy as np


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def read(x, h, w, u, b, j):
    """Σ x w + Σ h u + b for column j."""
    return b[j] + sum(x[d] * w[d, j] for d in range(len(w))) + sum(h[i] * u[i, j] for i in range(len(u)))


def unrolled(step, x, starts, held):
    """Every example's states after each step: a state is a tuple of lists."""
    found = []
    for n in range(len(x)):
        state, states = tuple(list(start[n]) for start in starts), []
        for t in range(x.shape[1]):
            state = step(x[n, t], *(held[t][n] if t in held else state))
            states.append(state)
        found.append(states)
    return found


def elman_states(x, w, u, b, h0, f=math.tanh, held=()):
    def step(x, h):
        return ([f(read(x, h, w, u, b, j)) for j in range(len(u))],)

    return unrolled(step, x, [h0], dict(held))


def lstm_states(x, w, u, b, h0, c0, held=()):
    H = len(u)

    def step(x, h, c):
        new_h, new_c = [], []
        for j in range(H):
            i, f, g, o = (read(x, h, w, u, b, block * H + j) for block in range(4))
            new_c.append(sigmoid(f) * c[j] + sigmoid(i) * math.tanh(g))
            new_h.append(sigmoid(o) * math.tanh(new_c[j]))
        return new_h, new_c

    return unrolled(step, x, [h0, c0], dict(held))


def gru_states(x, w, u, b, bu, h0, held=()):
    H = len(u)

    def step(x, h):
        new = []
        for j in range(H):
            r, z = sigmoid(read(x, h, w, u, b, j)), sigmoid(read(x, h, w, u, b, H + j))
            q = bu[j] + sum(h[i] * u[i, 2 * H + j] for i in range(H))
            n = math.tanh(read(x, [], w, u[:0], b, 2 * H + j) + r * q)
            new.append((1 - z) * n + z * h[j])
        return (new,)

    return unrolled(step, x, [h0], dict(held))


def gru_before_states(x, w, u, b, h0, held=()):
    H = len(u)

    def step(x, h):
        reset = [sigmoid(read(x, h, w, u, b, j)) * h[j] for j in range(H)]
        new = []
        for j in range(H):
            z, n = sigmoid(read(x, h, w, u, b, H + j)), math.tanh(read(x, reset, w, u, b, 2 * H + j))
            new.append((1 - z) * n + z * h[j])
        return (new,)

    return unrolled(step, x, [h0], dict(held))


def outputs(states):
    """The h of every state: hs (N, T, H)."""
    return np.array([[state[0] for state in example] for example in states])


def elman(*inputs, **settings):
    return outputs(elman_states(*inputs, **settings))


def lstm(*inputs):
    return outputs(lstm_states(*inputs))


def gru(*inputs):
    return outputs(gru_states(*inputs))


def gru_before(*inputs):
    return outputs(gru_before_states(*inputs))


def embedding(w, tokens):
    y = np.empty((*tokens.shape, w.shape[1]))
    for place in np.ndindex(tokens.shape):
        for m in range(w.shape[1]):
            y[(*place, m)] = w[tokens[place], m]
    return y
