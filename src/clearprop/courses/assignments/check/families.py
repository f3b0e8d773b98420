"""Where each course's checks are."""

from importlib import import_module
from typing import cast

from clearprop.courses.assignments.check.case import Check

FAMILIES = ("cs189", "cs189_functions", "cmu10701", "nndl")


def checks_of(family: str, course: str = "") -> tuple[Check, ...]:
    """A family's checks, in the order of the documents; for courses that differ in them, those of one."""
    assert family in FAMILIES, family
    module = import_module(f"clearprop.courses.assignments.check.{family}")
    by_course: dict[str, tuple[Check, ...]] = getattr(module, "CHECKS_BY_COURSE", {})
    return by_course.get(course) or cast("tuple[Check, ...]", module.CHECKS)
