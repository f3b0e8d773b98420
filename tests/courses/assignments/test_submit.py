"""Hand-ins: what is in the zip, and an appendix that prints."""

import json
import zipfile

import pytest

from clearprop.courses.assignments.catalog import COURSES
from clearprop.courses.assignments.submit import submit
from clearprop.errors import DataError, FileError

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": "Words"},
        {"cell_type": "code", "source": ["x = 1\n", "x"], "outputs": [{"data": {"text/plain": "1"}}]},
    ]
}


@pytest.fixture
def folder(tmp_path):
    files = {
        "layers.py": "\ufeffx = 2  # first\n\x0c\nσ = 1  # ½·α_1 & 50% 漢\n"
        f"long = '{'y' * 300}'\nbad = '\\\\end{{verbatim}}' * 3\nfence = '```'\n",
        "README.md": "me",
        "net.ipynb": json.dumps(NOTEBOOK),
        "datasets/iris/x.py": "data",
        "experiments/a/log.txt": "log",
        "__pycache__/layers.py": "cached",
        ".hidden/x.py": "hidden",
        "hw3_lib.py": "lib",
        "hw3_sol.py": "sol",
        "weights.npy": "numbers",
    }
    for name, text in files.items():
        path = tmp_path / "hw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "hw"


def test_the_zip_holds_the_code_and_no_data(folder, tmp_path):
    zipped, text = submit(COURSES["c147-w25"], folder, tmp_path / "out")
    assert zipfile.ZipFile(zipped).namelist() == [
        "README.md", "hw3_lib.py", "hw3_sol.py", "layers.py", "net.ipynb",
    ]  # fmt: skip
    assert zipfile.ZipFile(zipped).read("layers.py") == (folder / "layers.py").read_bytes()
    assert text.name == "code.md"


def test_a_course_that_takes_two_files_gets_two(folder, tmp_path):
    zipped, _ = submit(COURSES["cmu10701-s21"], folder, tmp_path / "out")
    assert zipfile.ZipFile(zipped).namelist() == ["hw3_lib.py", "hw3_sol.py"]
    (folder / "hw3_sol.py").unlink()
    with pytest.raises(FileError, match=r"takes hw3_lib\.py and hw3_sol\.py, and hw3_sol\.py is missing"):
        submit(COURSES["cmu10701-s21"], folder, tmp_path / "out2")
    assert not (tmp_path / "out2").exists()


def test_the_markdown_appendix_holds_every_line(folder, tmp_path):
    _, text = submit(COURSES["c147-w25"], folder, tmp_path / "out")
    lines = text.read_text(encoding="utf-8").splitlines()
    assert "## `layers.py`" in lines
    assert "````python" in lines  # longer than the fence in the code
    for line in (folder / "layers.py").read_text(encoding="utf-8-sig").splitlines():
        assert line in lines
    assert lines[lines.index("# cell 1") + 1 :][:2] == ["x = 1", "x"]
    assert "Words" not in lines


def test_the_latex_appendix_stands_by_itself(folder, tmp_path):
    _, text = submit(COURSES["c147-w25"], folder, tmp_path / "out", "latex")
    tex = text.read_text(encoding="utf-8")
    assert tex.startswith("\\documentclass")
    assert tex.rstrip().endswith("\\end{document}")
    assert tex.count("\\begin{verbatim}") == tex.count("\\end{verbatim}") == 4  # none of the code's own
    assert "\\texttt{hw3\\_lib.py}" in tex
    for sign, name in (("03C3", "sigma"), ("00B7", "cdot"), ("03B1", "alpha")):
        assert f"\\DeclareUnicodeCharacter{{{sign}}}{{\\ensuremath{{\\{name}}}}}" in tex
    assert "\\DeclareUnicodeCharacter{00BD}" in tex
    assert "\\DeclareUnicodeCharacter{6F22}{[U+6F22]}" in tex  # LaTeX's own fonts have no 漢
    assert "x = 2  # first" in tex  # without Windows' mark
    assert "\x0c" not in tex
    assert "\n[U+000C]\n" in tex
    code = tex[tex.index("\\begin{document}") :].splitlines()
    assert max(map(len, code)) <= 112
    folded = code.index(next(line for line in code if line.startswith("long = ")))
    assert "".join(line.removeprefix("↪ ") for line in code[folded : folded + 3]) == f"long = '{'y' * 300}'"


def test_a_second_hand_in_takes_the_place_of_the_first_and_is_not_in_it(folder):
    first, _ = submit(COURSES["c147-w25"], folder, folder / "submission")
    names = zipfile.ZipFile(first).namelist()
    second, _ = submit(COURSES["c147-w25"], folder, folder / "submission")
    assert zipfile.ZipFile(second).namelist() == names


def test_a_folder_without_code_and_a_broken_notebook_are_sentences(tmp_path, folder):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileError, match="there is no code in it"):
        submit(COURSES["c147-w25"], empty, tmp_path / "out")
    (folder / "net.ipynb").write_text("{")
    with pytest.raises(DataError, match=r"net\.ipynb: not a notebook"):
        submit(COURSES["c147-w25"], folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
