"""Where each course's answers are."""

from collections.abc import Callable
from importlib import import_module
from typing import cast

from clearprop.courses.assignments.catalog import course
from clearprop.lens.document import Document

FAMILIES = ("cs189", "cs189_functions", "cmu10701", "nndl")


def answers_of(key: str, say: Callable[[str], None] = lambda line: None) -> Document:
    """A course's written questions with their answers.

    Parameters
    ----------
    key : str
        The course's, as in the catalog; ConfigError for another.
    say : callable
        Takes a line on each step that takes long.
    """
    family = course(key).family
    assert family in FAMILIES, family
    module = import_module(f"clearprop.courses.assignments.answers.{family}")
    return cast(Document, module.answers(key, say))
