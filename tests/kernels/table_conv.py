"""The rows of convolution: every setting at least once, also where sizes do not divide."""

from functools import partial

from clearprop.kernels import conv

from . import naive_conv
from .case import Case


def images(height, width, channels, kernel, filters, per_group=None, transposed=False):
    def draw(rng, n):
        per = channels if per_group is None else per_group
        w = (*kernel, filters // (channels // per), channels) if transposed else (*kernel, per, filters)
        return rng.normal(size=(n, height, width, channels)), rng.normal(size=w), rng.normal(size=filters)

    return draw


def sequences(length, channels, kernel, filters, per_group=None):
    def draw(rng, n):
        w = (kernel, channels if per_group is None else per_group, filters)
        return rng.normal(size=(n, length, channels)), rng.normal(size=w), rng.normal(size=filters)

    return draw


def row(kernel, inputs, variant, **settings):
    return Case(
        f"{kernel}_forward",
        inputs,
        partial(getattr(conv, f"{kernel}_forward"), **settings),
        getattr(conv, f"{kernel}_backward"),
        partial(getattr(naive_conv, kernel), **settings),
        n_grads=3,
        variant=variant,
    )


CASES = [
    row("conv2d", images(4, 5, 2, (3, 3), 3), "valid"),
    row("conv2d", images(4, 5, 2, (3, 2), 3), "same", padding=((1, 1), (0, 1))),
    row("conv2d", images(3, 4, 2, (1, 1), 3), "1x1"),
    row("conv2d", images(6, 5, 2, (3, 2), 2), "stride", stride=(2, 3), padding=((1, 0), (1, 1))),
    row("conv2d", images(6, 7, 2, (2, 3), 2), "dilated", dilation=(2, 3), padding=((2, 1), (0, 3))),
    row("conv2d", images(4, 4, 1, (2, 2), 2), "padding beyond the kernel", padding=((2, 3), (0, 2))),
    *(
        row("conv2d", images(4, 4, 1, (2, 2), 2), f"padding beyond the kernel, {side}", padding=padding)
        for side, padding in {
            "top": ((2, 1), (0, 1)),
            "bottom": ((0, 2), (1, 0)),
            "left": ((1, 0), (2, 1)),
            "right": ((0, 1), (0, 2)),
        }.items()
    ),
    row("conv2d", images(4, 4, 4, (2, 2), 6, per_group=2), "groups", groups=2),
    row("conv2d", images(4, 5, 4, (3, 3), 2, per_group=2), "groups, stride", groups=2, stride=(2, 2)),
    row("conv2d", images(4, 4, 3, (3, 3), 3, per_group=1), "depthwise", groups=3, padding=((1, 1), (1, 1))),
    row("conv1d", sequences(6, 2, 3, 3), "valid"),
    row("conv1d", sequences(6, 2, 2, 3), "causal, dilated", dilation=2, padding=(2, 0)),
    row("conv1d", sequences(7, 4, 3, 2, per_group=2), "groups, stride", stride=2, groups=2, padding=(1, 1)),
    row("conv_transpose2d", images(3, 2, 2, (2, 3), 3, transposed=True), "plain"),
    row(
        "conv_transpose2d",
        images(3, 2, 2, (3, 3), 2, transposed=True),
        "stride",
        stride=(2, 3),
        padding=((1, 0), (1, 1)),
        output_padding=(1, 0),
    ),
    row(
        "conv_transpose2d",
        images(3, 3, 4, (2, 2), 6, per_group=2, transposed=True),
        "groups, dilated",
        groups=2,
        dilation=(2, 1),
        padding=((1, 1), (0, 0)),
    ),
]
