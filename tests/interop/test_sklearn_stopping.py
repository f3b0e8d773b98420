"""Early stopping, weights and warm starts of the estimators, where MLPClassifier has gaps or other users stumble."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier

import clearprop as cp
from clearprop.callbacks import Callback
from clearprop.interop.sklearn import NetworkClassifier, NetworkRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = {"max_iter": 20, "random_state": 0, "learning_rate_init": 0.01}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


class Look(Callback):
    """What each call's training was told."""

    def __init__(self):
        self.settings, self.examples = [], []

    def on_fit_start(self, training):
        self.settings.append(training.settings)
        self.examples.append(training.batches)


@pytest.mark.parametrize(("n", "batch_size"), [(101, 30), (60, 27)])
def test_rows_are_held_out_where_classes_are_too_rare_to_be_shared_out(digits, n, batch_size):
    """As MLPClassifier does: of a class with one row, and of more classes than are held out."""
    X, y = load_iris(return_X_y=True) if n == 101 else digits
    settings = {**QUICK, "early_stopping": True, "max_iter": 5, "batch_size": batch_size, "shuffle": False}
    theirs = MLPClassifier(**settings).fit(X[:n], y[:n])
    ours = NetworkClassifier(**settings, dtype="float64").fit(X[:n], y[:n])
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_)


def test_class_weights_stay_out_of_the_score_and_sample_weights_go_into_it(digits):
    X, y = digits
    seen = []

    def scoring(estimator, X, y):
        seen.append(np.bincount(y))
        return estimator.score(X, y)

    settings = {**QUICK, "early_stopping": True, "max_iter": 3}
    own = NetworkClassifier(**settings, class_weight={0: 50, 1: 50}, scoring=scoring).fit(X, y)
    by_default = NetworkClassifier(**settings, class_weight={0: 50, 1: 50}).fit(X, y)
    assert own.validation_scores_ == by_default.validation_scores_
    assert len(seen) == 3
    held = []

    def weighing(estimator, X, y, sample_weight):
        held.append((estimator.predict(X), y, sample_weight))
        return 0.0

    weights = np.where(y < 3, 20.0, 0.1)
    settings["class_weight"] = {4: 3.0}
    weighted = NetworkClassifier(**settings).fit(X, y, sample_weight=weights)
    NetworkClassifier(**settings, scoring=weighing).fit(X, y, sample_weight=weights)
    by_hand = [accuracy_score(truth, predicted, sample_weight=w) for predicted, truth, w in held]
    np.testing.assert_allclose(weighted.validation_scores_, by_hand)
    assert all((w == np.where(truth < 3, 20.0, 0.1)).all() for _, truth, w in held)
    with pytest.raises(
        ValueError, match=r"scoring=<function .*> takes no sample_weight\. Give it that argument"
    ):
        NetworkClassifier(**settings, scoring=scoring).fit(X, y, sample_weight=weights)


def test_a_warm_start_ends_no_worse_than_it_began(digits):
    X, y = digits
    X, X_val, y, y_val = train_test_split(X, y, random_state=0)
    for scoring in (None, "loss"):
        network = NetworkClassifier((20,), warm_start=True, early_stopping=True, scoring=scoring, **QUICK)
        before = network.fit(X, y, X_val=X_val, y_val=y_val).model_.params.copy()
        best = network.best_validation_score_
        network.set_params(learning_rate_init=5.0, max_iter=3).fit(X, y, X_val=X_val, y_val=y_val)
        np.testing.assert_array_equal(network.model_.params, before)
        assert network.best_validation_score_ == pytest.approx(best, rel=1e-6)
        assert len(network.validation_scores_) == len(network.loss_curve_)
        network.set_params(learning_rate_init=0.01, max_iter=15).fit(X, 9 - y, X_val=X_val, y_val=9 - y_val)
        assert not np.array_equal(network.model_.params, before)  # other rows are another comparison


def test_early_stopping_switched_on_and_off_between_warm_starts():
    X, y = load_iris(return_X_y=True)
    network = NetworkClassifier(warm_start=True, **QUICK).fit(X, y)
    assert (network.validation_scores_, network.best_validation_score_) == (None, None)
    network.set_params(early_stopping=True).fit(X, y)
    assert network.best_validation_score_ > 0.5
    assert network.best_loss_ is None
    network.set_params(early_stopping=False).fit(X, y)
    assert network.best_loss_ == min(network.loss_curve_[-network.n_iter_ :])
    network.set_params(solver="lbfgs", dtype="float64").fit(X, y)
    assert network.best_loss_ == network.loss_
    assert not hasattr(network, "history_")  # of another call


def test_a_callback_comes_after_what_the_estimator_does(digits):
    """So that a callback's best weights are what is left, not early stopping's."""
    X, y = digits
    best = cp.BestWeights("loss")
    network = NetworkClassifier(early_stopping=True, scoring=lambda *_: 0.0, callbacks=[best], **QUICK).fit(
        X, y
    )
    assert best.best.epoch > 1
    np.testing.assert_array_equal(network.model_.params, best.best.params)


def test_each_call_has_an_order_of_its_own(digits):
    X, y = digits
    for again in ("warm_start", "partial_fit"):
        look = Look()
        network = NetworkClassifier((5,), callbacks=[look], warm_start=True, random_state=0, max_iter=2)
        for _ in range(3):
            network.fit(X, y) if again == "warm_start" else network.partial_fit(X, y, classes=range(10))
        assert len({settings.seed for settings in look.settings}) == 3
        assert clone_seed(network, X, y) == look.settings[0].seed


def clone_seed(network, X, y):
    look = Look()
    NetworkClassifier(**{**network.get_params(), "callbacks": [look]}).fit(X, y)
    return look.settings[0].seed


def test_a_part_of_a_stream_may_lack_a_class_that_has_a_weight(digits):
    X, y = digits
    part, weights = y != 3, {3: 5.0, 4: 2.0}
    network = NetworkClassifier(class_weight=weights, random_state=0)
    by_hand = NetworkClassifier(random_state=0)
    for rows in (part, ~part | (y == 4)):
        network.partial_fit(X[rows], y[rows], classes=range(10))
        by_hand.partial_fit(
            X[rows], y[rows], np.array([weights.get(label, 1) for label in y[rows]]), classes=range(10)
        )
    np.testing.assert_array_equal(network.model_.params, by_hand.model_.params)
    labels = np.stack([y == 3, y > 4], axis=1)
    several = NetworkClassifier(class_weight=[{1: 5}, {0: 2}], random_state=0)
    by_hand = NetworkClassifier(random_state=0)
    several.partial_fit(X[part], labels[part], classes=[0, 1])
    by_hand.partial_fit(X[part], labels[part], np.where(labels[part, 1], 1.0, 2.0), classes=[0, 1])
    np.testing.assert_array_equal(several.model_.params, by_hand.model_.params)
    with pytest.raises(ValueError, match="are not in class_weight"):
        NetworkClassifier(class_weight={"three": 5}).partial_fit(X, y, classes=range(10))


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_a_class_of_weight_0_is_left_out_and_no_weight_is_negative(solver):
    X, y = load_iris(return_X_y=True)
    settings = {**QUICK, "solver": solver, "batch_size": 16}
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    some = y != 1
    without = NetworkClassifier(**settings, class_weight={1: 0}).fit(X, y, weights)
    zeros = NetworkClassifier(**settings).fit(X, y, weights * some)
    np.testing.assert_array_equal(without.model_.params, zeros.model_.params)
    assert without.classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"class_weight must be numbers >= 0, got {1: -1}"):
        NetworkClassifier(**settings, class_weight={1: -1}).fit(X, y)
    with pytest.raises(ValueError, match="at least one non-zero"):
        NetworkClassifier(**settings, class_weight={0: 0, 1: 0, 2: 0}).fit(X, y)


def test_lbfgs_refuses_what_it_would_not_look_at():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="solver='lbfgs' has no epochs"):
        NetworkClassifier(solver="lbfgs").fit(X, y, X_val=X, y_val=y)
    with pytest.raises(ValueError, match="Leave X_val, y_val and callbacks out"):
        NetworkRegressor(solver="lbfgs", callbacks=[Look()]).fit(X, y)
    fitted = NetworkRegressor(solver="lbfgs", max_iter=2).fit(X, y)
    assert fitted.model_.link == "identity"  # as after the other solvers


def test_a_margin_has_a_decision_function(digits):
    X, y = digits
    hinge = NetworkClassifier(loss="hinge", **QUICK)
    several = hinge.fit(X, y)
    np.testing.assert_array_equal(several.decision_function(X), several.model_.scores(X))
    assert cross_val_score(hinge, X, y > 4, scoring="roc_auc", cv=2).min() > 0.95
    two = hinge.fit(X, np.where(y > 4, "high", "low"))
    lead = two.decision_function(X)
    np.testing.assert_array_equal(two.predict(X), two.classes_[(lead > 0).astype(int)])
    assert CalibratedClassifierCV(hinge, cv=2).fit(X, y).score(X, y) > 0.95
    assert hinge.fit(X[:4], ["only"] * 4).decision_function(X[:4]).shape == (4, 1)
    assert not hasattr(NetworkClassifier(), "decision_function")


def test_layers_that_end_with_what_the_loss_contains(digits):
    X, y = digits
    for end in ("softmax", "log_softmax"):
        with pytest.raises(
            ValueError, match=rf"ends with Activation\('{end}'\), and the loss softmax_cross_entropy"
        ):
            NetworkClassifier(layers=[cp.Dense(10, activation=end)]).fit(X, y)
    with pytest.raises(ValueError, match="the loss sigmoid_cross_entropy wants the scores in front of it"):
        NetworkClassifier(layers=[cp.Dense(5), cp.Dense(1), cp.Activation("sigmoid")]).fit(X, y > 4)
    hidden = NetworkClassifier(layers=[cp.Dense(10, activation="sigmoid")], **QUICK).fit(X, y)
    assert len(hidden.model_.layers) == 3
    of_two = NetworkClassifier(layers=[cp.Dense(5, activation="sigmoid")], **QUICK).fit(X, y > 4)
    assert len(of_two.model_.layers) == 3
    squashed = NetworkRegressor(layers=[cp.Dense(1, activation="sigmoid")], **QUICK).fit(X, y)
    assert len(squashed.model_.layers) == 3


def test_batch_norm_leaves_a_row_out_only_where_it_must(digits):
    X, y = digits[0][:101], digits[1][:101]
    for settings, batches in [
        ({"batch_norm": True, "batch_size": 50}, 2),
        ({"batch_norm": True, "batch_size": 33}, 4),  # the last one has 2 rows
        ({"batch_size": 50}, 3),
        (
            {
                "layers": [cp.Conv2D(2, 3), cp.BatchNorm(), cp.Flatten()],
                "input_shape": (8, 8, 1),
                "batch_size": 50,
            },
            3,
        ),
    ]:
        look = Look()
        NetworkClassifier(callbacks=[look], max_iter=1, **settings).fit(X, y)
        assert look.examples == [batches]
    for call in (
        lambda: NetworkClassifier(batch_norm=True, batch_size=1).fit(X, y),
        lambda: NetworkClassifier(batch_norm=True).partial_fit(X[:1], y[:1], classes=range(10)),
    ):
        with pytest.raises(ValueError, match="Batch norm needs at least 2 rows in each mini-batch"):
            call()


def test_images_as_lists_and_shapes_that_are_none(digits):
    X, y = digits[0][:200], digits[1][:200]
    images = X.reshape(-1, 8, 8)
    for settings in ({}, {"input_shape": (8.0, 8)}):
        network = NetworkClassifier(layers=[cp.Flatten()], **settings, **QUICK).fit(images.tolist(), y)
        assert network.model_.input_shape == (8, 8)
        np.testing.assert_array_equal(network.predict(images.tolist()), network.predict(X))
    dense = NetworkClassifier(input_shape=(8, 8), **QUICK).fit(images, y)  # flattened in the network
    np.testing.assert_array_equal(dense.predict(images), dense.predict(X))
    for shape, words in {
        ("a", 8): "a whole number >= 1, got 'a'",
        (-8, -8): "a whole number >= 1, got -8",
    }.items():
        with pytest.raises(ValueError, match=words):
            NetworkClassifier(input_shape=shape).fit(X, y)
    for sizes in ([[4], [3]], ("4",)):
        with pytest.raises(ValueError, match="hidden_layer_sizes must be whole numbers, one a layer"):
            NetworkClassifier(sizes).fit(X, y)


def test_later_calls_are_held_to_the_first():
    X, y = load_diabetes(return_X_y=True)
    network = NetworkRegressor(warm_start=True, **QUICK).fit(X, y)
    before = network.model_.params.copy()
    for call in (
        lambda: network.partial_fit(X, np.c_[y, y]),
        lambda: network.fit(X, np.c_[y, y]),
        lambda: network.fit(X, y, X_val=X, y_val=np.c_[y, y]),
    ):
        with pytest.raises(
            ValueError, match=r"y has 2 output\(s\) a row, but NetworkRegressor is expecting 1"
        ):
            call()
    np.testing.assert_array_equal(network.model_.params, before)
    labels = np.eye(3, dtype=int)[np.arange(30) % 3]
    for Y in (labels, scipy.sparse.csr_array(labels)):
        stream = NetworkClassifier()
        with pytest.raises(ValueError, match=r"`y` has 3 labels at once, and classes are \[0 1\]"):
            stream.partial_fit(X[:30], Y, classes=[0, 1])
        with pytest.raises(NotFittedError):
            stream.predict(X)


def test_a_first_call_that_fails_leaves_nothing_fitted():
    network = NetworkClassifier()
    with pytest.raises(ValueError, match="contains NaN"):
        network.partial_fit([[np.nan], [1.0]], [0, 1], classes=[0, 1])
    with pytest.raises(NotFittedError, match="This NetworkClassifier instance is not fitted yet"):
        network.predict([[1.0]])
