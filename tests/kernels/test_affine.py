import numpy as np
import pytest

from clearprop.kernels.affine import affine_backward, affine_forward


def forward(seed=0):
    rng = np.random.default_rng(seed)
    x, w, b = rng.normal(size=(6, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    y, cache = affine_forward(x, w, b)
    return rng.normal(size=y.shape), cache


def test_out_is_written_in_place_and_returned():
    dy, cache = forward()
    dx, dw, db = affine_backward(dy, cache)
    flat = np.full(4 * 3 + 3, np.nan)
    views = flat[:12].reshape(4, 3), flat[12:]
    dx_out, dw_out, db_out = affine_backward(dy, cache, out=views)
    assert dw_out is views[0]
    assert db_out is views[1]
    np.testing.assert_array_equal(dx_out, dx)
    np.testing.assert_array_equal(flat, np.concatenate([dw.ravel(), db]))


def test_backward_writes_and_never_accumulates():
    dy, cache = forward()
    out = np.empty((4, 3)), np.empty(3)
    once = [a.copy() for a in affine_backward(dy, cache, out=out)[1:]]
    for a, b in zip(affine_backward(dy, cache, out=out)[1:], once, strict=True):
        np.testing.assert_array_equal(a, b)


def test_dx_is_none_where_nobody_needs_it():
    dy, cache = forward()
    dx, dw, db = affine_backward(dy, cache, need_dx=False)
    assert dx is None
    np.testing.assert_array_equal(dw, affine_backward(dy, cache)[1])
    np.testing.assert_array_equal(db, affine_backward(dy, cache)[2])


def test_the_cache_refers_to_its_arrays_and_copies_none():
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(6, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    _, cache = affine_forward(x, w, b)
    assert cache.x is x
    assert cache.w is w


@pytest.mark.torch
def test_agrees_with_torch():
    torch = pytest.importorskip("torch")
    dy, (x, w) = forward()
    tx, tw, tb = (torch.tensor(a, requires_grad=True) for a in (x, w, np.zeros(3)))
    torch.nn.functional.linear(tx, tw.T, tb).backward(torch.tensor(dy))
    for ours, theirs in zip(affine_backward(dy, (x, w)), (tx, tw, tb), strict=True):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-12, atol=1e-12)
