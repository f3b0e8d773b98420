"""The rows of pooling: windows that tile, overlap, leave gaps, hang over the edge."""

from functools import partial

from clearprop.kernels import pool

from . import naive_pool
from .case import Case


def draw(*shape):
    return lambda rng, n: (rng.normal(scale=2, size=(n, *shape)),)


def row(kernel, shape, variant="", **settings):
    backward = getattr(pool, f"{kernel}_backward")
    return Case(
        f"{kernel}_forward",
        draw(*shape),
        partial(getattr(pool, f"{kernel}_forward"), **settings),
        lambda dy, cache: (backward(dy, cache),),
        partial(getattr(naive_pool, kernel), **settings),
        variant=variant,
    )


TILES = {"window": (2, 3), "stride": (2, 3)}
OVERLAPPING = {"window": (3, 2), "stride": (1, 1)}
APART = {"window": (2, 1), "stride": (3, 2)}
PADDED = {"window": (3, 3), "stride": (2, 1), "padding": ((1, 2), (0, 2))}

BOTH = [
    row(kernel, shape, variant, **settings)
    for kernel in ("max_pool2d", "avg_pool2d")
    for shape, variant, settings in (
        ((4, 6, 2), "tiles", TILES),
        ((5, 7, 2), "tiles, a rest", TILES),
        ((4, 4, 2), "overlapping", OVERLAPPING),
        ((6, 5, 2), "gaps", APART),
        ((4, 4, 2), "padded", PADDED),
        ((3, 4, 2), "single numbers", {"window": (1, 1), "stride": (1, 2)}),
    )
]

CASES = [
    *BOTH,
    row("max_pool2d", (6, 7, 2), "dilated", window=(2, 3), stride=(2, 2), dilation=(3, 2)),
    row("max_pool2d", (6, 4, 2), "dilated, apart", window=(2, 2), stride=(3, 2), dilation=(2, 1)),
    row("avg_pool2d", (4, 4, 2), "padding counts", **PADDED, count_padding=True),
    row("global_avg_pool", (3, 2, 2), "images"),
    row("global_avg_pool", (5, 3), "sequences"),
    row("global_max_pool", (3, 2, 2), "images"),
    row("global_max_pool", (2, 2, 2, 3), "volumes"),
]
