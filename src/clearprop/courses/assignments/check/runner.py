"""`clearprop course check`: every check on a fresh copy of the student's folder, two at a time."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Literal

from clearprop.courses.assignments.catalog import Course
from clearprop.courses.assignments.check.case import Check
from clearprop.courses.assignments.check.families import checks_of
from clearprop.errors import ConfigError

LEFT_OUT = shutil.ignore_patterns(
    "datasets", "training_data_student", "mnist", "cifar-10-batches-*", "experiments", "submission", "__pycache__",
    ".git", ".venv", "venv", ".ipynb_checkpoints", "*.npy", "*.gz", "*.zip",
)  # fmt: skip
PIECE, KEPT = 8192, 8  # bytes at a time, and how many such pieces, of what goes to standard error
Status = Literal["passed", "failed", "to write"]


@dataclass(frozen=True)
class Outcome:
    """What came of one check."""

    check: Check
    status: Status
    text: str

    @property
    def points(self) -> float:
        """The points earned."""
        return (self.check.points or 0.0) if self.status == "passed" else 0.0


def run_checks(
    which: Course, folder: Path, only: str = "", seconds: float | None = None
) -> Iterator[Outcome]:
    """Run a course's checks on a student's folder, and give each outcome as it is known, in order.

    Parameters
    ----------
    which : Course
    folder : Path
        The student's; it is copied for every check, so that nothing in it can be lost.
    only : str
        Part of the names of the checks to run; of extra ones, the names' beginning.
    seconds : float, optional
        A time limit for each, instead of the check's own.
    """
    checks = checks_of(which.family, which.key)
    chosen = [(i, check) for i, check in enumerate(checks) if _wanted(check, only.lower())]
    if not chosen:
        names = ", ".join(check.name for check in checks)
        raise ConfigError(
            f"course check: no check of {which.key} has {only!r} in its name. There are: {names}."
        )

    def run(item: tuple[int, Check]) -> Outcome:
        number, check = item
        return _run(which, number, check, folder, seconds or check.seconds)

    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        yield from pool.map(run, chosen)


def _wanted(check: Check, only: str) -> bool:
    name = check.name.lower()
    return bool(only) and name.startswith(only) if check.extra else only in name


def _run(which: Course, number: int, check: Check, folder: Path, seconds: float) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="clearprop-check-", ignore_cleanup_errors=True) as scratch:
        copy, report = Path(scratch) / folder.resolve().name, Path(scratch) / "report.json"
        shutil.copytree(folder, copy, ignore=LEFT_OUT)
        before = _files(copy)
        command = [
            sys.executable,
            "-P",
            "-m",
            "clearprop.courses.assignments.check",
            which.family,
            which.key,
            str(number),
            str(report),
        ]
        code, errors = _limited(command, copy, seconds)
        if code is None:
            return Outcome(
                check, "failed", f"not finished after {seconds:g} seconds: is there an endless loop?"
            )
        if not report.exists():
            last = f" Its last words: {errors.strip().splitlines()[-1]}" if errors.strip() else ""
            return Outcome(
                check, "failed", f"the process ended (exit code {code}) before the check was over.{last}"
            )
        found = json.loads(report.read_text(encoding="utf-8"))
        if gone := sorted(before - _files(copy)):
            names = ", ".join(gone[:3]) + (", …" if len(gone) > 3 else "")
            sentence = f"the code deletes files of its folder ({names}). This was a copy; take that out."
            return Outcome(check, "failed", f"{sentence}\n{found['text']}".rstrip())
        return Outcome(check, found["status"], found["text"])


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _limited(command: list[str], folder: Path, seconds: float) -> tuple[int | None, str]:
    """The exit code, None where the time ran out, and what went to standard error."""
    environment = os.environ | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
        "OPENBLAS_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, start_new_session=os.name == "posix",
    )  # fmt: skip
    last_words: deque[bytes] = deque(maxlen=KEPT)
    reader = Thread(target=_listen, args=(process, last_words), daemon=True)
    reader.start()
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        code = None
    _kill(process)
    reader.join()
    return code, b"".join(last_words).decode(errors="replace")


def _listen(process: "subprocess.Popen[bytes]", last_words: "deque[bytes]") -> None:
    """Read all that it says, and keep the end alone: code that never stops printing must not fill the memory."""
    assert process.stderr is not None
    with process.stderr as stream:
        while said := os.read(stream.fileno(), PIECE):
            last_words.append(said)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End it, and what it has started."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
