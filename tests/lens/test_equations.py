"""The table of equations: complete, readable, and true: calculated as they stand, they give what the library gives."""

import re
from math import erf, pi
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.layers import ACTIVATIONS, LAYERS
from clearprop.lens.document.formula import plain
from clearprop.lens.equations import (
    LOSS_EQUATIONS,
    OPTIMIZER_EQUATIONS,
    layer_equations,
    loss_equations,
    optimizer_equations,
)
from clearprop.lens.layer_equations import ACTIVATION_EQUATIONS, LAYER_EQUATIONS
from clearprop.losses import LOSSES, make_loss
from clearprop.optim import OPTIMIZERS

PAGES = Path(__file__).parents[2] / "docs" / "derivations"
SIGNS = {
    "−": "-", "⊙": "*", "·": "*", "²": "**2", "³": "**3", "ᵏ": "**k", "√h": "sqrt(h)", "√v": "sqrt(v)", "√": "sqrt",
    "β₁": "beta1", "β₂": "beta2", "1/2": "0.5",
}  # fmt: skip
FUNCTIONS = {
    "exp": np.exp, "log": np.log, "tanh": np.tanh, "arctan": np.arctan, "sqrt": np.sqrt, "π": pi, "sign": np.sign,
    "σ": lambda x: 1 / (1 + np.exp(-x)), "max": np.maximum, "clip": np.clip, "abs": np.abs,
    "Φ": np.vectorize(lambda x: 0.5 * (1 + erf(x / np.sqrt(2)))), "φ": lambda x: np.exp(-x * x / 2) / np.sqrt(2 * pi),
    "softmax": lambda s: np.exp(s) / np.exp(s).sum(axis=1, keepdims=True),
}  # fmt: skip


def calculate(signs: str, known: dict) -> np.ndarray:
    """The right side of an equation in plain signs: a space between two factors multiplies them."""
    if signs.startswith("{ "):
        first, second = (case.strip().split("  ") for case in signs[2:].split(";"))
        return np.where(calculate(first[1], known), calculate(first[0], known), calculate(second[0], known))
    if found := re.fullmatch(r"(−?)Σ\S* (.+)", signs):
        return (-1 if found[1] else 1) * calculate(found[2], known).sum(axis=1)
    for sign, word in SIGNS.items():
        signs = signs.replace(sign, word)
    signs = re.sub(r"\|(.+)\|", r"abs(\1)", signs)
    signs = re.sub(r"log (\w+)", r"log(\1)", signs)
    signs = re.sub(r"(?<=[\w)]) (?=[\w(])", "*", signs)
    return eval(signs.replace("[", "(").replace("]", ")"), {}, {**FUNCTIONS, **known})


def follow(equations, known: dict) -> dict:
    """Each equation, one after the other, with what those before it gave."""
    for latex in equations:
        left, _, right = re.sub("[ₙₘₖ]", "", plain(latex)).replace("←", "=").partition(" = ")
        known[left] = calculate(right.rpartition(" = ")[2], known)
    return known


def test_everything_has_its_equations() -> None:
    assert set(LAYERS) - {"Activation"} <= set(LAYER_EQUATIONS)
    assert set(ACTIVATION_EQUATIONS) == set(ACTIVATIONS)
    assert set(LOSS_EQUATIONS) == set(LOSSES)
    assert {name.partition(",")[0] for name in OPTIMIZER_EQUATIONS} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", [*LAYER_EQUATIONS, *ACTIVATION_EQUATIONS])
def test_each_can_be_read_and_has_its_page(name: str) -> None:
    found = {**LAYER_EQUATIONS, **ACTIVATION_EQUATIONS}[name]
    assert found.forward
    assert found.backward
    assert all(plain(latex) for latex in (*found.forward, *found.backward))
    assert (PAGES / f"{found.page}.md").is_file()


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_can_be_read_and_has_its_page(name: str) -> None:
    found = LOSS_EQUATIONS[name]
    assert all(plain(latex) for latex in (*found.forward, *found.gradient))
    assert (PAGES / f"{found.page}.md").is_file()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (cp.Dense(3), (2,)), (cp.Conv1D(3, 2), (5, 1)), (cp.Conv2D(3, 2), (5, 5, 1)),
        (cp.ConvTranspose2D(3, 2), (5, 5, 1)),
        (cp.BatchNorm(), (2,)), (cp.LayerNorm(), (2,)), (cp.GroupNorm(1), (2,)), (cp.Embedding(5, 2), (3,)),
        (cp.Elman(3), (4, 1)), (cp.LSTM(3), (4, 1)), (cp.GRU(3), (4, 1)), (cp.GRU(3, reset="before"), (4, 1)),
    ],
    ids=repr,
)  # fmt: skip
def test_every_parameter_has_a_gradient_with_an_equation(layer: cp.Layer, shape: tuple[int, ...]) -> None:
    backward = " ".join(layer_equations(layer).backward)
    for name in layer.param_shapes(shape):
        letters = {"gamma": r"d\gamma =", "beta": r"d\beta =", "bu": "db_u ="}.get(name)
        assert letters in backward if letters else re.search(rf"\bd{name}\S* =", backward), name


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"softmax", "log_softmax"}))
def test_an_activations_equations_are_what_it_computes(name: str) -> None:
    layer = cp.Activation(name, alpha=0.3) if name in ("leaky_relu", "elu") else cp.Activation(name)
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 5, 4))
    y, cache = layer.forward(x)
    equations = layer_equations(layer)
    found = follow(equations.forward, {"x": x, "α": 0.3, "max": np.maximum})
    np.testing.assert_allclose(found["y"], y, rtol=1e-12)
    found = follow(equations.backward, found | {"y": y, "dy": dy})
    np.testing.assert_allclose(found["dx"], layer.backward(dy, cache), rtol=1e-9, atol=1e-12)


def test_the_calculator_sees_a_wrong_equation() -> None:
    x = np.linspace(-1, 1, 5)
    right = follow((r"y = \tanh(x)", r"dx = dy \odot (1 - y^2)"), {"x": x, "dy": 2.0})["dx"]
    wrong = follow((r"y = \tanh(x)", r"dx = dy \odot (1 - y)"), {"x": x, "dy": 2.0})["dx"]
    assert np.abs(right - 2 / np.cosh(x) ** 2).max() < 1e-12
    assert np.abs(right - wrong).max() > 0.1


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"hinge"}))
def test_a_loss_equations_are_what_it_computes(name: str) -> None:
    rng = np.random.default_rng(1)
    s, t = rng.normal(size=(6, 4)), rng.uniform(size=(6, 4))
    if name == "cross_entropy":
        s = rng.uniform(0.1, 0.9, (6, 4))
    if name in ("softmax_cross_entropy", "cross_entropy"):
        t /= t.sum(axis=1, keepdims=True)
    loss = make_loss({"name": name, "delta": 0.4} if name == "huber" else name)
    losses, ds = loss(s, t)
    equations = loss_equations(loss)
    found = follow(
        (*equations.forward[0].split(r" \quad "), *equations.forward[1:], *equations.gradient),
        {"s": s, "t": t, "δ": 0.4},
    )
    np.testing.assert_allclose(found["ℓ"], losses, rtol=1e-12)
    np.testing.assert_allclose(found["ds"], ds, rtol=1e-9, atol=1e-12)
    if name == "huber":
        assert "$\\delta$ is 0.4." in equations.where


@pytest.mark.parametrize(
    "optimizer",
    [
        cp.SGD(lr=0.1), cp.SGD(lr=0.1, momentum=0.8), cp.SGD(lr=0.1, momentum=0.8, nesterov=True),
        cp.AdaGrad(lr=0.1), cp.RMSProp(lr=0.1, rho=0.7), cp.Adam(lr=0.1), cp.AdamW(lr=0.1, weight_decay=0.2),
    ],
    ids=repr,
)  # fmt: skip
def test_an_optimizers_equations_are_its_steps(optimizer: cp.Optimizer) -> None:
    rng = np.random.default_rng(2)
    p = rng.normal(size=5)
    settings = {"lr": "η", "momentum": "μ", "rho": "ρ", "eps": "ε", "weight_decay": "λ"}
    known = {sign: getattr(optimizer, name) for name, sign in settings.items() if hasattr(optimizer, name)}
    known |= {name: getattr(optimizer, name) for name in ("beta1", "beta2") if hasattr(optimizer, name)}
    known |= {"p": p.copy(), "v": 0.0, "m": 0.0, "h": 0.0}
    equations = [latex.replace(r" \quad \text{for weights}", "") for latex in optimizer_equations(optimizer)]
    for k in (1, 2, 3):
        g = rng.normal(size=5)
        optimizer.step(p, g)
        known = follow(equations, known | {"dp": g, "k": k})
        np.testing.assert_allclose(known["p"], p, rtol=1e-10)


def test_settings_stand_in_the_words() -> None:
    assert "s is the stride, 2, and d the dilation, 1" in layer_equations(cp.Conv2D(3, 3, stride=2)).where
    assert layer_equations(cp.Elman(3, activation="relu")).where.startswith("f is relu.")
    assert layer_equations(cp.Activation("elu")).where == r"$\alpha$ is 1."
    assert layer_equations(cp.Dropout(0.5), training=False).forward == ("y = x",)
    smooth = loss_equations(make_loss({"name": "softmax_cross_entropy", "label_smoothing": 0.1}))
    assert "(1 − 0.1) t + 0.1 / K" in smooth.where


def test_a_layer_of_ones_own_has_none() -> None:
    class Twice(cp.Activation):
        pass

    class Own(cp.Flatten):
        pass

    assert layer_equations(Twice("relu")).forward == (r"y = \max(x, 0)",)
    with pytest.raises(KeyError):
        layer_equations(Own())
