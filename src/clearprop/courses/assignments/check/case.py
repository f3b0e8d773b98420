"""What a check says when a student's numbers are not the expected ones: the case, the shapes, the numbers, a guess."""

import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from clearprop.arrays import Array, shape_text
from clearprop.gradcheck.guess import Evidence, guess_cause

SHOWN = 4  # entries of a row or column that are printed
WIDTH = 70  # of a report, which the command indents by ten


class Mismatch(AssertionError):
    """A student's result is not the expected one; its text is the report."""


class Check(NamedTuple):
    """One check of a course.

    Attributes
    ----------
    name : str
        What is checked, in the course's words.
    run : callable
        Imports the student's modules and raises `Mismatch`, or anything else, where they are wrong. The working
        directory is a copy of the student's folder, which also stands first on the import path.
    points : float or None
        The document's, where it gives some.
    seconds : float
        The time limit.
    extra : bool
        Runs only where it is asked for, by the beginning of its name: a later homework's check.
    """

    name: str
    run: Callable[[], None]
    points: float | None = None
    seconds: float = 30.0
    extra: bool = False


class Case:
    """One set of inputs, on which several results are compared.

    Parameters
    ----------
    about : str
        The inputs in words, as the report shows them: "x (5, 4), W (4, 3), relu".
    rtol, atol : float
        |got − expected| ≤ atol + rtol·|expected|, entry by entry.
    """

    def __init__(self, about: str, rtol: float = 1e-6, atol: float = 1e-8) -> None:
        self.about, self.rtol, self.atol = about, rtol, atol

    def expect(
        self,
        what: str,
        got: Any,
        expected: Any,
        suspects: Mapping[str, Any] | None = None,
        batch: int | None = None,
        not_finite: str = "",
    ) -> None:
        """Compare a result with the expected one.

        Parameters
        ----------
        what : str
            What was computed, as the student calls it: "gradients['W']".
        suspects : mapping of str to array, optional
            What known mistakes would have given: {"The kernel is flipped: ...": array}.
        batch : int, optional
            The batch's size, so that a lost or doubled 1/N is named.
        not_finite : str
            The likely reason for a NaN or an infinity.
        """
        expected = np.asarray(expected)
        if got is None:
            raise Mismatch(
                f"{what} is None: is a `return`, or an entry of a dictionary, missing?\n{self._case()}"
            )
        try:
            array = np.asarray(got, dtype=np.float64)
        except (TypeError, ValueError):
            raise Mismatch(
                f"{what}: expected numbers of shape {shape_text(expected.shape)}, got {type(got).__name__}."
                f"\n{self._case()}"
            ) from None
        if array.shape == expected.shape and np.allclose(array, expected, rtol=self.rtol, atol=self.atol):
            return
        guess = _guess(array, expected.astype(np.float64), suspects or {}, batch, not_finite)
        raise Mismatch(self._report(what, array, expected, guess))

    @contextmanager
    def untouched(self, **arrays: Array) -> Iterator[None]:
        """Refuse code that changes its inputs in place.

        >>> x = np.ones(3)
        >>> with Case("x (3,)").untouched(x=x):
        ...     y = x + 1
        """
        before = {name: array.copy() for name, array in arrays.items()}
        yield
        for name, array in arrays.items():
            if not np.array_equal(before[name], array, equal_nan=True):
                reason = (
                    f"{name} was changed in place: whoever passed it still needs it. Make a new array, or copy "
                    f"{name} first."
                )
                numbers = f"{_numbers('before', before[name])}\n{_numbers('after', array)}"
                raise Mismatch(f"{_wrapped(reason)}\n{self._case()}\n{numbers}")

    @contextmanager
    def quiet(self, what: str, remedy: str) -> Iterator[None]:
        """Refuse code at which NumPy warns of an overflow, a division by zero or an invalid value.

        >>> with Case("x = 1000").quiet("y", "Use exp(-x)."):
        ...     y = np.exp(-np.array(1000.0))
        """
        with np.errstate(over="warn", divide="warn", invalid="warn"), warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                yield
            except RuntimeWarning as err:
                raise Mismatch(
                    f"{_wrapped(f'{what}: NumPy warns of {err}. {remedy}')}\n{self._case()}"
                ) from err

    def refuse(self, reason: str) -> None:
        """Fail for a reason that is no array."""
        raise Mismatch(f"{_wrapped(reason)}\n{self._case()}")

    def _case(self) -> str:
        return _wrapped(self.about, "  case      ")

    def _report(self, what: str, got: Array, expected: Array, guess: str) -> str:
        if got.shape != expected.shape:
            head = f"{what}: expected shape {shape_text(expected.shape)}, got {shape_text(got.shape)}."
        else:
            off = ~np.isclose(got, expected, rtol=self.rtol, atol=self.atol)
            head = (
                f"{what} is wrong."
                if off.size == 1
                else f"{what}: {int(off.sum())} of {off.size} numbers of shape {shape_text(got.shape)} are wrong."
            )
        lines = [head, self._case(), _numbers("expected", expected), _numbers("got", got)]
        if got.shape == expected.shape and got.size > 1 and np.all(np.isfinite(got)):
            worst = np.unravel_index(int(np.abs(got - expected).argmax()), got.shape)
            place = ", ".join(str(int(i)) for i in worst)
            lines.append(f"  worst     at [{place}]: expected {expected[worst]:.6g}, got {got[worst]:.6g}")
        if guess:
            lines.append(_wrapped(guess, "  guess     "))
        return "\n".join([_wrapped(head), *lines[1:]])


def _wrapped(text: str, label: str = "") -> str:
    return textwrap.fill(label + text, WIDTH, subsequent_indent=" " * len(label), break_long_words=False)


def _numbers(name: str, array: Array) -> str:
    """The array's first numbers, indented, by its name."""
    shown = array[tuple([0] * max(0, array.ndim - 2))]
    cut = shown[tuple([slice(0, SHOWN)] * shown.ndim)]
    text = np.array2string(cut, precision=5, suppress_small=False, max_line_width=WIDTH - 14)
    more = " …" if cut.size < array.size else ""
    first, *rest = (text + more).split("\n")
    return "\n".join([f"  {name:<9} {first}", *(" " * 12 + line for line in rest)])


def _guess(
    got: Array, expected: Array, suspects: Mapping[str, Any], batch: int | None, not_finite: str
) -> str:
    if not np.all(np.isfinite(got)):
        count = int((~np.isfinite(got)).sum())
        share = "It is" if got.size == 1 else f"{count} of {got.size} are"
        return f"{share} NaN or infinite." + (f" {not_finite}" if not_finite else "")
    for sentence, suspect in suspects.items():
        suspect = np.asarray(suspect)
        if suspect.shape == got.shape and np.allclose(got, suspect, rtol=1e-5, atol=1e-8):
            return sentence
    if batch and got.shape == expected.shape and (named := _batch_factor(got, expected, batch)):
        return named
    text = guess_cause(
        Evidence(
            got,
            expected,
            np.arange(expected.size),
            expected.ravel(),
            np.full(expected.size, np.nan),
            (batch or 1,),
            {},
        )
    )
    text = re.sub(
        r"^Expected a gradient of shape .*?, got .*?\. ?", "", text
    )  # the report begins with the shapes
    return text.replace("The analytic gradient is", "It is").replace("the numeric", "the expected")


def _batch_factor(got: Array, expected: Array, n: int) -> str:
    """1/N missing, or taken once more than it belongs."""
    for times, sentence in (
        (n, f"It is N = {n} times the expected: the mean over the batch, 1/N, is missing."),
        (1 / n, f"It is 1/N = 1/{n} of the expected: the mean over the batch is taken once too often."),
    ):
        if n > 1 and np.allclose(got, times * expected, rtol=1e-5, atol=1e-10):
            return sentence
    return ""
