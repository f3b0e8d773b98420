"""Numerical gradients by central differences, on x in place; and the course's relative error."""

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.arrays import Array

__all__ = ["eval_numerical_gradient", "eval_numerical_gradient_array", "grad_check_sparse", "rel_error"]

Index = tuple[int, ...]


def rel_error(x: Any, y: Any) -> float:
    """The largest |x − y| / max(1e-8, |x| + |y|) of two arrays' elements.

    >>> rel_error(np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    0.2
    """
    return float(np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y))))


def eval_numerical_gradient(
    f: Callable[[Array], float], x: Array, verbose: bool = True, h: float = 1e-5
) -> Array:
    """The gradient of the number f(x), (f(x + h) − f(x − h)) / 2h for each element of x.

    Parameters
    ----------
    f : callable
        Takes x, or reads it where it lies: x itself is changed, element by element, and restored.
    x : array of floats
    verbose : bool
        Print each element's index and slope.
    h : float

    Returns
    -------
    array of x's shape

    Examples
    --------
    >>> eval_numerical_gradient(lambda x: (x**2).sum(), np.array([1.0, 3.0]), verbose=False).round(6)
    array([2., 6.])
    """
    grad = np.zeros_like(x)
    for ix in np.ndindex(x.shape):
        above, below = _both_sides(f, x, ix, h)
        grad[ix] = (above - below) / (2 * h)
        if verbose:
            print(ix, grad[ix])
    return grad


def eval_numerical_gradient_array(f: Callable[[Array], Array], x: Array, df: Array, h: float = 1e-5) -> Array:
    """The gradient of Σ f(x) df in x, for f(x) an array of df's shape; else as `eval_numerical_gradient`."""
    grad = np.zeros_like(x)
    for ix in np.ndindex(x.shape):
        above, below = _both_sides(f, x, ix, h)
        grad[ix] = ((above - below) * df).sum() / (2 * h)
    return grad


def grad_check_sparse(
    f: Callable[[Array], float], x: Array, analytic_grad: Array, num_checks: int = 10, h: float = 1e-5
) -> None:
    """Print a gradient beside the numerical one, at elements of x drawn with np.random."""
    for _ in range(num_checks):
        ix = tuple(int(np.random.randint(n)) for n in x.shape)
        above, below = _both_sides(f, x, ix, h)
        numerical, analytic = (above - below) / (2 * h), analytic_grad[ix]
        error = rel_error(numerical, analytic)
        print(f"numerical: {numerical:f} analytic: {analytic:f}, relative error: {error:e}")


def _both_sides(f: Callable[[Array], Any], x: Array, ix: Index, h: float) -> tuple[Any, Any]:
    """f with x[ix] larger and smaller by h; x is restored, also if f raises."""
    kept = x[ix]
    try:
        x[ix] = kept + h
        above = np.copy(f(x))  # copies: f may give x itself, or a view of it
        x[ix] = kept - h
        return above, np.copy(f(x))
    finally:
        x[ix] = kept
