"""What both estimators share: their settings, training by mini-batches or L-BFGS, and the fitted attributes."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import ceil
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from clearprop.arrays import Array, check_shape
from clearprop.errors import DivergedError
from clearprop.history import INTERRUPTED
from clearprop.interop.sklearn.full_batch import minimize
from clearprop.interop.sklearn.network import (
    SEEDS,
    build_network,
    chosen_input_shape,
    chosen_optimizer,
    dense_layers,
    needs_several_rows,
)
from clearprop.interop.sklearn.progress import Progress, validation_score
from clearprop.interop.sklearn.rows import as_rows, flat, shape_of
from clearprop.layers.activation import ACTIVATIONS
from clearprop.losses import Loss
from clearprop.optimizer import Optimizer
from clearprop.train import fit as train

AUTO_BATCH = 200  # rows in a mini-batch, with batch_size="auto"


class Examples(NamedTuple):
    """Validated rows, with what the loss wants of them, what scores compare with, and weights."""

    X: Any  # (N, D), dense or CSR
    y: Array  # as it was given
    targets: Array  # (N,) or (N, M)
    sample_weights: Array | None = None  # (N,), float64: as they were given
    weights: Array | None = None  # (N,), float64: times those of the classes

    def rows(self, which: Array) -> "Examples":
        weights = (None if part is None else part[which] for part in (self.sample_weights, self.weights))
        return Examples(self.X[which], self.y[which], self.targets[which], *weights)

    def weighted(self, weights: Array) -> "Examples":
        """With these weights, and without the rows whose weight is 0: they count for nothing at all."""
        counting = np.flatnonzero(weights)
        if not len(counting):
            raise ValueError("Sample weights must contain at least one non-zero number.")
        weighted = self._replace(weights=weights)
        return weighted if len(counting) == len(weights) else weighted.rows(counting)


class NetworkEstimator(BaseEstimator, ABC):  # type: ignore[misc]
    """The base of `NetworkClassifier` and `NetworkRegressor`, where their settings are explained."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"logistic", *ACTIVATIONS})],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "loss": [str, Mapping, Loss],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "layers": [list, tuple, None],
        "input_shape": [list, tuple, None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "batch_norm": ["boolean"],
        "optimizer": [str, Mapping, Optimizer, None],
        "scoring": [str, callable, None],
        "callbacks": [list, tuple, None],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
    }

    def _keep(self, settings: Mapping[str, Any]) -> None:
        """The constructor's arguments as attributes, which is all that scikit-learn lets a constructor do."""
        for name, value in settings.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    @abstractmethod
    def _encode(self, y: Array, define: bool, incremental: bool) -> Array:
        """Validated y as the loss wants it; where it defines the classes, they are kept."""

    @abstractmethod
    def _choose_loss(self, targets: Array) -> tuple[Loss, int, str]:
        """The loss, the number of outputs, and the name of what the last scores go through."""

    def _class_weights(self, y: Array, incremental: bool) -> Array | None:
        """Each row's weight by its class, (N,)."""
        return None

    @property
    def coefs_(self) -> list[Array]:
        """The weights of the fully connected layers, (D, M) each: views, which may be written to."""
        return [layer.w for layer in dense_layers(self.model_)]

    @coefs_.setter
    def coefs_(self, values: Sequence[Array]) -> None:
        _write(type(self).__name__, "coefs_", self.coefs_, values)

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of the fully connected layers, (M,) each: views, which may be written to."""
        return [layer.b for layer in dense_layers(self.model_)]

    @intercepts_.setter
    def intercepts_(self, values: Sequence[Array]) -> None:
        _write(type(self).__name__, "intercepts_", self.intercepts_, values)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        incremental: bool = False,
        define: bool = True,
    ) -> Self:
        if not (incremental and hasattr(self, "model_")):  # a stream's parts come fast
            self._validate_params()
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self._full_batch() and (self.callbacks or X_val is not None or y_val is not None):
            raise ValueError(
                "solver='lbfgs' has no epochs, after which a validation set would be scored or callbacks called. Leave "
                "X_val, y_val and callbacks out, or take solver='adam' or 'sgd'."
            )
        first = not hasattr(self, "model_") or not (self.warm_start or incremental)
        rows_shape = shape_of(X)
        X, y = self._check_X_y(X, y, first)
        targets = self._encode(y, define and first, incremental)
        examples = self._weighted(Examples(X, y, targets), sample_weight, incremental)
        rng = check_random_state(self.random_state)
        if first:
            who = type(self).__name__
            self._input_shape = chosen_input_shape(self.input_shape, rows_shape, X.shape[1], who)
            self._begin(examples, incremental, rng)
        self.n_iter_ = 0
        if self._full_batch():
            self._fit_lbfgs(examples)
        else:
            held = self._given_validation(X_val, y_val)
            if held is None and self.early_stopping:
                examples, held = self._split(examples, rng)
            self._fit_batches(examples, held, incremental, rng)
        return self

    def _begin(self, examples: Examples, incremental: bool, rng: np.random.RandomState) -> None:
        """A new network, and attributes as they are before the first step."""
        self._loss, self.n_outputs_, self.out_activation_ = self._choose_loss(examples.targets)
        n = examples.X.shape[0]
        precise = self._full_batch() or (not incremental and n <= self._batch_rows(n))
        dtype = self.dtype if self.dtype != "auto" else "float64" if precise else "float32"
        self.model_ = build_network(self, self._input_shape, self.n_outputs_, dtype, rng)
        weights = (name.split(".") for name in self.model_.named_params())
        self.n_layers_ = 1 + len({number for number, *_, what in weights if what == "w"})
        self.__dict__.pop("_optimizer", None)  # another network's
        self.t_ = self._no_improvement_count = 0
        self.loss_curve_: list[float] = []
        self.best_loss_ = None if self.early_stopping else np.inf
        self.validation_scores_: list[float] | None = None
        self.best_validation_score_: float | None = None

    def _fit_lbfgs(self, examples: Examples) -> None:
        total = examples.X.shape[0] if examples.weights is None else examples.weights.sum()
        dense = examples.X.toarray() if issparse(examples.X) else examples.X
        x = dense.reshape(len(dense), *self._input_shape)
        options = {"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol}
        found = minimize(
            self.model_, self._loss, x, examples.targets, examples.weights, self.alpha / total, options
        )
        self.n_iter_, self.loss_ = min(int(found.nit), self.max_iter), float(found.fun)
        self.best_loss_ = self.loss_
        self.__dict__.pop("history_", None)  # another call's
        if not np.isfinite(self.model_.params).all():
            raise ValueError("Solver produced non-finite parameter weights. Scale the input data, for one.")
        if found.status != 0:
            warnings.warn(
                f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}): {found.message}. "
                f"Increase max_iter (={self.max_iter}) or scale the data.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _fit_batches(
        self, examples: Examples, held: Examples | None, incremental: bool, rng: np.random.RandomState
    ) -> None:
        self._watch(held is not None)
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = chosen_optimizer(self)
        n, weights = examples.X.shape[0], examples.weights
        batch_size = self._batch_rows(n)
        if not incremental and self.batch_size != "auto" and self.batch_size > n:
            warnings.warn(
                f"batch_size is {self.batch_size}, and there are {n} rows: it is clipped.", stacklevel=4
            )
        alone = 1 in (batch_size, n % batch_size) and needs_several_rows(self.model_)  # in a last mini-batch
        if alone and batch_size == 1:
            raise ValueError(
                "Batch norm needs at least 2 rows in each mini-batch, to have a variance, got 1. Take a larger "
                "batch_size, or give more rows."
            )
        progress = Progress(self, None if held is None else validation_score(self, held))
        try:
            self.history_ = train(
                self.model_,
                as_rows(examples.X, self._input_shape),
                examples.targets,
                loss=self._loss,
                optimizer=self._optimizer,
                epochs=1 if incremental else self.max_iter,
                batch_size=batch_size,
                validation=None if held is None else (as_rows(held.X, self._input_shape), held.targets),
                sample_weights=weights,
                l2=self.alpha / (batch_size * (1.0 if weights is None else weights.mean())),
                shuffle=bool(self.shuffle),
                drop_last=alone,
                callbacks=[progress, *(self.callbacks or ())],
                seed=int(rng.randint(SEEDS) + self.t_) % SEEDS,  # another order at each call
            )
        except DivergedError as error:
            raise ValueError(f"Solver produced non-finite parameter weights ({error})") from error
        self._tell_how_it_ended(incremental)

    def _watch(self, validation: bool) -> None:
        """What is compared with, at the start of a call: a score with this call's, a loss with those before, too."""
        if self.early_stopping:
            self.best_loss_, self.best_validation_score_ = None, -np.inf
        elif self.best_loss_ is None:
            self.best_loss_ = np.inf
        if validation and self.validation_scores_ is None:
            self.validation_scores_, self.best_validation_score_ = [], -np.inf

    def _tell_how_it_ended(self, incremental: bool) -> None:
        if self.history_.stopped == INTERRUPTED:
            warnings.warn("Training interrupted by user.", stacklevel=5)
        elif not self.history_.stopped and not incremental:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _split(self, examples: Examples, rng: np.random.RandomState) -> tuple[Examples, Examples]:
        n = examples.X.shape[0]
        stratify = None
        if is_classifier(self) and examples.targets.ndim == 1:
            counts = np.unique(examples.targets, return_counts=True)[1]
            n_held = ceil(self.validation_fraction * n)
            if counts.min() > 1 and min(n_held, n - n_held) >= len(counts):  # else it cannot be done
                stratify = examples.targets
        kept, held = train_test_split(
            np.arange(n), test_size=self.validation_fraction, random_state=rng, stratify=stratify
        )
        if len(held) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return examples.rows(kept), examples.rows(held)

    def _given_validation(self, X_val: Any, y_val: Any) -> Examples | None:
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be provided together.")
        if X_val is None:
            return None
        X_val, y_val = self._check_X_y(X_val, y_val, first=False)
        return Examples(X_val, y_val, self._encode(y_val, define=False, incremental=True))

    def _weighted(self, examples: Examples, sample_weight: Any, incremental: bool) -> Examples:
        if sample_weight is not None:
            weights = _check_sample_weight(
                sample_weight, examples.X, dtype=np.float64, ensure_non_negative=True
            )
            examples = examples._replace(sample_weights=weights).weighted(weights)
        by_class = self._class_weights(examples.y, incremental)
        if by_class is None:
            return examples
        if by_class.min() < 0:
            raise ValueError(f"class_weight must be numbers >= 0, got {self.class_weight!r}.")
        return examples.weighted(by_class if examples.weights is None else examples.weights * by_class)

    def _check_X_y(self, X: Any, y: Any, first: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self,
            self._flat(X, first),
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=not is_classifier(self),
            reset=first,
        )
        y = y.toarray() if issparse(y) else y
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _flat(self, X: Any, first: bool) -> Any:
        if self.layers is None and self.input_shape is None:
            return X
        return flat(X, self.input_shape if first else self._input_shape, type(self).__name__)

    def _scores(self, X: Any) -> Array:
        """The network's output for X, (N, n_outputs_)."""
        check_is_fitted(self, "model_")
        X = validate_data(self, self._flat(X, first=False), accept_sparse="csr", reset=False)
        return self.model_.scores(as_rows(X, self._input_shape))

    def _batch_rows(self, n: int) -> int:
        return int(min(AUTO_BATCH if self.batch_size == "auto" else self.batch_size, n))

    def _full_batch(self) -> bool:
        return self.solver == "lbfgs" and self.optimizer is None

    def _follows(self, learning_rate: str) -> bool:
        return self.learning_rate == learning_rate and self.optimizer is None

    def _check_solver(self) -> bool:
        if self._full_batch():
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _write(who: str, what: str, views: Sequence[Array], values: Sequence[Array]) -> None:
    """Copy arrays into a network's own, all of them or none."""
    if len(values) != len(views):
        raise ValueError(f"{who}: expected {what} to be {len(views)} arrays, got {len(values)}.")
    for i, (view, value) in enumerate(zip(views, values, strict=True)):
        check_shape(who, f"{what}[{i}]", np.shape(value), view.shape)
    for view, value in zip(views, values, strict=True):
        view[...] = value
