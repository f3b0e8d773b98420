"""Layer: a layer of the user's own has all that the built-in ones have."""

from copy import copy

import numpy as np
import pytest

from clearprop import Dense, Layer, Sequential, fit
from oracles import numeric_gradient


class Scale(Layer):
    """y = x ⊙ gamma + noise"""

    def __init__(self, start, jitter=0.0):
        self.start, self.jitter = start, jitter

    def settings(self):
        return {"start": self.start, "jitter": self.jitter}

    def output_shape(self, input_shape, who):
        return input_shape

    def param_shapes(self, input_shape):
        return {"gamma": input_shape}

    def init_params(self, rng):
        self.gamma[...] = self.start

    def draw_noise(self, shape, rng, dtype):
        return (self.jitter * rng.normal(size=shape)).astype(dtype)

    def forward(self, x, training=False, noise=None):
        return x * self.gamma + (noise if training else 0), x

    def backward(self, dy, cache, need_dx=True):
        np.sum(dy * cache, axis=0, out=self.dgamma)
        return dy * self.gamma


def test_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Layer()


def test_repr_is_the_settings():
    assert repr(Scale(2.0)) == "Scale(2.0, jitter=0.0)"


def test_parameters_are_bound_by_name():
    model = Sequential([Scale(2.0), Dense(3), Scale(0.5)], (4,), dtype="float64")
    assert list(model.named_params()) == ["0.gamma", "1.w", "1.b", "2.gamma"]
    first, last = model.layers[0], model.layers[2]
    first.gamma[1] = 7
    assert model.params[:4].tolist() == [2, 7, 2, 2]
    assert model.params[-3:].tolist() == [0.5] * 3
    x, dy = np.random.default_rng(0).normal(size=(5, 4)), np.random.default_rng(1).normal(size=(5, 3))
    _, caches = model.forward(x)
    model.backward(dy, caches)
    numeric = numeric_gradient(lambda: np.sum(dy * model.forward(x)[0]), model.params)
    np.testing.assert_allclose(model.grads, numeric, rtol=1e-7, atol=1e-8)
    assert np.shares_memory(last.dgamma, model.grads)


def test_gamma_is_no_weight_to_penalise():
    model = Sequential([Scale(2.0), Dense(3)], (4,))
    assert model.weight_spans() == [slice(4, 16)]


def test_replica_of_one_layer():
    layer = Scale(2.0)
    layer.bind({"gamma": np.ones(2)}, {"gamma": np.zeros(2)})
    row = np.zeros(2)
    twin = copy(layer)
    twin.bind({"gamma": layer.gamma}, {"gamma": row})
    assert twin.gamma is layer.gamma
    assert twin.dgamma is row
    assert layer.dgamma is not row


@pytest.mark.parametrize("workers", [1, 2])
def test_noise_is_drawn_once_for_the_batch_and_only_in_training(workers):
    model = Sequential([Scale(1.0, jitter=1.0), Dense(2)], (4,), seed=3)
    x = np.random.default_rng(0).normal(size=(9, 4)).astype("float32")
    rng = np.random.default_rng()
    rng.bit_generator.state = model.rng.bit_generator.state
    fit(model, x, np.arange(9) % 2, epochs=2, batch_size=9, workers=workers)
    rng.normal(size=(9, 4)), rng.normal(size=(9, 4))
    assert model.rng.bit_generator.state == rng.bit_generator.state
    np.testing.assert_array_equal(model.scores(x), model.scores(x))
