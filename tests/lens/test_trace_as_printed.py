"""The lines of a trace as they are printed, with the digits that a reader sees: each works out."""

import re

import numpy as np
import pytest
from trace_reader import calculate, entry_of, equations

import clearprop as cp
from clearprop.lens.document.formula import plain
from clearprop.lens.trace import Trace, trace
from clearprop.lens.trace.letters import below_one, difference, figure

ROOM = 0.01  # of the number
FLOOR = 3e-4  # of the line's largest product: what four digits leave open where products cancel


def off(shown: Trace) -> list[str]:
    """The lines whose sides, as printed, are more than 1 % apart."""
    wrong = []
    for step, left, sides in equations(shown):
        inside = tuple(one for one in shown.steps if one.phase == step.phase and one is not step)
        values = [calculate(side, step, inside) for side in sides]
        named = entry_of(step, left) if step.phase != "update" else None
        wanted = values[-1] if named is None else named
        room = ROOM * abs(wanted) + FLOOR * _largest(sides[0])
        if any(abs(value - wanted) > room for value in values):
            wrong.append(f"{step.title}: {left} = {' = '.join(sides)}")
    return wrong


def _largest(words: str) -> float:
    """The largest of the products that a line adds up; 0 where it adds nothing up."""
    terms = words.split(" + ")
    if len(terms) < 2 or re.search(r"[a-zσΦ√/]\(|\)/", words):
        return 0.0
    sizes = []
    for term in terms:
        try:
            sizes.append(abs(calculate(term, None)))  # type: ignore[arg-type]
        except (SyntaxError, AttributeError):
            return 0.0
    return max(sizes)


def close_to_its_target(layers: list[cp.Layer], shape: tuple[int, ...], gap: float = 3e-4) -> Trace:
    """A network whose outputs are as near to the targets as after a training: all gradients are small."""
    rng = np.random.default_rng(7)
    model = cp.Sequential([*layers, cp.Dense(2)], shape, seed=3, dtype="float64")
    x = rng.normal(size=(1, *shape))
    t = model.forward(x)[0] + gap * rng.normal(size=(1, 2))
    return trace(model, x, t, loss="squared_error", optimizer=cp.Adam(lr=1e-3), apply=False)


NETWORKS: dict[str, tuple[list[cp.Layer], tuple[int, ...]]] = {
    "dense": ([cp.Dense(5, activation="tanh")], (4,)),
    "sigmoid": ([cp.Dense(5, activation="sigmoid")], (4,)),
    "lstm": ([cp.LSTM(4)], (5, 2)),
    "gru": ([cp.GRU(4)], (5, 2)),
    "gru, reset before": ([cp.GRU(4, reset="before")], (5, 2)),
    "layer norm": ([cp.Dense(5), cp.LayerNorm()], (4,)),
    "convolution": ([cp.Conv2D(2, 3), cp.Flatten()], (4, 4, 1)),
}


@pytest.mark.parametrize("gap", [3e-2, 3e-4, 3e-6])
@pytest.mark.parametrize("name", NETWORKS)
def test_each_line_works_out_as_printed(name: str, gap: float) -> None:
    shown = close_to_its_target(*NETWORKS[name], gap)
    assert off(shown) == []


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "sigmoid_cross_entropy"])
def test_a_loss_close_to_its_target_works_out(loss: str) -> None:
    model = cp.Sequential([cp.Activation("identity")], (2,), dtype="float64")
    s = np.array([[0.99063318, -0.4512345]])
    t = s + np.array([[2.657e-4, -1.3e-7]])
    if loss == "sigmoid_cross_entropy":
        t = 1 / (1 + np.exp(-s)) + np.array([[2.657e-4, -1.3e-5]])
    assert off(trace(model, s, t, loss=loss)) == []


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
@pytest.mark.parametrize("x", [0.3, 4.0, 7.0, 11.0])
def test_a_saturated_unit_has_the_digits_of_its_slope(name: str, x: float) -> None:
    model = cp.Sequential([cp.Activation(name)], (1,), dtype="float64")
    assert off(trace(model, [[x]], [[0.5]], loss="squared_error")) == []


@pytest.mark.parametrize("name", ["dense", "lstm"])
def test_a_wrong_number_is_found(name: str) -> None:
    """Each line's end, made 3 % larger."""
    shown = close_to_its_target(*NETWORKS[name])
    planted = 0
    for step in shown.steps:
        right = step.put_in
        for i, latex in enumerate(right):
            body, _, end = latex.rpartition(" = ")
            wrong = rf"{body} = {end} \cdot 1.03"
            object.__setattr__(step, "put_in", (*right[:i], wrong, *right[i + 1 :]))
            assert len(off(shown)) == 1, plain(wrong)
            planted += 1
        object.__setattr__(step, "put_in", right)
    assert planted > 10
    assert off(shown) == []


def test_numbers_cut_to_four_decimals_are_found() -> None:
    shown = close_to_its_target(*NETWORKS["dense"])
    for step in shown.steps:
        cut = (re.sub(r"\d+\.\d{5,}", lambda found: f"{float(found[0]):.4f}", latex) for latex in step.put_in)
        object.__setattr__(step, "put_in", tuple(cut))
    said = "\n".join(off(shown))
    assert "ℓ = (" in said
    assert "dx[" in said
    assert "v of 2.b[" in said


def test_numbers_have_the_digits_they_need() -> None:
    said = {
        0.0523461: "0.05235",
        0.05: "0.05",
        -0.00053081: "−0.0005308",
        0.52346: "0.5235",
        12.34567: "12.3457",
    }
    assert {value: plain(figure(value)) for value in said} == said
    assert plain(difference(0.99063318, 0.99089884)) == "0.9906332 − 0.9908988"
    assert plain(difference(1.23456e-6, 1.23465e-6)) == "1.23456 · 10⁻⁶ − (1.23465 · 10⁻⁶)"
    assert plain(difference(0.5, 0.5)) == "0.5 − 0.5"
    assert plain(difference(np.nan, np.inf)) == "nan − ∞"
    assert plain(difference(3.0, -1.0)) == "3 − (−1)"
    assert below_one(0.99998765) == "0.99998765"
    assert below_one(-0.25) == "(-0.25)"
