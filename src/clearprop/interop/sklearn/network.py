"""The network behind an estimator: its layers from the settings, its first weights, its loss, its optimizer."""

from collections.abc import Mapping
from copy import deepcopy
from math import prod, sqrt
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import xlogy

from clearprop.arrays import Array, Shape
from clearprop.interop.sklearn.adam import PlainEpsilonAdam
from clearprop.kernels.losses import poisson, squared_error
from clearprop.layers import Activation, BatchNorm, Dense, Dropout, Flatten, Layer
from clearprop.losses import Loss, make_loss
from clearprop.model import Sequential
from clearprop.optim import SGD, make_optimizer
from clearprop.optimizer import Optimizer
from clearprop.plan import as_input_shape

SEEDS = 2**31 - 1  # what a RandomState draws a seed from


def half_squared_error(scores: Array, targets: Array) -> tuple[Array, Array]:
    """lossₙ = ½ Σₘ (s − t)²,  dscores = s − t: what scikit-learn calls squared_error

    scores, targets: (N, M)  ->  losses: (N,), dscores: (N, M)
    """
    losses, dscores = squared_error(scores, targets)
    return losses / 2, dscores / 2


def half_poisson_deviance(scores: Array, targets: Array) -> tuple[Array, Array]:
    """lossₙ = Σₘ t log(t / exp(s)) − t + exp(s),  dscores = exp(s) − t: what scikit-learn calls poisson

    scores, targets: (N, M)  ->  losses: (N,), dscores: (N, M)
    """
    losses, dscores = poisson(scores, targets)
    return losses + (xlogy(targets, targets) - targets).sum(axis=1), dscores


REGRESSION_LOSSES = {
    "squared_error": Loss("half_squared_error", half_squared_error, "numbers", "identity"),
    "poisson": Loss("half_poisson_deviance", half_poisson_deviance, "counts", "exp"),
}


def build_network(
    estimator: Any, input_shape: Shape, n_outputs: int, dtype: str, rng: np.random.RandomState
) -> Sequential:
    """The network of an estimator's settings, with its first weights.

    A network of `hidden_layer_sizes` begins with the weights that scikit-learn's would have with the same `rng`;
    the layers of `layers` have initializers of their own.
    """
    if estimator.layers is not None:
        if estimator.dropout or estimator.batch_norm:
            raise ValueError(
                "dropout and batch_norm belong to hidden_layer_sizes; among layers put Dropout(rate) and BatchNorm()."
            )
        layers = _with_output(list(estimator.layers), n_outputs, estimator._loss)
        return Sequential(layers, input_shape, seed=int(rng.randint(SEEDS)), dtype=dtype)
    model = Sequential([*_hidden_layers(estimator, input_shape), Dense(n_outputs)], input_shape, dtype=dtype)
    for layer in dense_layers(model):
        bound = sqrt((2 if estimator.activation == "logistic" else 6) / sum(layer.w.shape))
        layer.w[...] = rng.uniform(-bound, bound, layer.w.shape)
        layer.b[...] = rng.uniform(-bound, bound, layer.b.shape)
    if estimator.dropout:
        model.rng = np.random.default_rng(rng.randint(SEEDS))
    return model


def _hidden_layers(estimator: Any, input_shape: Shape) -> list[Layer]:
    sizes = np.atleast_1d(np.asarray(estimator.hidden_layer_sizes, dtype=object)).tolist()
    if not all(isinstance(size, Real) for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be whole numbers, one a layer, got {sizes}.")
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    activation = "sigmoid" if estimator.activation == "logistic" else estimator.activation
    layers: list[Layer] = [Flatten()] if len(input_shape) > 1 else []
    for size in sizes:
        layers.append(Dense(size))
        if estimator.batch_norm:
            layers.append(BatchNorm())
        if activation != "identity":
            layers.append(Activation(activation))
        if estimator.dropout:
            layers.append(Dropout(estimator.dropout))
    return layers


def _with_output(layers: list[Layer], n_outputs: int, loss: Loss) -> list[Layer]:
    """The layers, with the output layer behind them unless the last of them is one."""
    parts = [part for layer in layers if isinstance(layer, Layer) for part in layer.expand()]
    last = parts[-1] if parts else None
    before = parts[-2] if len(parts) > 1 else None
    if isinstance(last, Activation) and loss.link in ("softmax", "sigmoid", "argmax"):
        as_many = isinstance(before, Dense) and before.units == n_outputs
        if "softmax" in last.name or (last.name == loss.link and as_many):
            raise ValueError(
                f"layers ends with {last}, and the loss {loss.name} wants the scores in front of it. Leave it out."
            )
    is_output = isinstance(last, Dense) and last.units == n_outputs
    return layers if is_output else [*layers, Dense(n_outputs)]


def needs_several_rows(model: Sequential) -> bool:
    """Whether a mini-batch of one row has no variance somewhere: an image alone has one over its pixels."""
    leaves = (
        leaf for layer, shape in zip(model.layers, model.shapes, strict=False) for leaf in layer.leaves(shape)
    )
    return any(layer.over_batch and prod(at[:-1]) == 1 for layer, at in leaves)


def dense_layers(model: Sequential) -> list[Dense]:
    """The fully connected layers, in order: scikit-learn's coefs_ and intercepts_."""
    return [layer for layer in model.layers if isinstance(layer, Dense)]


def chosen_loss(spec: Any, by_name: Mapping[str, Loss]) -> Loss:
    """A loss from scikit-learn's names, from clearprop's, or as it is."""
    return by_name[spec] if isinstance(spec, str) and spec in by_name else make_loss(spec)


def chosen_optimizer(estimator: Any) -> Optimizer:
    """A new optimizer from `optimizer=`, or from the solver and its settings."""
    given = estimator.optimizer
    if isinstance(given, Optimizer):
        return deepcopy(given)  # a setting, which fitting leaves as it is
    if isinstance(given, str):
        given = {"name": given, "lr": estimator.learning_rate_init}
    if given is not None:
        return make_optimizer(given)
    lr = float(estimator.learning_rate_init)
    if estimator.solver == "sgd":
        momentum = float(estimator.momentum)
        return SGD(lr, momentum, nesterov=bool(momentum) and estimator.nesterovs_momentum)
    return PlainEpsilonAdam(lr, float(estimator.beta_1), float(estimator.beta_2), float(estimator.epsilon))


def chosen_input_shape(given: Any, X_shape: Shape, n_features: int, who: str) -> Shape:
    """One row's shape: `input_shape=`, else X's own."""
    if given is None:
        return tuple(X_shape[1:]) if len(X_shape) > 2 else (n_features,)
    shape = as_input_shape(given)
    if prod(shape) != n_features:
        raise ValueError(
            f"X has {n_features} features, but {who} is expecting {prod(shape)} features as input, as input_shape "
            f"{shape} says."
        )
    return shape
