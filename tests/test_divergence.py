"""Where numbers stop being finite: planted, and found."""

import numpy as np
import pytest

import clearprop as cp
from clearprop.divergence import params_not_finite, where_not_finite
from clearprop.errors import DivergedError

CROSS = cp.make_loss("softmax_cross_entropy")
X = np.ones((2, 3), np.float32)


def network():
    layers = [cp.Dense(4, activation="relu", init="ones"), cp.Dense(5, init="ones"), cp.Dense(2, init="ones")]
    return cp.Sequential(layers, (3,))


def where(model, x=X, loss=CROSS, noise=None):
    with np.errstate(all="ignore"):
        return where_not_finite(model, loss, x, noise or [None] * len(model.layers))


def test_an_overflow_names_its_layer_and_the_largest_value_before_it():
    model = network()
    model.layers[0].w[...] = 1e30  # each output 3e30
    model.layers[2].w[...] = -1e10  # then −1.2e41: too much for float32
    sentence = where(model)
    assert "first output that is not finite is that of layer 2, Dense(5)" in sentence
    assert "the largest value before it was 3e+30, in the output of layer 0, Dense(4)" in sentence


def test_an_overflow_in_the_first_layer():
    model = network()
    model.layers[0].w[...] = 3e38
    assert where(model, 7 * X) == (
        "the first output that is not finite is that of layer 0, Dense(4); "
        "the largest value before it was 7, in x"
    )


def test_parameters_that_are_not_finite_come_first():
    model = network()
    assert params_not_finite(model) == ""
    model.layers[2].b[1] = np.nan
    model.layers[3].w[0, 0] = np.inf
    model.layers[0].w[2, 2] = -123
    for sentence in (where(model), params_not_finite(model)):
        assert sentence == (
            "2.b is not finite since the last update, so the first output that is not finite is that of layer 2, "
            "Dense(5); the largest finite parameter is 123"
        )
    model.params[...] = np.inf
    assert params_not_finite(model).endswith("the largest finite parameter is 0")


def test_the_loss_alone():
    model = network()
    model.params[...] = 1
    model.layers[3].w[...] = 1e20
    sentence = where(model, loss=cp.make_loss("squared_error"))
    assert sentence.startswith(
        "every layer's output is finite, the largest value being 8.5e+21, in the output of layer 3"
    )
    assert sentence.endswith("squared_error is not")


def test_dropouts_mask_belongs_to_the_pass_that_failed():
    model = cp.Sequential([cp.Dense(1, init="ones"), cp.Dropout(0.5)], (1,))
    model.params[0] = 3e38
    x = np.ones((1, 1), np.float32)
    assert "layer 1, Dropout(0.5)" in where(model, x, noise=[None, np.full((1, 1), 2, np.float32)])
    assert where(model, x).startswith("every layer's output is finite")


def test_fit_stops_before_the_step_and_says_where():
    model = network()
    before = model.params.copy()
    x = np.full((4, 3), 1e30, np.float32)
    model.layers[2].w[...] = 1e15
    before = model.params.copy()
    with pytest.raises(
        DivergedError, match=r"step 1 \(epoch 1\): the loss became nan: .*layer 2, Dense\(5\)"
    ) as caught:
        cp.fit(model, x, [0, 1, 0, 1], optimizer=cp.SGD(lr=0.5))
    assert str(caught.value).endswith(
        "Lower the learning rate (now 0.5), clip the gradients, or standardize x."
    )
    np.testing.assert_array_equal(model.params, before)


def test_a_rate_that_is_far_too_high_ends_in_the_sentence():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    model = cp.Sequential([cp.Dense(8, activation="relu"), cp.Dense(1)], (3,), seed=0)
    with pytest.raises(
        DivergedError, match=r"step \d+ \(epoch \d+\): the loss became (inf|nan): .*largest .* is|was"
    ):
        cp.fit(model, x, y, loss="squared_error", optimizer=cp.SGD(lr=10.0), epochs=50, batch_size=10)


def test_the_last_step_of_all_does_not_pass_unseen():
    model = cp.Sequential([cp.Dense(1)], (3,), seed=0)
    x, y = np.full((4, 3), 1e10), np.ones(4)
    with pytest.raises(DivergedError, match=r"step 1 \(epoch 1\): 0\.w is not finite since the last update"):
        cp.fit(model, x, y, loss="squared_error", optimizer=cp.SGD(lr=1e30), epochs=1, batch_size=4)
