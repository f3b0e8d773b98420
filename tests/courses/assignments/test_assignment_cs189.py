"""CS 189's folders of 2023 and 2020, complete and for students: their own tests, notebooks, scripts and hand-in."""

import csv
import json
import re
import shutil
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from students import in_folder, laid_out

from clearprop.courses.assignments.catalog import course
from clearprop.courses.assignments.start import bring_data, start
from clearprop.courses.assignments.submit import submit

SP23, SP20 = "cs189-sp23", "cs189-sp20"
GIVEN = ("Linear", "TanH", "ArcTan", "Flatten")
RUN = """
import sys, nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(book, timeout=120).execute()
for cell in book.cells:
    for output in cell.get("outputs", []):
        print(output.get("text", ""), end="")
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Both editions' folders, for students and complete; tests that write into one take a copy."""
    base = tmp_path_factory.mktemp("cs189")
    laid_out(SP23, base / SP23 / "complete", True)
    for key, solution in ((SP23, False), (SP20, True), (SP20, False)):
        folder = base / key / ("complete" if solution else "empty")
        start(replace(course(key), expected=()), folder, solution=solution, data=False)
        # The same numbers for all, written once: it takes seconds.
        shutil.copytree(base / SP23 / "complete" / "tests" / "data", folder / "tests" / "data")
    return {
        (key, solution): base / key / ("complete" if solution else "empty")
        for key in (SP23, SP20)
        for solution in (False, True)
    }


@pytest.fixture
def copied(folders, tmp_path):
    def copy(key, solution):
        return shutil.copytree(folders[key, solution], tmp_path / "copy")

    return copy


def results(folder):
    """Each unit test's name, without its module, and how it went."""
    _, text = in_folder(folder, "-m", "unittest", "-v")
    found = re.findall(r"^(\w+) \(tests\.\w+\.(\w+)\.\w+\) \.\.\. (\w+)$", text, re.MULTILINE)
    return {f"{of}.{name}": how for name, of, how in found}, text


@pytest.mark.parametrize("key", [SP23, SP20])
def test_the_complete_folder_passes_its_25_tests(folders, key):
    found, text = results(folders[key, True])
    assert len(found) == 25
    assert set(found.values()) == {"ok"}
    assert "Ran 25 tests" in text
    assert text.rstrip().endswith("OK")


def test_a_student_of_2023_begins_with_8_tests_passing_and_17_failing(folders):
    found, text = results(folders[SP23, False])
    passing = {name for name, how in found.items() if how == "ok"}
    assert passing == {f"Test{name}.test_{way}" for name in GIVEN for way in ("forward", "backward")}
    assert "FAILED (errors=17)" in text
    assert len(found) == 25
    sentences = re.findall(
        r"^NotImplementedError: neural_networks/\w+\.py: [\w.]+ is still to be written\.$", text, re.MULTILINE
    )
    assert len(sentences) == 17


def test_a_student_of_2020_has_pooling_and_the_fast_convolution(folders):
    found, text = results(folders[SP20, False])
    assert {name for name, how in found.items() if how == "ok"} == {
        f"Test{name}.test_{way}" for name in (*GIVEN, "Pool2D") for way in ("forward", "backward")
    }
    assert "FAILED (errors=15)" in text
    layers = (folders[SP20, False] / "neural_networks" / "layers.py").read_text()
    assert "def forward_faster" in layers
    assert "def forward_faster" not in (folders[SP23, False] / "neural_networks" / "layers.py").read_text()
    assert "def forward_faster" in (folders[SP23, True] / "neural_networks" / "layers.py").read_text()


@pytest.mark.parametrize(
    ("form", "count"),
    [
        ("tests.test_layers.TestConv2D.test_forward", 1),
        ("tests.test_layers.TestConv2D", 2),
        ("tests.test_activations.TestReLU", 2),
        ("tests.test_losses.TestCrossEntropy", 2),
        ("tests.test_layers", 9),
    ],
)
def test_the_documents_forms_of_single_tests(folders, form, count):
    code, text = in_folder(folders[SP23, True], "-m", "unittest", "-v", form)
    assert code == 0, text
    assert f"Ran {count} test" in text
    code, text = in_folder(folders[SP23, False], "-m", "unittest", "-v", form)
    assert code == 1
    assert "is still to be written." in text


def test_the_students_files_import(folders):
    for key in (SP23, SP20):
        names = sorted(path.stem for path in (folders[key, False] / "neural_networks").glob("*.py"))
        assert len(names) == 11
        script = "; ".join(f"import neural_networks.{name}" for name in names)
        assert in_folder(folders[key, False], "-c", script) == (0, "")


@pytest.mark.parametrize(("key", "parts"), [(SP23, 25), (SP20, 22)])
def test_no_mark_is_left_and_each_part_to_write_has_a_hint(folders, key, parts):
    for solution in (False, True):
        texts = [
            p.read_text(encoding="utf-8")
            for p in folders[key, solution].rglob("*")
            if p.suffix in (".py", ".ipynb", ".md")
        ]
        for mark in ("BEGIN SOLUTION", "END SOLUTION", "# ONLY", "END ONLY"):
            assert not any(mark in text for text in texts)
        code = "".join(texts)
        assert code.count("# YOUR CODE HERE: ") == (0 if solution else parts)
        assert code.count(" is still to be written.") == (0 if solution else parts)


def test_the_unit_tests_data_are_plain_arrays_from_another_source(folders):
    torch = pytest.importorskip("torch")
    data = folders[SP23, True] / "tests" / "data"
    assert sum(path.stat().st_size for path in data.iterdir()) < 15e6

    def tensors(name, *keys):
        with np.load(data / f"{name}.npz", allow_pickle=False) as file:
            return [torch.tensor(file[key].astype(float), requires_grad=True) for key in keys]

    x, w, b, dy, y, dx, dw, db = tensors(
        "conv2d", "large_X", *(f"large_3_{key}" for key in ("W", "b", "dY", "Y", "dX", "dW", "db"))
    )
    out = torch.relu(
        torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), b[0], stride=2, padding=2)
    ).permute(0, 2, 3, 1)
    out.backward(dy.detach())
    for got, expected in ((y, out), (dx, x.grad), (dw, w.grad), (db, b.grad)):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    x, dy, y, dx = tensors("pool2d", "small_X", "small_4_dY", "small_4_Y", "small_4_dX")
    out = torch.nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), 5, 1, 2).permute(0, 2, 3, 1)
    out.backward(dy.detach())
    torch.testing.assert_close(y, out, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(dx, x.grad, rtol=1e-5, atol=1e-5)


def test_the_unit_tests_see_a_wrong_parameters_gradient(copied):
    folder = copied(SP23, True)
    layers = folder / "neural_networks" / "layers.py"
    text = layers.read_text()
    assert text.count("dZ.sum(axis=(0, 1, 2))[None]") == 1
    layers.write_text(text.replace("dZ.sum(axis=(0, 1, 2))[None]", "dZ.mean(axis=(0, 1, 2))[None]"))
    code, text = in_folder(folder, "-m", "unittest", "tests.test_layers.TestConv2D")
    assert code == 1
    assert 'gradients["b"], case small_0' in text
    assert "FAILED (failures=1)" in text


@pytest.mark.parametrize(
    ("key", "name", "lines"),
    [
        (SP23, "check_gradients", 23),
        (SP20, "check_gradients", 23),
        (SP20, "check_conv", 12),
    ],
)
def test_the_notebooks_run_from_top_to_bottom(folders, key, name, lines):
    code, text = in_folder(folders[key, True], "-W", "ignore", "-c", RUN, f"{name}.ipynb")
    assert code == 0, text
    errors = [float(number) for number in re.findall(r"(?:error|difference) (\S+)$", text, re.MULTILINE)]
    assert len(errors) == lines
    assert max(errors) <= 1e-8


def test_a_students_notebook_holds_what_belongs_to_the_edition(folders):
    cells = json.loads((folders[SP23, False] / "check_gradients.ipynb").read_text())["cells"]
    assert not any("elman" in "".join(cell["source"]) for cell in cells)
    code, text = in_folder(folders[SP23, False], "-W", "ignore", "-c", RUN, "check_conv.ipynb")
    assert code == 0, text
    assert text.count("Conv2D has no forward_faster to compare with") == 3
    for key, solution in ((SP20, False), (SP23, True)):
        assert "does not ask for" not in (folders[key, solution] / "check_conv.ipynb").read_text()
    for cell in cells:
        assert not cell.get("outputs")


def test_train_ffnn_learns_iris_and_keeps_an_earlier_run(copied):
    folder = copied(SP23, True)
    bring_data(course(SP23), folder)
    for _ in range(2):
        code, text = in_folder(folder, "train_ffnn.py")
        assert code == 0, text
    assert float(re.findall(r"^test: loss \S+, error (\S+)$", text, re.MULTILINE)[0]) <= 0.1
    first, second = sorted(path.name for path in (folder / "experiments").iterdir())
    assert second == f"{first}-2"
    assert f"There is a run {first!r} already" in text
    run = folder / "experiments" / first
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == list(range(1, 101))
    assert log[-1]["loss"]["train"] < 0.2 < log[0]["loss"]["train"]
    assert json.loads((run / "hyperparameters.json").read_text())["model"]["seed"] == 0
    pictures = {path.name for path in run.glob("*.png")}
    assert pictures == {"loss.png", "error.png", *(f"parameter_{i}.{p}.png" for i in "01" for p in "Wb")}
    for name in pictures:
        assert struct.unpack(">II", (run / name).read_bytes()[16:24]) == (768, 480)
    with np.load(run / "parameters_epoch100.npz") as kept:
        assert {name: kept[name].shape for name in kept.files} == {
            "0.W": (4, 25), "0.b": (1, 25), "1.W": (25, 3), "1.b": (1, 3),
        }  # fmt: skip


def test_train_rnn_in_2020_learns_to_go_on_with_a_sine_wave(copied):
    folder = copied(SP20, True)
    bring_data(course(SP23), folder)  # without HIGGS
    script = folder / "train_rnn.py"
    text = script.read_text()
    assert text.count("EPOCHS = 20") == 1
    script.write_text(text.replace("EPOCHS = 20", "EPOCHS = 3"))
    code, text = in_folder(folder, "train_rnn.py")
    assert code == 0, text
    loss, error = map(float, re.findall(r"^test: loss (\S+), error (\S+)$", text, re.MULTILINE)[0])
    assert error < 1e-3
    assert loss == pytest.approx(error, rel=1e-3)  # the mean squared error: this edition's L2 has no half
    assert np.load(folder / "experiments" / "rnn_sinewave" / "predictions.npy").shape == (1500, 1)


def test_train_conv_learns_from_pictures_that_need_no_file(copied):
    code, text = in_folder(copied(SP23, True), "train_conv.py")
    assert code == 0, text
    assert float(re.findall(r"^test: loss \S+, error (\S+)$", text, re.MULTILINE)[0]) < 0.05


@pytest.mark.data("higgs")
def test_train_higgs_writes_the_competitions_integers(copied):
    folder = copied(SP20, True)
    bring_data(course(SP20), folder)
    script = folder / "train_higgs.py"
    script.write_text(script.read_text().replace("EPOCHS = 20", "EPOCHS = 2"))
    code, text = in_folder(folder, "train_higgs.py")
    assert code == 0, text
    head, *rows = csv.reader((folder / "kaggle_predictions.csv").read_text().splitlines())
    assert head == ["Id", "Category"]
    assert [row[0] for row in rows] == [str(i) for i in range(5000)]
    assert {row[1] for row in rows} == {"0", "1"}
    assert float(re.findall(r"validate loss \S+, error (\S+)$", text, re.MULTILINE)[-1]) < 0.36


def test_a_missing_data_set_says_what_brings_it(folders):
    code, text = in_folder(folders[SP23, True], "train_ffnn.py")
    assert code == 1
    assert "FileNotFoundError" in text
    assert (
        "iris_train_data.npy is missing. In this folder, `clearprop course data .` brings the data sets."
        in text
    )


def test_unknown_names_are_refused_with_the_known_ones(folders):
    script = """
from neural_networks import activations, datasets, layers, losses, optimizers, schedulers, weights
for call in (
    lambda: activations.initialize_activation("relo"), lambda: datasets.initialize_dataset("mnist"),
    lambda: layers.initialize_layer("dense"), lambda: losses.initialize_loss("l1"),
    lambda: optimizers.initialize_optimizer("Adam", 0.1), lambda: schedulers.initialize_scheduler("linear", 0.1),
    lambda: weights.initialize_weights("glorot"),
):
    try:
        call()
    except NotImplementedError as err:
        print(err)
for call in (
    lambda: layers.initialize_layer("conv2d", activation="relu", n_out=1, kernel_shape=(3, 3), pad="full"),
    lambda: layers.initialize_layer("pool2d", kernel_shape=2, mode="sum"), lambda: layers.Flatten(keep_dim="middle"),
):
    try:
        call()
    except ValueError as err:
        print(err)
"""
    code, text = in_folder(folders[SP20, True], "-c", script)
    assert code == 0, text
    assert len(text.splitlines()) == 10
    assert text.startswith(
        "there is no activation 'relo'; there are linear, sigmoid, tanh, relu, softmax, arctan."
    )
    assert "pad is 'same', 'valid' or a whole number from 0 on, not 'full'." in text


CONVENTIONS = """
import numpy as np
from neural_networks import datasets, layers, losses, optimizers, schedulers, utils, weights
a = schedulers.initialize_scheduler("exponential", 1.0, decay=0.25, stage_length=2, staircase=True)
b = schedulers.initialize_scheduler("exponential", 1.0, decay=0.25, stage_length=2)
print(a(1), a(3), b(1))
sgd, g = optimizers.initialize_optimizer("SGD", 0.5, momentum=0.5, clip_norm=1.0), np.array([3.0, 4.0])
print(sgd.update("W", g, g, 0), sgd.update("W", g, g, 0), optimizers.initialize_optimizer("SGD", 1.0).momentum)
np.random.seed(0)
w = weights.initialize_weights("xavier_normal", "relu")((3, 3, 20, 40))
print(round(w.std() / np.sqrt(2 * 2 / (180 + 360)), 1))
w = weights.initialize_weights("he_uniform", "tanh")((300, 200))
print(round(np.abs(w).max() / (5 / 3 * np.sqrt(3 / 300)), 2), weights.initialize_weights("identity")((2, 2)).tolist())
print((weights.initialize_weights("sparse")((20, 5)) == 0).sum(axis=0).tolist())
data = datasets.Data(np.arange(5), 2, np.eye(5))
print(data.samples_per_epoch, [data.sample(False)[0].tolist() for _ in range(4)])
print(sorted(np.concatenate([data.sample()[0] for _ in range(3)]).tolist()) == sorted(range(5)) or "position kept")
X = np.random.normal(size=(2, 5, 6, 3))
columns, p = utils.im2col(X, (3, 2), 2, 1)
print(columns.shape, p, np.allclose((utils.col2im(columns, X.shape, (3, 2), 2, 1) * X).sum(), (columns ** 2).sum()))
print(utils.integers_to_one_hot([2, 0]).tolist(), utils.AttrDict(lr=0.1).lr)
print(utils.normalize(np.array([[1.0], [3.0]])).ravel(), utils.standardize(np.array([[1.0], [3.0]])).ravel())
layer = layers.initialize_layer("fully_connected", activation="relu", n_out=2)
layer.forward(np.ones((4, 3)))
layer.backward(np.ones((4, 2)))
layer.clear_gradients()
print(dict(layer.cache), [int(g.any()) for g in layer._get_gradients()])
print(len(layer._get_parameters()), len(layer._get_cache()))
loss = losses.CrossEntropy("cross_entropy")
print(np.isfinite(loss(np.eye(2), np.eye(2)[::-1])), np.isfinite(loss.backward(np.eye(2), np.eye(2)[::-1])).all())
"""


def test_the_given_parts_keep_the_courses_conventions(folders):
    code, text = in_folder(folders[SP20, True], "-c", CONVENTIONS)
    assert code == 0, text
    assert text.splitlines() == [
        "1.0 0.25 0.5",
        "[0.3 0.4] [0.45 0.6 ] 0.0",
        "1.0",
        "1.0 [[1.0, 0.0], [0.0, 1.0]]",
        "[2, 2, 2, 2, 2]",
        "3 [[0, 1], [2, 3], [4], [0, 1]]",
        "position kept",
        "(18, 24) (1, 1) True",
        "[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]] 0.1",
        "[0. 1.] [-1.  1.]",
        "{'Z': [], 'X': []} [0, 0]",
        "2 2",
        "True True",
    ]


GENERATE = "generate_submission.py"


def test_generate_submission_writes_markdown_and_prints_without_o(folders, tmp_path):
    folder = folders[SP23, True]
    code, printed = in_folder(folder, GENERATE, "--format", "markdown", "--heading_level", "3")
    assert code == 0, printed
    assert re.findall(r"^#+ .*$", printed, re.MULTILINE) == [
        f"### {heading} (`neural_networks/{name}.py`)"
        for heading, name in (
            ("Activation functions", "activations"), ("Layers", "layers"), ("Losses", "losses"), ("Models", "models"),
        )
    ]  # fmt: skip
    wanted = ["Linear", "Sigmoid", "ReLU", "SoftMax", "FullyConnected", "Pool2D", "Conv2D"]
    wanted += ["CrossEntropy", "L2", "NeuralNetwork"]
    assert re.findall(r"^class (\w+)", printed, re.MULTILINE) == wanted
    model = printed.split("class NeuralNetwork:")[1]
    assert re.findall(r"def (\w+)", model) == ["forward", "backward", "predict"]
    code, text = in_folder(
        folder, GENERATE, "-f", "markdown", "--heading_level", "3", "-o", str(tmp_path / "s.md")
    )
    assert (code, text) == (0, "")
    assert (tmp_path / "s.md").read_text(encoding="utf-8") == printed
    assert in_folder(folder, GENERATE, "--help")[0] == 0
    code, text = in_folder(folder, GENERATE, "--heading_level", "4")
    assert code == 2


@pytest.mark.parametrize(("level", "heading"), [(1, "section"), (2, "subsection"), (3, "subsubsection")])
def test_generate_submission_writes_latex_that_can_be_put_into_a_document(folders, tmp_path, level, heading):
    out = tmp_path / "submission.tex"
    code, text = in_folder(
        folders[SP20, True], GENERATE, "-f", "latex", "--heading_level", str(level), "--output", str(out)
    )
    assert (code, text) == (0, "")
    tex = out.read_text(encoding="utf-8")
    assert tex.isascii()
    outside = re.sub(r"\\begin\{verbatim\}.*?\\end\{verbatim\}", "", tex, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)_", outside)
    assert outside.count(f"\\{heading}{{") == 4
    assert "\\texttt{neural\\_networks/layers.py}" in outside
    assert set(re.findall(r"\\([a-z]+)", outside)) == {heading, "texttt", "footnotesize"}
    assert "class Elman(Layer):" in tex
    assert "sigma" in tex


def test_generate_submission_writes_latex_of_any_code(copied, tmp_path):
    folder = copied(SP23, True)
    path = folder / "neural_networks" / "losses.py"
    signs = "# 漢 ½ “σ”\t\x0c\x1b \\end{verbatim}\n"
    last = f"    last = '{'y' * 300}'\n"
    code = "class CrossEntropy:\n    first = 1\n" + last + "class L2:\n    only = 2\n"
    path.write_text(
        f"\ufeff\x0c\n{signs}{code.replace('    first', '    ' + signs + '    first')}", encoding="utf-8"
    )
    out = tmp_path / "submission.tex"
    assert in_folder(folder, GENERATE, "-f", "latex", "-o", str(out)) == (0, "")
    tex = out.read_text(encoding="utf-8")
    assert all(" " <= sign <= "~" for sign in tex.replace("\n", ""))  # no engine takes the other controls
    losses = tex.split("{Losses")[1].split("{Models")[0]
    assert losses.count("\\end{verbatim}") == 2
    assert 'class CrossEntropy:\n    # ? 1/2 "sigma" ?? \\end {verbatim}\n    first = 1\n' in losses
    assert last.rstrip() in losses.replace("\\\n", "")  # each line of it but the last ends in a backslash
    assert max(map(len, losses.splitlines())) <= 105
    assert "class L2:\n    only = 2\n" in losses


def test_generate_submission_names_what_it_cannot_read(copied):
    folder = copied(SP23, False)
    assert in_folder(folder, GENERATE)[0] == 0
    losses = folder / "neural_networks" / "losses.py"
    text = losses.read_text()
    losses.write_text(text.replace("class L2(", "class Squared("))
    code, text = in_folder(folder, GENERATE)
    assert code == 1
    assert "losses.py: there is no class L2. Has it been renamed?" in text
    losses.write_text("class CrossEntropy(Loss:\n")
    code, text = in_folder(folder, GENERATE)
    assert code == 1
    assert "losses.py, line 1:" in text
    assert "Traceback" not in text


def test_the_hand_in_holds_code_alone(copied, tmp_path):
    folder = copied(SP23, True)
    bring_data(course(SP23), folder)
    packed, _ = submit(course(SP23), folder, tmp_path / "out")
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
    assert {"neural_networks/layers.py", "train_ffnn.py", "README.md", "check_gradients.ipynb"} <= set(names)
    assert not any(name.endswith((".npy", ".npz")) for name in names)


def test_the_readme_has_the_editions_own_words(folders):
    new, old = ((folders[key, False] / "README.md").read_text() for key in (SP23, SP20))
    assert "8 pass and 17 fail" in new
    assert "Spring 2023" in new
    assert "train_higgs.py" not in new
    assert "10 pass and 15 fail" in old
    assert "train_higgs.py" in old
    for text in (new, old):
        assert "clearprop course check ." in text
