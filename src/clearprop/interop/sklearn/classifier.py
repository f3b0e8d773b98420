"""NetworkClassifier: classes, several labels at once, and their probabilities."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)

from clearprop.arrays import Array
from clearprop.interop.sklearn.base import NetworkEstimator
from clearprop.interop.sklearn.network import chosen_loss
from clearprop.kernels.activations import log_softmax_forward
from clearprop.layers import Layer
from clearprop.losses import Loss, make_loss, probabilities_from
from clearprop.optimizer import Optimizer

OUT_ACTIVATIONS = {"softmax": "softmax", "sigmoid": "logistic", "argmax": "identity"}


def _loss_name(loss: "str | Mapping[str, Any] | Loss") -> Any:
    return loss if isinstance(loss, str) else loss.name if isinstance(loss, Loss) else loss.get("name")


def _has_probabilities(estimator: "NetworkClassifier") -> bool:
    if _loss_name(estimator.loss) == "hinge":
        raise AttributeError("predict_proba is not available when loss='hinge'")
    return True


def _has_no_probabilities(estimator: "NetworkClassifier") -> bool:
    return bool(_loss_name(estimator.loss) == "hinge")


class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A neural network as a scikit-learn classifier, with the settings of `MLPClassifier` and more.

    The settings from `hidden_layer_sizes` to `max_fun`, and the fitted attributes, are those of
    `sklearn.neural_network.MLPClassifier`; `activation` may be any of clearprop's, too. What is written into
    `coefs_` and `intercepts_` changes the network; `model_` is that `Sequential`, `history_` the last call's `History`.

    Parameters
    ----------
    layers : list of Layer, optional
        The network instead of `hidden_layer_sizes`. The output layer is added, unless the last one is a `Dense` of
        as many outputs.
    input_shape : tuple of int, optional
        One row's shape, such as (28, 28, 1), into which X's rows of numbers are put. X may also be given in that
        shape, and then tells it by itself.
    dropout : float
        The share of each hidden layer's outputs that is dropped in training.
    batch_norm : bool
        Batch norm in front of each hidden layer's activation.
    loss : str, mapping or Loss
        "log_loss", or any of clearprop's losses of labels.
    optimizer : str, mapping or Optimizer, optional
        One of clearprop's instead of `solver`; a name takes `learning_rate_init`.
    class_weight : "balanced", dict or list of dict, optional
        As in scikit-learn; multiplied with `sample_weight` in the loss, not in the validation score.
    scoring : str or callable, optional
        What early stopping watches: a scorer as in `GridSearchCV`, "loss" for the validation loss, by default the
        accuracy.
    callbacks : list of Callback, optional
    dtype : "auto", "float32" or "float64"
        What the network computes in. "auto" is float64 for "lbfgs" and where all rows are one mini-batch, else float32.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> network = NetworkClassifier((16,), learning_rate_init=0.05, max_iter=1000, random_state=0).fit(X, y)
    >>> network.score(X, y) > 0.95, network.predict(X[:2])
    (True, array([0, 0]))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkEstimator._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        layers: Sequence[Layer] | None = None,
        input_shape: Sequence[int] | None = None,
        dropout: float = 0.0,
        batch_norm: bool = False,
        loss: "str | Mapping[str, Any] | Loss" = "log_loss",
        optimizer: "str | Mapping[str, Any] | Optimizer | None" = None,
        class_weight: Any = None,
        scoring: "str | Callable[..., float] | None" = None,
        callbacks: Sequence[Any] | None = None,
        dtype: str = "auto",
    ) -> None:
        self._keep(locals())

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Also of more axes, where `layers` or `input_shape` is given. Sparse rows are made dense a block at a time.
        y : array-like of shape (n_samples,), or indicators of shape (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), optional
        X_val, y_val : optional
            A validation set: it is scored after each epoch, and with `early_stopping` watched instead of a share of X.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, X_val, y_val)

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch over these rows; the first call is told all classes.

        Returns
        -------
        self
        """
        if _check_partial_fit_first_call(self, classes):
            self._multilabel = type_of_target(y).startswith("multilabel")
            if self._multilabel and not np.array_equal(self.classes_, np.arange(np.shape(y)[1])):
                given = self.classes_
                del self.classes_
                raise ValueError(
                    f"`y` has {np.shape(y)[1]} labels at once, and classes are {given}. Pass "
                    f"classes=range({np.shape(y)[1]})."
                )
        return self._fit(X, y, sample_weight, incremental=True, define=False)

    def predict(self, X: Any) -> Array:
        """Classes (n_samples,), or indicators (n_samples, n_labels)."""
        scores = self._class_scores(X)
        if self._multilabel:
            return (scores > 0).astype(np.intp)
        predicted: Array = self.classes_[scores.argmax(axis=1)]
        return predicted

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, in the order of `classes_`; of each label by itself."""
        scores = self._class_scores(X)
        return probabilities_from(self._loss.link, scores)

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`, finite where a probability is too small to be told from 0."""
        scores = self._class_scores(X)
        log_p: Array = (
            log_softmax_forward(scores)[0] if self._loss.link == "softmax" else -np.logaddexp(0, -scores)
        )
        return log_p

    @available_if(_has_no_probabilities)  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> Array:
        """Scores (n_samples, n_classes); of two classes the second one's lead, (n_samples,). For loss="hinge"."""
        scores = self._class_scores(X)
        lead: Array = scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores
        return lead

    def _class_scores(self, X: Any) -> Array:
        """A score for each class: where the network has one output for two, that is the second one's."""
        scores = self._scores(X)
        alone = not self._multilabel and scores.shape[1] < len(self.classes_)
        return np.concatenate([-scores, scores], axis=1) if alone else scores

    def _encode(self, y: Array, define: bool, incremental: bool) -> Array:
        kind = type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            check_classification_targets(y)
            raise ValueError(
                "Multioutput target data is not supported: a label is one of two, as an indicator."
            )
        if define:
            self._multilabel = kind.startswith("multilabel")
            self.classes_ = unique_labels(y)
        if self._multilabel:
            if y.ndim != 2 or y.shape[1] != len(self.classes_):
                raise ValueError(
                    f"`y` has shape {y.shape}, and there are {len(self.classes_)} labels in `classes_`."
                )
            return y.astype(bool)
        if y.ndim != 1:
            raise ValueError(
                f"`y` should be a 1d array, as in the call before, got an array of shape {y.shape}."
            )
        if not define:
            self._check_classes(np.unique(y), incremental)
        labels: Array = np.searchsorted(self.classes_, y)
        return labels

    def _check_classes(self, found: Array, incremental: bool) -> None:
        if not incremental and set(found) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {found}"
            )
        if len(np.setdiff1d(found, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {found}."
            )

    def _choose_loss(self, targets: Array) -> tuple[Loss, int, str]:
        n_classes = len(self.classes_)
        bits = self._multilabel or n_classes == 2
        by_default = make_loss("sigmoid_cross_entropy" if bits else "softmax_cross_entropy")
        loss = chosen_loss(self.loss, {"log_loss": by_default})
        if loss.link not in OUT_ACTIVATIONS:
            raise ValueError(
                f"loss={loss.name!r} is no loss of scores for labels. NetworkClassifier takes 'log_loss', "
                "'softmax_cross_entropy', 'sigmoid_cross_entropy' and 'hinge'."
            )
        one_by_one = loss.link == "sigmoid"
        if one_by_one != self._multilabel and not (n_classes == 2 and not self._multilabel):
            what = "several labels at once" if self._multilabel else "one label out of more than two classes"
            raise ValueError(f"loss={loss.name!r} does not fit {what}. Take 'log_loss', which does.")
        n_outputs = 1 if one_by_one and not self._multilabel else n_classes
        return loss, n_outputs, OUT_ACTIVATIONS[loss.link]

    def _class_weights(self, y: Array, incremental: bool) -> Array | None:
        if self.class_weight is None:
            return None
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit, which does not see all classes' rows. "
                "Compute the weights from all of y and pass them as a dict."
            )
        if isinstance(self.class_weight, str):
            balanced: Array = compute_sample_weight(self.class_weight, y)
            return balanced
        every = np.repeat([[0], [1]], len(self.classes_), axis=1) if self._multilabel else self.classes_
        weights: Array = compute_sample_weight(self.class_weight, np.concatenate([y, every]))
        return weights[: len(y)]  # rows of every class stood behind: a part of a stream may lack some

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        name = _loss_name(self.loss)
        tags.classifier_tags.multi_label = name in ("log_loss", "sigmoid_cross_entropy")
        tags.classifier_tags.multi_class = name != "sigmoid_cross_entropy"
        return tags
