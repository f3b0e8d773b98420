"""The check of any function's gradient, and of kernels and losses."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.arrays import Array, check_shape
from clearprop.errors import ShapeError
from clearprop.gradcheck.engine import Arrays, Effort, check_arrays
from clearprop.gradcheck.report import GradientReport

Vjp = Callable[[Array, Any], Any]  # (dy, x) -> dx


def check_function(
    f: Callable[[Any], Any],
    df: Vjp | npt.ArrayLike | Arrays,
    x: npt.ArrayLike | Arrays,
    *,
    name: str = "",
    seed: int = 0,
    coordinates: int = 64,
    directions: int = 3,
    tolerance: float = 1e-7,
    raise_on_failure: bool = True,
) -> GradientReport:
    """Check the gradient of any function against differences.

    Parameters
    ----------
    f : callable
        f(x) -> array of any shape, or a number, computed in float64.
    df : callable, or array
        df(dy, x) -> dx: the gradient of Σ dy ⊙ f(x), for the dy that is drawn at random. Where f gives a
        number, its gradient itself will do.
    x : array, or dict of arrays
        Where to check; with a dict, f and df get a dict and df returns one.
    name : str
        What the report calls f; by default f's own name.
    seed : int
        Seeds dy, the directions and the choice of coordinates.
    coordinates : int
        How many are checked in each array: all where it has no more, otherwise half of them the largest in
        the analytic gradient, half at random.
    directions : int
        How many random directions each array's whole gradient is projected on.
    tolerance : float
        The largest relative error that passes; see GradientReport.
    raise_on_failure : bool
        Whether a wrong gradient raises; otherwise it is only in the report.

    Returns
    -------
    GradientReport

    Raises
    ------
    GradientError
        If a gradient is wrong, or cannot be proved because x lies on a kink at most coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> adjugate = np.linalg.inv(x) * np.linalg.det(x)
    >>> report = check_function(np.linalg.det, adjugate, x, raise_on_failure=False)
    >>> report.ok, report.entries[0].guess
    (False, 'The transpose matches.')
    """
    single = not isinstance(x, Mapping)
    arrays = {
        key: np.array(v, np.float64, order="C")
        for key, v in (x if isinstance(x, Mapping) else {"x": x}).items()
    }
    at: Any = arrays["x"] if single else arrays
    title = name or name_of(f)

    def backward(dy: Array) -> dict[str, Any]:
        if callable(df):
            found = df(dy, at)
        else:
            check_shape(title, "the output", dy.shape, (), "Give df as df(dy, x), or let f return a number.")
            found = (
                {k: dy * np.asarray(v) for k, v in df.items()}
                if isinstance(df, Mapping)
                else dy * np.asarray(df)
            )
        return {"x": found} if single else dict(found)

    effort = Effort(seed, coordinates, directions, tolerance)
    report = check_arrays(title, lambda: f(at), backward, arrays, effort)
    return finish(report, raise_on_failure)


def check_kernel(
    forward: Callable[..., tuple[Array, Any]],
    backward: Callable[[Array, Any], Any],
    inputs: Arrays,
    *,
    fixed: Iterable[str] = (),
    name: str = "",
    seed: int = 0,
    coordinates: int = 64,
    directions: int = 3,
    tolerance: float = 1e-7,
    raise_on_failure: bool = True,
) -> GradientReport:
    """Check a kernel's pair: `y, cache = forward(*inputs)` and `backward(dy, cache)`.

    Parameters
    ----------
    forward, backward : callable
        The pair; backward returns the inputs' gradients in the order of forward's arguments.
    inputs : dict of arrays
        Named, in the order of forward's arguments.
    fixed : iterable of str
        The inputs that have no gradient, such as a mask; those of integers are fixed anyway.
    name, seed, coordinates, directions, tolerance, raise_on_failure
        As in `check_function`.

    Examples
    --------
    >>> import numpy as np
    >>> from clearprop.kernels.activations import tanh_forward, tanh_backward
    >>> check_kernel(tanh_forward, tanh_backward, {"x": np.linspace(-2, 2, 5)}).ok
    True
    """
    values = {key: _in_float64(v) for key, v in inputs.items()}
    held = {key for key, v in values.items() if v.dtype != np.float64} | set(fixed)
    free = {key: v for key, v in values.items() if key not in held}
    title = name or name_of(forward)

    def gradients(dy: Array) -> dict[str, Any]:
        found = backward(dy, forward(*values.values())[1])
        found = found if isinstance(found, tuple) else (found,)
        if len(found) != len(free):
            raise ShapeError(
                f"{title}: expected a gradient for each of {', '.join(free)}, in order, got {len(found)}. "
                "Name the inputs without one in fixed=(…)."
            )
        return dict(zip(free, found, strict=True))

    effort = Effort(seed, coordinates, directions, tolerance, strict=True)
    report = check_arrays(title, lambda: forward(*values.values())[0], gradients, free, effort)
    return finish(report, raise_on_failure)


def check_loss(
    loss: Callable[[Array, Array], tuple[Array, Array]],
    scores: Array,
    y: Array,
    *,
    name: str = "",
    seed: int = 0,
    coordinates: int = 64,
    directions: int = 3,
    tolerance: float = 1e-7,
    raise_on_failure: bool = True,
) -> GradientReport:
    """Check a loss kernel: `losses, dscores = loss(scores, y)`, each row of dscores its own loss's gradient.

    Parameters
    ----------
    loss : callable
    scores : array of shape (N, …)
    y : array
        Labels or targets, held fixed.
    name, seed, coordinates, directions, tolerance, raise_on_failure
        As in `check_function`. The losses get random weights, so a mean taken inside is found.

    Examples
    --------
    >>> import numpy as np
    >>> from clearprop.kernels.losses import softmax_cross_entropy
    >>> check_loss(softmax_cross_entropy, np.eye(3), np.array([0, 2, 1])).ok
    True
    """
    arrays = {"scores": np.array(scores, np.float64, order="C")}
    y = _in_float64(y)
    title = name or name_of(loss)

    def losses() -> Array:
        found = np.asarray(loss(arrays["scores"], y)[0])
        check_shape(title, "losses", found.shape, (len(y),), "A loss returns one number for each example.")
        return found

    def gradients(dlosses: Array) -> dict[str, Any]:
        dscores = np.asarray(loss(arrays["scores"], y)[1])
        return {"scores": dscores * dlosses.reshape(-1, *[1] * (dscores.ndim - 1))}

    effort = Effort(seed, coordinates, directions, tolerance, strict=True)
    return finish(check_arrays(title, losses, gradients, arrays, effort), raise_on_failure)


def finish(report: GradientReport, raise_on_failure: bool) -> GradientReport:
    """The report, unless it is to raise."""
    if raise_on_failure:
        report.raise_on_failure()
    return report


def _in_float64(value: npt.ArrayLike) -> Array:
    """A contiguous copy, in float64 where it holds floating-point numbers."""
    array = np.array(value, order="C")
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def name_of(f: Callable[..., Any]) -> str:
    """A function's name without _forward, looking through partial."""
    f = f.func if isinstance(f, partial) else f
    return str(getattr(f, "__name__", type(f).__name__)).removesuffix("_forward")
