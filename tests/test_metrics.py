"""Metrics against scikit-learn."""

import numpy as np
import pytest

from clearprop.errors import ConfigError, DataError, ShapeError
from clearprop.metrics import (
    accuracy,
    confusion_matrix,
    mean_squared_error,
    precision_recall_f1,
    r2_score,
    roc_auc,
    top_k_accuracy,
)

oracle = pytest.importorskip("sklearn.metrics")


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 5, 200)
    return y_true, np.where(rng.random(200) < 0.6, y_true, rng.integers(0, 5, 200))


def test_accuracy(labels):
    found = accuracy(*labels)
    assert type(found) is float
    assert found == oracle.accuracy_score(*labels)


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_top_k_accuracy(labels, k):
    scores = np.random.default_rng(1).standard_normal((200, 5)).astype(np.float32)
    found = top_k_accuracy(labels[0], scores, k)
    assert type(found) is float
    assert found == pytest.approx(
        1.0 if k == 5 else oracle.top_k_accuracy_score(labels[0], scores, k=k, labels=range(5))
    )


def test_top_k_takes_nan_for_a_miss():
    scores = np.array([[np.nan, 1.0, 2.0], [3.0, 1.0, np.nan]])
    assert top_k_accuracy(np.array([0, 0]), scores, k=2) == 0.5  # the second: at worst one score is higher
    assert top_k_accuracy(np.array([0, 0]), scores, k=1) == 0.0


def test_confusion_matrix(labels):
    np.testing.assert_array_equal(confusion_matrix(*labels, 5), oracle.confusion_matrix(*labels))
    np.testing.assert_array_equal(
        confusion_matrix(*labels, 7), oracle.confusion_matrix(*labels, labels=range(7))
    )
    small = labels[0].astype(np.uint8), labels[1].astype(np.uint8)
    np.testing.assert_array_equal(confusion_matrix(*small, 200), confusion_matrix(*labels, 200))


@pytest.mark.parametrize("n_classes", [5, 7])  # two classes never seen
def test_precision_recall_f1(labels, n_classes):
    found = precision_recall_f1(confusion_matrix(*labels, n_classes))
    settings = {"labels": range(n_classes), "zero_division": 0}
    expected = oracle.precision_recall_fscore_support(*labels, **settings)
    for ours, theirs in zip(found[:3], expected[:3], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    for average in ("macro", "micro"):
        theirs = oracle.precision_recall_fscore_support(*labels, average=average, **settings)
        assert getattr(found, average) == pytest.approx(theirs[:3])
        assert all(type(value) is float for value in getattr(found, average))


@pytest.mark.parametrize("shape", [(30,), (30, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_regression(shape, dtype):
    rng = np.random.default_rng(0)
    y_true = rng.standard_normal(shape).astype(dtype)
    y_pred = (y_true + 0.3 * rng.standard_normal(shape)).astype(dtype)
    assert type(mean_squared_error(y_true, y_pred)) is float
    assert type(r2_score(y_true, y_pred)) is float
    assert mean_squared_error(y_true, y_pred) == pytest.approx(oracle.mean_squared_error(y_true, y_pred))
    assert r2_score(y_true, y_pred) == pytest.approx(oracle.r2_score(y_true, y_pred))


def test_r2_of_targets_that_are_all_the_same():
    same = np.ones(3)
    for y_pred in (same, same + 1):
        assert r2_score(same, y_pred) == oracle.r2_score(same, y_pred)
    y_true, y_pred = np.array([[1.0, 1.0], [1.0, 3.0]]), np.array([[1.0, 1.0], [2.0, 2.5]])
    assert r2_score(y_true, y_pred) == pytest.approx(oracle.r2_score(y_true, y_pred))


def test_lists_will_do():
    assert accuracy([0, 1], [0, 0]) == 0.5
    assert mean_squared_error([0, 1], [0, 3]) == 2.0
    assert mean_squared_error(np.array([2], np.uint8), np.array([1], np.uint8)) == 1.0
    assert r2_score([0, 1], [0, 1]) == 1.0


ZERO, TWO = np.zeros(0, dtype=int), np.array([0, 1])


@pytest.mark.parametrize(
    ("compute", "error", "sentence"),
    [
        (
            lambda: accuracy(TWO, np.zeros(3)),
            ShapeError,
            r"accuracy: expected y_pred of shape \(2,\), got \(3,\)",
        ),
        (
            lambda: accuracy(np.eye(2), np.eye(2)),
            ShapeError,
            r"accuracy: expected y_true of shape \(N,\), got \(2, 2\)\. Labels, not one-hot rows or scores",
        ),
        (lambda: accuracy(ZERO, ZERO), ShapeError, "accuracy: expected at least one example, got none"),
        (
            lambda: top_k_accuracy(ZERO, np.zeros((0, 3))),
            ShapeError,
            "top_k_accuracy: expected at least one example, got none",
        ),
        (
            lambda: top_k_accuracy(TWO, np.zeros((3, 2))),
            ShapeError,
            r"top_k_accuracy: expected scores of shape \(2, K\), got \(3, 2\)\. One row an example",
        ),
        (
            lambda: top_k_accuracy(TWO, np.zeros((2, 2)), 0),
            ConfigError,
            "expected k to be a whole number >= 1",
        ),
        (
            lambda: confusion_matrix(TWO, TWO, 1),
            DataError,
            "confusion_matrix: expected y_true from 0 to 0 for 1 classes, got 1",
        ),
        (
            lambda: confusion_matrix(TWO, -TWO, 2),
            DataError,
            "expected y_pred from 0 to 1 for 2 classes, got -1",
        ),
        (
            lambda: confusion_matrix(TWO, TWO / 2, 2),
            DataError,
            "expected y_pred to be integer labels, got float64",
        ),
        (
            lambda: precision_recall_f1(np.zeros((2, 3))),
            ShapeError,
            r"precision_recall_f1: expected confusion of shape \(2, 2\), got \(2, 3\)",
        ),
        (
            lambda: mean_squared_error(np.zeros((2, 1)), np.zeros(2)),
            ShapeError,
            r"mean_squared_error: expected y_pred of shape \(2, 1\), got \(2,\)",
        ),
        (lambda: r2_score([1.0], [1.0]), ShapeError, "r2_score: expected at least 2 examples, got 1"),
    ],
)
def test_sentences(compute, error, sentence):
    with pytest.raises(error, match=sentence):
        compute()


@pytest.mark.parametrize("ties", [False, True], ids=["all different", "ties"])
@pytest.mark.parametrize("seed", range(5))
def test_the_area_is_scikit_learns(seed, ties):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 101)
    scores = rng.normal(size=101) + labels
    scores = np.round(scores, 0) if ties else scores
    assert roc_auc(labels, scores) == pytest.approx(oracle.roc_auc_score(labels, scores), abs=1e-12)
    assert roc_auc(labels, -scores) == pytest.approx(1 - roc_auc(labels, scores), abs=1e-12)


def test_no_area_without_both_labels():
    with pytest.raises(DataError, match="both labels 0 and 1, got only 1"):
        roc_auc(np.array([1, 1]), np.array([0.1, 0.2]))
    with pytest.raises(DataError, match="from 0 to 1 for 2 classes, got 2"):
        roc_auc(np.array([0, 2]), np.array([0.1, 0.2]))
    with pytest.raises(DataError, match="can be ordered, got NaN"):
        roc_auc(np.array([0, 1]), np.array([0.1, np.nan]))
    with pytest.raises(ShapeError, match=r"roc_auc: expected y_pred of shape \(2,\)"):
        roc_auc(np.array([0, 1]), np.array([0.1]))
