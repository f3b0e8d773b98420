"""CS 189's helpers: one-hot, scaling, the gradient check with planted errors, windows against naive loops."""

import numpy as np
import pytest

from clearprop.courses.cs189.activations import initialize_activation
from clearprop.courses.cs189.layers import Conv2D, Elman, FullyConnected
from clearprop.courses.cs189.losses import initialize_loss
from clearprop.courses.cs189.utils import (
    AttrDict,
    center,
    check_gradients,
    col2im,
    im2col,
    integers_to_one_hot,
    normalize,
    pad2d,
    standardize,
)
from clearprop.errors import ConfigError, DataError, ShapeError


@pytest.fixture
def rng():
    return np.random.default_rng(9)


def test_attributes_are_entries():
    args = AttrDict(name="SGD", lr=0.1)
    args.momentum = 0.9
    assert dict(**args) == {"name": "SGD", "lr": 0.1, "momentum": 0.9}
    del args.lr
    assert not hasattr(args, "lr")
    with pytest.raises(AttributeError, match="AttrDict: there is no entry 'lr'"):
        del args.lr


def test_one_hot():
    np.testing.assert_array_equal(integers_to_one_hot(np.array([1, 0, 2])), np.eye(3)[[1, 0, 2]])
    np.testing.assert_array_equal(integers_to_one_hot(np.array([[1.0], [0.0]]), max_val=3), np.eye(4)[[1, 0]])
    for bad in ([0, -1], [0.5, 1], ["a"]):
        with pytest.raises(DataError, match="integers_to_one_hot: expected whole numbers from 0 to"):
            integers_to_one_hot(bad)
    with pytest.raises(DataError, match=r"expected whole numbers from 0 to 1, got \[2 0\]"):
        integers_to_one_hot([2, 0], max_val=1)


@pytest.mark.parametrize("axis", [0, 1])
def test_scaling(axis, rng):
    X = 3 + 2 * rng.normal(size=(20, 5))
    kept = X.copy()
    np.testing.assert_allclose(center(X, axis).mean(axis=axis), 0, atol=1e-14)
    scaled = normalize(X, axis)
    np.testing.assert_allclose([scaled.min(axis=axis).max(), scaled.max(axis=axis).min()], [0, 1])
    standard = standardize(X, axis)
    np.testing.assert_allclose(standard.std(axis=axis), 1)
    np.testing.assert_array_equal(X, kept)


def test_scaling_of_what_is_constant_is_zero():
    X = np.full((3, 2), 7.0)
    assert not normalize(X).any()
    assert not standardize(X).any()


def test_check_gradients_is_the_formula(rng):
    x, grad, dLdf, h = rng.normal(size=3), rng.normal(size=3), rng.normal(size=3), 1e-6
    numeric = dLdf * ((x + h) ** 3 - (x - h) ** 3) / (2 * h)
    expected = np.sqrt(((numeric - grad) ** 2).sum()) / np.sqrt(((numeric + grad) ** 2).sum())
    assert check_gradients(lambda x: x**3, grad, x, dLdf, h) == pytest.approx(expected, rel=1e-8)
    assert check_gradients(lambda x: 0 * x, np.zeros(3), x, dLdf) == 0.0
    with pytest.raises(ShapeError, match=r"check_gradients: expected grad of shape \(3,\), got \(4,\)"):
        check_gradients(lambda x: x, np.ones(4), x, dLdf)


def test_check_gradients_leaves_x_alone_and_copes_with_a_function_that_gives_it_back(rng):
    x = rng.normal(size=(2, 3))
    kept, dLdf = x.copy(), rng.normal(size=(2, 3))
    assert check_gradients(lambda x: x, dLdf, x, dLdf) < 1e-9
    np.testing.assert_array_equal(x, kept)


MISTAKES = {
    "doubled": lambda g: 2 * g,
    "1/N": lambda g: g / 5,
    "turned around": lambda g: g[::-1].copy(),
    "one entry missing": lambda g: g * (np.arange(g.size) > 0).reshape(g.shape),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_check_gradients_finds_planted_mistakes(mistake, rng):
    X, dLdY = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    layer = FullyConnected(4, "tanh")
    layer.forward(X)
    layer.backward(dLdY)
    right, W = layer.gradients["W"], layer.parameters["W"]
    forward = layer.forward_with_param("W", X)
    assert check_gradients(forward, right, W, dLdY) < 1e-8
    assert check_gradients(forward, mistake(right), W, dLdY) > 1e-2


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "softmax", "arctan"])
def test_the_notebooks_activations(name, rng):
    activation, X, dY = initialize_activation(name), rng.normal(size=(2, 3)), np.ones((2, 3))
    dY = rng.normal(size=(2, 3))
    assert check_gradients(activation.forward, activation.backward(X, dY), X, dY) < 1e-8


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (FullyConnected(4, "relu"), (2, 3)),
        (Elman(5), (2, 3, 4)),
        (Conv2D(4, (3, 3), "tanh"), (2, 5, 6, 7)),
    ],
    ids=["fully connected", "elman", "conv2d"],
)
def test_the_notebooks_layers(layer, shape, rng):
    X = rng.normal(size=shape)
    out = layer.forward(X)
    dLdY = rng.normal(size=out.shape)
    dX = layer.backward(dLdY)
    dX = np.stack(dX, axis=2) if isinstance(dX, list) else dX
    gradients = dict(layer.gradients)
    assert check_gradients(layer.forward, dX, X, dLdY) < 1e-8
    for name, gradient in gradients.items():
        value = layer.parameters[name]
        assert check_gradients(layer.forward_with_param(name, X), gradient, value, dLdY) < 1e-8, name


def test_the_notebooks_loss(rng):
    Y = np.eye(6)[rng.integers(0, 6, 5)]
    Y_hat = rng.uniform(0.1, 1, (5, 6))
    Y_hat /= Y_hat.sum(axis=1, keepdims=True)
    loss = initialize_loss("cross_entropy")
    assert check_gradients(lambda p: loss.forward(Y, p), loss.backward(Y, Y_hat), Y_hat, 1.0) < 1e-8


WINDOWS = [((3, 3), 1, "same"), ((2, 4), 2, 1), ((3, 5), 3, "valid"), ((1, 1), 2, 0), ((5, 5), 2, "same")]


@pytest.mark.parametrize(("kernel", "stride", "pad"), WINDOWS)
def test_windows_are_columns(kernel, stride, pad, rng):
    X = rng.normal(size=(3, 8, 9, 2))
    X_col, p = im2col(X, kernel, stride, pad)
    framed = np.pad(X, ((0, 0), p[:2], p[2:], (0, 0)))
    np.testing.assert_array_equal(pad2d(X, pad, kernel)[0], framed)
    assert pad2d(X, pad, kernel)[1] == p
    rows, columns = ((framed.shape[i + 1] - kernel[i]) // stride + 1 for i in (0, 1))
    expected = [
        framed[n, i * stride : i * stride + kernel[0], j * stride : j * stride + kernel[1]].ravel()
        for n in range(3)
        for i in range(rows)
        for j in range(columns)
    ]
    np.testing.assert_array_equal(X_col, np.array(expected).T)


@pytest.mark.parametrize(("kernel", "stride", "pad"), WINDOWS)
def test_col2im_is_im2cols_transpose(kernel, stride, pad, rng):
    """⟨im2col(X), C⟩ = ⟨X, col2im(C)⟩ for every X and C."""
    X = rng.normal(size=(3, 8, 9, 2))
    X_col, p = im2col(X, kernel, stride, pad)
    C = rng.normal(size=X_col.shape)
    back = col2im(C, X.shape, kernel, stride, p)
    assert back.shape == X.shape
    assert (X_col * C).sum() == pytest.approx((X * back).sum(), rel=1e-11)
    np.testing.assert_array_equal(col2im(C, X.shape, kernel, stride, pad), back)


def test_a_pad_that_is_none():
    with pytest.raises(
        ConfigError, match=r"pad: expected 'same', 'valid' or a whole number >= 0, got 'full'"
    ):
        pad2d(np.ones((1, 2, 2, 1)), "full")
