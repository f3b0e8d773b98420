"""Activation: each name is its kernel's pair, each pair the other's derivative."""

import numpy as np
import pytest

from clearprop import Activation, Sequential
from clearprop.errors import ConfigError
from clearprop.layers import ACTIVATIONS
from oracles import numeric_gradient

special = pytest.importorskip("scipy.special")

WRITTEN_OUT = {
    "identity": lambda x: x,
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "relu": lambda x: x * (x > 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "arctan": np.arctan,
    "swish": lambda x: x * special.expit(x),
    "gelu": lambda x: x * special.ndtr(x),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "softmax": lambda x: special.softmax(x, axis=-1),
    "log_softmax": lambda x: special.log_softmax(x, axis=-1),
}


def test_every_name_is_tested():
    assert WRITTEN_OUT.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_name_and_formula(name):
    x = np.random.default_rng(0).normal(size=(4, 5))
    y, _ = Activation(name).forward(x)
    np.testing.assert_allclose(y, WRITTEN_OUT[name](x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_backward_is_the_derivative_of_forward(name):
    rng = np.random.default_rng(1)
    layer, x, dy = Activation(name), rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    _, cache = layer.forward(x)
    numeric = numeric_gradient(lambda: np.sum(dy * layer.forward(x)[0]), x)
    np.testing.assert_allclose(layer.backward(dy, cache), numeric, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "alpha"), [("leaky_relu", 0.2), ("elu", 0.5), ("leaky_relu", 0), ("elu", 0)]
)
def test_alpha(name, alpha):
    rng = np.random.default_rng(2)
    layer, x, dy = Activation(name, alpha), rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    y, cache = layer.forward(x)
    below = alpha * x if name == "leaky_relu" else alpha * (np.exp(x) - 1)
    np.testing.assert_allclose(y, np.where(x > 0, x, below), rtol=1e-12)
    numeric = numeric_gradient(lambda: np.sum(dy * layer.forward(x)[0]), x)
    np.testing.assert_allclose(layer.backward(dy, cache), numeric, rtol=1e-7, atol=1e-8)
    assert Activation(**layer.settings()).settings() == layer.settings() == {"name": name, "alpha": alpha}


def test_sentences():
    with pytest.raises(ConfigError, match=r"Activation: unknown name 'sigmiod'\. Did you mean 'sigmoid'\?"):
        Activation("sigmiod")
    with pytest.raises(
        ConfigError, match=r"Activation\('tanh'\): takes no alpha, got 0\.1\. Only leaky_relu and elu do"
    ):
        Activation("tanh", 0.1)
    for alpha in (-0.1, np.nan, "0.1"):
        with pytest.raises(ConfigError, match=r"Activation\('leaky_relu'\): expected alpha >= 0, got"):
            Activation("leaky_relu", alpha)


def test_it_has_no_parameters_and_keeps_the_shape():
    model = Sequential([Activation("relu")], (2, 3, 4))
    assert model.params.size == 0
    assert model.output_shape == (2, 3, 4)
    assert repr(model.layers[0]) == "Activation('relu')"
    assert repr(Activation("elu", 0.5)) == "Activation('elu', alpha=0.5)"
