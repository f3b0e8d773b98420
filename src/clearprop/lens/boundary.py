"""Decision boundaries: what a network predicts all over a plane of two features."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.errors import ConfigError, ShapeError
from clearprop.lens.states import as_batch, as_labels
from clearprop.lens.style import INK, class_look, legend_above, plain, say
from clearprop.lens.words import class_name
from clearprop.model import Sequential
from clearprop.names import check_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELLS = 200  # of the plane, to each side
MOST_CLASSES = 20
MARGIN = 0.08  # around the examples, of their range


def plot_boundary(
    ax: "Axes",
    model: Sequential,
    x: Any,
    y: Any,
    features: tuple[int, int] = (0, 1),
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
) -> "Axes":
    """The plane of two features, shaded by the predicted class, with the examples in it; wrong ones have a ring.

    Where the network sees more than two features, the others are at their mean over x: the examples lie beside
    that plane, so that one may be right though it stands on another class's ground.

    Parameters
    ----------
    ax : matplotlib Axes
    model : Sequential
        A classifier of rows (N, D), D at least 2.
    x : array of shape (N, D)
    y : array of shape (N,)
        Labels.
    features : pair of int
        The columns of x that span the plane.
    class_names, feature_names : sequences of str, optional
        By default the labels, and x0, x1, …

    Raises
    ------
    ShapeError, DataError, ConfigError
        If x, y or the features do not fit.
    """
    who = "plot_boundary"
    if len(model.input_shape) != 1 or model.input_shape[0] < 2 or len(model.output_shape) != 1:
        raise ShapeError(
            f"{who}: expected a network from rows (N, D) of at least 2 features to scores (N, K), got one from "
            f"{shape_text(('N', *model.input_shape))} to {shape_text(('N', *model.output_shape))}. "
            "For images take plot_embedding."
        )
    a, b = _features(features, model.input_shape[0], who)
    x = as_batch(model, x, who)
    y = as_labels(y, len(x), who, "Numbers have no boundary.")
    if not len(x):
        return say(ax, "There is no example.")
    K = max(model.output_shape[0], 2)
    if K > MOST_CLASSES:
        return say(ax, f"The shades of {K} classes cannot be told apart.")
    if not np.isfinite(model.params).all():
        return say(ax, "The network's parameters are not finite: it predicts nothing.")
    edges = [_edges(x[:, f]) for f in (a, b)]
    _shade(ax, *_plane(model, x, (a, b), edges), edges)
    _draw_examples(ax, x[:, [a, b]], y, model.predict(x), class_names)
    names = [str(feature_names[f]) if f < len(feature_names) else f"x{f}" for f in (a, b)]
    ax.set_xlabel(names[0])
    others = model.input_shape[0] - 2
    ax.set_ylabel(names[1])
    if others:
        words = f"at its mean: the {'other feature' if others == 1 else f'{others} other features'}"
        ax.text(1.0, -0.13, words, transform=ax.transAxes, ha="right", va="top", fontsize=8, color=INK)
    legend_above(ax)
    plain(ax).grid(False)
    return ax


def _features(given: Any, D: int, who: str) -> tuple[int, int]:
    if not isinstance(given, tuple | list) or len(given) != 2 or given[0] == given[1]:
        raise ConfigError(f"{who}: expected features to be two different columns of x, got {given!r}.")
    for feature in given:
        if check_count(who, "features", feature, least=0) >= D:
            raise ConfigError(f"{who}: expected features below {D}, the columns of x, got {given!r}.")
    return int(given[0]), int(given[1])


def _edges(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    margin = MARGIN * (high - low) or 0.5
    return np.linspace(low - margin, high + margin, CELLS + 1)


def _plane(
    model: Sequential, x: Array, features: tuple[int, int], edges: Sequence[Array]
) -> tuple[Array, Array]:
    """At the middle of each cell the predicted class, (rows, columns), and the scores, (rows, columns, K)."""
    middles = [(e[1:] + e[:-1]) / 2 for e in edges]
    cells = np.tile(x.mean(axis=0), (CELLS * CELLS, 1))
    cells[:, features[0]] = np.tile(middles[0], CELLS)
    cells[:, features[1]] = np.repeat(middles[1], CELLS)
    predicted = model.predict(cells)
    if predicted.dtype.kind not in "iu":
        raise ConfigError(
            "plot_boundary: expected a classifier, and this network predicts numbers. Take plot_predicted."
        )
    if model.output_shape == (1,):
        one = model.probabilities(cells)
        scores = np.concatenate([1 - one, one], axis=1)
    else:
        scores = model.scores(cells)
    return predicted.reshape(CELLS, CELLS), scores.reshape(CELLS, CELLS, -1).astype(np.float64)


def _shade(ax: "Axes", plane: Array, scores: Array, edges: Sequence[Array]) -> None:
    """Each class's ground in its shade, with lines where it ends: where its score is no longer the highest."""
    from matplotlib.colors import ListedColormap

    K = scores.shape[2]
    (left, *_, right), (bottom, *_, top) = edges
    ax.imshow(
        plane, extent=(left, right, bottom, top), origin="lower", aspect="auto", interpolation="nearest",
        cmap=ListedColormap([class_look(k).shade for k in range(K)]), vmin=-0.5, vmax=K - 0.5, alpha=0.55,
    )  # fmt: skip
    middles = [(e[1:] + e[:-1]) / 2 for e in edges]
    for k in np.unique(plane)[1:]:  # the first class ends where the others begin
        ahead = scores[..., k] - np.delete(scores, k, axis=2).max(axis=2)
        ax.contour(*middles, ahead, levels=[0.0], colors=INK, linewidths=1.0)


def _draw_examples(ax: "Axes", points: Array, y: Array, predicted: Array, class_names: Sequence[str]) -> None:
    for k in np.unique(y):
        style, own = class_look(int(k)), points[y == k]
        ax.plot(
            own[:, 0], own[:, 1], style.marker, color=style.color, markersize=5.5, markeredgecolor="white",
            markeredgewidth=0.5, linestyle="none",
            label=class_name(int(k), class_names),
        )  # fmt: skip
    wrong = points[y != predicted]
    if len(wrong):
        ax.plot(
            wrong[:, 0], wrong[:, 1], "o", color="none", markeredgecolor=INK, markersize=10, markeredgewidth=1.0,
            linestyle="none", label=f"wrong: {len(wrong)} of {len(y)}",
        )  # fmt: skip
