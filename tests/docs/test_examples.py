"""Every example runs and prints what it says: the docstrings', and those of README and docs."""

import doctest
import importlib
import io
from pathlib import Path

import pytest

import clearprop

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    if path.is_file() and "_build" not in path.parts
)
PACKAGE = Path(clearprop.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__main__"  # importing it would run the command line
    if "templates" not in path.parts  # students' files, which are copied and never imported
)
EXTRAS = ("jax", "mpi4py", "onnx", "onnxruntime", "optuna", "sklearn", "scipy", "torch")
EXAMPLES_NEED = {"clearprop.lbfgs": "scipy", "clearprop.interop.onnx.write": "onnx"}


def import_or_skip(name):
    """The module; skipped where an extra that it imports is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in EXTRAS:
            pytest.skip(f"{name} needs {error.name}")
        raise


def run(test, flags=0):
    """What goes wrong in a doctest, as text; empty if nothing does."""
    said = io.StringIO()
    doctest.DocTestRunner(optionflags=flags).run(test, out=said.write)
    return said.getvalue()


def fenced_examples(text):
    """The text with everything blanked but the fenced blocks that begin with >>>, so that lines keep their numbers."""
    kept, fence, keep = [], "", False
    lines = text.split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if not fence and line.startswith(("```", ":::")):
            fence = line[: len(line) - len(line.lstrip(line[0]))]
            keep = following.startswith(">>>")
            kept.append("")
        elif fence and line.rstrip() == fence:
            fence, keep = "", False
            kept.append("")
        else:
            kept.append(line if keep else "")
    return "\n".join(kept)


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name in EXAMPLES_NEED:
        pytest.importorskip(EXAMPLES_NEED[name])
    module = import_or_skip(name)
    found = [run(test) for test in doctest.DocTestFinder().find(module, name) if test.examples]
    if any(found):
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    examples = fenced_examples(text)
    outside = text.count("\n>>>") - examples.count("\n>>>")
    assert not outside, (
        f"{page}: {outside} examples are not at the start of a fenced block, so they never run"
    )
    name = page.relative_to(ROOT).as_posix()
    test = doctest.DocTestParser().get_doctest(examples, {}, name, str(page), 0)
    if said := run(test, doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS):
        pytest.fail(said, pytrace=False)


def test_a_page_is_read_by_its_fences():
    text = "a\n```pycon\n>>> 1\n1\n```\nb\n```console\n$ c\n```\n"
    assert fenced_examples(text).split("\n") == ["", "", ">>> 1", "1", *[""] * 6]
    assert "Got:\n    2" in run(doctest.DocTestParser().get_doctest(">>> 2\n3\n", {}, "wrong", None, 0))
