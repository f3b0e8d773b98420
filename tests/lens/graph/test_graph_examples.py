"""The ready graphs: their gradients against the closed forms, differences and PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clearprop.lens import graph as g
from clearprop.lens.graph import examples

BUILDERS: list[Callable[..., examples.Example]] = [
    examples.autoencoder,
    examples.gp_lvm_log_det,
    examples.gp_lvm_trace,
    examples.gp_lvm,
    examples.two_layer_swish,
    examples.logistic_regression,
    examples.xor,
]


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_gradients_agree_with_differences(build: Any, seed: int) -> None:
    loss, nodes = build(seed=seed)
    report = g.check(loss)
    assert [e.name for e in report.entries if e.name not in nodes] == []
    assert len(report.entries) == sum(isinstance(node, g.Variable) for node in nodes.values()) > 0


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_autoencoder() -> None:
    rng = np.random.default_rng(3)
    W, x = rng.normal(size=(3, 5)), rng.normal(size=5)
    loss, _ = examples.autoencoder(W, x)
    m = W.T @ W @ x - x
    found = g.gradients(loss)
    close(loss.value, 0.5 * m @ m)
    close(found["m"], m)
    close(found["W"], np.outer(W @ m, x) + np.outer(W @ x, m))
    through_transpose, through_product = found.shares("W")
    close(through_transpose.gradient, np.outer(W @ x, m))
    close(through_product.gradient, np.outer(W @ m, x))


@pytest.fixture
def lvm() -> tuple[Any, ...]:
    rng = np.random.default_rng(4)
    X, Y, alpha, beta = rng.normal(size=(5, 2)), rng.normal(size=(5, 3)), 0.7, 3.0
    K = alpha * X @ X.T + np.eye(5) / beta
    return X, Y, alpha, beta, K, np.linalg.inv(K)


def test_gp_lvm(lvm: tuple[Any, ...]) -> None:
    from scipy.stats import multivariate_normal

    X, Y, alpha, beta, K, inverse = lvm
    loss, _ = examples.gp_lvm(X, Y, alpha=alpha, beta=beta)
    close(loss.value, multivariate_normal.logpdf(Y.T, cov=K).sum())  # a Gaussian process for every column
    close(g.gradients(loss)["X"], alpha * (-3 * inverse + inverse @ Y @ Y.T @ inverse) @ X)
    close(g.gradients(loss)["K"], 0.5 * (-3 * inverse + inverse @ Y @ Y.T @ inverse))


def test_gp_lvms_two_parts(lvm: tuple[Any, ...]) -> None:
    X, Y, alpha, beta, K, inverse = lvm
    first, _ = examples.gp_lvm_log_det(X, alpha=alpha, beta=beta, D=3)
    second, _ = examples.gp_lvm_trace(X, Y, alpha=alpha, beta=beta)
    close(first.value, -1.5 * np.log(np.linalg.det(K)))
    close(second.value, -0.5 * np.trace(inverse @ Y @ Y.T))
    close(g.gradients(first)["X"], -alpha * 3 * inverse @ X)
    close(g.gradients(second)["X"], alpha * inverse @ Y @ Y.T @ inverse @ X)


def two_layer_arrays() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    shapes = {"x": 4, "W1": (3, 4), "b1": 3, "W2": (7, 3), "b2": 7}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def test_two_layer_net_in_terms_of_dz2() -> None:
    v = two_layer_arrays()
    loss, _ = examples.two_layer_swish(**v, y=6)
    found = g.gradients(loss)
    z1 = v["W1"] @ v["x"] + v["b1"]
    gate = 1 / (1 + np.exp(-z1))
    h = z1 * gate
    z2 = v["W2"] @ h + v["b2"]
    p = np.exp(z2) / np.exp(z2).sum()
    dz2 = p - np.eye(7)[6]
    dz1 = v["W2"].T @ dz2 * (gate + h * (1 - gate))
    close(loss.value, -np.log(p[6]))
    for name, expected in {
        "z2": dz2, "W2": np.outer(dz2, h), "b2": dz2, "z1": dz1, "W1": np.outer(dz1, v["x"]), "b1": dz1,
    }.items():  # fmt: skip
        close(found[name], expected)


@pytest.mark.torch
def test_two_layer_net_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    v = two_layer_arrays()
    t = {name: torch.tensor(array, requires_grad=True) for name, array in v.items()}
    scores = t["W2"] @ torch.nn.functional.silu(t["W1"] @ t["x"] + t["b1"]) + t["b2"]
    torch.nn.functional.cross_entropy(scores, torch.tensor(6)).backward()
    found = g.gradients(examples.two_layer_swish(**v, y=6)[0])
    for name, tensor in t.items():
        close(found[name], tensor.grad.numpy())


def test_logistic_regression() -> None:
    rng = np.random.default_rng(6)
    X, y, w, b = rng.normal(size=(6, 3)), rng.integers(2, size=6), rng.normal(size=3), 0.3
    loss, _ = examples.logistic_regression(X, y, w, b)
    found = g.gradients(loss)
    p = 1 / (1 + np.exp(-(X @ w + b)))
    close(loss.value, -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
    close(found["w"], X.T @ (p - y) / 6)
    close(found["b"], np.mean(p - y))
    assert len(found.shares("p")) == 2


@pytest.mark.torch
def test_xor_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    loss, nodes = examples.xor(seed=7)
    t = {
        k: torch.tensor(np.array(v.value), requires_grad=isinstance(v, g.Variable)) for k, v in nodes.items()
    }
    y = torch.sigmoid(torch.sigmoid(t["X"] @ t["W1"] + t["b1"]) @ t["W2"] + t["b2"])
    theirs = 0.5 * ((y - t["t"]) ** 2).sum()
    theirs.backward()
    close(loss.value, theirs.item())
    found = g.gradients(loss)
    for name in ("W1", "b1", "W2", "b2"):
        close(found[name], t[name].grad.numpy())


def test_xor_can_be_learned_with_these_gradients() -> None:
    """Descent from a seed ends where the rounded outputs are the truth table."""
    params = {k: v.value for k, v in examples.xor(seed=1)[1].items() if isinstance(v, g.Variable)}
    params = {k: 2 * v for k, v in params.items()}
    for _ in range(1500):
        loss, _ = examples.xor(**params)
        found = g.gradients(loss)
        params = {k: v - 2.0 * found[k] for k, v in params.items()}
    output = next(node for node in g.ordered(loss) if node.name == "y")
    assert output.value.round().ravel().tolist() == [0, 1, 1, 0]


def test_an_array_given_leaves_the_drawn_ones_alone() -> None:
    drawn = examples.autoencoder(seed=5)[1]["x"].value
    given = examples.autoencoder(np.ones((2, 3)), seed=5)[1]["x"].value
    np.testing.assert_array_equal(drawn, given)
