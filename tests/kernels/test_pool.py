"""Pooling and its gradients against PyTorch and SciPy over random shapes and settings, and who wins a tie."""

import numpy as np
import pytest
from scipy import ndimage

from clearprop.kernels import pool

SEEDS = range(24)


def draw(seed):
    """Settings whose windows all hold a number of x; every third has no padding, every second no dilation."""
    rng = np.random.default_rng(seed)
    window, stride, dilation = rng.integers(1, 4, 2), rng.integers(1, 5, 2), rng.integers(1, 4, 2)
    if seed % 2 == 0:
        dilation[:] = 1
    padding = rng.integers(0, window[:, None], (2, 2)) * (seed % 3 > 0)
    size = dilation * (window - 1) + 1 + rng.integers(0, 6, 2)
    x = rng.normal(size=(rng.integers(1, 4), *size, rng.integers(1, 4)))
    if seed % 4 == 0:
        x = np.round(x)  # many numbers are equal
    pairs = tuple(tuple(pair) for pair in padding.tolist())
    return x, tuple(window.tolist()), tuple(stride.tolist()), pairs, tuple(dilation.tolist()), rng


def close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10, strict=True)


def torch_gradient(x, dy, forward):
    """y, dx of forward(F, x), which is in PyTorch's layout."""
    torch = pytest.importorskip("torch")
    leaf = torch.tensor(x, requires_grad=True)
    y = forward(torch.nn.functional, leaf.movedim(-1, 1)).movedim(1, -1)
    return [a.detach().numpy() for a in (y, *torch.autograd.grad(y, leaf, torch.tensor(dy)))]


def around(padding):
    (top, bottom), (left, right) = padding
    return left, right, top, bottom


@pytest.mark.torch
@pytest.mark.parametrize("seed", SEEDS)
def test_max_pool2d_agrees_with_torch(seed):
    x, window, stride, padding, dilation, rng = draw(seed)
    y, cache = pool.max_pool2d_forward(x, window, stride, padding, dilation)
    dy = rng.normal(size=y.shape)

    def theirs(F, x):
        return F.max_pool2d(F.pad(x, around(padding), value=-np.inf), window, stride, 0, dilation)

    close([y, pool.max_pool2d_backward(dy, cache)], torch_gradient(x, dy, theirs))


@pytest.mark.torch
@pytest.mark.parametrize("count_padding", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_avg_pool2d_agrees_with_torch(seed, count_padding):
    x, window, stride, padding, _, rng = draw(seed)
    y, cache = pool.avg_pool2d_forward(x, window, stride, padding, count_padding)
    dy = rng.normal(size=y.shape)

    def theirs(F, x):
        y = F.avg_pool2d(F.pad(x, around(padding)), window, stride)
        ones = F.avg_pool2d(F.pad(x.detach() * 0 + 1, around(padding)), window, stride)
        return y if count_padding else y / ones

    close([y, pool.avg_pool2d_backward(dy, cache)], torch_gradient(x, dy, theirs))


@pytest.mark.torch
@pytest.mark.parametrize("count_padding", [True, False])
def test_torch_counts_padding_as_we_do(count_padding):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 7, 3))
    y, cache = pool.avg_pool2d_forward(x, (3, 2), (2, 2), ((1, 1), (1, 1)), count_padding)
    dy = rng.normal(size=y.shape)

    def theirs(F, x):
        return F.avg_pool2d(x, (3, 2), (2, 2), (1, 1), count_include_pad=count_padding)

    close([y, pool.avg_pool2d_backward(dy, cache)], torch_gradient(x, dy, theirs))


@pytest.mark.torch
@pytest.mark.parametrize("rounded", [True, False])
@pytest.mark.parametrize("shape", [(3, 7, 2), (2, 5, 4, 3), (2, 3, 2, 4, 3)], ids=str)
def test_global_pooling_agrees_with_torch(shape, rounded):
    rng = np.random.default_rng(1)
    x = rng.normal(size=shape)
    x = np.round(x) if rounded else x
    dy = rng.normal(size=(shape[0], shape[-1]))
    axes = len(shape) - 2
    for kind in ("max", "avg"):
        y, cache = getattr(pool, f"global_{kind}_pool_forward")(x)
        dx = getattr(pool, f"global_{kind}_pool_backward")(dy, cache)

        def theirs(F, x, kind=kind):
            return getattr(F, f"adaptive_{kind}_pool{axes}d")(x, 1).flatten(1)

        close([y, dx], torch_gradient(x, dy, theirs))


@pytest.mark.parametrize("window", [(3, 3), (2, 5)])
def test_windows_around_every_number_are_scipys_filters(window):
    x = np.random.default_rng(2).normal(size=(2, 6, 7, 3))
    padding = tuple((k // 2, k - 1 - k // 2) for k in window)
    y, _ = pool.max_pool2d_forward(x, window, (1, 1), padding)
    expected = ndimage.maximum_filter(x, (1, *window, 1), mode="constant", cval=-np.inf)
    np.testing.assert_array_equal(y, expected)
    y, _ = pool.avg_pool2d_forward(x, window, (1, 1), padding, count_padding=True)
    close([y], [ndimage.uniform_filter(x, (1, *window, 1), mode="constant", cval=0.0)])


def test_the_first_of_equal_numbers_gets_the_gradient():
    x = np.array([[1, 5, 5, 5], [5, 1, 5, 5], [0, 0, 7, 2], [0, 0, 2, 7]], float)[None, :, :, None]
    dy = np.array([[1, 2], [3, 4]], float)[None, :, :, None]
    _, cache = pool.max_pool2d_forward(x, (2, 2), (2, 2))
    expected = [[0, 1, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(pool.max_pool2d_backward(dy, cache)[0, :, :, 0], expected)


def test_a_number_that_wins_several_windows_gets_the_gradient_of_each():
    x = np.array([0, 9, 0, 9, 0], float)[None, None, :, None]
    dy = np.array([1, 10, 100], float)[None, None, :, None]
    _, cache = pool.max_pool2d_forward(x, (1, 3), (1, 1))
    np.testing.assert_array_equal(pool.max_pool2d_backward(dy, cache).ravel(), [0, 11, 0, 100, 0])


def test_the_first_of_equal_numbers_of_all_places_gets_the_gradient():
    x = np.array([[1, 3, 2], [3, 3, 0]], float)[None, :, :, None]
    y, cache = pool.global_max_pool_forward(x)
    dx = pool.global_max_pool_backward(np.array([[5.0]]), cache)
    np.testing.assert_array_equal(y, [[3]])
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 5, 0], [0, 0, 0]])


def test_padding_never_wins():
    x = np.full((1, 2, 2, 1), -3.0)
    y, cache = pool.max_pool2d_forward(x, (2, 2), (1, 1), ((1, 1), (1, 1)))
    np.testing.assert_array_equal(y, np.full((1, 3, 3, 1), -3.0))
    assert pool.max_pool2d_backward(np.ones_like(y), cache).sum() == y.size


def test_what_no_window_reads_has_no_gradient():
    x = np.random.default_rng(3).normal(size=(2, 7, 8, 2))
    for kernel in ("max_pool2d", "avg_pool2d"):
        y, cache = getattr(pool, f"{kernel}_forward")(x, (2, 2), (3, 3))
        dx = getattr(pool, f"{kernel}_backward")(np.ones_like(y), cache)
        read = np.zeros(x.shape, bool)
        for i, j in np.ndindex(y.shape[1:3]):
            read[:, 3 * i : 3 * i + 2, 3 * j : 3 * j + 2] = True
        assert (dx[~read] == 0).all()
        assert dx[read].sum() == pytest.approx(y.size)
