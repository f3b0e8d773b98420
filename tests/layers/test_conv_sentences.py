"""What convolutions refuse, in sentences, and the names that other libraries have for their settings."""

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers.spec import layer_from


@pytest.mark.parametrize("kind", [cp.Conv2D, cp.Conv1D, cp.ConvTranspose2D])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"filters": 0}, "expected filters to be a whole number >= 1, got 0"),
        ({"kernel": 2.5}, r"expected kernel to be a whole number >= 1, got 2\.5"),
        ({"kernel": (3, 3, 3)}, r"expected kernel to be a number or \d numbers, got \(3, 3, 3\)"),
        ({"stride": 0}, "expected stride to be a whole number >= 1, got 0"),
        ({"dilation": "two"}, "expected dilation to be a whole number >= 1, got 'two'"),
        (
            {"padding": "SAME"},
            r"expected padding to be 'valid', 'same', .* got 'SAME'\. Did you mean 'same'\?",
        ),
        ({"padding": -1}, "expected padding to be .* got -1"),
        ({"groups": 0}, "expected groups to be a whole number >= 1, got 0"),
        (
            {"groups": 4},
            r"expected groups to divide the filters, got 4 groups of 6 filters\. Take a multiple of 4",
        ),
    ],
)
def test_settings_are_checked(kind, settings, words):
    with pytest.raises(ConfigError, match=f"^{kind.__name__}: {words}"):
        kind(**{"filters": 6, "kernel": 3} | settings)


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (
            cp.Conv2D(8, 5),
            (4, 6, 1),
            r"a kernel no larger than .* \(4, 6\) with padding, got \(5, 5\)\. Take a smaller",
        ),
        (cp.Conv1D(8, 3, dilation=4), (8, 1), r"\(8,\) with padding, got \(9,\) \(with dilation \(4,\)\)"),
        (
            cp.Conv2D(8, 3),
            (28, 28),
            r"of shape \(N, H, W, C\), got \(N, 28, 28\)\. Put Reshape\(\(28, 28, 1\)\) before",
        ),
        (
            cp.Conv2D(8, 3),
            (784,),
            r"of shape \(N, H, W, C\), got \(N, 784\)\. Put Reshape\(\(28, 28, 1\)\) before it",
        ),
        (cp.ConvTranspose2D(8, 3), (8, 8), r"of shape \(N, H, W, C\), got \(N, 8, 8\)\. Put Reshape"),
        (cp.Conv1D(8, 3), (50,), r"of shape \(N, T, C\), got \(N, 50\)\. Put Reshape\(\(50, 1\)\) before it"),
        (
            cp.Conv2D(8, 3, groups=4),
            (9, 9, 6),
            r"groups to divide the channels, got 4 groups of 6 channels\. Take a n",
        ),
        (
            cp.ConvTranspose2D(8, 3, groups=4),
            (9, 9, 6),
            "groups to divide the channels, got 4 groups of 6 channels",
        ),
        (
            cp.ConvTranspose2D(8, 2, padding=2),
            (3, 9, 6),
            r"leaves something of the \(4, 10\) outputs, got \[\[2, 2\], ",
        ),
    ],
    ids=str,
)
def test_inputs_are_refused_when_the_network_is_built(layer, shape, words):
    with pytest.raises(ShapeError, match=rf"^layer 1, {type(layer).__name__}\(8, .*\): expected .*{words}"):
        cp.Sequential([cp.Activation("relu"), layer], shape)


def test_output_padding_is_less_than_the_stride():
    words = (
        r"ConvTranspose2D: expected output_padding below the stride \(2, 1\), got \(1, 1\)\. It only chooses"
    )
    with pytest.raises(ConfigError, match=words):
        cp.ConvTranspose2D(8, 3, stride=(2, 1), output_padding=(1, 1))
    assert cp.ConvTranspose2D(8, 3, stride=(2, 1), output_padding=(1, 0)).output_padding == (1, 0)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (
            "Conv2D",
            "kernel_size",
            r"Did you mean 'kernel'\? Known: activation, bias_init, dilation, filters, ",
        ),
        ("Conv2D", "out_channels", r"Did you mean 'filters'\?"),
        ("Conv1D", "strides", r"Did you mean 'stride'\?"),
        ("Conv2D", "dilation_rate", r"Did you mean 'dilation'\?"),
        ("Conv2D", "kernel_initializer", r"Did you mean 'init'\?"),
        ("Conv2D", "in_channels", r"It follows from what comes in: leave it out\. Known: "),
        ("Dense", "input_shape", r"It follows from what comes in: leave it out\. Known: "),
    ],
)
def test_settings_of_other_libraries_get_their_name_here(kind, name, words):
    with pytest.raises(ConfigError, match=rf"^layer 2, {kind}: unknown setting '{name}'\. {words}"):
        layer_from({"type": kind, name: 3}, "layer 2")


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("Conv2d", "Conv2D"),
        ("Convolution1D", "Conv1D"),
        ("Conv2DTranspose", "ConvTranspose2D"),
        ("Linear", "Dense"),
        ("ReLU", "Activation"),
    ],
)
def test_layers_of_other_libraries_get_their_name_here(kind, meant):
    with pytest.raises(
        ConfigError, match=rf"^layer 0: unknown layer type '{kind}'\. Did you mean '{meant}'\?"
    ):
        layer_from({"type": kind}, "layer 0")


def test_dense_on_an_image_says_what_is_missing():
    with pytest.raises(
        ShapeError, match=r"layer 1, Dense\(10\): .* got \(N, 6, 6, 8\)\. Put Flatten\(\) before it"
    ):
        cp.Sequential([cp.Conv2D(8, 3), cp.Dense(10)], (8, 8, 1))


# channels that come first, and other channels


def refusals(model, shape):
    """What every way of giving x of this shape to the network says."""
    x = np.zeros(shape, np.float32)
    for use in (model.predict, model.forward, lambda x: cp.fit(model, x, np.zeros(len(x), int))):
        with pytest.raises(ShapeError) as refused:
            use(x)
        yield str(refused.value)


@pytest.mark.parametrize(
    ("layers", "wanted", "shape", "words"),
    [
        ([cp.Conv2D(4, 3)], (32, 32, 3), (5, 3, 32, 32), "in another order: pass x.transpose(0, 2, 3, 1)."),
        ([cp.Conv2D(4, 3)], (28, 20, 1), (5, 1, 28, 20), "in another order: pass x.transpose(0, 2, 3, 1)."),
        ([cp.Flatten()], (3, 32, 32), (5, 32, 32, 3), "in another order: pass x.transpose(0, 3, 1, 2)."),
        ([cp.Conv1D(4, 3)], (50, 12), (5, 12, 50), "in another order: pass x.transpose(0, 2, 1)."),
        ([cp.Conv2D(4, 3)], (28, 28, 1), (5, 28, 28, 3), "3 channels: build the network with input_shape=(28, 28, 3)."),
        ([cp.Conv1D(4, 3)], (50, 12), (5, 50, 6), "It has 6 channels: build the network with input_shape=(50, 6)."),
        ([cp.Conv2D(4, 3)], (28, 28, 1), (5, 28, 28), "as many numbers: pass x.reshape(-1, 28, 28, 1)."),
        ([cp.Conv2D(4, 3)], (28, 28, 1), (5, 784), "as many numbers: pass x.reshape(-1, 28, 28, 1)."),
        (
            [cp.Conv2D(4, 3)],
            (8, 6, 3),
            (5, 144),
            "x.reshape(-1, 8, 6, 3), or if each channel lies together, x.reshape(-1, 3, 8, 6).transpose(0, 2, 3, 1).",
        ),
        ([cp.Conv2D(4, 3)], (8, 8, 3), (5, 16, 4, 3), "is built: for this x, input_shape=(16, 4, 3)."),
        ([cp.Conv2D(4, 3)], (8, 8, 3), (8, 8, 3), "The batch axis is missing: pass x[None]."),
    ],
)  # fmt: skip
def test_data_of_another_shape_gets_the_remedy_that_fits(layers, wanted, shape, words):
    model = cp.Sequential([*layers, cp.Flatten(), cp.Dense(3)], wanted)
    for sentence in refusals(model, shape):
        assert f"expected x of shape {('N', *wanted)}, got {shape}. ".replace("'", "") in sentence
        assert sentence.endswith(words)


def test_the_remedies_keep_the_numbers_in_their_places():
    image = np.arange(5 * 8 * 6 * 3).reshape(5, 8, 6, 3)
    planes = image.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(planes.transpose(0, 2, 3, 1), image)
    rows = planes.reshape(5, -1)  # as CIFAR's files have them
    np.testing.assert_array_equal(rows.reshape(-1, 3, 8, 6).transpose(0, 2, 3, 1), image)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (1, 8, 8)])
@pytest.mark.parametrize(
    "layers",
    [
        [cp.Conv2D(4, 1)],
        [cp.Activation("relu"), cp.Dropout(0.1), cp.ConvTranspose2D(4, 1)],
        [cp.MaxPool2D(1)],
        [cp.AvgPool2D(1)],
        [cp.Residual([cp.Activation("tanh"), cp.Residual([cp.Conv2D(32, 1)])])],
    ],
    ids=["conv", "later", "max pool", "average pool", "inside"],
)
def test_a_network_for_images_with_their_channels_in_front_is_refused(layers, shape):
    number = len(layers) - 1
    last = (*shape[1:], shape[0])
    with pytest.raises(ShapeError) as refused:
        cp.Sequential(layers, shape)
    assert str(refused.value) == (
        f"layer {number}, {layers[number]}: expected input_shape to be (H, W, C), with the channels last, got {shape}. "
        f"Take input_shape={last} and x.transpose(0, 2, 3, 1)."
    )


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([cp.Conv2D(4, 1)], (2, 32, 32)),  # two rows
        ([cp.Conv2D(4, 1)], (3, 7, 7)),
        ([cp.Conv2D(4, 1)], (4, 8, 8)),  # a board of four rows
        ([cp.Conv2D(4, 1)], (3, 32, 16)),
        ([cp.Flatten(), cp.Dense(3)], (3, 32, 32)),  # nobody looks at it as an image
        ([cp.Flatten(), cp.Reshape((32, 32, 3)), cp.Conv2D(4, 1)], (3, 32, 32)),
        ([cp.LayerNorm(axes=2), cp.Flatten(), cp.Dense(3)], (3, 32, 32)),
        ([cp.Conv2D(32, (30, 1)), cp.Conv2D(4, 1)], (32, 32, 3)),  # one (3, 32, 32) on the way
    ],
)
def test_what_may_be_meant_is_not_refused(layers, shape):
    assert cp.Sequential(layers, shape).input_shape == shape
