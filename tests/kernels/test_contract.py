"""What every kernel keeps to, checked for each row of the table."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

from clearprop import kernels

from .table import CASES, N

DTYPES = ("float32", "float64")
every_kernel = pytest.mark.parametrize("case", CASES, ids=str)


def draw(case, dtype="float64", n=N):
    """The row's inputs, floating-point ones in the dtype."""
    inputs = case.inputs(np.random.default_rng(0), n)
    return tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in inputs)


def upstream(y):
    """A random gradient for the output y, in y's dtype."""
    dy = np.random.default_rng(1).normal(size=np.shape(y))
    return dy.astype(y.dtype) if isinstance(y, np.ndarray) else float(dy)


def central_difference(f, x, step=1e-6):
    """The gradient of the number f() with respect to x, which f reads, element by element."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + step
        above = f()
        x[index] = kept - step
        below = f()
        x[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient


def strided(a):
    """The same numbers, every second element of a longer array."""
    longer = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    longer[..., ::2] = a
    return longer[..., ::2]


def public_kernels():
    """Every forward function, loss and penalty that a module of clearprop.kernels defines."""
    for info in pkgutil.iter_modules(kernels.__path__):
        module = importlib.import_module(f"clearprop.kernels.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            ours = function.__module__ == module.__name__ and not name.startswith("_")
            if ours and (name.endswith(("_forward", "_penalty")) or info.name == "losses"):
                yield name


def test_the_table_has_every_kernel():
    assert {case.kernel for case in CASES} == set(public_kernels())


@every_kernel
@pytest.mark.parametrize("n", [N, 1], ids=["batch", "batch of one"])
def test_agrees_with_the_loop(case, n):
    inputs = draw(case, n=n)
    y, _ = case.forward(*inputs)
    expected = case.naive(*inputs)
    assert np.shape(y) == np.shape(expected)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@every_kernel
@pytest.mark.parametrize("n", [N, 1], ids=["batch", "batch of one"])
def test_gradients_agree_with_central_differences(case, n):
    inputs = draw(case, n=n)
    y, cache = case.forward(*inputs)
    dy = upstream(y)
    gradients = case.backward(dy, cache)
    assert len(gradients) == case.n_grads
    for x, dx in zip(inputs, gradients, strict=False):
        numeric = central_difference(lambda: np.sum(dy * case.forward(*inputs)[0]), x)
        assert dx.shape == x.shape
        np.testing.assert_allclose(dx, numeric, rtol=1e-7, atol=1e-8)


@every_kernel
@pytest.mark.parametrize("dtype", DTYPES)
def test_keeps_the_dtype(case, dtype):
    y, cache = case.forward(*draw(case, dtype))
    kept = cache if isinstance(cache, tuple) else [cache]
    kept = [a for a in kept if not (isinstance(a, np.ndarray) and a.dtype.kind in "ib")]  # indices and masks
    arrays = [y, *case.backward(upstream(y), cache), *kept]
    assert {a.dtype.name for a in arrays if isinstance(a, np.ndarray)} == {dtype}
    assert not any(isinstance(a, np.generic) for a in arrays)


@every_kernel
def test_changes_no_input(case):
    inputs = draw(case)
    before = [a.copy() for a in inputs]
    y, cache = case.forward(*inputs)
    dy = upstream(y)
    dy_before = np.copy(dy)
    first = case.backward(dy, cache)
    second = case.backward(dy, cache)  # the cache is as it was, too
    for a, b in zip([*inputs, dy, *first], [*before, dy_before, *second], strict=True):
        np.testing.assert_array_equal(a, b)


@every_kernel
def test_reads_non_contiguous_arrays(case):
    inputs = draw(case)
    y, cache = case.forward(*inputs)
    dy = upstream(y)
    gradients = case.backward(dy, cache)
    y_strided, cache_strided = case.forward(*(strided(a) for a in inputs))
    gradients_strided = case.backward(strided(dy) if isinstance(dy, np.ndarray) else dy, cache_strided)
    for a, b in zip([y_strided, *gradients_strided], [y, *gradients], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@every_kernel
def test_is_finite_at_large_inputs_in_float32(case):
    rng = np.random.default_rng(2)
    inputs = list(draw(case, "float32", n=40))
    for i in range(case.n_grads):
        inputs[i] = rng.choice(np.float32([-1e4, -100, -1, 0, 1, 100, 1e4]), inputs[i].shape)
    with np.errstate(all="raise", under="ignore"):
        y, cache = case.forward(*inputs)
        gradients = case.backward(upstream(y), cache)
    assert all(np.isfinite(a).all() for a in [y, *gradients])
