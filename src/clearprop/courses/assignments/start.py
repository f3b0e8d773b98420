"""`clearprop course start`: an assignment's folder, made whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from clearprop.courses.assignments.catalog import TEMPLATES, Course, course
from clearprop.courses.assignments.render import render
from clearprop.errors import ConfigError, DataError, FileError
from clearprop.files import make_folder

MARK = ".clearprop-course.json"  # says whose folder it is
RENDERED = (".py", ".ipynb", ".md", ".txt", ".tex")


def start(
    which: Course,
    folder: Path,
    solution: bool = False,
    data: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Lay out a course's folder: its files with the parts to write left out, its tests and its data.

    Parameters
    ----------
    which : Course
    folder : Path
        Must not exist, or be empty.
    solution : bool
        Complete files instead.
    data : bool
        Whether to bring the data sets; without, `bring_data` does so later.
    say : callable
        Takes a line on each step that takes long.

    Returns
    -------
    list of str
        The files' paths inside the folder, the data apart.

    Raises
    ------
    FileError
        When the folder exists and holds something, or cannot be written.
    DataError
        When a data set is missing; nothing is left behind.
    """
    shown, folder = folder, Path(os.path.abspath(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "a folder that is not empty" if folder.is_dir() else "a file"
        raise FileError(f"{shown}: there is already {what}. Choose another name, or move it away first.")
    parent = make_folder(folder.parent)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=parent))
    try:
        written = list(_write_files(which, beside, solution))
        (beside / MARK).write_text(json.dumps({"course": which.key, "solution": solution}) + "\n")
        for numbers in which.expected:
            numbers(beside)
        if data:
            _write_data(which, beside, f"course start {which.key} {folder.name} --no-data", say)
        beside.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return written


def bring_data(which: Course, folder: Path, say: Callable[[str], None] = lambda line: None) -> None:
    """Write the data sets into a folder that `start` made without them."""
    _write_data(which, folder, "", say)


def course_of(folder: Path, key: str = "") -> Course:
    """The course whose folder this is: what `key` says, or else what `start` wrote into it."""
    if not folder.is_dir():
        raise FileError(
            f"{folder}: there is no such folder. `clearprop course start COURSE {folder}` makes one."
        )
    if key:
        return course(key)
    try:
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return course(mark["course"])
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ConfigError(
            f"{folder}: cannot tell which course this folder belongs to, since {MARK} is missing from it or was "
            f"changed. Say so with --course; `clearprop course list` has the names."
        ) from err


def files_of(which: Course) -> dict[str, Path]:
    """Each file of a course's folder and the template it is made from."""
    found = {}
    for name in which.templates:
        base = TEMPLATES / name
        for path in sorted(base.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                found[path.relative_to(base).as_posix()] = path
    return found


def _write_files(which: Course, folder: Path, solution: bool) -> Iterator[str]:
    for name, template in files_of(which).items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if template.suffix in RENDERED:
            text = render(template.read_text(encoding="utf-8"), name, which.key, solution, which.mark)
            target.write_text(text, encoding="utf-8", newline="\n")
        else:
            shutil.copyfile(template, target)
        yield name


def _write_data(which: Course, folder: Path, instead: str, say: Callable[[str], None]) -> None:
    for material in which.data:
        say(f"data: {material.what}")
        try:
            material.write(folder)
        except DataError as err:
            without = f" Or lay out the folder without it: `clearprop {instead}`." if instead else ""
            raise DataError(f"{err}{without}") from err
        except OSError as err:
            raise FileError(f"{folder}: the data could not be written ({err.strerror or err}).") from err
