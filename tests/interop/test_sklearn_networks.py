"""What the estimators can do beyond MLPClassifier, at home in scikit-learn's tools."""

import io
import pickle
import subprocess
import sys
import tracemalloc
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import clearprop as cp
from clearprop.callbacks import Callback
from clearprop.history import INTERRUPTED
from clearprop.interop.sklearn import NetworkClassifier, NetworkRegressor
from clearprop.metrics import roc_auc

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = {"max_iter": 20, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, random_state=0, stratify=y)


def convolutional():
    return [cp.Conv2D(8, 3, activation="relu"), cp.MaxPool2D(2), cp.Flatten()]


def test_a_grid_search_over_a_pipeline(digits):
    X_train, X_test, y_train, y_test = digits
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("net", NetworkClassifier(max_iter=15, random_state=0))]
    )
    grid = {
        "net__alpha": [1e-4, 1.0],
        "net__hidden_layer_sizes": [(2,), (50,)],
        "net__learning_rate_init": [0.01],
    }
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X_train, y_train)
    assert search.best_params_["net__hidden_layer_sizes"] == (50,)
    assert search.score(X_test, y_test) > 0.95
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()


def test_a_grid_of_networks(digits):
    X_train, X_test, y_train, y_test = digits
    network = NetworkClassifier(input_shape=(8, 8, 1), learning_rate_init=0.02, max_iter=10, random_state=0)
    search = GridSearchCV(
        network, {"layers": [[cp.Flatten(), cp.Dense(2, activation="relu")], convolutional()]}, cv=2
    ).fit(X_train, y_train)
    assert repr(search.best_params_["layers"]) == repr(convolutional())
    assert search.score(X_test, y_test) > 0.93


def test_images_in_rows_and_in_their_shape(digits):
    X_train, X_test, y_train, y_test = digits
    in_rows = NetworkClassifier(
        layers=convolutional(), input_shape=(8, 8, 1), learning_rate_init=0.01, **QUICK
    )
    in_shape = clone(in_rows).set_params(input_shape=None)
    in_rows.fit(X_train, y_train)
    in_shape.fit(X_train.reshape(-1, 8, 8, 1), y_train)
    assert in_rows.score(X_test, y_test) > 0.95
    np.testing.assert_array_equal(in_rows.model_.params, in_shape.model_.params)
    np.testing.assert_array_equal(in_rows.predict(X_test), in_shape.predict(X_test.reshape(-1, 8, 8, 1)))
    np.testing.assert_array_equal(in_shape.predict(X_test), in_rows.predict(X_test))
    assert in_shape.n_features_in_ == 64
    with pytest.raises(ValueError, match=r"rows of shape \(4, 16\).*expecting rows of shape \(8, 8, 1\)"):
        in_shape.predict(X_test.reshape(-1, 4, 16))
    with pytest.raises(ValueError, match="X has 63 features, but NetworkClassifier is expecting 64 features"):
        in_rows.predict(X_test[:, 1:])
    with pytest.raises(ValueError, match=r"expecting 81 features as input, as input_shape \(9, 9\) says"):
        clone(in_rows).set_params(input_shape=(9, 9)).fit(X_train, y_train)


def test_sequences_and_words():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 6, 2))
    y = X[:, :, 0].sum(axis=1) > 0
    recurrent = NetworkClassifier(layers=[cp.LSTM(8)], learning_rate_init=0.02, **{**QUICK, "max_iter": 60})
    assert recurrent.fit(X, y).score(X, y) > 0.95
    words = rng.integers(0, 20, (300, 5))
    y = np.where((words == 7).any(axis=1), "seven", "none")
    reader = NetworkClassifier(
        layers=[cp.Embedding(20, 4), cp.Flatten(), cp.Dense(16, activation="relu")],
        learning_rate_init=0.02, **{**QUICK, "max_iter": 60},
    )  # fmt: skip
    assert reader.fit(words, y).score(words, y) > 0.95


def test_the_output_layer_is_added_unless_it_is_there():
    X, y = load_iris(return_X_y=True)
    added = NetworkClassifier(layers=[cp.Dense(5, activation="tanh")], **QUICK).fit(X, y)
    there = NetworkClassifier(layers=[cp.Dense(5, activation="tanh"), cp.Dense(3)], **QUICK).fit(X, y)
    assert repr(added.model_) == repr(there.model_)
    assert added.model_.output_shape == (3,)
    assert added.n_layers_ == 3
    rectified = NetworkClassifier(layers=[cp.Dense(3, activation="relu")], **QUICK).fit(X, y)
    assert len(rectified.model_.layers) == 3
    with pytest.raises(ValueError, match=r"Flatten\(\) makes one row of all"):
        NetworkClassifier(layers=[cp.Reshape((2, 2))], **QUICK).fit(X, y)


def test_dropout_and_batch_norm():
    X, y = load_iris(return_X_y=True)
    network = NetworkClassifier((8, 4), "gelu", dropout=0.2, batch_norm=True, batch_size=50, **QUICK).fit(
        X, y
    )
    names = [
        "Dense(8)",
        "BatchNorm()",
        "gelu",
        "Dropout(0.2)",
        "Dense(4)",
        "BatchNorm()",
        "gelu",
        "Dropout(0.2)",
    ]
    for layer, name in zip(network.model_.layers, [*names, "Dense(3)"], strict=True):
        assert name in repr(layer)
    np.testing.assert_array_equal(network.predict(X), network.predict(X))
    again = clone(network).fit(X, y)
    np.testing.assert_array_equal(network.model_.params, again.model_.params)
    other = clone(network).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(network.model_.params, other.model_.params)
    clone(network).set_params(batch_size=149).fit(X, y)  # the last row alone has no variance: it is left out
    with pytest.raises(ValueError, match=r"among layers put Dropout\(rate\) and BatchNorm\(\)"):
        NetworkClassifier(layers=[], dropout=0.5).fit(X, y)
    with pytest.raises(ValueError, match="solver='lbfgs' needs the same loss for the same weights"):
        NetworkClassifier(dropout=0.5, solver="lbfgs").fit(X, y)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weights_are_repeated_rows(solver):
    X, y = load_iris(return_X_y=True)
    X, y = X[::4], y[::4]
    rows = np.concatenate([np.arange(len(y)), *[np.flatnonzero(y == 2)] * 2])
    settings = {**QUICK, "solver": solver, "alpha": 0.5, "dtype": "float64"}
    weighted = NetworkClassifier(**settings, class_weight={2: 3}).fit(X, y)
    repeated = NetworkClassifier(**settings).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-8)
    plain = NetworkClassifier(**settings).fit(X, y)
    assert not np.allclose(weighted.predict_proba(X), plain.predict_proba(X), rtol=1e-3)
    uneven = np.r_[0:13, 13:20]
    balanced = NetworkClassifier(**settings, class_weight="balanced").fit(X[uneven], y[uneven])
    counts = np.bincount(y[uneven])
    by_hand = {k: len(uneven) / (len(counts[counts > 0]) * n) for k, n in enumerate(counts) if n}
    same = NetworkClassifier(**settings, class_weight=by_hand).fit(X[uneven], y[uneven])
    np.testing.assert_allclose(balanced.predict_proba(X), same.predict_proba(X), rtol=1e-10)
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
        NetworkClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


def test_a_weight_of_0_leaves_a_row_out():
    X, y = load_iris(return_X_y=True)
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y)) * (np.arange(len(y)) % 3 > 0)
    some = weights > 0
    settings = {**QUICK, "batch_size": 16}
    zeros = NetworkClassifier(**settings).fit(X, y, sample_weight=weights)
    without = NetworkClassifier(**settings).fit(X[some], y[some], sample_weight=weights[some])
    np.testing.assert_array_equal(zeros.model_.params, without.model_.params)
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        NetworkClassifier().fit(X, y, sample_weight=-weights)
    with pytest.raises(ValueError, match="at least one non-zero"):
        NetworkClassifier().fit(X, y, sample_weight=0 * weights)


def test_several_labels_beside_a_learner_of_scikit_learns(digits):
    X_train, X_test, y_train, y_test = digits
    labels, labels_test = (np.stack([y % 2, y > 4], axis=1).astype(int) for y in (y_train, y_test))
    network = NetworkClassifier(learning_rate_init=0.01, **QUICK).fit(X_train, labels)
    neighbors = KNeighborsClassifier(20).fit(X_train, labels)
    ours, theirs = (
        f1_score(labels_test, each.predict(X_test), average="macro") for each in (network, neighbors)
    )
    assert ours > theirs - 0.02 > 0.9
    assert network.predict(X_test).shape == network.predict_proba(X_test).shape == labels_test.shape
    sparse = NetworkClassifier(learning_rate_init=0.01, **QUICK).fit(X_train, scipy.sparse.csr_matrix(labels))
    np.testing.assert_array_equal(sparse.predict(X_test), network.predict(X_test))
    with pytest.raises(ValueError, match="loss='hinge' does not fit several labels at once"):
        NetworkClassifier(loss="hinge").fit(X_train, labels)
    with pytest.raises(
        ValueError, match="loss='sigmoid_cross_entropy' does not fit one label out of more than two"
    ):
        NetworkClassifier(loss="sigmoid_cross_entropy").fit(X_train, y_train)
    with pytest.raises(ValueError, match="Multioutput target data is not supported"):
        NetworkClassifier().fit(X_train, np.stack([y_train, y_train], axis=1))


def test_losses(digits):
    X_train, X_test, y_train, y_test = digits
    for loss in ("hinge", {"name": "softmax_cross_entropy", "label_smoothing": 0.1}, cp.make_loss("hinge")):
        network = NetworkClassifier(loss=loss, learning_rate_init=0.01, **QUICK).fit(X_train, y_train)
        assert network.score(X_test, y_test) > 0.93
    assert not hasattr(network, "predict_proba")
    smooth = NetworkClassifier(loss="softmax_cross_entropy", **QUICK).fit(X_train, y_train > 4)
    assert smooth.n_outputs_ == 2
    with pytest.raises(ValueError, match="loss='squared_error' is no loss of scores for labels"):
        NetworkClassifier(loss="squared_error").fit(X_train, y_train)
    with pytest.raises(ValueError, match=r"unknown name 'hing'. Did you mean 'hinge'"):
        NetworkClassifier(loss="hing").fit(X_train, y_train)
    X, y = load_diabetes(return_X_y=True)
    y = np.where(np.arange(len(y)) % 10, y, 5000) / 100  # outliers
    robust = NetworkRegressor({"name": "huber", "delta": 0.5}, learning_rate_init=0.01, **QUICK).fit(X, y)
    assert abs(np.median(y) - np.median(robust.predict(X))) < 0.4
    with pytest.raises(ValueError, match="loss='hinge' is no loss of numbers"):
        NetworkRegressor("hinge").fit(X, y)


def test_optimizers():
    X, y = load_iris(return_X_y=True)
    given = cp.RMSProp(lr=0.01)
    for optimizer in (given, "rmsprop", {"name": "rmsprop", "lr": 0.01}):
        network = NetworkClassifier(
            optimizer=optimizer, learning_rate_init=0.01, solver="lbfgs", **QUICK
        ).fit(X, y)
        assert repr(network._optimizer) == repr(given)
        assert network.history_.steps["lr"][-1] == 0.01
        assert network.score(X, y) > 0.6
    assert given.steps == 0  # a setting is left as it is
    cosine = NetworkClassifier(optimizer=cp.SGD(cp.Cosine(0.1, epochs=20), momentum=0.9), **QUICK).fit(X, y)
    assert cosine.history_.steps["lr"][-1] < 0.01
    for learning_rate in ("invscaling", "adaptive"):  # the solver's, not that of an optimizer of one's own
        own = NetworkClassifier(optimizer=cp.SGD(0.1), learning_rate=learning_rate, tol=9.0, **QUICK).fit(
            X, y
        )
        assert set(own.history_.steps["lr"]) == {0.1}
    with pytest.raises(ValueError, match=r"optimizer: unknown name 'adm'. Did you mean 'adam'"):
        NetworkClassifier(optimizer="adm").fit(X, y)


def test_a_given_validation_set_and_early_stopping_on_any_metric(digits):
    X_train, X_val, y_train, y_val = digits
    settings = {"early_stopping": True, "max_iter": 80, "n_iter_no_change": 3, "learning_rate_init": 0.03,
                "hidden_layer_sizes": (20,), "random_state": 0}  # fmt: skip
    high = (y_train > 4).astype(int), (y_val > 4).astype(int)
    for scoring, (target, target_val) in {
        "f1_macro": (y_train, y_val),
        "neg_log_loss": (y_train, y_val),
        "roc_auc": high,
        make_scorer(roc_auc, response_method="predict_proba"): high,
    }.items():
        network = NetworkClassifier(scoring=scoring, **settings)
        network.fit(X_train, target, X_val=X_val, y_val=target_val)
        assert network.n_iter_ < 80
        assert len(network.validation_scores_) == network.n_iter_
        assert network.best_validation_score_ == max(network.validation_scores_)
        scorer = scoring if callable(scoring) else sklearn.metrics.get_scorer(scoring)
        assert scorer(network, X_val, target_val) == pytest.approx(network.best_validation_score_)
    normed = NetworkClassifier(scoring="neg_log_loss", batch_norm=True, **settings)
    normed.fit(X_train, y_train, X_val=X_val, y_val=y_val)  # the best score's statistics are put back, too
    log_loss = sklearn.metrics.log_loss(y_val, normed.predict_proba(X_val))
    assert -log_loss == pytest.approx(max(normed.validation_scores_)) != normed.validation_scores_[-1]
    by_loss = NetworkClassifier(scoring="loss", **settings).fit(X_train, y_train, X_val=X_val, y_val=y_val)
    np.testing.assert_allclose(by_loss.validation_scores_, -np.array(by_loss.history_["validation_loss"]))
    watched = NetworkClassifier(**{**settings, "early_stopping": False, "max_iter": 4})
    watched.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    np.testing.assert_allclose(watched.validation_scores_, watched.history_["validation_accuracy"], atol=1e-6)
    assert watched.validation_scores_[-1] == watched.score(X_val, y_val)
    assert watched.best_validation_score_ == max(watched.validation_scores_)
    with pytest.raises(ValueError, match="X_val and y_val must be provided together"):
        watched.fit(X_train, y_train, X_val=X_val)
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`"):
        watched.fit(X_train[y_train > 0], y_train[y_train > 0], X_val=X_val, y_val=y_val)


def test_early_stopping_without_a_set_holds_out_as_many_of_each_class():
    X, y = load_iris(return_X_y=True)
    held = []
    network = NetworkClassifier(
        early_stopping=True, validation_fraction=0.2, scoring=lambda est, X, y: held.append(y) or 0.5, **QUICK
    ).fit(X, y)  # fmt: skip
    assert np.bincount(held[0]).tolist() == [10, 10, 10]
    for seed in range(5):
        clone(network).set_params(validation_fraction=0.02, max_iter=1, random_state=seed).fit(X, y)
        assert sorted(held[-1]) == [0, 1, 2]  # no more than classes
    assert network.n_iter_ == 12  # one best, and n_iter_no_change + 1 that are not better by tol
    assert network.history_.stopped.startswith(
        "Validation score did not improve more than tol=0.000100 for 10"
    )
    with pytest.raises(ValueError, match="The validation set is too small"):
        NetworkRegressor(early_stopping=True, validation_fraction=0.005).fit(X, y)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        NetworkClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])


def test_callbacks(digits):
    X_train, X_val, y_train, y_val = digits

    class Count(Callback):
        steps = 0

        def on_step_end(self, training):
            self.steps += 1

    count = Count()
    best = cp.BestWeights("validation_accuracy")
    stop = cp.EarlyStopping("validation_accuracy", patience=3)
    network = NetworkClassifier(
        (10,), learning_rate_init=0.1, callbacks=[count, best, stop], **{**QUICK, "max_iter": 60}
    )
    network.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    assert network.history_.stopped.startswith("early stopping")
    assert count.steps == len(network.history_.steps["loss"]) == 7 * network.n_iter_
    assert network.score(X_val, y_val) == pytest.approx(best.best.value, abs=1e-6)


def test_an_interrupted_fit_is_a_fit():
    """What the loop does at Ctrl-C, by a callback."""
    X, y = load_iris(return_X_y=True)

    class Interrupt(Callback):
        def on_epoch_end(self, training):
            if training.epoch == 3:
                training.stop(INTERRUPTED)

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        network = NetworkClassifier(callbacks=[Interrupt()], **QUICK).fit(X, y)
    assert network.n_iter_ == len(network.loss_curve_) == 3
    assert network.predict(X).shape == y.shape


def test_warm_start():
    X, y = load_iris(return_X_y=True)
    network = NetworkClassifier((10,), warm_start=True, **QUICK)
    losses = [network.fit(X, y).loss_ for _ in range(3)]
    assert losses[0] > losses[1] > losses[2]
    assert len(network.loss_curve_) == 60
    assert network.t_ == 60 * 150
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        network.fit(X[:100], y[:100])
    cold = NetworkClassifier((10,), **QUICK)
    assert cold.fit(X, y).loss_ == cold.fit(X, y).loss_


def test_a_stream_goes_on_after_pickling(digits):
    X_train, X_test, y_train, y_test = digits
    names = np.array([f"digit {k}" for k in range(10)])
    network = NetworkClassifier(learning_rate_init=0.005, random_state=0)
    for epoch in range(4):
        for start in range(0, len(y_train), 100):
            part = slice(start, start + 100)
            network.partial_fit(X_train[part], names[y_train[part]], classes=names)
        if epoch == 1:
            network = pickle.loads(pickle.dumps(network))
    assert network.score(X_test, names[y_test]) > 0.93
    assert network._optimizer.steps == 4 * 14
    assert network.t_ == 4 * len(y_train)
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        network.partial_fit(X_train, names[y_train], classes=names[:5])
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        NetworkClassifier().partial_fit(X_train, y_train)
    with pytest.raises(ValueError, match="The 'alpha' parameter of NetworkClassifier must be"):
        NetworkClassifier(alpha=-1).partial_fit(X_train, y_train, classes=range(10))
    assert not hasattr(NetworkClassifier(solver="lbfgs"), "partial_fit")
    with pytest.raises(AttributeError) as error:
        NetworkClassifier(solver="lbfgs").partial_fit  # noqa: B018
    assert "lbfgs is not stochastic" in str(error.value.__cause__)


def test_a_stream_after_another_network():
    """partial_fit goes on from fit's network, with its optimizer where it has one."""
    X, y = load_iris(return_X_y=True)
    network = NetworkClassifier((10,), **QUICK).fit(X, y)
    steps = network._optimizer.steps
    assert network.partial_fit(X, y)._optimizer.steps == steps + 1
    network.set_params(solver="lbfgs").fit(X, y)
    loss = network.loss_
    network.set_params(solver="adam", learning_rate_init=1e-5).partial_fit(X, y.tolist())
    assert network._optimizer.steps == 1
    assert network.loss_ == pytest.approx(loss, rel=0.1)


def test_a_part_of_a_stream_has_nothing_to_converge_to_and_decides_nothing():
    """However few its rows are, they are no full batch, whose network would be more precise."""
    X, y = load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = NetworkClassifier().partial_fit(X[:20], y[:20], classes=range(3)).partial_fit(X, y)
    assert network.model_.dtype == np.float32


def test_all_that_is_random_follows_random_state(digits):
    X, _, y, _ = digits

    def drawn(seed, **settings):
        model = NetworkClassifier(max_iter=1, random_state=seed, **settings).fit(X, y).model_
        return model.params, model.rng.random(5)

    for settings in ({"dropout": 0.5}, {"layers": [cp.Dense(5), cp.Dropout(0.5)]}):
        for one, same, other in zip(*(drawn(seed, **settings) for seed in (0, 0, 1)), strict=True):
            np.testing.assert_array_equal(one, same)
            assert (one != other).all() or (one != other).mean() > 0.5


def test_a_stream_of_labels_and_of_numbers(digits):
    X, _, y, _ = digits
    labels = np.stack([y % 2, y > 4], axis=1).astype(int)
    network = NetworkClassifier(learning_rate_init=0.01, random_state=0)
    numbers = NetworkRegressor(learning_rate_init=0.01, random_state=0)
    for _ in range(15):
        network.partial_fit(X, labels.tolist(), classes=[0, 1])
        numbers.partial_fit(X, y.astype(float))
    assert network.score(X, labels) > 0.9
    assert numbers.score(X, y) > 0.6
    with pytest.raises(ValueError, match=r"there are 2 labels in `classes_`"):
        network.partial_fit(X, np.hstack([labels, labels]))


def test_sparse_rows_are_the_same_rows(digits):
    X_train, X_test, y_train, _ = digits
    settings = {**QUICK, "shuffle": False}
    dense = NetworkClassifier(**settings).fit(X_train, y_train)
    for form in (scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_array):
        sparse = NetworkClassifier(**settings).fit(form(X_train), y_train)
        np.testing.assert_allclose(sparse.model_.params, dense.model_.params, rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(sparse.predict(form(X_test)), dense.predict(X_test))
    shuffled = NetworkClassifier(early_stopping=True, **QUICK).fit(scipy.sparse.csr_array(X_train), y_train)
    assert len(shuffled.validation_scores_) == shuffled.n_iter_
    with_lbfgs = NetworkClassifier(solver="lbfgs", **QUICK)
    proba = with_lbfgs.fit(X_train, y_train).predict_proba(X_test)
    again = with_lbfgs.fit(scipy.sparse.csr_array(X_train), y_train).predict_proba(X_test)
    np.testing.assert_allclose(again, proba, atol=1e-6)


def test_frames_and_their_names():
    X, y = load_iris(return_X_y=True, as_frame=True)
    network = NetworkClassifier(early_stopping=True, scoring="accuracy", **QUICK)
    network.fit(X, y, X_val=X, y_val=y)  # and no warning about names
    assert network.feature_names_in_.tolist() == X.columns.tolist()
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        network.predict(X.rename(columns=str.upper))
    assert isinstance(
        NetworkRegressor(**QUICK).fit(X, pd.DataFrame({"a": y, "b": -y})).predict(X), np.ndarray
    )


def test_metadata_is_routed(digits):
    X_train, X_val, y_train, y_val = digits
    with sklearn.config_context(enable_metadata_routing=True):
        network = NetworkClassifier(early_stopping=True, **QUICK).set_fit_request(
            X_val=True, y_val=True, sample_weight=True
        )
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = Pipeline([("scale", scaler), ("net", network)], transform_input=["X_val"])
        pipeline.fit(X_train, y_train, X_val=X_val, y_val=y_val, sample_weight=np.ones(len(y_train)))
        assert pipeline[-1].validation_scores_[-1] == pytest.approx(pipeline.score(X_val, y_val), abs=0.05)
        weighing = NetworkClassifier(learning_rate_init=0.02, **QUICK).set_fit_request(sample_weight=True)
        weighing.set_score_request(sample_weight=True)
        ones = {"sample_weight": np.ones(len(y_val))}
        scores = cross_val_score(weighing, X_val, y_val, cv=2, params=ones)
    assert (scores > 0.8).all()


def test_it_is_kept_by_joblib_and_cloned_without_what_it_learned(digits):
    X_train, X_test, y_train, _ = digits
    network = NetworkClassifier(
        layers=[cp.Dense(20, activation="relu")], callbacks=[cp.BestWeights("loss")], **QUICK
    )
    network.fit(X_train, y_train)
    file = io.BytesIO()
    joblib.dump(network, file)
    file.seek(0)
    kept = joblib.load(file)
    np.testing.assert_array_equal(kept.predict_proba(X_test), network.predict_proba(X_test))
    kept.coefs_[0][...] = 0  # the views are the copy's own
    assert not np.array_equal(kept.predict_proba(X_test), network.predict_proba(X_test))
    fresh = clone(network)
    with pytest.raises(NotFittedError, match="This NetworkClassifier instance is not fitted yet"):
        fresh.predict(X_test)
    assert not hasattr(fresh, "coefs_")
    assert [layer.units for layer in fresh.layers] == [20]


def test_written_weights_are_checked():
    X, y = load_iris(return_X_y=True)
    network = NetworkClassifier((5,), **QUICK).fit(X, y)
    before = network.model_.params.copy()
    with pytest.raises(ValueError, match="expected coefs_ to be 2 arrays, got 1"):
        network.coefs_ = network.coefs_[:1]
    with pytest.raises(ValueError, match=r"intercepts_\[1\] of shape \(3,\), got \(4,\)"):
        network.intercepts_ = [np.ones(5), np.ones(4)]
    np.testing.assert_array_equal(network.model_.params, before)


def test_what_is_refused_is_refused_in_scikit_learns_words(digits):
    X, _, y, _ = digits
    for settings, words in {
        ("alpha", -1): "The 'alpha' parameter of NetworkClassifier must be a float in the range",
        ("activation", "rellu"): "The 'activation' parameter of NetworkClassifier must be a str among",
        ("momentum", 1.0): "The 'momentum' parameter of NetworkClassifier must be",
        ("dtype", "float16"): "The 'dtype' parameter of NetworkClassifier must be a str among",
        ("hidden_layer_sizes", (0,)): "hidden_layer_sizes must be > 0, got",
    }.items():
        with pytest.raises(ValueError, match=words):
            NetworkClassifier(**dict([settings])).fit(X, y)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        NetworkClassifier().fit(X, y + 0.5)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        NetworkClassifier().fit(np.where(X == 0, np.nan, X), y)
    with pytest.raises(ValueError, match="Found array with dim 3"):
        NetworkClassifier().fit(X.reshape(-1, 8, 8), y)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        NetworkRegressor(solver="sgd", learning_rate_init=1e6, max_iter=50).fit(X, 1e6 * y)


@pytest.mark.parametrize("seed", range(4))
def test_weights_that_overflow_in_the_penalty_are_divergence(seed):
    X, y = load_digits(return_X_y=True)
    net = NetworkClassifier(solver="sgd", learning_rate_init=1e6, max_iter=3, random_state=seed)
    with (
        pytest.raises(ValueError, match="Solver produced non-finite parameter weights"),
        np.errstate(all="ignore"),
    ):
        net.fit(X[:300] * 6, y[:300])


def test_it_says_what_it_does(capsys):
    X, y = load_iris(return_X_y=True)
    NetworkClassifier(verbose=True, max_iter=2, early_stopping=True, random_state=0).fit(X, y)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Iteration 1, loss = ")
    assert said[1].startswith("Validation score: 0.")
    NetworkClassifier(
        solver="sgd", learning_rate="adaptive", verbose=True, tol=10.0, n_iter_no_change=1, max_iter=40
    ).fit(X, y)
    said = capsys.readouterr().out
    assert (
        "did not improve more than tol=10.000000 for 1 consecutive epochs. Setting learning rate to 0.0002"
        in said
    )
    assert said.rstrip().endswith("Stopping.")


def test_pixels_stay_bytes_until_the_network_takes_them(digits):
    """Small integers are cast once, to the network's float32, not to float64 on the way."""
    X, _, y, _ = digits
    whole = (X * 16).astype(np.uint8)
    as_bytes = NetworkClassifier(learning_rate_init=0.001, **QUICK).fit(whole, y)
    as_floats = NetworkClassifier(learning_rate_init=0.001, **QUICK).fit(whole.astype(np.float32), y)
    np.testing.assert_array_equal(as_bytes.model_.params, as_floats.model_.params)
    np.testing.assert_array_equal(as_bytes.predict(whole), as_floats.predict(whole.astype(float)))


def test_one_class_is_no_error():
    X = np.eye(4)
    network = NetworkClassifier(**QUICK).fit(X, ["only"] * 4)
    assert network.predict(X).tolist() == ["only"] * 4
    assert network.predict_proba(X).tolist() == [[1.0]] * 4


def test_without_scikit_learn_there_is_a_sentence():
    code = "import sys; sys.modules['sklearn'] = None; import clearprop.interop.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'Run pip install "clearprop[sklearn]".' in done.stderr.splitlines()[-1]


def test_nothing_is_left_out_of_a_pipeline_of_pipelines():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), NetworkClassifier((10,), learning_rate_init=0.05, **QUICK))
    assert cross_val_score(model, X, y, cv=3, scoring="neg_log_loss").mean() > -0.3


@pytest.mark.parametrize(("dtype", "copies"), [(np.float32, 0), (np.float64, 1), (np.uint8, 1)])
def test_rows_are_copied_once_at_most(dtype, copies, monkeypatch):
    monkeypatch.setattr(
        "clearprop.parallel.keep_memory", lambda: None
    )  # which asks for memory that it does not use
    X = np.random.default_rng(0).integers(0, 2, (20_000, 100)).astype(dtype)
    y = X[:, 0] > 0
    network = NetworkClassifier((5,), max_iter=1).fit(X[:2000], y[:2000])
    for call in (lambda: network.fit(X, y), lambda: network.predict(X)):
        tracemalloc.start()
        try:
            call()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < (copies + 0.5) * X.size * 4
