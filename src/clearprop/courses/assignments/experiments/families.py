"""Which experiments a course has, and how one is run: into a folder that is new, and kept only when it is whole."""

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from clearprop.courses.assignments.catalog import Course
from clearprop.courses.assignments.experiments import Experiment
from clearprop.errors import FileError
from clearprop.files import make_folder
from clearprop.names import unknown

FAMILIES = ("cs189", "cs189_functions", "cmu10701", "nndl")


def experiments_of(which: Course) -> tuple[Experiment, ...]:
    """A course's experiments, in the order of its document; a family's courses may have their own."""
    assert which.family in FAMILIES, which.family
    module = import_module(f"clearprop.courses.assignments.experiments.{which.family}")
    by_course: dict[str, tuple[Experiment, ...]] = getattr(module, "EXPERIMENTS_BY_COURSE", {})
    return by_course.get(which.key) or cast("tuple[Experiment, ...]", module.EXPERIMENTS)


def run_experiment(which: Course, name: str, out: Path | None, say: Callable[[str], None]) -> Path:
    """Run an experiment into `out`, by default `experiments/COURSE-EXPERIMENT`; the folder that it has written.

    Raises
    ------
    ConfigError
        For an unknown name.
    FileError
        When the folder exists and holds something.
    """
    known = {experiment.name: experiment for experiment in experiments_of(which)}
    if name not in known:
        raise unknown(f"course run {which.key}", "experiment", name, known)
    folder = out or Path("experiments") / f"{which.key}-{name}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileError(
            f"{folder}: there is something already. Choose another folder with --out, or move it away."
        )
    existed = folder.exists()
    make_folder(folder)
    try:
        known[name].run(folder, say)
    except BaseException:
        if not existed:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder
