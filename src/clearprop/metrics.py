"""Metrics: plain functions of what is true and what was predicted, in scikit-learn's order of arguments."""

from typing import NamedTuple

import numpy as np

from clearprop.arrays import Array, check_shape
from clearprop.errors import DataError, ShapeError
from clearprop.names import check_count


class Averages(NamedTuple):
    """Precision, recall and F1 over all classes together."""

    precision: float
    recall: float
    f1: float


class ClassScores(NamedTuple):
    """Precision, recall and F1 of each class, and their averages."""

    precision: Array  # (K,)
    recall: Array  # (K,)
    f1: Array  # (K,)
    macro: Averages  # each class counts alike
    micro: Averages  # each example counts alike


def accuracy(y_true: Array, y_pred: Array) -> float:
    """The share of labels that were predicted right.

    y_true, y_pred : arrays of shape (N,), labels

    >>> accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 1]))
    0.75
    """
    y_true, y_pred = _pair("accuracy", y_true, y_pred, ("N",))
    return float(np.mean(y_true == y_pred))


def top_k_accuracy(y_true: Array, scores: Array, k: int = 5) -> float:
    """The share of examples whose label is among the k classes of the highest scores.

    y_true : array of shape (N,), labels 0 to K − 1
    scores : array of shape (N, K); of equal scores the label's own counts as the highest

    >>> top_k_accuracy(np.array([0, 2]), np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]), k=2)
    0.5
    """
    y_true, scores = np.asarray(y_true), np.asarray(scores)
    check_shape("top_k_accuracy", "y_true", y_true.shape, ("N",))
    check_shape("top_k_accuracy", "scores", scores.shape, (len(y_true), "K"), "One row an example.")
    _check_labels("top_k_accuracy", "y_true", y_true, scores.shape[1])
    own = np.take_along_axis(scores, y_true[:, None], axis=1)  # (N, 1)
    higher = ~(scores <= own)  # so that NaN is never a hit
    return float(np.mean(higher.sum(axis=1) < check_count("top_k_accuracy", "k", k)))


def roc_auc(y_true: Array, scores: Array) -> float:
    """The area under the receiver operating characteristic: how often a 1 scores higher than a 0.

    Hanley & McNeil (1982).

    y_true : array of shape (N,), labels 0 and 1, both present
    scores : array of shape (N,), higher for what is rather a 1; equal scores count half

    >>> roc_auc(np.array([0, 1, 0, 1]), np.array([0.1, 0.8, 0.4, 0.3]))
    0.75
    """
    y_true, scores = _pair("roc_auc", y_true, scores, ("N",))
    _check_labels("roc_auc", "y_true", y_true, 2)
    ones = int(np.count_nonzero(y_true))
    if ones in (0, len(y_true)):
        raise DataError(
            f"roc_auc: expected both labels 0 and 1, got only {y_true[0]}. Without the other there is none."
        )
    if np.isnan(scores).any():
        raise DataError("roc_auc: expected scores that can be ordered, got NaN.")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # from 1; of equal scores, the mean of their ranks
    wins = ranks[y_true == 1].sum() - ones * (ones + 1) / 2
    return float(wins / (ones * (len(y_true) - ones)))


def confusion_matrix(y_true: Array, y_pred: Array, n_classes: int) -> Array:
    """How often each true class (row) was predicted as each class (column).

    y_true, y_pred : arrays of shape (N,), labels 0 to K − 1  ->  array of shape (K, K), integers

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), n_classes=2)
    array([[1, 0],
           [1, 1]])
    """
    y_true, y_pred = _pair("confusion_matrix", y_true, y_pred, ("N",))
    n_classes = check_count("confusion_matrix", "n_classes", n_classes)
    _check_labels("confusion_matrix", "y_true", y_true, n_classes)
    _check_labels("confusion_matrix", "y_pred", y_pred, n_classes)
    cells = y_true.astype(np.int64) * n_classes + y_pred.astype(np.int64)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def precision_recall_f1(confusion: Array) -> ClassScores:
    """Of each class: the share of its predictions that are right, of its examples found, and their F1.

    confusion : array of shape (K, K), rows true. F1 is the harmonic mean; a share of nothing is 0.

    >>> scores = precision_recall_f1(np.array([[2, 0], [2, 4]]))
    >>> scores.precision, scores.recall.round(3), round(scores.micro.f1, 3)
    (array([0.5, 1. ]), array([1.   , 0.667]), 0.75)
    """
    confusion = np.asarray(confusion)
    size = len(confusion) if confusion.ndim else 0
    check_shape("precision_recall_f1", "confusion", confusion.shape, (size, size))
    hits, found, true = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    precision, recall, f1 = _share(hits, found), _share(hits, true), _share(2 * hits, found + true)
    macro = Averages(float(precision.mean()), float(recall.mean()), float(f1.mean()))
    overall = float(_share(hits.sum(), confusion.sum()))  # every miss is one class's excess, another's lack
    return ClassScores(precision, recall, f1, macro, Averages(overall, overall, overall))


def mean_squared_error(y_true: Array, y_pred: Array) -> float:
    """The mean of (y_pred − y_true)², over all elements of two arrays of the same shape.

    >>> mean_squared_error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    """
    y_true, y_pred = _pair("mean_squared_error", y_true, y_pred)
    return float(np.mean(np.square(np.subtract(y_pred, y_true, dtype=np.float64))))


def r2_score(y_true: Array, y_pred: Array) -> float:
    """R² = 1 − Σ (y_pred − y_true)² / Σ (y_true − mean)²: 1 is perfect, 0 as good as the mean.

    y_true, y_pred : arrays of shape (N,) or (N, M), N >= 2; over M outputs, the mean of theirs. Of targets
    that are all the same, R² is 1 if they are predicted exactly, else 0.

    >>> r2_score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
    0.5
    """
    y_true, y_pred = _pair("r2_score", y_true, y_pred)
    if len(y_true) < 2:
        raise ShapeError(f"r2_score: expected at least 2 examples, got {len(y_true)}. One has no variance.")
    y_true, y_pred = y_true.astype(np.float64), y_pred.astype(np.float64)
    residual = np.square(y_pred - y_true).sum(axis=0)
    total = np.square(y_true - y_true.mean(axis=0)).sum(axis=0)
    flat = np.where(residual > 0, 0.0, 1.0)
    return float(np.mean(np.where(total > 0, 1 - residual / np.where(total > 0, total, 1.0), flat)))


def _pair(who: str, y_true: Array, y_pred: Array, pattern: tuple[str, ...] = ()) -> tuple[Array, Array]:
    """Both as arrays of the same shape, not empty; y_true of the pattern, if one is given."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if pattern:
        check_shape(who, "y_true", y_true.shape, pattern, "Labels, not one-hot rows or scores.")
    check_shape(who, "y_pred", y_pred.shape, y_true.shape, "As many predictions as true values.")
    if y_true.size == 0:
        raise ShapeError(f"{who}: expected at least one example, got none.")
    return y_true, y_pred


def _check_labels(who: str, what: str, labels: Array, n_classes: int) -> None:
    if labels.size == 0:
        raise ShapeError(f"{who}: expected at least one example, got none.")
    if labels.dtype.kind not in "iu":
        raise DataError(f"{who}: expected {what} to be integer labels, got {labels.dtype}.")
    if labels.min() < 0 or labels.max() >= n_classes:
        bad = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(
            f"{who}: expected {what} from 0 to {n_classes - 1} for {n_classes} classes, got {bad}."
        )


def _share(part: Array, whole: Array) -> Array:
    """part / whole, and 0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)
