"""check_shapes: a kernel's docstring as the judge of its operands. The usual mistakes are in tests/shape_messages."""

import inspect
import pkgutil
from importlib import import_module
from itertools import permutations

import numpy as np
import pytest

import clearprop as cp
from clearprop import kernels
from clearprop.kernels.activations import softmax_forward, tanh_backward, tanh_forward
from clearprop.kernels.affine import affine_backward, affine_forward
from clearprop.kernels.conv import conv2d_backward, conv2d_forward
from clearprop.kernels.embedding import embedding_forward
from clearprop.kernels.gru import gru_forward
from clearprop.kernels.losses import softmax_cross_entropy, squared_error
from clearprop.kernels.norm import batch_norm_forward, layer_norm_forward
from clearprop.kernels.pool import max_pool2d_forward

one = np.ones
CONV = one((2, 8, 8, 6)), one((3, 3, 3, 4)), one(4)


@pytest.mark.parametrize(
    ("kernel", "operands"),
    [
        (affine_forward, (one((5, 4)), one((4, 3)), one(3))),
        (affine_backward, (one((5, 3)), affine_forward(one((5, 4)), one((4, 3)), one(3))[1])),
        (conv2d_forward, (*CONV, (1, 1), ((0, 0), (0, 0)), (1, 1), 2)),
        (
            conv2d_backward,
            (one((2, 6, 6, 4)), conv2d_forward(*CONV, (1, 1), ((0, 0), (0, 0)), (1, 1), 2)[1]),
        ),
        (gru_forward, (one((5, 4, 3)), one((3, 24)), one((8, 24)), one(24), one(8), one((5, 8)))),
        (batch_norm_forward, (one((5, 7, 7, 3)), one(3), one(3), one(3), one(3), 1e-5)),
        (layer_norm_forward, (one((5, 7, 3)), one((7, 3)), one((7, 3)), 1e-5)),
        (softmax_cross_entropy, (one((5, 3)), np.zeros(5, int))),
        (softmax_cross_entropy, (one((5, 3)), one((5, 3)) / 3)),
        (squared_error, (one(5), one(5))),
        (embedding_forward, (one((9, 4)), np.zeros((5, 7), int))),
        (max_pool2d_forward, (one((5, 4, 4, 3)), (2, 2), (2, 2), ((0, 0), (0, 0)))),
        (softmax_forward, (one((2, 3)),)),
        (tanh_forward, (one((2, 3, 4)),)),
        (tanh_backward, (one((2, 3, 4)), one((2, 3, 4)))),
    ],
)
def test_what_a_kernel_takes_is_let_pass(kernel, operands):
    kernel(*operands)
    assert cp.check_shapes(kernel, *operands) is None


@pytest.mark.parametrize(
    ("kernel", "operands", "sentence"),
    [
        (conv2d_forward, (CONV[0], *CONV[1:]), "conv2d_forward: expected w of shape (KH, KW, 6, F), got (3, 3, 3, 4)."),
        (squared_error, (one((5, 3)), one(5)), "squared_error: expected targets of shape (5, 3), got (5,)."),
        (softmax_cross_entropy, (one((5, 3)), one((5, 4))), "softmax_cross_entropy: expected y of shape (5, 3), got"),
        (affine_forward, (one(4), one((4, 3)), one(3)), "affine_forward: expected x of shape (N, D), got (4,). Pass"),
        (
            gru_forward,
            (one((5, 4, 3)), one((3, 25)), one((8, 24)), one(24), one(8), one((5, 8))),
            "gru_forward: expected w of shape (3, 3H), got (3, 25).",
        ),
        (batch_norm_forward, (one((5, 3)), one(3), one(3), one(3), one(4), 1e-5), "batch_norm_forward: expected var"),
    ],
)  # fmt: skip
def test_what_it_cannot_take_is_refused(kernel, operands, sentence):
    with pytest.raises(cp.ShapeError) as caught:
        cp.check_shapes(kernel, *operands)
    assert str(caught.value).startswith(sentence)


def test_a_setting_may_be_given_by_position_or_by_name():
    cp.check_shapes(conv2d_forward, *CONV, groups=2)
    cp.check_shapes(conv2d_forward, *CONV, (1, 1), ((0, 0), (0, 0)), (1, 1), 2)


def test_a_function_of_ones_own():
    def between(x, y):
        """The distance of rows.

        x: (N, D), y: (M, D)  ->  (N, M)
        """
        return ((x[:, None] - y) ** 2).sum(axis=2)

    cp.check_shapes(between, one((5, 3)), one((7, 3)))
    with pytest.raises(
        cp.ShapeError, match=r"^between: expected y of shape \(M, 3\), got \(3, 7\)\. Pass y\.T\."
    ) as caught:
        cp.check_shapes(between, one((5, 3)), one((3, 7)))
    assert caught.value.__notes__[-1] == "    The distance of rows."
    cp.check_shapes(lambda x: x, one(3))  # which declares nothing


def forward_kernels():
    for info in pkgutil.iter_modules(kernels.__path__):
        module = import_module(f"clearprop.kernels.{info.name}")
        for name, made in vars(module).items():
            if name.endswith("_forward") and inspect.isfunction(made) and made.__module__ == module.__name__:
                yield made


@pytest.mark.parametrize("kernel", list(forward_kernels()), ids=lambda kernel: kernel.__name__)
def test_every_kernels_first_operand_is_declared(kernel):
    """In the docstring, in the form that check_shapes reads."""
    first = next(iter(inspect.signature(kernel).parameters))
    text = (kernel.__doc__ or "").partition("->")[0]
    assert f"{first}: (" in text or f"{first}: any shape" in text


@pytest.mark.parametrize("axes", [7, 10, 30])
def test_arrays_of_very_many_axes_are_refused_without_trying_all_their_orders(axes, monkeypatch):
    tried = []

    def counted(of):
        for order in permutations(of):
            tried.append(order)
            assert len(tried) <= 2 * 720
            yield order

    monkeypatch.setattr("clearprop.lens.operands.permutations", counted)
    monkeypatch.setattr("clearprop.layers.remedies.permutations", counted)
    x = one((1,) * (axes - 1) + (2,))
    with pytest.raises(cp.ShapeError, match=r"^affine_forward: expected x of shape \(N, D\), got \(1, 1, "):
        cp.check_shapes(affine_forward, x, one((4, 3)), one(3))
    with pytest.raises(cp.ShapeError, match=r"expected x of shape \(N, 4, 3, 1\), got \(1, 1, "):
        cp.Sequential([cp.Flatten(), cp.Dense(3)], input_shape=(4, 3, 1)).predict(x)
