"""Curves of training runs: per step, per epoch, several runs, and predicted numbers against the true ones."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from clearprop.arrays import Array
from clearprop.history import History
from clearprop.lens.style import INK, OTHERS, Look, class_look, legend_above, look, plain, say
from clearprop.metrics import r2_score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTH_FROM = 50  # steps, from which on a moving mean is drawn over them
MOST_STEPS = 2000  # that a picture can show; of more, the smallest and the largest of each group are drawn
MOST_POINTS = 5000  # of a scatter plot
LONGEST_NAME = 34  # letters of a run's name that a legend has room for
LOG_FROM = 30.0  # so many times must a loss fall to be drawn on a logarithmic axis

Points = tuple[Array, Array]


def plot_steps(ax: "Axes", history: History, what: str = "loss") -> "Axes":
    """The training batches step by step, with the watched sets at the steps where they were evaluated.

    Parameters
    ----------
    ax : matplotlib Axes
    history : History
    what : str
        "loss" or the history's metric.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> history = History("accuracy")
    >>> history.steps["loss"] = [1.1, 0.7, 0.4]
    >>> plot_steps(Figure().subplots(), history, "loss").get_xlabel()
    'step'
    """
    train = _finite(np.arange(1, len(history.steps.get(what, [])) + 1), history.steps.get(what, []))
    watched = {name: _watched(history, f"{name}_{what}") for name in _sets(history, what)}
    if not len(train[0]) and not any(len(steps) for steps, _ in watched.values()):
        return say(ax, f"No {_words(what)} was recorded per step.")
    looks, lines = _looks(["train", *watched]), []
    if len(train[0]) > SMOOTH_FROM:
        ax.plot(*_thinned(*train), color=looks["train"].shade, linewidth=0.8, label="each training batch")
        width = _width(len(train[0]))
        lines.append((train[0], _moving_mean(train[1], width)))
        _curve(ax, *_every(*lines[0]), looks["train"], f"train, mean of {width} steps", markers=False)
    elif len(train[0]):
        lines.append(train)
        _curve(ax, *train, looks["train"], "train, each batch")
    for name, points in watched.items():
        lines.append(points)
        _curve(ax, *points, looks[name], name)
    return _finished(ax, "step", what, lines)


def plot_epochs(ax: "Axes", history: History, what: str = "loss") -> "Axes":
    """Each epoch's mean over the training batches, and the watched sets after it; the legend has the last values.

    Parameters
    ----------
    ax : matplotlib Axes
    history : History
    what : str
        "loss" or the history's metric.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> history = History("accuracy")
    >>> history.epochs = [{"epoch": 1, "loss": 0.7, "validation_loss": 0.8}]
    >>> ax = plot_epochs(Figure().subplots(), history, "loss")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['train 0.7', 'validation 0.8']
    """
    columns = {"train": what} | {name: f"{name}_{what}" for name in _sets(history, what)}
    curves = {}
    for name, column in columns.items():
        points = _of_epochs(history, column)
        if len(points[0]):
            curves[name] = points
    if not curves:
        return say(ax, f"No {_words(what)} was recorded per epoch.")
    looks = _looks(list(columns))
    for name, points in curves.items():
        _curve(ax, *points, looks[name], f"{name} {points[1][-1]:.4g}")
    return _finished(ax, "epoch", what, list(curves.values()))


def plot_runs(ax: "Axes", histories: Mapping[str, History], column: str, by: str = "epoch") -> "Axes":
    """One column of several runs, a curve each; the legend has the last values.

    Parameters
    ----------
    ax : matplotlib Axes
    histories : mapping of str to History
        The runs by their names, long ones cut where that tells them apart. One that has no such column is left out.
    column : str
        "loss", "validation_accuracy" and the like; by steps it is one of the training batches.
    by : str
        "epoch", or "step": a moving mean of the batches.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> slow, fast = History("accuracy"), History("accuracy")
    >>> slow.epochs, fast.epochs = [{"epoch": 1, "loss": 0.7}], [{"epoch": 1, "loss": 0.2}]
    >>> ax = plot_runs(Figure().subplots(), {"slow": slow, "fast": fast}, "loss")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['slow 0.7', 'fast 0.2']
    """
    lines = []
    for k, (name, history) in enumerate(zip(_short_names(list(histories)), histories.values(), strict=True)):
        points = _of_epochs(history, column) if by == "epoch" else _of_steps(history, column)
        if len(points[0]):
            lines.append(points)
            _curve(ax, *_every(*points), class_look(k), f"{name} {points[1][-1]:.4g}", by == "epoch")
    if not lines:
        return say(ax, f"No {_words(column)} was recorded per {by}.")
    _finished(ax, by, "accuracy" if column.endswith("accuracy") else column, lines)
    ax.set_ylabel(ax.get_ylabel().replace("accuracy", _words(column)))
    return ax


def _short_names(names: Sequence[str]) -> list[str]:
    """Long names cut to what tells them apart: a sweep's trials to their numbers, others at an end."""
    if max(map(len, names), default=0) <= LONGEST_NAME:
        return list(names)
    most = LONGEST_NAME - 1
    numbers = [name.partition(",")[0] for name in names]
    firsts = [name if len(name) <= LONGEST_NAME else f"{name[:most]}…" for name in names]
    lasts = [name if len(name) <= LONGEST_NAME else f"…{name[-most:]}" for name in names]
    return next((cut for cut in (numbers, firsts, lasts) if len(set(cut)) == len(names)), list(names))


def plot_predicted(ax: "Axes", y_true: Array, y_pred: Array) -> "Axes":
    """Predicted numbers against the true ones, each output in its own look, and the line where both are equal.

    Parameters
    ----------
    ax : matplotlib Axes
    y_true, y_pred : arrays of shape (N, …)
        Of more than 5,000 rows, 5,000 that are evenly spaced are drawn. More than 4 outputs have one look together.
    """
    if not len(y_true):
        return say(ax, "There is no example.")
    true, pred = (np.reshape(y, (len(y), -1)) for y in (y_true, y_pred))
    counted = f"{len(true):,} examples"
    r2 = r2_score(true, pred) if len(true) > 1 else None
    score = "" if r2 is None else f", R² {r2:.3f}" if r2 > -100 else f", R² {r2:.3g}"
    if true.shape[1] > len(OTHERS):
        counted += f", all {true.shape[1]:,} outputs"
        true, pred = true.reshape(-1, 1), pred.reshape(-1, 1)
    rows = np.linspace(0, len(true) - 1, min(len(true), MOST_POINTS)).astype(int)
    true, pred = true[rows], pred[rows]
    names = [f"output {m}" for m in range(true.shape[1])] if true.shape[1] > 1 else ["train"]
    ends = [min(true.min(), pred.min()), max(true.max(), pred.max())]
    ax.plot(ends, ends, color=INK, linewidth=1, label="predicted = true")
    for m, (name, style) in enumerate(_looks(names).items()):
        label = name if len(names) > 1 else counted
        ax.plot(
            true[:, m], pred[:, m], style.marker, color=style.color, markersize=4, alpha=0.6, markeredgewidth=0,
            label=label,
        )  # fmt: skip
    ax.set_xlabel("true")
    ax.set_ylabel(f"predicted{score}")
    legend_above(ax)
    return plain(ax)


def _curve(ax: "Axes", x: Array, y: Array, style: Look, label: str, markers: bool = True) -> None:
    """One line; its markers stand apart, and not where another curve has its own."""
    apart = max(1, ceil(len(x) / 12))
    offset = {"o": 0, "s": apart // 3, "^": 2 * apart // 3}.get(style.marker, apart // 2)
    ax.plot(
        x, y, color=style.color, linestyle=style.dashes, linewidth=1.8, label=label,
        marker=style.marker if markers or len(x) == 1 else "", markersize=5.5, markevery=(offset, apart),
    )  # fmt: skip


def _finished(ax: "Axes", x: str, what: str, lines: list[Points]) -> "Axes":
    """Labels, scales and legend."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    xs, ys = (np.concatenate(values) for values in zip(*lines, strict=True))
    logarithmic = what != "accuracy" and ys.min() > 0 and ys.max() > LOG_FROM * ys.min()
    if logarithmic:
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        subs = (1, 2, 5) if high < 1e3 * low else (1,)  # over many decades, some powers of ten
        ax.yaxis.set_major_locator(LogLocator(subs=subs, numticks=9))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    if what == "accuracy":
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, -0.03), min(high, 1.03))
    if xs.min() == xs.max():
        ax.set_xlim(xs[0] - 0.5, xs[0] + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    ax.set_xlabel(x)
    ax.set_ylabel(_words(what) + (" (logarithmic)" if logarithmic else ""))
    legend_above(ax)
    return plain(ax)


def _sets(history: History, what: str) -> list[str]:
    """The watched sets' names, validation and test first."""
    columns = {key for row in (*history.epochs, *history.watched) for key in row}
    names = {key.removesuffix(f"_{what}") for key in columns if key.endswith(f"_{what}")}
    return sorted(names, key=lambda name: ({"validation": 0, "test": 1}.get(name, 2), name))


def _of_epochs(history: History, column: str) -> Points:
    rows = [row for row in history.epochs if column in row]
    return _finite([row["epoch"] for row in rows], [row[column] for row in rows])


def _of_steps(history: History, column: str) -> Points:
    """A moving mean, over as many steps as smooth the whole run's curve."""
    values = history.steps.get(column, [])
    steps, finite = _finite(np.arange(1, len(values) + 1), values)
    return (
        (steps, _moving_mean(finite, _width(len(finite)))) if len(finite) > SMOOTH_FROM else (steps, finite)
    )


def _width(steps: int) -> int:
    """Of a moving mean."""
    return max(5, steps // 40)


def _watched(history: History, column: str) -> Points:
    rows = [row for row in (*history.watched, *history.epochs) if column in row and "step" in row]
    values = {row["step"]: row[column] for row in rows}
    return _finite(sorted(values), [values[step] for step in sorted(values)])


def _looks(names: list[str]) -> dict[str, Look]:
    own = [name for name in names if name not in ("train", "validation", "test")]
    return {name: look(name, own.index(name) if name in own else 0) for name in names}


def _finite(x: "Array | list[float]", y: "Array | list[float]") -> Points:
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    kept = np.isfinite(ys)
    return xs[kept], ys[kept]


def _moving_mean(y: Array, width: int) -> Array:
    """Each value's mean with its neighbours; at the ends, with those that there are."""
    sums = np.concatenate([[0.0], np.cumsum(y)])
    i = np.arange(len(y))
    start, stop = np.maximum(i - width // 2, 0), np.minimum(i + width - width // 2, len(y))
    mean: Array = (sums[stop] - sums[start]) / (stop - start)
    return mean


def _thinned(x: Array, y: Array) -> Points:
    """The same outline with fewer points: of each group of neighbours the smallest and the largest."""
    size = ceil(len(x) / MOST_STEPS) * 2
    if size == 2:
        return x, y
    n = len(x) // size * size
    groups = y[:n].reshape(-1, size)
    outline = np.stack([groups.min(axis=1), groups.max(axis=1)], axis=1).ravel()
    return np.append(x[: n : size // 2], x[n:]), np.append(outline, y[n:])


def _every(x: Array, y: Array) -> Points:
    """Every so many points of a smooth line, the last one among them."""
    rows = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_STEPS)).astype(int))
    return x[rows], y[rows]


def _words(what: str) -> str:
    return what.replace("_", " ")
