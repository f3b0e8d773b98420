"""A graph's listing in 80 columns, and how names, numbers and formulas are written."""

import re
from typing import Any

import numpy as np
import pytest

from clearprop.lens import graph as g
from clearprop.lens.document.as_text import columns
from clearprop.lens.graph import backward, examples
from clearprop.lens.graph.labels import cells_of, filled, norm_text, number_text, width_of

EXAMPLES: list[Any] = [
    examples.autoencoder,
    examples.gp_lvm_log_det,
    examples.gp_lvm_trace,
    examples.gp_lvm,
    examples.two_layer_swish,
    examples.logistic_regression,
    examples.xor,
]


@pytest.mark.parametrize("build", EXAMPLES)
def test_the_listing_has_every_node_and_fits_80_columns(build: Any) -> None:
    loss, _ = build()
    lines = g.text(loss).splitlines()
    assert max(map(len, lines)) <= 80
    heads = [re.match(r"[^:=,]+", line)[0].strip() for line in lines[2:] if not line.startswith(" ")]
    assert heads == list(g.names_of(loss).values())


def test_long_names_and_large_arrays_fit_too() -> None:
    names = [f"{letter * 15}{i}" for i, letter in enumerate("qrst")]
    a, b, c, d = (g.Variable(name, np.full((6, 6), 1234.5 * 10**i)) for i, name in enumerate(names))
    wide = g.Variable("重" * 16, np.ones((6, 6)))
    loss = g.total((a * b + c * d) * (a - d) * wide + g.sigmoid(a @ b @ c @ d) * wide)
    listing = g.text(loss)
    assert max(map(columns, listing.splitlines())) <= 80
    assert "norm" in g.text(g.total(g.Variable("x", np.arange(100.0))))
    assert "from 0 to 99" in g.text(g.total(g.Variable("x", np.arange(100.0))))


def test_shares_are_listed_with_their_paths() -> None:
    lines = g.text(examples.autoencoder()[0]).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("W: variable, shape (2, 3)"))
    block = "\n".join(lines[start : start + 10])
    assert "the sum of 2 paths:" in block
    assert "through Wᵀ, (∂Wᵀ)ᵀ" in block
    assert "through h, ∂h xᵀ" in block
    assert "h = W x, shape (2,)" in lines
    assert "L = ½ v1, shape ()" in lines


def test_the_numbers_are_those_of_the_arrays() -> None:
    x = g.Variable("x", [[0.123, -4.567], [0.0, 2.0]])
    listing = g.text(g.squared_norm(x))
    assert "value  [ 0.12 −4.57]" in listing
    assert "∂x     [ 0.25 −9.13]" in listing


def test_latex_lists_both_passes() -> None:
    lines = g.latex(examples.autoencoder()[0])
    assert r"m = r\,-\,x" in lines
    assert r"h = W\,x" in lines
    sum_of_paths = (
        r"\frac{\partial L}{\partial W} = (\frac{\partial L}{\partial W^{\top}})^{\top}"
        r" + \frac{\partial L}{\partial h}\,x^{\top}"
    )
    assert sum_of_paths in lines
    assert lines.isascii()


@pytest.mark.parametrize("build", EXAMPLES)
def test_latex_is_understood_by_matplotlibs_parser(build: Any) -> None:
    from matplotlib.mathtext import MathTextParser

    body = g.latex(build()[0]).split("\n")[1:-1]
    for line in body:
        assert MathTextParser("path").parse(f"${line.removesuffix(chr(92) * 2 + '[1ex]')}$").width > 0


@pytest.mark.parametrize(
    ("array", "cells"),
    [
        (0.0, [["0"]]),
        (1.0, [["1"]]),
        (-0.5, [["−0.5"]]),
        (1.23456e-7, [["1.23e−7"]]),
        (1.5e9, [["1.50e9"]]),
        ([1.0, 2.0], [["1"], ["2"]]),
        ([[0.5, -0.001]], [["0.50", "0.00"]]),
        ([[12.34, 1.0]], [["12.3", "1.0"]]),
        ([[1234.5, 1.0]], [["1234", "1"]]),
        ([0.0123, 0.0], [["0.012"], ["0.000"]]),
        ([2.5e-5, 0.0], [["2.5e−5"], ["0.0e0"]]),
        (np.ones((5, 1)), None),
        (np.ones((1, 4)), None),
        (np.ones((2, 2, 2)), None),
        (np.ones((0,)), None),
    ],
)
def test_numbers_have_a_few_digits(array: Any, cells: Any) -> None:
    assert cells_of(np.array(array, np.float64)) == cells


def test_numbers_in_formulas() -> None:
    assert [number_text(x) for x in (0.5, -0.25, 2.0, -1.5, 1e-9)] == ["½", "−¼", "2", "−1.5", "1e−09"]
    assert norm_text(np.array([3.0, 4.0])) == "norm 5"


@pytest.mark.parametrize(
    ("template", "letters", "said"),
    [
        ("dy bᵀ", {"b": "W2", "dy": "∂⟨z⟩"}, "∂⟨z⟩ W2ᵀ"),
        ("dy bᵀ", {"b": "Wᵀ", "dy": "∂⟨z⟩"}, "∂⟨z⟩ W"),
        ("dy bᵀ", {"b": "YYᵀ", "dy": "∂⟨z⟩"}, "∂⟨z⟩ (YYᵀ)ᵀ"),
        ("−yᵀ dy yᵀ", {"y": "K⁻¹", "dy": "∂⟨K⁻¹⟩"}, "−K⁻ᵀ ∂⟨K⁻¹⟩ K⁻ᵀ"),
        ("dyᵀ", {"dy": "∂⟨h⟩"}, "(∂⟨h⟩)ᵀ"),
        ("a ⊙ b", {"a": "1 − y", "b": "log p"}, "(1 − y) ⊙ (log p)"),
        ("a + c", {"a": "x", "c": "−2"}, "x − 2"),
        ("log(a)", {"a": "exp"}, "log(exp)"),
        ("1 − a²", {"a": "y"}, "1 − y²"),
    ],
)
def test_formulas_are_filled_with_names(template: str, letters: dict[str, str], said: str) -> None:
    assert filled(template, letters) == said


def test_names_of_what_has_none() -> None:
    K, v1 = g.Variable("K", np.eye(2)), g.Variable("v1", np.eye(2))
    loss = g.total(g.inverse(K) @ K.T @ K.T @ v1)
    assert list(g.names_of(loss).values()) == ["K", "K⁻¹", "Kᵀ", "v2", "v3", "v4", "v1", "v5", "L"]


@pytest.mark.parametrize(
    "text", ["0.12", "−1.5", "W1ᵀ", "(2, 3)", "norm 3.5", "∂h xᵀ", "mmWW", "‖·‖²", "softmax"]
)
def test_no_label_is_wider_than_its_estimate(text: str) -> None:
    """In DejaVu Serif, the widest letters that a picture may fall back on."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    from clearprop.lens.graph.labels import runs_of

    font = FontProperties(family="DejaVu Serif")
    wide = 0.0
    for run in runs_of(text):
        size = 7.2 if run.style in ("sub", "sup") else 10.0
        ends = TextPath((0, 0), f"|{run.text}|", size=size, prop=font).get_extents().width
        bars = TextPath((0, 0), "||", size=size, prop=font).get_extents().width
        wide += ends - bars
    assert wide <= 1.06 * 10 * width_of(text)


def test_a_long_graph_is_listed_name_by_name_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of a graph take a walk through all of it: none for each of its nodes."""
    x = g.Variable("x", [1.0, 2.0])
    node: g.Node = x
    for _ in range(50):
        node = g.tanh(node)
    walks = []
    real = backward.names_of
    monkeypatch.setattr(backward, "names_of", lambda root: (walks.append(root), real(root))[1])
    assert len(g.text(g.total(node)).splitlines()) > 150
    assert g.latex(g.total(node))
    assert not walks
