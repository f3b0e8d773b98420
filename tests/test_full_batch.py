"""fit_lbfgs against closed forms and scikit-learn: convex problems have one minimum, whoever finds it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import clearprop as cp
from clearprop.full_batch import objective

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 5))
Y = (X @ RNG.standard_normal((5, 3)) + RNG.standard_normal((120, 3))).argmax(axis=1)


def linear(units, dtype="float64"):
    return cp.Sequential([cp.Dense(units)], input_shape=(5,), seed=1, dtype=dtype)


def test_softmax_regression_is_scikit_learns():
    model, l2 = linear(3), 0.02
    result = cp.fit_lbfgs(model, X, Y, l2=l2, tolerance=1e-9)
    theirs = LogisticRegression(C=1 / (l2 * len(X)), tol=1e-9, max_iter=10_000).fit(X, Y)
    assert result.converged
    np.testing.assert_allclose(model.probabilities(X), theirs.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(model.predict(X), theirs.predict(X))


def test_squared_error_is_least_squares():
    targets = X @ RNG.standard_normal((5, 2)) + 0.1 * RNG.standard_normal((120, 2)) + 3
    model = linear(2)
    result = cp.fit_lbfgs(model, X, targets, loss="squared_error", tolerance=1e-9)
    design = np.hstack([X, np.ones((120, 1))])
    best, *_ = np.linalg.lstsq(design, targets, rcond=None)
    named = model.named_params()
    np.testing.assert_allclose(np.vstack([named["0.w"], named["0.b"]]), best, atol=1e-7)
    assert result.value == pytest.approx(((design @ best - targets) ** 2).sum() / 120)
    assert model.link == "identity"


def test_the_value_counts_the_penalty_on_weights_alone():
    model = linear(3)
    result = cp.fit_lbfgs(model, X, Y, l2=0.5)
    loss = cp.evaluate(model, X, Y, "softmax_cross_entropy")["loss"]
    assert result.value == pytest.approx(loss + 0.25 * (model.named_params()["0.w"] ** 2).sum())


@pytest.mark.parametrize("shape", [(5,), (4, 5)])
def test_the_objective_is_a_weighted_sum(shape):
    """Of an example's loss each, also with a label at each place; the gradient by finite differences."""
    rng = np.random.default_rng(3)
    layer = cp.Dense(3) if len(shape) == 1 else cp.TimeDistributed(cp.Dense(3))
    model = cp.Sequential([layer, cp.Activation("tanh")], shape, seed=1, dtype="float64")
    x, y = rng.normal(size=(6, *shape)), rng.integers(0, 3, (6, *shape[:-1]))
    loss, share, l2 = cp.make_loss("softmax_cross_entropy"), rng.random(6), 0.3
    rows = share.reshape(-1, *[1] * len(shape))

    def naive():
        each = [float(loss(model.scores(x[i : i + 1]), y[i : i + 1])[0][0]) for i in range(6)]
        w = model.named_params()["0.w"]
        return sum(s * value for s, value in zip(share, each, strict=True)) + l2 / 2 * (w**2).sum()

    assert objective(model, loss, x, y, rows, l2) == pytest.approx(naive(), rel=1e-12)
    grads, h = model.grads.copy(), 1e-6
    for i, value in enumerate(model.params.copy()):
        ends = []
        for model.params[i] in (value + h, value - h):
            ends.append(naive())
        model.params[i] = value
        assert grads[i] == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-8)
    mean = objective(model, loss, x, y, 1 / 6, 0.0)
    assert mean == pytest.approx(cp.evaluate(model, x, y, loss)["loss"], rel=1e-12)


def test_a_hidden_layer_learns_what_no_line_can_separate():
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    model = cp.Sequential([cp.Dense(8, activation="tanh"), cp.Dense(2)], (2,), seed=0, dtype="float32")
    before = model.params.dtype
    cp.fit_lbfgs(model, x, np.array([0, 1, 1, 0]), l2=1e-3, tolerance=1e-4)
    assert model.predict(x).tolist() == [0, 1, 1, 0]
    assert model.params.dtype == before == np.float32


@pytest.mark.parametrize(
    ("layers", "y", "settings", "sentence"),
    [
        (
            [cp.Dropout(0.5), cp.Dense(3)],
            Y,
            {},
            "fit_lbfgs: expected a network whose loss is the same .* Dropout",
        ),
        ([cp.Dense(3)], Y + 1, {}, "fit_lbfgs: expected labels from 0 to 2, got 3"),
        ([cp.Dense(3)], Y, {"l2": -1}, "fit_lbfgs: expected l2 >= 0, got -1"),
        ([cp.Dense(3)], Y, {"max_iter": 0}, "expected max_iter"),
    ],
)
def test_what_it_refuses_changes_nothing(layers, y, settings, sentence):
    model = cp.Sequential(layers, (5,))
    before = model.params.copy()
    with pytest.raises(cp.ClearpropError, match=sentence):
        cp.fit_lbfgs(model, X, y, **settings)
    np.testing.assert_array_equal(model.params, before)


def test_a_residual_without_noise_is_no_obstacle():
    inner = [cp.Dense(5, activation="tanh"), cp.Dense(5)]
    model = cp.Sequential([cp.Residual(inner), cp.Dense(3)], (5,), dtype="float64")
    before = cp.evaluate(model, X, Y, "softmax_cross_entropy")["loss"]
    cp.fit_lbfgs(model, X, Y, max_iter=20)
    assert cp.evaluate(model, X, Y, "softmax_cross_entropy")["loss"] < 0.5 * before
    noisy = cp.Sequential([cp.Residual([*inner, cp.Dropout(0.5)]), cp.Dense(3)], (5,))
    with pytest.raises(cp.ConfigError, match="got one with Residual"):
        cp.fit_lbfgs(noisy, X, Y)


def test_running_statistics_are_refused():
    model = cp.Sequential([cp.Dense(5), cp.BatchNorm(), cp.Dense(3)], (5,))
    with pytest.raises(
        cp.ConfigError, match=r"without running statistics, got one with running_mean, running_var"
    ):
        cp.fit_lbfgs(model, X, Y)
