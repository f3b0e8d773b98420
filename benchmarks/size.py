"""What an installation takes on the disk, by the list of files that each package has installed; without .pyc files."""

import tomllib
from collections.abc import Iterable
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.rows import Row, Run, Scale

ROOT = Path(__file__).parent.parent


def installed(name: str) -> int:
    """The bytes of a distribution's files. Raises PackageNotFoundError, an ImportError, if it is missing."""
    files = distribution(name).files or []
    paths = (Path(str(file.locate())) for file in files if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())


def needed(requirements: Iterable[str]) -> set[str]:
    """The names of all that these requirements bring along, extras left out."""
    found: set[str] = set()
    todo = list(requirements)
    while todo:
        requirement = Requirement(todo.pop())
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        todo += distribution(name).requires or []
    return found


def our_files() -> int:
    """The bytes of the package, wherever it was imported from."""
    package = ROOT / "src" / "clearprop"
    files = [path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    hidden = [path for path in files if any(part[0] == "." for part in path.relative_to(package).parts)]
    return sum(path.stat().st_size for path in set(files) - set(hidden))


def ours(scale: Scale, whole: bool) -> Run:
    """clearprop alone, or with what it depends on."""
    total = our_files()
    if whole:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        total += sum(installed(name) for name in needed(project["dependencies"]))
    return lambda: float(total)


def theirs(scale: Scale, name: str, whole: bool) -> Run:
    """A rival alone, or with what it depends on."""
    total = installed(name)
    if whole:
        total += sum(installed(each) for each in needed(distribution(name).requires or []))
    return lambda: float(total)


ROWS = [
    Row(
        family="size",
        name=name,
        ours=partial(ours, whole=whole),
        rivals={
            "PyTorch": partial(theirs, name="torch", whole=whole),
            "scikit-learn": partial(theirs, name="scikit-learn", whole=whole),
        },
        unit="B",
        threaded=False,
    )
    for name, whole in (("installed, alone", False), ("installed, all it needs", True))
]
