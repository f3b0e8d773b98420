"""CS 189's checks: right solutions pass, wrong ones are caught and named, and none does harm."""

import os
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import pytest
from cs189_wrong import WRONG
from students import changed, outcomes

from clearprop.courses.assignments.catalog import course
from clearprop.courses.assignments.check.case import Mismatch
from clearprop.courses.assignments.check.families import checks_of
from clearprop.courses.assignments.check.runner import run_checks
from clearprop.courses.assignments.start import start

SP23, SP20 = "cs189-sp23", "cs189-sp20"
ACTIVATIONS, LAYERS = "neural_networks/activations.py", "neural_networks/layers.py"
SUBJECTS = (
    "Linear", "Sigmoid", "TanH", "ReLU", "SoftMax", "ArcTan",
    "FullyConnected", "Conv2D", "Pool2D", "Flatten", "CrossEntropy", "L2",
)  # fmt: skip
TESTS = [
    "TestFullyConnected.test_init_params",
    *(f"Test{subject}.test_{way}" for subject in SUBJECTS for way in ("forward", "backward")),
]
MORE = [
    "SoftMax at scores of 1000",
    *(f"NeuralNetwork.{way}" for way in ("forward", "backward", "predict")),
    "Iris, trained",
]
ELMAN = ["Elman parameters", "Elman.forward_step", "Elman.forward", "Elman.backward"]


def without_numbers(key, folder, solution):
    """A folder without the unit tests' numbers, which no check reads and which take long to write."""
    start(replace(course(key), expected=()), folder, solution=solution, data=False)


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Both editions' complete folders."""
    base = tmp_path_factory.mktemp("complete")
    for key in (SP23, SP20):
        without_numbers(key, base / key, True)
    return base


@pytest.fixture
def reports(monkeypatch):
    """What the checks of these names say of a folder, run in this process: a process for each takes far longer."""

    def run(key, folder, only):
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        found = {}
        for check in checks_of("cs189", key):
            if check.name.startswith(only):
                try:
                    with warnings.catch_warnings(action="ignore"):
                        check.run()
                    found[check.name] = "passed"
                except (Mismatch, NotImplementedError) as err:
                    found[check.name] = " ".join(str(err).split())
        return found

    yield run
    for name in [name for name in sys.modules if name.split(".")[0] == "neural_networks"]:
        del sys.modules[name]


def test_the_checks_have_the_25_tests_names_and_more():
    new, old = ([c.name for c in checks_of("cs189", key) if not c.extra] for key in (SP23, SP20))
    assert sorted(new) == sorted(TESTS + MORE)
    assert sorted(old) == sorted(TESTS + MORE + ELMAN)


@pytest.mark.parametrize("key", [SP23, SP20])
def test_the_solution_passes_all_checks(complete, reports, key):
    found = reports(key, complete / key, "")
    assert set(found) == {check.name for check in checks_of("cs189", key)}
    assert set(found.values()) == {"passed"}


def test_the_solution_passes_by_the_command(complete):
    found = outcomes(SP20, complete / SP20, "Fully")
    assert len(found) == 3
    assert set(found.values()) == {("passed", "")}


def test_recurrence_is_checked_in_2023_where_it_is_asked_for(complete):
    assert outcomes(SP23, complete / SP23, "Elman.f") == dict.fromkeys(ELMAN[1:3], ("passed", ""))


def test_a_students_parts_are_to_be_written(tmp_path, reports):
    without_numbers(SP23, tmp_path / "empty", False)
    found = reports(SP23, tmp_path / "empty", "")
    given = {
        f"Test{name}.test_{way}"
        for name in ("Linear", "TanH", "ArcTan", "Flatten")
        for way in ("forward", "backward")
    }
    assert {name for name, text in found.items() if text == "passed"} == given
    for name in set(found) - given:
        assert found[name].endswith("is still to be written.")
    status, text = outcomes(SP23, tmp_path / "empty", "TestReLU.test_forward")["TestReLU.test_forward"]
    assert status == "to write"
    assert text == "neural_networks/activations.py: ReLU.forward is still to be written."


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_a_wrong_solution_is_caught_and_named(complete, tmp_path, reports, wrong):
    key = SP20 if "elman" in wrong.name else SP23
    folder = changed(complete / key, tmp_path / "student", wrong.file, (wrong.old, wrong.new))
    found = reports(key, folder, wrong.check)
    assert found
    assert any(wrong.words in text for text in found.values()), found


@pytest.mark.parametrize("wrong", WRONG[::12], ids=lambda wrong: wrong.name)
def test_the_command_names_it_too(complete, tmp_path, wrong):
    folder = changed(complete / SP20, tmp_path / "student", wrong.file, (wrong.old, wrong.new))
    found = outcomes(SP20, folder, wrong.check)
    assert any(status == "failed" and wrong.words in text for status, text in found.values())


def test_the_other_editions_l2_is_named_in_2020(complete, tmp_path, reports):
    old, new = "return 2 * len(Y) if self.half else len(Y)", "return 2 * len(Y)"
    folder = changed(complete / SP20, tmp_path / "student", "neural_networks/losses.py", (old, new))
    found = reports(SP20, folder, "TestL2")
    assert len(found) == 2
    assert all("There is a factor 1/2 too many" in text for text in found.values())


OTHER_LAYERS = '''

class OtherDense(FullyConnected):
    def forward(self, X):
        if self.n_in is None:
            self._init_parameters(X.shape)
        self.seen = X.copy()
        self.affine = np.array([[sum(x[i] * self.parameters["W"][i, j] for i in range(len(x)))
                                 + self.parameters["b"][0, j] for j in range(self.n_out)] for x in X])
        return self.activation(self.affine)

    def backward(self, dLdY):
        back = self.activation.backward(self.affine, dLdY)
        self.gradients["W"] = np.einsum("md,mn->dn", self.seen, back)
        self.gradients["b"] = back.sum(axis=0)  # (n,): the axis of length 1 is not kept
        return np.einsum("mn,dn->md", back, self.parameters["W"])


class OtherConv(Conv2D):
    def forward(self, X):
        if self.n_in is None:
            self._init_parameters(X.shape)
        rows, cols = self._out_shape(X.shape)
        (p, q), s, (kh, kw) = self.pad, self.stride, self.kernel_shape
        self.image = np.pad(X, ((0, 0), (p, p), (q, q), (0, 0)))
        self.affine = np.zeros((len(X), rows, cols, self.n_out))
        for i in range(rows):
            for j in range(cols):
                window = self.image[:, i * s : i * s + kh, j * s : j * s + kw]
                self.affine[:, i, j] = np.einsum("mabc,abcn->mn", window, self.parameters["W"])
        self.affine = self.affine + self.parameters["b"]
        return self.activation(self.affine)

    def backward(self, dLdY):
        back = self.activation.backward(self.affine, dLdY)
        (p, q), s, (kh, kw) = self.pad, self.stride, self.kernel_shape
        dX, dW = np.zeros(self.image.shape), 0.0
        for i in range(back.shape[1]):
            for j in range(back.shape[2]):
                window = np.s_[:, i * s : i * s + kh, j * s : j * s + kw]
                dW = dW + np.einsum("mabc,mn->abcn", self.image[window], back[:, i, j])
                dX[window] += np.einsum("mn,abcn->mabc", back[:, i, j], self.parameters["W"])
        self.gradients["W"], self.gradients["b"] = dW, np.einsum("mijn->n", back).reshape(1, -1)
        return dX[:, p : dX.shape[1] - p, q : dX.shape[2] - q]


class OtherPool(Pool2D):
    def forward(self, X):
        (p, q), s, (kh, kw) = self.pad, self.stride, self.kernel_shape
        self.image = np.pad(X, ((0, 0), (p, p), (q, q), (0, 0)))
        self.rows = range(0, self.image.shape[1] - kh + 1, s)
        self.cols = range(0, self.image.shape[2] - kw + 1, s)
        return np.stack([np.stack([
            self.pool_fn(self.image[:, i : i + kh, j : j + kw], axis=(1, 2)) for j in self.cols
        ], axis=1) for i in self.rows], axis=1)

    def backward(self, dLdY):
        (p, q), (kh, kw) = self.pad, self.kernel_shape
        dX = np.zeros(self.image.shape)
        for a, i in enumerate(self.rows):
            for b, j in enumerate(self.cols):
                window = self.image[:, i : i + kh, j : j + kw]
                if self.mode == "max":  # of equal numbers, each gets its share
                    share = 1.0 * (window == window.max(axis=(1, 2), keepdims=True))
                    share /= share.sum(axis=(1, 2), keepdims=True)
                else:
                    share = np.full(window.shape, 1 / (kh * kw))
                dX[:, i : i + kh, j : j + kw] += share * dLdY[:, a, b][:, None, None]
        return dX[:, p : dX.shape[1] - p, q : dX.shape[2] - q]


FullyConnected, Conv2D, Pool2D = OtherDense, OtherConv, OtherPool
'''  # fmt: skip
OTHER_ACTIVATIONS = """

class OtherSoftMax(Activation):
    def forward(self, Z):
        rows = [[np.exp(z - max(row)) for z in row] for row in Z]
        return np.array([[e / sum(row) for e in row] for row in rows])

    def backward(self, Z, dY):
        found = []
        for y, dy in zip(self.forward(Z), dY):
            found.append(dy @ (np.diag(y) - np.outer(y, y)))
        return np.stack(found)


class OtherReLU(Activation):
    def forward(self, Z):
        return np.where(Z < 0, 0, Z)

    def backward(self, Z, dY):
        dZ = dY.copy()
        dZ[Z < 0] = 0
        return dZ


SoftMax, ReLU = OtherSoftMax, OtherReLU
"""


def test_a_right_solution_in_another_style_passes(complete, tmp_path, reports):
    """Loops, einsum, other caches, a bias gradient without its first axis, equal shares for equal numbers."""
    layers, activations = (complete / SP23 / name for name in (LAYERS, ACTIVATIONS))
    table = "# Each layer's class and the settings that it reads.\n"
    assert table in layers.read_text()
    folder = changed(
        complete / SP23, tmp_path / "student", LAYERS, (table, OTHER_LAYERS.strip("\n") + "\n\n" + table)
    )
    text = activations.read_text()
    assert text.count("\n\nACTIVATIONS = {") == 1
    (folder / ACTIVATIONS).write_text(
        text.replace("\n\nACTIVATIONS = {", OTHER_ACTIVATIONS + "\n\nACTIVATIONS = {")
    )
    assert {name: text for name, text in reports(SP23, folder, "").items() if text != "passed"} == {}


SYNTAX = ("class Layer(ABC):", "class Layer(ABC:")
AT_IMPORT = "import numpy as np\n\nfrom neural_networks.activations"


def harmful(complete, tmp_path, code, seconds=None, only="TestFlatten.test_forward"):
    """The outcome of a check of a folder whose layers.py does this when it is imported; the folder stays whole."""
    folder = changed(complete / SP23, tmp_path / "student", LAYERS, (AT_IMPORT, f"{code}\n{AT_IMPORT}"))
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    [outcome] = run_checks(course(SP23), folder, only, seconds)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files
    return outcome.status, " ".join(outcome.text.split())


def test_a_file_that_python_cannot_read(complete, tmp_path):
    folder = changed(complete / SP23, tmp_path / "student", LAYERS, SYNTAX)
    [(status, text)] = outcomes(SP23, folder, "TestConv2D.test_forward").values()
    assert status == "failed"
    assert text.startswith("neural_networks/layers.py, line ")
    assert "SyntaxError" in text
    assert outcomes(SP23, folder, "ReLU.test_forward") == {"TestReLU.test_forward": ("passed", "")}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit(3)", "calls sys.exit(3): that ends the whole program."),
        ("import os; os._exit(0)", "the process ended (exit code 0) before the check was over."),
        ("import os; os._exit(7)", "the process ended (exit code 7) before the check was over."),
        ("raise ValueError('broken')", "ValueError: broken"),
        ("import nowhere", "No module named 'nowhere'"),
    ],
)
def test_a_file_that_ends_the_program_costs_its_own_checks_alone(complete, tmp_path, code, words):
    status, text = harmful(complete, tmp_path, code)
    assert status == "failed"
    assert words in text


def test_an_endless_loop_is_ended(complete, tmp_path):
    status, text = harmful(complete, tmp_path, "while True: pass", seconds=2)
    assert status == "failed"
    assert "not finished after 2 seconds: is there an endless loop?" in text


def test_a_file_that_deletes_the_tests_and_itself_does_no_harm(complete, tmp_path):
    code = "import shutil; shutil.rmtree('tests'); shutil.rmtree('neural_networks'); import os; os.remove('README.md')"
    status, text = harmful(complete, tmp_path, code)
    assert status == "failed"
    assert "the code deletes files of its folder (README.md, neural_networks/" in text
    assert "No module named 'neural_networks." in text


def test_deleting_the_tests_alone_is_told(complete, tmp_path):
    status, text = harmful(complete, tmp_path, "import shutil; shutil.rmtree('tests')")
    assert status == "failed"
    assert text.startswith("the code deletes files of its folder (tests/")


def test_much_printing_does_no_harm(complete, tmp_path):
    code = "import sys\nfor i in range(200_000):\n    print(i), print(i, file=sys.stderr)"
    assert harmful(complete, tmp_path, code) == ("passed", "")


def test_endless_printing_fills_no_memory(complete, tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, text = harmful(
        complete, tmp_path, "import os\nwhile True:\n    os.write(2, b'x' * 65536)", seconds=2
    )
    assert status == "failed"
    assert "not finished after 2 seconds" in text
    added = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    )  # KiB; two seconds of this are gigabytes
    assert added < 0.5e6


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_what_the_students_code_starts_is_ended_with_it(complete, tmp_path):
    code = (
        "import subprocess, sys, os\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))"
    )
    assert harmful(complete, tmp_path, code) == ("passed", "")
    pid = int((tmp_path / "child").read_text())
    for _ in range(100):  # until the system has cleared it away
        if not alive(pid):
            break
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid):
    """Whether a process runs; one that has ended may wait for its parent to take notice."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_the_students_folder_keeps_no_trace_of_a_check(complete):
    before = sorted(complete.rglob("*"))
    outcomes(SP23, complete / SP23, "Iris")
    assert sorted(complete.rglob("*")) == before
