"""Kernels called directly, with operands that check_shapes looks at first."""

import numpy as np

import clearprop as cp
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.conv import conv2d_backward, conv2d_forward
from clearprop.kernels.losses import softmax_cross_entropy
from clearprop.kernels.lstm import lstm_backward, lstm_forward

from .case import COLOUR, COLUMNS, RNG, ROWS, SERIES, N, Y, case

TARGETS = RNG.normal(size=(N, 3))


def descend(forward, backward, *operands, **settings):
    """One step of gradient descent by a kernel's pair on the sum of its squares, which makes it smaller."""
    y, cache = forward(*operands, **settings)
    gradients = backward(y, cache)
    after, _ = forward(*(a - 1e-6 * g for a, g in zip(operands, gradients, strict=True)), **settings)
    assert (after**2).sum() < (y**2).sum()


def asked(forward, backward, *operands):
    """A step by the kernels, whose operands are looked at first."""
    cp.check_shapes(forward, *operands)
    descend(forward, backward, *operands)


W, B = RNG.normal(size=(COLUMNS, 3)), np.zeros(3)
KERNEL = RNG.normal(size=(3, 3, 3, 2))
LSTM_OPERANDS = [SERIES, *(RNG.normal(size=s) for s in ((2, 20), (5, 20), (20,), (N, 5), (N, 5)))]

KERNELS = {
    "weights the other way": case(
        lambda: asked(affine_forward, affine_backward, ROWS, W.T, B),
        "affine_forward: expected w of shape (4, M), got (3, 4).",
        r"Pass (w\.T)\.",
        lambda w: asked(affine_forward, affine_backward, ROWS, w, B),
        ("x: (N, D): 4", "w: (D, M): 3"),
        w=W.T,
    ),
    "a bias as a row": case(
        lambda: asked(affine_forward, affine_backward, ROWS, W, B[None]),
        "affine_forward: expected b of shape (3,), got (1, 3).",
        r"Pass (b\.ravel\(\))\.",
        lambda b: asked(affine_forward, affine_backward, ROWS, W, b),
        ("b: (M,): 1",),
        b=B[None],
    ),
    "images for an affine map": case(
        lambda: asked(affine_forward, affine_backward, ROWS.reshape(N, 2, 2), W, B),
        "affine_forward: expected x of shape (N, D), got (6, 2, 2).",
        r"Pass (x\.reshape\(6, -1\))\.",
        lambda x: asked(affine_forward, affine_backward, x, W, B),
        ("x: (N, D): 2 2", "w: (D, M): 4"),
        x=ROWS.reshape(N, 2, 2),
    ),
    "a filter as in PyTorch": case(
        lambda: asked(conv2d_forward, conv2d_backward, COLOUR, KERNEL.transpose(3, 2, 0, 1), B[:2]),
        "conv2d_forward: expected b of shape (3,), got (2,).",
        r"Pass (w\.transpose\(2, 3, 1, 0\))\.",
        lambda w: asked(conv2d_forward, conv2d_backward, COLOUR, w, B[:2]),
        ("w: (KH, KW, C/groups, F): 3", "b: (F,): 2"),
        w=KERNEL.transpose(3, 2, 0, 1),
    ),
    "images as in PyTorch": case(
        lambda: asked(conv2d_forward, conv2d_backward, COLOUR.transpose(0, 3, 1, 2), KERNEL, B[:2]),
        "conv2d_forward: expected w of shape (KH, KW, 12, F), got (3, 3, 3, 2).",
        r"Pass (x\.transpose\(0, 2, 3, 1\))\.",
        lambda x: asked(conv2d_forward, conv2d_backward, x, KERNEL, B[:2]),
        ("w: (KH, KW, C/groups, F): 3",),
        x=COLOUR.transpose(0, 3, 1, 2),
    ),
    "an LSTM's weights as in PyTorch": case(
        lambda: asked(
            lstm_forward, lstm_backward, SERIES, LSTM_OPERANDS[1].T, LSTM_OPERANDS[2].T, *LSTM_OPERANDS[3:]
        ),
        "lstm_forward: expected w of shape (2, 4H), got (20, 2).",
        r"Pass (w\.T and u\.T)\.",
        lambda _: asked(lstm_forward, lambda dy, cache: lstm_backward(dy, cache), *LSTM_OPERANDS),
        ("x: (N, T, D): 2", "w: (D, 4H): 20"),
        w=np.array(1),
        u=np.array(1),
    ),
    "labels as a column": case(
        lambda: cp.check_shapes(softmax_cross_entropy, TARGETS, Y[:, None]),
        "softmax_cross_entropy: expected y of shape (6, 3), got (6, 1).",
        r"Pass (y\.ravel\(\))\.",
        lambda y: cp.check_shapes(softmax_cross_entropy, TARGETS, y),
        ("scores: (N, K): 3", "y: (N, K): 1"),
        y=Y[:, None],
    ),
    "a gradient the other way": case(
        lambda: cp.check_shapes(affine_backward, np.ones((3, N)), affine_forward(ROWS, W, B)[1]),
        "affine_backward: expected dy of shape (6, 3), got (3, 6).",
        r"Pass (dy\.T)\.",
        lambda dy: cp.check_shapes(affine_backward, dy, affine_forward(ROWS, W, B)[1]),
        ("dy: (N, M): 3 6",),
        dy=np.ones((3, N)),
    ),
}
