"""The formulas that a graph shows are true: each is read and computed, and wrong ones that are planted are found."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from formula_numbers import Reader, times
from test_graph import CASES, weighed

from clearprop.lens import graph as g
from clearprop.lens.graph import backward
from clearprop.lens.graph.backward import Share
from clearprop.lens.graph.names import letters_of
from clearprop.lens.graph.ops import OPS


def check_equations(loss: g.Node) -> None:
    """Every result is what its equation says."""
    names = g.names_of(loss)
    values = {name: node.value for node, name in names.items()}
    for node in g.ordered(loss):
        if node.op:
            found = Reader(g.equation(node, names), values).value()
            np.testing.assert_allclose(found, node.value, rtol=1e-9, atol=1e-12, err_msg=node.op)


def check_rules(loss: g.Node) -> None:
    """Every path's share of a gradient is what its rule says, in the shape of the operand that it reaches."""
    names, found = g.names_of(loss), g.gradients(loss)
    for node in found.totals:
        for share in found.shares(node):
            said = read(share, names, found)
            assert np.shape(said) == share.gradient.shape, share.formula(names)
            np.testing.assert_allclose(said, share.gradient, rtol=1e-9, atol=1e-12, err_msg=share.through.op)


def read(share: Share, names: dict[g.Node, str], found: g.Gradients) -> Any:
    """The value of a share's formula."""
    made, operand = share.through, share.through.inputs[share.position]
    dy = found[made]
    values: dict[str, Any] = {name: node.value for node, name in names.items()}
    added: Callable[[Any], Any] = lambda s: s.sum(axis=-1, keepdims=True)  # noqa: E731
    product = times
    if made.op == "matmul":  # a vector on the left is a row, on the right a column
        left, right = made.inputs
        values[names[left]], values[names[right]] = (
            np.atleast_2d(left.value),
            right.value.reshape(right.shape[0], -1),
        )
        dy = dy.reshape(len(values[names[left]]), -1)
        values |= {f"∂⟨{names[made]}⟩": dy}
        return Reader(share.formula(names), values).value().reshape(operand.shape)
    if made.op in ("add", "subtract", "multiply", "divide"):
        added = lambda s: over_repeats(s, operand.shape)  # noqa: E731
    elif made.op == "softmax_cross_entropy":
        product = lambda each, rows: each[..., None] * rows  # noqa: E731
    more = {
        f"∂⟨{names[made]}⟩": dy,
        "I": np.eye((*operand.shape, 1)[0]),
        "classes": (operand.shape or (1,))[-1],
    }
    value = Reader(share.formula(names), values | more, added, product).value()
    # what a number sends back to an array, as Σ and mean do, is the same everywhere
    return np.broadcast_to(value, operand.shape) if not made.shape and not np.ndim(value) else value


def over_repeats(x: Any, shape: tuple[int, ...]) -> Any:
    """Added up where an operand of that shape was repeated, number by number."""
    total = np.zeros(shape)
    for at in np.ndindex(*x.shape):
        own = at[len(at) - len(shape) :]
        total[tuple(i if n > 1 else 0 for i, n in zip(own, shape, strict=True))] += x[at]
    return total


MORE: dict[str, Callable[[], g.Node]] = {
    "a power of 0": lambda: g.total(g.Variable("a", [0.5, -2.0]) ** 0),
    "a power of a half": lambda: g.total((g.exp(g.Variable("a", [0.5, -2.0])) + 1) ** 0.5),
    "a repeated row divided": lambda: g.total(g.Variable("a", [1.0, 2.0]) / (g.exp(g.Variable("b", np.eye(2))) + 1)),
}  # fmt: skip


def losses() -> dict[str, Callable[[], g.Node]]:
    return {name: (lambda name=name: weighed(name)[0]) for name in CASES} | MORE


@pytest.mark.parametrize("name", losses())
def test_every_equation_and_every_rule_is_true(name: str) -> None:
    loss = losses()[name]()
    check_equations(loss)
    check_rules(loss)


PLANTED = {
    "matmul": ("bᵀ dy", "aᵀ dy"), "transpose": ("dy",), "add": ("dy", "−dy"), "subtract": ("dy", "dy"),
    "multiply": ("dy ⊙ a", "dy ⊙ b"), "divide": ("dy ⊘ b", "−dy ⊙ a ⊘ b"), "scale": ("dy",), "negate": ("dy",),
    "shift": ("c dy",), "take_from": ("dy",), "divide_number": ("−dy ⊙ y ⊙ a",), "power": ("c dy ⊙ a^c",),
    "inverse": ("−y dy y",), "logdet": ("dy a⁻¹",), "trace": ("dy a",), "squared_norm": ("dy a",), "total": ("2 dy",),
    "mean": ("dy",), "exp": ("dy ⊙ a",), "log": ("dy ⊘ y",), "sigmoid": ("dy ⊙ (1 − y)",), "tanh": ("dy ⊙ (1 − y)",),
    "relu": ("dy",), "swish": ("dy ⊙ (σ(a) + a ⊙ (1 − σ(a)))",), "softmax": ("y ⊙ (dy − Σ dy)",),
    "softmax_cross_entropy": ("dy (a − t)", ""),
}  # fmt: skip


@pytest.mark.parametrize("op", OPS)
def test_a_wrong_rule_is_found(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "logdet, not symmetric" if op == "logdet" else op
    monkeypatch.setitem(OPS, op, OPS[op]._replace(rules=PLANTED[op]))
    with pytest.raises((AssertionError, ValueError)):
        check_rules(weighed(name)[0])


@pytest.mark.parametrize("op", [op for op in OPS if op not in ("transpose", "negate")])
def test_a_wrong_equation_is_found(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, op, OPS[op]._replace(text=f"3 ({OPS[op].text})"))
    with pytest.raises(AssertionError):
        check_equations(weighed(op)[0])


def test_a_share_without_its_sum_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = weighed("add, a row repeated")[0]
    monkeypatch.setattr(backward, "ELEMENTWISE", ())
    with pytest.raises(AssertionError):
        check_rules(loss)


def test_a_wrong_exponent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = weighed("power")[0]
    monkeypatch.setattr(
        backward,
        "letters_of",
        lambda node, names: (made := letters_of(node, names)) | {"e": made.get("c", "")},
    )
    with pytest.raises(AssertionError):
        check_rules(loss)


def test_target_rows_are_not_made_one_hot() -> None:
    a = g.Variable("a", np.zeros((2, 3)))
    for y, said in (([0, 2], "onehot(y)"), (np.eye(3)[:2], "y")):
        loss = g.mean(g.softmax_cross_entropy(a, g.Constant("y", y)))
        names, found = g.names_of(loss), g.gradients(loss)
        assert found.shares("a")[0].formula(names) == f"∂⟨v1⟩ (softmax(a) − {said})"


def test_a_power_of_0_has_no_slope_anywhere() -> None:
    a = g.Variable("a", [0.0, 2.0, -1.0])
    np.testing.assert_array_equal(g.gradients(g.total(a**0))["a"], [0, 0, 0])
    np.testing.assert_array_equal(g.gradients(g.total(a**1))["a"], [1, 1, 1])
