"""The recurrent layers' and the normalizations' equations: calculated as they stand there, they are the layers."""

import ast
import re
from collections.abc import Iterable
from unicodedata import normalize

import numpy as np
import pytest

import clearprop as cp
from clearprop.lens import equations
from clearprop.lens.document.formula import plain
from clearprop.lens.equations import layer_equations
from clearprop.lens.layer_equations import LAYER_EQUATIONS


class Several(tuple):
    """Some arrays in brackets: a factor multiplies each; as matrices they stand side by side."""

    __array_ufunc__ = None  # so that NumPy leaves products to it

    def __mul__(self, other: object) -> "Several":
        others = other if isinstance(other, Several) else [other] * len(self)
        return Several(a * b for a, b in zip(self, others, strict=True))

    __rmul__ = __mul__

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        return whole(self) @ other

    def __rmatmul__(self, other: np.ndarray) -> np.ndarray:
        return other @ whole(self)


def whole(value: object) -> np.ndarray:
    return np.concatenate(value, axis=-1) if isinstance(value, Several) else np.asarray(value)


class Brackets(ast.NodeTransformer):
    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        self.generic_visit(node)
        return ast.Call(ast.Name("Several", ast.Load()), [ast.List(node.elts, ast.Load())], [])


SIGNS = (
    ("ₜ₋₁", "_before"), ("ₜ", ""), (",ₙ", ""), ("ᵀ", ".T"), ("²", "**2"), ("−", "-"), ("⊙", "*"), ("x̂", "xhat"),
    ("f′", "slope"), ("√", "sqrt"), ("+ what comes back to h_before", "+ back_h"),
    ("+ what comes back to c", "+ back_c"),
)  # fmt: skip


def python_of(signs: str) -> str:
    """An equation's side in plain signs as Python: a space multiplies, and by w, u or from ᵀ on as matrices."""
    signs = re.sub(r"^Σₜ,ₙ (.*)", r"total(\1)", signs).replace("Σₜ ", "")
    signs = re.sub(r"^Σ (.*)", r"total(\1)", signs)
    for sign, word in SIGNS:
        signs = signs.replace(sign, word)
    signs = normalize("NFKC", signs)
    signs = re.sub(r"(?<=\.T) (?=[\w(])|(?<=[\w)]) (?=[wu](\b|_|n\b))", " @ ", signs)
    return re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", signs)


def follow(lines: Iterable[str], known: dict) -> dict:
    """Each equation, one after the other; several names on its left share what is on its right."""
    for latex in lines:
        for signs in plain(latex).split("   "):
            left, right = map(python_of, signs.split(" = "))
            tree = ast.fix_missing_locations(Brackets().visit(ast.parse(right, mode="eval")))
            value = eval(compile(tree, right, "eval"), {}, known)
            names = left.split(", ")
            if len(names) == 1:
                known[left] = value
                continue
            parts = value if isinstance(value, Several) else np.split(value, len(names), axis=-1)
            known |= dict(zip(names, parts, strict=True))
    return known


def sigma(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


FUNCTIONS = {
    "Several": Several, "σ": sigma, "tanh": np.tanh, "sqrt": np.sqrt, "total": lambda v: whole(v).sum(axis=0),
    "f": np.tanh, "slope": lambda z: 1 - np.tanh(z) ** 2,
}  # fmt: skip
RECURRENT = [
    cp.Elman(3, return_sequences=True),
    cp.LSTM(3, return_sequences=True),
    cp.GRU(3, return_sequences=True),
    cp.GRU(3, return_sequences=True, reset="before"),
]
N, T, D, M = 2, 4, 5, 3


def both_ways(layer: cp.Layer) -> tuple[dict, dict]:
    """What the layer computes from random numbers, and what its equations do, step by step."""
    rng = np.random.default_rng(4)
    model = cp.Sequential([layer], (T, D), dtype="float64")
    model.params[...] = rng.normal(size=model.params.shape)
    x, dy = rng.normal(size=(N, T, D)), rng.normal(size=(N, T, M))
    y, caches = model.forward(x)
    dx = model.backward(dy, caches, need_dx=True)
    names = [*layer.param_shapes((T, D))]
    params, grads = model.named_params(), model.named_grads()
    theirs = {"y": y, "dx": dx} | {f"d{name}": grads[f"0.{name}"] for name in names}
    known = FUNCTIONS | {name: params[f"0.{name}"] for name in names}
    if isinstance(layer, cp.GRU):  # its equations name parts of the parameters
        for name in "wub":
            known |= {f"{name}_rz": known[name][..., : 2 * M], f"{name}n": known[name][..., 2 * M :]}
    steps, states, found = [], [np.zeros((N, M))], layer_equations(layer)
    for t in range(T):
        now = known | {"x": x[:, t], "h_before": states[-1], "c_before": steps[-1].get("c") if steps else 0.0}
        now["c_before"] = np.zeros((N, M)) if t == 0 else now["c_before"]
        steps.append(follow(found.forward, now))
        states.append(steps[-1]["h"])
    ours = {"y": np.stack(states[1:], axis=1)} | {f"d{name}": 0.0 for name in names}
    dxs, dh, dc = [], dy[:, -1], 0.0
    for t in reversed(range(T)):
        now = follow(
            found.backward, steps[t] | {"dh": dh, "back_c": dc, "back_h": dy[:, t - 1] if t else 0.0}
        )
        dh, dc = now["dh_before"], now.get("dc_before", 0.0)
        dxs.append(now["dx"])
        for name in names:
            ours[f"d{name}"] = ours[f"d{name}"] + whole(now[f"d{name}"])
    return theirs, ours | {"dx": np.stack(dxs[::-1], axis=1)}


@pytest.mark.parametrize("layer", RECURRENT, ids=repr)
def test_a_recurrent_layers_equations_are_what_it_computes(layer: cp.Layer) -> None:
    theirs, ours = both_ways(layer)
    for name, array in theirs.items():
        np.testing.assert_allclose(ours[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


def norms() -> list[tuple[cp.Layer, bool]]:
    return [(cp.BatchNorm(), True), (cp.BatchNorm(), False), (cp.LayerNorm(), True), (cp.GroupNorm(2), True)]


def normalized(layer: cp.Layer, training: bool) -> tuple[dict, dict]:
    rng = np.random.default_rng(6)
    layer.eps = 0.3  # so that it counts
    model = cp.Sequential([layer], (6,), dtype="float64")
    model.params[...] = rng.normal(size=model.params.shape)
    own = model.layers[0]  # a copy of it, with its parameters
    x, dy = rng.normal(size=(2, 7, 6))
    y, caches = model.forward(x, training=training)
    dx = model.backward(dy, caches, need_dx=True)
    theirs = {"y": y, "dx": dx, "dγ": own.dgamma, "dβ": own.dbeta}

    def mean(values: np.ndarray) -> np.ndarray:
        if isinstance(layer, cp.BatchNorm):
            return values.mean(axis=0)
        groups = 2 if isinstance(layer, cp.GroupNorm) else 1
        means = values.reshape(len(x), groups, -1).mean(axis=2)
        return np.repeat(means, 6 // groups, axis=1)

    mu = mean(x) if training else own.running_mean
    known = FUNCTIONS | {
        "x": x, "dy": dy, "μ": mu, "v": mean((x - mu) ** 2) if training else own.running_var, "ε": layer.eps,
        "γ": own.gamma, "β": own.beta, "mean": mean, "n": len(x),
    }  # fmt: skip
    found = layer_equations(layer, training)
    return theirs, follow((*found.forward, *found.backward), known)


@pytest.mark.parametrize(("layer", "training"), norms(), ids=repr)
def test_a_normalizations_equations_are_what_it_computes(layer: cp.Layer, training: bool) -> None:
    theirs, ours = normalized(layer, training)
    for name, array in theirs.items():
        np.testing.assert_allclose(ours[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


WRONG = [
    ("LSTM", "1 - g^2", "1 - g"), ("LSTM", r"c_t = f \odot", r"c_t = i \odot"), ("LSTM", r"u^\top", r"w^\top"),
    ("GRU", "r (1 - r)", "r"), ("GRU", r"z \odot h_{t-1}", r"z \odot n"), ("GRU", r"da^n \odot r)", "da^n)"),
    ("GRU, before", r"ds \odot r", "ds"), ("Elman", "x_t w", "x_t u"),
    ("LayerNorm", r"\text{mean}(g \odot \hat{x})", r"\text{mean}(g)"), ("GroupNorm", r"- \text{mean}(g) ", ""),
    ("BatchNorm", r" + \epsilon", " + v"), ("BatchNorm", r"\hat{x} \odot d\gamma", r"d\gamma"),
    ("BatchNorm, prediction", r"\gamma}{\sqrt{v + \epsilon}}", r"\gamma}{v}"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "right", "wrong"), WRONG)
def test_a_wrong_equation_is_found(
    name: str, right: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = LAYER_EQUATIONS[name]
    planted = original._replace(
        forward=tuple(latex.replace(right, wrong) for latex in original.forward),
        backward=tuple(latex.replace(right, wrong) for latex in original.backward),
    )
    assert planted != original
    monkeypatch.setitem(equations.LAYER_EQUATIONS, name, planted)
    kind = name.partition(",")[0]
    try:
        if kind in ("LSTM", "GRU", "Elman"):
            layer = next(
                one for one in RECURRENT
                if type(one).__name__ == kind and ("before" in name) == (getattr(one, "reset", "") == "before")
            )  # fmt: skip
            theirs, ours = both_ways(layer)
        else:
            theirs, ours = normalized(
                getattr(cp, kind)(*[2] * (kind == "GroupNorm")), "prediction" not in name
            )
    except ValueError:  # shapes that do not fit are found, too
        return
    assert not all(np.allclose(ours[key], array, rtol=1e-6) for key, array in theirs.items())
