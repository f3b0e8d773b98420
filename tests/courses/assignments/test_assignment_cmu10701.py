"""CMU 10-701's assignment: the folder complete and for students, its tests' numbers, wrong solutions that are named."""

import math
import re
import zipfile

import numpy as np
import pytest
from students import changed, in_folder

from clearprop.courses.assignments.catalog import course
from clearprop.courses.assignments.start import bring_data
from clearprop.courses.assignments.submit import submit
from oracles import numeric_gradient, softmax_loss

KEY = "cmu10701-s21"
PARTS = {
    "Linear": 5, "GradientDescentOptimizer": 5, "Sigmoid": 5, "ReLU": 5, "CrossEntropyLoss": 10, "train_network": 20,
}  # fmt: skip


# The folder's own commands


def test_the_complete_folder_passes_its_own_tests(complete):
    code, text = in_folder(complete, "run_tests.py")
    assert code == 0, text
    for part, points in PARTS.items():
        assert re.search(rf"^ok +{part} +{points} of +{points} points$", text, re.MULTILINE)
    assert text.endswith("50 of 50 points\n")


def test_a_part_of_the_tests_can_be_chosen(complete):
    assert in_folder(complete, "run_tests.py", "relu")[1].endswith("5 of 5 points\n")
    code, text = in_folder(complete, "run_tests.py", "relo")
    assert code == 1
    assert "no part has 'relo' in its name; there are Linear," in text


def test_a_student_begins_with_six_parts_that_say_what_is_to_be_written(empty):
    code, text = in_folder(empty, "run_tests.py")
    assert code == 1
    assert len(re.findall(r"^FAIL ", text, re.MULTILINE)) == 6
    assert len(re.findall(r"^ +hw3_\w+\.py: [\w.]+ is still to be written\.$", text, re.MULTILINE)) == 6
    assert text.endswith("0 of 50 points\n")


def test_the_parts_to_write_carry_the_courses_words(empty, complete):
    marks = {
        name: (empty / name).read_text().count("### TYPE HERE AND REMOVE `raise` below ###\n")
        for name in ("hw3_lib.py", "hw3_sol.py", "module_tutorial.py")
    }
    assert marks == {"hw3_lib.py": 10, "hw3_sol.py": 2, "module_tutorial.py": 0}
    assert "TYPE HERE" not in (complete / "hw3_lib.py").read_text()


def test_the_folder_needs_no_clearprop(complete):
    for path in complete.glob("*.py"):
        assert not re.search(r"^\s*(from|import) clearprop", path.read_text(), re.MULTILINE), path.name


def test_the_tutorial_runs_and_agrees_with_its_differences(empty):
    code, text = in_folder(empty, "module_tutorial.py")
    assert code == 0
    assert re.findall(r"\[\[(.*)\]\]", text)[-1] == re.findall(r"\[\[(.*)\]\]", text)[-2]


def test_a_failure_shows_case_shapes_expected_and_got(complete, tmp_path):
    wrong = changed(complete, tmp_path / "wrong", "hw3_lib.py", ("self.in_x.T @ g / n", "self.in_x.T @ g"))
    code, text = in_folder(wrong, "run_tests.py", "linear")
    assert code == 1
    assert "d_weights is not the expected." in text
    assert "case      0: x (5, 4), weights (4, 3), biases (1, 3)" in text
    assert "shapes    expected (4, 3), got (4, 3)" in text
    assert "  expected  [[" in text
    assert "  got       [[" in text
    assert "0 of 5 points" in text


def test_an_error_in_a_part_costs_that_part_alone(complete, tmp_path):
    wrong = changed(complete, tmp_path / "wrong", "hw3_lib.py", ("np.maximum(x, 0)", "np.maximum(x, zero)"))
    code, text = in_folder(wrong, "run_tests.py")
    assert code == 1
    assert re.search(r"hw3_lib\.py, line \d+: NameError: name 'zero' is not defined", text)
    assert text.endswith("25 of 50 points\n")  # ReLU's 5 and the 20 of a network with ReLU


def test_missing_digits_name_the_command_that_brings_them(empty):
    code, text = in_folder(empty, "hw3_sol.py")
    assert code == 1
    assert text.endswith(f"there is no such file. `clearprop course data {empty}` brings it.\n")


@pytest.mark.data("cmu-mnist")
def test_question_56_d_gives_the_printed_accuracies(complete):
    bring_data(course(KEY), complete)
    code, text = in_folder(complete, "hw3_sol.py", "d")
    assert (code, text) == (0, "(d) training accuracy 0.9083, test accuracy 0.8760\n")


def test_an_unknown_part_of_question_56_is_refused(complete):
    code, text = in_folder(complete, "hw3_sol.py", "f")
    assert code == 1
    assert text == "hw3_sol.py: there is no part f in question 5.6, only a, b, c, d, e.\n"


# The numbers that the tests compare with, against plain loops and differences


@pytest.fixture(scope="module")
def cases(complete):
    with np.load(complete / "tests" / "cases.npz") as arrays:
        return dict(arrays)


def part_of(cases, part):
    numbers = sorted(
        {name.split(".")[1] for name in cases if name.startswith(part + ".")} - {"learning_rate"}
    )
    for number in numbers:
        start = f"{part}.{number}."
        yield {name.removeprefix(start): array for name, array in cases.items() if name.startswith(start)}


def test_the_linear_numbers(cases):
    for c in part_of(cases, "linear"):
        x, w, b, g = c["x"], c["weights"], c["biases"], c["g"]
        out = [
            [sum(x[n, i] * w[i, j] for i in range(w.shape[0])) + b[0, j] for j in range(w.shape[1])]
            for n in range(len(x))
        ]
        np.testing.assert_allclose(c["out"], out, rtol=1e-12, atol=1e-15)

        def mean_product(x=x, w=w, b=b, g=g):  # its gradient in w and b is the mean of the examples' own
            return ((x @ w + b) * g).sum() / len(x)

        np.testing.assert_allclose(c["d_weights"], numeric_gradient(mean_product, w), atol=1e-8)
        np.testing.assert_allclose(c["d_biases"], numeric_gradient(mean_product, b), atol=1e-8)
        np.testing.assert_allclose(c["dx"], len(x) * numeric_gradient(mean_product, x), atol=1e-8)


def test_the_activations_numbers(cases):
    for c in part_of(cases, "sigmoid"):
        out = [1 / (1 + math.exp(-v)) if v > -700 else 0.0 for v in c["x"].flat]
        np.testing.assert_allclose(c["out"].ravel(), out, rtol=1e-12, atol=1e-30)
        np.testing.assert_allclose(
            c["dx"].ravel(), [g * y * (1 - y) for g, y in zip(c["g"].flat, out, strict=True)], atol=1e-30
        )
    for c in part_of(cases, "relu"):
        np.testing.assert_array_equal(c["out"].ravel(), [max(v, 0.0) for v in c["x"].flat])
        np.testing.assert_array_equal(
            c["dx"].ravel(), [g if v > 0 else 0.0 for g, v in zip(c["g"].flat, c["x"].flat, strict=True)]
        )


def test_the_losses_numbers(cases):
    for c in part_of(cases, "cross_entropy"):
        losses, dscore = softmax_loss(c["score"], c["label"])
        np.testing.assert_allclose(c["loss"], losses.mean(), rtol=1e-12)
        np.testing.assert_allclose(c["dscore"], dscore, rtol=1e-12, atol=1e-15)


def test_the_optimizers_numbers(cases):
    for c in part_of(cases, "optimizer"):
        for name in ("weights", "biases"):
            once = c[name] - 0.05 * c[f"d_{name}"]
            np.testing.assert_array_equal(c[f"{name}_after_1"], once)
            np.testing.assert_allclose(c[f"{name}_after_2"], once - 0.05 * c[f"d_{name}"], rtol=1e-14)


def test_the_trainings_numbers(cases):
    found = 0
    for c in part_of(cases, "train_network"):
        params = [c[name] for i in range(3) for name in (f"weights_{i}", f"biases_{i}") if name in c]
        squash = {"relu": lambda s: np.maximum(s, 0), "sigmoid": lambda s: 1 / (1 + np.exp(-s))}[
            str(c["activation"])
        ]

        def scores(x, params=params, squash=squash):
            for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
                x = squash(x @ w + b)
            return x @ params[-2] + params[-1]

        history = []
        for _ in range(c["num_epoch"]):
            for first in range(0, len(c["train_x"]), c["batch_size"]):
                x, y = (c[name][first : first + c["batch_size"]] for name in ("train_x", "train_y"))
                steps = [
                    numeric_gradient(lambda x=x, y=y: softmax_loss(scores(x), y)[0].mean(), p) for p in params
                ]
                for p, step in zip(params, steps, strict=True):
                    p -= c["learning_rate"] * step
            history.append(
                [softmax_loss(scores(c[f"{s}_x"]), c[f"{s}_y"])[0].mean() for s in ("train", "test")]
            )
        np.testing.assert_allclose(np.transpose(history), [c["train_loss"], c["test_loss"]], rtol=1e-7)
        for name in ("train", "test"):
            s = np.sort(scores(c[f"{name}_x"]), axis=1)
            assert (s[:, -1] - s[:, -2]).min() > 1e-4  # no label hangs on a rounding
            yhat = scores(c[f"{name}_x"]).argmax(axis=1)
            np.testing.assert_array_equal(c[f"yhat_{name}"], yhat)
            assert c[f"{name}_accuracy"][-1] == (yhat == c[f"{name}_y"]).mean()
        found += 1
    assert found == 2


# The hand-in


def test_the_zip_holds_the_two_files_at_its_top(complete, tmp_path):
    packed, appendix = submit(course(KEY), complete, tmp_path / "out")
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["hw3_lib.py", "hw3_sol.py"]
        assert archive.read("hw3_lib.py") == (complete / "hw3_lib.py").read_bytes()
    text = appendix.read_text()
    assert "class CrossEntropyLoss(Module):" in text
    assert "run_tests.py" not in text
