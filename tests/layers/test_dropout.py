"""Dropout: what is dropped, what grows, and when."""

import numpy as np
import pytest

from clearprop import Dense, Dropout, Sequential
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers.spec import layer_from, layer_spec


def mask(rate, shape=(100, 100), seed=0, dtype="float64"):
    return Dropout(rate).draw_noise(shape, np.random.default_rng(seed), np.dtype(dtype))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_the_mask_drops_at_the_rate_and_keeps_the_mean(rate):
    drawn = mask(rate)
    assert np.mean(drawn == 0) == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / drawn.size))
    np.testing.assert_allclose(drawn[drawn != 0], 1 / (1 - rate), rtol=1e-12)
    assert drawn.mean() == pytest.approx(1, abs=0.05)


def test_the_mask_is_drawn_from_the_given_generator():
    np.testing.assert_array_equal(mask(0.5), mask(0.5))
    assert (mask(0.5) != mask(0.5, seed=1)).any()
    np.testing.assert_array_equal(mask(0.3) == 0, mask(0.3, dtype="float32") == 0)
    assert mask(0.5, dtype="float32").dtype == np.float32


def test_rate_zero_drops_nothing():
    np.testing.assert_array_equal(mask(0.0), 1)


def test_forward_and_backward_multiply_by_the_same_mask():
    layer, noise = Dropout(0.5), mask(0.5, (6, 5))
    rng = np.random.default_rng(3)
    x, dy = rng.normal(size=(6, 5)), rng.normal(size=(6, 5))
    y, cache = layer.forward(x, True, noise)
    np.testing.assert_array_equal(y, np.where(noise == 0, 0, 2 * x))
    np.testing.assert_array_equal(layer.backward(dy, cache), np.where(noise == 0, 0, 2 * dy))


def test_only_training_drops():
    model = Sequential([Dense(50), Dropout(0.5)], (4,), seed=0)
    x = np.ones((10, 4), np.float32)
    plain = Sequential([Dense(50)], (4,), seed=0).scores(x)
    np.testing.assert_array_equal(model.forward(x)[0], plain)
    np.testing.assert_array_equal(model.scores(x), plain)
    first, second = model.forward(x, training=True)[0], model.forward(x, training=True)[0]
    assert 0.4 < np.mean(first == 0) < 0.6
    assert (first != second).any()  # each pass draws anew
    scores, caches = model.forward(x)
    dy = np.ones_like(scores)
    np.testing.assert_array_equal(model.layers[1].backward(dy, caches[1]), dy)


@pytest.mark.parametrize("shape", [(500, 4, 3, 5), (500, 6, 5)], ids=str)
def test_whole_channels_are_dropped(shape):
    layer = Dropout(0.3, channels=True)
    noise = layer.draw_noise(shape, np.random.default_rng(0), np.dtype("float32"))
    assert noise.shape == (500, *[1] * (len(shape) - 2), 5)
    assert noise.dtype == np.float32
    assert np.mean(noise == 0) == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / noise.size))
    assert np.mean(noise) == pytest.approx(1, abs=0.1)
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    y, cache = layer.forward(x, True, noise)
    dx = layer.backward(x, cache)
    assert y.dtype == dx.dtype == np.float32
    for n, c in np.ndindex(500, 5):
        kept = noise[n, ..., c].item()
        np.testing.assert_array_equal(y[n, ..., c], x[n, ..., c] * np.float32(kept))
    np.testing.assert_array_equal(dx, y)


def test_numbers_of_a_row_are_no_channels():
    with pytest.raises(
        ShapeError,
        match=r"layer 0, Dropout\(0\.5, channels=True\): expected x of shape \(N, …, C\), "
        r"got \(N, 8\)\. Leave channels out\.",
    ):
        Sequential([Dropout(0.5, channels=True)], (8,))
    assert Dropout(0.5).output_shape((8,), "") == (8,)


@pytest.mark.parametrize("channels", [1, "yes", None])
def test_channels_is_true_or_false(channels):
    with pytest.raises(ConfigError, match=r"Dropout: expected channels to be True or False, got"):
        Dropout(0.5, channels=channels)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, np.nan, "half", None])
def test_sentence(rate):
    with pytest.raises(ConfigError, match=r"Dropout: expected rate in \[0, 1\), the share to drop, got"):
        Dropout(rate)


def test_settings():
    assert Dropout(0.25).settings() == {"rate": 0.25}
    assert repr(Dropout(0.25)) == "Dropout(0.25)"
    layer = Dropout(0.25, channels=True)
    assert layer.settings() == {"rate": 0.25, "channels": True}
    assert vars(layer_from(layer_spec(layer), "")) == vars(layer)
