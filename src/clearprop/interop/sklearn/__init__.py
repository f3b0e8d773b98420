"""clearprop's networks as scikit-learn estimators; the page is docs/coming-from-scikit-learn.md.

base.py is what both estimators share, classifier.py and regressor.py what each does with its targets; network.py
builds the network, progress.py decides after each epoch, rows.py turns X into what the core reads, full_batch.py is
the solver "lbfgs", adam.py the solver "adam".
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise ModuleNotFoundError(
        "clearprop.interop.sklearn: expected scikit-learn to be installed, and it is not. "
        'Run pip install "clearprop[sklearn]".',
        name="sklearn",
    ) from error

from clearprop.interop.sklearn.classifier import NetworkClassifier
from clearprop.interop.sklearn.regressor import NetworkRegressor

__all__ = ["NetworkClassifier", "NetworkRegressor"]
