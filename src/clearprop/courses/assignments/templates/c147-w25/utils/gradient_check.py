"""Gradients by central differences, to compare with those that the code computes."""

import numpy as np


def rel_error(x, y):
    """The largest |x - y| / max(1e-8, |x| + |y|) over all elements."""
    return np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y)))


def eval_numerical_gradient(f, x, verbose=True, h=1e-5):
    """The gradient of a number at x.

    Parameters
    ----------
    f : callable
        f(x) is a number. It may read x itself: each element is moved in place, and put back.
    x : array of floats
    verbose : bool
        Whether to print each element's derivative.
    h : float
        How far an element is moved to either side.

    Returns
    -------
    array of x's shape
    """
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        above, below = _on_both_sides(f, x, index, h)
        gradient[index] = (above - below) / (2 * h)
        if verbose:
            print(index, gradient[index])
    return gradient


def eval_numerical_gradient_array(f, x, df, h=1e-5):
    """The gradient of sum(f(x) * df) at x, where f(x) is an array and df, of its shape, comes from above."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        above, below = _on_both_sides(f, x, index, h)
        gradient[index] = np.sum((above - below) * df) / (2 * h)
    return gradient


def grad_check_sparse(f, x, analytic_grad, num_checks=10, h=1e-5):
    """Compare `num_checks` elements of a gradient, drawn at random, with their differences, and print each."""
    for _ in range(num_checks):
        index = tuple(np.random.randint(size) for size in x.shape)
        above, below = _on_both_sides(f, x, index, h)
        numeric, analytic = (above - below) / (2 * h), analytic_grad[index]
        error = rel_error(numeric, analytic)
        print(f"at {index}: numerical {numeric:f}, analytic {analytic:f}, relative error {error:e}")


def _on_both_sides(f, x, index, h):
    kept = x[index]
    x[index] = kept + h
    above = np.array(f(x))  # a copy: f may give back x itself
    x[index] = kept - h
    below = np.array(f(x))
    x[index] = kept
    return above, below
