"""The course's 25 tests as a procedure: build, forward once, overwrite parameters, forward again, backward.

Its own sizes, and numbers from PyTorch in the place of its files; |difference| < 1.5e-4 as there, and far less here.
"""

import numpy as np
import pytest

from clearprop.courses.cs189.activations import initialize_activation
from clearprop.courses.cs189.layers import Conv2D, Flatten, FullyConnected, Pool2D

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

PLACES = 9  # decimals; the course asks for 3


def almost_equal(ours, theirs):
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_array_almost_equal(ours, theirs.detach().numpy(), PLACES)


@pytest.fixture(autouse=True)
def rng():
    np.random.seed(189)
    return np.random.default_rng(23)


@pytest.mark.parametrize("batch", [72, 128, 223])
@pytest.mark.parametrize("units", [61, 311])
@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "softmax", "arctan"])
def test_activations(name, units, batch, rng):
    theirs = {"linear": lambda z: z * 1, "softmax": lambda z: torch.softmax(z, 1)}.get(name) or getattr(
        torch, name
    )
    Z, dY = rng.normal(size=(batch, units)), rng.normal(size=(batch, units))
    z = torch.tensor(Z, requires_grad=True)
    y = theirs(z)
    y.backward(torch.tensor(dY))
    activation = initialize_activation(name)
    almost_equal(activation.forward(Z), y)
    almost_equal(activation.backward(Z, dY=dY), z.grad)


def procedure(layer, X, rng, reference):
    """Compare forward, what backward returns and what it leaves in the gradients, with parameters put there by hand."""
    layer.forward(X)
    for name, drawn in layer.parameters.items():
        layer.parameters[name] = rng.normal(size=drawn.shape) / 8
    x = torch.tensor(X, requires_grad=True)
    given = {name: torch.tensor(value, requires_grad=True) for name, value in layer.parameters.items()}
    y = reference(x, **given)
    dLdY = rng.normal(size=tuple(y.shape))
    y.backward(torch.tensor(dLdY))
    almost_equal(layer.forward(X), y)
    almost_equal(layer.backward(dLdY), x.grad)
    for name, tensor in given.items():
        almost_equal(layer.gradients[name], tensor.grad)


@pytest.mark.parametrize(("n_out", "activation"), [(128, "relu"), (37, "tanh"), (256, "tanh")])
@pytest.mark.parametrize("shape", [(72, 61), (128, 311), (223, 61)])
def test_fully_connected(n_out, activation, shape, rng):
    sigma = getattr(torch, activation)
    procedure(
        FullyConnected(n_out, activation), rng.normal(size=shape), rng, lambda x, W, b: sigma(x @ W + b)
    )


@pytest.mark.parametrize("shape", [(16, 16, 16, 3), (16, 32, 24, 21)])
@pytest.mark.parametrize(
    ("n_out", "kernel", "stride", "activation"),
    [
        (32, (3, 3), 1, "relu"),
        (32, (3, 5), 1, "relu"),
        (7, (5, 5), 1, "relu"),
        (7, (5, 5), 2, "relu"),
        (18, (3, 3), 3, "tanh"),
    ],
)
def test_conv2d(n_out, kernel, stride, activation, shape, rng):
    def reference(x, W, b):
        padding = [(k - 1) // 2 for k in kernel]
        z = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), W.permute(3, 2, 0, 1), b[0], stride, padding)
        return getattr(torch, activation)(z).permute(0, 2, 3, 1)

    layer = Conv2D(n_out=n_out, kernel_shape=kernel, activation=activation, stride=stride)
    procedure(layer, rng.normal(size=shape), rng, reference)


@pytest.mark.parametrize("shape", [(24, 12, 12, 8), (24, 44, 48, 4)])
@pytest.mark.parametrize(
    ("kernel", "stride", "mode", "pad", "padding"),
    [
        ((3, 3), 2, "max", 0, 0),
        ((2, 2), 2, "max", 0, 0),
        ((2, 2), 2, "average", 0, 0),
        ((3, 5), 4, "max", "valid", 0),
        ((5, 5), 1, "average", 2, 2),
    ],
)
def test_pool2d(kernel, stride, mode, pad, padding, shape, rng):
    pool = torch.nn.functional.max_pool2d if mode == "max" else torch.nn.functional.avg_pool2d

    def reference(x):
        return pool(x.permute(0, 3, 1, 2), kernel, stride, padding).permute(0, 2, 3, 1)

    layer = Pool2D(kernel_shape=kernel, mode=mode, stride=stride, pad=pad)
    procedure(layer, rng.normal(size=shape), rng, reference)


@pytest.mark.parametrize("shape", [(16, 3, 4, 5), (7, 9)])
def test_flatten(shape, rng):
    procedure(Flatten(), rng.normal(size=shape), rng, lambda x: x.reshape(len(x), -1))
