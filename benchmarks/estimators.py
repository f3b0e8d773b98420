"""One scikit-learn script with MLPClassifier and with NetworkClassifier: digits, default settings, fit and score."""

import warnings
from functools import partial
from typing import Any

from benchmarks.rows import Row, Run, Scale, timed


def script(scale: Scale, estimator: Any, solver: str) -> Run:
    """1347 rows of 64 pixels, 100 hidden units, batches of 200, up to 200 epochs; then the score of 450 more."""
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    model = estimator(solver=solver, random_state=0, max_iter=scale.of(200, 2))

    def work() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X_train, y_train).score(X_test, y_test)

    return timed(work)


def ours(scale: Scale, solver: str) -> Run:
    """`NetworkClassifier`, in its default float32 on these float64 rows."""
    from clearprop.interop.sklearn import NetworkClassifier

    return script(scale, NetworkClassifier, solver)


def with_sklearn(scale: Scale, solver: str) -> Run:
    """`MLPClassifier`, which computes in the rows' float64."""
    from sklearn.neural_network import MLPClassifier

    return script(scale, MLPClassifier, solver)


ROWS = [
    Row(
        family="estimators",
        name=f"digits script, {solver}",
        ours=partial(ours, solver=solver),
        rivals={"scikit-learn": partial(with_sklearn, solver=solver)},
        rounds=5,
    )
    for solver in ("adam", "sgd")
]
