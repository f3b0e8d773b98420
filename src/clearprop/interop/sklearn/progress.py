"""After each epoch: the loss curve, the validation score, the learning rate, and whether to stop."""

from collections.abc import Callable
from copy import copy
from inspect import Parameter, signature
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import check_scoring

from clearprop.arrays import Array
from clearprop.callbacks import Callback
from clearprop.errors import DivergedError
from clearprop.evaluation import evaluate_set
from clearprop.optim import SGD

if TYPE_CHECKING:
    from clearprop.loop import Training

SMALLEST_LR = 1e-6  # where learning_rate="adaptive" goes no lower


class Progress(Callback):
    """Keep an estimator's fitted attributes up to date, and stop by its tol and n_iter_no_change.

    Parameters
    ----------
    estimator : NetworkClassifier or NetworkRegressor
    score : callable, optional
        score(training) gives the validation score, higher is better; None where there is no validation set.
    """

    def __init__(self, estimator: Any, score: Any = None) -> None:
        self.estimator, self.score = estimator, score
        self.best: tuple[Array, Array] | None = None  # parameters and buffers of the best score
        self.weights: list[Array] = []  # which the penalty is on: views
        self.penalty = self.penalties = 0.0  # the current one; those of the epoch's examples so far

    def on_fit_start(self, training: "Training") -> None:
        if training.settings.l2:
            self.weights = [training.model.params[span] for span in training.model.weight_spans()]
        if self.estimator.early_stopping and self.estimator.loss_curve_:
            self._keep_if_best(self.score(training))  # a warm start may find nothing better

    def on_epoch_start(self, training: "Training") -> None:
        self.penalty, self.penalties = self._penalty(training), 0.0

    def on_step_end(self, training: "Training") -> None:
        if self.weights:
            before = (training.batch - 1) * training.batch_size
            self.penalties += self.penalty * min(training.batch_size, len(training.x) - before)
            self.penalty = self._penalty(training)

    def on_epoch_end(self, training: "Training") -> None:
        est = self.estimator
        est.n_iter_ += 1
        est.t_ += len(training.x)
        est.loss_ = training.history.epochs[-1]["loss"] + self.penalties / len(training.x)
        est.loss_curve_.append(est.loss_)
        if not isfinite(est.loss_):  # in weights so large, of which the next step would tell
            raise DivergedError(f"epoch {est.n_iter_}: the loss with its penalty became {est.loss_}")
        if est.verbose:
            print(f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")
        if self.score is not None:
            self._score(training)
        improved = self._score_improved() if est.early_stopping else self._loss_improved()
        est._no_improvement_count = 0 if improved else est._no_improvement_count + 1
        self._schedule(training)
        if est._no_improvement_count > est.n_iter_no_change:
            self._stop_or_slow_down(training)

    def on_fit_end(self, training: "Training") -> None:
        if self.estimator.early_stopping and self.best is not None:
            training.model.params[...], training.model.buffers[...] = self.best

    def _score(self, training: "Training") -> None:
        est = self.estimator
        score = self.score(training)
        est.validation_scores_.append(score)
        if est.verbose:
            print(f"Validation score: {score:f}")

    def _score_improved(self) -> bool:
        est = self.estimator
        score = est.validation_scores_[-1]
        improved = not score < est.best_validation_score_ + est.tol
        self._keep_if_best(score)
        return improved

    def _keep_if_best(self, score: float) -> None:
        est = self.estimator
        if score > est.best_validation_score_:
            est.best_validation_score_ = score
            self.best = est.model_.params.copy(), est.model_.buffers.copy()

    def _loss_improved(self) -> bool:
        est = self.estimator
        improved = not est.loss_ > est.best_loss_ - est.tol
        est.best_loss_ = min(est.best_loss_, est.loss_)
        if self.score is not None:
            est.best_validation_score_ = max(est.best_validation_score_, est.validation_scores_[-1])
        return improved

    def _schedule(self, training: "Training") -> None:
        est = self.estimator
        if isinstance(training.optimizer, SGD) and est._follows("invscaling"):
            _set_lr(training.optimizer, est.learning_rate_init / (est.t_ + 1) ** est.power_t)

    def _stop_or_slow_down(self, training: "Training") -> None:
        est, lr = self.estimator, training.optimizer.lr
        what = "Validation score" if est.early_stopping else "Training loss"
        why = (
            f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} consecutive epochs."
        )
        if isinstance(training.optimizer, SGD) and est._follows("adaptive") and lr > SMALLEST_LR:
            _set_lr(training.optimizer, lr / 5)
            est._no_improvement_count = 0
            what_now = f"Setting learning rate to {training.optimizer.lr:f}"
        else:
            training.stop(why)
            what_now = "Stopping."
        if est.verbose:
            print(f"{why} {what_now}")

    def _penalty(self, training: "Training") -> float:
        """½ l2 Σ w², which the loss of scikit-learn's curve includes."""
        return 0.5 * training.settings.l2 * sum(float(np.dot(w, w)) for w in self.weights)


def _set_lr(optimizer: SGD, lr: float) -> None:
    """Change the rate of the steps to come: scikit-learn's velocity contains the rates of those before."""
    if "velocity" in optimizer.slots:
        optimizer.slots["velocity"] *= optimizer.lr / lr
    optimizer.lr = lr


def validation_score(estimator: Any, held: Any) -> Callable[["Training"], float]:
    """What scores the network as it stands on the `Examples` that are held out, by `scoring`; higher is better."""
    if estimator.scoring == "loss":
        return _validation_loss
    twin = copy(estimator)
    twin.__dict__.pop("feature_names_in_", None)  # what is held out has lost its names
    scorer = check_scoring(twin, scoring=estimator.scoring)
    weighted = {} if held.sample_weights is None else {"sample_weight": held.sample_weights}
    if weighted and not _takes_weights(scorer):
        raise ValueError(
            f"The rows that are held out have sample weights, and scoring={estimator.scoring!r} takes no "
            "sample_weight. Give it that argument, or pass X_val and y_val, which have no weights."
        )
    return lambda training: float(scorer(twin, held.X, held.y, **weighted))


def _validation_loss(training: "Training") -> float:
    if training.history.epochs:
        return -training.history.epochs[-1]["validation_loss"]
    x, y = training.sets["validation"]
    return -evaluate_set(training.model, x, y, training.loss)["loss"]


def _takes_weights(scorer: Any) -> bool:
    """Whether a scorer, or the metric that scikit-learn has made one of, can be called with sample_weight."""
    parameters = signature(getattr(scorer, "_score_func", scorer)).parameters
    return "sample_weight" in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
