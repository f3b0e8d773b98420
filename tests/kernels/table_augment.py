"""The rows of augmentation: also shifts and holes that leave the image."""

from functools import partial

from clearprop.kernels import augment

from . import naive_augment
from .case import Case

H, W, C = 4, 5, 2


def with_places(far):
    return lambda rng, n: (rng.normal(size=(n, H, W, C)), rng.integers(-far, far + 1, (n, 2)))


def with_flips(rng, n):
    return rng.normal(size=(n, H, W, C)), rng.random(n) < 0.6


def row(kernel, inputs, variant="", **settings):
    backward = getattr(augment, f"{kernel}_backward")
    return Case(
        f"{kernel}_forward",
        inputs,
        partial(getattr(augment, f"{kernel}_forward"), **settings),
        lambda dy, cache: (backward(dy, cache),),
        partial(getattr(naive_augment, kernel), **settings),
        variant=variant,
    )


CASES = [
    row("shift", with_places(2)),
    row("shift", with_places(2 * W), "out of sight"),
    row("flip", with_flips),
    row("cutout", with_places(4), size=2),
    row("cutout", with_places(9), "mostly outside", size=5),
]
