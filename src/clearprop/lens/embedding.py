"""Hidden states in the plane: the two directions in which they vary most."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import DataError
from clearprop.lens.states import as_batch, as_labels, layer_number, layer_output
from clearprop.lens.style import INK, class_look, legend_above, plain, say
from clearprop.lens.words import class_name, percent
from clearprop.model import Sequential
from clearprop.names import check_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 1000  # more hide one another


class Components(NamedTuple):
    """Principal components: what they are, and the points seen along them."""

    points: Array  # (N, k)
    directions: Array  # (k, D), of length 1; each one's largest number is positive
    shares: Array  # (k,): of the whole variance


def principal_components(x: Array, k: int = 2) -> Components:
    """The k directions in which x varies most (Pearson 1901), by the singular values of x minus its mean.

    Parameters
    ----------
    x : array of shape (N, …)
        Each example's numbers are taken as one row.
    k : int
        No more than there are examples or numbers.

    Raises
    ------
    DataError
        If x has fewer than two examples or fewer than k numbers in each, or is not finite.

    Examples
    --------
    >>> principal_components(np.array([[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]]), k=1).shares
    array([1.])
    """
    rows = np.asarray(x).reshape(len(x), -1)
    k = check_count("principal_components", "k", k)
    if len(rows) < 2 or min(rows.shape) < k or not np.isfinite(rows).all():
        raise DataError(
            f"principal_components: expected at least {max(2, k)} finite rows of at least {k} numbers, got "
            f"{rows.shape[0]} of {rows.shape[1]}. Take more examples, or a layer with more units."
        )
    centred = rows - rows.mean(axis=0)
    u, s, v = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(v[np.arange(k), np.abs(v[:k]).argmax(axis=1)])
    total = float((s * s).sum())
    shares = s[:k] ** 2 / total if total > 0 else np.zeros(k)
    return Components(u[:, :k] * s[:k] * signs, v[:k] * signs[:, None], shares)


def plot_embedding(
    ax: "Axes",
    model: Sequential,
    x: Any,
    y: Any,
    layer: int | None = None,
    class_names: Sequence[str] = (),
) -> "Axes":
    """Examples where a layer puts them, by its two principal components, with a colour and a marker for each class.

    Parameters
    ----------
    ax : matplotlib Axes
    model : Sequential
    x : array of shape (N, *input_shape)
        Of more than 1,000 rows, 1,000 that are evenly spaced are drawn.
    y : array of shape (N,)
        Labels.
    layer : int, optional
        Whose output, as the summary numbers them; by default the last hidden one, which the last layer with
        parameters sees. −1 are the scores.
    class_names : sequence of str, optional
        By default the labels.

    Raises
    ------
    ShapeError, DataError, ConfigError
        If x or y does not fit, or there is no such layer.
    """
    who = "plot_embedding"
    x = as_batch(model, x, who)
    y = as_labels(y, len(x), who, "Labels colour the points.")
    number = _last_hidden(model) if layer is None else layer_number(model, layer, who)
    if not len(x):
        return say(ax, "There is no example.")
    rows = np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(int)
    x, y = x[rows], y[rows]
    states = (layer_output(model, x, number) if number >= 0 else x).reshape(len(x), -1).astype(np.float64)
    where = f"layer {number}, {model.layers[number]}" if number >= 0 else "the network's input"
    if min(states.shape) < 2 or not np.isfinite(states).all():
        return say(
            ax,
            f"{where[0].upper()}{where[1:]} gives no two finite numbers for two examples: nothing to draw.",
        )
    found = principal_components(states)
    for k in np.unique(y):
        style, own = class_look(int(k)), found.points[y == k]
        ax.plot(
            own[:, 0], own[:, 1], style.marker, color=style.color, markersize=4.5, alpha=0.75, markeredgewidth=0,
            label=class_name(int(k), class_names), linestyle="none",
        )  # fmt: skip
    for k in np.unique(y):  # above all points
        at = np.median(found.points[y == k], axis=0)
        ax.text(
            at[0], at[1], class_name(int(k), class_names), ha="center", va="center", fontsize=9, fontweight="bold",
            color=INK,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )  # fmt: skip
    first, second = (f"{percent(share)} of the variance" for share in found.shares)
    ax.set_xlabel(f"first principal component ({first})")
    ax.set_ylabel(f"second principal component ({second})")
    ax.text(
        1.0, 0.01, f"{where}: {states.shape[1]} numbers", transform=ax.transAxes, ha="right", va="bottom",
        fontsize=8, color=INK,
    )  # fmt: skip
    legend_above(ax)
    return plain(ax)


def _last_hidden(model: Sequential) -> int:
    """The layer before the last one with parameters; −1, the input, where there is none."""
    trained = [int(name.partition(".")[0]) for name in model.layout.spans]
    return (trained[-1] if trained else len(model.layers) - 1) - 1
