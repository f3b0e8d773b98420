import numpy as np
import pytest

from clearprop.kernels import activations

X = np.concatenate([np.linspace(-30, 30, 2001), [-500, -100, 0, 100, 500]])


def at_zero(name, *settings):
    """The slope at x = 0."""
    _, cache = getattr(activations, f"{name}_forward")(np.zeros(1), *settings)
    return getattr(activations, f"{name}_backward")(np.ones(1), cache).item()


@pytest.mark.parametrize(
    ("name", "settings", "slope"),
    [
        ("relu", (), 0),
        ("leaky_relu", (), 0.01),
        ("leaky_relu", (0.3,), 0.3),
        ("elu", (), 1),
        ("elu", (2,), 2),
    ],
)
def test_the_slope_at_the_kink_is_the_left_one(name, settings, slope):
    assert at_zero(name, *settings) == slope


def test_relu_of_nan_is_nan():
    assert np.isnan(activations.relu_forward(np.array([np.nan]))[0]).all()


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-15), ("float32", 5e-7)])
def test_sigmoid_is_exact_for_small_outputs_too(dtype, rtol):
    expit = pytest.importorskip("scipy.special").expit
    x = np.linspace(-87, 40, 100_001, dtype=dtype)
    y, _ = activations.sigmoid_forward(x)
    np.testing.assert_allclose(y, expit(x.astype(float)), rtol=rtol)


def test_softplus_is_exact_for_small_outputs_too():
    x = np.linspace(-87, 40, 10_001)
    y, cache = activations.softplus_forward(x)
    np.testing.assert_allclose(y, np.logaddexp(0, x), rtol=1e-15)
    slope = activations.softplus_backward(np.ones_like(x), cache)
    np.testing.assert_allclose(slope, 1 / (1 + np.exp(-x)), rtol=1e-15)


def test_gelu_is_x_times_the_normal_distribution_function():
    ndtr = pytest.importorskip("scipy.special").ndtr
    y, cache = activations.gelu_forward(X)
    np.testing.assert_allclose(y, X * ndtr(X), rtol=1e-15, atol=3e-15)
    np.testing.assert_allclose(cache.cdf, ndtr(X), rtol=0, atol=5e-16)


def test_gelu_tanh_is_within_5e_4_of_gelu():
    exact, near = activations.gelu_forward(X)[0], activations.gelu_tanh_forward(X)[0]
    assert np.abs(exact - near).max() < 5e-4


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_agrees_with_scipy_on_any_number_of_axes(name):
    special = pytest.importorskip("scipy.special")
    x = np.random.default_rng(0).normal(scale=50, size=(2, 3, 5))
    y, _ = getattr(activations, f"{name}_forward")(x)
    np.testing.assert_allclose(y, getattr(special, name)(x, axis=-1), rtol=1e-13)


def test_softmax_multiplies_by_its_jacobian():
    rng = np.random.default_rng(0)
    y, _ = activations.softmax_forward(rng.normal(size=(4, 5)))
    dy = rng.normal(size=(4, 5))
    expected = [(np.diag(row) - np.outer(row, row)) @ upstream for row, upstream in zip(y, dy, strict=True)]
    np.testing.assert_allclose(activations.softmax_backward(dy, y), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "settings", "torch_name", "torch_settings"),
    [
        ("sigmoid", (), "sigmoid", {}),
        ("tanh", (), "tanh", {}),
        ("relu", (), "relu", {}),
        ("leaky_relu", (0.2,), "leaky_relu", {"negative_slope": 0.2}),
        ("elu", (0.7,), "elu", {"alpha": 0.7}),
        ("softplus", (), "softplus", {"threshold": 1000}),  # torch's own default is linear beyond 20
        ("swish", (), "silu", {}),
        ("gelu", (), "gelu", {}),
        ("gelu_tanh", (), "gelu", {"approximate": "tanh"}),
        ("softmax", (), "softmax", {"dim": -1}),
        ("log_softmax", (), "log_softmax", {"dim": -1}),
    ],
)
def test_agrees_with_torch(name, settings, torch_name, torch_settings):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, dy = rng.normal(scale=3, size=(2, 40, 5))
    y, cache = getattr(activations, f"{name}_forward")(x, *settings)
    dx = getattr(activations, f"{name}_backward")(dy, cache)
    tx = torch.tensor(x, requires_grad=True)
    ty = getattr(torch.nn.functional, torch_name)(tx, **torch_settings)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-12, atol=1e-14)
