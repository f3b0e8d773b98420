"""ONNX's own test cases, run by our kernels: every case of the operators in scope.py runs or is listed there."""

from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
import pytest

from .adapters import ADAPTERS
from .cases import Case, load
from .scope import NOT_COMPARED, OPERATORS, OUT_OF_SCOPE, ROUNDED

pytest.importorskip("onnx")

RTOL, ATOL = 1e-5, 1e-6  # of float32, for sums of numbers around 1; the cases' own rtol is 1e-3


def patterns(case):
    """The rows of OUT_OF_SCOPE that speak of the case."""
    return [pattern for pattern in OUT_OF_SCOPE if fnmatchcase(case.name, pattern)]


def check(operator, case):
    outputs = ADAPTERS[operator](case.attributes, *case.inputs)
    rtol = case.rtol if case.name in ROUNDED else RTOL
    for i, expected in enumerate(case.outputs):
        if expected is not None and (operator, i) not in NOT_COMPARED:
            y = np.asarray(outputs[i])
            assert y.dtype == expected.dtype
            np.testing.assert_allclose(y, expected, rtol=rtol, atol=ATOL, strict=True)


def problem(operator, case):
    """What is wrong with our outputs, or nothing."""
    try:
        check(operator, case)
    except Exception as error:
        return f"{case.name}: {type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_cases_of(operator):
    cases = [case for case in load(operator, OPERATORS[operator].module) if not patterns(case)]
    problems = [text for case in cases if (text := problem(operator, case))]
    assert not problems, "\n\n".join(problems)
    assert len(cases) >= OPERATORS[operator].runs


def test_what_is_listed_is_there_and_what_is_out_of_scope_does_not_run():
    unused = {*OUT_OF_SCOPE, *ROUNDED}
    for operator, (module, _) in OPERATORS.items():
        for case in load(operator, module):
            unused -= {case.name, *patterns(case)}
            assert not patterns(case) or problem(operator, case), f"{case.name} runs, and is in scope"
    assert not unused


def test_operators_adapters_and_outputs_belong_together():
    assert set(ADAPTERS) == set(OPERATORS)
    assert {operator for operator, _ in NOT_COMPARED} <= set(OPERATORS)


@pytest.mark.parametrize(
    "planted",
    [lambda y: y + 1e-4, lambda y: y.astype(float), lambda y: y[:, :2]],
    ids=["value", "dtype", "shape"],
)
def test_a_wrong_output_is_found(planted):
    case: Case = load("Conv", OPERATORS["Conv"].module)[0]
    check("Conv", case)
    with pytest.raises(AssertionError):
        check("Conv", replace(case, outputs=[planted(y) for y in case.outputs]))
