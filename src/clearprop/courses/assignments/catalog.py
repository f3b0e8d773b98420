"""The courses: what each assignment is called, what lies in its folder, and how its own tests are run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clearprop.courses.assignments import materials
from clearprop.courses.assignments.expected import cmu10701, cs189, cs189_functions
from clearprop.courses.assignments.materials import Material
from clearprop.names import unknown

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Course:
    """One assignment.

    Attributes
    ----------
    key : str
        Its name on the command line.
    title : str
        The course, term and homework.
    about : str
        What is built in it, in a line.
    templates : tuple of str
        Folders of `templates/`; a file of a later one takes the place of an earlier one's.
    data : tuple of Material
        What lies beside the code.
    expected : tuple of callable
        Each writes numbers that the folder's own tests compare with into it.
    commands : tuple of str
        How the course itself runs the tests and scripts, in its folder.
    family : str
        The module of checks, answers and experiments that belongs to it.
    hand_in : tuple of str
        The files that the course takes, where it takes nothing else; none: all code.
    dialect : str
        The module whose names are the course's.
    mark : str
        The line above each part to write, where the course has words of its own.
    """

    key: str
    title: str
    about: str
    templates: tuple[str, ...]
    data: tuple[Material, ...]
    commands: tuple[str, ...]
    family: str
    dialect: str
    expected: tuple[Callable[[Path], None], ...] = ()
    hand_in: tuple[str, ...] = ()
    mark: str = ""


_IRIS = Material("Iris, as the course cuts it", materials.iris)
_SINE = Material("sine waves", materials.sine_waves)
_HIGGS = Material("HIGGS, 35,298 collisions", materials.higgs)

COURSES = {
    course.key: course
    for course in (
        Course(
            "cs189-sp23",
            "Berkeley CS 189/289A, Spring 2023, HW6",
            "a package of layers; convolution and pooling; Iris; 25 unit tests",
            ("cs189",),
            (_IRIS, _SINE),
            ("python -m unittest -v", "python train_ffnn.py"),
            "cs189",
            "clearprop.courses.cs189",
            expected=(cs189.write_tests_data,),
        ),
        Course(
            "cs189-sp20",
            "Berkeley CS 189/289A, Spring 2020, HW6",
            "the same package with recurrence, sine waves and HIGGS",
            ("cs189", "cs189-sp20"),
            (_IRIS, _SINE, _HIGGS),
            ("python -m unittest -v", "python train_ffnn.py", "python train_rnn.py", "python train_higgs.py"),
            "cs189",
            "clearprop.courses.cs189",
            expected=(cs189.write_tests_data,),
        ),
        Course(
            "cs189-fa22",
            "Berkeley CS 189/289A, Fall 2022, HW2",
            "plain functions; MNIST's threes and nines",
            ("cs189-fa22",),
            (Material("MNIST, 70,000 digits", materials.mnist),),
            ("python -m unittest -v", "python hw2.py", "python hw2.py train"),
            "cs189_functions",
            "clearprop.courses.cs189_functions",
            expected=(cs189_functions.toy_batch,),
        ),
        Course(
            "cmu10701-s21",
            "CMU 10-701, Spring 2021, HW3",
            "modules with forward and backward; 4,000 digits of MNIST",
            ("cmu10701-s21",),
            (Material("4,000 digits of MNIST", materials.cmu_digits),),
            ("python run_tests.py", "python hw3_sol.py"),
            "cmu10701",
            "clearprop.courses.cmu10701",
            expected=(cmu10701.write_cases,),
            hand_in=("hw3_lib.py", "hw3_sol.py"),
            mark="### TYPE HERE AND REMOVE `raise` below ###",
        ),
        Course(
            "c147-w25",
            "UCLA ECE C147/C247, Winter 2025, HW3",
            "a two-layer net, layers in pairs, a Solver; CIFAR-10; two notebooks",
            ("c147-w25",),
            (Material("CIFAR-10, 60,000 photos", materials.cifar_10),),
            ("jupyter notebook two_layer_nn.ipynb", "jupyter notebook FC_nets.ipynb"),
            "nndl",
            "clearprop.courses.nndl",
        ),
    )
}


def course(key: str) -> Course:
    """The course of this name; ConfigError names the nearest where there is none.

    >>> course("cmu10701-s21").title
    'CMU 10-701, Spring 2021, HW3'
    """
    if key not in COURSES:
        raise unknown("course", "course", key, COURSES)
    return COURSES[key]
