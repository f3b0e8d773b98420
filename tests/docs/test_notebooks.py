"""The notebooks in examples/: they run from top to bottom, say what stands in them, and are files for everyone."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

from notebooks import EXAMPLES, agree, complaints, differences, read, text_of  # noqa: E402

BOOKS = sorted(EXAMPLES.glob("*.ipynb"))
SCRIPT = Path(__file__).parent / "notebooks.py"


def refreshed(folder, *names):
    """What the script says on running the notebooks, which it writes into the folder."""
    command = [sys.executable, str(SCRIPT), *map(str, names), "--to", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def write(path, *sources):
    """A notebook that has not been run, of cells of code."""
    book = read(BOOKS[0])
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(book, path)
    return path


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A folder with all notebooks, as a run of now has them."""
    folder = tmp_path_factory.mktemp("fresh")
    done = refreshed(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_fresh_run_says_what_stands_in_the_notebook(path, fresh):
    found = differences(path, fresh / path.name)
    assert not found, f"cells {found} of {path.name} say something else: run `python tests/docs/notebooks.py`"
    assert complaints(fresh / path.name) == []


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_a_file_for_everyone(path):
    assert complaints(path) == []
    cells = read(path).cells
    assert 10 <= len(cells) <= 25
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert any(cell.source.count("assert ") for cell in cells), "what it claims is not asserted"
    assert "CLEARPROP_DATA" not in path.read_text(encoding="utf-8")


def test_every_notebook_is_listed_with_its_title():
    for page in (EXAMPLES / "README.md", EXAMPLES.parent / "docs" / "examples.md"):
        listed = dict(re.findall(r"\[([^]]+)\]\([^)]*?([\w]+\.ipynb)\)", page.read_text(encoding="utf-8")))
        titles = {read(path).cells[0].source.splitlines()[0].removeprefix("# "): path.name for path in BOOKS}
        assert listed == titles, page


def test_what_shows_itself_richly_does():
    outputs = [out for path in BOOKS for cell in read(path).cells for out in cell.get("outputs", ())]
    shown = [out.get("data", {}) for out in outputs]
    assert {kind for data in shown for kind in data} == {"text/plain", "text/html", "image/png"}
    pages = "".join(data.get("text/html", "") for data in shown)
    for what in ("clearprop-model", "Diagnosis of ", 'title="trace"', 'alt="Graph of L"'):
        assert what in pages
    assert "<svg" not in pages, "a notebook that is not trusted shows of it nothing but the words"


def test_a_failing_cell_is_noticed_and_nothing_is_written(tmp_path):
    planted = write(tmp_path / "planted.ipynb", "x = 1", "assert x == 2, 'x is one'", "x")
    (tmp_path / "out").mkdir()
    done = refreshed(tmp_path / "out", planted)
    assert done.returncode == 1
    assert done.stderr.strip() == "planted.ipynb, cell 2: AssertionError: x is one"
    assert list((tmp_path / "out").iterdir()) == []


def test_planted_faults_are_noticed(tmp_path):
    book = shutil.copy(
        next(path for path in BOOKS if path.stem.startswith("network")), tmp_path / "book.ipynb"
    )
    assert complaints(book) == []
    text = book.read_text(encoding="utf-8")
    for old, new, complaint in (
        ('"execution_count": 3', '"execution_count": 30', "its cells have not been run once"),
        ('"name": "stdout"', '"name": "stderr"', "a cell has an error or a warning"),
        ("43 parameters, loss", "/home/ann/x.py: loss", "it holds an absolute path"),
        ("43 parameters, loss", r"C:\\Users, loss", "it holds an absolute path"),
        ("43 parameters, loss", "x" * 300_000, "bytes, and 300,000 are enough"),
        ('"name": "python"\n', '"name": "python", "version": "3.11.7"\n', "metadata of one machine"),
    ):
        assert text.count(old)
        book.write_text(text.replace(old, new, 1), encoding="utf-8")
        assert [complaint in said for said in complaints(book)] == [True], complaint


def test_a_difference_is_noticed_in_its_cell(tmp_path):
    original = next(path for path in BOOKS if path.stem.startswith("network"))
    changed = tmp_path / original.name
    book = read(original)
    assert differences(original, original) == []
    number = next(
        i for i, cell in enumerate(book.cells) if "43 parameters, loss" in text_of(cell.get("outputs", ()))
    )
    book.cells[number].outputs[0].text = "43 parameters, loss 1.2500; ln 3 is 1.0986\n"
    book.cells[0].source += " changed"
    nbformat.write(book, changed)
    assert differences(original, changed) == [1, number + 1]
    del book.cells[-1]
    nbformat.write(book, changed)
    assert differences(original, changed) == [1, number + 1, len(book.cells) + 1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("loss 0.12345", "loss 0.12346", True),
        ("loss 0.123", "loss 0.124", False),
        ("loss  0.5\n", "loss 0.5", True),
        ("loss 0.5", "cost 0.5", False),
        ("a 1", "a 1 2", False),
        ("−0.5", "0.5", False),
        ("error 3e-10", "error 5e-11", True),
        ("[0. 1.]", "[0. 2.]", False),
    ],
)
def test_texts_agree_up_to_last_digits(one, other, same):
    assert agree(one, other) is same
