"""C147's checks: the solution passes, wrong ones are caught and named, other right ones pass."""

import shutil
import sys
import warnings

import pytest
from c147_other import LOOPED_NET, OTHER_DROPOUT, OTHER_LAYERS, WITHOUT_LATER, WRONG_LATER
from c147_wrong import CNN, CONV, FC, LAYERS, NET, OPTIM, WRONG
from students import changed, outcomes

from clearprop.courses.assignments.catalog import course
from clearprop.courses.assignments.check.__main__ import _in_words
from clearprop.courses.assignments.check.nndl import CHECKS
from clearprop.courses.assignments.check.runner import run_checks
from clearprop.errors import ConfigError

KEY = "c147-w25"
NOW = [check.name for check in CHECKS if not check.extra]
LATER = [check.name for check in CHECKS if check.extra]


@pytest.fixture
def checked(monkeypatch):
    """Run one check on a folder in this process, and forget the folder's modules afterwards."""

    def run(folder, name):
        forget()
        monkeypatch.syspath_prepend(folder)
        check = next(check for check in CHECKS if check.name == name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                check.run()
            except BaseException as err:
                status, text = _in_words(err, folder)
                return status, " ".join(text.split())
        return "passed", ""

    def forget():
        for module in [name for name in sys.modules if name.split(".")[0] in ("nndl", "utils")]:
            del sys.modules[module]

    yield run
    forget()


def test_the_points_are_the_documents():
    points = {check.name: check.points for check in CHECKS if not check.extra}
    assert sum(value for name, value in points.items() if name.startswith("two-layer net")) == 30
    assert sum(points.values()) == 50
    assert all(
        check.points is None and check.name.startswith(("HW4: ", "HW5: ")) for check in CHECKS if check.extra
    )


def test_the_solution_passes_all_checks(complete):
    assert outcomes(KEY, complete) == dict.fromkeys(NOW, ("passed", ""))


def test_later_homeworks_are_checked_where_they_are_asked_for(complete):
    assert outcomes(KEY, complete, only="hw") == dict.fromkeys(LATER, ("passed", ""))
    assert list(outcomes(KEY, complete, only="HW4: drop")) == [
        "HW4: dropout_forward",
        "HW4: dropout_backward",
    ]
    assert list(outcomes(KEY, complete, only="fullyconnected")) == [n for n in NOW if n.startswith("Fully")]
    with pytest.raises(ConfigError, match=r"has 'dropout' in its name\. There are: .*HW4: dropout_forward"):
        next(run_checks(course(KEY), complete, only="dropout"))


def test_a_students_parts_are_to_be_written(empty):
    for status, text in [*outcomes(KEY, empty).values(), *outcomes(KEY, empty, only="HW5").values()]:
        assert status == "to write"
        assert text.startswith("nndl/")
        assert text.endswith("is still to be written.")


@pytest.mark.parametrize("name", [name for name in LATER if name.startswith("HW4")])
def test_later_parts_are_to_be_written(empty, checked, name):
    status, text = checked(empty, name)
    assert status == "to write"
    assert text.endswith("is still to be written.")


CASES = [
    pytest.param(check, file, changes, words, id=f"{check}, {what}")
    for check, (file, cases) in (WRONG | WRONG_LATER).items()
    for what, changes, words in cases
]


def test_every_check_has_a_wrong_solution():
    assert list(WRONG | WRONG_LATER) == NOW + LATER


@pytest.mark.parametrize(("check", "file", "changes", "words"), CASES)
def test_a_wrong_solution_is_caught_and_named(complete, checked, tmp_path, check, file, changes, words):
    status, text = checked(changed(complete, tmp_path / "wrong", file, *changes), check)
    assert status == "failed"
    assert words in text


def test_a_right_solution_in_another_style_passes(complete, checked, tmp_path):
    other = changed(complete, tmp_path / "other", LAYERS, *OTHER_LAYERS, *OTHER_DROPOUT)
    (other / NET).write_text(LOOPED_NET)
    assert {name: checked(other, name) for name in NOW + LATER} == dict.fromkeys(NOW + LATER, ("passed", ""))


def test_homework_3_needs_no_later_parts(empty, complete, checked, tmp_path):
    half = changed(complete, tmp_path / "half", FC, *WITHOUT_LATER)
    for name in (OPTIM, CONV, CNN):
        shutil.copyfile(empty / name, half / name)
    part = slice_of((empty / LAYERS).read_text())
    whole = (complete / LAYERS).read_text()
    (half / LAYERS).write_text(whole.replace(slice_of(whole), part))
    assert {checked(half, name) for name in NOW} == {("passed", "")}
    assert checked(half, "HW4: dropout_forward")[0] == "to write"


def slice_of(layers):
    """What belongs to homework 4."""
    return layers[layers.index("def batchnorm_forward") : layers.index("def svm_loss")]


def test_a_missing_name_is_said(complete, checked, tmp_path):
    wrong = changed(complete, tmp_path / "wrong", LAYERS, ("def svm_loss", "def hinge_loss"))
    assert checked(wrong, "affine_forward") == ("passed", "")
    renamed = changed(complete, tmp_path / "renamed", LAYERS, ("def affine_backward", "def affine_back"))
    assert checked(renamed, "affine_backward") == (
        "failed", "nndl/layers.py has no affine_backward. Has it another name there?",
    )  # fmt: skip
