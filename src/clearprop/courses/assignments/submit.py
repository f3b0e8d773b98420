"""`clearprop course submit`: what a course takes: a zip of the code without data, and the code as an appendix."""

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from clearprop.courses.assignments.catalog import Course
from clearprop.errors import DataError, FileError
from clearprop.files import make_folder, replace_file
from clearprop.lens.document.latex import latex_document, latex_escaped, latex_verbatim

CODE = (".py", ".ipynb")
EXTRAS = (".md", ".txt", ".tex", ".toml")
LEFT_OUT = {
    "datasets", "training_data_student", "mnist", "cifar-10-batches-bin", "cifar-10-batches-py", "experiments",
    "submission", "__pycache__", "venv", "data",
}  # fmt: skip
Format = Literal["markdown", "latex"]


def submit(which: Course, folder: Path, out: Path, form: Format = "markdown") -> list[Path]:
    """Write a course's hand-in: `code.zip` and the appendix `code.md` or `code.tex`.

    Parameters
    ----------
    which : Course
    folder : Path
        The student's.
    out : Path
        A folder for the hand-in; files of an earlier one in it are replaced.
    form : {"markdown", "latex"}
        The appendix's form. The LaTeX document compiles by itself, with pdfLaTeX, XeLaTeX or LuaLaTeX.

    Raises
    ------
    FileError
        When a file that the course asks for is missing.
    DataError
        When a notebook cannot be read.
    """
    files = _files(which, folder)
    appendix = _markdown(which, folder, files) if form == "markdown" else _latex(which, folder, files)
    packed = _zip(folder, files)
    make_folder(out)
    zipped, text = out / "code.zip", out / ("code.md" if form == "markdown" else "code.tex")
    replace_file(zipped, lambda file: file.write(packed))
    replace_file(text, lambda file: file.write(appendix.encode("utf-8")))
    return [zipped, text]


def unwritten(which: Course, folder: Path) -> list[str]:
    """The files of a hand-in in which a part is still to be written."""
    files = [name for name in _files(which, folder) if Path(name).suffix in CODE]
    return [
        name for name in files if "is still to be written" in (folder / name).read_text("utf-8", "replace")
    ]


def _files(which: Course, folder: Path) -> list[str]:
    """What is handed in: the files that the course names, or all code and the text beside it."""
    if which.hand_in:
        missing = [name for name in which.hand_in if not (folder / name).is_file()]
        if missing:
            raise FileError(
                f"{folder}: {which.key} takes {' and '.join(which.hand_in)}, and {' and '.join(missing)} is missing. "
                "Name the folder that `clearprop course start` made."
            )
        return list(which.hand_in)
    found = [
        path.relative_to(folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (*CODE, *EXTRAS)
    ]
    kept = [
        path.as_posix() for path in found if not any(p in LEFT_OUT or p.startswith(".") for p in path.parts)
    ]
    if not any(Path(name).suffix in CODE for name in kept):
        raise FileError(f"{folder}: there is no code in it (.py or .ipynb). Name the assignment's folder.")
    return kept


def _zip(folder: Path, files: Sequence[str]) -> bytes:
    """The same files give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, (folder / name).read_bytes())
    return packed.getvalue()


def _sources(folder: Path, files: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each code file's name and text; of a notebook the code cells, one after the other."""
    for name in files:
        path = folder / name
        if path.suffix not in CODE:
            continue
        text = path.read_text(encoding="utf-8-sig", errors="replace")  # Windows editors write a mark first
        yield name, _cells(text, path) if path.suffix == ".ipynb" else text


def _cells(text: str, path: Path) -> str:
    try:
        cells = json.loads(text)["cells"]
        codes = ["".join(cell["source"]).rstrip() for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as err:
        raise DataError(
            f"{path}: not a notebook that can be read ({err}). Save it again in Jupyter."
        ) from err
    return "\n\n".join(f"# cell {i}\n{code}" for i, code in enumerate(codes, 1)) + "\n"


def _markdown(which: Course, folder: Path, files: Sequence[str]) -> str:
    parts = [f"# Code appendix\n\n{which.title}\n"]
    for name, text in _sources(folder, files):
        fence = "`" * max(3, 1 + _longest_run(text))
        parts.append(f"\n## `{name}`\n\n{fence}python\n{text.rstrip()}\n{fence}\n")
    return "".join(parts)


def _longest_run(text: str) -> int:
    longest = run = 0
    for sign in text:
        run = run + 1 if sign == "`" else 0
        longest = max(longest, run)
    return longest


def _latex(which: Course, folder: Path, files: Sequence[str]) -> str:
    body = []
    for name, text in _sources(folder, files):
        body.append(f"\\section*{{\\texttt{{{latex_escaped(name)}}}}}\n{latex_verbatim(text)}\n")
    heading = f"\\section*{{Code appendix}}\n{latex_escaped(which.title)}\n\n"
    return latex_document(heading + "".join(body))
