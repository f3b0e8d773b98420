"""Laying out a folder: whole or not at all, and nothing that was there is touched."""

from pathlib import Path

import numpy as np
import pytest

from clearprop.courses.assignments import materials
from clearprop.courses.assignments import start as module
from clearprop.courses.assignments.catalog import COURSES, Course, course
from clearprop.courses.assignments.materials import Material
from clearprop.courses.assignments.start import bring_data, course_of, files_of, start
from clearprop.errors import ConfigError, DataError, FileError

CODE = "def f(x):\n    # BEGIN SOLUTION: double x\n    return 2 * x\n    # END SOLUTION\n"


def write_note(folder):
    (folder / "numbers.txt").write_text("4 2")


def never(folder):
    raise DataError("digits.gz: there is no such file. Run `clearprop data fetch digits`.")


def fake(**known):
    fields = {
        "key": "fake-26", "title": "Fake", "about": "nothing", "templates": ("base", "edition"), "data": (),
        "commands": ("python f.py",), "family": "cs189", "dialect": "", "expected": (write_note,),
    }  # fmt: skip
    return Course(**(fields | known))


@pytest.fixture
def templates(tmp_path, monkeypatch):
    root = tmp_path / "templates"
    for name, text in {
        "base/f.py": CODE, "base/README.md": "base", "edition/README.md": "edition", "base/sub/p.bin": "raw",
        "base/__pycache__/f.pyc": "no",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(module, "TEMPLATES", root)
    return root


def test_a_folder_for_a_student_and_a_complete_one(templates, tmp_path):
    files = start(fake(), tmp_path / "hw")
    assert sorted(files) == ["README.md", "f.py", "sub/p.bin"]
    assert "still to be written" in (tmp_path / "hw/f.py").read_text()
    assert (tmp_path / "hw/README.md").read_text() == "edition"  # the later folder's
    assert (tmp_path / "hw/numbers.txt").read_text() == "4 2"
    start(fake(), tmp_path / "whole", solution=True)
    assert (tmp_path / "whole/f.py").read_text() == "def f(x):\n    return 2 * x\n"


@pytest.mark.parametrize("there", ["a folder that is not empty", "a file"])
def test_what_is_there_stays(templates, tmp_path, there):
    target = tmp_path / "hw"
    if there == "a file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine.py").write_text("mine")
    with pytest.raises(FileError, match=f"hw: there is already {there}. Choose another name"):
        start(fake(), target)
    assert target.read_text() == "mine" if there == "a file" else (target / "mine.py").read_text() == "mine"


def test_an_empty_folder_is_filled(templates, tmp_path):
    (tmp_path / "hw").mkdir()
    start(fake(), tmp_path / "hw")
    assert (tmp_path / "hw/f.py").exists()


def test_missing_data_leave_nothing_behind(templates, tmp_path):
    lacking = fake(data=(Material("digits", never),))
    with pytest.raises(DataError, match=r"clearprop data fetch digits.*course start fake-26 hw --no-data"):
        start(lacking, tmp_path / "hw")
    assert [path.name for path in tmp_path.iterdir()] == ["templates"]
    start(lacking, tmp_path / "hw", data=False)
    with pytest.raises(DataError, match="fetch digits"):
        bring_data(lacking, tmp_path / "hw")


def test_the_folder_knows_its_course(tmp_path):
    (tmp_path / ".clearprop-course.json").write_text('{"course": "cmu10701-s21"}')
    assert course_of(tmp_path).key == "cmu10701-s21"
    assert course_of(tmp_path, "c147-w25").key == "c147-w25"
    for wrong in ("{", '{"cours": 1}', "[]"):
        (tmp_path / ".clearprop-course.json").write_text(wrong)
        with pytest.raises(ConfigError, match=r"cannot tell which course.*--course"):
            course_of(tmp_path)
    with pytest.raises(FileError, match="no such folder"):
        course_of(tmp_path / "none")


def test_an_unknown_course_gets_the_nearest():
    with pytest.raises(ConfigError, match="cs189-sp23"):
        course("cs189-sp32")


@pytest.mark.parametrize("key", COURSES)
def test_every_course_lays_out_both_ways(key, tmp_path):
    which = COURSES[key]
    names = list(files_of(which))
    assert "README.md" in names
    for solution in (False, True):
        folder = tmp_path / str(solution)
        assert start(which, folder, solution, data=False) == names
        for path in folder.rglob("*.py"):
            compile(path.read_text(encoding="utf-8"), path.name, "exec")
            assert "SOLUTION" not in path.read_text(encoding="utf-8")
        missing = [
            p for p in folder.rglob("*.py") if "is still to be written" in p.read_text(encoding="utf-8")
        ]
        assert bool(missing) != solution
        assert "import clearprop" not in "".join(p.read_text(encoding="utf-8") for p in folder.rglob("*.py"))


def load(folder, name, part):
    return [np.load(folder / f"datasets/{name}/{name}_{part}_{what}.npy") for what in ("data", "labels")]


def test_iris_comes_cut_105_15_30(tmp_path):
    materials.iris(tmp_path)
    shapes = [tuple(a.shape for a in load(tmp_path, "iris", part)) for part in ("train", "val", "test")]
    assert shapes == [((105, 4), (105, 3)), ((15, 4), (15, 3)), ((30, 4), (30, 3))]


@pytest.mark.data("iris/cs189/iris_train_data.npy")
@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_iris_is_the_courses_number_for_number(part, tmp_path, data_folder):
    materials.iris(tmp_path)
    for ours, what in zip(load(tmp_path, "iris", part), ("data", "labels"), strict=True):
        theirs = np.load(data_folder / f"iris/cs189/iris_{part}_{what}.npy")
        np.testing.assert_array_equal(ours, theirs)


def test_sine_waves_are_samples_features_steps(tmp_path):
    materials.sine_waves(tmp_path)
    x, y = load(tmp_path, "sinewave", "train")
    assert x.shape == (7000, 1, 20)
    assert y.shape == (7000, 1)
    # a sine wave's next value follows from the last two: y = 2cos(ω)x_t − x_{t−1}
    ratio = (x[:, 0, 2:] + x[:, 0, :-2]) / (2 * x[:, 0, 1:-1])
    cos = np.median(ratio, axis=1)
    np.testing.assert_allclose(2 * cos * x[:, 0, -1] - x[:, 0, -2], y[:, 0], atol=1e-6)


@pytest.mark.data("higgs")
def test_higgs_has_no_labels_in_its_test_part(tmp_path):
    materials.higgs(tmp_path)
    x, y = load(tmp_path, "higgs", "train")
    assert x.shape == (25_298, 28)
    assert y.shape == (25_298, 2)
    np.testing.assert_array_equal(y.sum(axis=1), 1)
    names = sorted(path.name for path in (tmp_path / "datasets/higgs").iterdir())
    assert "higgs_test_data.npy" in names
    assert "higgs_test_labels.npy" not in names


@pytest.mark.data("cmu-mnist")
def test_cmu_digits_are_plain_csv(tmp_path):
    materials.cmu_digits(tmp_path)
    for name, rows in (("train", 3000), ("test", 1000)):
        lines = (tmp_path / f"training_data_student/{name}.csv").read_text().splitlines()
        assert len(lines) == rows
        assert {line.count(",") for line in lines} == {784}


@pytest.mark.data("mnist")
def test_mnist_is_the_four_original_files(tmp_path):
    materials.mnist(tmp_path)
    assert len(list((tmp_path / "mnist").glob("*-ubyte.gz"))) == 4


def test_missing_higgs_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="HIGGS"):
        materials.higgs(tmp_path)
    assert not list(Path(tmp_path).rglob("*.npy"))
