"""The solver "lbfgs": all rows at once, by SciPy's L-BFGS, as scikit-learn calls it."""

from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.evaluation import prepare_arrays
from clearprop.full_batch import objective
from clearprop.losses import Loss
from clearprop.model import Sequential


def minimize(
    model: Sequential,
    loss: Loss,
    x: Array,
    y: Array,
    weights: Array | None,
    l2: float,
    options: dict[str, Any],
) -> Any:
    """Minimize Σ wₙ lossₙ / Σ wₙ + ½ l2 Σ w²; the network is changed in place.

    `fit_lbfgs` without weights of the rows, and with another rule of stopping: here also where the value hardly
    falls any more. Returns SciPy's OptimizeResult.
    """
    from scipy.optimize import minimize as scipy_minimize

    if model.buffers.size or any(drawn is not None for drawn in model.draw_noise(1)):
        raise ValueError(
            "solver='lbfgs' needs the same loss for the same weights, which dropout and batch norm do not give. "
            "Take solver='adam' or 'sgd', or leave these layers out."
        )
    x, y = prepare_arrays(model, loss, x, y, "fit")
    share: float | Array = 1 / len(x)
    if weights is not None:
        share = (weights / weights.sum()).reshape(-1, *[1] * len(model.output_shape))

    def function(params: Array) -> tuple[float, Array]:
        model.params = params
        value = objective(model, loss, x, y, share, l2)
        return value, model.grads.astype(np.float64)

    with np.errstate(all="ignore"):  # a step of the line search may go far
        found = scipy_minimize(
            function, model.params.astype(np.float64), jac=True, method="L-BFGS-B", options=options
        )
    model.params = found.x
    model.link = loss.link
    return found
