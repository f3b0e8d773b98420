"""Weights as images: every number of a filter stands where it belongs, in a scale that the title says."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import clearprop as cp
from clearprop.lens import plot_filters, plot_templates
from clearprop.lens.tiles import nearly_square, tile


def axes() -> Axes:
    return Figure().subplots()


def drawn(ax: Axes) -> np.ndarray:
    (image,) = ax.images
    return np.ma.filled(image.get_array(), np.nan)


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def test_filters_of_one_channel_stand_side_by_side() -> None:
    w = weights(3, 5, 1, 8)
    ax = plot_filters(axes(), w)
    found, columns = drawn(ax), nearly_square(8, 3, 5)
    for f in range(8):
        top, left = f // columns * 4, f % columns * 6
        np.testing.assert_array_equal(found[top : top + 3, left : left + 5], w[:, :, 0, f])
    assert np.isnan(found[3]).all()  # the gap
    peak = np.abs(w).max()
    assert ax.images[0].get_clim() == (-peak, peak)
    assert ax.get_title(loc="left") == f"8 filters, 3×5\ndark is −{peak:.2g}, grey 0, bright {peak:.2g}"


def test_three_channels_are_colours_with_grey_as_zero() -> None:
    w = weights(4, 4, 3, 2)
    w[..., 1] = 0
    found = drawn(plot_filters(axes(), w))
    np.testing.assert_allclose(found[:4, :4], 0.5 + w[..., 0] / (2 * np.abs(w[..., 0]).max()))
    np.testing.assert_array_equal(found[:4, -4:], 0.5)
    assert found.shape[2] == 3
    assert not np.isnan(found).any()


@pytest.mark.parametrize(("channels", "shown"), [(2, 2), (5, 5), (40, 16)])
def test_other_channels_make_a_row_of_pictures(channels: int, shown: int) -> None:
    w = weights(2, 2, channels, 3)
    ax = plot_filters(axes(), w)
    found = drawn(ax)
    assert found.shape == (3 * 2 + 2, shown * 2 + shown - 1)
    for f in range(3):
        for c in range(shown):
            np.testing.assert_array_equal(found[3 * f : 3 * f + 2, 3 * c : 3 * c + 2], w[:, :, c, f])
    assert "each row a filter" in ax.get_title(loc="left")
    assert ("its first 16 channels" in ax.get_title(loc="left")) == (channels > 16)


def test_of_many_filters_the_first_are_drawn() -> None:
    ax = plot_filters(axes(), weights(3, 3, 1, 100), most=4)
    assert drawn(ax).shape == (7, 7)
    assert ax.get_title(loc="left").startswith("the first 4 of 100 filters")


def test_layers_give_their_own_weights() -> None:
    layers = [cp.Conv2D(4, 3), cp.ConvTranspose2D(2, 2), cp.Flatten(), cp.Dense(3)]
    model = cp.Sequential(layers, input_shape=(8, 8, 1))
    np.testing.assert_array_equal(
        drawn(plot_filters(axes(), model.layers[0]))[:3, :3], model.layers[0].w[:, :, 0, 0]
    )
    assert len(plot_filters(axes(), model.layers[1]).images) == 1
    sound = cp.Sequential([cp.Conv1D(6, 5)], input_shape=(20, 4))
    found = drawn(plot_filters(axes(), sound.layers[0]))
    np.testing.assert_array_equal(found[:4, :5], sound.layers[0].w[:, :, 0].T)  # time to the right


def test_templates_are_columns_in_the_places_of_their_pixels() -> None:
    w = weights(6 * 4, 5)
    ax = plot_templates(axes(), w, (6, 4), names="abcde")
    np.testing.assert_array_equal(drawn(ax)[:6, :4], w[:, 0].reshape(6, 4))
    assert [text.get_text() for text in ax.texts] == list("abcde")
    colour = drawn(plot_templates(axes(), weights(4 * 4 * 3, 2), (4, 4, 3)))
    assert colour.shape[2] == 3


def test_templates_find_the_class_they_were_made_of() -> None:
    """A network that compares with two pictures shows these pictures."""
    pictures = np.random.default_rng(1).random((2, 5, 5))
    model = cp.Sequential([cp.Flatten(), cp.Dense(2)], input_shape=(5, 5, 1), dtype="float64")
    model.layers[1].w[...] = pictures.reshape(2, -1).T
    found = drawn(plot_templates(axes(), model.layers[1], (5, 5, 1)))
    np.testing.assert_array_equal(found[:5, :5], pictures[0])
    np.testing.assert_array_equal(found[:5, 6:11], pictures[1])


def test_what_cannot_be_drawn_is_said() -> None:
    w = weights(3, 3, 1, 2)
    w[0, 0, 0, 0] = np.nan
    ax = plot_filters(axes(), w)
    assert not ax.images
    assert "not finite" in ax.texts[0].get_text()


def test_wrong_weights_are_refused_in_a_sentence() -> None:
    model = cp.Sequential([cp.Flatten(), cp.Dense(2)], input_shape=(5, 5, 1))
    with pytest.raises(cp.ConfigError, match=r"plot_filters: expected a convolution .*got Flatten\(\)"):
        plot_filters(axes(), model.layers[0])
    with pytest.raises(cp.ShapeError, match=r"got \(25, 2\)\. .*take plot_templates"):
        plot_filters(axes(), model.layers[1])
    with pytest.raises(cp.ShapeError, match=r"image_shape=\(4, 4\), got \(25, 2\)\. Pass the layer"):
        plot_templates(axes(), model.layers[1], (4, 4))
    with pytest.raises(cp.ShapeError, match=r"expected names of shape \(2,\), got \(3,\)"):
        plot_templates(axes(), model.layers[1], (5, 5), names="abc")
    with pytest.raises(cp.ConfigError, match="most to be a whole number >= 1, got 0"):
        plot_filters(axes(), weights(3, 3, 1, 2), most=0)


def test_tiles_have_their_last_row_filled_where_that_is_possible() -> None:
    for n in range(1, 70):
        columns = nearly_square(n)
        assert 1 <= columns <= n
        found = tile(np.ones((n, 1, 1, 1)), columns, gap=0)
        assert np.nansum(found.mosaic) == n
    assert [nearly_square(n) for n in (1, 6, 16, 24, 64)] == [1, 3, 4, 6, 8]
