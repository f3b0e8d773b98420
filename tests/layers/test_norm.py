"""BatchNorm, LayerNorm, GroupNorm: what they hold, what they refuse, and batch norm's two ways to compute."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import clearprop as cp
from clearprop.errors import ConfigError, DataError, ShapeError

LAYERS = [
    (cp.BatchNorm(), (4,)),
    (cp.BatchNorm(eps=0.1), (3, 2, 4)),
    (cp.BatchNorm(shared=False), (5, 2)),
    (cp.LayerNorm(), (4,)),
    (cp.LayerNorm(eps=0.1), (3, 2, 4)),
    (cp.LayerNorm(axes=2), (3, 2, 4)),
    (cp.GroupNorm(2), (4,)),
    (cp.GroupNorm(3, eps=0.1), (3, 2, 6)),
    (cp.GroupNorm(4), (5, 4)),
]
every_layer = pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)


def bound(layer, shape, dtype="float64"):
    """The layer in a network of its own, with gamma and beta that are not 1 and 0."""
    model = cp.Sequential([layer], shape, dtype=dtype)
    model.params[...] = np.random.default_rng(0).normal(1, 0.5, model.params.shape)
    return model.layers[0]


def numbers(*shape, seed=1, mean=3.0):
    return np.random.default_rng(seed).normal(mean, 2, shape)


@every_layer
def test_gradients(layer, shape):
    assert cp.check_layer(layer, shape).ok
    assert cp.check_layer([cp.Activation("tanh"), layer, cp.Activation("tanh")], shape, seed=1).ok


@every_layer
def test_settings_make_it_again(layer, shape):
    again = type(layer)(**layer.settings())
    assert again.settings() == layer.settings()
    assert repr(again) == repr(layer)
    assert vars(again) == vars(layer)


def test_settings_and_repr_leave_defaults_out():
    assert (cp.BatchNorm().settings(), repr(cp.BatchNorm())) == ({}, "BatchNorm()")
    assert repr(cp.BatchNorm(momentum=0.5, shared=False)) == "BatchNorm(momentum=0.5, shared=False)"
    assert repr(cp.LayerNorm(axes=2)) == "LayerNorm(axes=2)"
    assert repr(cp.GroupNorm(8)) == "GroupNorm(groups=8)"


@every_layer
def test_it_begins_by_doing_nothing_more_than_normalize(layer, shape):
    model = cp.Sequential([layer], shape, dtype="float64")
    named = model.named_params()
    assert list(named) == ["0.gamma", "0.beta"]
    assert (named["0.gamma"] == 1).all()
    assert (named["0.beta"] == 0).all()
    assert model.output_shape == shape
    y, _ = model.forward(numbers(50, *shape), training=True)
    assert y.mean() == pytest.approx(0, abs=1e-12)
    assert y.var() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [(cp.BatchNorm(), (4,)), (cp.LayerNorm(), (4,)), (cp.GroupNorm(2), (4,)), (cp.LayerNorm(axes=2), (2, 4))],
    ids=str,
)
def test_shapes_of_gamma_and_beta(layer, expected):
    assert layer.param_shapes((3, 2, 4)) == {"gamma": expected, "beta": expected}


def test_they_are_no_weights_to_penalise():
    layers = [cp.Dense(4), cp.BatchNorm(), cp.LayerNorm(), cp.GroupNorm(2), cp.Dense(3)]
    model = cp.Sequential(layers, (5,), dtype="float64")
    assert model.weight_spans() == [model.layout.spans["0.w"], model.layout.spans["4.w"]]
    x, y = numbers(20, 5), np.arange(20) % 3
    for settings in ({"optimizer": cp.AdamW(0.01, weight_decay=0.5)}, {"l2": 0.5, "optimizer": cp.SGD(0.01)}):
        plain, decayed = model.copy(), model.copy()
        kind = type(settings["optimizer"])
        without = {"weight_decay": 0} if kind is cp.AdamW else {}
        cp.fit(plain, x, y, batch_size=20, optimizer=kind(0.01, **without))
        cp.fit(decayed, x, y, batch_size=20, **settings)
        for name, view in plain.named_params().items():
            same = np.array_equal(view, decayed.named_params()[name])
            assert same == (not name.endswith(".w")), name


@pytest.mark.parametrize(
    ("layer", "axes"),
    [(cp.BatchNorm(eps=3), (0, 1, 2)), (cp.LayerNorm(eps=3), 3), (cp.GroupNorm(1, eps=3), (1, 2, 3))],
    ids=str,
)
def test_eps_is_added_to_the_variance(layer, axes):
    x = numbers(6, 2, 3, 4)
    y, _ = cp.Sequential([layer], (2, 3, 4), dtype="float64").forward(x, training=True)
    centred, var = x - x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    np.testing.assert_allclose(y, centred / np.sqrt(var + 3), rtol=1e-10, atol=1e-12)


# batch norm, training and predicting


def test_running_statistics_follow_the_unbiased_ones():
    layer = bound(cp.BatchNorm(momentum=0.8), (2, 3))
    mean, var = np.zeros(3), np.ones(3)
    for seed in range(3):
        x = numbers(4, 2, 3, seed=seed)
        layer.forward(x, training=True)
        mean = 0.8 * mean + 0.2 * x.mean(axis=(0, 1))
        var = 0.8 * var + 0.2 * x.var(axis=(0, 1), ddof=1)
        np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-12)
        np.testing.assert_allclose(layer.running_var, var, rtol=1e-12)


def test_prediction_uses_the_running_statistics_and_leaves_them():
    layer = bound(cp.BatchNorm(eps=0.1), (3,))
    layer.running_mean[...], layer.running_var[...] = [1, 2, 3], [4, 5, 6]
    x, dy = numbers(5, 3), numbers(5, 3, seed=2)
    y, cache = layer.forward(x)
    std = np.sqrt(np.array([4.1, 5.1, 6.1]))
    np.testing.assert_allclose(y, layer.gamma * (x - [1, 2, 3]) / std + layer.beta, rtol=1e-12)
    np.testing.assert_allclose(layer.backward(dy, cache), dy * layer.gamma / std, rtol=1e-12)
    np.testing.assert_allclose(layer.dgamma, (dy * (x - [1, 2, 3]) / std).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(layer.dbeta, dy.sum(axis=0), rtol=1e-12)
    assert layer.running_mean.tolist() == [1, 2, 3]
    np.testing.assert_allclose(layer.forward(x[:1])[0], y[:1], rtol=1e-12)  # one row will do


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_statistics_that_are_not_finite_are_not_followed(bad):
    layer = bound(cp.BatchNorm(), (3,), "float32")
    x = numbers(5, 3).astype("float32")
    layer.forward(x, training=True)
    before = layer.running_mean.copy(), layer.running_var.copy()
    x[1, 1] = bad
    with np.errstate(all="ignore"):
        layer.forward(x, training=True)
    np.testing.assert_array_equal((layer.running_mean, layer.running_var), before)


def test_backward_without_dx():
    layer = bound(cp.BatchNorm(), (3,))
    x, dy = numbers(5, 3), numbers(5, 3, seed=2)
    _, cache = layer.forward(x, training=True)
    layer.backward(dy, cache)
    expected = layer.dgamma.copy(), layer.dbeta.copy()
    layer.dgamma[...] = layer.dbeta[...] = np.nan
    assert layer.backward(dy, cache, need_dx=False) is None
    np.testing.assert_array_equal((layer.dgamma, layer.dbeta), expected)


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(3,), (5, 3), (4, 4, 3)], ids=str)
def test_training_then_predicting_agrees_with_torch(shape):
    torch = pytest.importorskip("torch")
    kinds = [torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d]
    layer = bound(cp.BatchNorm(momentum=0.7, eps=1e-3), shape)
    theirs = kinds[len(shape) - 1](3, momentum=0.3, eps=1e-3, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(layer.gamma))
        theirs.bias.copy_(torch.tensor(layer.beta))
    for step, training in enumerate([True, True, True, False, True, False]):
        x, dy = numbers(6, *shape, seed=step), numbers(6, *shape, seed=step + 50)
        theirs.train(training)
        tx = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
        theirs.zero_grad()
        ty = theirs(tx)
        ty.backward(torch.tensor(np.moveaxis(dy, -1, 1).copy()))
        y, cache = layer.forward(x, training=training)
        dx = layer.backward(dy, cache)
        pairs = [
            (y, ty.movedim(1, -1)),
            (dx, tx.grad.movedim(1, -1)),
            (layer.dgamma, theirs.weight.grad),
            (layer.dbeta, theirs.bias.grad),
            (layer.running_mean, theirs.running_mean),
            (layer.running_var, theirs.running_var),
        ]
        for a, b in pairs:
            np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-10, atol=1e-10)


class Meeting:
    """Sums over shards on threads: each brings its array, and all leave with the sum."""

    def __init__(self, shards):
        self.barrier = threading.Barrier(shards, timeout=60)
        self.brought = [None] * shards
        self.calls = 0

    def total(self, i, sums):
        assert sums.dtype == np.float64
        assert sums.ndim == 1
        self.brought[i] = sums
        self.barrier.wait()
        found = np.sum(self.brought, axis=0)
        self.calls += i == 0
        self.barrier.wait()
        return found


@pytest.mark.parametrize("cuts", [[5], [1, 8], [4, 5, 9]], ids=["2 shards", "3 shards", "4 shards"])
@pytest.mark.parametrize("shape", [(6,), (3, 4, 6)], ids=str)
def test_shards_on_threads_are_the_whole_batch(shape, cuts):
    x, dy = numbers(11, *shape), numbers(11, *shape, seed=2)
    whole = bound(cp.BatchNorm(), shape)
    y, cache = whole.forward(x, training=True)
    dx = whole.backward(dy, cache)
    parts = list(zip(np.split(x, cuts), np.split(dy, cuts), strict=True))
    meeting, layers = Meeting(len(parts)), [bound(cp.BatchNorm(), shape) for _ in parts]

    def work(i):
        layers[i].total = lambda sums: meeting.total(i, sums)
        own_y, own_cache = layers[i].forward(parts[i][0], training=True)
        return own_y, layers[i].backward(parts[i][1], own_cache)

    with ThreadPoolExecutor(len(parts)) as pool:
        found = list(pool.map(work, range(len(parts))))
    assert meeting.calls == 2  # once forward, once backward
    pairs = [
        (np.concatenate([own for own, _ in found]), y),
        (np.concatenate([own for _, own in found]), dx),
        (sum(layer.dgamma for layer in layers), whole.dgamma),
        (sum(layer.dbeta for layer in layers), whole.dbeta),
        *((layer.running_mean, whole.running_mean) for layer in layers),
        *((layer.running_var, whole.running_var) for layer in layers),
    ]
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
    assert abs(layers[0].dgamma - whole.dgamma).max() > 1e-3  # a shard's own part, not the total


def test_only_a_shared_one_looks_over_the_batch():
    assert cp.BatchNorm().over_batch
    assert not cp.BatchNorm(shared=False).over_batch
    assert not any(layer.over_batch for layer in (cp.LayerNorm(), cp.GroupNorm(2)))


# sentences


@pytest.mark.parametrize("shape", [(3,), (1, 1, 3)])
def test_one_number_a_channel_cannot_train(shape):
    layer = bound(cp.BatchNorm(), shape)
    with pytest.raises(
        DataError,
        match=r"BatchNorm\(\): expected at least 2 numbers for each channel in a training batch, got 1, which has "
        r"no variance\. Take a larger batch_size, or drop_last=True where only the last batch is short",
    ):
        layer.forward(numbers(1, *shape), training=True)
    assert (layer.running_mean == 0).all()
    assert np.isfinite(layer.forward(numbers(1, *shape))[0]).all()


@pytest.mark.parametrize("kind", [cp.BatchNorm, cp.LayerNorm, lambda eps: cp.GroupNorm(2, eps=eps)])
@pytest.mark.parametrize("eps", [0, -1e-5, np.nan, "small", None])
def test_eps_is_positive(kind, eps):
    with pytest.raises(ConfigError, match=r"(Batch|Layer|Group)Norm: expected eps to be a number > 0, got "):
        kind(eps=eps)


@pytest.mark.parametrize("momentum", [1, -0.1, 2, np.nan, "high"])
def test_momentum(momentum):
    with pytest.raises(ConfigError, match=r"BatchNorm: expected momentum in \[0, 1\), got "):
        cp.BatchNorm(momentum=momentum)


def test_whole_numbers_and_flags():
    with pytest.raises(ConfigError, match=r"BatchNorm: expected shared to be True or False, got 1\."):
        cp.BatchNorm(shared=1)
    with pytest.raises(ConfigError, match=r"LayerNorm: expected axes to be a whole number >= 1, got 0\."):
        cp.LayerNorm(axes=0)
    with pytest.raises(
        ConfigError, match=r"GroupNorm: expected groups to be a whole number >= 1, got 'all'\."
    ):
        cp.GroupNorm("all")


@pytest.mark.parametrize(
    ("layer", "shape", "sentence"),
    [
        (
            cp.GroupNorm(5),
            (8, 8, 12),
            r"layer 0, GroupNorm\(groups=5\): expected groups to divide the 12 channels of x, of shape "
            r"\(N, 8, 8, 12\), got 5\. Take one of 1, 2, 3, 4, 6, 12\.",
        ),
        (
            cp.GroupNorm(4),
            (4,),
            r"layer 0, GroupNorm\(groups=4\): expected at least 2 numbers to normalize together, got 1, with x of "
            r"shape \(N, 4\)\. Take fewer groups\.",
        ),
        (
            cp.LayerNorm(),
            (6, 1),
            r"layer 0, LayerNorm\(\): expected at least 2 numbers to normalize together, got 1, with x of shape "
            r"\(N, 6, 1\)\. Normalize over more axes: LayerNorm\(axes=2\)\.",
        ),
        (
            cp.LayerNorm(axes=3),
            (6, 4),
            r"layer 0, LayerNorm\(axes=3\): expected x to have at least 3 axes beside the batch, got x of shape "
            r"\(N, 6, 4\)\. Normalize over fewer axes: LayerNorm\(axes=2\)\.",
        ),
    ],
    ids=str,
)
def test_shapes_that_cannot_be(layer, shape, sentence):
    with pytest.raises(ShapeError, match=sentence):
        cp.Sequential([layer], shape)
