"""L-BFGS on functions whose minima are known, against SciPy."""

import sys

import numpy as np
import pytest

from clearprop.errors import ConfigError, ShapeError
from clearprop.lbfgs import minimize_lbfgs

optimize = pytest.importorskip("scipy.optimize")


def rosenbrock(p):
    return float(optimize.rosen(p)), optimize.rosen_der(p)


def test_rosenbrock():
    params = np.full(6, -1.2)
    result = minimize_lbfgs(rosenbrock, params)
    np.testing.assert_allclose(params, np.ones(6), atol=1e-5)
    assert result.converged
    assert result.value == pytest.approx(0, abs=1e-9)
    assert result.evaluations >= result.iterations > 5


def test_float32_parameters_stay_the_same_array():
    target = np.array([1.0, -2.0, 3.0], dtype=np.float32)
    seen = []

    def quadratic(p):
        seen.append(p)
        return np.float32(((p - target) ** 2).sum()), 2 * (p - target)

    params = np.zeros(3, dtype=np.float32)
    result = minimize_lbfgs(quadratic, params, tolerance=1e-4)
    assert result.converged
    assert type(result.value) is float
    assert params.dtype == np.float32
    assert all(p is params for p in seen)
    np.testing.assert_allclose(params, target, atol=1e-4)


def test_max_iter_ends_it_and_the_best_point_is_kept():
    params = np.full(6, -1.2)
    start, _ = rosenbrock(params)
    result = minimize_lbfgs(rosenbrock, params, max_iter=3)
    assert not result.converged
    assert result.iterations == 3
    assert result.value == rosenbrock(params)[0] < start


def test_same_path_as_scipy():
    params = np.linspace(-1, 2, 8)
    theirs = optimize.minimize(
        rosenbrock, params, jac=True, method="L-BFGS-B", options={"maxiter": 10, "ftol": 0.0, "maxcor": 10}
    )
    minimize_lbfgs(rosenbrock, params, max_iter=10)
    np.testing.assert_array_equal(params, theirs.x)


def test_the_functions_gradient_array_may_be_reused():
    grads = np.empty(6)

    def reused(p):
        value, grads[...] = rosenbrock(p)
        return value, grads

    params, expected = np.full(6, -1.2), np.full(6, -1.2)
    minimize_lbfgs(reused, params, max_iter=10)
    minimize_lbfgs(rosenbrock, expected, max_iter=10)
    np.testing.assert_array_equal(params, expected)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"max_iter": 0}, "minimize_lbfgs: expected max_iter to be a whole number >= 1, got 0"),
        ({"tolerance": -1.0}, "minimize_lbfgs: expected tolerance to be >= 0, got -1"),
        ({"history": 1.5}, "minimize_lbfgs: expected history to be a whole number >= 1, got 1.5"),
    ],
)
def test_sentences_for_settings(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        minimize_lbfgs(rosenbrock, np.zeros(2), **settings)


def test_sentences_for_shapes():
    with pytest.raises(
        ShapeError, match=r"minimize_lbfgs: expected params of shape \(n_params,\), got \(2, 2\)"
    ):
        minimize_lbfgs(rosenbrock, np.zeros((2, 2)))
    with pytest.raises(ShapeError, match=r"expected the function's gradient of shape \(2,\), got \(1,\)"):
        minimize_lbfgs(lambda p: (0.0, p[:1]), np.zeros(2))


def test_sentence_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(
        ConfigError, match=r'expected SciPy to be installed.*pip install "clearprop\[lbfgs\]"'
    ):
        minimize_lbfgs(rosenbrock, np.zeros(2))
