"""CS 189's activations against PyTorch and SciPy, and against differences: forward, and backward from Z."""

import numpy as np
import pytest

from clearprop.courses.cs189.activations import (
    Activation,
    ArcTan,
    Linear,
    ReLU,
    Sigmoid,
    SoftMax,
    TanH,
    initialize_activation,
)
from clearprop.courses.cs189.layers import FullyConnected
from oracles import numeric_gradient

CLASSES = {
    "linear": Linear,
    "sigmoid": Sigmoid,
    "tanh": TanH,
    "relu": ReLU,
    "softmax": SoftMax,
    "arctan": ArcTan,
}
SHAPES = [(2, 3), (72, 61), (128, 311), (5, 6, 7, 4)]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.torch
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CLASSES)
def test_both_ways_are_torchs(name, shape, rng):
    torch = pytest.importorskip("torch")
    theirs = {
        "linear": lambda z: z * 1,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "softmax": lambda z: torch.softmax(z, -1),
        "arctan": torch.arctan,
    }[name]
    Z, dY = 3 * rng.normal(size=shape), rng.normal(size=shape)
    z = torch.tensor(Z, requires_grad=True)
    y = theirs(z)
    y.backward(torch.tensor(dY))
    activation = initialize_activation(name)
    kept = Z.copy()
    np.testing.assert_allclose(activation(Z), y.detach().numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(activation.backward(Z, dY=dY), z.grad.numpy(), rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(Z, kept)


@pytest.mark.parametrize("name", CLASSES)
def test_backward_is_the_difference_quotient(name, rng):
    activation = initialize_activation(name)
    Z, dY = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    numeric = numeric_gradient(lambda: (activation.forward(Z) * dY).sum(), Z)
    np.testing.assert_allclose(activation.backward(Z, dY), numeric, atol=1e-8)


def test_softmax_is_scipys_row_by_row_and_does_not_overflow(rng):
    special = pytest.importorskip("scipy.special")
    Z = 100 * rng.normal(size=(6, 5))
    np.testing.assert_allclose(SoftMax()(Z), special.softmax(Z, axis=1), rtol=1e-12, atol=1e-300)
    assert SoftMax()(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]
    assert np.isfinite(Sigmoid()(np.array([-1e4, 1e4]))).all()


def test_the_slope_of_relu_at_zero_is_zero():
    assert ReLU().backward(np.array([-1.0, 0.0, 2.0]), np.ones(3)).tolist() == [0.0, 0.0, 1.0]


def test_backward_needs_no_forward_and_does_not_remember_the_users_arrays(rng):
    activation, Z, dY = TanH(), rng.normal(size=4), np.ones(4)
    activation.forward(Z)
    Z += 1  # the same array, other numbers
    np.testing.assert_allclose(activation.backward(Z, dY), 1 - np.tanh(Z) ** 2)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softmax"])
def test_a_layers_output_may_be_changed_before_the_way_back(name, rng):
    X, dLdY = rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    layer = FullyConnected(2, name)
    layer.forward(X)
    expected = layer.backward(dLdY)
    out = layer.forward(X)
    out[...] = 0
    np.testing.assert_array_equal(layer.backward(dLdY), expected)


def test_a_layer_calls_backward_of_an_activation_that_was_changed(rng):
    layer = FullyConnected(2, "tanh")
    layer.forward(rng.normal(size=(3, 4)))
    right = layer.backward(np.ones((3, 2)))
    layer.activation.backward = lambda Z, dY: dY  # the derivative is forgotten
    assert not np.allclose(layer.backward(np.ones((3, 2))), right)


def test_an_activation_of_ones_own_works_in_a_layer(rng):
    class Square(Activation):
        def forward(self, Z):
            return Z * Z

        def backward(self, Z, dY):
            return 2 * Z * dY

    layer, X, dLdY = FullyConnected(2, "linear"), rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    layer.activation = Square()
    layer.forward(X)
    numeric = numeric_gradient(lambda: (layer.forward(X) * dLdY).sum(), X)
    layer.forward(X)
    np.testing.assert_allclose(layer.backward(dLdY), numeric, atol=1e-7)


def test_names():
    for name, cls in CLASSES.items():
        assert type(initialize_activation(name)) is cls
    with pytest.raises(
        NotImplementedError, match=r"activation 'swish' is not there\. Known: linear, sigmoid"
    ):
        initialize_activation("swish")
