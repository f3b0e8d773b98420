"""Pictures of a training run: its curves, its confusion matrix, the examples that it gets most wrong.

Each `plot_` function draws into a Matplotlib Axes and gives it back; `save_run_plots` writes a run's pictures.
Matplotlib is imported when the first picture is drawn; no window is opened and no pyplot state is touched.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clearprop.arrays import Array
from clearprop.files import make_folder, replace_file
from clearprop.history import History
from clearprop.lens.cells import confusion_size, plot_confusion, plot_worst, worst_size
from clearprop.lens.curves import plot_epochs, plot_predicted, plot_runs, plot_steps
from clearprop.lens.style import DPI, bare, new_axes, say, styled
from clearprop.lens.tiles import head
from clearprop.losses import Loss, make_loss, predict_from, probabilities_from
from clearprop.metrics import confusion_matrix
from clearprop.model import Sequential
from clearprop.names import check_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HALF_A_ROW = 3  # images

__all__ = [
    "Predicted", "best_and_worst_size", "best_examples", "plot_best_and_worst", "plot_confusion",
    "plot_epochs", "plot_predicted", "plot_runs", "plot_steps", "plot_worst", "predict_set", "save_run_plots",
    "worst_examples",
]  # fmt: skip


class Predicted(NamedTuple):
    """A set of examples, and what a network makes of them. `_replace(x=…)` shows them as they were measured."""

    x: Array  # (N, ...): what the pictures show
    y_true: (
        Array  # (N,) labels, (N, …) a label at each place, (N, M) yes or no of each output, or (N, …) numbers
    )
    y_pred: Array  # same shape
    losses: Array  # (N,)
    probability: Array | None = (
        None  # (N,): of what was predicted; None for numbers, and for labels at places
    )


def predict_set(model: Sequential, x: Any, y: Any, loss: "str | Mapping[str, Any] | Loss") -> Predicted:
    """A set's predictions, losses and probabilities, in one pass.

    Parameters
    ----------
    model : Sequential
    x : array of shape (N, *input_shape)
    y : array
        Labels (N,), labels at each place (N, …) or targets, as the loss wants them.
    loss : str, mapping or Loss

    Raises
    ------
    ShapeError, DataError
        If x or y does not fit.

    Examples
    --------
    >>> import clearprop as cp
    >>> model = cp.Sequential([cp.Dense(2, init="zeros")], input_shape=(3,))
    >>> predict_set(model, np.ones((2, 3)), np.array([0, 1]), "softmax_cross_entropy").probability
    array([0.5, 0.5], dtype=float32)
    """
    loss = make_loss(loss)
    x = np.asarray(x)
    targets = loss.prepare(y, len(x), model.output_shape, model.dtype, "predict_set")
    scores = model.scores(x)
    losses = loss(scores, targets)[0]
    pred = predict_from(loss.link, scores)
    bits = pred.dtype == np.bool_  # each output is a yes or no of its own
    probability = None
    if loss.link in ("softmax", "sigmoid", "probs") and scores.ndim == 2:
        probs = probabilities_from(loss.link, scores)
        probability = np.maximum(probs, 1 - probs).prod(axis=1) if bits else probs.max(axis=1)
    true = targets
    if bits:
        true = targets.reshape(pred.shape) > 0.5
        if pred.shape[-1] == 1:  # a label, of two classes
            true, pred = true.astype(np.intp), pred.astype(np.intp)
    elif loss.metric == "accuracy" and targets.ndim == scores.ndim:  # rows of probabilities
        true = targets.argmax(axis=-1)
    return Predicted(x, _column(true), _column(pred), losses, probability)


def worst_examples(losses: Array, y_true: Array, y_pred: Array, k: int) -> Array:
    """The rows of the k worst examples: the wrong ones by falling loss, then the right ones.

    Parameters
    ----------
    losses : array of shape (N,)
        NaN counts as the largest.
    y_true, y_pred : arrays of shape (N, …)
        Of several labels or numbers an example all have to be right.
    k : int

    Returns
    -------
    array of shape (min(k, N),)

    Examples
    --------
    >>> worst_examples(np.array([0.1, 2.0, 0.9, 1.5]), np.array([0, 1, 1, 0]), np.array([0, 1, 0, 1]), k=3)
    array([3, 2, 1])
    """
    right = (y_true == y_pred).reshape(len(losses), -1).all(axis=1)
    falling = np.where(np.isnan(losses), -np.inf, -losses)
    return np.lexsort((falling, right))[:k]


def best_examples(losses: Array, y_true: Array, y_pred: Array, k: int) -> Array:
    """The rows of the k best examples: the right ones by rising loss, then the wrong ones.

    The counterpart of `worst_examples`, with the same arguments.

    Examples
    --------
    >>> best_examples(np.array([0.1, 2.0, 0.9, 1.5]), np.array([0, 1, 1, 0]), np.array([0, 1, 0, 1]), k=3)
    array([0, 1, 2])
    """
    return worst_examples(losses, y_true, y_pred, len(losses))[::-1][:k]


def plot_best_and_worst(
    ax: "Axes",
    predicted: Predicted,
    k: int = 9,
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
) -> "Axes":
    """The k best examples beside the k worst: images side by side, or two tables, one below the other.

    Parameters
    ----------
    ax : matplotlib Axes
        `best_and_worst_size` says how large it wants to be.
    predicted : Predicted
        A set as `predict_set` gives it.
    k : int
    class_names, feature_names : sequences of str, optional
        By default the labels, and x0, x1, …
    """
    who = "plot_best_and_worst"
    k = min(check_count(who, "k", k), len(predicted.x) // 2)
    if not k:
        return say(ax, "There are not two examples to compare.")
    images = predicted.x.ndim == 4
    places = ((0, 0, 0.47, 0.95), (0.53, 0, 0.47, 0.95)) if images else ((0, 0.52, 1, 0.43), (0, 0, 1, 0.43))
    found = predicted.losses, predicted.y_true, predicted.y_pred, k
    for choose, heading, place in zip(
        (best_examples, worst_examples), ("best", "worst"), places, strict=True
    ):
        rows = choose(*found)
        x, true, pred = predicted.x[rows], predicted.y_true[rows], predicted.y_pred[rows]
        probability = None if predicted.probability is None else predicted.probability[rows]
        inner = ax.inset_axes(place)
        plot_worst(inner, x, true, pred, probability, class_names, feature_names, rows, columns=HALF_A_ROW)
        losses = predicted.losses[rows]
        head(inner, f"{k} {heading}: loss {losses.min():.2g} to {losses.max():.2g}")
        inner.set_anchor("NW")
    return bare(ax)


def best_and_worst_size(
    predicted: Predicted, k: int = 9, class_names: Sequence[str] = (), feature_names: Sequence[str] = ()
) -> tuple[float, float]:
    """Width and height in inches of a figure in which `plot_best_and_worst` can be read."""
    width, height = worst_size(predicted.x[:k], class_names, feature_names, HALF_A_ROW)
    return (2.15 * width, height + 0.2) if predicted.x.ndim == 4 else (width, 2 * height + 0.9)


def save_run_plots(
    folder: str | Path,
    history: History,
    predicted: Predicted | None = None,
    *,
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    title: str = "",
    set_name: str = "test",
    n_worst: int = 24,
) -> list[Path]:
    """Write a run's pictures as PNG files, each whole or not at all.

    For a classifier: loss_per_step, accuracy_per_step, loss_per_epoch, accuracy_per_epoch, confusion, worst. Where
    numbers are predicted the metric's name stands for accuracy, and predicted.png for confusion.png.

    Parameters
    ----------
    folder : str or Path
        Made if it does not exist.
    history : History
        Of any length; what is missing in it is missing in the pictures.
    predicted : Predicted, optional
        The set of the confusion matrix and of the worst examples. Without it these two are not drawn.
    class_names, feature_names : sequences of str, optional
        By default the labels, and x0, x1, …
    title : str
        Stands above each picture: the run's name, say.
    set_name : str
        Which set `predicted` is, for the heading.
    n_worst : int
        How many examples worst.png shows: all of them images, or the 15 worst rows of a table.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    FileError
        If the folder cannot be made or written.
    """
    folder = make_folder(folder)
    drawings: dict[str, Callable[[], Axes]] = {}
    for what in ("loss", history.metric):
        drawings[f"{what}_per_step"] = partial(_curves, plot_steps, history, what)
        drawings[f"{what}_per_epoch"] = partial(_curves, plot_epochs, history, what)
    if predicted is not None:
        if history.metric == "accuracy":
            drawings["confusion"] = partial(_confusion, predicted, class_names)
        else:
            drawings["predicted"] = partial(_scatter, predicted)
        drawings["worst"] = partial(_worst, predicted, class_names, feature_names, n_worst)
    headings = {
        "confusion": f"{set_name} set",
        "predicted": f"{set_name} set",
        "worst": f"{set_name} set, worst first",
    }
    paths = []
    with styled():
        for name, draw in drawings.items():
            paths.append(folder / f"{name}.png")
            _save(draw(), paths[-1], ": ".join(part for part in (title, headings.get(name, "")) if part))
    return paths


def _curves(draw: Callable[..., "Axes"], history: History, what: str) -> "Axes":
    return draw(new_axes(7.2, 4.2), history, what)


def _scatter(predicted: Predicted) -> "Axes":
    return plot_predicted(new_axes(5.2, 5.4), predicted.y_true, predicted.y_pred)


def confusion_of(predicted: Predicted, class_names: Sequence[str] = ()) -> tuple[Array, list[str]]:
    """The confusion matrix (K, K) of a set's labels, all places and outputs together, and its classes' names."""
    true, pred = predicted.y_true.ravel(), predicted.y_pred.ravel()
    if true.dtype == np.bool_:
        class_names, true, pred = ("no", "yes"), true.astype(np.intp), pred.astype(np.intp)
    K = max(int(true.max()) + 1, int(pred.max()) + 1, len(class_names))
    names = [*map(str, class_names), *(str(k) for k in range(len(class_names), K))]
    return confusion_matrix(true, pred, K), names


def _confusion(predicted: Predicted, class_names: Sequence[str]) -> "Axes":
    counts, names = confusion_of(predicted, class_names)
    return plot_confusion(new_axes(*confusion_size(len(counts), names)), counts, names)


def _worst(
    predicted: Predicted, class_names: Sequence[str], feature_names: Sequence[str], n_worst: int
) -> "Axes":
    n_worst = n_worst if predicted.x.ndim == 4 else min(n_worst, 15)
    rows = worst_examples(predicted.losses, predicted.y_true, predicted.y_pred, n_worst)
    x, true, pred = predicted.x[rows], predicted.y_true[rows], predicted.y_pred[rows]
    probability = None if predicted.probability is None else predicted.probability[rows]
    ax = new_axes(*worst_size(x, class_names, feature_names))
    return plot_worst(ax, x, true, pred, probability, class_names, feature_names, rows)


def _save(ax: "Axes", path: Path, title: str) -> None:
    figure: Any = ax.get_figure()
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    replace_file(path, lambda file: figure.savefig(file, format="png", dpi=DPI))


def _column(y: Array) -> Array:
    """(N, …) for (N, …, 1)."""
    return y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y
