"""Templates: what a student gets, what the solution keeps, and what breaks a template."""

import json

import pytest

from clearprop.courses.assignments.render import render

TEMPLATE = '''"""A module."""


class Layer:
    def forward(self, x):
        """y = 2x"""
        # BEGIN SOLUTION: double it
        return 2 * x
        # END SOLUTION

    def given(self):
        return 1


# ONLY solution
def helper():
    return 3


# END ONLY
# ONLY other-course
SECRET = 4
# END ONLY
'''


def load(text):
    space = {}
    exec(compile(text, "template", "exec"), space)
    return space


def test_the_solution_keeps_all_and_shows_no_mark():
    text = render(TEMPLATE, "layer.py", "this-course", solution=True)
    space = load(text)
    assert space["Layer"]().forward(2) == 4
    assert space["helper"]() == 3
    assert "SECRET" not in space
    assert "SOLUTION" not in text
    assert "ONLY" not in text


def test_a_student_gets_the_hint_and_a_sentence():
    text = render(TEMPLATE, "layer.py", "this-course", solution=False)
    space = load(text)
    assert "2 * x" not in text
    assert "# YOUR CODE HERE: double it" in text
    assert "helper" not in space
    assert space["Layer"]().given() == 1
    with pytest.raises(NotImplementedError, match=r"^layer\.py: Layer\.forward is still to be written\.$"):
        space["Layer"]().forward(2)


def test_a_course_has_its_own_words_for_what_is_to_be_written():
    text = render(TEMPLATE, "layer.py", "this-course", solution=False, mark="### TYPE HERE ###")
    assert "        ### TYPE HERE ###\n        # double it\n        raise NotImplementedError(" in text
    assert "YOUR CODE" not in text


def test_a_part_for_one_course_stays_in_that_course():
    assert load(render(TEMPLATE, "layer.py", "other-course", solution=True))["SECRET"] == 4


def test_a_part_can_be_for_one_course_and_one_version():
    text = "# ONLY student other-course\nx = 1\n# END ONLY\ny = 2\n"
    assert "x = 1" in render(text, "a.py", "other-course", solution=False)
    assert render(text, "a.py", "other-course", solution=True) == "y = 2\n"
    assert render(text, "a.py", "this-course", solution=False) == "y = 2\n"


def test_a_part_can_be_for_either_of_two():
    text = "# ONLY solution or other-course\nx = 1\n# END ONLY\ny = 2\n"
    for course, solution, kept in (("a", True, True), ("a", False, False), ("other-course", False, True)):
        assert ("x = 1" in render(text, "a.py", course, solution)) is kept


def test_a_part_to_write_can_be_one_in_some_courses_alone():
    text = "def f():\n    # BEGIN SOLUTION new-course: add one\n    return 1\n    # END SOLUTION\n"
    assert render(text, "a.py", "old-course", solution=False) == "def f():\n    return 1\n"
    student = render(text, "a.py", "new-course", solution=False)
    assert "return 1" not in student
    assert "# YOUR CODE HERE: add one" in student
    assert "a.py: f is still to be written." in student


def test_a_notebook_is_rendered_cell_by_cell():
    cells = [
        {"cell_type": "code", "source": "x = 1\n# BEGIN SOLUTION\nx = 2\n# END SOLUTION\nprint(x)"},
        {"cell_type": "markdown", "source": ["# ONLY solution\n", "The answer.\n", "# END ONLY\n"]},
    ]
    text = json.dumps({"cells": cells, "nbformat": 4})
    student = json.loads(render(text, "net.ipynb", "c", solution=False))["cells"]
    assert len(student) == 1  # the other one would be empty
    source = "".join(student[0]["source"])
    with pytest.raises(NotImplementedError, match=r"net\.ipynb, cell 1: still to be written"):
        load(source)
    whole = json.loads(render(text, "net.ipynb", "c", solution=True))["cells"]
    assert load("".join(whole[0]["source"]))["x"] == 2
    assert "".join(whole[1]["source"]) == "The answer.\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# BEGIN SOLUTION\nx = 1\n", "without an end"),
        ("# END SOLUTION\n", "did not begin"),
        ("# BEGIN SOLUTION\n# BEGIN SOLUTION\n", "inside a solution"),
        ("# ONLY other\nx = 1\n", "has no end"),
    ],
)
def test_a_broken_template_is_refused(text, words):
    with pytest.raises(AssertionError, match=words):
        render(text, "a.py", "this", solution=True)
