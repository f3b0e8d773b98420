"""What a network does with an image: the responses of its filters, and the pixels that its score depends on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from clearprop.arrays import Array, check_shape, shape_text
from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.layers import Activation, Embedding
from clearprop.lens.cells import pixels
from clearprop.lens.states import as_batch, layer_number, layer_output
from clearprop.lens.style import AMOUNT, INK, SIGNED, bare, say
from clearprop.lens.tiles import head, nearly_square, show, signed_scale, size_text, tile
from clearprop.lens.words import class_name
from clearprop.model import Sequential
from clearprop.names import check_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_IMAGES = 8  # side by side


def plot_responses(
    ax: "Axes", model: Sequential, image: Any, layer: int | None = None, most: int = 64
) -> "Axes":
    """What a layer makes of one image: a picture for each filter, the image itself at the left.

    Parameters
    ----------
    ax : matplotlib Axes
    model : Sequential
    image : array of shape (H, W, C), or (1, H, W, C)
    layer : int, optional
        As the summary numbers them; by default the first activation after a convolution, or else the first
        layer that gives images.
    most : int
        Of more filters, the first so many are drawn.

    Raises
    ------
    ShapeError, DataError, ConfigError
        If the image does not fit, or the layer gives no images.
    """
    who = "plot_responses"
    _check_images(model, who)
    x = as_batch(model, image, who)
    check_shape(who, "image", x.shape, (1, *model.input_shape), "Pass one image, x[i].")
    number = _first_images(model) if layer is None else layer_number(model, layer, who)
    shape = model.shapes[number + 1]
    if len(shape) != 3:
        raise ShapeError(
            f"{who}: expected a layer that gives images (H, W, F), got layer {number}, {model.layers[number]}, "
            f"which gives {shape_text(shape)}. Take a layer before Flatten."
        )
    maps = layer_output(model, x, number)[0].astype(np.float64)
    F, most = shape[2], check_count(who, "most", most)
    if not np.isfinite(maps).all():
        return say(ax, f"What layer {number} gives is not finite.")
    images = maps[:, :, :most].transpose(2, 0, 1)[..., None]
    rows = tile(images, nearly_square(len(images), *shape[:2]), gap=max(1, round(0.08 * shape[1])))
    signed, peak = bool(maps.min() < 0), float(np.abs(maps).max()) or 1.0
    scale = signed_scale(peak) if signed else f"white is 0, dark {peak:.2g}"
    show(ax, rows.mosaic, cmap=SIGNED if signed else AMOUNT, vmin=-peak if signed else 0, vmax=peak)
    drawn = f"the first {most} of {F}" if most < F else f"{F}"
    head(ax, f"layer {number}, {model.layers[number]}: {drawn} of {size_text(shape[:2])}\n{scale}")
    _picture_at_left(ax, x, rows.mosaic.shape)
    return ax


def _picture_at_left(ax: "Axes", x: Array, shape: tuple[int, ...]) -> None:
    """The image itself, half as high as the sheet, in the same Axes."""
    H, W = x.shape[1:3]
    high = 0.5 * shape[0]
    wide = high * W / H
    right = -0.08 * wide
    picture = pixels(x)[0]
    ax.imshow(
        picture[..., 0] if picture.shape[2] == 1 else picture,
        extent=(right - wide, right, high - 0.5, -0.5), cmap="gray", vmin=0, vmax=1, aspect="equal",
    )  # fmt: skip
    ax.set_xlim(right - wide - 0.5, shape[1] - 0.5)
    ax.set_ylim(shape[0] - 0.5, -0.5)


def _first_images(model: Sequential) -> int:
    """The activation after the first convolution, or the first layer that gives images."""
    giving = [i for i, shape in enumerate(model.shapes[1:]) if len(shape) == 3]
    if not giving:
        raise ShapeError(
            "plot_responses: expected a layer that gives images (H, W, F), and the network has none. "
            "Take plot_templates for a dense layer on images."
        )
    first = next((i for i in giving if any(part.on_images for part in model.layers[i].parts())), giving[0])
    return first + 1 if first + 1 in giving and isinstance(model.layers[first + 1], Activation) else first


def saliency(model: Sequential, x: Any, labels: Any = None) -> Array:
    """|∂ score / ∂ x|: how much the score of a class depends on each number of x.

    Simonyan, Vedaldi & Zisserman (2013). The score is what the network gives before the softmax. The network's
    parameters and gradients stay as they are.

    Parameters
    ----------
    model : Sequential
        Whose scores are (N, K).
    x : array of shape (N, *input_shape), or one example
    labels : array of shape (N,), or a number for one example, optional
        The classes whose scores are asked for; by default each example's own highest one.

    Returns
    -------
    array of shape (N, *input_shape)

    Raises
    ------
    ShapeError, DataError, ConfigError
        If x or the labels do not fit, or x holds tokens, by which there is no derivative.

    Examples
    --------
    >>> import clearprop as cp
    >>> model = cp.Sequential([cp.Dense(2, init="zeros")], input_shape=(3,))
    >>> model.layers[0].w[:, 1] = [1.0, -2.0, 0.0]
    >>> saliency(model, [1.0, 0.0, 0.0])
    array([[1., 2., 0.]], dtype=float32)
    """
    who = "saliency"
    if any(isinstance(part, Embedding) for part in model.layers[0].parts()):
        raise ConfigError(f"{who}: expected x to hold numbers, and {model.layers[0]} reads tokens, by which there "
                          "is no derivative. Ask for the layers after it, as a network of their own.")  # fmt: skip
    check_shape(
        who, "scores", ("N", *model.output_shape), ("N", "K"), "Take a network that gives one row of scores."
    )
    x = as_batch(model, x, who)
    twin = model.replica(np.empty_like(model.grads))  # so that the model's own gradients stay
    scores, caches = twin.forward(x)
    chosen = scores.argmax(axis=1) if labels is None else np.atleast_1d(labels)
    check_shape(who, "labels", chosen.shape, (len(x),), "One class for each example.")
    K = scores.shape[1]
    if chosen.dtype.kind not in "iu" or (len(x) and not (chosen.min() >= 0 and chosen.max() < K)):
        raise DataError(
            f"{who}: expected labels to be whole numbers from 0 to {K - 1}, got {chosen.tolist()[:8]}."
        )
    dscores = np.zeros_like(scores)
    dscores[np.arange(len(x)), chosen] = 1
    strength: Array = np.abs(cast(Array, twin.backward(dscores, caches, need_dx=True)))
    return strength


def plot_saliency(
    ax: "Axes", model: Sequential, x: Any, labels: Any = None, class_names: Sequence[str] = ()
) -> "Axes":
    """Images, and below each one the pixels that its score depends on: |∂ score / ∂ x|, the largest of its channels.

    Parameters
    ----------
    ax : matplotlib Axes
    model : Sequential
    x : array of shape (N, H, W, C), or one image
        The first 8 are drawn. Rows of (N, H·W·C) are not images: build the network with Flatten() in front.
    labels : array of shape (N,), or a number for one image, optional
        The classes whose scores are asked for; by default the predicted ones.
    class_names : sequence of str, optional
        By default the labels.

    Raises
    ------
    ShapeError, DataError, ConfigError
        As `saliency`, and if x does not hold images.
    """
    _check_images(model, "plot_saliency")
    x = as_batch(model, x, "plot_saliency")[:MOST_IMAGES]
    if not len(x):
        return say(ax, "There is no image.")
    chosen = model.scores(x).argmax(axis=1) if labels is None else np.atleast_1d(labels)[:MOST_IMAGES]
    strength = saliency(model, x, chosen).max(axis=3).astype(np.float64)
    if not np.isfinite(strength).all():
        return say(ax, "The scores' derivatives are not finite.")
    peaks = strength.max(axis=(1, 2), keepdims=True)
    _, H, W, _ = x.shape
    wide, high = 1.08 * W, 1.08 * H
    for n, (picture, map_) in enumerate(
        zip(pixels(x), strength / np.where(peaks > 0, peaks, 1), strict=True)
    ):
        left = n * wide
        ax.imshow(
            picture[..., 0] if picture.shape[2] == 1 else picture,
            extent=(left, left + W, H, 0), cmap="gray", vmin=0, vmax=1,
        )  # fmt: skip
        ax.imshow(map_, extent=(left, left + W, high + H, high), cmap=AMOUNT, vmin=0, vmax=1)
        said = f"score of {class_name(int(chosen[n]), class_names)}"
        ax.text(left, high + 1.03 * H, said, ha="left", va="top", fontsize=8.5, color=INK)
    ax.set_xlim(0, len(x) * wide - 0.08 * W)
    ax.set_ylim(high + 1.15 * H, 0)
    ax.set_aspect("equal")
    head(ax, "|∂ score / ∂ pixel|: white is 0, dark each picture's own largest")
    return bare(ax)


def _check_images(model: Sequential, who: str) -> None:
    if len(model.input_shape) != 3:
        raise ShapeError(
            f"{who}: expected a network on images (N, H, W, C), got one with input_shape="
            f"{shape_text(model.input_shape)}. Build it with input_shape=(H, W, C), Flatten() first."
        )
