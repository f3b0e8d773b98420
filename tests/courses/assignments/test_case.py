"""What a check says: planted mistakes are named, right results pass."""

import numpy as np
import pytest

from clearprop.courses.assignments.check.case import Case, Mismatch

RNG = np.random.default_rng(0)
EXPECTED = RNG.normal(size=(4, 4))
CASE = Case("x (5, 4), W (4, 4), relu")


def report(got, expected=EXPECTED, **known):
    with pytest.raises(Mismatch) as caught:
        CASE.expect("gradients['W']", got, expected, **known)
    return str(caught.value)


def flat(text):
    return " ".join(text.split())


def test_a_right_result_passes_whatever_its_type_and_last_digits():
    CASE.expect("y", EXPECTED.tolist(), EXPECTED)
    CASE.expect("y", EXPECTED * (1 + 1e-9), EXPECTED)
    CASE.expect("loss", np.float32(0.5), 0.5)


def test_the_report_shows_case_numbers_and_the_worst_place():
    wrong = EXPECTED.copy()
    wrong[2, 1] += 3
    text = report(wrong)
    assert text.startswith("gradients['W']: 1 of 16 numbers of shape (4, 4) are wrong.")
    assert "case      x (5, 4), W (4, 4), relu" in text
    assert f"worst     at [2, 1]: expected {EXPECTED[2, 1]:.6g}, got {wrong[2, 1]:.6g}" in text


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (5 * EXPECTED, "the mean over the batch, 1/N, is missing"),
        (EXPECTED / 5, "taken once too often"),
        (EXPECTED.T, "The transpose matches"),
        (-EXPECTED, "The sign is flipped"),
        (EXPECTED[::-1, ::-1], "as a flipped kernel"),
        (np.zeros((4, 4)), "zero everywhere"),
        (np.full((4, 4), np.nan), "16 of 16 are NaN or infinite. Subtract the largest score first."),
        (EXPECTED.ravel(), "expected shape (4, 4), got (16,)"),
        (None, "is None"),
        ("text", "got str"),
    ],
)
def test_planted_mistakes_are_named(got, words):
    assert words in flat(report(got, batch=5, not_finite="Subtract the largest score first."))


def test_a_suspect_is_named_before_anything_else():
    suspects = {"σ′ is forgotten.": 2 * EXPECTED}
    assert "guess     σ′ is forgotten." in report(2 * EXPECTED, suspects=suspects)
    assert "σ′" not in report(3 * EXPECTED, suspects=suspects)


def test_inputs_changed_in_place_are_seen():
    x = np.array([1.0, -1.0, np.nan])
    with CASE.untouched(x=x):
        pass
    with pytest.raises(Mismatch, match="x was changed in place"), CASE.untouched(x=x):
        x[x < 0] = 0


def test_the_report_stays_within_80_columns():
    big = RNG.normal(size=(3, 20, 30)) * 1e-7
    lines = report(big + 1, expected=big).splitlines()
    assert max(map(len, lines)) <= 80 - 10  # the command indents by ten
