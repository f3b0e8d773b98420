"""Augmentation layers: what is drawn, that only training changes images, and that shards change nothing."""

import numpy as np
import pytest

from clearprop import Cutout, Dense, Flatten, RandomFlip, RandomShift, Sequential, fit, load
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers.spec import layer_from, layer_spec
from clearprop.parallel import part_of

LAYERS = [RandomShift(2), RandomFlip(), Cutout(3)]
each = pytest.mark.parametrize("layer", LAYERS, ids=str)


def draw(layer, n=4000, size=(8, 6), seed=0, dtype="float32"):
    return layer.draw_noise((n, *size, 3), np.random.default_rng(seed), np.dtype(dtype))


def images(n=7, size=(8, 6), seed=1):
    return np.random.default_rng(seed).normal(size=(n, *size, 3))


def chi_squared(values, known):
    """How far the counts are from those of equally likely values, in standard deviations of the statistic."""
    counts = np.array([(values == value).sum() for value in known])
    assert counts.sum() == len(values)
    expected = len(values) / len(known)
    freedom = len(known) - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)


@each
def test_noise_has_a_row_for_each_image_and_comes_from_the_generator(layer):
    drawn = draw(layer)
    assert len(drawn) == 4000
    np.testing.assert_array_equal(draw(layer), drawn)
    np.testing.assert_array_equal(draw(layer, dtype="float64"), drawn)
    assert (draw(layer, seed=1) != drawn).any()


@pytest.mark.parametrize(("pixels", "far"), [(2, (2, 2)), ((0, 3), (0, 3)), (0, (0, 0))])
def test_all_shifts_are_equally_likely(pixels, far):
    drawn = draw(RandomShift(pixels))
    for axis in range(2):
        known = range(-far[axis], far[axis] + 1)
        if far[axis]:
            assert chi_squared(drawn[:, axis], known) < 4
        else:
            assert (drawn[:, axis] == 0).all()


def test_half_of_the_images_are_mirrored():
    drawn = draw(RandomFlip())
    assert drawn.dtype == bool
    assert chi_squared(drawn, [False, True]) < 4


@pytest.mark.parametrize("size", [1, 4, 5])
def test_every_pixel_is_equally_likely_a_hole_s_centre(size):
    corners = draw(Cutout(size))
    for axis, n in enumerate((8, 6)):
        assert chi_squared(corners[:, axis] + size // 2, range(n)) < 4


@each
def test_training_changes_images_and_prediction_does_not(layer):
    x, noise = images(), draw(layer, n=7)
    y, cache = layer.forward(x, True, noise)
    assert y.shape == x.shape
    assert (y != x).any()
    assert layer.output_shape((8, 6, 3), "") == (8, 6, 3)
    dy = images(seed=2)
    assert np.vdot(dy, y) == pytest.approx(np.vdot(layer.backward(dy, cache), x), rel=1e-12)  # it is linear
    for same, cache in (layer.forward(x), layer.forward(x, False, noise), layer.forward(x, True)):
        assert same is x
        assert layer.backward(dy, cache) is dy


def test_a_network_predicts_what_it_would_without():
    with_, without = (
        Sequential([*layers, Flatten(), Dense(3)], (8, 6, 3), seed=0) for layers in (LAYERS, [])
    )
    x = images().astype("float32")
    np.testing.assert_array_equal(with_.scores(x), without.scores(x))
    assert (with_.forward(x, training=True)[0] != without.scores(x)).any()


@each
def test_shards_take_their_rows(layer):
    x, noise = images(), draw(layer, n=7)
    whole, _ = layer.forward(x, True, noise)
    for rows in (slice(0, 3), slice(3, 7)):
        part, _ = layer.forward(x[rows], True, part_of(noise, rows))
        np.testing.assert_array_equal(part, whole[rows])


@pytest.mark.parametrize("settings", [{"shard_size": 3}, {"workers": 2}], ids=str)
def test_training_does_not_depend_on_shards(settings):
    x, y = images(n=20), np.arange(20) % 3
    layers = [*LAYERS, Flatten(), Dense(5, activation="tanh"), Dense(3)]
    params = []
    for given in ({"workers": 1}, settings):
        model = Sequential(layers, (8, 6, 3), seed=0, dtype="float64")
        fit(model, x, y, epochs=2, batch_size=8, **given)
        params.append(model.params)
    np.testing.assert_allclose(*params, rtol=1e-12, atol=1e-12)


def test_settings_make_it_again(tmp_path):
    assert RandomShift(4).settings() == {"pixels": [4, 4]}
    assert (RandomFlip().settings(), Cutout(8).settings()) == ({}, {"size": 8})
    layers = [RandomShift((1, 2)), *LAYERS]
    assert [repr(layer) for layer in layers] == [
        "RandomShift((1, 2))", "RandomShift(2)", "RandomFlip()", "Cutout(3)",
    ]  # fmt: skip
    for layer in layers:
        assert vars(layer_from(layer_spec(layer), "")) == vars(layer)
    model = Sequential([*layers, Flatten(), Dense(2)], (8, 6, 3))
    model.save(tmp_path / "net.safetensors")
    again = load(tmp_path / "net.safetensors")
    assert [layer.settings() for layer in again.layers] == [layer.settings() for layer in model.layers]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RandomShift(-1), r"RandomShift: expected pixels to be a whole number >= 0, got -1"),
        (lambda: RandomShift((1, 2, 3)), r"RandomShift: expected pixels to be a number or 2 numbers, got"),
        (lambda: Cutout(0), r"Cutout: expected size to be a whole number >= 1, got 0"),
    ],
)
def test_settings_that_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


@each
def test_what_is_no_image_is_refused(layer):
    with pytest.raises(
        ShapeError,
        match=r"expected x of shape \(N, H, W, C\), got \(N, 784\)\. Put Reshape\(\(28, 28, 1\)\) before it",
    ):
        Sequential([layer], (784,))
    with pytest.raises(ShapeError, match=r"got \(N, 28, 28\)\. Put Reshape\(\(28, 28, 1\)\) before it\."):
        Sequential([layer], (28, 28))


@each
def test_channels_in_front_are_refused(layer):
    with pytest.raises(
        ShapeError, match=r"expected input_shape to be \(H, W, C\), with the channels last, got \(3, 32"
    ):
        Sequential([layer], (3, 32, 32))


def test_a_shift_out_of_sight_is_refused():
    with pytest.raises(
        ShapeError,
        match=r"layer 0, RandomShift\(\(2, 6\)\): expected pixels below the image's height and width \(8, 6\), got "
        r"\(2, 6\), which moves it out of sight\. Take fewer pixels\.",
    ):
        Sequential([RandomShift((2, 6))], (8, 6, 3))
