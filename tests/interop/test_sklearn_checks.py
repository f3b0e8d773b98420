"""scikit-learn's own checks of an estimator: all of them, none expected to fail."""

import os
import subprocess
import sys

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import clearprop as cp
from clearprop.interop.sklearn import NetworkClassifier, NetworkRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks(
    [
        NetworkClassifier(),
        NetworkRegressor(),
        NetworkClassifier(solver="lbfgs", alpha=1.0, max_iter=60),
        NetworkRegressor(solver="sgd", loss="huber", max_iter=60),
        NetworkClassifier(
            layers=[cp.Dense(20), cp.LayerNorm(), cp.Activation("gelu")], loss="hinge", max_iter=60
        ),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_the_checks_that_want_another_kind_of_array():
    """They are skipped unless a variable was set before SciPy was imported."""
    code = """
from sklearn.utils.estimator_checks import estimator_checks_generator
from clearprop.interop.sklearn import NetworkClassifier, NetworkRegressor
for estimator in NetworkClassifier(max_iter=500), NetworkRegressor(max_iter=500):
    for one, check in estimator_checks_generator(estimator):
        if "array_api" in getattr(check, "func", check).__name__:
            check(one)
            print("checked")
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["checked", "checked"], done.stderr
