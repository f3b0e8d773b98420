"""Pooling layers: the sizes that come out, sequences, settings, and what is refused."""

import numpy as np
import pytest

from clearprop import (
    AvgPool1D,
    AvgPool2D,
    Conv2D,
    Dense,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool1D,
    MaxPool2D,
    Sequential,
)
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers.spec import layer_from, layer_spec

RNG = np.random.default_rng(0)


def run(layer, x):
    """y and dx, with the y's shape as it was promised."""
    y, cache = layer.forward(x)
    assert y.shape[1:] == layer.output_shape(x.shape[1:], "")
    return y, layer.backward(np.ones_like(y), cache)


@pytest.mark.parametrize(
    ("layer", "input_shape", "output_shape"),
    [
        (MaxPool2D(2), (28, 28, 32), (14, 14, 32)),
        (MaxPool2D(2), (7, 9, 3), (3, 4, 3)),
        (MaxPool2D(3, stride=2, padding="same"), (7, 8, 3), (4, 4, 3)),
        (MaxPool2D((2, 3), stride=(1, 2)), (5, 7, 3), (4, 3, 3)),
        (MaxPool2D(3, stride=1, padding=1), (5, 7, 3), (5, 7, 3)),
        (MaxPool2D(2, padding=[(1, 0), (0, 1)]), (3, 3, 1), (2, 2, 1)),
        (MaxPool2D(2, stride=1, dilation=3), (5, 6, 2), (2, 3, 2)),
        (AvgPool2D(2), (8, 8, 5), (4, 4, 5)),
        (AvgPool2D(3, padding="same"), (8, 8, 5), (3, 3, 5)),
        (MaxPool1D(2), (9, 4), (4, 4)),
        (MaxPool1D(3, stride=1, padding="same", dilation=2), (9, 4), (9, 4)),
        (AvgPool1D(3, stride=2, padding=[(1, 0)]), (8, 4), (4, 4)),
        (GlobalAvgPool(), (7, 5, 3), (3,)),
        (GlobalMaxPool(), (7, 3), (3,)),
        (GlobalMaxPool(), (2, 3, 4, 5), (5,)),
    ],
    ids=str,
)
def test_sizes(layer, input_shape, output_shape):
    assert layer.output_shape(input_shape, "") == output_shape
    x = RNG.normal(size=(2, *input_shape))
    y, dx = run(layer, x)
    assert y.shape == (2, *output_shape)
    assert dx.shape == x.shape
    assert run(layer, x[:0])[1].shape == (0, *input_shape)


def test_same_padding_is_what_is_missing_and_most_of_it_at_the_end():
    x = np.arange(1.0, 6)[None, :, None]
    assert run(MaxPool1D(2, stride=2, padding="same"), x)[0].ravel().tolist() == [2, 4, 5]
    assert run(AvgPool1D(2, stride=2, padding="same"), x)[0].ravel().tolist() == [1.5, 3.5, 5]
    counted = AvgPool1D(2, stride=2, padding="same", count_padding=True)
    assert run(counted, x)[0].ravel().tolist() == [1.5, 3.5, 2.5]


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (MaxPool1D(3, stride=2, padding=1), MaxPool2D((1, 3), (1, 2), (0, 1))),
        (MaxPool1D(2, dilation=2), MaxPool2D((1, 2), dilation=(1, 2))),
        (AvgPool1D(2, padding=1), AvgPool2D((1, 2), padding=(0, 1))),
        (
            AvgPool1D(3, stride=1, padding=1, count_padding=True),
            AvgPool2D((1, 3), 1, (0, 1), count_padding=True),
        ),
    ],
    ids=str,
)
def test_a_sequence_is_an_image_of_one_row(narrow, wide):
    x = RNG.normal(size=(3, 10, 2))
    for a, b in zip(run(narrow, x), run(wide, x[:, None]), strict=True):
        np.testing.assert_array_equal(a, b[:, 0])


@pytest.mark.parametrize("layer", [MaxPool2D(2), AvgPool2D(2), GlobalAvgPool(), GlobalMaxPool()], ids=str)
def test_no_dx_where_none_is_needed(layer):
    y, cache = layer.forward(np.ones((2, 4, 4, 1)))
    assert layer.backward(y, cache, need_dx=False) is None


@pytest.mark.parametrize(
    ("layer", "settings", "text"),
    [
        (MaxPool2D(2), {"window": [2, 2]}, "MaxPool2D(2)"),
        (MaxPool2D((2, 3), stride=2), {"window": [2, 3], "stride": [2, 2]}, "MaxPool2D((2, 3), stride=2)"),
        (
            MaxPool2D(3, stride=2, padding="same", dilation=2),
            {"window": [3, 3], "stride": [2, 2], "padding": "same", "dilation": [2, 2]},
            "MaxPool2D(3, stride=2, padding='same', dilation=2)",
        ),
        (
            MaxPool1D(3, stride=1, padding=1),
            {"window": [3], "stride": [1], "padding": [[1, 1]]},
            "MaxPool1D(3, stride=1, padding=1)",
        ),
        (AvgPool2D(2), {"window": [2, 2]}, "AvgPool2D(2)"),
        (
            AvgPool1D(2, count_padding=True),
            {"window": [2], "count_padding": True},
            "AvgPool1D(2)",
        ),
        (GlobalAvgPool(), {}, "GlobalAvgPool()"),
        (GlobalMaxPool(), {}, "GlobalMaxPool()"),
    ],
    ids=str,
)
def test_settings_make_it_again(layer, settings, text):
    assert layer.settings() == settings
    assert repr(layer) == text
    again = layer_from(layer_spec(layer), "")
    assert type(again) is type(layer)
    assert vars(again) == vars(layer)


def test_in_a_network():
    layers = [Conv2D(4, 3, padding="same", activation="relu"), MaxPool2D(2), GlobalAvgPool(), Dense(3)]
    model = Sequential(layers, (6, 6, 2), seed=0)
    assert model.shapes == [(6, 6, 2), (6, 6, 4), (6, 6, 4), (3, 3, 4), (4,), (3,)]
    scores, caches = model.forward(RNG.normal(size=(5, 6, 6, 2)).astype("float32"))
    assert scores.dtype == np.float32
    model.backward(np.ones_like(scores), caches)
    assert np.abs(model.named_grads()["0.w"]).sum() > 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MaxPool2D(0), r"MaxPool2D: expected window to be a whole number >= 1, got 0"),
        (
            lambda: AvgPool2D((2, 2, 2)),
            r"AvgPool2D: expected window to be a number or 2 numbers, got \(2, 2, 2\)",
        ),
        (lambda: MaxPool1D(2, stride=0), r"MaxPool1D: expected stride to be a whole number >= 1, got 0"),
        (
            lambda: AvgPool1D(2, padding="causal"),
            r"AvgPool1D: expected padding to be 'valid', 'same', a number, .*, got 'causal'",
        ),
        (lambda: MaxPool2D(2, padding=-1), r"MaxPool2D: expected padding to be .*, got -1"),
        (
            lambda: MaxPool2D(2, dilation=(1, 0)),
            r"MaxPool2D: expected dilation to be a whole number >= 1, got 0",
        ),
        (
            lambda: AvgPool2D(2, count_padding="yes"),
            r"AvgPool2D: expected count_padding to be True or False, got 'yes'\.",
        ),
    ],
)
def test_settings_that_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


@pytest.mark.parametrize(
    ("layer", "input_shape", "words"),
    [
        (
            MaxPool2D(2),
            (28, 28),
            r"layer 0, MaxPool2D\(2\): expected x of shape \(N, H, W, C\), got \(N, 28, 28\)\. "
            r"Put Reshape\(\(28, 28, 1\)\) before it\.",
        ),
        (
            AvgPool1D(2),
            (8, 8, 3),
            r"expected x of shape \(N, T, C\), got \(N, 8, 8, 3\)\. Channels come last\.",
        ),
        (
            AvgPool1D(2),
            (8,),
            r"expected x of shape \(N, T, C\), got \(N, 8\)\. Put Reshape\(\(8, 1\)\) before it\.",
        ),
        (
            MaxPool2D(5),
            (4, 9, 1),
            r"layer 0, MaxPool2D\(5\): expected a window no larger than what it slides over, \(4, 9\) with padding, "
            r"got \(5, 5\)\. Take a smaller window",
        ),
        (
            AvgPool2D(2, padding=2),
            (4, 4, 1),
            r"layer 0, AvgPool2D\(2, padding=2\): expected padding that leaves every window a number of x, got "
            r"\[\[2, 2\], \[2, 2\]\] around \(4, 4\) for a window of \(2, 2\)\. Take less padding\.",
        ),
        (
            MaxPool1D(2, stride=1, padding=[(0, 2)]),
            (5, 1),
            r"leaves every window a number of x, got \[\[0, 2\]\]",
        ),
        (
            MaxPool1D(
                2, stride=1, padding="same", dilation=3
            ),  # its places lie on both sides of the only number
            (1, 1),
            r"leaves every window a number of x, got \[\[1, 2\]\] around \(1,\) for a window of \(2,\)",
        ),
        (
            GlobalAvgPool(),
            (8,),
            r"layer 0, GlobalAvgPool\(\): expected x of shape \(N, …, C\), "
            r"got \(N, 8\)\. Leave it out: there is nothing to pool\.",
        ),
        (GlobalMaxPool(), (8,), r"layer 0, GlobalMaxPool\(\): expected x of shape \(N, …, C\)"),
    ],
    ids=str,
)
def test_inputs_that_are_refused(layer, input_shape, words):
    with pytest.raises(ShapeError, match=words):
        Sequential([layer], input_shape)


def test_padding_may_reach_as_far_as_every_window_holds_a_number():
    assert MaxPool1D(2, stride=2, padding=[(0, 2)]).output_shape((5, 1), "") == (3, 1)  # the rest is cut off
    assert MaxPool1D(3, stride=1, padding=2).output_shape((1, 1), "") == (3, 1)
