"""Claims of an answer, held against numbers while it is written."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from clearprop.arrays import Array
from clearprop.gradcheck.check import check_function
from clearprop.lens.document import Confirmation

Arrays = Mapping[str, Array]
BY_DIFFERENCES = "The equations, written out in NumPy, against central differences"
BY_KERNEL = "The same against clearprop's own kernel"


def by_differences(
    f: Callable[[Any], Any],
    gradients: Callable[[Array, Any], Arrays],
    x: Arrays,
    names: Mapping[str, str],
    how: str = BY_DIFFERENCES,
) -> Confirmation:
    """Hold gradients that an answer claims against central differences, with a random upstream gradient.

    Parameters
    ----------
    f : callable
        f(x) -> array, of the dict of arrays.
    gradients : callable
        gradients(dy, x) -> dict: what the answer says the gradient of Σ dy ⊙ f(x) is.
    x : dict of arrays
        Where.
    names : dict of str
        How the answer writes each gradient, in LaTeX.
    """
    report = check_function(f, gradients, dict(x), name="answer", raise_on_failure=False)
    errors = {
        names[entry.name]: entry.error if entry.verdict == "ok" else max(entry.error, 1e-7)
        for entry in report.entries
    }
    return Confirmation(how, errors, guess=" ".join(entry.guess for entry in report.failures if entry.guess))


def by_comparison(how: str, pairs: Mapping[str, tuple[Any, Any]], tolerance: float = 1e-7) -> Confirmation:
    """Hold arrays against others that should be equal: |a − b| at its largest, over the largest |b|."""
    return Confirmation(how, {name: relative(*pair) for name, pair in pairs.items()}, tolerance)


def relative(a: Any, b: Any) -> float:
    """The largest difference, over the largest number; infinite where the shapes differ."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        return np.inf
    return float(np.abs(a - b).max() / max(float(np.abs(b).max()), 1e-300))
