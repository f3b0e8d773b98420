"""Computational graphs: gradients against PyTorch and differences, shares, planted errors, sentences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clearprop.errors import ConfigError, DataError, GradientError, ShapeError
from clearprop.lens import graph as g
from clearprop.lens.graph.ops import OPS, Op
from oracles import numeric_gradient

Case = tuple[list[tuple[int, ...]], Callable[..., g.Node], Callable[..., Any]]

# An operation's inputs, the expression here, the same in PyTorch (torch is the first argument).
CASES: dict[str, Case] = {
    "matmul": ([(2, 3), (3, 4)], lambda a, b: a @ b, lambda t, a, b: a @ b),
    "matmul, a vector on the right": ([(2, 3), (3,)], lambda a, b: a @ b, lambda t, a, b: a @ b),
    "matmul, a vector on the left": ([(3,), (3, 2)], lambda a, b: a @ b, lambda t, a, b: a @ b),
    "matmul, two vectors": ([(3,), (3,)], lambda a, b: a @ b, lambda t, a, b: a @ b),
    "transpose": ([(2, 3)], lambda a: a.T, lambda t, a: a.T),
    "add": ([(2, 3), (2, 3)], lambda a, b: a + b, lambda t, a, b: a + b),
    "add, a row repeated": ([(4, 3), (3,)], lambda a, b: a + b, lambda t, a, b: a + b),
    "add, a column repeated": ([(4, 1), (4, 3)], lambda a, b: a + b, lambda t, a, b: a + b),
    "subtract": ([(2, 3), (3,)], lambda a, b: a - b, lambda t, a, b: a - b),
    "subtract from a row": ([(3,), (2, 3)], lambda a, b: a - b, lambda t, a, b: a - b),
    "multiply": ([(2, 3), (2, 3)], lambda a, b: a * b, lambda t, a, b: a * b),
    "multiply, a number's node": ([(2, 3), ()], lambda a, b: a * b, lambda t, a, b: a * b),
    "divide": ([(2, 3), (3,)], lambda a, b: a / (b * b + 1), lambda t, a, b: a / (b * b + 1)),
    "divide a row": ([(3,), (2, 3)], lambda a, b: a / (b * b + 1), lambda t, a, b: a / (b * b + 1)),
    "scale": ([(2, 3)], lambda a: -1.5 * a, lambda t, a: -1.5 * a),
    "divide by a number": ([(2, 3)], lambda a: a / 4, lambda t, a: a / 4),
    "negate": ([(2, 3)], lambda a: -a, lambda t, a: -a),
    "shift": ([(2, 3)], lambda a: 3 + a - 1, lambda t, a: 3 + a - 1),
    "take_from": ([(2, 3)], lambda a: 1 - a, lambda t, a: 1 - a),
    "divide_number": ([(2, 3)], lambda a: 2 / (a * a + 1), lambda t, a: 2 / (a * a + 1)),
    "power": ([(2, 3)], lambda a: a**3, lambda t, a: a**3),
    "power, negative": ([(2, 3)], lambda a: (a * a + 1) ** -0.5, lambda t, a: (a * a + 1) ** -0.5),
    "inverse": ([(3, 3)], g.inverse, lambda t, a: t.linalg.inv(a)),
    "logdet": ([(3, 2)], lambda a: g.logdet(a.T @ a), lambda t, a: t.linalg.slogdet(a.T @ a)[1]),
    "logdet, not symmetric": ([(3, 3)], lambda a: g.logdet(a @ a), lambda t, a: t.linalg.slogdet(a @ a)[1]),
    "trace": ([(3, 3)], g.trace, lambda t, a: t.trace(a)),
    "squared_norm": ([(2, 3)], g.squared_norm, lambda t, a: (a * a).sum()),
    "total": ([(2, 3)], g.total, lambda t, a: a.sum()),
    "mean": ([(2, 3)], g.mean, lambda t, a: a.mean()),
    "exp": ([(2, 3)], g.exp, lambda t, a: t.exp(a)),
    "log": ([(2, 3)], lambda a: g.log(a * a), lambda t, a: t.log(a * a)),
    "sigmoid": ([(2, 3)], g.sigmoid, lambda t, a: t.sigmoid(a)),
    "tanh": ([(2, 3)], g.tanh, lambda t, a: t.tanh(a)),
    "relu": ([(2, 3)], g.relu, lambda t, a: t.relu(a)),
    "swish": ([(2, 3)], g.swish, lambda t, a: t.nn.functional.silu(a)),
    "softmax": ([(2, 3)], g.softmax, lambda t, a: t.softmax(a, -1)),
    "softmax_cross_entropy": (
        [(4, 3)],
        lambda a: g.softmax_cross_entropy(a, g.Constant("y", [2, 0, 1, 1])),
        lambda t, a: t.nn.functional.cross_entropy(a, t.tensor([2, 0, 1, 1]), reduction="none"),
    ),
    "softmax_cross_entropy, one example": (
        [(3,)],
        lambda a: g.softmax_cross_entropy(a, g.Constant("y", 2)),
        lambda t, a: t.nn.functional.cross_entropy(a, t.tensor(2)),
    ),
    "softmax_cross_entropy, target rows": (
        [(2, 3)],
        lambda a: g.softmax_cross_entropy(a, g.Constant("y", [[0.2, 0.3, 0.5], [1, 0, 0]])),
        lambda t, a: t.nn.functional.cross_entropy(
            a, t.tensor([[0.2, 0.3, 0.5], [1, 0, 0]], dtype=t.float64), reduction="none"
        ),
    ),
}


def weighed(name: str) -> tuple[g.Node, list[g.Variable], np.ndarray]:
    """Σ dy ⊙ expression, for a dy drawn at random."""
    shapes, build, _ = CASES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    variables = [
        g.Variable(letter, rng.normal(size=shape)) for letter, shape in zip("ab", shapes, strict=False)
    ]
    y = build(*variables)
    dy = rng.normal(size=y.shape)
    return g.total(y * g.Constant("dy", dy)), variables, dy


def test_every_operation_is_tested() -> None:
    assert {name.split(",")[0] for name in CASES} >= set(OPS)


@pytest.mark.parametrize("name", CASES)
def test_an_operation_agrees_with_differences(name: str) -> None:
    assert g.check(weighed(name)[0]).ok


@pytest.mark.torch
@pytest.mark.parametrize("name", CASES)
def test_an_operation_agrees_with_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    loss, variables, dy = weighed(name)
    tensors = [torch.tensor(v.value, requires_grad=True) for v in variables]
    theirs = (CASES[name][2](torch, *tensors) * torch.tensor(dy)).sum()
    theirs.backward()
    np.testing.assert_allclose(loss.value, theirs.item(), rtol=1e-12, atol=1e-13)
    found = g.gradients(loss)
    for variable, tensor in zip(variables, tensors, strict=True):
        np.testing.assert_allclose(found[variable], tensor.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("op", [op for op in OPS if op != "transpose"])
def test_a_planted_error_is_found(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = OPS[op].backward

    def wrong(dy: Any, cache: Any) -> Any:
        return tuple(None if share is None else 1.001 * share for share in right(dy, cache))

    monkeypatch.setitem(OPS, op, OPS[op]._replace(backward=wrong))
    with pytest.raises(GradientError, match="the gradient of a is wrong"):
        g.check(weighed(op)[0])


def test_a_forgotten_transpose_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    square = g.Variable("a", np.random.default_rng(0).normal(size=(3, 3)))
    weights = g.Constant("dy", np.arange(9.0).reshape(3, 3))
    monkeypatch.setitem(OPS, "transpose", OPS["transpose"]._replace(backward=lambda dy, _: (dy,)))
    with pytest.raises(GradientError, match="transpose matches"):
        g.check(g.total(square.T * weights))


def test_a_backward_of_a_wrong_shape_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "tanh", OPS["tanh"]._replace(backward=lambda dy, _: (dy[0],)))
    with pytest.raises(
        ShapeError, match=r"tanh's backward: expected a gradient of shape \(2,\) for a, got \(\)"
    ):
        g.gradients(g.total(g.tanh(g.Variable("a", [1.0, 2.0]))))


def test_the_values_are_those_of_numpy() -> None:
    rng = np.random.default_rng(1)
    w, x = rng.normal(size=(2, 3)), rng.normal(size=3)
    W, X = g.Variable("W", w), g.Variable("x", x)
    loss = 0.5 * g.squared_norm(W.T @ (W @ X) - X)
    assert float(loss.value) == pytest.approx(0.5 * np.sum((w.T @ w @ x - x) ** 2), rel=1e-14)
    assert loss.value.dtype == np.float64


def test_paths_add_up_and_each_keeps_its_share() -> None:
    x = g.Variable("x", [1.0, 2.0])
    twice = (2 * x).named("d")
    loss = g.total(x * twice) + g.squared_norm(x)
    found = loss.backward()
    shares = found.shares(x)
    assert [share.through.op for share in shares] == ["scale", "multiply", "squared_norm"]
    np.testing.assert_allclose([share.gradient for share in shares], [[2, 4], [2, 4], [2, 4]])
    np.testing.assert_allclose(found["x"], 6 * x.value)
    np.testing.assert_allclose(x.grad, numeric(lambda v: 2 * v @ v + v @ v, x.value), atol=1e-8)
    np.testing.assert_allclose(found["d"], x.value)
    assert loss.grad == 1


def numeric(f: Callable[[Any], Any], x: Any) -> Any:
    x = np.array(x)
    return numeric_gradient(lambda: float(f(x)), x)


def test_a_node_twice_in_one_operation_has_two_shares() -> None:
    A = g.Variable("A", np.random.default_rng(2).normal(size=(3, 3)))
    shares = g.gradients(g.trace(A @ A)).shares("A")
    assert [share.position for share in shares] == [0, 1]
    np.testing.assert_allclose(shares[0].gradient + shares[1].gradient, 2 * A.value.T)


def test_backward_writes_and_does_not_add() -> None:
    x = g.Variable("x", 3.0)
    loss = x * x
    loss.backward()
    loss.backward()
    assert x.grad == 6


def test_constants_have_no_gradient_and_are_not_gone_through() -> None:
    c, x = g.Constant("c", [[2.0]]), g.Variable("x", [[3.0]])
    found = g.gradients(g.total(g.inverse(c) @ x))
    assert found["x"] == 0.5
    with pytest.raises(ConfigError, match="unknown node 'c'"):
        found["c"]


def test_a_long_chain_needs_no_recursion() -> None:
    x = g.Variable("x", 1.0)
    node: g.Node = x
    for _ in range(3000):
        node = node + 0.001
    assert g.gradients(node)["x"] == 1


def test_the_variables_own_arrays_stay_as_they_are() -> None:
    mine = np.ones(3)
    x = g.Variable("x", mine)
    mine[0] = 7
    assert x.value[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        x.value[0] = 2


W23 = g.Variable("W", np.ones((2, 3)))
SENTENCES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "matmul": (
        lambda: W23 @ g.Variable("h", np.ones(2)), ShapeError,
        "matmul: expected as many columns on the left as rows on the right, got W of shape (2, 3) and h of shape (2,). "
        "W.T @ h or h @ W would fit.",
    ),
    "matmul, hopeless": (lambda: W23 @ g.Variable("h", np.ones(4)), ShapeError, "Check the shapes of both."),
    "matmul, a number": (lambda: W23 @ g.Variable("s", 2.0), ShapeError, "Numbers are multiplied by *: W * s."),
    "add": (
        lambda: W23 + g.Variable("B", np.ones((3, 2))), ShapeError,
        "add: expected equal shapes, or one that repeats to fill the other, got W of shape (2, 3) and B of shape "
        "(3, 2). W.T and B would fit.",
    ),
    "add, both would grow": (
        lambda: g.Variable("a", np.ones(3)) + g.Variable("b", np.ones((3, 1))), ShapeError,
        "They have as many numbers: give a the shape (3, 1).",
    ),
    "multiply": (
        lambda: W23 * g.Variable("B", np.ones((3, 2))), ShapeError, "If the matrix product is meant, write W @ B.",
    ),
    "an expression is named": (
        lambda: (W23 @ g.Variable("x", np.ones(3))) + g.Variable("b", np.ones(3)), ShapeError,
        "got (W x) of shape (2,) and b of shape (3,)",
    ),
    "a bare array": (
        lambda: W23 @ np.ones(3), ConfigError, 'got an array of shape (3,). Give it a name: Constant("c", array).',
    ),
    "a bare array on the left": (lambda: np.ones((3, 2)) @ W23, ConfigError, "got an array of shape (3, 2)"),
    "not square": (
        lambda: g.inverse(W23), ShapeError,
        "inverse: expected a square matrix, got W of shape (2, 3). A product with its transpose would be square.",
    ),
    "singular": (
        lambda: g.inverse(g.Variable("K", np.ones((2, 2)))), DataError,
        "inverse: expected an invertible matrix, got K of shape (2, 2), which is singular",
    ),
    "singular, logdet": (
        lambda: g.logdet(g.Variable("K", [[1.0, 2], [2, 4]])), DataError, "Add a multiple of the identity to it",
    ),
    "negative determinant": (
        lambda: g.logdet(g.Variable("K", [[0.0, 1], [1, 0]])), DataError, "got K of shape (2, 2) with determinant -1.",
    ),
    "log": (
        lambda: g.log(g.Variable("p", [1.0, 0.0])), DataError, "got -inf where p[1] = 0. log takes numbers > 0.",
    ),
    "exp": (lambda: g.exp(g.Variable("p", 1000.0)), DataError, "got inf where p = 1000. exp takes numbers up to 709"),
    "divide": (lambda: 1 / g.Variable("p", [0.0]), DataError, "Nothing can be divided by 0."),
    "divide by the number 0": (lambda: W23 / 0, DataError, "expected a number other than 0 below W, got 0."),
    "power": (lambda: W23**W23, ConfigError, "expected a number as the exponent"),  # type: ignore[operator]
    "an infinite factor": (lambda: W23 * np.inf, DataError, "expected a finite number beside W, got inf."),
    "a slope that is not there": (
        lambda: g.gradients(g.total((W23 - 1) ** 0.5)), DataError, "There is no slope at this point",
    ),
    "labels": (
        lambda: g.softmax_cross_entropy(W23, g.Constant("y", [0, 3])), DataError,
        "expected labels from 0 to 2, whole numbers, in y of shape (2,).",
    ),
    "labels' shape": (
        lambda: g.softmax_cross_entropy(W23, g.Constant("y", [0, 1, 2])), ShapeError,
        "for W of shape (2, 3), labels (2,) or targets (2, 3), got y of shape (3,).",
    ),
    "labels that vary": (
        lambda: g.softmax_cross_entropy(W23, g.Variable("y", [0, 1])), ConfigError, "Make them a Constant.",
    ),
    "a name twice": (
        lambda: W23 @ g.Variable("W", np.ones(3)), ConfigError,
        "the name 'W' is used twice, for arrays of shape (2, 3) and (3,). Use one node in both places, or give the "
        "second another name.",
    ),
    "a result with a variable's name": (lambda: (2 * W23).named("W"), ConfigError, "the name 'W' is used twice"),
    "a second name": (lambda: W23.named("V"), ConfigError, "expected a node without a name"),
    "no name": (lambda: g.Variable("", 1.0), ConfigError, "expected a name of 1 to 16 letters on one line, got ''"),
    "a long name": (lambda: g.Variable("w" * 17, 1.0), ConfigError, "Choose a shorter one."),
    "a name with marks": (lambda: g.Variable("⟨", 1.0), ConfigError, "expected a name without"),
    "no numbers": (lambda: g.Variable("W", "abc"), DataError, "W: expected an array of numbers, got 'abc'."),
    "ragged": (lambda: g.Variable("W", [[1], [1, 2]]), DataError, "Give rows of equal length."),
    "nan": (lambda: g.Variable("W", [1, np.nan]), DataError, "W: expected finite numbers, got nan, 1 in all."),
    "no single number": (
        lambda: g.gradients(2 * W23), ShapeError,
        "expected a loss that is a single number, of shape (), got (2 W) of shape (2, 3). "
        "Make it one: total(…), mean(…) or squared_norm(…).",
    ),
    "nothing varies": (
        lambda: g.gradients(g.total(g.Constant("c", [1.0]))), ConfigError, "expected a loss that depends on a Variable",
    ),
    "no loss": (lambda: g.gradients(3.0), ConfigError, "got float 3.0. Build it from them."),  # type: ignore[arg-type]
    "a gradient that is not there": (
        lambda: g.gradients(g.total(W23))["w"], ConfigError, "unknown node 'w'. Did you mean 'W'?",
    ),
    "another graph's node": (
        lambda: g.gradients(g.total(W23))[g.Variable("v", 1.0)], ConfigError,
        "expected a node that the loss depends on",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_bad_input_gets_a_sentence(name: str) -> None:
    do, error, sentence = SENTENCES[name]
    with pytest.raises(error) as raised:
        do()
    assert sentence in str(raised.value)
    assert str(raised.value).endswith((".", "?", "L, W."))


def test_a_name_given_too_late_is_found_when_the_graph_is_used() -> None:
    x = g.Variable("x", 1.0)
    first, second = 2 * x, 3 * x
    loss = first + second
    first.named("u")
    second.named("u")
    with pytest.raises(ConfigError, match="the name 'u' is used twice"):
        g.text(loss)


def test_every_entry_says_its_equation_and_a_rule_for_each_operand() -> None:
    for name, op in OPS.items():
        assert isinstance(op, Op)
        assert op.symbol
        assert op.text, name
        operands = len([letter for letter in "ab" if f" {letter} " in f" {spaced(op.text)} "])
        assert len(op.rules) == max(operands, 1), name


def spaced(text: str) -> str:
    import re

    return re.sub(r"(?<![A-Za-z])([abc])(?![A-Za-z])", r" \1 ", text)


def test_gradients_say_whose_they_are() -> None:
    W, x = g.Variable("W", np.eye(2)), g.Variable("x", [1.0, 2.0])
    loss = (W @ x) @ x
    assert set(repr(loss.backward()).removeprefix("Gradients of L by ").split("; ")) == {"W (2, 2)", "x (2,)"}
    many = sum((g.Variable(f"a{i}", 1.0) for i in range(6)), g.Variable("b", 1.0))
    assert repr(many.backward()).endswith("; and 2 more")
