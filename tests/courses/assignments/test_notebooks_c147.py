"""C147's notebooks, run from top to bottom on a few made-up photos: the printed numbers, the pictures, no warnings."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from students import laid_out

from clearprop.courses.assignments.catalog import course
from clearprop.courses.assignments.start import files_of

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

KEY = "c147-w25"
RUN = "from nbclient.cli import main; main()"
SMALLER = {
    "two_layer_nn.ipynb": {
        "num_training=49000, num_validation=1000, num_test=1000": "num_training=120, num_validation=30, num_test=20",
        "num_iters=1000": "num_iters=20",
        "num_iters=2500": "num_iters=5",
        "product((1e-3, 2e-3), (0.9, 0.95), (0.25, 0.5))": "product((1e-3, 2e-3), (0.9,), (0.25,))",
    },
    "FC_nets.ipynb": {
        "get_CIFAR10_data()": "get_CIFAR10_data(120, 30, 20)",
        "num_epochs=10": "num_epochs=2",
        "batch_size=200": "batch_size=20",
    },
}


def write_photos(folder):
    """Six files of thirty photos each, in which two random waves lie over each other."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    u, v = np.indices((32, 32)) / 32
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
        turns, shifts = rng.uniform(1, 12, size=(2, 30, 3, 2, 1)), rng.uniform(0, 6, size=(30, 3, 2, 1))
        waves = np.sin(turns[0] * u.ravel() + turns[1] * v.ravel() + shifts).sum(axis=2)
        photos = np.clip(128 + 60 * waves + rng.normal(scale=8, size=waves.shape), 0, 255)
        np.column_stack([rng.integers(10, size=30), photos.reshape(30, -1)]).astype(np.uint8).tofile(
            folder / name
        )


def executed(folder, name, *options):
    """The outputs of each cell, by the cell's id."""
    path = folder / name
    text = path.read_text(encoding="utf-8")
    for old, new in SMALLER[name].items():
        if "--allow-errors" not in options:
            assert text.count(old) == 1, f"{name} holds {text.count(old)} times: {old}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    scratch = str(folder / ".jupyter")
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MPLBACKEND")}
    environment |= dict.fromkeys(("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"), scratch)
    environment |= {"PYTHONWARNINGS": "error::RuntimeWarning", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, name, "--inplace", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: cell["outputs"] for cell in cells if cell["cell_type"] == "code"}


def printed(outputs):
    return "".join(text for o in outputs if o["output_type"] == "stream" for text in o["text"])


def pictures(outputs):
    return sum("image/png" in o.get("data", {}) for o in outputs)


def numbers(pattern, text):
    return [float(number) for number in re.findall(pattern + r":? ([-+.\de]+)", text)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = laid_out(KEY, tmp_path_factory.mktemp("complete") / KEY, solution=True)
    write_photos(made / "cifar-10-batches-bin")
    return made


def assert_calm(cells):
    kinds = {o["output_type"] for outputs in cells.values() for o in outputs}
    assert kinds <= {"stream", "display_data", "execute_result"}
    assert {o["name"] for outputs in cells.values() for o in outputs if o["output_type"] == "stream"} == {
        "stdout"
    }


def test_the_two_layer_notebook(folder):
    cells = executed(folder, "two_layer_nn.ipynb")
    assert_calm(cells)
    text = {key: printed(outputs) for key, outputs in cells.items()}
    (difference,) = numbers("Difference", text["scores"])
    assert 3e-8 < difference < 4e-8  # the document's scores are printed to eight digits
    assert numbers("Loss", text["loss"]) == [pytest.approx(1.071696123862817, abs=1e-12)]
    assert len(numbers("max relative error", text["gradients"])) == 4
    assert max(numbers("max relative error", text["gradients"])) < 1e-8
    assert numbers("Final training loss", text["train"]) == [pytest.approx(0.014497864587765886, abs=1e-12)]
    assert (
        "Training set: (120, 3072) (120,)\nValidation set: (30, 3072) (30,)\nTest set: (20, 3072) (20,)"
        in text["cifar"]
    )
    assert "iteration 0 / 20: loss 2.30" in text["sgd"]
    assert text["optimize"].count("rate 0.00") == 2
    assert {key: pictures(cells[key]) for key in cells if pictures(cells[key])} == {
        "train": 1,
        "analysis": 1,
        "weights": 2,
    }
    assert 0 <= numbers("Test accuracy", text["test"])[0] <= 1


def test_the_notebook_of_layers(folder):
    cells = executed(folder, "FC_nets.ipynb")
    assert_calm(cells)
    text = {key: printed(outputs) for key, outputs in cells.items()}
    assert "X_train: (120, 3, 32, 32)\ny_train: (120,)\nX_val: (30, 3, 32, 32)" in text["data"]
    assert numbers("difference", text["affine-forward"]) == [pytest.approx(9.77e-10, rel=1e-3)]
    assert numbers("difference", text["relu-forward"]) == [pytest.approx(5e-8, rel=1e-3)]
    for key, bound in {
        "affine-backward": 2e-9,
        "relu-backward": 5e-12,
        "affine-relu": 3e-9,
        "softmax": 2e-8,
    }.items():
        errors = numbers("error", text[key])
        assert len(errors) == (3 if "affine" in key else 1)
        assert max(errors) < bound
    assert numbers("softmax_loss, loss", text["softmax"]) == [pytest.approx(np.log(10), abs=1e-3)]
    assert "Loss with reg = 0.0: 3.4702243556\nLoss with reg = 1.0: 26.5948426952\n" in text["two-layer"]
    assert max(numbers("relative error", text["two-layer"])) < 5e-7
    assert len(numbers("relative error", text["multilayer"])) == 12
    assert max(numbers("relative error", text["multilayer"])) < 3e-6
    assert "(Epoch 2 / 2) train acc: " in text["solver"]
    assert numbers("Training accuracy", text["overfit"]) == [1.0]
    assert {key: pictures(cells[key]) for key in cells if pictures(cells[key])} == {
        "solver-plots": 1,
        "overfit": 1,
    }


def test_a_students_notebooks_say_what_is_to_be_written(tmp_path):
    student = laid_out(KEY, tmp_path / KEY, solution=False)
    cells = executed(student, "two_layer_nn.ipynb", "--allow-errors")
    errors = {key: o for key, outputs in cells.items() for o in outputs if o["output_type"] == "error"}
    missing = "nndl/neural_net.py: TwoLayerNet.{} is still to be written."
    assert [errors[key]["evalue"] for key in ("scores", "loss", "gradients")] == [missing.format("loss")] * 3
    assert errors["train"]["evalue"] == missing.format("train")
    assert errors["cifar"]["ename"] == "FileNotFoundError"
    assert "`clearprop course data .`" in errors["cifar"]["evalue"]
    for key in ("analysis", "optimize"):
        assert re.fullmatch(r"two_layer_nn\.ipynb, cell \d+: still to be written\.", errors[key]["evalue"])


@pytest.mark.parametrize("solution", [True, False])
def test_the_notebooks_are_clean_files(tmp_path, solution):
    nbformat = pytest.importorskip("nbformat")
    made = laid_out(KEY, tmp_path / KEY, solution=solution)
    for name in SMALLER:
        book = nbformat.read(made / name, as_version=4)
        nbformat.validate(book)
        assert (book.nbformat, book.nbformat_minor) == (4, 5)
        assert len({cell.id for cell in book.cells}) == len(book.cells)
        assert all(
            not cell.outputs and cell.execution_count is None
            for cell in book.cells
            if cell.cell_type == "code"
        )
        answers = sum("*Your answer.*" in cell.source for cell in book.cells)
        assert answers == (2 if name.startswith("two") and not solution else 0)
    assert set(SMALLER) < set(files_of(course(KEY)))
