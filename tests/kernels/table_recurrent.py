"""The rows of recurrence and embedding."""

import math
from functools import partial

from clearprop.kernels import activations as act
from clearprop.kernels import elman, embedding, gru, lstm

from . import naive, naive_recurrent
from .case import Case

T, D, H, V = 3, 4, 3, 5


def weights(gates, *more):
    """x, w, u, b and what else there is, with 0 for the number of examples."""

    def draw(rng, n):
        shapes = [(n, T, D), (D, gates * H), (H, gates * H), (gates * H,), *more]
        return tuple(rng.normal(scale=0.7, size=[size or n for size in shape]) for shape in shapes)

    return draw


def tokens(rng, n):
    return rng.normal(size=(V, D)), rng.integers(0, V, (n, T))


def elman_row(name, f):
    forward, backward = (getattr(act, f"{name}_{way}") for way in ("forward", "backward"))
    return Case(
        "elman_forward",
        weights(1, (0, H)),
        partial(elman.elman_forward, activation=forward),
        partial(elman.elman_backward, derivative=backward),
        partial(naive_recurrent.elman, f=f),
        n_grads=5,
        variant=name,
    )


CASES = [
    Case(
        "elman_forward",
        weights(1, (0, H)),
        elman.elman_forward,
        elman.elman_backward,
        naive_recurrent.elman,
        n_grads=5,
    ),
    elman_row("relu", lambda a: max(a, 0.0)),
    elman_row("arctan", math.atan),
    elman_row("identity", lambda a: a),
    elman_row("swish", lambda a: a * naive.sigmoid_of(a)),
    Case(
        "lstm_forward",
        weights(4, (0, H), (0, H)),
        lstm.lstm_forward,
        lstm.lstm_backward,
        naive_recurrent.lstm,
        n_grads=6,
    ),
    Case(
        "gru_forward",
        weights(3, (H,), (0, H)),
        gru.gru_forward,
        gru.gru_backward,
        naive_recurrent.gru,
        n_grads=6,
    ),
    Case(
        "gru_before_forward",
        weights(3, (0, H)),
        gru.gru_before_forward,
        gru.gru_before_backward,
        naive_recurrent.gru_before,
        n_grads=5,
    ),
    Case(
        "embedding_forward",
        tokens,
        embedding.embedding_forward,
        lambda dy, cache: (embedding.embedding_backward(dy, cache),),
        naive_recurrent.embedding,
    ),
]
