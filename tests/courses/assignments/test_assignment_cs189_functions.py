"""CS 189's Fall 2022 assignment: the folder complete and for students, its toy batch, its hand-in."""

import pickle
import re
import zipfile

import numpy as np
import pytest
from students import changed, in_folder

from clearprop.courses.assignments.catalog import course
from clearprop.courses.assignments.start import bring_data
from clearprop.courses.assignments.submit import submit
from clearprop.data.pickles import read_arrays
from oracles import numeric_gradient

KEY = "cs189-fa22"
TRAIN = (
    "-c",
    "import hw2; (x, y), (xt, yt) = hw2.get_mnist_threes_nines(); print(x.shape, xt.shape, x.max(), y.sum())",
)


def test_the_complete_folder_passes_its_own_tests(complete):
    code, text = in_folder(complete, "-m", "unittest", "-v")
    assert code == 0, text
    assert "Ran 13 tests" in text
    code, text = in_folder(complete, "-m", "unittest", "test_hw2.TestLoss", "-v")
    assert code == 0, text
    assert "Ran 2 tests" in text


def test_a_student_begins_with_tests_that_say_what_is_to_be_written(empty):
    code, text = in_folder(empty, "-m", "unittest", "-v")
    assert code == 1
    assert (
        len(re.findall(r"^NotImplementedError: hw2\.py: \w+ is still to be written\.$", text, re.MULTILINE))
        == 12
    )
    assert "FAILED (errors=12)" in text
    assert (
        "test_the_two_files_hold_the_same (test_hw2.TestToyBatch.test_the_two_files_hold_the_same) ... ok"
        in text
    )


def test_the_students_file_imports_and_marks_eleven_parts(empty):
    assert in_folder(empty, "-c", "import hw2")[0] == 0
    text = (empty / "hw2.py").read_text()
    assert text.count("# YOUR CODE HERE: ") == text.count("raise NotImplementedError(") == 11
    assert "SOLUTION" not in text


def test_the_folder_needs_no_clearprop(complete):
    for path in complete.glob("*.py"):
        assert not re.search(r"^\s*(from|import) clearprop", path.read_text(), re.MULTILINE), path.name


def printed(text, part, following):
    """The numbers of a deliverable."""
    section = text[text.index(f"({part}) ") : text.index(following)].split("\n", 1)[1]
    return np.array([float(v) for v in re.findall(r"-?\d+\.\d*(?:e[+-]\d+)?", section)])


def test_the_deliverables(complete):
    code, text = in_folder(complete, "hw2.py")
    assert code == 0, text
    X, y, Ws, bs = read_arrays(complete / "test_batch_weights_biases.pkl")

    def loss():  # the sigmoid of relu(X W1 + b1) W2 + b2, all labels 1
        s = np.maximum(X @ Ws[0] + bs[0], 0) @ Ws[1] + bs[1]
        return np.log1p(np.exp(-s)).mean()

    assert (y == 1).all()
    assert float(re.search(r"toy batch\n(\S+)\n", text)[1]) == pytest.approx(loss(), rel=1e-12)
    gradients = np.concatenate([numeric_gradient(loss, p).ravel() for p in [*Ws, *bs]])
    for part, following in (("a", "(b)"), ("d", "\nlargest")):
        shown = printed(text, part, following)
        np.testing.assert_allclose(shown[:8], gradients[:8], rtol=0.02)  # two decimals of each mantissa
        np.testing.assert_allclose(shown[8:], gradients[8:], atol=0.005)
    assert float(re.search(r"largest difference from \(a\): (\S+)", text)[1]) < 1e-9
    np.testing.assert_allclose(printed(text, "i", "    (ii)")[:3], 1 / (1 + np.exp([-1.0, 0, 1])), atol=1e-8)


def test_the_documents_own_lines_read_the_toy_batch(complete):
    with (complete / "test_batch_weights_biases.pkl").open("rb") as fn:
        X_batch, y_batch, weight_matrices, biases = pickle.load(fn)
    with np.load(complete / "test_batch_weights_biases.npz") as toy:
        for array, name in zip(
            [X_batch, y_batch, *weight_matrices, *biases],
            ["X_batch", "y_batch", "W1", "W2", "b1", "b2"],
            strict=True,
        ):
            np.testing.assert_array_equal(array, toy[name])
            assert array.dtype == np.float64


@pytest.mark.data("cs189-hw2/test_batch_weights_biases.pkl")
def test_the_toy_batch_is_the_courses(complete, data_folder):
    ours = read_arrays(complete / "test_batch_weights_biases.pkl")
    courses = read_arrays(data_folder / "cs189-hw2" / "test_batch_weights_biases.pkl")
    for a, b in zip([*ours[:2], *ours[2], *ours[3]], [*courses[:2], *courses[2], *courses[3]], strict=True):
        np.testing.assert_array_equal(a, b)


def test_missing_pictures_name_the_command_that_brings_them(empty):
    code, text = in_folder(empty, "hw2.py", "train")
    assert code == 1
    assert text.endswith(f"there is no such file. `clearprop course data {empty}` brings MNIST.\n")


@pytest.mark.data("mnist")
def test_threes_and_nines_pictures_and_memory(complete):
    bring_data(course(KEY), complete)
    assert in_folder(complete, *TRAIN) == (0, "(12080, 28, 28) (2019, 28, 28) 1.0 5949\n")
    code, text = in_folder(complete, "hw2.py", "train", "--epochs", "1")
    assert code == 0, text
    accuracy = float(re.search(r"^epoch 1: test loss \S+, test accuracy (\S+)$", text, re.MULTILINE)[1])
    assert accuracy > 0.965  # 98 % after five epochs
    wrong = int(re.search(r"^(\d+) of 2019 test images are guessed wrongly\.$", text, re.MULTILINE)[1])
    assert wrong == round((1 - accuracy) * 2019, 0)
    for name in ("losses.png", "accuracies.png", "misclassified.png"):
        assert (complete / name).read_bytes().startswith(b"\x89PNG")
    code, text = in_folder(complete, "hw2.py", "memorize")
    assert code == 0
    assert int(re.search(r"all 100 labels are learned after (\d+) steps", text)[1]) <= 5


def test_the_hand_in_holds_all_code(complete, tmp_path):
    packed, appendix = submit(course(KEY), complete, tmp_path / "out")
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["README.md", "hw2.py", "test_hw2.py"]
    text = appendix.read_text()
    for name in ("hw2.py", "test_hw2.py"):
        assert f"## `{name}`\n\n```python\n{(complete / name).read_text().rstrip()}\n```\n" in text


def test_the_latex_appendix_is_whole(complete, tmp_path):
    more = changed(
        complete, tmp_path / "more", "hw2.py", ("# --- Data ---", "# σ′(s) = σ(s)·(1 − σ(s)) ≥ 0, é ☃ ---")
    )
    _, appendix = submit(course(KEY), more, tmp_path / "out", "latex")
    text = appendix.read_text(encoding="utf-8")
    assert text.startswith("\\documentclass")
    assert text.endswith("\\end{document}\n")
    assert text.count("\\begin{document}") == text.count("\\end{document}") == 1
    assert text.count("\\begin{verbatim}") == text.count("\\end{verbatim}") == 2
    head, body = text.split("\\begin{document}")
    assert head.count("\\ifPDFTeX") == head.count("\\fi\n") == 1
    declared = {
        chr(int(code, 16)) for code in re.findall(r"\\DeclareUnicodeCharacter\{([0-9A-F]{4,})\}", head)
    }
    assert {sign for sign in body if not sign.isascii()} - declared == {
        "é"
    }  # T1 knows Latin letters by itself
    unfolded = body.replace("\n↪ ", "")  # a long line goes on after an arrow
    for name in ("hw2.py", "test_hw2.py"):
        for line in (more / name).read_text().splitlines():
            assert line in unfolded
