"""The rows of normalization."""

from clearprop.kernels import norm

from . import naive_norm
from .case import Case


def batch_norm(x, gamma, beta, eps=1e-5):
    """Training, the mini-batch in one piece: its statistics, then the pass itself."""
    sums, centred, m = norm.batch_norm_moments(x)
    n, mean, var = norm.batch_norm_statistics(sums)
    y, cache = norm.batch_norm_forward(centred, gamma, beta, mean - m, var, eps)
    return y, (*cache, n)


def batch_norm_grads(dy, cache):
    *kept, n = cache
    sums = norm.batch_norm_sums(dy, kept)
    return norm.batch_norm_backward(dy, kept, sums, n), *sums


def predicting_grads(dy, cache):
    return norm.batch_norm_backward(dy, cache), *norm.batch_norm_sums(dy, cache)


def inputs(*shape, axes=1):
    """x of shape (n, *shape), gamma and beta of the last so many axes."""

    def draw(rng, n):
        weights = shape[-axes:]
        return rng.normal(1, 2, (n, *shape)), rng.normal(size=weights), rng.normal(size=weights)

    return draw


def with_statistics(*shape):
    def draw(rng, n):
        return *inputs(*shape)(rng, n), rng.normal(size=shape[-1]), rng.uniform(0.5, 2, shape[-1])

    return draw


def row(kernel, draw, variant, forward=None, backward=None, loop=None, settings=()):
    forward = forward or getattr(norm, f"{kernel}_forward")
    loop = loop or getattr(naive_norm, kernel)
    return Case(
        f"{kernel}_forward",
        draw,
        lambda *arrays: forward(*arrays, *settings),
        backward or getattr(norm, f"{kernel}_backward"),
        lambda *arrays: loop(*arrays, *settings),
        n_grads=3,
        variant=variant,
    )


def training(draw, variant, settings=()):
    return row("batch_norm", draw, variant, batch_norm, batch_norm_grads, settings=settings)


def predicting(draw, variant, settings=()):
    forward, loop = norm.batch_norm_forward, naive_norm.batch_norm_predicting
    return row("batch_norm", draw, variant, forward, predicting_grads, loop, settings)


CASES = [
    training(inputs(4), "(N, D)"),
    training(inputs(3, 5, 2), "images"),
    training(inputs(4, 3), "sequences, eps", (0.1,)),
    predicting(with_statistics(4), "predicting, (N, D)"),
    predicting(with_statistics(2, 3, 2), "predicting, images, eps", (0.1,)),
    row("layer_norm", inputs(5), "(N, D)"),
    row("layer_norm", inputs(2, 3, 4), "images, eps", settings=(0.1,)),
    row("layer_norm", inputs(2, 3, 4, axes=2), "two axes"),
    row("layer_norm", inputs(2, 3, 4, axes=3), "all axes"),
    row("group_norm", inputs(3, 2, 6), "images", settings=(3,)),
    row("group_norm", inputs(4, 3), "one group", settings=(1,)),
    row("group_norm", inputs(3, 3, 2), "instance norm, eps", settings=(2, 0.1)),
    row("group_norm", inputs(6), "(N, D)", settings=(2,)),
]
