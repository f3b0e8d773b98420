"""NetworkRegressor: numbers, one or several a row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from clearprop.arrays import Array
from clearprop.interop.sklearn.base import NetworkEstimator
from clearprop.interop.sklearn.network import REGRESSION_LOSSES, chosen_loss
from clearprop.layers import Layer
from clearprop.losses import Loss, predict_from
from clearprop.optimizer import Optimizer

OUT_ACTIVATIONS = {"identity": "identity", "exp": "exp"}


class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A neural network as a scikit-learn regressor, with the settings of `MLPRegressor` and more.

    All that `NetworkClassifier` has beyond scikit-learn's is here, too, but `class_weight`; `scoring` is R² by default.

    Parameters
    ----------
    loss : str, mapping or Loss
        "squared_error", with scikit-learn's factor ½, "poisson", or any other of clearprop's losses of numbers:
        "absolute_error", "huber", {"name": "huber", "delta": 2.0}.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-3, 3, 100)[:, None]
    >>> network = NetworkRegressor(activation="tanh", solver="lbfgs", random_state=0).fit(X, np.sin(X[:, 0]))
    >>> network.score(X, np.sin(X[:, 0])) > 0.99
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = NetworkEstimator._parameter_constraints

    def __init__(
        self,
        loss: "str | Mapping[str, Any] | Loss" = "squared_error",
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
        optimizer: "str | Mapping[str, Any] | Optimizer | None" = None,
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
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        X_val, y_val : optional
            A validation set: it is scored after each epoch, and with `early_stopping` watched instead of a share of X.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, X_val, y_val)

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch over these rows.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Numbers, (n_samples,) or (n_samples, n_outputs)."""
        scores = self._scores(X)
        predicted = predict_from(self._loss.link, scores)
        return predicted[:, 0] if predicted.shape[1] == 1 else predicted

    def _encode(self, y: Array, define: bool, incremental: bool) -> Array:
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if not define and n_outputs != self.n_outputs_:
            raise ValueError(
                f"y has {n_outputs} output(s) a row, but {type(self).__name__} is expecting {self.n_outputs_}."
            )
        return y

    def _choose_loss(self, targets: Array) -> tuple[Loss, int, str]:
        loss = chosen_loss(self.loss, REGRESSION_LOSSES)
        if loss.link not in OUT_ACTIVATIONS:
            raise ValueError(
                f"loss={loss.name!r} is no loss of numbers. NetworkRegressor takes 'squared_error', 'poisson', "
                "'absolute_error' and 'huber'."
            )
        return loss, 1 if targets.ndim == 1 else targets.shape[1], OUT_ACTIVATIONS[loss.link]
