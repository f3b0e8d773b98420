"""Students' folders for tests: laid out, changed, checked, and with their own commands run in them."""

import os
import shutil
import subprocess
import sys

from clearprop.courses.assignments.catalog import course
from clearprop.courses.assignments.check.runner import run_checks
from clearprop.courses.assignments.start import start


def laid_out(key, folder, solution):
    """A course's folder without its data sets."""
    start(course(key), folder, solution=solution, data=False)
    return folder


def changed(folder, copy, name, *replacements):
    """A copy of the folder with parts of one file's text replaced; each part must stand there once."""
    shutil.copytree(folder, copy)
    text = (copy / name).read_text(encoding="utf-8")
    for old, new in replacements:
        assert text.count(old) == 1, f"{name} holds {text.count(old)} times: {old}"
        text = text.replace(old, new)
    (copy / name).write_text(text, encoding="utf-8")
    return copy


def outcomes(key, folder, only=""):
    """The status and text of each check by its name, the text on one line."""
    return {o.check.name: (o.status, " ".join(o.text.split())) for o in run_checks(course(key), folder, only)}


def in_folder(folder, *command):
    """Run Python in the folder, where nothing but installed packages can be imported; exit code and all output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", *command], cwd=folder, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr
