"""CS 189's checks: the subjects of its 25 tests under their names, on other numbers, and what the tests do not see."""

from clearprop.courses.assignments.check.case import Check
from clearprop.courses.assignments.check.cs189_dense import dense_checks, elman_checks, flatten_checks
from clearprop.courses.assignments.check.cs189_images import conv_checks, pool_checks
from clearprop.courses.assignments.check.cs189_models import model_checks
from clearprop.courses.assignments.check.cs189_numbers import activation_checks, loss_checks


def _checks(half: bool, recurrent: bool) -> tuple[Check, ...]:
    """An edition's: which L2 it has, and whether it asks for the recurrent layer."""
    return (
        *activation_checks(),
        *dense_checks(),
        *loss_checks(half),
        *model_checks(),
        *(check._replace(extra=not recurrent) for check in elman_checks()),
        *conv_checks(),
        *pool_checks(),
        *flatten_checks(),
    )


CHECKS = _checks(half=True, recurrent=False)
CHECKS_BY_COURSE = {"cs189-sp23": CHECKS, "cs189-sp20": _checks(half=False, recurrent=True)}
