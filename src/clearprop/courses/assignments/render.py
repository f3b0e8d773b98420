"""A template's text as a student gets it, with the parts to write left out, or complete.

Marks in a template stand on lines of their own:

    # BEGIN SOLUTION: what is to be written here        left out for students, who get the hint and an error
    # END SOLUTION
    # BEGIN SOLUTION cs189-sp23: the hint               left out in these courses alone; others' students get it
    # END SOLUTION
    # ONLY student                                      or solution, or a course's key, or several of these
    # END ONLY
    # ONLY solution or cs189-sp20                       where one of these is met
    # END ONLY

A student's part becomes a comment with the hint and a `raise NotImplementedError` that says what is missing. A course
may have words of its own for that comment, `Course.mark`; they stand on a line above the hint.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_BEGIN = re.compile(r"^(\s*)# BEGIN SOLUTION((?: [\w-]+)*)(?::\s*(.*))?$")
_END = re.compile(r"^\s*# END SOLUTION$")
_ONLY = re.compile(r"^\s*# ONLY (.+)$")
_END_ONLY = re.compile(r"^\s*# END ONLY$")
_NAMED = re.compile(r"^(\s*)(?:def|class) (\w+)")
WIDTH = 100


def render(text: str, name: str, course: str, solution: bool, mark: str = "") -> str:
    """A template file's text for a course, complete or with the parts to write left out.

    Parameters
    ----------
    text : str
        The template. Where `name` ends in .ipynb, its cells are rendered one by one.
    name : str
        The file's path in the folder, for the sentence that says what is still to be written.
    course : str
        The course's key: parts marked for other courses are left out.
    solution : bool
        Whether to keep the solutions.
    mark : str
        The line above each part to write, in the course's own words; without it, "# YOUR CODE HERE" and the hint.
    """
    if not name.endswith(".ipynb"):
        return "".join(_lines(text.splitlines(keepends=True), name, course, solution, mark))
    notebook: dict[str, Any] = json.loads(text)
    cells = [
        cell | {"source": list(_lines(_source(cell), f"{name}, cell {i}", course, solution, mark))}
        for i, cell in enumerate(notebook["cells"], 1)
    ]
    notebook["cells"] = [cell for cell in cells if "".join(cell["source"]).strip()]
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _source(cell: dict[str, Any]) -> list[str]:
    return "".join(cell["source"]).splitlines(keepends=True)


def _lines(lines: list[str], name: str, course: str, solution: bool, mark: str) -> Iterator[str]:
    wanted, inside, hidden = True, False, False
    kept: list[str] = []  # what stands above, to know the function that a part belongs to
    for number, line in enumerate(lines, 1):
        bare = line.rstrip("\n")
        if only := _ONLY.match(bare):
            wanted = any(_meant(words.split(), course, solution) for words in only[1].split(" or "))
        elif _END_ONLY.match(bare):
            wanted = True
        elif not wanted:
            continue
        elif begin := _BEGIN.match(bare):
            assert not inside, f"{name}, line {number}: a solution inside a solution"
            inside, courses = True, begin[2].split()
            hidden = not solution and (not courses or course in courses)
            if hidden:
                yield from _to_write(begin[1], begin[3] or "", name, _enclosing(kept, begin[1]), mark)
        elif _END.match(bare):
            assert inside, f"{name}, line {number}: the end of a solution that did not begin"
            inside = hidden = False
        elif not hidden:
            kept.append(line)
            yield line
    assert not inside, f"{name}: a solution without an end"
    assert wanted, f"{name}: a part for some courses alone has no end"


def _meant(words: list[str], course: str, solution: bool) -> bool:
    versions = {"solution", "student"} & set(words)
    courses = set(words) - versions
    return (not courses or course in courses) and (
        not versions or ("solution" if solution else "student") in versions
    )


def _to_write(indent: str, hint: str, name: str, function: str, mark: str) -> Iterator[str]:
    what = f"{name}: {function} is still to be written." if function else f"{name}: still to be written."
    if mark:
        yield f"{indent}{mark}\n"
    elif hint:
        hint = f"YOUR CODE HERE: {hint}"
    else:
        hint = "YOUR CODE HERE"
    yield from (f"{indent}# {line}\n" for line in _wrapped(hint))
    yield f'{indent}raise NotImplementedError("{what}")\n'


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH - 12)


def _enclosing(above: list[str], indent: str) -> str:
    """The name of the function that a part stands in, with its class: `Conv2D.forward`."""
    names: list[str] = []
    depth = len(indent)
    for line in reversed(above):
        named = _NAMED.match(line)
        if named and len(named[1]) < depth:
            names.insert(0, named[2])
            depth = len(named[1])
    return ".".join(names)
