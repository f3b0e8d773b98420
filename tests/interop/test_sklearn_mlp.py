"""Beside MLPClassifier and MLPRegressor: the same steps from the same weights, and the same answers."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clearprop.interop.sklearn import NetworkClassifier, NetworkRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

STEPS = {"shuffle": False, "batch_size": 100, "max_iter": 15, "random_state": 1}


def digits(n=400):
    X, y = load_digits(return_X_y=True)
    return X[:n] / 16, y[:n]


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return X[:400], y[:400] / 100


def assert_same_fit(theirs, ours, curve=1e-9):
    """The same weights to rounding, the same number of epochs, the same curve of losses."""
    assert ours.n_iter_ == theirs.n_iter_
    assert (ours.n_layers_, ours.n_outputs_) == (theirs.n_layers_, theirs.n_outputs_)
    assert ours.out_activation_ == theirs.out_activation_
    for mine, other in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=curve)
    np.testing.assert_allclose(ours.loss_curve_, getattr(theirs, "loss_curve_", []), rtol=curve)


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "sgd"},
        {"solver": "sgd", "alpha": 0.0, "nesterovs_momentum": False, "activation": "tanh"},
        {"solver": "sgd", "momentum": 0.0, "activation": "logistic", "hidden_layer_sizes": (30, 20)},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1, "power_t": 0.3},
        {
            "solver": "sgd",
            "learning_rate": "adaptive",
            "learning_rate_init": 0.1,
            "tol": 0.05,
            "n_iter_no_change": 2,
            "max_iter": 60,
        },
        {"solver": "adam"},
        {"solver": "adam", "beta_1": 0.8, "beta_2": 0.9, "epsilon": 0.01, "hidden_layer_sizes": ()},
        {"solver": "adam", "activation": "identity", "tol": 0.01, "max_iter": 100},
        {"solver": "lbfgs"},
        {"solver": "lbfgs", "max_iter": 200, "tol": 1e-2, "max_fun": 12},
    ],
    ids=str,
)
def test_the_same_steps_as_scikit_learns(settings):
    X, y = digits()
    theirs = MLPClassifier(**{**STEPS, **settings}).fit(X, y)
    ours = NetworkClassifier(**{**STEPS, **settings}, dtype="float64").fit(X, y)
    assert_same_fit(theirs, ours)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.t_ == theirs.t_


def test_a_strong_penalty():
    X, y = digits()
    settings = {**STEPS, "solver": "sgd", "alpha": 10.0, "learning_rate_init": 0.1}
    theirs = MLPClassifier(**settings).fit(X, y)
    assert_same_fit(theirs, NetworkClassifier(**settings, dtype="float64").fit(X, y))


@pytest.mark.parametrize("batch_size", [100, 30])
def test_a_short_last_batch_counts_by_its_rows(batch_size):
    """In the curve's penalty; the weights hardly move."""
    X, y = digits()  # 400 rows, of which the last batch of 30 has 10
    settings = {**STEPS, "alpha": 10.0, "learning_rate_init": 1e-9, "batch_size": batch_size, "max_iter": 1}
    network = NetworkClassifier(**settings, dtype="float64").fit(X, y)
    penalty = 10 / batch_size / 2 * sum((w**2).sum() for w in network.coefs_)
    assert network.loss_ == pytest.approx(log_loss(y, network.predict_proba(X)) + penalty, rel=1e-6)


@pytest.mark.parametrize(
    "settings",
    [{"solver": "sgd"}, {"solver": "adam"}, {"solver": "lbfgs"}, {"loss": "poisson", "solver": "sgd"}],
    ids=str,
)
def test_the_same_steps_as_scikit_learns_regressor(settings):
    X, y = diabetes()
    theirs = MLPRegressor(**STEPS, **settings).fit(X, y)
    ours = NetworkRegressor(**STEPS, **settings, dtype="float64").fit(X, y)
    assert_same_fit(theirs, ours)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y))


def test_two_classes_and_several_labels():
    X, y = digits()
    labels = np.stack([y > 4, y % 2 == 0, y % 3 == 0], axis=1).astype(int)
    for target in (y > 4, np.where(y > 4, "high", "low"), labels):
        theirs = MLPClassifier(**STEPS).fit(X, target)
        ours = NetworkClassifier(**STEPS, dtype="float64").fit(X, target)
        assert_same_fit(theirs, ours)
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-12)
        assert ours.score(X, target) == theirs.score(X, target)
    assert f1_score(labels, ours.predict(X), average="macro") == f1_score(
        labels, theirs.predict(X), average="macro"
    )


def test_several_outputs_take_the_same_steps():
    """The value that scikit-learn reports is a mean over outputs, the gradient that it follows a sum's, as ours is."""
    X, y = diabetes()
    Y = np.stack([y, -2 * y], axis=1)
    theirs = MLPRegressor(**STEPS).fit(X, Y)
    ours = NetworkRegressor(**STEPS, dtype="float64").fit(X, Y)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8)
    np.testing.assert_allclose(ours.loss_curve_, 2 * np.array(theirs.loss_curve_), rtol=1e-3)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_the_same_steps_with_sample_weights(solver):
    X, y = digits()
    weights = np.random.default_rng(0).uniform(0.1, 3, len(y))
    settings = {**STEPS, "solver": solver, "batch_size": len(y), "alpha": 1.0}
    theirs = MLPClassifier(**settings).fit(X, y, sample_weight=weights)
    assert_same_fit(theirs, NetworkClassifier(**settings).fit(X, y, sample_weight=weights))


def test_the_same_early_stopping():
    X, y = diabetes()
    settings = {
        **STEPS,
        "early_stopping": True,
        "max_iter": 200,
        "batch_size": 60,
        "learning_rate_init": 0.03,
    }
    theirs = MLPRegressor(**settings).fit(X, y)
    ours = NetworkRegressor(**settings, dtype="float64").fit(X, y)
    assert_same_fit(theirs, ours)
    assert theirs.n_iter_ < 200
    np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-6)
    assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_)
    assert (ours.best_loss_, theirs.best_loss_) == (None, None)


def test_weights_that_are_copied_in_go_on_alike():
    X, y = digits()
    start = MLPClassifier(**STEPS, solver="sgd", warm_start=True).fit(X, y)
    ours = NetworkClassifier(**{**STEPS, "random_state": 7}, solver="sgd", warm_start=True, dtype="float64")
    ours.fit(X, y)
    ours.coefs_, ours.intercepts_ = start.coefs_, start.intercepts_
    np.testing.assert_allclose(ours.predict_proba(X), start.predict_proba(X), rtol=1e-9, atol=1e-12)
    start.fit(X, y)
    ours.fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0], start.coefs_[0], rtol=1e-9, atol=1e-12)
    assert len(ours.loss_curve_) == len(start.loss_curve_) == 30


def test_a_stream_in_parts():
    X, y = digits(600)
    theirs = MLPClassifier(**STEPS)
    ours = NetworkClassifier(**STEPS, dtype="float64")
    for start in range(0, 600, 100):
        part = slice(start, start + 100)
        theirs.partial_fit(X[part], y[part], classes=np.arange(10))
        ours.partial_fit(X[part], y[part], classes=np.arange(10))
    assert_same_fit(theirs, ours)
    assert ours.t_ == 600
    assert len(ours.loss_curve_) == 6


@pytest.mark.parametrize("load", [load_iris, load_digits])
def test_equal_accuracy(load):
    """The script with MLPClassifier replaced, over five folds: the difference is within the folds' noise."""
    X, y = load(return_X_y=True)
    scores = [
        cross_val_score(make_pipeline(StandardScaler(), estimator), X, y, cv=5)
        for estimator in (
            MLPClassifier((30,), max_iter=40, learning_rate_init=0.01, random_state=0),
            NetworkClassifier((30,), max_iter=40, learning_rate_init=0.01, random_state=0),
        )
    ]
    assert abs(scores[0].mean() - scores[1].mean()) < 0.02
    assert scores[1].mean() > 0.9


def test_float32_learns_the_same():
    X, y = digits(1797)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    settings = {"max_iter": 30, "learning_rate_init": 0.005, "random_state": 0}
    theirs = MLPClassifier(**settings).fit(X_train, y_train)
    ours = NetworkClassifier(**settings).fit(X_train, y_train)
    assert ours.model_.dtype == np.float32
    assert abs(accuracy_score(y_test, ours.predict(X_test)) - theirs.score(X_test, y_test)) < 0.015


def test_the_warning_is_scikit_learns():
    X, y = digits(100)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
        NetworkClassifier(max_iter=3).fit(X, y)
    with pytest.warns(ConvergenceWarning, match=r"lbfgs failed to converge after 3 iteration"):
        NetworkClassifier(max_iter=3, solver="lbfgs").fit(X, y)
    with pytest.warns(UserWarning, match="batch_size is 500, and there are 100 rows"):
        NetworkClassifier(max_iter=3, batch_size=500).fit(X, y)
