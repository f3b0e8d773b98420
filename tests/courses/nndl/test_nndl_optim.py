"""nndl.optim: the equations step by step, PyTorch, the core's optimizers."""

import numpy as np
import pytest

import clearprop as cp
from clearprop.courses.nndl import optim


def plain_sgd(w, dw, c):
    return w - c["learning_rate"] * dw, c


def plain_momentum(w, dw, c):
    v = c["momentum"] * c["velocity"] - c["learning_rate"] * dw
    return w + v, {**c, "velocity": v}


def plain_nesterov(w, dw, c):
    v = c["momentum"] * c["velocity"] - c["learning_rate"] * dw
    return w + v + c["momentum"] * (v - c["velocity"]), {**c, "velocity": v}


def plain_rmsprop(w, dw, c):
    a = c["decay_rate"] * c["a"] + (1 - c["decay_rate"]) * dw**2
    return w - c["learning_rate"] * dw / (np.sqrt(a) + c["epsilon"]), {**c, "a": a}


def plain_adam(w, dw, c):
    t = c["t"] + 1
    v = c["beta1"] * c["v"] + (1 - c["beta1"]) * dw
    a = c["beta2"] * c["a"] + (1 - c["beta2"]) * dw**2
    v_hat, a_hat = v / (1 - c["beta1"] ** t), a / (1 - c["beta2"] ** t)
    return w - c["learning_rate"] * v_hat / (np.sqrt(a_hat) + c["epsilon"]), {**c, "t": t, "v": v, "a": a}


DEFAULTS = {
    "sgd": (plain_sgd, {"learning_rate": 1e-2}, ()),
    "sgd_momentum": (plain_momentum, {"learning_rate": 1e-2, "momentum": 0.9}, ("velocity",)),
    "sgd_nesterov_momentum": (plain_nesterov, {"learning_rate": 1e-2, "momentum": 0.9}, ("velocity",)),
    "rmsprop": (plain_rmsprop, {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8}, ("a",)),
    "adam": (
        plain_adam,
        {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 0},
        ("v", "a"),
    ),
}


def test_the_names():
    assert set(optim.__all__) == set(optim.RULES) == set(DEFAULTS)


@pytest.mark.parametrize("name", DEFAULTS)
def test_rules_are_their_equations_from_their_defaults(name):
    rng = np.random.default_rng(0)
    plain, defaults, state = DEFAULTS[name]
    w = rng.normal(size=(4, 3))
    expected, c = w, defaults | {key: np.zeros_like(w) for key in state}
    config = None
    for _ in range(5):
        dw = rng.normal(size=w.shape)
        expected, c = plain(expected, dw, c)
        given = w.copy(), dw.copy()
        next_w, config = getattr(optim, name)(w, dw, config)
        np.testing.assert_array_equal(w, given[0])
        np.testing.assert_array_equal(dw, given[1])
        w = next_w
        np.testing.assert_allclose(w, expected, rtol=1e-13)
    assert sorted(config) == sorted(c)
    for key, value in c.items():
        np.testing.assert_allclose(config[key], value, rtol=1e-13)


@pytest.mark.parametrize("name", DEFAULTS)
def test_rules_go_on_from_a_config_that_is_given(name):
    rng = np.random.default_rng(1)
    plain, defaults, state = DEFAULTS[name]
    w, dw = rng.normal(size=(2, 4, 5))
    given = {key: 2 * value for key, value in defaults.items()} if name == "sgd" else dict(defaults)
    given |= {key: rng.random((4, 5)) for key in state} | ({"t": 5} if "t" in defaults else {})
    kept = {key: np.copy(value) for key, value in given.items()}
    arrays = {key: given[key] for key in state}
    expected, c = plain(w, dw, given)
    next_w, config = getattr(optim, name)(w, dw, given)
    assert config is given  # as in the course: the dict goes on
    np.testing.assert_allclose(next_w, expected, rtol=1e-13)
    for key in state:
        np.testing.assert_allclose(config[key], c[key], rtol=1e-13)
        np.testing.assert_array_equal(arrays[key], kept[key])  # arrays that are given are not written


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda torch, p: torch.optim.SGD(p, lr=1e-2)),
        ("sgd_momentum", lambda torch, p: torch.optim.SGD(p, lr=1e-2, momentum=0.9)),
        ("sgd_nesterov_momentum", lambda torch, p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True)),
        ("rmsprop", lambda torch, p: torch.optim.RMSprop(p, lr=1e-2, alpha=0.99, eps=1e-8)),
        ("adam", lambda torch, p: torch.optim.Adam(p, lr=1e-3)),
    ],
)
def test_rules_agree_with_torch(name, make):
    """With a constant rate, where the velocity has the rate does not matter."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    w = rng.normal(size=12)
    theirs = torch.tensor(w, requires_grad=True)
    optimizer, config = make(torch, [theirs]), None
    for _ in range(8):
        dw = rng.normal(size=12)
        theirs.grad = torch.tensor(dw)
        optimizer.step()
        w, config = getattr(optim, name)(w, dw, config)
    np.testing.assert_allclose(w, theirs.detach().numpy(), rtol=1e-10)


def test_rmsprop_and_adam_agree_with_the_core():
    rng = np.random.default_rng(3)
    for rule, core in ((optim.rmsprop, cp.RMSProp(lr=1e-2, rho=0.99)), (optim.adam, cp.Adam())):
        w = rng.normal(size=12)
        params, config = w.copy(), None
        for _ in range(8):
            dw = rng.normal(size=12)
            core.step(params, dw)
            w, config = rule(w, dw, config)
        np.testing.assert_allclose(w, params, rtol=1e-11)


@pytest.mark.parametrize("name", DEFAULTS)
def test_float32_stays_float32(name):
    w = np.ones((3, 2), np.float32)
    config = {"learning_rate": np.float64(0.1)}  # a decayed rate may be NumPy's
    for _ in range(2):
        w, config = getattr(optim, name)(w, w, config)
    assert w.dtype == np.float32
    assert {value.dtype.name for value in config.values() if np.ndim(value)} <= {"float32"}


@pytest.mark.parametrize("name", DEFAULTS)
def test_orders_of_memory_do_not_matter(name):
    rng = np.random.default_rng(4)
    w, dw = rng.normal(size=(2, 4, 5))
    plain, _ = getattr(optim, name)(w, dw)
    turned, _ = getattr(optim, name)(np.asfortranarray(w), dw)
    np.testing.assert_array_equal(plain, turned)
    assert turned.shape == w.shape
