"""`clearprop course`: lists, folders, checks, hand-ins, answers, experiments; and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from clearprop.courses.assignments.catalog import COURSES
from clearprop.courses.assignments.experiments import Experiment, families


@pytest.fixture
def hw(clearprop):
    """A student's folder of CMU's course, as it is at the beginning."""
    clearprop("course", "start", "cmu10701-s21", "hw", "--no-data")
    return Path("hw")


def test_the_list_fits_the_screen_and_names_all(clearprop):
    out = clearprop("course", "list").out
    assert all(key in out for key in COURSES)
    assert max(map(len, out.splitlines())) <= 80


def test_start_says_what_to_do_next(clearprop):
    out = clearprop("course", "start", "cmu10701-s21", "hw", "--no-data").out
    for line in ("cd hw", "python run_tests.py", "clearprop course data hw", "clearprop course check hw"):
        assert line in out
    assert Path("hw/hw3_lib.py").exists()


def test_start_refuses_what_is_there_and_what_it_does_not_know(clearprop, hw):
    before = sorted(hw.rglob("*"))
    err = clearprop("course", "start", "cmu10701-s21", "hw", code=2).err
    assert "there is already a folder that is not empty" in err
    assert sorted(hw.rglob("*")) == before
    assert "Did you mean 'c147-w25'" in clearprop("course", "start", "c147-w52", "x", code=2).err


def test_start_without_the_data_names_the_command_that_brings_them(clearprop):
    err = clearprop("course", "start", "cs189-fa22", "hw", code=2).err
    assert "clearprop data fetch mnist" in err
    assert "clearprop course start cs189-fa22 hw --no-data" in err
    assert list(Path().iterdir()) == []
    clearprop("course", "start", "cs189-fa22", "hw", "--no-data")
    assert "clearprop data fetch mnist" in clearprop("course", "data", "hw", code=2).err


@pytest.mark.data("cmu-mnist")
def test_data_come_later(clearprop, hw):
    clearprop("course", "data", "hw")
    rows = np.loadtxt(hw / "training_data_student/test.csv", delimiter=",", max_rows=3)
    assert rows.shape == (3, 785)


def test_check_counts_and_says_what_is_to_be_written(clearprop, hw):
    out = clearprop("course", "check", "hw", code=1).out
    assert "to write" in out
    assert "hw3_lib.py: Linear.forward is still to be written." in out
    assert "0 of 6 passed, 0 of 50 points." in out
    assert max(map(len, out.splitlines())) <= 100  # a sentence may be longer than the screen, not much


def test_check_passes_a_complete_folder(clearprop):
    clearprop("course", "start", "cmu10701-s21", "hw", "--solution", "--no-data")
    assert "6 of 6 passed, 50 of 50 points." in clearprop("course", "check", "hw").out


def test_check_one_alone(clearprop, hw):
    out = clearprop("course", "check", "hw", "--only", "sigmoid", code=1).out
    assert "0 of 1 passed" in out
    err = clearprop("course", "check", "hw", "--only", "sigmund", code=2).err
    assert "no check of cmu10701-s21 has 'sigmund' in its name. There are: Linear" in err


def test_a_folder_that_says_nothing_needs_the_course(clearprop, hw):
    (hw / ".clearprop-course.json").unlink()
    assert "Say so with --course" in clearprop("course", "check", "hw", code=2).err
    clearprop("course", "check", "hw", "--only", "sigmoid", "--course", "cmu10701-s21", code=1)


def test_a_hand_in(clearprop, hw):
    done = clearprop("course", "submit", "hw", "--format", "latex")
    out = done.out
    assert done.err == "Parts are still to be written in hw3_lib.py, hw3_sol.py.\n"
    assert out.splitlines() == ["hw/submission/code.zip", "hw/submission/code.tex"]
    assert Path("hw/submission/code.tex").read_text(encoding="utf-8").startswith("\\documentclass")


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_answers_on_the_screen_and_into_a_file(clearprop, form):
    out = clearprop("course", "answers", "cmu10701-s21", "--format", form).out
    assert "1.9772" in out
    clearprop("course", "answers", "cmu10701-s21", "--format", form, "--out", "answers.txt")
    assert Path("answers.txt").read_text(encoding="utf-8").strip() == out.strip()


@pytest.mark.parametrize("key", COURSES)
def test_every_course_has_experiments(clearprop, key):
    out = clearprop("course", "run", key).out
    assert len(out.strip().splitlines()) > 3
    assert max(map(len, out.splitlines())) <= 80


@pytest.fixture
def experiments(monkeypatch):
    """Two of our own in the place of the course's: one that works, one that breaks off."""

    def good(out, say):
        say("halfway")
        (out / "results.md").write_text("done")

    def bad(out, say):
        (out / "half.csv").write_text("1")
        raise KeyboardInterrupt

    monkeypatch.setattr(
        families, "experiments_of", lambda which: (Experiment("good", "", good), Experiment("bad", "", bad))
    )


def test_an_experiment_writes_into_a_new_folder(clearprop, experiments):
    out = clearprop("course", "run", "cmu10701-s21", "good").out
    assert out.splitlines() == ["halfway", "experiments/cmu10701-s21-good/results.md"]
    err = clearprop("course", "run", "cmu10701-s21", "good", code=2).err
    assert "there is something already. Choose another folder with --out" in err
    clearprop("course", "run", "cmu10701-s21", "good", "--out", "other")
    assert Path("other/results.md").read_text() == "done"


def test_an_experiment_that_breaks_off_leaves_nothing(clearprop, experiments):
    clearprop("course", "run", "cmu10701-s21", "bad", code=None)
    assert not Path("experiments/cmu10701-s21-bad").exists()


def test_an_unknown_experiment_gets_the_nearest(clearprop, experiments):
    assert "Did you mean 'good'" in clearprop("course", "run", "cmu10701-s21", "goood", code=2).err
