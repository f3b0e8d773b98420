"""Weights as images: a convolution's filters, and what a dense layer on images looks for."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from clearprop.arrays import Array, check_shape, shape_text
from clearprop.errors import ConfigError, ShapeError
from clearprop.layers import Layer
from clearprop.lens.style import INK, SIGNED, say
from clearprop.lens.tiles import head, nearly_square, show, signed_scale, size_text, tile
from clearprop.lens.words import percent
from clearprop.names import check_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CHANNELS = 16  # of a filter that is drawn channel by channel


def plot_filters(ax: "Axes", weights: "Layer | Array", most: int = 64) -> "Axes":
    """A convolution's filters as images, in their order.

    With three channels a filter is one picture in colours; with one, one in shades; with another number, one row
    of pictures, a channel each. Shades have one scale for all filters, symmetric about 0; colours have grey as
    their 0. The title says the scale.

    Parameters
    ----------
    ax : matplotlib Axes
    weights : Layer or array of shape (KH, KW, C, F)
        Conv2D or ConvTranspose2D of a built network, `model.layers[0]`; or Conv1D, (K, C, F), whose filters are
        pictures with time to the right and channels downwards.
    most : int
        Of more filters, the first so many are drawn; of a filter's channels the first 16.

    Raises
    ------
    ConfigError, ShapeError
        If there are no such weights.

    Examples
    --------
    >>> import clearprop as cp
    >>> from matplotlib.figure import Figure
    >>> model = cp.Sequential([cp.Conv2D(8, 3)], input_shape=(28, 28, 1))
    >>> plot_filters(Figure().subplots(), model.layers[0]).images[0].get_array().shape
    (7, 15)
    """
    w = _weights(weights, "plot_filters", "a convolution")
    if w.ndim == 3:
        w = w.transpose(1, 0, 2)[:, :, None]  # (C, K, 1, F)
    if w.ndim != 4:
        raise ShapeError(
            f"plot_filters: expected weights of shape (KH, KW, C, F), got {shape_text(w.shape)}. "
            "Pass a convolution; for a dense layer on images take plot_templates."
        )
    return _draw(ax, w, "filter", check_count("plot_filters", "most", most))


def plot_templates(
    ax: "Axes",
    weights: "Layer | Array",
    image_shape: Sequence[int],
    names: Sequence[str] = (),
    most: int = 64,
) -> "Axes":
    """What each unit of a dense layer on images looks for: its weights, in the places of the pixels.

    Drawn as `plot_filters` draws filters.

    Parameters
    ----------
    ax : matplotlib Axes
    weights : Layer or array of shape (D, M)
        The first Dense of a built network.
    image_shape : (H, W) or (H, W, C)
        With D = H·W·C numbers.
    names : sequence of str, optional
        One for each unit, to stand below its picture: class names, where the layer gives the scores.
    most : int
        Of more units, the first so many are drawn.

    Raises
    ------
    ConfigError, ShapeError
        If there are no such weights, or the images have another number of pixels.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = plot_templates(Figure().subplots(), np.zeros((784, 10)), (28, 28), names=[*"0123456789"])
    >>> [text.get_text() for text in ax.texts][:3]
    ['0', '1', '2']
    """
    w = _weights(weights, "plot_templates", "a Dense layer")
    if len(image_shape) not in (2, 3) or w.ndim != 2 or len(w) != prod(image_shape):
        raise ShapeError(
            f"plot_templates: expected weights of shape (H·W·C, M) for image_shape={shape_text(image_shape)}, "
            f"got {shape_text(w.shape)}. Pass the layer that sees the images, and the shape that they have."
        )
    H, W, C = (*image_shape, 1)[:3]
    if names:
        check_shape("plot_templates", "names", (len(names),), (w.shape[1],), "One name for each unit.")
    return _draw(ax, w.reshape(H, W, C, -1), "unit", check_count("plot_templates", "most", most), names)


def _weights(given: "Layer | Array", who: str, wanted: str) -> Array:
    """The weights themselves: a layer's w, or the array."""
    w = getattr(given, "w", None) if isinstance(given, Layer) else np.asarray(given)
    if w is None:
        raise ConfigError(
            f"{who}: expected {wanted} of a built network, got {given}, which has no weights w. "
            "Pass one of model.layers."
        )
    return w


def _draw(ax: "Axes", w: Array, what: str, most: int, names: Sequence[str] = ()) -> "Axes":
    """(H, W, C, F) as F pictures, or as F rows of C pictures."""
    H, W, C, F = w.shape
    shown = w[..., :most].astype(np.float64)
    if not np.isfinite(shown).all():
        return say(
            ax, f"Some of the weights are not finite numbers: {percent(float(np.isfinite(w).mean()))} are."
        )
    drawn = f"the first {most} of {F} {what}s" if most < F else f"{F} {what}{'s' if F > 1 else ''}"
    words = f"{drawn}, {size_text((H, W, C) if C > 1 else (H, W))}"
    if C == 3:
        peak = np.abs(shown).max(axis=(0, 1, 2), keepdims=True)
        images = np.moveaxis(0.5 + shown / np.where(peak > 0, 2 * peak, 1), 3, 0)
        tiles = tile(images, nearly_square(len(images), H, W), gap=_gap(W))
        head(show(ax, tiles.mosaic), f"{words}: 0 is grey, each scaled by its own largest weight")
        return _name(ax, tiles.corners, H, names)
    channels = min(C, MOST_CHANNELS)
    images = shown[:, :, :channels].transpose(3, 2, 0, 1).reshape(-1, H, W, 1)
    columns = channels if C > 1 else nearly_square(len(images), H, W)
    below = round(0.3 * H) + 1 if names else None
    tiles = tile(images, columns, gap=_gap(W), below=below)
    peak = float(np.abs(images).max()) or 1.0
    if C > 1:
        rows = f"each row a {what}, " + (f"its first {channels} channels" if channels < C else "its channels")
        words = f"{words}: {rows}"
    head(show(ax, tiles.mosaic, cmap=SIGNED, vmin=-peak, vmax=peak), f"{words}\n{signed_scale(peak)}")
    return _name(ax, tiles.corners if C == 1 else [], H, names)


def _gap(W: int) -> int:
    return max(1, round(0.1 * W))


def _name(ax: "Axes", corners: Sequence[tuple[int, int]], H: int, names: Sequence[str]) -> "Axes":
    for (top, left), name in zip(corners, names, strict=False):
        ax.text(left, top + H, str(name), ha="left", va="top", fontsize=8.5, color=INK)
    return ax
