"""The kernels' table: how each is called, what its inputs look like, which loop it must agree with."""

import numpy as np

from clearprop.kernels import activations, affine, dropout, losses, penalties

from . import naive, table_augment, table_conv, table_norm, table_pool, table_recurrent
from .case import Case

N, D, M, K = 6, 4, 3, 5


def normal(*shape):
    """x of shape (n, *shape), normal, and no element so near 0 that a small step crosses a kink there."""

    def draw(rng, n):
        x = rng.normal(scale=2, size=(n, *shape))
        return (x + 0.01 * np.sign(x),)

    return draw


def activation(name, *settings, shape=(D,)):
    def forward(x):
        return getattr(activations, f"{name}_forward")(x, *settings)

    def backward(dy, cache):
        return (getattr(activations, f"{name}_backward")(dy, cache),)

    def loop(x):
        return getattr(naive, name)(x, *settings)

    variant = " ".join(str(setting) for setting in settings)
    return Case(f"{name}_forward", normal(*shape), forward, backward, loop, variant=variant)


def loss(name, inputs, variant="", **settings):
    def forward(scores, y):
        return getattr(losses, name)(scores, y, **settings)

    def backward(dy, dscores):
        return (np.reshape(dy, (-1,) + (1,) * (dscores.ndim - 1)) * dscores,)

    def loop(scores, y):
        return getattr(naive, name)(scores, y, *settings.values())

    return Case(name, inputs, forward, backward, loop, variant=variant)


def penalty(name):
    def forward(w):
        return getattr(penalties, name)(w, 0.3)

    def backward(dy, dw):
        return (dy * dw,)

    return Case(name, normal(D), forward, backward, lambda w: getattr(naive, name)(w, 0.3))


def affine_inputs(rng, n):
    return rng.normal(size=(n, D)), rng.normal(size=(D, M)), rng.normal(size=M)


def dropout_inputs(rng, n):
    return rng.normal(size=(n, D)), (rng.random((n, D)) < 0.75) / 0.75


def channels_inputs(rng, n):
    return rng.normal(size=(n, 2, 3, D)), (rng.random((n, 1, 1, D)) < 0.75) / 0.75


def with_labels(rng, n):
    return rng.normal(size=(n, K)), rng.integers(0, K, n)


def with_rows(rng, n):
    return rng.normal(size=(n, K)), rng.dirichlet(np.ones(K), n)


def probs(rng, n):
    return rng.dirichlet(np.full(K, 10.0), n)  # none near 0, where differences of the logarithm are poor


def probs_with_labels(rng, n):
    return probs(rng, n), rng.integers(0, K, n)


def probs_with_rows(rng, n):
    return probs(rng, n), rng.dirichlet(np.ones(K), n)


def with_targets(*shape):
    return lambda rng, n: (rng.normal(scale=2, size=(n, *shape)), rng.normal(scale=2, size=(n, *shape)))


def with_shares(*shape):
    return lambda rng, n: (rng.normal(scale=2, size=(n, *shape)), rng.random((n, *shape)))


def with_counts(*shape):
    return lambda rng, n: (rng.normal(size=(n, *shape)), rng.poisson(2.0, (n, *shape)).astype(float))


WEIGHTS = np.array([0.5, 2.0, 1.0, 0.25, 3.0])

OWN = [
    Case(
        "affine_forward",
        affine_inputs,
        affine.affine_forward,
        affine.affine_backward,
        naive.affine,
        n_grads=3,
    ),
    activation("identity"),
    activation("sigmoid"),
    activation("tanh"),
    activation("relu"),
    activation("leaky_relu"),
    activation("leaky_relu", 0.3),
    activation("elu"),
    activation("elu", 0.5),
    activation("softplus"),
    activation("arctan"),
    activation("swish"),
    activation("gelu"),
    activation("gelu_tanh"),
    activation("softmax", shape=(K,)),
    activation("log_softmax", shape=(K,)),
    Case(
        "dropout_forward",
        dropout_inputs,
        dropout.dropout_forward,
        lambda dy, mask: (dropout.dropout_backward(dy, mask),),
        naive.dropout,
    ),
    Case(
        "dropout_forward",
        channels_inputs,
        dropout.dropout_forward,
        lambda dy, mask: (dropout.dropout_backward(dy, mask),),
        naive.dropout_of_channels,
        variant="channels",
    ),
    loss("softmax_cross_entropy", with_labels, "labels"),
    loss("softmax_cross_entropy", with_rows, "rows"),
    loss("softmax_cross_entropy", with_labels, "labels smoothed", label_smoothing=0.1),
    loss("softmax_cross_entropy", with_rows, "rows smoothed", label_smoothing=0.1),
    loss("softmax_cross_entropy", with_labels, "labels weighted", label_smoothing=0, class_weights=WEIGHTS),
    loss("softmax_cross_entropy", with_rows, "rows both", label_smoothing=0.2, class_weights=WEIGHTS),
    loss("sigmoid_cross_entropy", with_shares(M)),
    loss("sigmoid_cross_entropy", with_shares(), "(N,)"),
    loss("cross_entropy", probs_with_labels, "labels"),
    loss("cross_entropy", probs_with_rows, "rows"),
    loss("squared_error", with_targets(M)),
    loss("squared_error", with_targets(), "(N,)"),
    loss("absolute_error", with_targets(M)),
    loss("absolute_error", with_targets(), "(N,)"),
    loss("huber", with_targets(M)),
    loss("huber", with_targets(), "(N,)", delta=0.5),
    loss("hinge", with_labels),
    loss("poisson", with_counts(M)),
    loss("poisson", with_counts(), "(N,)"),
    penalty("l2_penalty"),
    penalty("l1_penalty"),
]

# The other rooms' rows stand in table_<room>.py.
CASES = [
    *OWN,
    *table_augment.CASES,
    *table_conv.CASES,
    *table_norm.CASES,
    *table_pool.CASES,
    *table_recurrent.CASES,
]
