"""Normalization: against PyTorch, in shards, and where float32 is short of digits."""

import numpy as np
import pytest

from clearprop.kernels import norm

from .table_norm import batch_norm, batch_norm_grads, predicting_grads

# (N, D), sequences, images; one channel, more than fit a folded row, sizes that no power of two divides
SHAPES = [(3, 1), (7, 3), (6, 5000), (3, 5, 4), (4, 6, 6, 1), (3, 8, 8, 48), (5, 7, 3, 2), (16, 4, 4, 32)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def draw(shape, axes=1, seed=0):
    """x, gamma, beta, dy"""
    rng = np.random.default_rng(seed)
    weights = shape[-axes:]
    x = rng.normal(rng.normal(size=shape[-1]), rng.uniform(0.5, 2, shape[-1]), shape)
    return x, rng.normal(size=weights), rng.normal(size=weights), rng.normal(size=shape)


def close(ours, theirs, tolerance=1e-10):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def autograd(function, dy, *arrays):
    """PyTorch's output, and its gradients for those arrays, with the channels where it wants them."""
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = function(torch.nn.functional, *tensors)
    return [y.detach().numpy(), *(g.numpy() for g in torch.autograd.grad(y, tensors, torch.tensor(dy)))]


@every_shape
@pytest.mark.torch
def test_batch_norm_agrees_with_torch(shape):
    x, gamma, beta, dy = draw(shape)
    y, cache = batch_norm(x, gamma, beta, 1e-3)

    def theirs(functional, x, gamma, beta):
        moved = functional.batch_norm(x.movedim(-1, 1), None, None, gamma, beta, training=True, eps=1e-3)
        return moved.movedim(1, -1)

    close([y, *batch_norm_grads(dy, cache)], autograd(theirs, dy, x, gamma, beta))


@every_shape
@pytest.mark.torch
def test_batch_norm_with_known_statistics_agrees_with_torch(shape):
    torch = pytest.importorskip("torch")
    x, gamma, beta, dy = draw(shape)
    mean, var = np.random.default_rng(1).uniform(0.5, 2, (2, shape[-1]))
    y, cache = norm.batch_norm_forward(x, gamma, beta, mean, var)

    def theirs(functional, x, gamma, beta):
        known = torch.tensor(mean), torch.tensor(var)
        return functional.batch_norm(x.movedim(-1, 1), *known, gamma, beta).movedim(1, -1)

    close([y, *predicting_grads(dy, cache)], autograd(theirs, dy, x, gamma, beta))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((6, 5), 1), ((3, 5, 4), 1), ((2, 8, 8, 48), 1), ((3, 5, 4), 2), ((5, 7, 3, 2), 3), ((2, 6000), 1)],
)
def test_layer_norm_agrees_with_torch(shape, axes):
    x, gamma, beta, dy = draw(shape, axes)
    y, cache = norm.layer_norm_forward(x, gamma, beta, 1e-3)

    def theirs(functional, x, gamma, beta):
        return functional.layer_norm(x, gamma.shape, gamma, beta, eps=1e-3)

    close([y, *norm.layer_norm_backward(dy, cache)], autograd(theirs, dy, x, gamma, beta))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("shape", "groups"),
    [((6, 8), 2), ((3, 5, 4), 4), ((3, 5, 4), 1), ((2, 8, 8, 48), 8), ((5, 7, 3, 6), 3), ((1, 2, 5000), 10)],
)
def test_group_norm_agrees_with_torch(shape, groups):
    x, gamma, beta, dy = draw(shape)
    y, cache = norm.group_norm_forward(x, gamma, beta, groups, 1e-3)

    def theirs(functional, x, gamma, beta):
        return functional.group_norm(x.movedim(-1, 1), groups, gamma, beta, eps=1e-3).movedim(1, -1)

    close([y, *norm.group_norm_backward(dy, cache)], autograd(theirs, dy, x, gamma, beta))


@pytest.mark.torch
def test_as_many_groups_as_channels_are_instance_norm():
    x, gamma, beta, dy = draw((3, 4, 5, 6))
    y, cache = norm.group_norm_forward(x, gamma, beta, 6)

    def theirs(functional, x, gamma, beta):
        moved = functional.instance_norm(x.movedim(-1, 1), weight=gamma, bias=beta)
        return moved.movedim(1, -1)

    close([y, *norm.group_norm_backward(dy, cache)], autograd(theirs, dy, x, gamma, beta))


@every_shape
@pytest.mark.parametrize("cuts", [[1], [1, 2]], ids=["2 shards", "3 shards"])
def test_shards_are_the_whole_batch(shape, cuts):
    x, gamma, beta, dy = draw(shape)
    whole, cache = batch_norm(x, gamma, beta)
    shards = [norm.batch_norm_moments(part) for part in np.split(x, cuts)]
    n, mean, var = norm.batch_norm_statistics(sum(sums for sums, _, _ in shards))
    assert n == x.size // shape[-1]
    close([mean, var], [x.reshape(-1, shape[-1]).mean(axis=0), x.reshape(-1, shape[-1]).var(axis=0)])
    passes = [norm.batch_norm_forward(c, gamma, beta, mean - m, var) for _, c, m in shards]
    own = [norm.batch_norm_sums(d, kept) for d, (_, kept) in zip(np.split(dy, cuts), passes, strict=True)]
    sums = [sum(parts) for parts in zip(*own, strict=True)]
    dx = [
        norm.batch_norm_backward(d, kept, sums, n)
        for d, (_, kept) in zip(np.split(dy, cuts), passes, strict=True)
    ]
    found = [np.concatenate([y for y, _ in passes]), np.concatenate(dx), *sums]
    close(found, [whole, *batch_norm_grads(dy, cache)])


def test_moving_x_and_mean_together_changes_nothing():
    x, gamma, beta, dy = draw((6, 4, 3))
    mean, var = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
    y, cache = norm.batch_norm_forward(x, gamma, beta, mean, var)
    moved, moved_cache = norm.batch_norm_forward(x - 5, gamma, beta, mean - 5, var)
    sums = norm.batch_norm_sums(dy, cache)
    close([moved, *norm.batch_norm_sums(dy, moved_cache)], [y, *sums])
    close(
        [norm.batch_norm_backward(dy, moved_cache, sums, 24)], [norm.batch_norm_backward(dy, cache, sums, 24)]
    )


@pytest.mark.parametrize("mean", [0, 30, 3000])
def test_many_rows_of_float32_keep_their_digits(mean):
    rng = np.random.default_rng(0)
    x = rng.normal(mean, 1, (64, 32, 32, 4)).astype("float32")
    exact = x.astype("float64").reshape(-1, 4)
    _, found, var = norm.batch_norm_statistics(norm.batch_norm_moments(x)[0])
    np.testing.assert_allclose(found, exact.mean(axis=0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(var, exact.var(axis=0), rtol=1e-6)


def test_training_in_float32_is_near_float64_where_the_mean_is_large():
    x, gamma, beta, dy = draw((32, 16, 16, 8))
    x = (x + 300).astype("float32")
    single = [a.astype("float32") for a in (x, gamma, beta, dy)]
    y, cache = batch_norm(*single[:3])
    expected, exact = batch_norm(*(a.astype("float64") for a in single[:3]))
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-4)  # a float32 near 300 is exact to 1.5e-5
    for a, b in zip(batch_norm_grads(single[3], cache), batch_norm_grads(single[3], exact), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max())


def test_a_constant_channel_becomes_beta():
    beta = np.array([2.0, -3.0], "float32")
    x = np.full((50, 9, 9, 2), 0.1, "float32")
    y, _ = batch_norm(x, np.ones(2, "float32"), beta)
    np.testing.assert_allclose(y, np.broadcast_to(beta, x.shape), rtol=0, atol=1e-3)


def test_a_variance_is_never_negative():
    sums, _, _ = norm.batch_norm_moments(np.broadcast_to(np.linspace(1e6, 2e6, 50), (9, 50)))
    mean, squares = sums[1:].reshape(2, -1) / 9
    assert (squares - mean * mean).min() < 0  # by rounding
    assert norm.batch_norm_statistics(sums)[2].min() == 0


def three_backwards():
    x, gamma, beta, dy = draw((4, 3, 6))
    sums = norm.batch_norm_moments(x)[0]
    statistics = norm.batch_norm_statistics(sums)[1:]
    kept = norm.batch_norm_forward(x, gamma, beta, *statistics)[1]
    layer, group = norm.layer_norm_forward(x, gamma, beta)[1], norm.group_norm_forward(x, gamma, beta, 2)[1]
    return [
        ("batch", lambda **given: norm.batch_norm_sums(dy, kept, **given)),
        ("layer", lambda **given: norm.layer_norm_backward(dy, layer, **given)[1:]),
        ("group", lambda **given: norm.group_norm_backward(dy, group, **given)[1:]),
    ]


@pytest.mark.parametrize(("name", "backward"), three_backwards())
def test_out_is_written_in_place_and_returned(name, backward):
    flat = np.full(12, np.nan)
    views = flat[:6], flat[6:]
    for _ in range(2):  # written, not accumulated
        dgamma, dbeta = backward(out=views)
        assert dgamma is views[0]
        assert dbeta is views[1]
        np.testing.assert_array_equal(flat, np.concatenate(backward()))


def test_dx_is_none_where_nobody_needs_it():
    x, gamma, beta, dy = draw((4, 3, 6))
    for forward, backward, settings in (
        (norm.layer_norm_forward, norm.layer_norm_backward, ()),
        (norm.group_norm_forward, norm.group_norm_backward, (3,)),
    ):
        _, cache = forward(x, gamma, beta, *settings)
        dx, *grads = backward(dy, cache, need_dx=False)
        assert dx is None
        for a, b in zip(grads, backward(dy, cache)[1:], strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_cache_holds_one_array_of_xs_size():
    x, gamma, beta, _ = draw((16, 8, 8, 4))
    mean, var = np.zeros(4), np.ones(4)
    assert norm.batch_norm_forward(x, gamma, beta, mean, var)[1].x is x
    caches = [
        batch_norm(x, gamma, beta)[1],
        norm.layer_norm_forward(x, gamma, beta)[1],
        norm.group_norm_forward(x, gamma, beta, 2)[1],
    ]
    for cache in caches:
        assert sum(np.size(kept) >= x.size for kept in cache) == 1


@pytest.mark.parametrize("shape", [(0, 3), (0, 4, 4, 6)])
def test_no_rows_are_no_trouble_in_prediction(shape):
    x, gamma, beta, dy = draw(shape)
    for forward, backward in (
        (lambda *a: norm.batch_norm_forward(*a, gamma, gamma**2), norm.batch_norm_backward),
        (norm.layer_norm_forward, lambda dy, cache: norm.layer_norm_backward(dy, cache)[0]),
        (lambda *a: norm.group_norm_forward(*a, 3), lambda dy, cache: norm.group_norm_backward(dy, cache)[0]),
    ):
        y, cache = forward(x, gamma, beta)
        assert y.shape == backward(dy, cache).shape == shape
