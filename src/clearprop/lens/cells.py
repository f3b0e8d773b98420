"""Pictures made of cells: the confusion matrix, and the examples that a network gets most wrong."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.arrays import Array, check_shape
from clearprop.errors import ConfigError
from clearprop.lens.style import INK, LOOKS, bare, say
from clearprop.lens.tiles import show, tile
from clearprop.lens.words import class_name, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLASSES = 25  # of which the numbers can still be read
MOST_FEATURES = 8  # columns of a table
MOST_LABELS = 6  # of one example, written out
IN_A_ROW = 6  # images
CELL = 0.52  # inches, a cell of the confusion matrix


def plot_confusion(ax: "Axes", confusion: Array, class_names: Sequence[str] = ()) -> "Axes":
    """How often each true class (row) was predicted as each class (column), with the shares of the row.

    Parameters
    ----------
    ax : matplotlib Axes
        `confusion_size` says how large it wants to be.
    confusion : array of shape (K, K)
        As `confusion_matrix` gives it. Above 25 classes only the shades are drawn.
    class_names : sequence of str, optional
        One for each class; by default the labels 0 to K − 1.

    Raises
    ------
    ShapeError, ConfigError
        If the matrix is not square, or has another number of classes than names.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = plot_confusion(Figure().subplots(), np.array([[9, 1], [0, 10]]), ["no", "yes"])
    >>> ax.get_title(loc="left")
    '19 of 20 right (95.0 %)'
    """
    confusion = np.asarray(confusion)
    K = len(confusion)
    check_shape("plot_confusion", "confusion", confusion.shape, (K, K))
    names = _names(class_names, K)
    if len(names) != K:
        raise ConfigError(
            f"plot_confusion: expected {K} class_names, one for each row of the matrix, got {len(names)}. "
            "Name every class, or none."
        )
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    upright = max(len(name) for name in names) > 6 and K > 3
    ax.set_xticks(range(K), names, rotation=90 if upright else 0)
    ax.set_yticks(range(K), names)
    ax.set_xticks(np.arange(K - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(K - 1) + 0.5, minor=True)
    ax.grid(True, which="minor", color="white", linewidth=1.2)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    right, total = int(np.trace(confusion)), int(confusion.sum())
    ax.set_title(f"{right:,} of {total:,} right ({right / max(total, 1):.1%})".replace("%", " %"), loc="left")
    size = 12 if K <= 5 else 8.5  # points
    if K <= MOST_CLASSES:
        for i, j in np.argwhere(confusion):
            color = "white" if shares[i, j] > 0.55 else INK
            ax.text(j, i - 0.04, f"{confusion[i, j]:,}", ha="center", va="bottom", color=color, fontsize=size)
            ax.text(
                j, i + 0.06, percent(shares[i, j]), ha="center", va="top", color=color, fontsize=0.82 * size
            )
    return ax


def confusion_size(n_classes: int, class_names: Sequence[str] = ()) -> tuple[float, float]:
    """Width and height in inches of a figure in which `plot_confusion` can be read."""
    letters = max((len(name) for name in _names(class_names, n_classes)), default=1)
    cells = max(3.2, CELL * min(n_classes, MOST_CLASSES))
    return cells + 0.8 + 0.08 * letters, cells + 0.9 + (0.08 * letters if letters > 6 else 0)


def plot_worst(
    ax: "Axes",
    x: Array,
    y_true: Array,
    y_pred: Array,
    probability: Array | None = None,
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    rows: Array | None = None,
    columns: int = IN_A_ROW,
) -> "Axes":
    """Examples with what they are and what was predicted: pictures for images, else a table of their features.

    Parameters
    ----------
    ax : matplotlib Axes
        `worst_size` says how large it wants to be.
    x : array of shape (N, H, W, 1), (N, H, W, 3) or (N, D)
        The examples to show, in their order. Pixels may have any range. Of a table's features the first 8 are shown.
    y_true, y_pred : arrays of shape (N, …)
        Labels, or numbers. Of more than 6 an example only how many are wrong, or by how much, is said.
    probability : array of shape (N,), optional
        Of what was predicted.
    class_names, feature_names : sequences of str, optional
        By default the labels, and x0, x1, …
    rows : array of shape (N,), optional
        The examples' row numbers, to be shown in a table.
    columns : int
        How many images stand in a row.
    """
    if not len(x):
        return say(ax, "There is no example.")
    true, pred = words_of(y_true, y_pred, class_names)
    colors = [INK] * len(x)
    if y_pred.dtype.kind in "biu":  # wrong labels stand out
        right = (y_true == y_pred).reshape(len(x), -1).all(axis=1)
        colors = [INK if good else LOOKS["validation"].color for good in right]
    sure = [""] * len(x) if probability is None else [percent(float(p)) for p in probability]
    if x.ndim == 4:
        if y_true.size <= MOST_LABELS * len(x):  # else they are no labels, but how many there are
            true, pred = [f"is {t}" for t in true], [f"said {p}" for p in pred]
        return _draw_images(ax, pixels(x), true, pred, sure, colors, min(len(x), columns))
    return _draw_table(ax, *_table(x, true, pred, sure, feature_names, rows), colors)


def worst_size(
    x: Array,
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    columns: int = IN_A_ROW,
) -> tuple[float, float]:
    """Width and height in inches of a figure in which `plot_worst` can be read."""
    if x.ndim == 4:
        columns = min(len(x), columns)
        return 1.5 * columns + 0.2, 1.95 * ceil(len(x) / columns) + 0.2
    features = [max(9, len(n) + 2) for n in _feature_names(feature_names, int(np.prod(x.shape[1:])))]
    letters = sum(features[:MOST_FEATURES]) + 2 * max(10, *map(len, class_names), 0) + 22
    return 0.085 * letters + 0.4, 0.27 * (len(x) + 2) + 0.3


def _draw_images(
    ax: "Axes",
    images: Array,
    true: list[str],
    pred: list[str],
    sure: list[str],
    colors: list[str],
    columns: int,
) -> "Axes":
    """One mosaic of all the images, with two lines of words under each."""
    H, W = images.shape[1:3]
    gap, below = max(1, round(0.12 * W)), round(0.36 * H)
    tiles = tile(images, columns, gap, below, ground=1.0)
    for (top, left), t, p, probability, color in zip(tiles.corners, true, pred, sure, colors, strict=True):
        said = p + (f", {probability}" if probability else "")
        for line, (words, ink) in enumerate([(t, INK), (said, color)]):
            y = top + (1.02 + 0.135 * line) * H
            ax.text(left, y, words, ha="left", va="top", fontsize=8.5, color=ink)
    return show(ax, tiles.mosaic, cmap="gray", vmin=0, vmax=1)


def _draw_table(ax: "Axes", head: list[str], cells: list[list[str]], colors: list[str]) -> "Axes":
    """Right-aligned columns of words under a line."""
    widths = [max(map(len, column)) + 2 for column in zip(head, *cells, strict=True)]
    right = np.cumsum(widths)
    for line, row in enumerate([head, *cells]):
        for column, word in enumerate(row):
            color = colors[line - 1] if line > 0 and head[column] == "predicted" else INK
            weight = "normal" if line > 0 else "bold"
            ax.text(
                right[column] - 0.5, line + 0.5, word,
                ha="right", va="center", fontsize=9, fontweight=weight, color=color,
            )  # fmt: skip
    bare(ax)
    rules = [INK] + ["#dddddd"] * (len(cells) - 1)
    ax.hlines(np.arange(1, len(cells) + 1), 0, right[-1], color=rules, linewidth=0.8)
    ax.set_xlim(0, right[-1])
    ax.set_ylim(len(cells) + 1, 0)
    return ax


def _table(
    x: Array,
    true: list[str],
    pred: list[str],
    sure: list[str],
    feature_names: Sequence[str],
    rows: Array | None,
) -> tuple[list[str], list[list[str]]]:
    """The head, and each example's words."""
    columns = [("row", [str(int(r)) for r in rows])] if rows is not None else []
    columns += feature_columns(x, feature_names)
    columns += [("true", true), ("predicted", pred)]
    if any(sure):
        columns.append(("probability", sure))
    return [head for head, _ in columns], [[words[n] for _, words in columns] for n in range(len(x))]


def feature_columns(x: Array, feature_names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The first features of examples, each with its name and its numbers in words, and how many more there are."""
    flat = x.reshape(len(x), -1)
    heads = _feature_names(feature_names, flat.shape[1])[:MOST_FEATURES]
    columns = [(head, _aligned(flat[:, d])) for d, head in enumerate(heads)]
    more = flat.shape[1] - len(heads)
    return [*columns, (f"and {more} more", ["…"] * len(x))] if more else columns


def _aligned(values: Array) -> list[str]:
    """Numbers with four digits or fewer, and all with as many behind the point."""
    words = [f"{float(value):.4g}" for value in values]
    if any("e" in word or "n" in word for word in words):
        return words
    decimals = min(4, max(len(word.partition(".")[2]) for word in words))
    return [f"{float(value):.{decimals}f}" for value in values]


def pixels(x: Array) -> Array:
    """Images from 0 to 1, (N, H, W, 1 or 3), by the smallest and the largest pixel shown."""
    if x.shape[3] not in (1, 3):
        x = x.mean(axis=3, keepdims=True)
    x = np.nan_to_num(x.astype(np.float64))
    low, high = x.min(), x.max()
    scaled: Array = (x - low) / (high - low if high > low else 1.0)
    return scaled


def words_of(y_true: Array, y_pred: Array, class_names: Sequence[str]) -> tuple[list[str], list[str]]:
    """What examples are, and what was predicted; of many labels an example only how many are wrong.

    >>> words_of(np.array([[0, 1], [1, 1]]), np.array([[0, 1], [0, 1]]), ["no", "yes"])
    (['no, yes', 'yes, yes'], ['no, yes', 'no, yes'])
    >>> words_of(np.zeros((1, 9), int), np.eye(9, dtype=int)[:1], [])
    (['9 labels'], ['1 wrong'])
    """
    N = len(y_true)
    true, pred = y_true.reshape(N, -1), y_pred.reshape(N, -1)
    if (size := true.shape[1]) <= MOST_LABELS:
        words = [[", ".join(_label(v, class_names) for v in row) for row in y] for y in (true, pred)]
        return words[0], words[1]
    if y_true.dtype.kind in "biu":
        return [f"{size:,} labels"] * N, [f"{wrong:,} wrong" for wrong in (true != pred).sum(axis=1)]
    off = np.abs(true.astype(np.float64) - pred).mean(axis=1)
    return [f"{size:,} numbers"] * N, [f"off by {value:.2g}" for value in off]


def _label(value: Any, class_names: Sequence[str]) -> str:
    if isinstance(value, np.bool_):
        return "yes" if value else "no"
    if isinstance(value, np.integer):
        return class_name(int(value), class_names)
    return f"{float(value):.4g}"


def _names(given: Sequence[str], count: int) -> list[str]:
    return [str(name) for name in given] or [str(k) for k in range(count)]


def _feature_names(given: Sequence[str], count: int) -> list[str]:
    return [str(name) for name in given] or [f"x{d}" for d in range(count)]
