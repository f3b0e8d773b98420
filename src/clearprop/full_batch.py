"""fit_lbfgs: training on all examples at once, by L-BFGS instead of mini-batch steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.errors import ConfigError
from clearprop.evaluation import prepare_arrays
from clearprop.kernels.penalties import l2_penalty
from clearprop.lbfgs import LBFGSResult, minimize_lbfgs
from clearprop.loop import backpropagate
from clearprop.losses import Loss, make_loss
from clearprop.messages.calls import in_a_sentence
from clearprop.model import Sequential
from clearprop.names import check_number
from clearprop.sources import RowSource


@in_a_sentence
def fit_lbfgs(
    model: Sequential,
    x: Any,
    y: Any,
    *,
    loss: "str | Mapping[str, Any] | Loss" = "softmax_cross_entropy",
    l2: float = 0.0,
    max_iter: int = 200,
    tolerance: float = 1e-5,
) -> LBFGSResult:
    """Minimize the mean loss over all examples, for sets that fit into memory; the network is changed in place.

    Parameters
    ----------
    model : Sequential
        Without dropout: L-BFGS needs the same value for the same parameters. float64 converges further.
    x : array of shape (N, *input_shape)
    y : array
        Labels (N,) or targets, as the loss wants them.
    loss : str, mapping or Loss
    l2 : float
        The penalty ½ l2 Σw² on weights, not on biases; part of the value.
    max_iter : int
        Iterations at most.
    tolerance : float
        Stop when no element of the gradient is larger.

    Returns
    -------
    LBFGSResult
        The value found, iterations, evaluations, whether it converged, and why it stopped.

    Raises
    ------
    ShapeError, DataError, ConfigError
        If x, y or a setting does not fit, the network has dropout, or SciPy is not installed.

    Examples
    --------
    >>> import clearprop as cp
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]); y = np.array([0, 1, 1, 0])
    >>> model = cp.Sequential([cp.Dense(8, activation="tanh"), cp.Dense(2)], (2,), seed=0, dtype="float64")
    >>> result = fit_lbfgs(model, x, y, l2=1e-3)
    >>> result.converged, model.predict(x)
    (True, array([0, 1, 1, 0]))
    """
    loss = make_loss(loss)
    if isinstance(x, RowSource):
        raise ConfigError(
            "fit_lbfgs: expected x in memory, for each iteration goes over all of it, got rows that are read from a "
            "source. Take fit; or, if they fit into memory, x.read(0, len(x))."
        )
    x, y = prepare_arrays(model, loss, x, y, "fit_lbfgs")
    check_number("fit_lbfgs", "l2", l2, ">= 0", lambda v: v >= 0)
    for layer, drawn in zip(model.layers, model.draw_noise(1), strict=True):
        if drawn is not None:
            raise ConfigError(
                f"fit_lbfgs: expected a network whose loss is the same each time, got one with {layer}, which draws "
                "at random. Leave such layers out, or train it with fit."
            )

    if model.buffers.size:
        names = ", ".join(sorted({name.rpartition(".")[2] for name in model.named_buffers()}))
        raise ConfigError(
            f"fit_lbfgs: expected a network without running statistics, got one with {names}: they would follow "
            "the line search, not the network. Train it with fit, or leave BatchNorm out."
        )

    def function(_: Array) -> tuple[float, Array]:  # of the parameters, which are the network's
        return objective(model, loss, x, y, 1 / len(x), l2), model.grads

    with np.errstate(all="ignore"):  # a step of the line search may go far
        result = minimize_lbfgs(function, model.params, max_iter, tolerance)
    model.link = loss.link
    return result


def objective(model: Sequential, loss: Loss, x: Array, y: Array, share: "float | Array", l2: float) -> float:
    """Σ shareₙ lossₙ + ½ l2 Σw² over weights, not biases; its gradient goes into `model.grads`.

    x, y: all examples        share: 1/N, or weights that add up to 1, of shape (N, 1, …)
    """
    losses, _ = backpropagate(model, loss, x, y, share)
    value = float(np.sum(np.reshape(share, -1) * losses, dtype=np.float64))
    for span in model.weight_spans() if l2 else ():
        penalty, dw = l2_penalty(model.params[span], l2)
        value += float(penalty)
        model.grads[span] += dw
    return value
