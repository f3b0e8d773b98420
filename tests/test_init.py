"""Initializers: their moments and bounds, and PyTorch's fans, gains and bounds."""

from math import ceil, sqrt

import numpy as np
import pytest

from clearprop.errors import ConfigError, ShapeError
from clearprop.init import (
    INITIALIZERS,
    Constant,
    HeNormal,
    HeUniform,
    Identity,
    Initializer,
    LecunNormal,
    LecunUniform,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
    XavierNormal,
    XavierUniform,
    fans,
    gain,
    make_initializer,
)

SHAPE = (300, 200)  # so many draws that a moment is within 2 % of its value


def draw(initializer, shape=SHAPE, seed=0):
    return initializer(shape, *fans(shape), np.random.default_rng(seed))


def torch_layout(shape):
    """The same array where outputs come first: (F, C, KH, KW) or (M, D)."""
    return (shape[-1], shape[-2], *shape[:-2])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((784, 10), (784, 10)),
        ((5, 16, 32), (80, 160)),
        ((3, 3, 16, 32), (144, 288)),
        ((1, 1, 64, 8), (64, 8)),
        ((7,), (7, 7)),
    ],
)
def test_fans(shape, expected):
    assert fans(shape) == expected


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(784, 10), (5, 16, 32), (3, 2, 16, 32)])
def test_fans_agree_with_torch(shape):
    torch = pytest.importorskip("torch")
    assert fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(torch_layout(shape)))


@pytest.mark.torch
def test_gains_agree_with_torch():
    torch = pytest.importorskip("torch")
    for name in ("relu", "tanh", "sigmoid", "leaky_relu"):
        assert gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert gain("leaky_relu", 0.2) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.2))
    assert gain("identity") == gain("linear") == 1.0


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(40, 60), (3, 3, 8, 12)])
@pytest.mark.parametrize(
    ("ours", "theirs", "settings"),
    [
        (XavierUniform(1.5), "xavier_uniform_", {"gain": 1.5}),
        (HeUniform(), "kaiming_uniform_", {"nonlinearity": "relu"}),
        (
            HeUniform(gain=1.0, mode="fan_out"),
            "kaiming_uniform_",
            {"nonlinearity": "linear", "mode": "fan_out"},
        ),
    ],
    ids=str,
)
def test_bounds_agree_with_torch(ours, theirs, settings, shape):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    tensor = torch.empty(torch_layout(shape), dtype=torch.float64)
    getattr(torch.nn.init, theirs)(tensor, **settings)
    bound = np.abs(draw(ours, shape)).max()
    assert bound == pytest.approx(float(tensor.abs().max()), rel=0.01)


@pytest.mark.parametrize(
    ("initializer", "std"),
    [
        (XavierUniform(), sqrt(2 / 500)),
        (XavierUniform(gain=2.0), 2 * sqrt(2 / 500)),
        (XavierNormal(), sqrt(2 / 500)),
        (XavierNormal(gain=0.5), 0.5 * sqrt(2 / 500)),
        (HeUniform(), sqrt(2 / 300)),
        (HeNormal(), sqrt(2 / 300)),
        (HeNormal(mode="fan_out"), sqrt(2 / 200)),
        (HeNormal(gain=1.0), sqrt(1 / 300)),
        (LecunUniform(), sqrt(1 / 300)),
        (LecunNormal(), sqrt(1 / 300)),
        (Normal(std=0.3), 0.3),
        (Uniform(-0.3, 0.3), 0.3 / sqrt(3)),
    ],
    ids=str,
)
def test_moments_and_bounds(initializer, std):
    w = draw(initializer)
    assert w.shape == SHAPE
    assert w.dtype == np.float64
    assert abs(w.mean()) < 4 * std / sqrt(w.size)
    assert w.std() == pytest.approx(std, rel=0.02)
    largest = np.abs(w).max() / std
    if "Uniform" in type(initializer).__name__:
        assert 1.72 < largest <= sqrt(3) * (1 + 1e-12)
    else:
        assert largest > 3.5
        kurtosis = np.mean((w / w.std()) ** 4)
        assert kurtosis == pytest.approx(3, rel=0.05)


def test_means_and_sides():
    assert draw(Normal(std=0.1, mean=2.0)).mean() == pytest.approx(2.0, rel=1e-2)
    w = draw(Uniform(1.0, 3.0))
    assert w.min() >= 1.0
    assert w.max() < 3.0
    assert w.mean() == pytest.approx(2.0, rel=1e-2)


def test_truncated_normal_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    w = draw(TruncatedNormal(std=0.5)).ravel()
    assert np.abs(w).max() <= 1.0
    assert w.std() == pytest.approx(0.5 * stats.truncnorm(-2, 2).std(), rel=0.02)
    assert stats.kstest(w / 0.5, stats.truncnorm(-2, 2).cdf).pvalue > 0.01


@pytest.mark.parametrize("shape", [(33, 7), (3, 3, 5, 7), (9,)])
def test_sparse(shape):
    w = draw(Sparse(sparsity=0.3, std=0.2), shape).reshape(-1, shape[-1])
    np.testing.assert_array_equal((w == 0).sum(axis=0), ceil(0.3 * len(w)))
    wide = draw(Sparse(sparsity=0.5, std=0.2))
    assert wide[wide != 0].std() == pytest.approx(0.2, rel=0.02)
    assert len({tuple(column) for column in (wide == 0).T}) == 200  # each unit has its own zeros
    share = (wide == 0).mean(axis=1)  # and no input is favoured
    assert 0.3 < share.min() < share.max() < 0.7


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (50, 50), (3, 3, 8, 12), (5, 3, 40)])
def test_orthogonal(shape):
    w = draw(Orthogonal(gain=2.0), shape).reshape(-1, shape[-1])
    product = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_favours_no_direction():
    """Without the signs of R's diagonal, the diagonal of Q would be negative more often than not."""
    rng = np.random.default_rng(0)
    corners = np.array([Orthogonal()((2, 2), 2, 2, rng) for _ in range(2000)])
    assert np.abs(corners.mean(axis=0)).max() < 0.07  # 4 standard errors of √½ / √2000
    assert np.linalg.det(corners).mean() == pytest.approx(0, abs=0.1)


def test_plain_ones():
    np.testing.assert_array_equal(draw(make_initializer("zeros"), (2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(draw(make_initializer("ones"), (3,)), np.ones(3))
    w = draw(Constant(7), (2, 2))
    np.testing.assert_array_equal(w, np.full((2, 2), 7.0))
    assert w.dtype == np.float64


def test_identity_is_one_for_dense_and_convolution():
    np.testing.assert_array_equal(draw(Identity(), (2, 3)), [[1, 0, 0], [0, 1, 0]])
    ndimage = pytest.importorskip("scipy.ndimage")
    w = draw(Identity(), (3, 3, 2, 2))
    x = np.random.default_rng(0).standard_normal((6, 6, 2))
    y = sum(ndimage.correlate(x[..., c], w[..., c, 1], mode="constant") for c in range(2))
    np.testing.assert_array_equal(y, x[..., 1])


@pytest.mark.parametrize("name", INITIALIZERS)
def test_seed_decides_and_settings_round_trip(name):
    spec = {"name": name, "value": 0.5} if name == "constant" else name
    initializer = make_initializer(spec)
    again = make_initializer(initializer.settings())
    assert isinstance(initializer, Initializer)
    assert again == initializer
    assert initializer.settings()["name"] == name
    first, second, other = draw(initializer), draw(again), draw(again, seed=1)
    assert np.array_equal(first, second)
    assert np.array_equal(first, other) == (name in ("zeros", "ones", "constant", "identity"))
    assert first.shape == SHAPE
    assert first.dtype == np.float64
    assert first.flags.c_contiguous


def test_names():
    plain = {"zeros", "ones", "constant", "identity", "uniform", "normal", "truncated_normal", "sparse"}
    scaled = {f"{who}_{how}" for who in ("xavier", "he", "lecun") for how in ("uniform", "normal")}
    assert set(INITIALIZERS) == plain | scaled | {"orthogonal"}
    normal = Normal()
    assert make_initializer(normal) is normal
    assert str(HeNormal(gain=1.0)) == "HeNormal(gain=1.0, mode='fan_in')"


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: fans(()), ShapeError, r"fans: expected a shape with at least one axis, got \(\)"),
        (
            lambda: draw(Identity(), (3,)),
            ShapeError,
            r"Identity: expected a shape with at least two axes, got \(3,\)",
        ),
        (lambda: Constant(np.nan), ConfigError, "Constant: expected value to be a finite number, got nan"),
        (lambda: Uniform(1, 1), ConfigError, "Uniform: expected high to be a finite number > low = 1, got 1"),
        (lambda: Uniform("a"), ConfigError, "Uniform: expected low to be a finite number, got 'a'"),
        (lambda: Normal(std=1e31), ConfigError, "Normal: expected std of at most 1e.30 in size, got 1e.31"),
        (
            lambda: Uniform(-1e308, 1e308),
            ConfigError,
            "Uniform: expected low of at most 1e.30 in size, got -1e.308",
        ),
        (
            lambda: Orthogonal(10**39),
            ConfigError,
            "Orthogonal: expected gain of at most 1e.30 in size, got 1000",
        ),
        (lambda: Normal(std=0), ConfigError, "Normal: expected std to be a finite number > 0, got 0"),
        (lambda: Normal(mean=None), ConfigError, "Normal: expected mean to be a finite number, got None"),
        (lambda: TruncatedNormal(-1), ConfigError, "TruncatedNormal: expected std to be a finite number > 0"),
        (lambda: Sparse(1.5), ConfigError, r"Sparse: expected sparsity in \[0, 1\], got 1\.5"),
        (lambda: Sparse(std=0), ConfigError, "Sparse: expected std to be a finite number > 0, got 0"),
        (
            lambda: XavierNormal(0),
            ConfigError,
            "XavierNormal: expected gain to be a finite number > 0, got 0",
        ),
        (
            lambda: HeUniform(mode="in"),
            ConfigError,
            "HeUniform: expected mode 'fan_in' or 'fan_out', got 'in'",
        ),
        (lambda: Orthogonal(-1), ConfigError, "Orthogonal: expected gain to be a finite number > 0, got -1"),
        (
            lambda: make_initializer("he_norm"),
            ConfigError,
            r"initializer: unknown name 'he_norm'\. Did you mean 'he_normal'\? Known: constant, he_normal",
        ),
        (
            lambda: make_initializer({"name": "normal", "sdt": 0.1}),
            ConfigError,
            r"initializer 'normal': unknown setting 'sdt'\. Did you mean 'std'\?",
        ),
        (
            lambda: make_initializer("constant"),
            ConfigError,
            "initializer 'constant': expected the setting 'value', got none",
        ),
    ],
)
def test_sentences(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


@pytest.mark.parametrize("largest", [1e30, 10**30, 10**25])
@pytest.mark.parametrize("make", [Orthogonal, HeUniform, XavierNormal, TruncatedNormal, Normal, Constant])
def test_the_largest_settings_are_finite_in_float32(make, largest):
    w = make(largest)((2, 3), 2, 3, np.random.default_rng(0)).astype(np.float32)
    assert np.isfinite(w).all()
    assert np.abs(w).max() > 1e24
