"""How a network shows itself in a notebook."""

import re
import xml.etree.ElementTree as ET
from base64 import b64decode

import numpy as np
import pytest

import clearprop as cp
from clearprop import lens

NETWORKS = {
    "dense": ([cp.Dense(25, activation="relu"), cp.Dense(3)], (4,)),
    "images": (
        [cp.Conv2D(4, 3, activation="relu"), cp.Residual([cp.Conv2D(4, 3, padding="same"), cp.BatchNorm()]),
         cp.Flatten(), cp.Dense(10)], (8, 8, 1),
    ),
    "sequences": ([cp.Bidirectional(cp.LSTM(3)), cp.Dense(2)], (5, 2)),
}  # fmt: skip


def parsed(model):
    """The block as a tree: browsers forgive what is not well-formed, the tests do not."""
    return ET.fromstring(re.sub("(<img [^>]*)>", r"\1/>", model._repr_html_()))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_is_the_summarys(name):
    layers, shape = NETWORKS[name]
    model = cp.Sequential(layers, shape)
    block = parsed(model)
    rows = [[(cell.text or "").strip() for cell in row] for row in block.iter("tr")]
    lines = model.summary().splitlines()
    table = [line.split("  ") for line in (lines[0], *lines[3:-4])]  # without rules, input, total and memory
    said = [[part.strip() for part in line if part.strip()] for line in table]
    assert [[cell for cell in row if cell] for row in rows] == said
    work = lines[-3].split()[-1]
    assert block.find("p").text == (
        f"{model.params.size:,} parameters in float32, {work} multiply-adds for an example"
    )


def test_the_picture_stands_above_it_and_nothing_comes_from_outside():
    model = cp.Sequential(*NETWORKS["images"])
    text = model._repr_html_()
    assert text.index("<img") < text.index("<table")
    (picture,) = re.findall('src="data:image/svg\\+xml;base64,([^"]*)"', text)
    assert b64decode(picture).decode() == lens.draw_model(model)
    for mark in ("<script", "url(", 'href="', "@import", "http"):
        assert mark not in text


def test_a_picture_is_black_on_paper_in_a_dark_notebook_too():
    model = cp.Sequential(*NETWORKS["dense"])
    for shown in (model._repr_html_(), lens.graph.Variable("x", 1.0)._repr_html_()):
        assert 'style="background-color:#fff;' in shown[shown.index("<img") :]


def test_names_are_escaped():
    class Odd(cp.Dense):
        def __repr__(self):
            return "Odd(<b> & co)"

    block = parsed(cp.Sequential([Odd(2)], (3,)))
    assert any(cell.text == "0 Odd(<b> & co)" for cell in block.iter("td"))


def test_a_network_without_parameters():
    model = cp.Sequential([cp.Flatten()], (2, 2))
    assert "0 parameters in float32, 0 multiply-adds" in model._repr_html_()


def test_showing_it_changes_nothing():
    model = cp.Sequential(*NETWORKS["images"])
    before, state = model.params.copy(), model.rng.bit_generator.state
    model._repr_html_()
    assert (model.params == before).all()
    assert model.rng.bit_generator.state == state


def test_reports_read_as_a_table_and_diagnoses_as_a_line():
    model = cp.Sequential([cp.Dense(3, activation="tanh"), cp.Dense(2)], (2,), dtype="float64")
    x, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    report = cp.check_gradients(model, x, y)
    assert repr(report) == str(report)
    assert repr(report).splitlines()[1].split() == [
        "array", "shape", "checked", "analytic", "numeric", "error", "verdict",
    ]  # fmt: skip
    found = cp.diagnose(model, 1000 * x, y)
    assert repr(found) == f"Diagnosis({found.summary.rstrip('.')})"
