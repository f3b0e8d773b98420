"""One check, in a process of its own: `python -P -m clearprop.courses.assignments.check FAMILY COURSE NUMBER REPORT`.

The working directory is the copy of the student's folder. The report is a JSON file outside of it.
"""

import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from types import TracebackType

from clearprop.courses.assignments.check.case import Mismatch
from clearprop.courses.assignments.check.families import checks_of


def main(family: str, course: str, number: int, report: Path) -> None:
    """Run the check and write {status, text}; a student's `sys.exit` or `os._exit` leaves a report, or none."""
    folder = Path.cwd()
    sys.path.insert(0, str(folder))
    warnings.simplefilter("ignore")
    check = checks_of(family, course)[number]
    try:
        check.run()
    except BaseException as err:
        status, text = _in_words(err, folder)
    else:
        status, text = "passed", ""
    report.write_text(json.dumps({"status": status, "text": text}), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # whatever threads or exit handlers the student's code has left


def _in_words(err: BaseException, folder: Path) -> tuple[str, str]:
    if isinstance(err, Mismatch):
        return "failed", str(err)
    place = _place(err.__traceback__, folder)
    if isinstance(err, NotImplementedError):
        return "to write", str(err) or f"{place}: still to be written."
    if isinstance(err, SystemExit):
        return "failed", (
            f"{place or 'The code'} calls sys.exit({err.code!r}): that ends the whole program. Take it out, or put it "
            'under `if __name__ == "__main__":`.'
        )
    if isinstance(err, SyntaxError):
        name = Path(err.filename or "?")
        where = name.relative_to(folder) if name.is_relative_to(folder) else name
        line = f"\n    {err.text.strip()}" if err.text else ""
        return "failed", f"{where}, line {err.lineno}: {type(err).__name__}: {err.msg}.{line}"
    if isinstance(err, ModuleNotFoundError | ImportError) and not place:
        return "failed", f"{err}. Is the file there, under the name that the assignment gives it?"
    if isinstance(err, AttributeError | KeyError) and not place:
        what = f"the key {err}" if isinstance(err, KeyError) else str(err)
        return "failed", f"What the check looks for is missing: {what}. Was it renamed, or is it never set?"
    return "failed", f"{place or 'The check'}: {''.join(traceback.format_exception_only(err)).strip()}"


def _place(trace: TracebackType | None, folder: Path) -> str:
    """The last line of the student's own code, with its file and number."""
    frames = [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).is_relative_to(folder)]
    if not frames:
        return ""
    last = frames[-1]
    name = Path(last.filename).relative_to(folder).as_posix()
    return f"{name}, line {last.lineno}, in {last.name}" + (f" (`{last.line}`)" if last.line else "")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
