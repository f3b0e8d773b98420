"""Saliency is a derivative, responses are what a layer gives; neither leaves a trace in the network."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import clearprop as cp
from clearprop.lens import layer_output, plot_responses, plot_saliency, saliency


def axes() -> Axes:
    return Figure().subplots()


def network(channels: int = 1) -> cp.Sequential:
    layers = [
        cp.Conv2D(4, 3, padding="same"),
        cp.BatchNorm(),
        cp.Activation("relu"),
        cp.MaxPool2D(2),
        cp.Dropout(0.5),
        cp.Flatten(),
        cp.Dense(5, activation="tanh"),
        cp.Dense(3),
    ]
    model = cp.Sequential(layers, input_shape=(6, 6, channels), seed=1, dtype="float64")
    rng = np.random.default_rng(2)
    model.layers[1].running_mean[...] = rng.normal(size=4)
    model.layers[1].running_var[...] = 0.5 + rng.random(4)
    return model


def images(n: int = 3, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 6, 6, channels))


@pytest.mark.parametrize("labels", [None, [2, 0, 1]])
def test_saliency_is_the_derivative_by_finite_differences(labels: list[int] | None) -> None:
    model, x = network(), images()
    chosen = model.scores(x).argmax(axis=1) if labels is None else np.array(labels)
    found = saliency(model, x, labels)
    eps = 1e-6
    numeric = np.zeros_like(x)
    for i in np.ndindex(6, 6, 1):
        step = np.zeros_like(x)
        step[:, *i] = eps
        up, down = model.scores(x + step), model.scores(x - step)
        numeric[:, *i] = ((up - down) / (2 * eps))[np.arange(3), chosen]
    assert np.abs(numeric).max() > 1e-3
    np.testing.assert_allclose(found, np.abs(numeric), rtol=1e-5, atol=1e-8)


def test_nothing_of_the_network_changes() -> None:
    model, x = network(), images()
    model.grads[...] = 7.0
    before = [model.params.copy(), model.buffers.copy()]
    state = model.rng.bit_generator.state
    saliency(model, x)
    plot_saliency(axes(), model, x)
    plot_responses(axes(), model, x[0])
    layer_output(model, x, 4)
    np.testing.assert_array_equal(model.grads, 7.0)
    np.testing.assert_array_equal(model.params, before[0])
    np.testing.assert_array_equal(model.buffers, before[1])
    assert model.rng.bit_generator.state == state
    assert model.layers[0].dw.base is not None
    assert (model.layers[0].dw == 7.0).all()  # the layers still write into the model's own vector


def test_saliency_pictures_show_the_largest_channel() -> None:
    model, x = network(3), images(2, 3)
    ax = plot_saliency(axes(), model, x, class_names=["a", "b", "c"])
    strength = saliency(model, x).max(axis=3)
    picture, first, _, second = (np.asarray(image.get_array()) for image in ax.images)
    np.testing.assert_allclose(first, strength[0] / strength[0].max())
    np.testing.assert_allclose(second, strength[1] / strength[1].max())
    assert picture.shape == (6, 6, 3)
    predicted = model.scores(x).argmax(axis=1)
    assert [text.get_text() for text in ax.texts] == [f"score of {'abc'[k]}" for k in predicted]
    assert "own largest" in ax.get_title(loc="left")


def test_responses_are_the_layers_outputs() -> None:
    model, x = network(), images(1)
    ax = plot_responses(axes(), model, x, layer=2)
    sheet, picture = (np.ma.filled(image.get_array(), np.nan) for image in ax.images)
    maps = layer_output(model, x, 2)[0]
    np.testing.assert_array_equal(sheet[:6, :6], maps[..., 0])
    np.testing.assert_array_equal(sheet[-6:, -6:], maps[..., 3])
    assert picture.shape == (6, 6)
    assert ax.get_title(loc="left").startswith("layer 2, Activation('relu'): 4 of 6×6\nwhite is 0")
    signed = plot_responses(axes(), model, x, layer=0)
    low, high = signed.images[0].get_clim()
    assert low == -high < 0
    assert "grey 0" in signed.get_title(loc="left")


def test_responses_begin_with_the_first_convolutions_activation() -> None:
    direct = cp.Sequential([cp.Conv2D(2, 3, activation="relu"), cp.Flatten()], input_shape=(6, 6, 1))
    assert "layer 1, Activation" in plot_responses(axes(), direct, images()[0]).get_title(loc="left")
    assert "layer 0, Conv2D" in plot_responses(axes(), network(), images()[0]).get_title(loc="left")


def test_a_layers_output_is_what_forward_gives() -> None:
    model, x = network(), images(5)
    np.testing.assert_array_equal(layer_output(model, x, -1), model.scores(x))
    h = x
    for i, layer in enumerate(model.layers):
        h, _ = layer.forward(h)
        np.testing.assert_array_equal(layer_output(model, x, i), h)


def test_what_cannot_be_drawn_is_said() -> None:
    model = network()
    assert plot_saliency(axes(), model, images(0)).texts[0].get_text() == "There is no image."
    model.params[...] = np.nan
    assert "not finite" in plot_saliency(axes(), model, images()).texts[0].get_text()
    assert "not finite" in plot_responses(axes(), model, images()[0]).texts[0].get_text()


def test_wrong_input_is_refused_in_a_sentence() -> None:
    model, rows = network(), cp.Sequential([cp.Dense(3)], input_shape=(36,))
    with pytest.raises(cp.ShapeError, match=r"expected a network on images .*input_shape=\(36,\)"):
        plot_saliency(axes(), rows, np.zeros((2, 36)))
    with pytest.raises(cp.ShapeError, match=r"expected x of shape \(N, 6, 6, 1\), got \(2, 5, 6, 1\)"):
        saliency(model, np.zeros((2, 5, 6, 1)))
    with pytest.raises(cp.DataError, match="labels to be whole numbers from 0 to 2"):
        saliency(model, images(), [0, 1, 3])
    with pytest.raises(cp.ShapeError, match=r"expected labels of shape \(3,\), got \(2,\)"):
        saliency(model, images(), [0, 1])
    with pytest.raises(cp.DataError, match="not finite"):
        saliency(model, np.full((1, 6, 6, 1), np.nan))
    with pytest.raises(cp.DataError, match="saliency: expected x to hold numbers"):
        saliency(model, np.full((1, 6, 6, 1), "a"))
    words = cp.Sequential([cp.Embedding(9, 4), cp.Flatten(), cp.Dense(2)], input_shape=(5,))
    with pytest.raises(cp.ConfigError, match="reads tokens, by which there is no derivative"):
        saliency(words, np.zeros((1, 5)))
    steps = cp.Sequential([cp.LSTM(3, return_sequences=True)], input_shape=(5, 2))
    with pytest.raises(cp.ShapeError, match=r"got \(N, 5, 3\)"):
        saliency(steps, np.zeros((1, 5, 2)))
    with pytest.raises(cp.ShapeError, match="Pass one image"):
        plot_responses(axes(), model, images(2))
    with pytest.raises(cp.ShapeError, match=r"gives \(5,\)\. Take a layer before Flatten"):
        plot_responses(axes(), model, images()[0], layer=6)
    flat = cp.Sequential([cp.Flatten(), cp.Dense(2)], input_shape=(6, 6, 1))
    with pytest.raises(cp.ShapeError, match="the network has none"):
        plot_responses(axes(), flat, images()[0])
    with pytest.raises(cp.ConfigError, match="expected layer to be one of 0 to 8, got 9"):
        layer_output(model, images(), 9)


def test_one_image_may_have_one_label() -> None:
    model, image = network(), images()[0]
    np.testing.assert_array_equal(saliency(model, image, 1), saliency(model, image[None], [1]))
    assert [text.get_text() for text in plot_saliency(axes(), model, image, 1).texts] == ["score of 1"]
    with pytest.raises(cp.ShapeError, match=r"expected labels of shape \(3,\), got \(1,\)"):
        plot_saliency(axes(), model, images(), 1)
