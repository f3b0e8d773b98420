"""`clearprop explain` of a network that a file holds whole: CMU's, to four decimals; else a sentence."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clearprop.cli.worked import FOLDER, worked_names, worked_step
from clearprop.lens.document.as_text import columns
from clearprop.runs.config import read_toml
from cmu_network import ALPHA, BETA, by_hand, four, row

WORKED = (FOLDER / "cmu-worked.toml").read_text(encoding="utf-8")


def test_cmus_numbers_stand_there_to_four_decimals(clearprop: Callable) -> None:
    """Sections 1.3 and 1.4: the pass forward, the gradients, the weights after the step."""
    wanted, text = by_hand(), clearprop("explain", "cmu-worked").out
    assert text.startswith("CMU 10-701's network: one training step\n====")
    assert max(columns(line) for line in text.splitlines()) <= 80
    for name in ("a", "z", "b", "db", "dz", "da"):
        assert row(text, name) == four(wanted[name]), name
    assert row(text, "ŷ") == four(wanted["y_hat"])
    assert row(text, "ℓ") == four([wanted["loss"]]) == [["2.6912"]]
    update = text[text.index("The update") :]
    for name, weights, key in (("β", BETA, "dbeta"), ("α", ALPHA, "dalpha")):
        gradient = np.array(wanted[key])
        assert row(text, f"d{name}") == four(gradient[:, 1:].T)
        assert row(text, f"d{name}₀") == four(gradient[:, 0])
        after = np.array(weights) - gradient
        assert row(update, name) == four(after[:, 1:].T)
        assert row(update, f"{name}₀") == four(after[:, 0])
    assert row(update, "β")[0][1] == "1.9772"  # 1.4 (a)
    assert row(update, "β₀")[0][0] == "0.5477"  # 1.4 (b)
    assert row(update, "α")[3][2] == "2.0000"  # 1.4 (c)


def test_cmus_penalty(clearprop: Callable) -> None:
    """Section 1.5: λ Σ w² with λ = 0.01 is l2 = 0.02."""
    text = clearprop("explain", "cmu-worked", "--l2", "0.02").out
    assert f"\n    L + R = {by_hand()['regularized']:.4f}\n" in text
    assert "\n    L + R = 3.9712\n" in text
    assert "R = 1.2800" in text


@pytest.mark.parametrize("name", worked_names())
def test_each_that_comes_with_clearprop_says_where_it_comes_from(clearprop: Callable, name: str) -> None:
    assert (FOLDER / f"{name}.toml").read_text(encoding="utf-8").startswith("# ")
    page = clearprop("explain", name, "--format", "html").out
    assert page.startswith("<!DOCTYPE html>")


def test_a_file_of_ones_own(clearprop: Callable) -> None:
    Path("own.toml").write_text(
        'seed = 3\noptimizer = { name = "adam", lr = 0.1 }\nloss = "squared_error"\n'
        '[model]\nlayers = [{ type = "Dense", units = 1 }]\n'
        "[step]\nx = [[1.5, 2.0], [0.0, 1.0]]\ny = [[2.0], [1.0]]\nl1 = 0.1\nclip_norm = 1.0\n"
        '[step.params]\n"0.b" = [0.25]\n',
        encoding="utf-8",
    )
    text = clearprop("explain", "own.toml").out
    assert text.startswith("own.toml: one training step\n")
    for words in (
        "On 2 examples, in float32",
        "The L1 penalty",
        "Clipping by norm",
        "Adam\n",
        "b = [ 0.2500 ]",
    ):
        assert words in text
    shown = worked_step(read_toml(Path("own.toml")), "own.toml", 0, None)
    assert np.array_equal(shown.step("forward", 0)["x"], [[1.5, 2.0], [0.0, 1.0]])
    assert shown.step("forward", 0)["w"].any()  # what the file leaves out is drawn


def test_the_documentations_file_is_one(clearprop: Callable) -> None:
    page = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
    Path("own.toml").write_text(re.search(r"```toml\n(.*?)```", page, flags=re.DOTALL)[1], encoding="utf-8")
    text = clearprop("explain", "own.toml").out
    assert text.startswith("Problem 2: one training step\n")
    h = np.tanh([0.5 * 0.1 + 0.2, 0.5 * 0.3 - 0.4 + 0.1])
    ds = 2 * (h @ [0.7, -0.5] + 0.2 - 1.0)
    assert row(text, "h") == four(h)
    assert row(text, "dW₂") == four(np.reshape(ds * h, (2, 1)))
    assert row(text, "dW₁") == four(np.outer([0.5, -1.0], ds * np.array([0.7, -0.5]) * (1 - h**2)))


def test_a_run_of_the_name_comes_first(clearprop: Callable, small: Path) -> None:
    clearprop("train", small, "--name", "cmu-worked")
    assert clearprop("explain", "cmu-worked").out.startswith("The run experiments/cmu-worked")


def test_the_penalty_of_a_training_can_be_another(clearprop: Callable, small: Path) -> None:
    assert "penalty" not in clearprop("explain", small).out.split("The update")[1].split("----")[0]
    said = clearprop("explain", small, "--l2", "0.25").out
    assert "λ is 0.25;" in said
    small.write_text(small.read_text().replace("batch_size = 15", "batch_size = 15\nl2 = 0.5"))
    assert "λ is 0.5;" in clearprop("explain", small).out
    assert "The L2 penalty" not in clearprop("explain", small, "--l2", "0").out


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ('"0.b" = [1, 1, 1, 1]', '"0.b" = [1, 1, 1]', "step.params: expected '0.b' of shape (4,), got (3,)."),
        ('"0.b" = [1, 1, 1, 1]', '"0.c" = [1, 1, 1, 1]', "unknown parameter '0.c'. Did you mean '0.w'?"),
        ('"2.b" = [1, 1, 1]', '"2.b" = ["1", "1", "1"]', "step.params.2.b: expected numbers, got ['1', '1', '1']."),
        ("x = [[1, 0, 1, 0, 1, 1]]", "x = [[1, 0], [1]]", "step.x: expected rows of the same length."),
        ("x = [[1, 0, 1, 0, 1, 1]]", "", "expected the key 'step.x', which is missing."),
        ("x = [[1, 0, 1, 0, 1, 1]]", "x = []", "step.x: list should have at least 1 item"),
        ("y = [2]", "y = [3]", "expected labels from 0 to 2, got 3"),
        ("y = [2]", "y = [2, 1]", "expected one row of y for each of the 1 rows"),
        ("y = [2]", "y = [2]\nl3 = 1.0", "unknown key 'step.l3'. Did you mean 'l2'?"),
        ("[loss]", "[lost]", "unknown key 'lost'. Did you mean 'loss'?"),
        ('type = "Dense", units = 3', 'type = "Dens", units = 3', "Did you mean 'Dense'?"),
        ("p = '\\hat{y}'", "q = '\\hat{y}'", "trace: unknown letter 'q'"),
        ("p = '\\hat{y}'", "p = '\\hut{y}'", "expected letters['p'] to be a letter in LaTeX"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_a_sentence(clearprop: Callable, right: str, wrong: str, sentence: str) -> None:
    assert right in WORKED
    Path("own.toml").write_text(WORKED.replace(right, wrong), encoding="utf-8")
    found = clearprop("explain", "own.toml", code=2)
    assert sentence in found.err
    assert found.out == ""


def test_its_examples_are_its_own(clearprop: Callable) -> None:
    said = clearprop("explain", "cmu-worked", "--example", "1", code=2).err
    assert "cmu-worked has its own examples, all in one step. Leave --example out." in said
    assert "--l2" in clearprop("explain", "--help").out
    assert "expected l2 >= 0" in clearprop("explain", "cmu-worked", "--l2", "-1", code=2).err
