"""L-BFGS for full batches: SciPy drives it, on one flat vector of parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array, check_shape
from clearprop.errors import ConfigError
from clearprop.names import check_count, check_number


class LBFGSResult(NamedTuple):
    """How a minimization ended."""

    value: float  # of the function at the parameters found
    iterations: int
    evaluations: int  # of the function and its gradient
    converged: bool  # False where max_iter, or a value that was not finite, ended it
    message: str  # SciPy's reason for stopping


def minimize_lbfgs(
    function: Callable[[Array], tuple[float, Array]],
    params: Array,
    max_iter: int = 200,
    tolerance: float = 1e-5,
    history: int = 10,
) -> LBFGSResult:
    """Minimize a function of all parameters by L-BFGS; the parameters change in place.

    Parameters
    ----------
    function : callable
        params -> (value, grads): a float, and an array of shape (n_params,), only read. It is called
        with `params` itself, so a model whose vector that is needs no copying.
    params : array of shape (n_params,)
        Where to start, and in the end what was found.
    max_iter : int
        Iterations at most; each costs one evaluation, sometimes a few.
    tolerance : float
        Stop when no element of the gradient is larger.
    history : int
        Pairs of steps and gradient differences that stand in for the Hessian.

    Returns
    -------
    LBFGSResult
        Value, iterations, evaluations, whether it converged, and why it stopped.

    Raises
    ------
    ConfigError
        If SciPy is not installed, or a setting is not valid.

    Notes
    -----
    Byrd, Lu, Nocedal & Zhu (1995), L-BFGS-B without bounds. SciPy computes in float64, the function in the
    parameters' own dtype; in float32 a tolerance below about 1e-4 may not be reached.

    Examples
    --------
    >>> params = np.array([3.0, -2.0])
    >>> result = minimize_lbfgs(lambda p: (float(p @ p), 2 * p), params)
    >>> result.converged, bool(abs(params).max() < 1e-5)
    (True, True)
    """
    check_shape("minimize_lbfgs", "params", params.shape, ("n_params",))
    options = {
        "maxiter": check_count("minimize_lbfgs", "max_iter", max_iter),
        "maxfun": 20 * max_iter,  # no iteration should need more; it bounds a search along a broken gradient
        "gtol": check_number("minimize_lbfgs", "tolerance", tolerance, "to be >= 0", lambda v: v >= 0),
        "ftol": 0.0,  # the gradient decides
        "maxcor": check_count("minimize_lbfgs", "history", history),
    }

    def evaluate(point: Array) -> tuple[float, Array]:
        params[...] = point
        value, grads = function(params)
        check_shape("minimize_lbfgs", "the function's gradient", grads.shape, params.shape)
        return float(value), grads.astype(np.float64)

    found = _scipy_minimize()(
        evaluate, params.astype(np.float64), jac=True, method="L-BFGS-B", options=options
    )
    params[...] = found.x
    return LBFGSResult(
        float(found.fun), int(found.nit), int(found.nfev), bool(found.success), str(found.message)
    )


def _scipy_minimize() -> Callable[..., Any]:
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise ConfigError(
            "minimize_lbfgs: expected SciPy to be installed, and it is not. "
            'Run pip install "clearprop[lbfgs]".'
        ) from error
    return minimize  # type: ignore[no-any-return]
